//! The embedder as a process: it waits for model and store, and runs its model on new contents
//! only.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::{Process, World, copy_demo_model, eventually, solid_jpeg};

/// Waits until the process lives, is not ready, and says why in this condition.
async fn waits_for(world: &World, process: &mut Process, condition: &str, part: &str) {
    let base = format!("http://{}", process.address().await);
    eventually(&format!("it waits for {condition}"), Duration::from_secs(60), || async {
        let (status, body) = world.get(&format!("{base}/readyz"), &[]).await;
        let trouble = body["troubles"][condition].as_str()?;
        (status == 503 && trouble.contains(part)).then_some(())
    })
    .await;
    assert_eq!(world.get(&format!("{base}/healthz"), &[]).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_missing_is_waited_for() {
    let mut world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    let name = model.to_str().unwrap().to_owned();
    let (mut embedder, mut searcher) = (
        world.run("embedder", &[("MODELS__SERVE", &name)]),
        world.run("searcher", &[("MODELS__ACTIVE", &name)]),
    );
    waits_for(&world, &mut embedder, &format!("model {name}"), "model.toml").await;
    waits_for(&world, &mut searcher, "model", "model.toml").await;
    let base = format!("http://{}", searcher.address().await);
    let (status, body) = world.get(&format!("{base}/v1/search"), &[("q", "a red ball")]).await;
    assert_eq!(status, 503, "{body}");

    copy_demo_model(&model, &[]);
    for process in [&mut embedder, &mut searcher] {
        process.ready().await;
    }
    assert!(embedder.stop().await.success() && searcher.stop().await.success());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_waited_for() {
    let mut world = World::start().await;
    // A port on which nobody listens yet.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{address}");
    let mut embedder = world.run("embedder", &[("BUCKET__ENDPOINT", &endpoint)]);
    waits_for(&world, &mut embedder, "store", "store probe").await;
    // Leaving does not wait for the store.
    let mut other = world.run("embedder", &[("BUCKET__ENDPOINT", &endpoint)]);
    waits_for(&world, &mut other, "store", "store probe").await;
    assert!(other.stop().await.success(), "{}", other.log());

    let folder = tempfile::tempdir().unwrap();
    let server = devstore::start(devstore::Options {
        root: folder.path().join("store"),
        listen: address,
        access_key: "test".to_owned(),
        secret_key: "test-secret".to_owned(),
        buckets: vec![world.bucket().to_owned()],
        delay: Duration::ZERO,
    });
    let server = server.await.unwrap();
    embedder.ready().await;
    assert!(embedder.stop().await.success());
    drop(server);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_picture_under_other_keys_is_inferred_once() {
    let mut world = World::start().await;
    let mut ingest = world.run_ingest();
    let mut embedder = world.run("embedder", &[("RUNTIME__THREADS", "1")]);
    ingest.ready().await;
    let base = embedder.ready().await;
    let rows = |count: usize| {
        let world = &world;
        eventually("the pictures have rows", Duration::from_secs(60), move || async move {
            let rows = world.rows("embeddings_demo-clip").await;
            (rows.len() == count).then_some(rows)
        })
    };
    let picture = solid_jpeg([200, 30, 30], 256);
    world.put("first.jpg", picture.clone()).await;
    rows(1).await;
    for n in 0..3 {
        world.put(&format!("copy-{n}.jpg"), picture.clone()).await;
    }
    let ids = rows(4).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4, "each object has a row of its own");
    let metrics =
        world.http().get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.lines().any(|line| line == "bucketlens_inferences_saved_total 3"), "{metrics}");
    drop((ingest, embedder));
    world.finish().await;
}
