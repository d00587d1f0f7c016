//! All faults at once: uploads while programs are killed at random, the broker dies and the store
//! fails. In the end nothing is lost and nothing is doubled.
//!
//! The long form is `just test-faults` (`BUCKETLENS_FAULTS=long`); `just test` runs the short one.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the counts are what a reader of the long run wants")]

mod readers;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pipeline::ImageId;
use serde_json::Value;
use testkit::{
    Broker, Fault, ProxyOptions, Rule, Supervisor, World, broken, eventually, solid_jpeg, within,
};

use readers::{Seen, all_visible, read_all_the_time};

const SEARCHER: &str = "searcher";
const TABLES: [&str; 2] = ["embeddings_demo-clip", "images"];
const SEED: u64 = 20_261_121;
// A search answers with at most 1,000 hits: each group stays well below that, so one answer shows
// all of it.
const GROUP: usize = 250;

struct Scale {
    good: usize,
    bad: usize,
    kills: usize,
    pauses: Range<Duration>,
    // How long the store misbehaves, in each of its ways.
    trouble: Duration,
    rounds: usize,
    // SIGKILL the broker, or restart it in an orderly way.
    kill_broker: bool,
    settled_within: Duration,
    limit: Duration,
}

impl Scale {
    fn chosen() -> Self {
        let (milliseconds, seconds) = (Duration::from_millis, Duration::from_secs);
        match std::env::var("BUCKETLENS_FAULTS").as_deref() {
            Ok("long") => Self {
                good: 1940,
                bad: 60,
                kills: 50,
                pauses: milliseconds(500)..seconds(5),
                trouble: seconds(10),
                rounds: 3,
                kill_broker: true,
                settled_within: seconds(1500),
                limit: seconds(2700),
            },
            Ok(other) => panic!("BUCKETLENS_FAULTS={other}: 'long', or not set"),
            Err(_) => Self {
                good: 242,
                bad: 8,
                kills: 10,
                pauses: milliseconds(500)..milliseconds(2500),
                trouble: seconds(3),
                rounds: 1,
                kill_broker: false,
                settled_within: seconds(300),
                limit: seconds(600),
            },
        }
    }
}

/// What lies in the bucket and what shall become of it.
#[derive(Default)]
struct Uploaded {
    good: BTreeMap<String, String>,
    bad: BTreeMap<String, &'static str>,
}

fn group(key: &str) -> &str {
    key.split_once('/').expect("a key with a group").0
}

async fn upload(world: &World, scale: &Scale, pause: Duration) -> Uploaded {
    let broken = broken();
    let mut uploaded = Uploaded::default();
    let every = scale.good / scale.bad;
    for n in 0..scale.good {
        let colour = [(n * 37 % 256) as u8, (n * 91 % 256) as u8, (n * 53 % 256) as u8];
        let key = format!("g{:02}/{n:05}.jpg", n / GROUP);
        let etag = world.put(&key, solid_jpeg(colour, 128 + (n % 7) as u32 * 16)).await;
        uploaded.good.insert(
            key,
            ImageId::of(world.bucket(), &format!("g{:02}/{n:05}.jpg", n / GROUP), &etag)
                .to_string(),
        );
        if n % every == 0 && n / every < scale.bad {
            let (name, bytes, class) = &broken[n / every % broken.len()];
            let key = format!("g{:02}/{n:05}-bad-{}", n / GROUP, name.trim_start_matches("bad/"));
            world.put(&key, bytes.clone()).await;
            uploaded.bad.insert(key, class);
        }
        tokio::time::sleep(pause).await;
    }
    uploaded
}

/// The store is flaky, then overloaded, then gone, then well again.
async fn trouble_the_store(world: &World, scale: &Scale) {
    let store = world.store_proxy();
    let flaky = [
        Rule::any(0.15, Fault::HalfBody).method("GET").key("/pictures/g"),
        Rule::any(0.05, Fault::Status(500)),
        Rule::any(0.05, Fault::Status(503)),
        Rule::any(0.02, Fault::LostAnswer),
        Rule::any(0.10, Fault::Slow(Duration::from_millis(300))),
    ];
    for round in 1..=scale.rounds {
        tokio::time::sleep(2 * scale.trouble).await;
        store.set(&flaky);
        tokio::time::sleep(scale.trouble).await;
        // On a busy machine little is fetched in that time, and a fault that nobody met tests
        // nothing.
        let met = async {
            while store.counts().get("half body").is_none_or(|count| *count < 3 * round) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(20), met).await;
        store.set(&[Rule::any(1.0, Fault::Status(503))]);
        tokio::time::sleep(scale.trouble / 2).await;
        store.set(&[]);
        store.refuse().await;
        tokio::time::sleep(scale.trouble / 2).await;
        store.accept().await;
    }
}

async fn trouble_the_broker(broker: &Broker, scale: &Scale) {
    tokio::time::sleep(scale.trouble * 5).await;
    if scale.kill_broker {
        broker.kill().await;
        broker.start_again().await;
    } else {
        broker.restart().await;
    }
}

/// How often failed jobs were put on each rung of the retry ladder, by class; from the programs'
/// logs.
fn retries(logs: &str) -> BTreeMap<(String, u64), usize> {
    let mut counts = BTreeMap::new();
    for line in logs.lines().filter(|line| line.contains("will be tried again")) {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let class = line["class"].as_str().unwrap_or_default().to_owned();
        *counts.entry((class, line["attempt"].as_u64().unwrap_or_default())).or_default() += 1;
    }
    counts
}

/// Rows that are there a second time, per table.
async fn spare_rows(world: &World) -> [usize; 2] {
    let mut spare = [0; 2];
    for (count, table) in spare.iter_mut().zip(TABLES) {
        let rows = world.rows(table).await;
        *count = rows.len() - rows.iter().collect::<BTreeSet<_>>().len();
    }
    spare
}

/// One round of maintenance by the active ingest, without a failure.
async fn maintain(world: &World, supervisor: &Supervisor) {
    let base = supervisor.base("ingest").expect("ingest runs");
    let (status, operation) = world.post(&format!("{base}/v1/ops/maintain"), Value::Null).await;
    assert_eq!(status, 202, "{operation}");
    let id = operation["id"].as_str().expect("an id").to_owned();
    let ended = eventually("the maintenance ends", Duration::from_secs(120), || async {
        let (_, operation) = world.get(&format!("{base}/v1/ops/operations/{id}"), &[]).await;
        (operation["state"] != "running").then_some(operation)
    })
    .await;
    assert_eq!(
        (&ended["state"], &ended["progress"]["failures"]),
        (&"done".into(), &Value::Array(Vec::new())),
        "{ended}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_doubled_in_a_storm() {
    let scale = Scale::chosen();
    within(scale.limit, storm(&scale)).await;
}

async fn storm(scale: &Scale) {
    let broker = Broker::start().await;
    let through = ProxyOptions {
        broker_url: Some(broker.url().to_owned()),
        heartbeat_seconds: Some(5),
        seed: SEED,
    };
    let world = World::start_with(through).await;
    // Maintenance runs all through the storm.
    let ingest = [("WATCH__POLL_INTERVAL", "1s"), ("MAINTAIN__INTERVAL", "10s")];
    // Every commit adds a fragment that later reads must open: batches as large as the bulk queue's
    // half of the prefetch.
    let steady = [
        ("BATCH__MAX_ROWS", "32"),
        ("AMQP__PREFETCH", "64"),
        ("RUNTIME__THREADS", "1"),
        ("BATCH__MAX_WAIT", "1s"),
    ];
    let supervisor = world.supervise(&[
        ("ingest", "ingest", &ingest),
        ("embedder-a", "embedder", &steady),
        ("embedder-b", "embedder", &steady),
        (SEARCHER, SEARCHER, &[("RUNTIME__THREADS", "1")]),
    ]);
    let groups: Vec<_> = (0..scale.good.div_ceil(GROUP)).map(|n| format!("g{n:02}")).collect();
    // Tables are made once in the life of a bucket; the storm is about all that comes after.
    for label in ["ingest", "embedder-a", "embedder-b", SEARCHER] {
        supervisor.ready(label).await;
    }
    let seen = Mutex::new(Seen::default());
    let begun = Instant::now();

    let whole = async {
        let span = (scale.pauses.start + scale.pauses.end) / 2 * scale.kills as u32;
        let (uploaded, ..) = tokio::join!(
            upload(&world, scale, span / scale.good as u32),
            supervisor.kill_at_random(SEED, scale.kills, scale.pauses.clone()),
            trouble_the_store(&world, scale),
            trouble_the_broker(&broker, scale),
        );
        println!(
            "storm over after {:?}; store faults: {:?}",
            begun.elapsed(),
            world.store_proxy().counts()
        );
        println!(
            "queues: {:?}; retries by (class, attempt): {:?}",
            world.depths().await,
            retries(&supervisor.logs())
        );
        all_visible(&world, &supervisor, &groups, &uploaded, scale.settled_within).await;
        println!("all good objects visible after {:?}", begun.elapsed());
        let quiet =
            eventually("nothing waits but the dead letters", scale.settled_within, || async {
                let depths = world.depths().await;
                let waiting: u32 = [depths.work, depths.bulk, depths.retry, depths.suspect]
                    .into_iter()
                    .flatten()
                    .sum();
                (waiting == 0 && depths.dead >= Some(uploaded.bad.len() as u32)).then_some(depths)
            });
        println!("queues at rest after {:?}: {:?}", begun.elapsed(), quiet.await);
        uploaded
    };
    let uploaded = tokio::select! {
        uploaded = whole => uploaded,
        () = read_all_the_time(&world, &supervisor, &groups, &seen) => {
            unreachable!("it reads for ever")
        }
    };

    let seen = seen.into_inner().unwrap();
    let histories = supervisor.histories();
    for history in &histories {
        println!(
            "{}: killed {} times, ended by itself {} times",
            history.label, history.kills, history.ends
        );
    }
    let logs = supervisor.logs();
    println!("retries by (class, attempt): {:?}", retries(&logs));
    println!(
        "answers checked: {} with {} hits; unanswered: {}; doubled: {}; bad files shown: {}",
        seen.answers,
        seen.hits,
        seen.unanswered,
        seen.doubled.len(),
        seen.bad.len()
    );
    let spare_before = spare_rows(&world).await;
    maintain(&world, &supervisor).await;
    println!(
        "spare rows before and after maintenance: {spare_before:?}, {:?}",
        spare_rows(&world).await
    );
    let wanted: BTreeSet<_> = uploaded.good.values().cloned().collect();
    for table in TABLES {
        let rows = world.rows(table).await;
        let ids: BTreeSet<_> = rows.iter().cloned().collect();
        assert_eq!(ids, wanted, "{table}: rows of exactly the good objects");
        assert_eq!(rows.len(), ids.len(), "{table}: spare rows are left after maintenance");
    }

    let expected: Vec<_> = uploaded.bad.iter().map(|(key, class)| (key.as_str(), *class)).collect();
    let dead = Mutex::new(Vec::new());
    // Doubled dead letters are tidied up in the background.
    let tidy = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let letters = world.dead_letters().await;
            let done = letters.len() == expected.len();
            *dead.lock().unwrap() = letters;
            if done {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let _ = tidy.await;
    let dead = dead.into_inner().unwrap();
    println!("dead letters: {} of {} bad files", dead.len(), expected.len());
    let found: Vec<_> =
        dead.iter().map(|letter| (letter.key.as_str(), letter.class.as_str())).collect();
    assert_eq!(
        found, expected,
        "every bad file is exactly one dead letter with its true class: {dead:#?}"
    );

    assert!(seen.answers > scale.kills, "the reader hardly ever got an answer");
    assert!(seen.doubled.is_empty(), "shown twice in one answer: {:?}", seen.doubled);
    assert!(seen.bad.is_empty(), "bad files in answers: {:?}", seen.bad);
    assert_eq!(histories.iter().map(|history| history.kills).sum::<usize>(), scale.kills);
    let panics: Vec<_> = logs.lines().filter(|line| line.contains("panicked at")).collect();
    assert!(panics.is_empty(), "{panics:#?}");
    supervisor.stop().await;
}
