//! Pages of searches by several signals, while rows are written, and cursors that were forged.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::{World, eventually};

use crate::captioned_library::CaptionedLibrary;
use crate::hybrid::{ask, keys};
use crate::vectors::demo_space;

/// What a client could make of a cursor: its bytes with one changed, cut, without the seal, or with
/// a position of its own.
fn forgeries(cursor: &str) -> Vec<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap();
    let (payload, seal) = bytes.split_at(bytes.len() - 16);
    let mut forged = Vec::new();
    for place in [0, payload.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        forged.push(changed);
    }
    forged.extend([payload.to_vec(), bytes[..bytes.len() - 1].to_vec(), bytes[1..].to_vec()]);
    for position in [9_u64, 10_000, 8_000_000_000_000_000_000, u64::MAX] {
        let mut other: Value = serde_json::from_slice(payload).unwrap();
        other["p"] = json!(position);
        let other = other.to_string();
        forged.extend([other.clone().into_bytes(), [b" ", other.as_bytes(), seal].concat()]);
    }
    let encoded = forged.into_iter().map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    encoded.chain(["", "eyJxIjoiIn0", "%"].map(String::from)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_neither_repeat_nor_skip_while_rows_are_written() {
    let mut world = World::start().await;
    let mut library = CaptionedLibrary::make(&world, demo_space()).await;
    for album in ["a", "b", "c", "d", "e"] {
        library.add(album).await;
    }
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let broad = |top_k: usize| json!({ "text": "car at night", "top_k": top_k });
    let whole = keys(&ask(&world, &base, broad(200)).await);
    assert_eq!(whole.len(), 200);
    for (size, pages) in [(20, 10), (7, 29)] {
        if size == 7 {
            let newest = Duration::from_secs(10);
            eventually("the later rows are found", newest, async || {
                (keys(&ask(&world, &base, broad(1000)).await).len() == 320).then_some(())
            })
            .await;
        }
        let (mut paged, mut cursor) = (Vec::new(), Value::Null);
        for page in 0..pages {
            let mut query = broad(size);
            if page > 0 {
                query["cursor"] = cursor;
            }
            let answer = ask(&world, &base, query).await;
            paged.extend(keys(&answer));
            cursor = answer["next_cursor"].clone();
            // Rows that an embedder and a captioner write meanwhile.
            if page % 4 == 0 && size == 20 {
                library.add(&format!("later-{page}")).await;
            }
        }
        if size == 20 {
            let apart: Vec<_> =
                paged.iter().zip(&whole).enumerate().filter(|(_, (a, b))| a != b).collect();
            assert!(apart.is_empty() && paged.len() == whole.len(), "pages of {size}: {apart:?}");
            assert_eq!(paged.iter().collect::<HashSet<_>>().len(), 200);
            assert!(cursor.is_null(), "nothing comes after all");
        } else {
            // By now there are more rows; these pages read the newest versions.
            assert_eq!(paged.iter().collect::<HashSet<_>>().len(), paged.len());
            assert!(paged.iter().any(|key| key.starts_with("later-")) && cursor.is_string());
        }
    }
    // Pages of a single signal end only when everything was shown.
    let (mut all, mut cursor) = (HashSet::new(), Value::Null);
    loop {
        let mut query = json!({ "vector": library.example("car"), "top_k": 90 });
        if cursor.is_string() {
            query["cursor"] = cursor;
        }
        let answer = ask(&world, &base, query).await;
        assert!(keys(&answer).into_iter().all(|key| all.insert(key)));
        cursor = answer["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(all.len(), 320);
    // A position or version of the client's own choice is refused, even one of ours.
    let query = json!({ "vector": library.example("car"), "top_k": 9 });
    let cursor =
        ask(&world, &base, query.clone()).await["next_cursor"].as_str().unwrap().to_owned();
    for forged in forgeries(&cursor) {
        let mut query = query.clone();
        query["cursor"] = json!(forged);
        let (status, body) = world.post(&format!("{base}/v1/search"), query).await;
        assert_eq!((status, &body["field"]), (400, &json!("cursor")), "{forged}: {body}");
    }
    // A word that every picture has: all are looked at, and none is left.
    let (status, body) =
        world.post(&format!("{base}/v1/search"), json!({ "text": "car -jpg", "top_k": 5 })).await;
    assert_eq!((status, keys(&body).len()), (200, 0), "{body}");
    drop(searcher);
    world.finish().await;
}
