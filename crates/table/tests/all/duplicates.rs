//! Objects with the same bytes as one hit.

use crate::rows;

use rows::{open, query, row, space};
use table::duplicates::MOST_NAMED;
use table::embeddings::{Embeddings, Hit, VectorQuery};
use table::filter::Filter;
use table::schema::EmbeddingRow;

fn copy(id: u128, key: &str, content: &str, vector: [f32; 2]) -> EmbeddingRow {
    let mut row = row(id, key, 1, vector);
    row.facts.content_hash = content.to_owned();
    row
}

fn collapsed(vector: [f32; 2], top_k: usize) -> VectorQuery {
    VectorQuery { collapse: true, ..query(vector, top_k) }
}

fn keys(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.facts.key.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_is_shown_once_with_its_other_places() {
    let (_store, database) = open().await;
    let table = Embeddings::open_or_create(&database, space(2)).await.unwrap();
    let near = [1.0, 0.0];
    let mut rows: Vec<_> =
        (1..=250).map(|id| copy(id, &format!("blank/{id:03}.png"), "blank", near)).collect();
    rows.push(copy(1001, "b/cat.png", "cat", [0.8, 0.6]));
    rows.push(copy(1002, "a/cat.png", "cat", [0.8, 0.6]));
    rows.push(copy(1003, "b/dog.png", "dog", [0.6, 0.8]));
    table.append(&rows, "first").await.unwrap();
    // Overwritten with other content, and a spare row: neither is a duplicate of the cat.
    let mut overwritten = copy(1005, "c/cat.png", "cow", [0.0, 1.0]);
    overwritten.facts.last_modified = jiff::Timestamp::from_second(2).ok();
    table
        .append(&[copy(1004, "c/cat.png", "cat", [0.8, 0.6]), overwritten], "second")
        .await
        .unwrap();
    table.append(&rows[250..251], "third").await.unwrap();

    let found = table.search(&collapsed(near, 10)).await.unwrap();
    assert_eq!(keys(&found.hits), ["blank/001.png", "b/cat.png", "b/dog.png", "c/cat.png"]);
    let duplicates: Vec<_> = found.hits.iter().map(|hit| hit.duplicates.clone().unwrap()).collect();
    assert_eq!(duplicates.iter().map(|all| all.total).collect::<Vec<_>>(), [249, 1, 0, 0]);
    assert_eq!(duplicates[0].named.len(), MOST_NAMED);
    assert_eq!(duplicates[0].named[0].key, "blank/002.png");
    let other = &duplicates[1].named[0];
    assert_eq!(
        (other.key.as_str(), other.etag.as_str(), other.image_id.len()),
        ("a/cat.png", "etag-1002", 32)
    );

    // Pages count what is shown: none twice, none left out.
    for top_k in [1, 2, 3] {
        let mut paged = Vec::new();
        for offset in (0..6).step_by(top_k) {
            let page = VectorQuery { offset, ..collapsed(near, top_k) };
            paged.extend(
                table.search(&page).await.unwrap().hits.into_iter().map(|hit| hit.facts.key),
            );
        }
        assert_eq!(paged, keys(&found.hits));
    }

    // Only what the filter keeps is shown and counted.
    let filter = Filter { prefix: Some("b".into()), ..Filter::default() };
    let narrowed = table
        .search(&VectorQuery { filter, min_score: Some(0.7), ..collapsed(near, 10) })
        .await
        .unwrap();
    assert_eq!(keys(&narrowed.hits), ["blank/001.png", "b/cat.png"]);
    assert_eq!(narrowed.hits[1].duplicates.clone().unwrap().total, 0);

    let all = table.search(&query(near, 1000)).await.unwrap();
    assert!(all.hits.len() == 254 && all.hits.iter().all(|hit| hit.duplicates.is_none()));
}
