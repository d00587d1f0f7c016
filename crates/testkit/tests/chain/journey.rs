//! One image's journey through the real chain: put it, and it is found; change or remove it, and it
//! is not.

use std::time::Duration;

use serde_json::json;
use testkit::{World, broken, draw_scenes, eventually, solid_jpeg};

const IMAGES: &str = "images";
const EMBEDDINGS: &str = "embeddings_demo-clip";

#[tokio::test(flavor = "multi_thread")]
async fn scenes_are_found_by_their_sentence_in_both_languages() {
    let mut world = World::start().await;
    let (mut ingest, mut embedder, mut searcher) =
        (world.run_ingest(), world.run("embedder", &[]), world.run("searcher", &[]));
    ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;

    let folder = tempfile::tempdir().unwrap();
    let scenes = draw_scenes(folder.path(), 40);
    let scenes = scenes.as_array().unwrap();
    for scene in scenes {
        let key = scene["key"].as_str().unwrap();
        world.put(key, std::fs::read(folder.path().join(key)).unwrap()).await;
    }
    world.indexed(&base, scenes.len()).await;

    for language in ["en", "zh"] {
        let mut right = 0;
        for scene in scenes {
            let hits = world.search(&base, scene[language].as_str().unwrap(), 1).await;
            right += usize::from(hits[0].key == scene["key"].as_str().unwrap());
        }
        assert!(
            right * 100 >= scenes.len() * 95,
            "{language}: only {right} of {} scenes come first",
            scenes.len()
        );
    }

    // By picture: an indexed one finds itself first, and so does its uploaded copy.
    let hit = &world.search(&base, scenes[0]["en"].as_str().unwrap(), 1).await[0];
    let (status, body) = world
        .post(&format!("{base}/v1/search"), json!({ "image_id": hit.image_id, "top_k": 3 }))
        .await;
    assert_eq!(
        (status, body["hits"][0]["image_id"].as_str()),
        (200, Some(hit.image_id.as_str())),
        "{body}"
    );
    let bytes = std::fs::read(folder.path().join(&hit.key)).unwrap();
    let form = reqwest::multipart::Form::new()
        .text("top_k", "3")
        .part("image", reqwest::multipart::Part::bytes(bytes).file_name("query.jpg"));
    let answer =
        world.http().post(format!("{base}/v1/search")).multipart(form).send().await.unwrap();
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["hits"][0]["key"], json!(hit.key), "{body}");
    assert!(body["hits"][0]["score"].as_f64().unwrap() > 0.999, "{body}");

    // What the page shows of it: thumbnail, facts, and a link that really leads to the original.
    let thumbnail = world
        .http()
        .get(format!("{base}/v1/images/{}/thumbnail", hit.image_id))
        .send()
        .await
        .unwrap();
    assert_eq!(thumbnail.headers()["content-type"], "image/jpeg");
    assert!(image::load_from_memory(&thumbnail.bytes().await.unwrap()).is_ok());
    let original = world
        .http()
        .get(format!("{base}/v1/images/{}/original", hit.image_id))
        .send()
        .await
        .unwrap();
    assert_eq!(original.status(), 302);
    let link = original.headers()["location"].to_str().unwrap();
    assert_eq!(
        world.http().get(link).send().await.unwrap().bytes().await.unwrap(),
        std::fs::read(folder.path().join(&hit.key)).unwrap()
    );

    for program in [&mut ingest, &mut embedder, &mut searcher] {
        assert!(program.stop().await.success(), "{}", program.log());
    }
    assert_eq!(world.queued().await, 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_found_by_its_present_content_only() {
    let mut world = World::start().await;
    let (mut ingest, mut embedder, mut searcher) =
        (world.run_ingest(), world.run("embedder", &[]), world.run("searcher", &[]));
    let door = ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;

    // Keys with everything that URLs, queues and tables could trip over.
    let keys = ["a b+c%20d.jpg", "海滩/'quoted\" \\ key'.JPG", "x/../y/./z;--.jpeg"];
    for (key, colour) in keys.iter().zip([[220, 30, 30], [30, 200, 30], [30, 30, 220]]) {
        world.put(key, solid_jpeg(colour, 128)).await;
    }
    world.indexed(&base, 3).await;
    let found: Vec<_> =
        world.search(&base, "picture", 10).await.into_iter().map(|hit| hit.key).collect();
    for key in keys {
        assert_eq!(found.iter().filter(|found| *found == key).count(), 1, "{key} in {found:?}");
    }

    // Overwritten: the old version is gone from search and tables, the new one is there, once.
    let before = world
        .search(&base, "picture", 10)
        .await
        .into_iter()
        .find(|hit| hit.key == keys[0])
        .unwrap();
    world.put(keys[0], solid_jpeg([240, 240, 20], 128)).await;
    let after = eventually("only the new content is found", Duration::from_secs(60), || async {
        let hits = world.search(&base, "picture", 10).await;
        let mut same = hits.into_iter().filter(|hit| hit.key == keys[0]);
        let hit = same.next()?;
        assert!(same.next().is_none(), "an object is found twice");
        (hit.image_id != before.image_id).then_some(hit)
    })
    .await;
    for table in [IMAGES, EMBEDDINGS] {
        eventually("the rows of the old content are removed", Duration::from_secs(60), || async {
            let rows = world.rows(table).await;
            (!rows.contains(&before.image_id) && rows.contains(&after.image_id) && rows.len() == 3)
                .then_some(())
        })
        .await;
    }
    eventually("the old version is unknown", Duration::from_secs(10), || async {
        let (status, _) = world.get(&format!("{base}/v1/images/{}", before.image_id), &[]).await;
        (status == 404).then_some(())
    })
    .await;

    // Removed, noticed by an event before the next listing would.
    world.remove(keys[1]).await;
    let (status, body) = world
        .notify(&door, "s3:ObjectRemoved:Delete", "%E6%B5%B7%E6%BB%A9/%27quoted%22+%5C+key%27.JPG")
        .await;
    assert_eq!(status, 200, "{body}");
    eventually("the removed object is not found", Duration::from_secs(60), || async {
        let hits = world.search(&base, "picture", 10).await;
        (hits.len() == 2 && hits.iter().all(|hit| hit.key != keys[1])).then_some(())
    })
    .await;
    // Removed without any event.
    world.remove(keys[2]).await;
    eventually("the removed object is not found", Duration::from_secs(60), || async {
        (world.search(&base, "picture", 10).await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(world.rows(EMBEDDINGS).await, [after.image_id]);

    drop((ingest, embedder, searcher));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_bucket_removes_nothing() {
    let mut world = World::start().await;
    let (mut ingest, mut embedder, mut searcher) =
        (world.run_ingest(), world.run("embedder", &[]), world.run("searcher", &[]));
    ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;
    world.put("only.jpg", solid_jpeg([200, 30, 30], 64)).await;
    world.indexed(&base, 1).await;
    world.remove("only.jpg").await;
    let address = ingest.address().await;
    eventually("ingest says that the listing is empty", Duration::from_secs(60), || async {
        let (status, body) = world.get(&format!("http://{address}/readyz"), &[]).await;
        (status == 503 && body["troubles"]["listing"].as_str()?.contains("nothing is removed"))
            .then_some(())
    })
    .await;
    assert_eq!(world.rows(EMBEDDINGS).await.len(), 1);
    drop((ingest, embedder, searcher));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_removal_is_refused_until_it_is_allowed() {
    let mut world = World::start().await;
    let (mut ingest, mut embedder, mut searcher) =
        (world.run_ingest(), world.run("embedder", &[]), world.run("searcher", &[]));
    ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;
    for n in 0..110u8 {
        world.put(&format!("{n:03}.jpg"), solid_jpeg([n, 2 * n, 200 - n], 48)).await;
    }
    world.indexed(&base, 110).await;
    // While nobody watches, so that all are missed in one look.
    assert!(ingest.stop().await.success());
    for n in 0..40u8 {
        world.remove(&format!("{n:03}.jpg")).await;
    }
    let mut ingest = world.run_ingest();
    let address = ingest.address().await;
    eventually("ingest refuses", Duration::from_secs(60), || async {
        let (status, body) = world.get(&format!("http://{address}/readyz"), &[]).await;
        (status == 503 && body["troubles"]["listing"].as_str()?.contains("max_delete_share"))
            .then_some(())
    })
    .await;
    assert_eq!(world.rows(EMBEDDINGS).await.len(), 110, "nothing may go");

    assert!(ingest.stop().await.success());
    let ingest = world
        .run("ingest", &[("WATCH__POLL_INTERVAL", "300ms"), ("WATCH__MAX_DELETE_SHARE", "0.9")]);
    eventually("what is gone is removed", Duration::from_secs(60), || async {
        (world.rows(EMBEDDINGS).await.len() == 70).then_some(())
    })
    .await;
    eventually("searches see it", Duration::from_secs(10), || async {
        (world.search(&base, "picture", 1000).await.len() == 70).then_some(())
    })
    .await;
    drop((ingest, embedder, searcher));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_equal_events_make_one_row() {
    let mut world = World::start().await;
    // Listing is far away: only events bring jobs.
    let mut ingest =
        world.run("ingest", &[("WATCH__POLL_INTERVAL", "1h"), ("EVENTS__SECRET", "knock")]);
    let (mut embedder, mut searcher) = (world.run("embedder", &[]), world.run("searcher", &[]));
    let door = ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;

    world.put("party/red ball.jpg", solid_jpeg([220, 30, 30], 128)).await;
    for round in 0..10 {
        let (status, body) =
            world.notify(&door, "s3:ObjectCreated:Put", "party/red+ball.jpg").await;
        assert_eq!((status, &body["acted_on"]), (200, &json!(u8::from(round == 0))), "{body}");
    }
    world.indexed(&base, 1).await;
    let (status, body) = world.notify(&door, "s3:ObjectCreated:Put", "party/red+ball.jpg").await;
    assert_eq!((status, &body["acted_on"]), (200, &json!(0)), "{body}");
    eventually("nothing waits", Duration::from_secs(30), || async {
        (world.queued().await == 0).then_some(())
    })
    .await;
    for table in [IMAGES, EMBEDDINGS] {
        assert_eq!(world.rows(table).await.len(), 1, "{table}");
    }

    // Nobody else comes in by this door, and nonsense is no job.
    let post = world.http().post(format!("{door}/events")).body("{}").send().await.unwrap();
    assert_eq!(post.status(), 401);
    let post = world
        .http()
        .post(format!("{door}/events"))
        .bearer_auth("knock")
        .body("nonsense")
        .send()
        .await
        .unwrap();
    assert_eq!(post.status(), 400);
    drop((ingest, embedder, searcher));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_parked_with_a_true_reason_and_hurt_nobody() {
    let mut world = World::start().await;
    let good: Vec<_> = (0..12u8).map(|n| format!("good/{n}.jpg")).collect();
    for (n, key) in good.iter().enumerate() {
        world.put(key, solid_jpeg([20 * n as u8, 255 - 20 * n as u8, 90], 96)).await;
    }
    let bad = broken();
    for (key, bytes, _) in &bad {
        world.put(key, bytes.clone()).await;
    }
    let (mut ingest, mut embedder, mut searcher) =
        (world.run_ingest(), world.run("embedder", &[]), world.run("searcher", &[]));
    ingest.ready().await;
    embedder.ready().await;
    let base = searcher.ready().await;
    world.indexed(&base, good.len()).await;
    eventually("the bad files are dead letters", Duration::from_secs(60), || async {
        let (_, status) = world.get(&format!("{base}/v1/status"), &[]).await;
        (status["queues"]["embed-demo-clip"]["dead"] == json!(bad.len())).then_some(())
    })
    .await;

    // Neither more listings nor a new ingest publish any of them again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(ingest.stop().await.success());
    let mut ingest = world.run_ingest();
    ingest.ready().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    eventually("nothing but the dead letters waits", Duration::from_secs(30), || async {
        (world.queued().await as usize == bad.len()).then_some(())
    })
    .await;
    let dead = world.take_dead().await;
    assert_eq!(dead.len(), bad.len(), "{dead:?}");
    for ((key, class, reason), (bad_key, _, expected)) in dead.iter().zip(&bad) {
        assert_eq!((key.as_str(), class.as_str()), (*bad_key, *expected), "{reason}");
        assert!(reason.len() > 15, "the reason says too little: {reason}");
    }
    assert!(dead[0].2.contains("40000"), "{}", dead[0].2);
    let mut found: Vec<_> =
        world.search(&base, "picture", 100).await.into_iter().map(|hit| hit.key).collect();
    found.sort();
    let mut expected = good.clone();
    expected.sort();
    assert_eq!(found, expected);
    drop((ingest, embedder, searcher));
    world.finish().await;
}
