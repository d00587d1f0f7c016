//! Where searches find the newest snapshot, and those that pages of a search still read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use moka::future::Cache;

use super::{SearchSnapshot, TableVersions};

/// Snapshots that pages may still read. They share nearly everything with the newest one.
const MAX_PAGED: u64 = 64;
/// Time after the last page for which its snapshot is kept. Later pages are read from the tables,
/// slower.
const PAGED_FOR: Duration = Duration::from_secs(600);

/// The snapshots of one model.
#[derive(Debug)]
pub(crate) struct SnapshotSlot {
    newest: ArcSwapOption<SearchSnapshot>,
    paged: Cache<TableVersions, Arc<SearchSnapshot>>,
    // Whether anybody has asked since the follower looked last.
    asked: AtomicBool,
    damaged: AtomicBool,
}

impl Default for SnapshotSlot {
    fn default() -> Self {
        Self {
            newest: ArcSwapOption::empty(),
            paged: Cache::builder().max_capacity(MAX_PAGED).time_to_idle(PAGED_FOR).build(),
            asked: AtomicBool::new(true),
            damaged: AtomicBool::new(false),
        }
    }
}

impl SnapshotSlot {
    /// The newest snapshot; `None` while there is none.
    pub(crate) fn newest(&self) -> Option<Arc<SearchSnapshot>> {
        self.asked.store(true, Ordering::Relaxed);
        self.newest.load_full()
    }

    /// The snapshot of these versions of the searched tables; `None` if it is not at hand.
    pub(crate) async fn at(&self, versions: TableVersions) -> Option<Arc<SearchSnapshot>> {
        let same = |known: &Arc<SearchSnapshot>| known.versions.searched() == versions.searched();
        match self.newest().filter(same) {
            Some(newest) => Some(newest),
            None => self.paged.get(&versions.searched()).await,
        }
    }

    /// Keeps a snapshot for further pages.
    pub(crate) async fn keep(&self, snapshot: &Arc<SearchSnapshot>) {
        self.paged.insert(snapshot.versions.searched(), Arc::clone(snapshot)).await;
    }

    /// Replaces the newest snapshot.
    pub(super) fn publish(&self, snapshot: Option<SearchSnapshot>) {
        if snapshot.is_none() {
            self.paged.invalidate_all();
        }
        self.newest.store(snapshot.map(Arc::new));
    }

    /// The newest snapshot, without having asked for it.
    pub(super) fn published(&self) -> Option<Arc<SearchSnapshot>> {
        self.newest.load_full()
    }

    /// Whether anybody has asked since the last call.
    pub(super) fn was_asked(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }

    /// Notes that a local file is damaged. The tables answer until the snapshot is made anew.
    pub(crate) fn report_damage(&self) {
        self.damaged.store(true, Ordering::Relaxed);
        self.publish(None);
    }

    /// Whether damage was noted and the snapshot is not made anew yet.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Whether damage was noted since the last call.
    pub(super) fn was_damaged(&self) -> bool {
        self.damaged.swap(false, Ordering::Relaxed)
    }
}

impl TableVersions {
    /// Without the version that only the library reads.
    fn searched(self) -> Self {
        Self { images: 0, ..self }
    }
}
