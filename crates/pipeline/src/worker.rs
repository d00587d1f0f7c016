//! The one worker loop: receive → skip what exists → fetch → decode → batch → infer → write → settle.
//!
//! Three parts run at once, joined by bounded channels: intake (with its fetch tasks), inference, writing. While the
//! model works on one batch, the next is fetched and decoded and the one before is committed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::batch::{self, BatchSettings};
use crate::bucket::{Bucket, Fetched};
use crate::connection::Backoff;
use crate::consume::{Consumer, Delivery};
use crate::failure::{Action, Failure};
use crate::health::Health;
use crate::job::Job;
use crate::object::{ImageId, ObjectRef};
use crate::settings::SettingsError;
use crate::settle::{Outcome, Settler};
use crate::stage::{Finished, Stage};

/// `[fetch]`: downloading and decoding.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchSettings {
    /// Objects being downloaded or waiting for a decoder at once.
    pub concurrency: usize,
    /// Objects being decoded at once, one thread each; 0: as many as there are processors.
    pub decoders: usize,
    /// Largest original that is downloaded.
    pub max_object_bytes: u64,
}

impl FetchSettings {
    /// Checks ranges.
    ///
    /// # Errors
    /// The first key out of range.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if !(1..=1000).contains(&self.concurrency) {
            return Err(SettingsError::value("fetch.concurrency", "must be from 1 to 1000"));
        }
        if self.decoders > 1000 {
            return Err(SettingsError::value("fetch.decoders", "must be from 0 to 1000"));
        }
        if self.max_object_bytes == 0 {
            return Err(SettingsError::value("fetch.max_object_bytes", "must be at least 1"));
        }
        Ok(())
    }
}

/// What a worker is made of.
#[derive(Debug)]
pub struct Parts<S> {
    /// The meaning of the work.
    pub stage: S,
    /// Where the originals lie.
    pub bucket: Bucket,
    /// Ends deliveries.
    pub settler: Settler,
    /// When a batch closes.
    pub batch: BatchSettings,
    /// How much is fetched at once.
    pub fetch: FetchSettings,
    /// Where a halt shows.
    pub health: Health,
    /// Ends the loop.
    pub shutdown: CancellationToken,
}

struct Worker<S> {
    parts: Parts<S>,
    // Every delivery that has begun, by object version. A second delivery of the same job joins the first instead of
    // doing the work twice.
    begun: Mutex<HashMap<ImageId, Vec<Delivery>>>,
    fetches: Arc<Semaphore>,
    decoders: Semaphore,
}

struct Decoded<I> {
    object: ObjectRef,
    input: I,
    size_bytes: u64,
}

/// Works until shutdown, then finishes and commits what has begun, hands back the rest and returns.
///
/// # Errors
/// A part of the loop hit a defect. Nothing is lost: what was held is delivered again.
pub async fn run<S: Stage>(parts: Parts<S>, mut consumer: Consumer) -> anyhow::Result<()> {
    let decoders = match parts.fetch.decoders {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let worker = Arc::new(Worker {
        fetches: Arc::new(Semaphore::new(parts.fetch.concurrency)),
        decoders: Semaphore::new(decoders),
        begun: Mutex::default(),
        parts,
    });
    let (decoded, to_infer) = mpsc::channel(worker.parts.batch.max_rows.min(1024));
    let (inferred, to_write) = mpsc::channel(1);
    let inference = tokio::spawn(Arc::clone(&worker).infer_batches(to_infer, inferred));
    let writing = tokio::spawn(Arc::clone(&worker).write_batches(to_write));
    worker.clone().take_in(&mut consumer, decoded).await;
    consumer.stop();
    let ended = (inference.await, writing.await);
    consumer.close().await;
    ended.0.context("the inference part of the worker failed")?;
    ended.1.context("the writing part of the worker failed")
}

impl<S: Stage> Worker<S> {
    async fn take_in(self: Arc<Self>, consumer: &mut Consumer, decoded: mpsc::Sender<Decoded<S::Input>>) {
        let fetching = TaskTracker::new();
        'intake: loop {
            let first = tokio::select! {
                biased;
                () = self.parts.shutdown.cancelled() => break,
                delivery = consumer.next() => delivery,
            };
            let Some(first) = first else { break };
            let mut group = vec![first];
            while group.len() < self.parts.batch.max_rows
                && let Some(delivery) = consumer.ready()
            {
                group.push(delivery);
            }
            for object in self.unseen(group).await {
                let permit = tokio::select! {
                    biased;
                    () = self.parts.shutdown.cancelled() => break 'intake,
                    permit = Arc::clone(&self.fetches).acquire_owned() => permit,
                };
                let Ok(permit) = permit else { break 'intake };
                fetching.spawn(Arc::clone(&self).fetch(object, permit, decoded.clone()));
            }
        }
        fetching.close();
        fetching.wait().await;
    }

    /// Notes the deliveries as begun, settles those whose rows exist, and returns the objects that need work.
    async fn unseen(&self, group: Vec<Delivery>) -> Vec<ObjectRef> {
        let mut objects = Vec::new();
        for delivery in group {
            match Job::decode(&delivery.body) {
                Ok(job) if job.object.bucket != self.parts.bucket.name() => {
                    let (theirs, ours) = (&job.object.bucket, self.parts.bucket.name());
                    let reason = format!(
                        "the job is for bucket '{theirs}', this worker serves '{ours}': give each its own amqp.namespace"
                    );
                    self.parts.settler.settle(delivery, Failure::dead_letter("foreign_bucket", reason).into()).await;
                }
                Ok(job) => {
                    let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
                    let loans = begun.entry(job.object.image_id()).or_default();
                    if loans.is_empty() {
                        objects.push(job.object);
                    }
                    loans.push(delivery);
                }
                Err(error) => {
                    self.parts.settler.settle(delivery, Failure::dead_letter(error.class(), error).into()).await;
                }
            }
        }
        let ids: Vec<_> = objects.iter().map(ObjectRef::image_id).collect();
        let mut backoff = halt_backoff();
        let existing = loop {
            match self.parts.stage.existing(&ids).await {
                Ok(existing) => break existing,
                // Nothing can be said about any of them while the tables cannot be read, whatever the cause.
                Err(failure) => {
                    if !self.halted(&failure, &mut backoff).await {
                        return Vec::new();
                    }
                }
            }
        };
        self.working();
        let mut missing = Vec::new();
        for object in objects {
            if existing.contains(&object.image_id()) {
                self.settle(&object, Outcome::Exists).await;
            } else {
                missing.push(object);
            }
        }
        missing
    }

    async fn fetch(self: Arc<Self>, object: ObjectRef, permit: OwnedSemaphorePermit, decoded: mpsc::Sender<Decoded<S::Input>>) {
        let Some((object, bytes)) = self.download(object).await else { return };
        let size_bytes = bytes.len() as u64;
        let Ok(turn) = self.decoders.acquire().await else { return };
        let (worker, decoding) = (Arc::clone(&self), object.clone());
        let begun = Instant::now();
        let result = tokio::task::spawn_blocking(move || worker.parts.stage.decode(&decoding, bytes)).await;
        metrics::histogram!("bucketlens_decode_seconds").record(begun.elapsed().as_secs_f64());
        drop(turn);
        match result {
            Ok(Ok(input)) => {
                let _ = decoded.send(Decoded { object, input, size_bytes }).await;
            }
            Ok(Err(failure)) => self.settle(&object, failure.into()).await,
            Err(panic) => self.settle(&object, Failure::dead_letter("decode_panic", panic).into()).await,
        }
        // Held until the batch has taken it, so that decoded pictures do not pile up while the model is slow.
        drop(permit);
    }

    /// Gets exactly the content the job names. `None`: the job is settled, or the process is stopping.
    async fn download(&self, mut object: ObjectRef) -> Option<(ObjectRef, Bytes)> {
        let mut backoff = halt_backoff();
        let fetched = loop {
            match self.parts.bucket.get(&object, self.parts.fetch.max_object_bytes).await {
                Ok(fetched) => break fetched,
                // One archived or forbidden object is answered like a store that is away; only the bucket itself tells.
                Err(error) if error.store_may_be_away() && !self.parts.bucket.answers().await => {
                    if !self.halted(&Failure::halt("store_unavailable", error), &mut backoff).await {
                        return None;
                    }
                }
                Err(error) => {
                    self.settle(&object, Failure::retry("fetch_failed", error).into()).await;
                    return None;
                }
            }
        };
        self.working();
        let outcome = match fetched {
            Fetched::Object { bytes, last_modified } => {
                metrics::counter!("bucketlens_fetched_bytes_total").increment(bytes.len() as u64);
                object.size_bytes = Some(bytes.len() as u64);
                object.last_modified = last_modified.or(object.last_modified);
                return Some((object, bytes));
            }
            Fetched::Gone => Outcome::Gone,
            Fetched::Changed => Outcome::Superseded,
            Fetched::TooLarge { size_bytes } => {
                let limit = self.parts.fetch.max_object_bytes;
                let reason = format!("the object has {size_bytes} bytes, more than fetch.max_object_bytes = {limit}");
                Failure::dead_letter("too_many_bytes", reason).into()
            }
        };
        self.settle(&object, outcome).await;
        None
    }

    async fn infer_batches(
        self: Arc<Self>,
        mut inbox: mpsc::Receiver<Decoded<S::Input>>,
        outbox: mpsc::Sender<Vec<Finished<S::Input, S::Output>>>,
    ) {
        // Should this part end by a panic, the process must not go on taking jobs that nobody works on.
        let _stop = self.parts.shutdown.clone().drop_guard();
        while let Some(batch) = batch::next(&mut inbox, &self.parts.batch, |item| item.size_bytes).await {
            metrics::histogram!("bucketlens_batch_rows").record(batch.len() as f64);
            let batch = Arc::new(batch);
            let Some(results) = self.infer_whole_or_one_by_one(&batch).await else { return };
            let Some(batch) = Arc::into_inner(batch) else { return };
            let mut rows = Vec::with_capacity(results.len());
            for (Decoded { object, input, .. }, result) in batch.into_iter().zip(results) {
                match result {
                    Ok(output) => rows.push(Finished { object, input, output }),
                    Err(failure) => self.settle(&object, failure.into()).await,
                }
            }
            if !rows.is_empty() && outbox.send(rows).await.is_err() {
                return;
            }
        }
    }

    /// A result for each member of the batch. `None`: the process is stopping.
    async fn infer_whole_or_one_by_one(
        self: &Arc<Self>,
        batch: &Arc<Vec<Decoded<S::Input>>>,
    ) -> Option<Vec<Result<S::Output, Failure>>> {
        let mut backoff = halt_backoff();
        loop {
            let failure = match self.infer(batch, 0..batch.len()).await? {
                Ok(outputs) => return Some(outputs.into_iter().map(Ok).collect()),
                Err(failure) if batch.len() == 1 => return Some(vec![Err(failure)]),
                Err(failure) => failure,
            };
            let results = self.infer_one_by_one(batch).await;
            // One culprit spoils a batch; when all fail alone too, it is the model that is broken.
            if !results.iter().all(|result| result.as_ref().is_err_and(|alone| alone.action == Action::Retry)) {
                return Some(results);
            }
            let reason = format!("every picture of a batch fails: {}", failure.reason);
            if !self.halted(&Failure::halt("model_unavailable", reason), &mut backoff).await {
                return None;
            }
        }
    }

    async fn infer_one_by_one(self: &Arc<Self>, batch: &Arc<Vec<Decoded<S::Input>>>) -> Vec<Result<S::Output, Failure>> {
        let mut results = Vec::with_capacity(batch.len());
        for index in 0..batch.len() {
            let Some(result) = self.infer(batch, index..index + 1).await else { break };
            let missing = || Failure::retry("inference_failed", "the model gave no output for this picture");
            results.push(result.and_then(|mut outputs| outputs.pop().ok_or_else(missing)));
        }
        results
    }

    /// Runs the model over a part of the batch; waits out a halt. `None`: the process is stopping.
    async fn infer(
        self: &Arc<Self>,
        batch: &Arc<Vec<Decoded<S::Input>>>,
        range: std::ops::Range<usize>,
    ) -> Option<Result<Vec<S::Output>, Failure>> {
        let mut backoff = halt_backoff();
        loop {
            let (worker, batch, range) = (Arc::clone(self), Arc::clone(batch), range.clone());
            let begun = Instant::now();
            let work = tokio::task::spawn_blocking(move || {
                let inputs: Vec<_> = batch[range].iter().map(|item| &item.input).collect();
                let outputs = worker.parts.stage.infer(&inputs)?;
                if outputs.len() == inputs.len() {
                    Ok(outputs)
                } else {
                    let (got, asked) = (outputs.len(), inputs.len());
                    Err(Failure::retry("inference_failed", format!("the model gave {got} outputs for {asked} pictures")))
                }
            });
            let result = work.await.unwrap_or_else(|panic| Err(Failure::dead_letter("inference_panic", panic)));
            metrics::histogram!("bucketlens_infer_seconds").record(begun.elapsed().as_secs_f64());
            match result {
                Err(failure) if failure.action == Action::Halt => {
                    if !self.halted(&failure, &mut backoff).await {
                        return None;
                    }
                }
                result => {
                    self.working();
                    return Some(result);
                }
            }
        }
    }

    async fn write_batches(self: Arc<Self>, mut inbox: mpsc::Receiver<Vec<Finished<S::Input, S::Output>>>) {
        let _stop = self.parts.shutdown.clone().drop_guard();
        while let Some(rows) = inbox.recv().await {
            let begun = Instant::now();
            let mut backoff = halt_backoff();
            let outcome = loop {
                match self.parts.stage.write(&rows).await {
                    Ok(()) => break Outcome::Done,
                    Err(failure) if failure.action == Action::Halt => {
                        if !self.halted(&failure, &mut backoff).await {
                            return;
                        }
                    }
                    Err(failure) => break failure.into(),
                }
            };
            self.working();
            metrics::histogram!("bucketlens_write_seconds").record(begun.elapsed().as_secs_f64());
            for row in &rows {
                self.settle(&row.object, outcome.clone()).await;
            }
        }
    }

    /// Ends every delivery of this object version. A failure is published once, for the delivery with the most attempts,
    /// however many there are: after a reconnect the same job is held twice.
    async fn settle(&self, object: &ObjectRef, outcome: Outcome) {
        let loans = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&object.image_id());
        let mut loans = loans.unwrap_or_default();
        loans.sort_by_key(|delivery| std::cmp::Reverse(delivery.attempt));
        let mut loans = loans.into_iter();
        let Some(first) = loans.next() else { return };
        let settled = self.parts.settler.settle(first, outcome).await;
        for other in loans {
            if settled {
                other.ack().await;
            } else {
                other.hand_back().await;
            }
        }
    }

    /// The process cannot work: shows it and pauses. Everything held stays held, so the queue does not drain into the
    /// dead letters. Returns whether to try again; `false` means that the process is stopping.
    async fn halted(&self, failure: &Failure, backoff: &mut Backoff) -> bool {
        metrics::counter!("bucketlens_halts_total", "class" => failure.class).increment(1);
        tracing::error!(class = failure.class, reason = failure.reason, "halted, nothing is taken until this works again");
        self.parts.health.trouble("work", failure.to_string());
        tokio::select! {
            () = tokio::time::sleep(backoff.pause()) => true,
            () = self.parts.shutdown.cancelled() => false,
        }
    }

    fn working(&self) {
        self.parts.health.ok("work");
    }
}

fn halt_backoff() -> Backoff {
    Backoff::new(Duration::from_secs(1), Duration::from_secs(30))
}
