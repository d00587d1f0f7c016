//! A worker that cannot work: nothing drains into the dead letters, and it goes on by itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use testkit::eventually;

use super::bench::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_halts_and_drains_nothing() {
    let bench = Bench::start().await;
    bench.stage.0.away.store(2, Ordering::SeqCst);
    for n in 0..5 {
        bench.send(&bench.put(&format!("{n}"), "good").await).await;
    }
    bench.halted("store_away").await;
    bench.written(5).await;
    eventually("the halt is over", Duration::from_secs(30), || async {
        bench.health.troubles().is_empty().then_some(())
    })
    .await;
    eventually("nothing waits", Duration::from_secs(30), || async {
        (bench.world.queued().await == 0).then_some(())
    })
    .await;
    let depths = bench.depths().await;
    assert_eq!((depths.retry, depths.dead), (Some(0), Some(0)));
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_model_halts_and_drains_nothing() {
    let bench = Bench::start().await;
    bench.stage.0.broken.store(true, Ordering::SeqCst);
    for n in 0..8 {
        bench.send(&bench.put(&format!("{n}"), "good").await).await;
    }
    bench.halted("model_unavailable").await;
    bench.stage.0.broken.store(false, Ordering::SeqCst);
    bench.written(8).await;
    let depths = bench.depths().await;
    assert_eq!((depths.retry, depths.dead), (Some(0), Some(0)));
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_halt_hands_everything_back_and_goes_on_by_itself() {
    let bench = Bench::with(Duration::from_millis(200), Duration::from_secs(4)).await;
    bench.stage.0.away.store(usize::MAX, Ordering::SeqCst);
    for n in 0..5 {
        bench.send(&bench.put(&format!("{n}"), "good").await).await;
    }
    bench.halted("store_away").await;
    eventually("the worker holds nothing", Duration::from_secs(60), || async {
        (bench.depths().await.work == Some(5)).then_some(())
    })
    .await;
    assert!(
        bench.health.troubles()["work"].contains("store_away"),
        "it stays unready: {:?}",
        bench.health.troubles()
    );
    assert!(!bench.worker.is_finished());
    bench.stage.0.away.store(0, Ordering::SeqCst);
    bench.written(5).await;
    eventually("all is well", Duration::from_secs(30), || async {
        bench.health.troubles().is_empty().then_some(())
    })
    .await;
    eventually("nothing waits", Duration::from_secs(30), || async {
        (bench.world.queued().await == 0).then_some(())
    })
    .await;
    assert_eq!(bench.stage.0.written.lock().unwrap().len(), 5);
    bench.finish().await;
}
