//! The bucket changes while it is indexed: in any order of events, the tables match the bucket in
//! the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, stream};
use pipeline::ImageId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::{World, eventually, solid_jpeg, within};

const EMBEDDINGS: &str = "embeddings_demo-clip";
const LIMIT: Duration = Duration::from_secs(300);
const SETTLED: Duration = Duration::from_secs(120);

/// The objects there shall be at the end: key → identity.
type Expected = BTreeMap<String, String>;

fn picture(seed: u32) -> Vec<u8> {
    solid_jpeg(
        [(seed * 37 % 256) as u8, (seed * 91 % 256) as u8, (seed * 53 % 256) as u8],
        96 + seed % 64,
    )
}

async fn put(world: &World, expected: &mut Expected, key: &str, content: u32) {
    let etag = world.put(key, picture(content)).await;
    expected.insert(key.to_owned(), ImageId::of(world.bucket(), key, &etag).to_string());
}

async fn remove(world: &World, expected: &mut Expected, key: &str) {
    world.remove(key).await;
    expected.remove(key);
}

/// Waits until answers and tables hold exactly these.
async fn settles(world: &World, searcher: &str, expected: &Expected) {
    let wanted: BTreeSet<_> = expected.values().cloned().collect();
    let mut last = BTreeMap::new();
    let settled = tokio::time::timeout(SETTLED, async {
        loop {
            let hits = world.search(searcher, "a red ball", 1000).await;
            let shown: Expected =
                hits.iter().map(|hit| (hit.key.clone(), hit.image_id.clone())).collect();
            assert_eq!(shown.len(), hits.len(), "an object is shown twice");
            let same = shown == *expected;
            last = shown;
            if same && world.rows(EMBEDDINGS).await.into_iter().collect::<BTreeSet<_>>() == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    if settled.is_err() {
        let missing: Vec<_> =
            expected.iter().filter(|(key, id)| last.get(*key) != Some(id)).collect();
        let extra: Vec<_> =
            last.iter().filter(|(key, id)| expected.get(*key) != Some(id)).collect();
        let rows = world.rows(EMBEDDINGS).await.into_iter().collect::<BTreeSet<_>>();
        let stale = rows.difference(&wanted).count();
        panic!(
            "not the bucket's state after {SETTLED:?}: missing {missing:?}; \
             not in the bucket {extra:?}; {stale} stale rows"
        );
    }
}

/// Every kind of change in random order, told about late, twice, not at all or in the wrong order.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_order_of_changes_the_end_state_is_the_buckets() {
    within(LIMIT, async {
        let mut world = World::start().await;
        let often = [
            ("WATCH__POLL_INTERVAL", "300ms"),
            ("WATCH__MAX_DELETE_SHARE", "1.0"),
            ("EVENTS__SECRET", "knock"),
        ];
        let small =
            [("BATCH__MAX_ROWS", "4"), ("BATCH__MAX_WAIT", "200ms"), ("RUNTIME__THREADS", "1")];
        let (mut ingest, mut searcher) = (world.run("ingest", &often), world.run("searcher", &[]));
        let (mut first, mut second) =
            (world.run("embedder", &small), world.run("embedder", &small));
        let door = ingest.ready().await;
        let base = searcher.ready().await;
        first.ready().await;
        second.ready().await;

        let mut dice = StdRng::seed_from_u64(7);
        let (mut expected, mut untold) = (Expected::new(), Vec::new());
        for step in 0..200u32 {
            let key = format!("race/{:02}.jpg", dice.random_range(0..40));
            match dice.random_range(0..10) {
                // Content is never repeated under a key: see the test below for that.
                0..6 => {
                    put(&world, &mut expected, &key, step).await;
                    untold.push(("s3:ObjectCreated:Put", key));
                }
                6..8 => {
                    remove(&world, &mut expected, &key).await;
                    untold.push(("s3:ObjectRemoved:Delete", key));
                }
                _ if !untold.is_empty() => {
                    let (event, key) = untold.swap_remove(dice.random_range(0..untold.len()));
                    for _ in 0..dice.random_range(1..3) {
                        let (status, body) = world.notify(&door, event, &key).await;
                        assert_eq!(status, 200, "{body}");
                    }
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        settles(&world, &base, &expected).await;

        // Old news, after all is quiet.
        for (event, key) in untold.into_iter().take(30) {
            assert_eq!(world.notify(&door, event, &key).await.0, 200);
        }
        settles(&world, &base, &expected).await;
        eventually("nothing waits", SETTLED, || async {
            (world.queued().await == 0).then_some(())
        })
        .await;
        drop((ingest, searcher, first, second));
        world.finish().await;
    })
    .await;
}

/// More objects than one page of the listing holds appear and vanish on both sides of where the
/// listing is.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_during_a_listing_is_neither_missed_nor_removed() {
    within(LIMIT, async {
        let mut world = World::start().await;
        let always = [("WATCH__POLL_INTERVAL", "100ms"), ("WATCH__MAX_DELETE_SHARE", "1.0")];
        // Files that are not watched make the listing long and cost nothing else.
        let (there, keys) = (&world, (0..2500).map(|n| format!("{:04}.txt", n * 4)));
        stream::iter(keys)
            .for_each_concurrent(
                32,
                |key| async move { drop(there.put(&key, "not watched").await) },
            )
            .await;
        let (mut ingest, mut searcher) = (world.run("ingest", &always), world.run("searcher", &[]));
        let mut embedder =
            world.run("embedder", &[("BATCH__MAX_ROWS", "4"), ("RUNTIME__THREADS", "1")]);
        ingest.ready().await;
        embedder.ready().await;
        let base = searcher.ready().await;

        let mut dice = StdRng::seed_from_u64(11);
        let mut expected = Expected::new();
        for step in 0..100u32 {
            let key = format!("{:04}.jpg", dice.random_range(0..40) * 250);
            if dice.random_bool(0.7) {
                put(&world, &mut expected, &key, step).await;
            } else {
                remove(&world, &mut expected, &key).await;
            }
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..60))).await;
        }
        settles(&world, &base, &expected).await;
        drop((ingest, searcher, embedder));
        world.finish().await;
    })
    .await;
}

/// Removed and put again with equal content: the identity is the same, and so is the memory of its
/// first job.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_gone_when_its_job_ran_is_indexed_when_it_is_back() {
    within(LIMIT, async {
        let mut world = World::start().await;
        // No listing happens to see that the object is away; every event arrives, in order.
        let mut ingest =
            world.run("ingest", &[("WATCH__POLL_INTERVAL", "1h"), ("EVENTS__SECRET", "knock")]);
        let mut searcher = world.run("searcher", &[]);
        let door = ingest.ready().await;
        let base = searcher.ready().await;
        let mut expected = Expected::new();
        put(&world, &mut expected, "back.jpg", 1).await;
        assert_eq!(world.notify(&door, "s3:ObjectCreated:Put", "back.jpg").await.0, 200);
        eventually("its job waits", SETTLED, || async {
            (world.queued().await == 1).then_some(())
        })
        .await;
        remove(&world, &mut expected, "back.jpg").await;
        assert_eq!(world.notify(&door, "s3:ObjectRemoved:Delete", "back.jpg").await.0, 200);
        let mut embedder = world.run("embedder", &[]);
        embedder.ready().await;
        eventually("its job found nothing", SETTLED, || async {
            (world.queued().await == 0).then_some(())
        })
        .await;
        put(&world, &mut expected, "back.jpg", 1).await;
        assert_eq!(world.notify(&door, "s3:ObjectCreated:Put", "back.jpg").await.0, 200);
        settles(&world, &base, &expected).await;
        drop((ingest, searcher, embedder));
        world.finish().await;
    })
    .await;
}
