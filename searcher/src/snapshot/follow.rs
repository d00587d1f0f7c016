//! Follows the tables: derives the next snapshot from each new version, in a thread of its own.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use service::backoff::Backoff;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::SnapshotSlot;
use super::build::FollowError;
use super::following::Following;
use super::local::LocalFolder;
use super::newest_tables::NewestTables;
use crate::active_model::ActiveModel;
use crate::engine::Engine;

/// While nobody searches, the tables are looked at this many times less often.
const IDLE_FACTOR: u32 = 10;
/// Least time between two looks at the tables.
const LEAST_PAUSE: Duration = Duration::from_millis(50);
/// Time without a search after which nobody searches.
const IDLE_AFTER: Duration = Duration::from_secs(60);

/// Follows the tables that searches read.
pub(crate) struct SnapshotFollower {
    pub(crate) engine: Weak<Engine>,
    pub(crate) folder: LocalFolder,
    /// Address of the tables.
    pub(crate) tables: String,
    pub(crate) freshness: Duration,
    /// Memory in bytes that a snapshot may take.
    pub(crate) max_bytes: u64,
}

impl SnapshotFollower {
    /// Follows in a thread of its own, until the engine is dropped or at shutdown.
    ///
    /// # Errors
    /// The system has no further thread.
    pub(crate) fn spawn(self, shutdown: CancellationToken) -> std::io::Result<()> {
        let runtime = Handle::current();
        let follow = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = self.follow() => {}
                    () = shutdown.cancelled() => {}
                }
            });
        };
        std::thread::Builder::new().name("snapshot".to_owned()).spawn(follow).map(drop)
    }

    async fn follow(&self) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let (mut following, mut asked) = (None, Instant::now());
        let mut ids = <[String; 3]>::default();
        while let Some(engine) = self.engine.upgrade() {
            // Of another model nothing is kept but the snapshots that its last searches read.
            let model = engine.model();
            let slot = Arc::clone(&model.snapshots);
            if slot.was_damaged()
                && let Some(Following { files, .. }) = following.take()
            {
                files.forget();
            }
            let stepped = self.step(&engine, &model, &mut following, &mut ids).await;
            // They must not outlive their last use for as long as this waits.
            drop((engine, model));
            if slot.was_asked() {
                asked = Instant::now();
            }
            let pause = match stepped {
                Ok(()) => {
                    backoff.reset();
                    let factor = if asked.elapsed() > IDLE_AFTER { IDLE_FACTOR } else { 1 };
                    (self.freshness * factor).max(LEAST_PAUSE)
                }
                Err(error) => {
                    give_up(&error, &slot, &mut following);
                    backoff.pause()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Derives the snapshot of the newest versions, if there are newer ones.
    async fn step(
        &self,
        engine: &Engine,
        model: &ActiveModel,
        following: &mut Option<Following>,
        ids: &mut [String; 3],
    ) -> Result<(), FollowError> {
        let newest = NewestTables::of(engine, model).await?;
        newest.check_memory(self.max_bytes)?;
        *ids = newest.ids(ids);
        let identity = format!("{} {} {}", self.tables, engine.identity(model), ids.join(" "));
        let is_usable = |known: &Following| known.identity == identity && !known.is_mostly_gone();
        if !following.as_ref().is_some_and(is_usable) {
            // Its copy is of no use for the next beginning either.
            if let Some(former) = following.take() {
                former.files.forget();
            }
        }
        let is_new = following.is_none();
        let known = match following {
            Some(known) => known,
            None => following.insert(Following::begin(&self.folder, identity)?),
        };
        let (begun, before) = (Instant::now(), known.versions());
        known.advance(&newest).await?;
        let mut changed = is_new || known.versions() != before;
        if is_new {
            known.upkeep.finish(&mut known.build).await?;
            let (pictures, seconds) = (known.build.pictures.len(), begun.elapsed().as_secs_f32());
            tracing::info!(pictures, seconds, "the snapshot of the tables is made");
        } else {
            changed |= known.upkeep.advance(&mut known.build).await?;
        }
        if changed {
            let former = model.snapshots.published();
            let snapshot = known.snapshot(former.as_deref());
            let bytes = snapshot.memory_bytes() as u64;
            metrics::gauge!("bucketlens_snapshot_bytes").set(bytes as f64);
            metrics::gauge!("bucketlens_snapshot_pictures").set(snapshot.pictures.len() as f64);
            FollowError::if_too_large(bytes, self.max_bytes)?;
            model.snapshots.publish(Some(snapshot));
        }
        known.save_if_due();
        Ok(())
    }
}

/// What does not pass by itself throws the snapshot away; the tables answer until it is made anew.
fn give_up(error: &FollowError, slot: &SnapshotSlot, following: &mut Option<Following>) {
    tracing::warn!(%error, "the snapshot does not follow the tables");
    if error.is_fatal() {
        if let Some(Following { files, .. }) = following.take() {
            files.forget();
        }
        slot.publish(None);
    }
}
