//! The operator's switch.

use std::time::Duration;

use futures::future::join_all;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use pipeline::stage_name::StageName;
use pipeline::switch;
use pipeline::worker::{self, HALT_HOLD};
use service::health::Health;
use testkit::{World, eventually};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, parts};

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_for_every_worker_until_resumed() {
    let bench = Bench::start().await;
    let (state, embed) = (bench.world.state().await, StageName::embed("demo-clip"));
    bench.send(&bench.put("before", "good").await).await;
    bench.written(1).await;
    let paused = switch::pause(&state, &embed, "the test").await.unwrap();
    assert!(paused.paused && paused.changed_by == "the test");
    let resting = |health: &Health| {
        health.notes().get("work").filter(|note| note.contains("the test")).map(|_| ())
    };
    eventually("the worker rests", Duration::from_secs(30), || async { resting(&bench.health) })
        .await;

    // One that is started later.
    let (health, shutdown) = (Health::default(), CancellationToken::new());
    health.require(&["consumer"]);
    let hold = Duration::from_millis(200);
    let later = tokio::spawn(worker::run(
        parts(&bench.world, &bench.stage, &health, &shutdown, hold, HALT_HOLD).await,
    ));
    eventually("the later worker rests", Duration::from_secs(30), || async { resting(&health) })
        .await;
    assert!(
        health.troubles().is_empty() && bench.health.troubles().is_empty(),
        "a pause is no trouble"
    );
    let channel = bench.world.broker().await.create_channel().await.unwrap();
    let queue = bench.topology.work_queue(&embed);
    let passive = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
    let work =
        channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await.unwrap();
    assert_eq!(work.consumer_count(), 0, "nobody consumes");
    for n in 0..5 {
        bench.send(&bench.put(&format!("{n}"), "good").await).await;
    }
    assert_eq!(bench.depths().await.work, Some(5));

    switch::resume(&state, &embed, "another").await.unwrap();
    bench.written(6).await;
    eventually("both work again", Duration::from_secs(30), || async {
        (health.notes().is_empty() && bench.health.notes().is_empty()).then_some(())
    })
    .await;
    shutdown.cancel();
    later.await.unwrap().unwrap();
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_different_stages_do_not_undo_each_other() {
    let world = World::start().await;
    let state = world.state().await;
    let stages: Vec<StageName> = (0..8).map(|n| StageName::embed(&n.to_string())).collect();
    for result in
        join_all(stages.iter().map(|stage| switch::pause(&state, stage, "the test"))).await
    {
        result.unwrap();
    }
    let marked = switch::mark_cancelled(&state, &stages[0]).await.unwrap();
    assert!(marked.paused && marked.cancelled_at.is_some());
    switch::resume(&state, &stages[1], "another").await.unwrap();
    let all = switch::read(&state).await.unwrap();
    let paused: Vec<_> =
        all.iter().filter(|(_, stage)| stage.paused).map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        paused,
        ["embed-0", "embed-2", "embed-3", "embed-4", "embed-5", "embed-6", "embed-7"]
    );
    assert!(all["embed-0"].cancelled_at.is_some() && all["embed-1"].changed_by == "another");
    world.finish().await;
}
