//! Killed processes and restarts: another worker finishes their jobs, nothing is lost and nothing
//! is found twice.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use testkit::{Broker, World, eventually, solid_jpeg};

async fn put_pictures(world: &World, from: usize, to: usize) {
    for n in from..to {
        let colour = [(n * 37 % 256) as u8, (n * 91 % 256) as u8, (n * 53 % 256) as u8];
        world.put(&format!("load/{n:04}.jpg"), solid_jpeg(colour, 320)).await;
    }
}

/// Every object is found, each once.
async fn all_found_once(world: &World, searcher: &str, count: usize) {
    let keys: Vec<_> = eventually(
        &format!("all {count} pictures are found"),
        Duration::from_secs(180),
        || async {
            let hits = world.search(searcher, "a red ball", 1000).await;
            (hits.len() >= count).then(|| hits.into_iter().map(|hit| hit.key).collect())
        },
    )
    .await;
    assert_eq!(keys.len(), count);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), count, "an object is found twice");
}

async fn metric(world: &World, base: &str, name: &str) -> f64 {
    let text =
        world.http().get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_embedder_loses_nothing_and_doubles_nothing() {
    let mut world = World::start().await;
    // A batch larger than the prefetch closes only by age: for two seconds at a time everything
    // held is unfinished.
    let slow = [
        ("BATCH__MAX_ROWS", "64"),
        ("BATCH__MAX_WAIT", "2s"),
        ("AMQP__PREFETCH", "32"),
        ("RUNTIME__THREADS", "1"),
    ];
    let (mut ingest, mut searcher) = (world.run_ingest(), world.run("searcher", &[]));
    ingest.ready().await;
    let base = searcher.ready().await;
    let count = 240;
    put_pictures(&world, 0, count).await;
    eventually("all jobs wait", Duration::from_secs(60), || async {
        (world.queued().await == count as u32).then_some(())
    })
    .await;
    let (mut victim, mut other) = (world.run("embedder", &slow), world.run("embedder", &slow));
    let victim_base = victim.ready().await;
    other.ready().await;

    eventually("the victim is in the middle of its work", Duration::from_secs(60), || async {
        let settled = metric(&world, &victim_base, "bucketlens_jobs_settled_total").await;
        let delivered = metric(&world, &victim_base, "bucketlens_deliveries_total").await;
        (settled > 0.0 && delivered >= settled + 16.0).then_some(())
    })
    .await;
    victim.kill();

    all_found_once(&world, &base, count).await;
    eventually("nothing waits", Duration::from_secs(60), || async {
        (world.queued().await == 0).then_some(())
    })
    .await;
    let rows = world.rows("embeddings_demo-clip").await;
    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), count);
    drop((ingest, searcher, victim, other));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_restart_under_load_loses_nothing() {
    let broker = Broker::start().await;
    let mut world = World::on_broker(broker.url()).await;
    let small = [("BATCH__MAX_ROWS", "8"), ("RUNTIME__THREADS", "1")];
    let (mut ingest, mut searcher, mut embedder) =
        (world.run_ingest(), world.run("searcher", &[]), world.run("embedder", &small));
    ingest.ready().await;
    let base = searcher.ready().await;
    let embedder_base = embedder.ready().await;
    put_pictures(&world, 0, 80).await;
    eventually("work is under way", Duration::from_secs(60), || async {
        (metric(&world, &embedder_base, "bucketlens_jobs_settled_total").await > 0.0).then_some(())
    })
    .await;

    tokio::join!(broker.restart(), put_pictures(&world, 80, 160));
    all_found_once(&world, &base, 160).await;
    eventually("all programs are ready again", Duration::from_secs(60), || async {
        let (status, body) = world.get(&format!("{embedder_base}/readyz"), &[]).await;
        (status == 200 && body["ready"] == json!(true)).then_some(())
    })
    .await;
    eventually("nothing waits", Duration::from_secs(60), || async {
        (world.queued().await == 0).then_some(())
    })
    .await;
    drop((ingest, searcher, embedder));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_embedder_finishes_what_it_has_begun() {
    let mut world = World::start().await;
    let (mut ingest, mut searcher) = (world.run_ingest(), world.run("searcher", &[]));
    let mut embedder = world.run(
        "embedder",
        &[("BATCH__MAX_ROWS", "8"), ("AMQP__PREFETCH", "16"), ("RUNTIME__THREADS", "1")],
    );
    ingest.ready().await;
    let base = searcher.ready().await;
    let embedder_base = embedder.ready().await;
    put_pictures(&world, 0, 120).await;
    eventually("work is under way", Duration::from_secs(60), || async {
        (metric(&world, &embedder_base, "bucketlens_jobs_settled_total").await > 0.0).then_some(())
    })
    .await;
    assert!(embedder.stop().await.success(), "{}", embedder.log());

    // What it handed back is done by the next, what it had committed is not done again.
    let committed = world.rows("embeddings_demo-clip").await;
    let mut next = world.run("embedder", &[]);
    next.ready().await;
    all_found_once(&world, &base, 120).await;
    let rows = world.rows("embeddings_demo-clip").await;
    assert!(committed.iter().all(|id| rows.contains(id)));
    assert_eq!(rows.len(), 120, "a clean stop leaves no spare row");
    drop((ingest, searcher, embedder, next));
    world.finish().await;
}
