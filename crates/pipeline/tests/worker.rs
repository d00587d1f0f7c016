//! The worker loop on a real broker and a real store, with a stage that fails on command: each failure goes where its
//! action says, and only the guilty one.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;
use pipeline::batch::BatchSettings;
use pipeline::consume::Consumer;
use pipeline::health::Health;
use pipeline::job::{Job, Origin, StageName};
use pipeline::publish::{Outgoing, Publisher};
use pipeline::settle::Settler;
use pipeline::stage::{Finished, Stage};
use pipeline::topology::Topology;
use pipeline::worker::{self, FetchSettings, Parts};
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

    fn infer(&self, batch: &[&String]) -> Result<Vec<usize>, Failure> {
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
        let world = World::start().await;
        let (settings, stage, health, shutdown) =
            (world.amqp(), Obedient::default(), Health::default(), CancellationToken::new());
        let topology = Topology::new(&settings.namespace);
        let publisher = Publisher::start(settings.clone(), "test".into(), vec![StageName::embed()], health.clone());
        let parts = Parts {
            stage: stage.clone(),
            bucket: world.open_bucket().await,
            settler: Settler::new(publisher.clone(), topology.clone(), StageName::embed(), "worker-1".into(), "model-1".into()),
            batch: BatchSettings { max_rows: 8, max_bytes: 1 << 20, max_wait: Duration::from_millis(200) },
            fetch: FetchSettings { concurrency: 8, decoders: 2, max_object_bytes: 100 },
            health: health.clone(),
            shutdown: shutdown.clone(),
        };
        let consumer = Consumer::start(settings, "test".into(), StageName::embed(), health.clone());
        let worker = tokio::spawn(worker::run(parts, consumer));
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

    async fn finish(self) {
        self.shutdown.cancel();
        self.worker.await.unwrap().unwrap();
        self.world.finish().await;
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

    // The sixth failure has no rung left.
    let mut last = Outgoing::job(&bench.topology, &bench.put("l", "retry").await);
    last.headers.insert("bl-attempt".into(), AMQPValue::LongLongInt(5));
    bench.publisher.publish(last).await.unwrap();
    let headers = bench.take(&dead).await;
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
    let bench = Bench::start().await;
    for n in 0..7 {
        bench.send(&bench.put(&format!("good-{n}"), "good").await).await;
    }
    bench.send(&bench.put("bad", "poison").await).await;
    bench.written(7).await;
    let headers = bench.take(&bench.topology.dead_queue(&StageName::embed())).await;
    assert_eq!(headers["bl-error-class"], "poisoned");
    assert_eq!(bench.stage.0.written.lock().unwrap().len(), 7);
    bench.finish().await;
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
