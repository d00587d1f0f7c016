//! A worker in this process, its queues and its bucket, and a stage that does as it is told.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;
use pipeline::batch::BatchSettings;
use pipeline::consume::Subscription;
use pipeline::job::{Job, Origin};
use pipeline::publish::{Outgoing, Publisher};
use pipeline::settle::Settler;
use pipeline::stage::{Finished, Stage};
use pipeline::stage_name::StageName;
use pipeline::switch::Switch;
use pipeline::topology::{Depths, Topology};
use pipeline::worker::{self, FetchSettings, HALT_HOLD, WorkerParts};
use pipeline::{Failure, ImageId, ObjectRef};
use service::health::Health;
use testkit::{World, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) written: Mutex<Vec<String>>,
    pub(crate) decoded: AtomicUsize,
    // What is told to hang does so as long as this is set.
    pub(crate) hanging: AtomicBool,
    // Writes that fail before one succeeds.
    pub(crate) away: AtomicUsize,
    // Whether the model fails on everything.
    pub(crate) broken: AtomicBool,
    // Sizes of the batches given to the model, and of those given to the tables.
    pub(crate) inferred: Mutex<Vec<usize>>,
    pub(crate) writes: Mutex<Vec<usize>>,
    // What the model said about contents whose rows are written.
    pub(crate) known: Mutex<HashMap<String, usize>>,
}

/// Reads its orders from the objects: their text says what goes wrong.
#[derive(Clone, Default)]
pub(crate) struct Obedient(pub(crate) Arc<Memory>);

impl Stage for Obedient {
    type Input = String;
    type Output = usize;

    async fn existing(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>, Failure> {
        let written = self.0.written.lock().unwrap();
        Ok(ids.iter().filter(|id| written.contains(&id.to_string())).copied().collect())
    }

    fn decode(&self, _: &ObjectRef, bytes: Bytes) -> Result<String, Failure> {
        self.0.decoded.fetch_add(1, Ordering::SeqCst);
        let order = String::from_utf8(bytes.to_vec())
            .map_err(|error| Failure::dead_letter("not_text", error))?;
        match order.as_str() {
            "retry" => Err(Failure::retry("told_to_retry", "the object says so")),
            "dead" => Err(Failure::dead_letter("told_to_die", "the object says so")),
            "hang" => {
                // A test that fails must end all the same.
                let begun = Instant::now();
                while self.0.hanging.load(Ordering::SeqCst)
                    && begun.elapsed() < Duration::from_secs(60)
                {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Ok(order)
            }
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
        if self
            .0
            .away
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
            .is_ok()
        {
            return Err(Failure::halt("store_away", "nobody answers"));
        }
        self.0.writes.lock().unwrap().push(rows.len());
        if rows.iter().any(|row| row.input == "unwritable") {
            return Err(Failure::dead_letter(
                "invalid_rows",
                "the batch holds a row that cannot be stored",
            ));
        }
        self.0.known.lock().unwrap().extend(rows.iter().map(|row| (row.input.clone(), row.output)));
        self.0
            .written
            .lock()
            .unwrap()
            .extend(rows.iter().map(|row| row.object.image_id().to_string()));
        Ok(())
    }
}

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) topology: Topology,
    pub(crate) publisher: Publisher,
    pub(crate) stage: Obedient,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
    pub(crate) worker: JoinHandle<anyhow::Result<()>>,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(Duration::from_millis(200), HALT_HOLD).await
    }

    /// `max_wait` of a batch, and how long a halted worker keeps its jobs.
    pub(crate) async fn with(max_wait: Duration, halt_hold: Duration) -> Self {
        Self::set(max_wait, halt_hold, |_| {}).await
    }

    /// As [`Self::with`], after changing the worker's parts.
    pub(crate) async fn set(
        max_wait: Duration,
        halt_hold: Duration,
        change: impl FnOnce(&mut WorkerParts<Obedient>),
    ) -> Self {
        let world = World::start().await;
        let settings = world.amqp();
        let topology = Topology::new(&settings.namespace);
        let publisher = Publisher::start(
            settings,
            "test".into(),
            vec![StageName::embed("demo-clip")],
            Health::default(),
        );
        let (health, shutdown, stage) =
            (Health::default(), CancellationToken::new(), Obedient::default());
        let mut parts = parts(&world, &stage, &health, &shutdown, max_wait, halt_hold).await;
        change(&mut parts);
        let worker = tokio::spawn(worker::run(parts));
        Self { world, topology, publisher, stage, health, shutdown, worker }
    }

    pub(crate) async fn put(&self, key: &str, order: &str) -> Job {
        let etag = self.world.put(key, order).await;
        let object = ObjectRef {
            bucket: "pictures".into(),
            key: key.into(),
            etag,
            size_bytes: None,
            last_modified: None,
        };
        Job::new(StageName::embed("demo-clip"), object, Origin::Event)
    }

    pub(crate) async fn send(&self, job: &Job) {
        self.publisher.publish(Outgoing::job(&self.topology, job)).await.unwrap();
    }

    pub(crate) async fn written(&self, count: usize) {
        eventually(&format!("{count} rows are written"), Duration::from_secs(30), || async {
            (self.stage.0.written.lock().unwrap().len() >= count).then_some(())
        })
        .await;
    }

    /// The only message of a queue: its headers as text.
    pub(crate) async fn take(&self, queue: &str) -> HashMap<String, String> {
        let channel = self.world.broker().await.create_channel().await.unwrap();
        let message =
            eventually(&format!("a message in {queue}"), Duration::from_secs(30), || async {
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

    pub(crate) async fn depths(&self) -> Depths {
        self.topology
            .depths(&self.world.broker().await, &StageName::embed("demo-clip"))
            .await
            .unwrap()
    }

    /// Waits until the worker shows this in its health.
    pub(crate) async fn halted(&self, reason: &str) {
        eventually("the halt shows", Duration::from_secs(30), || async {
            self.health.troubles().get("work").filter(|shown| shown.contains(reason)).map(|_| ())
        })
        .await;
    }

    pub(crate) async fn finish(self) {
        self.shutdown.cancel();
        self.worker.await.unwrap().unwrap();
        self.world.finish().await;
    }
}

pub(crate) async fn parts(
    world: &World,
    stage: &Obedient,
    health: &Health,
    shutdown: &CancellationToken,
    max_wait: Duration,
    halt_hold: Duration,
) -> WorkerParts<Obedient> {
    let (settings, name, embed) = (world.amqp(), "test".to_owned(), StageName::embed("demo-clip"));
    let topology = Topology::new(&settings.namespace);
    let publisher =
        Publisher::start(settings.clone(), name.clone(), vec![embed.clone()], health.clone());
    let fetch = FetchSettings {
        concurrency: 8,
        decoders: 2,
        max_object_bytes: 100,
        decode_timeout: Duration::from_secs(60),
    };
    WorkerParts {
        stage: stage.clone(),
        bucket: world.open_bucket().await,
        settler: Settler::new(
            publisher,
            topology,
            embed.clone(),
            "worker-1".into(),
            "model-1".into(),
        ),
        subscription: Subscription { amqp: settings, name, stage: embed.clone() },
        switch: Switch::start(world.state().await, embed),
        batch: BatchSettings { max_rows: 8, max_bytes: 1 << 20, max_wait },
        decoders: fetch.turns(),
        fetch,
        halt_hold,
        health: health.clone(),
        shutdown: shutdown.clone(),
    }
}
