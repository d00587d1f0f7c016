//! Thumbnails, links to originals and requests for captions, of pictures that a worker has indexed.

use std::time::Duration;

use pipeline::stage_name::StageName;
use reqwest::Response;
use serde_json::Value;
use testkit::{World, eventually, solid_jpeg};

const SOON: Duration = Duration::from_secs(60);

/// Ids by key of `count` pictures, once they are indexed. Nothing changes them afterwards.
async fn indexed(world: &mut World, base: &str, count: u8) -> Vec<String> {
    let (mut ingest, mut embedder) =
        (world.run_ingest(), world.run("embedder", &[("RUNTIME__THREADS", "1")]));
    ingest.ready().await;
    embedder.ready().await;
    for number in 0..count {
        world.put(&format!("{number}.jpg"), solid_jpeg([number * 20, 100, 50], 64)).await;
    }
    let library = format!("{base}/v1/library");
    let pictures = eventually("the pictures are indexed", SOON, || async {
        let (_, page) = world.get(&library, &[]).await;
        (page["total"] == count).then(|| page["pictures"].as_array().cloned())
    })
    .await;
    assert!(ingest.stop().await.success() && embedder.stop().await.success());
    let mut pictures = pictures.unwrap();
    pictures.sort_by_key(|picture| picture["key"].to_string());
    pictures.iter().map(|picture| picture["image_id"].as_str().unwrap().to_owned()).collect()
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumbnail_is_kept_for_a_while_and_an_original_is_the_one_that_the_id_names() {
    let mut world = World::start().await;
    let mut searcher = world.run("searcher", &[]);
    let base = searcher.ready().await;
    let ids = indexed(&mut world, &base, 2).await;
    let get = |path: String| world.http().get(format!("{base}{path}"));

    let thumbnail = get(format!("/v1/images/{}/thumbnail", ids[0])).send().await.unwrap();
    assert_eq!(thumbnail.status(), 200);
    assert_eq!(header(&thumbnail, "cache-control"), "private, max-age=300");
    let etag = header(&thumbnail, "etag");
    assert_eq!(etag, format!("\"{}\"", ids[0]));
    let known = get(format!("/v1/images/{}/thumbnail", ids[0])).header("if-none-match", &etag);
    assert_eq!(known.send().await.unwrap().status(), 304);
    for path in [
        String::from("/v1/library"),
        String::from("/v1/search?q=cat"),
        format!("/v1/images/{}", ids[0]),
        format!("/v1/images/{}/thumbnail", "0".repeat(32)),
    ] {
        let answer = get(path.clone()).send().await.unwrap();
        assert_eq!(header(&answer, "cache-control"), "no-store", "{path}");
    }

    let original = |id: &str| get(format!("/v1/images/{id}/original")).send();
    let link = original(&ids[0]).await.unwrap();
    assert_eq!((link.status().as_u16(), header(&link, "cache-control")), (302, "no-store".into()));
    let address = header(&link, "location");
    assert!(address.contains("response-content-type=image%2Fjpeg"), "{address}");
    assert!(address.contains("response-content-disposition=inline"), "{address}");

    // The link would open other content, or nothing.
    world.put("0.jpg", solid_jpeg([1, 2, 3], 32)).await;
    world.remove("1.jpg").await;
    for (id, reason) in [(&ids[0], "other content"), (&ids[1], "removed")] {
        let gone = original(id).await.unwrap();
        let (status, body) = (gone.status(), gone.json::<Value>().await.unwrap());
        assert_eq!(status, 410, "{body}");
        assert!(body["detail"].as_str().unwrap().contains(reason), "{body}");
    }
    drop(searcher);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_captioned_once_a_minute_and_all_together_by_the_rate() {
    let mut world = World::start().await;
    let mut searcher = world.run("searcher", &[("CAPTIONS__REQUESTS_PER_MINUTE", "3")]);
    let base = searcher.ready().await;
    let ids = indexed(&mut world, &base, 3).await;
    let ask = async |id: &str, query: &str| {
        let answer =
            world.http().post(format!("{base}/v1/images/{id}/caption{query}")).send().await;
        let answer = answer.unwrap();
        (answer.status().as_u16(), header(&answer, "retry-after"))
    };
    for (id, query) in [
        (&ids[0], ""),
        (&ids[0], ""),
        (&ids[1], ""),
        (&ids[1], ""),
        (&ids[1], "?redo=true"),
        (&ids[1], "?redo=true"),
    ] {
        assert_eq!(ask(id, query).await.0, 202, "{id}{query}");
    }
    let (status, pause) = ask(&ids[2], "").await;
    assert_eq!(status, 429);
    assert!((1..=21).contains(&pause.parse::<u64>().unwrap()), "{pause}");
    // What was asked for twice was published once.
    let stage = StageName::caption("demo-captioner");
    assert_eq!(world.depths_of(&stage).await.work, Some(3));
    drop(searcher);
    world.finish().await;
}
