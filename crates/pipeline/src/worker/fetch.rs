//! Fetching: one object from its job to the model's input, many at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::session::{DecodedObject, Session, WantedObject};
use crate::bucket::Fetched;
use crate::failure::Failure;
use crate::object::ObjectRef;
use crate::settle::JobOutcome;
use crate::stage::{Ready, Stage};

impl<S: Stage> Session<S> {
    /// Brings one object to the model. Another stage of the process may have decoded it already;
    /// otherwise it is downloaded and decoded here.
    pub(super) async fn fetch(
        self: Arc<Self>,
        WantedObject { object, alone, fresh }: WantedObject,
        permit: OwnedSemaphorePermit,
        decoded: mpsc::Sender<DecodedObject<S::Input>>,
    ) {
        // An object that must be alone counts as so large that its batch closes at once.
        let charged = |size_bytes: u64| if alone { u64::MAX } else { size_bytes };
        let ready = tokio::select! {
            biased;
            () = self.ended.cancelled() => return,
            ready = self.parts.stage.ready(&object) => ready,
        };
        let claim = match ready {
            Ready::Decoded { input, size_bytes } => {
                metrics::counter!("bucketlens_fetches_saved_total").increment(1);
                let _ = decoded
                    .send(DecodedObject { object, input, size_bytes: charged(size_bytes), fresh })
                    .await;
                return;
            }
            Ready::Fetch(claim) => claim,
        };
        let Some((object, bytes)) = self.download(object).await else { return };
        let size_bytes = charged(bytes.len() as u64);
        let Ok(turn) = Arc::clone(&self.parts.decoders).acquire_owned().await else { return };
        let (session, decoding) = (Arc::clone(&self), object.clone());
        let begun = Instant::now();
        // A thread cannot be ended. One that takes too long keeps its permit, so that the number of
        // decoding threads stays within the setting.
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            session.parts.stage.decode(&decoding, bytes)
        });
        let limit = self.parts.fetch.decode_timeout;
        let result = tokio::time::timeout(limit, working).await;
        metrics::histogram!("bucketlens_decode_seconds").record(begun.elapsed().as_secs_f64());
        drop(claim);
        match result {
            Ok(Ok(Ok(input))) => {
                let _ = decoded.send(DecodedObject { object, input, size_bytes, fresh }).await;
            }
            Ok(Ok(Err(failure))) => self.settle(&object, failure.into()).await,
            Ok(Err(panic)) => {
                self.settle(&object, Failure::dead_letter("decode_panic", panic).into()).await
            }
            Err(_) => self.settle(&object, decode_timeout(limit).into()).await,
        }
        // Held until planning has taken the object, so that decoded pictures do not pile up while
        // the model is slow.
        drop(permit);
    }

    /// Downloads exactly the content that the job names. `None`: the job is settled, or the session
    /// has ended.
    async fn download(&self, mut object: ObjectRef) -> Option<(ObjectRef, Bytes)> {
        let mut halt = self.halts.halt();
        let fetched = loop {
            match self.parts.bucket.get(&object, self.parts.fetch.max_object_bytes).await {
                Ok(fetched) => break fetched,
                // A single archived or forbidden object gives the same answer as a store that is
                // away. Listing the bucket tells the two apart.
                Err(error) if error.store_may_be_away() && !self.parts.bucket.answers().await => {
                    if !halt.again(&Failure::halt("store_unavailable", error)).await {
                        return None;
                    }
                }
                Err(error) => {
                    self.settle(&object, Failure::retry("fetch_failed", error).into()).await;
                    return None;
                }
            }
        };
        drop(halt);
        let outcome = match fetched {
            Fetched::Object { bytes, last_modified } => {
                metrics::counter!("bucketlens_fetched_bytes_total").increment(bytes.len() as u64);
                object.size_bytes = Some(bytes.len() as u64);
                object.last_modified = last_modified.or(object.last_modified);
                return Some((object, bytes));
            }
            Fetched::Gone => JobOutcome::Gone,
            Fetched::Changed => JobOutcome::Superseded,
            Fetched::TooLarge { size_bytes } => {
                let limit = self.parts.fetch.max_object_bytes;
                let reason = format!(
                    "the object has {size_bytes} bytes, more than fetch.max_object_bytes = {limit}"
                );
                Failure::dead_letter("too_many_bytes", reason).into()
            }
        };
        self.settle(&object, outcome).await;
        None
    }
}

fn decode_timeout(limit: Duration) -> Failure {
    let limit = humantime::format_duration(limit);
    let reason = format!(
        "decoding took longer than fetch.decode_timeout = {limit}; \
         its thread works on until it is through"
    );
    Failure::dead_letter("decode_timeout", reason)
}
