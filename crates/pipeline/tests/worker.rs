//! The worker loop on a real broker and a real store, with a stage that fails on command: each failure goes where its
//! action says, and only the guilty one.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use pipeline::batch::BatchSettings;
use pipeline::consume::Subscription;
use pipeline::health::Health;
use pipeline::job::{Job, Origin, StageName};
use pipeline::publish::{Outgoing, Publisher};
use pipeline::settle::Settler;
use pipeline::stage::{Finished, Stage};
use pipeline::switch::{self, Switch};
use pipeline::topology::Topology;
use pipeline::worker::{self, FetchSettings, HALT_HOLD, Parts};
use pipeline::{Failure, ImageId, ObjectRef};
use testkit::{World, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Memory {
    written: Mutex<Vec<String>>,
    decoded: AtomicUsize,
    // Writes that fail before one succeeds.
    away: AtomicUsize,
    // Whether the model fails on everything.
    broken: AtomicBool,
    // Sizes of the batches given to the model, and of those given to the tables.
    inferred: Mutex<Vec<usize>>,
    writes: Mutex<Vec<usize>>,
    // What the model said about contents whose rows are written.
    known: Mutex<HashMap<String, usize>>,
}

/// Reads its orders from the objects: their text says what goes wrong.
#[derive(Clone, Default)]
struct Obedient(Arc<Memory>);

impl Stage for Obedient {
    type Input = String;
    type Output = usize;

    async fn existing(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>, Failure> {
        let written = self.0.written.lock().unwrap();
        Ok(ids.iter().filter(|id| written.contains(&id.to_string())).copied().collect())
    }

    fn decode(&self, _: &ObjectRef, bytes: Bytes) -> Result<String, Failure> {
        self.0.decoded.fetch_add(1, Ordering::SeqCst);
        let order = String::from_utf8(bytes.to_vec()).map_err(|error| Failure::dead_letter("not_text", error))?;
        match order.as_str() {
            "retry" => Err(Failure::retry("told_to_retry", "the object says so")),
            "dead" => Err(Failure::dead_letter("told_to_die", "the object says so")),
            "panic" => panic!("the object says so"),
            _ => Ok(order),
        }
    }

    fn content<'a>(&self, order: &'a String) -> Option<&'a str> {
        order.starts_with("same").then_some(order)
    }

    async fn known(&self, batch: &[&String]) -> Result<Vec<Option<usize>>, Failure> {
        let known = self.0.known.lock().unwrap();
        Ok(batch.iter().map(|order| known.get(*order).copied()).collect())
    }

    fn infer(&self, batch: &[&String]) -> Result<Vec<usize>, Failure> {
        self.0.inferred.lock().unwrap().push(batch.len());
        if self.0.broken.load(Ordering::SeqCst) {
            return Err(Failure::retry("inference_failed", "the model gives nothing"));
        }
        if batch.iter().any(|order| *order == "poison") {
            return Err(Failure::dead_letter("poisoned", "the batch holds poison"));
        }
        Ok(batch.iter().map(|order| order.len()).collect())
    }

    async fn write(&self, rows: &[Finished<String, usize>]) -> Result<(), Failure> {
        if self.0.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(Failure::halt("store_away", "nobody answers"));
        }
        self.0.writes.lock().unwrap().push(rows.len());
        if rows.iter().any(|row| row.input == "unwritable") {
            return Err(Failure::dead_letter("invalid_rows", "the batch holds a row that cannot be stored"));
        }
        self.0.known.lock().unwrap().extend(rows.iter().map(|row| (row.input.clone(), row.output)));
        self.0.written.lock().unwrap().extend(rows.iter().map(|row| row.object.image_id().to_string()));
        Ok(())
    }
}

struct Bench {
    world: World,
    topology: Topology,
    publisher: Publisher,
    stage: Obedient,
    health: Health,
    shutdown: CancellationToken,
    worker: JoinHandle<anyhow::Result<()>>,
}

impl Bench {
    async fn start() -> Self {
        Self::with(Duration::from_millis(200), HALT_HOLD).await
    }

    /// `max_wait` of a batch, and how long a halted worker holds what it has.
    async fn with(max_wait: Duration, halt_hold: Duration) -> Self {
        let world = World::start().await;
        let settings = world.amqp();
        let topology = Topology::new(&settings.namespace);
        let publisher = Publisher::start(settings, "test".into(), vec![StageName::embed()], Health::default());
        let (health, shutdown, stage) = (Health::default(), CancellationToken::new(), Obedient::default());
        let parts = parts(&world, &stage, &health, &shutdown, max_wait, halt_hold).await;
        let worker = tokio::spawn(worker::run(parts));
        Self { world, topology, publisher, stage, health, shutdown, worker }
    }

    async fn put(&self, key: &str, order: &str) -> Job {
        let etag = self.world.put(key, order).await;
        let object = ObjectRef { bucket: "pictures".into(), key: key.into(), etag, size_bytes: None, last_modified: None };
        Job::new(StageName::embed(), object, Origin::Event)
    }

    async fn send(&self, job: &Job) {
        self.publisher.publish(Outgoing::job(&self.topology, job)).await.unwrap();
    }

    async fn written(&self, count: usize) {
        eventually(&format!("{count} rows are written"), Duration::from_secs(30), || async {
            (self.stage.0.written.lock().unwrap().len() >= count).then_some(())
        })
        .await;
    }

    /// The only message of a queue: its headers as text.
    async fn take(&self, queue: &str) -> HashMap<String, String> {
        let channel = self.world.broker().await.create_channel().await.unwrap();
        let message = eventually(&format!("a message in {queue}"), Duration::from_secs(30), || async {
            channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
        })
        .await;
        let headers = message.delivery.properties.headers().clone().unwrap();
        let headers = headers.inner().iter().map(|(name, value)| {
            let text = match value {
                AMQPValue::LongString(text) => text.to_string(),
                AMQPValue::LongLongInt(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            (name.to_string(), text)
        });
        headers.collect()
    }

    async fn depths(&self) -> pipeline::topology::Depths {
        self.topology.depths(&self.world.broker().await, &StageName::embed()).await.unwrap()
    }

    /// Waits until the worker shows this in its health.
    async fn halted(&self, reason: &str) {
        eventually("the halt shows", Duration::from_secs(30), || async {
            self.health.troubles().get("work").filter(|shown| shown.contains(reason)).map(|_| ())
        })
        .await;
    }

    async fn finish(self) {
        self.shutdown.cancel();
        self.worker.await.unwrap().unwrap();
        self.world.finish().await;
    }
}

async fn parts(
    world: &World,
    stage: &Obedient,
    health: &Health,
    shutdown: &CancellationToken,
    max_wait: Duration,
    halt_hold: Duration,
) -> Parts<Obedient> {
    let (settings, name, embed) = (world.amqp(), "test".to_owned(), StageName::embed());
    let topology = Topology::new(&settings.namespace);
    let publisher = Publisher::start(settings.clone(), name.clone(), vec![embed.clone()], health.clone());
    Parts {
        stage: stage.clone(),
        bucket: world.open_bucket().await,
        settler: Settler::new(publisher, topology, embed.clone(), "worker-1".into(), "model-1".into()),
        subscription: Subscription { amqp: settings, name, stage: embed.clone() },
        switch: Switch::start(world.state().await, embed),
        batch: BatchSettings { max_rows: 8, max_bytes: 1 << 20, max_wait },
        fetch: FetchSettings { concurrency: 8, decoders: 2, max_object_bytes: 100 },
        halt_hold,
        health: health.clone(),
        shutdown: shutdown.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_goes_where_its_action_says() {
    let bench = Bench::start().await;
    let (retry, dead) = (bench.topology.retry_queue(&StageName::embed(), 0), bench.topology.dead_queue(&StageName::embed()));

    bench.send(&bench.put("r", "retry").await).await;
    let headers = bench.take(&retry).await;
    assert_eq!((headers["bl-attempt"].as_str(), headers["bl-error-class"].as_str()), ("1", "told_to_retry"));

    for (order, class) in [("dead", "told_to_die"), ("panic", "decode_panic"), (&"x".repeat(200), "too_many_bytes")] {
        let mut message = Outgoing::job(&bench.topology, &bench.put("d", order).await);
        // As the broker marks what has been through a retry queue.
        message.headers.insert("x-first-death-queue".into(), AMQPValue::LongString("retry".into()));
        bench.publisher.publish(message).await.unwrap();
        let headers = bench.take(&dead).await;
        assert_eq!(headers["bl-error-class"], class);
        assert_eq!((headers["bl-worker"].as_str(), headers["bl-model"].as_str()), ("worker-1", "model-1"));
        assert!(headers["bl-history"].contains(class) && headers["bl-first-failed"] == headers["bl-last-failed"], "{headers:?}");
        assert!(!headers.contains_key("x-first-death-queue"), "broker headers must not be forwarded: {headers:?}");
    }

    // The sixth failure has no rung left. Marks of replays stay.
    let mut last = Outgoing::job(&bench.topology, &bench.put("l", "retry").await);
    last.headers.insert("bl-attempt".into(), AMQPValue::LongLongInt(5));
    last.headers.insert("bl-replays".into(), AMQPValue::LongLongInt(2));
    last.headers.insert("bl-replay-id".into(), AMQPValue::LongString(LongString::from("replay-7")));
    bench.publisher.publish(last).await.unwrap();
    let headers = bench.take(&dead).await;
    assert_eq!((headers["bl-replays"].as_str(), headers["bl-replay-id"].as_str()), ("2", "replay-7"));
    assert_eq!((headers["bl-attempt"].as_str(), headers["bl-error-class"].as_str()), ("6", "told_to_retry"));

    // Another deployment's job, on the same broker by mistake.
    let mut foreign = bench.put("f", "good").await;
    foreign.object.bucket = "elsewhere".into();
    bench.send(&foreign).await;
    assert_eq!(bench.take(&dead).await["bl-error-class"], "foreign_bucket");

    // What is no job is kept too.
    for (body, class) in [(&b"hello"[..], "invalid_job"), (br#"{"version":99}"#, "unsupported_schema")] {
        let mut message = Outgoing::job(&bench.topology, &bench.put("j", "good").await);
        message.body = body.to_vec();
        bench.publisher.publish(message).await.unwrap();
        assert_eq!(bench.take(&dead).await["bl-error-class"], class);
    }
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_batch_costs_only_the_poison() {
    // Only its eighth row closes a batch.
    let bench = Bench::with(Duration::from_secs(60), HALT_HOLD).await;
    for n in 0..7 {
        bench.send(&bench.put(&format!("good-{n}"), "good").await).await;
    }
    bench.send(&bench.put("bad", "poison").await).await;
    bench.written(7).await;
    let headers = bench.take(&bench.topology.dead_queue(&StageName::embed())).await;
    assert_eq!(headers["bl-error-class"], "poisoned");
    assert_eq!(bench.stage.0.written.lock().unwrap().len(), 7);
    let mut runs = bench.stage.0.inferred.lock().unwrap().clone();
    runs.sort();
    assert_eq!(runs, [1, 1, 2, 2, 4, 4, 8], "halves of what failed, not one by one");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_stored_costs_only_itself() {
    let bench = Bench::with(Duration::from_secs(60), HALT_HOLD).await;
    for n in 0..7 {
        bench.send(&bench.put(&format!("good-{n}"), "good").await).await;
    }
    bench.send(&bench.put("bad", "unwritable").await).await;
    bench.written(7).await;
    let headers = bench.take(&bench.topology.dead_queue(&StageName::embed())).await;
    assert_eq!(headers["bl-error-class"], "invalid_rows");
    assert_eq!(bench.stage.0.written.lock().unwrap().len(), 7);
    let mut writes = bench.stage.0.writes.lock().unwrap().clone();
    writes.sort();
    assert_eq!(writes, [1, 1, 2, 2, 4, 4, 8]);
    bench.finish().await;
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
    all(["same-1", "same-1", "same-1", "same-2", "same-2", "other", "other", "other"], "first").await;
    bench.written(8).await;
    assert_eq!(*bench.stage.0.inferred.lock().unwrap(), [5], "two contents and three that have no name");
    // Whose content has its row already is not inferred at all.
    all(["same-1", "same-2", "same-1", "same-2", "same-1", "same-2", "same-1", "same-3"], "second").await;
    bench.written(16).await;
    assert_eq!(*bench.stage.0.inferred.lock().unwrap(), [5, 1]);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_back_keeps_its_marks_and_gets_none() {
    let bench = Bench::start().await;
    bench.stage.0.away.store(usize::MAX, Ordering::SeqCst);
    for n in 0..20 {
        let mut job = bench.put(&format!("{n}"), "good").await;
        job.origin = if n % 2 == 0 { Origin::Sweep } else { Origin::Event };
        let mut message = Outgoing::job(&bench.topology, &job);
        message.headers.insert("bl-attempt".into(), AMQPValue::LongLongInt(3));
        message.headers.insert("bl-history".into(), AMQPValue::LongString(LongString::from("long ago")));
        bench.publisher.publish(message).await.unwrap();
    }
    bench.halted("store_away").await;
    eventually("all are on loan", Duration::from_secs(30), || async { (bench.world.queued().await == 0).then_some(()) }).await;
    bench.shutdown.cancel();
    bench.worker.await.unwrap().unwrap();

    let channel = bench.world.broker().await.create_channel().await.unwrap();
    for queue in [bench.topology.work_queue(&StageName::embed()), bench.topology.bulk_queue(&StageName::embed())] {
        for _ in 0..10 {
            let message = channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true }).await.unwrap();
            let headers = message.expect("ten came from here").delivery.properties.headers().clone().unwrap();
            let header = |name: &str| headers.inner().get(name).cloned();
            assert!(matches!(header("x-delivery-count"), None | Some(AMQPValue::LongLongInt(0))), "{headers:?}");
            assert_eq!(header("bl-attempt"), Some(AMQPValue::LongLongInt(3)));
            assert_eq!(header("bl-history"), Some(AMQPValue::LongString(LongString::from("long ago"))));
        }
    }
    assert_eq!(bench.world.queued().await, 0, "nothing was handed back twice");
    bench.world.finish().await;
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
    assert!(bench.health.troubles()["work"].contains("store_away"), "it stays unready: {:?}", bench.health.troubles());
    assert!(!bench.worker.is_finished());
    bench.stage.0.away.store(0, Ordering::SeqCst);
    bench.written(5).await;
    eventually("all is well", Duration::from_secs(30), || async { bench.health.troubles().is_empty().then_some(()) }).await;
    eventually("nothing waits", Duration::from_secs(30), || async { (bench.world.queued().await == 0).then_some(()) }).await;
    assert_eq!(bench.stage.0.written.lock().unwrap().len(), 5);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_for_every_worker_until_resumed() {
    let bench = Bench::start().await;
    let (state, embed) = (bench.world.state().await, StageName::embed());
    bench.send(&bench.put("before", "good").await).await;
    bench.written(1).await;
    let paused = switch::pause(&state, &embed, "the test").await.unwrap();
    assert!(paused.paused && paused.changed_by == "the test");
    let resting = |health: &Health| health.notes().get("work").filter(|note| note.contains("the test")).map(|_| ());
    eventually("the worker rests", Duration::from_secs(30), || async { resting(&bench.health) }).await;

    // One that is started later.
    let (health, shutdown) = (Health::default(), CancellationToken::new());
    health.expect(&["consumer"]);
    let hold = Duration::from_millis(200);
    let later = tokio::spawn(worker::run(parts(&bench.world, &bench.stage, &health, &shutdown, hold, HALT_HOLD).await));
    eventually("the later worker rests", Duration::from_secs(30), || async { resting(&health) }).await;
    assert!(health.troubles().is_empty() && bench.health.troubles().is_empty(), "a pause is no trouble");
    let channel = bench.world.broker().await.create_channel().await.unwrap();
    let queue = bench.topology.work_queue(&embed);
    let passive = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
    let work = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await.unwrap();
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
    let stages: Vec<StageName> = (0..8).map(|n| serde_json::from_value(format!("stage-{n}").into()).unwrap()).collect();
    for result in join_all(stages.iter().map(|stage| switch::pause(&state, stage, "the test"))).await {
        result.unwrap();
    }
    let marked = switch::mark_cancelled(&state, &stages[0]).await.unwrap();
    assert!(marked.paused && marked.cancelled_at.is_some());
    switch::resume(&state, &stages[1], "another").await.unwrap();
    let all = switch::read(&state).await.unwrap();
    let paused: Vec<_> = all.iter().filter(|(_, stage)| stage.paused).map(|(name, _)| name.as_str()).collect();
    assert_eq!(paused, ["stage-0", "stage-2", "stage-3", "stage-4", "stage-5", "stage-6", "stage-7"]);
    assert!(all["stage-0"].cancelled_at.is_some() && all["stage-1"].changed_by == "another");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_model_halts_and_drains_nothing() {
    let bench = Bench::start().await;
    bench.stage.0.broken.store(true, Ordering::SeqCst);
    for n in 0..8 {
        bench.send(&bench.put(&format!("{n}"), "good").await).await;
    }
    eventually("the halt shows", Duration::from_secs(30), || async {
        bench.health.troubles().get("work").filter(|reason| reason.contains("model_unavailable")).map(|_| ())
    })
    .await;
    bench.stage.0.broken.store(false, Ordering::SeqCst);
    bench.written(8).await;
    let depths = bench.topology.depths(&bench.world.broker().await, &StageName::embed()).await.unwrap();
    assert_eq!((depths.retry, depths.dead), (Some(0), Some(0)));
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_changed_and_repeated_jobs_end_quietly() {
    let bench = Bench::start().await;
    let gone = bench.put("gone", "good").await;
    bench.world.remove("gone").await;
    let old = bench.put("changed", "good").await;
    bench.put("changed", "better").await;
    let job = bench.put("good", "good").await;
    for job in [&gone, &old, &job, &job, &job] {
        bench.send(job).await;
    }
    bench.written(1).await;
    bench.send(&job).await;
    eventually("every job is settled", Duration::from_secs(30), || async { (bench.world.queued().await == 0).then_some(()) })
        .await;
    // Only when the worker has ended is nothing on loan any more.
    bench.shutdown.cancel();
    bench.worker.await.unwrap().unwrap();
    assert_eq!(bench.world.queued().await, 0, "every job was settled, none handed back");
    assert_eq!(bench.stage.0.decoded.load(Ordering::SeqCst), 1, "one object version is decoded once");
    assert_eq!(*bench.stage.0.written.lock().unwrap(), [job.object.image_id().to_string()]);
    bench.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_halts_and_drains_nothing() {
    let bench = Bench::start().await;
    bench.stage.0.away.store(2, Ordering::SeqCst);
    for n in 0..5 {
        bench.send(&bench.put(&format!("{n}"), "good").await).await;
    }
    eventually("the halt shows", Duration::from_secs(30), || async {
        bench.health.troubles().get("work").filter(|reason| reason.contains("store_away")).map(|_| ())
    })
    .await;
    bench.written(5).await;
    eventually("the halt is over", Duration::from_secs(30), || async { bench.health.troubles().is_empty().then_some(()) }).await;
    eventually("nothing waits", Duration::from_secs(30), || async { (bench.world.queued().await == 0).then_some(()) }).await;
    let depths = bench.topology.depths(&bench.world.broker().await, &StageName::embed()).await.unwrap();
    assert_eq!((depths.retry, depths.dead), (Some(0), Some(0)));
    bench.finish().await;
}
