//! The ids of all rows, as a sweep compares them with a listing.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Context;
use pipeline::ImageId;
use pipeline::stage_name::StageName;
use table::TableError;

use crate::watch::ids::Ids;
use crate::watch::index::Index;
use crate::watch::stages::{WatchedStage, WatchedStages};
use crate::watch::watched_table::WatchedTable;

// Reading all ids may take at most a twentieth of the time: a sweep reads small tables every time,
// large ones rarely.
const READ_SHARE: u32 = 20;

/// A table, and the ids of its rows as of one version: 16 bytes per object version.
pub(super) struct SweptTable {
    table: WatchedTable,
    pub(super) ids: Ids,
    read_version: Option<u64>,
    newest_version: Option<u64>,
}

/// A stage, and what a sweep knows of it.
pub(super) struct SweptStage {
    pub(super) stage: WatchedStage,
    pub(super) rows: SweptTable,
    /// Object versions that this sweep publishes again although their rows exist.
    pub(super) outdated: HashSet<ImageId>,
}

/// All tables at about one moment.
pub(super) struct Snapshot {
    pub(super) images: SweptTable,
    pub(super) stages: Vec<SweptStage>,
    // `None` until all tables have been read.
    reading: Option<SnapshotReading>,
}

struct SnapshotReading {
    prefix: Option<String>,
    ended: Instant,
    took: Duration,
    expired: bool,
}

impl SweptTable {
    fn new(table: &WatchedTable) -> Self {
        let table = table.clone();
        Self { table, ids: Ids::default(), read_version: None, newest_version: None }
    }

    /// Looks up the newest version; returns whether it is another than the one that was read.
    async fn has_changed(&mut self) -> Result<bool, TableError> {
        self.newest_version = self.table.version().await?;
        Ok(self.newest_version != self.read_version)
    }

    async fn read(&mut self, prefix: Option<&str>) -> Result<(), TableError> {
        self.ids = self.table.ids(prefix).await?;
        self.read_version = self.newest_version;
        Ok(())
    }
}

impl Snapshot {
    /// Of nothing; the first [`Self::refresh`] reads the tables.
    pub(super) fn new(index: &Index, stages: &WatchedStages) -> Self {
        let swept = |stage: &WatchedStage| SweptStage {
            rows: SweptTable::new(&stage.table),
            outdated: HashSet::new(),
            stage: stage.clone(),
        };
        Self {
            images: SweptTable::new(index.images()),
            stages: stages.iter().map(swept).collect(),
            reading: None,
        }
    }

    /// The next refresh reads changed tables, no matter how short a time ago the last one was.
    pub(super) fn expire(&mut self) {
        if let Some(reading) = &mut self.reading {
            reading.expired = true;
        }
    }

    /// Reads the ids of all rows, or of the rows whose key begins with `prefix`, if the tables have
    /// changed and the last reading is long enough ago.
    pub(super) async fn refresh(&mut self, prefix: Option<&str>) -> Result<(), TableError> {
        let mut changed = false;
        for table in self.tables_mut() {
            changed |= table.has_changed().await?;
        }
        if let Some(SnapshotReading { prefix: read, ended, took, expired }) = &self.reading {
            let rested = *expired || ended.elapsed() >= *took * READ_SHARE;
            if read.as_deref() == prefix && !(changed && rested) {
                return Ok(());
            }
        }
        let begun = Instant::now();
        // The old lists are dropped first and the tables read one after the other, so that no id is
        // in memory twice.
        self.reading = None;
        for table in self.tables_mut() {
            table.ids = Ids::default();
        }
        for table in self.tables_mut() {
            table.read(prefix).await?;
        }
        self.reading = Some(SnapshotReading {
            prefix: prefix.map(str::to_owned),
            ended: Instant::now(),
            took: begun.elapsed(),
            expired: false,
        });
        Ok(())
    }

    fn tables_mut(&mut self) -> impl Iterator<Item = &mut SweptTable> {
        std::iter::once(&mut self.images).chain(self.stages.iter_mut().map(|swept| &mut swept.rows))
    }

    fn all_ids(&self) -> impl Iterator<Item = &Ids> {
        std::iter::once(&self.images.ids).chain(self.stages.iter().map(|swept| &swept.rows.ids))
    }

    /// The ids of every table.
    pub(super) fn all_ids_mut(&mut self) -> impl Iterator<Item = &mut Ids> {
        self.tables_mut().map(|table| &mut table.ids)
    }

    /// The rows of one stage.
    pub(super) fn rows_of(&self, name: &StageName) -> anyhow::Result<&Ids> {
        let found = self.stages.iter().find(|swept| swept.stage.name == *name);
        Ok(&found.with_context(|| format!("the stage '{name}' is not watched"))?.rows.ids)
    }

    /// Number of object versions that have any row.
    pub(super) fn len(&self) -> usize {
        self.all_ids().map(Ids::len).max().unwrap_or(0)
    }

    /// Object versions, in any table, that were neither seen nor dismissed.
    pub(super) fn unseen(&self) -> Vec<ImageId> {
        let mut unseen: Vec<_> = self.all_ids().flat_map(Ids::unseen).collect();
        unseen.sort_unstable();
        unseen.dedup();
        unseen
    }

    /// Number of object versions that have a row in `images` or a vector of the active model, but
    /// not both.
    pub(super) fn orphans(&self, active: &StageName) -> anyhow::Result<usize> {
        // Another model than the active one may still be on its way to its first pictures.
        let lacks_vector = self.images.ids.not_in(self.rows_of(active)?);
        // Only workers that write to `images` too owe it a row.
        let writers = self.stages.iter().filter(|swept| swept.stage.name.kind().writes_images());
        let lacks_image = writers.map(|swept| swept.rows.ids.not_in(&self.images.ids));
        Ok(lacks_vector + lacks_image.sum::<usize>())
    }

    /// Number of duplicate rows.
    pub(super) fn spare_rows(&self) -> usize {
        self.all_ids().map(Ids::spare).sum()
    }
}
