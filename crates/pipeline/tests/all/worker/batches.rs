//! What one member of a batch means for the others.

use std::time::Duration;

use pipeline::stage_name::StageName;
use pipeline::worker::HALT_HOLD;

use super::bench::{Bench, Memory};

/// A batch of seven good jobs and one that spoils it: the seven are written, the one is dead with
/// this class. Gives the sizes of the attempts, smallest first.
async fn only_the_culprit_dies(
    order: &str,
    class: &str,
    sizes: impl Fn(&Memory) -> Vec<usize>,
) -> Vec<usize> {
    // Only its eighth row closes a batch.
    let bench = Bench::with(Duration::from_secs(60), HALT_HOLD).await;
    for n in 0..7 {
        bench.send(&bench.put(&format!("good-{n}"), "good").await).await;
    }
    bench.send(&bench.put("bad", order).await).await;
    bench.written(7).await;
    let headers = bench.take(&bench.topology.dead_queue(&StageName::embed("demo-clip"))).await;
    assert_eq!(headers["bl-error-class"], class);
    assert_eq!(bench.stage.0.written.lock().unwrap().len(), 7);
    let mut tried = sizes(&bench.stage.0);
    tried.sort();
    bench.finish().await;
    tried
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_batch_costs_only_the_poison() {
    let runs = only_the_culprit_dies("poison", "poisoned", |memory| {
        memory.inferred.lock().unwrap().clone()
    })
    .await;
    assert_eq!(runs, [1, 1, 2, 2, 4, 4, 8], "halves of what failed, not one by one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_stored_costs_only_itself() {
    let writes = only_the_culprit_dies("unwritable", "invalid_rows", |memory| {
        memory.writes.lock().unwrap().clone()
    })
    .await;
    assert_eq!(writes, [1, 1, 2, 2, 4, 4, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_contents_are_inferred_once() {
    let bench = Bench::with(Duration::from_secs(60), HALT_HOLD).await;
    let all = |orders: [&'static str; 8], folder: &'static str| {
        let bench = &bench;
        async move {
            for (n, order) in orders.into_iter().enumerate() {
                bench.send(&bench.put(&format!("{folder}/{n}"), order).await).await;
            }
        }
    };
    all(["same-1", "same-1", "same-1", "same-2", "same-2", "other", "other", "other"], "first")
        .await;
    bench.written(8).await;
    assert_eq!(
        *bench.stage.0.inferred.lock().unwrap(),
        [5],
        "two contents and three that have no name"
    );
    // Whose content has its row already is not inferred at all.
    all(["same-1", "same-2", "same-1", "same-2", "same-1", "same-2", "same-1", "same-3"], "second")
        .await;
    bench.written(16).await;
    assert_eq!(*bench.stage.0.inferred.lock().unwrap(), [5, 1]);
    bench.finish().await;
}
