//! What the tables hold, as ingest needs it: which object versions, and the removal of some. The
//! tables are the only record of what was done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use pipeline::caption_prompt::CaptionPrompt;
use pipeline::stage_name::StageName;
use pipeline::{ImageId, ObjectRef};
use table::captions::Captions;
use table::ledger::{Ledger, Stored};
use table::{Database, TableError, images};
use tokio::sync::OnceCell;

use crate::ids::Ids;
use crate::served::table_of;

// Reading all ids may take at most a twentieth of the time: small tables are read at every look,
// large ones rarely.
const READ_SHARE: u32 = 20;

/// The tables; clones share the handles. The tables are made by the workers, so each may not exist
/// yet.
#[derive(Clone)]
pub(crate) struct Index {
    database: Database,
    // `images`, then the table of each stage.
    names: Arc<[String]>,
    ledgers: Arc<[OnceCell<Ledger>]>,
}

const IMAGES: usize = 0;

/// The ids of all rows as of some versions of the tables. 16 bytes per object version in each
/// table.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) images: Ids,
    /// In the order of the stages.
    pub(crate) stages: Vec<Ids>,
    versions: Vec<Option<u64>>,
    prefix: Option<String>,
    read: Option<(Instant, Duration)>,
}

impl Snapshot {
    /// Object versions that have any row.
    pub(crate) fn len(&self) -> usize {
        self.stages.iter().map(Ids::len).fold(self.images.len(), usize::max)
    }

    /// The next refresh reads what has changed, however short a time ago the last one was.
    pub(crate) fn expire(&mut self) {
        self.read = None;
    }

    /// The ids of every table.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Ids> {
        std::iter::once(&mut self.images).chain(&mut self.stages)
    }

    /// What was neither seen nor dismissed, in any table.
    pub(crate) fn unseen(&self) -> Vec<ImageId> {
        let mut unseen: Vec<_> =
            self.images.unseen().chain(self.stages.iter().flat_map(Ids::unseen)).collect();
        unseen.sort_unstable();
        unseen.dedup();
        unseen
    }
}

impl Index {
    pub(crate) fn new(database: Database, stages: &[StageName]) -> Self {
        let names: Vec<_> =
            std::iter::once(images::NAME.to_owned()).chain(stages.iter().map(table_of)).collect();
        let ledgers = names.iter().map(|_| OnceCell::new()).collect();
        Self { database, names: names.into(), ledgers }
    }

    /// How many stages there are.
    pub(crate) fn stages(&self) -> usize {
        self.names.len() - 1
    }

    /// The database the tables are in.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Names of the tables.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    async fn ledger(&self, which: usize) -> Result<Option<&Ledger>, TableError> {
        if let Some(ledger) = self.ledgers[which].get() {
            return Ok(Some(ledger));
        }
        let Some(ledger) = Ledger::open(&self.database, &self.names[which]).await? else {
            return Ok(None);
        };
        Ok(Some(self.ledgers[which].get_or_init(|| std::future::ready(ledger)).await))
    }

    /// The table of the stage at this place; `None` until a worker has made it.
    pub(crate) async fn table(&self, stage: usize) -> Result<Option<&Ledger>, TableError> {
        self.ledger(1 + stage).await
    }

    /// Number of a stage's rows, spare ones included; `None` until a worker has made the table.
    pub(crate) async fn rows(&self, stage: usize) -> Result<Option<usize>, TableError> {
        match self.table(stage).await? {
            Some(ledger) => Ok(Some(ledger.count_rows().await?)),
            None => Ok(None),
        }
    }

    /// Which of these object versions have their row of a stage.
    pub(crate) async fn having(
        &self,
        stage: usize,
        ids: &[ImageId],
    ) -> Result<Vec<ImageId>, TableError> {
        let ids: Vec<_> = ids.iter().map(ImageId::to_string).collect();
        match self.table(stage).await? {
            Some(ledger) => {
                Ok(ledger.existing(&ids).await?.iter().filter_map(|id| id.parse().ok()).collect())
            }
            None => Ok(Vec::new()),
        }
    }

    /// Whether this object version has its row of a stage.
    pub(crate) async fn has(&self, stage: usize, object: &ObjectRef) -> Result<bool, TableError> {
        Ok(!self.having(stage, &[object.image_id()]).await?.is_empty())
    }

    /// Object versions whose caption answers another question than this.
    pub(crate) async fn outdated(
        &self,
        captioner: &str,
        question: &CaptionPrompt,
    ) -> Result<HashSet<ImageId>, TableError> {
        let Some(captions) = Captions::open(&self.database, captioner).await? else {
            return Ok(HashSet::new());
        };
        let outdated = captions.outdated(&question.provider, &question.prompt_hash).await?;
        Ok(outdated.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// All stored versions of one object, in any table.
    pub(crate) async fn versions_of(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Vec<ImageId>, TableError> {
        let mut ids = Vec::new();
        for which in 0..self.names.len() {
            if let Some(ledger) = self.ledger(which).await? {
                ids.extend(
                    ledger
                        .versions_of(bucket, key)
                        .await?
                        .iter()
                        .filter_map(|row| row.image_id.parse::<ImageId>().ok()),
                );
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Key of each of these object versions, from whichever table knows it.
    pub(crate) async fn locate(
        &self,
        ids: &[ImageId],
    ) -> Result<HashMap<ImageId, Stored>, TableError> {
        let ids: Vec<_> = ids.iter().map(ImageId::to_string).collect();
        let mut located = HashMap::new();
        for which in 0..self.names.len() {
            if let Some(ledger) = self.ledger(which).await? {
                let rows = ledger.locate(&ids).await?.into_iter();
                located.extend(rows.filter_map(|row| Some((row.image_id.parse().ok()?, row))));
            }
        }
        Ok(located)
    }

    /// Removes all rows of these object versions.
    pub(crate) async fn remove(&self, ids: &[ImageId]) -> Result<(), TableError> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = ids.iter().map(ImageId::to_string).collect();
        // `images` goes last: what has no row elsewhere is never found.
        for which in (0..self.names.len()).rev() {
            if let Some(ledger) = self.ledger(which).await? {
                ledger.delete(&ids).await?;
            }
        }
        Ok(())
    }

    /// Reads the ids of all rows, or of those whose key begins with `prefix`, again if the tables
    /// have changed and the last reading is long enough ago.
    pub(crate) async fn refresh(
        &self,
        snapshot: &mut Snapshot,
        prefix: Option<&str>,
    ) -> Result<(), TableError> {
        let mut versions = Vec::new();
        for which in 0..self.names.len() {
            versions.push(match self.ledger(which).await? {
                Some(ledger) => Some(ledger.version().await?),
                None => None,
            });
        }
        let rested = snapshot.read.is_none_or(|(at, took)| at.elapsed() >= took * READ_SHARE);
        if snapshot.prefix.as_deref() == prefix && (versions == snapshot.versions || !rested) {
            return Ok(());
        }
        let begun = Instant::now();
        // One table after the other, and the former lists first: never twice as many lists at once.
        *snapshot = Snapshot::default();
        snapshot.images = ids(self.ledger(IMAGES).await?, prefix).await?;
        for stage in 0..self.stages() {
            snapshot.stages.push(ids(self.table(stage).await?, prefix).await?);
        }
        snapshot.versions = versions;
        snapshot.prefix = prefix.map(str::to_owned);
        snapshot.read = Some((Instant::now(), begun.elapsed()));
        Ok(())
    }
}

/// The ids of all rows of a table, or of those whose key begins with `prefix`.
pub(crate) async fn ids(ledger: Option<&Ledger>, prefix: Option<&str>) -> Result<Ids, TableError> {
    let Some(ledger) = ledger else { return Ok(Ids::default()) };
    // Asked first, so that the list need not grow by doubling.
    let rows = if prefix.is_none() { ledger.count_rows().await? } else { 0 };
    let mut ids = Vec::with_capacity(rows + rows / 16);
    let mut stream = ledger.ids_with(prefix).await?;
    while let Some(some) = stream.try_next().await? {
        ids.extend(some.iter().filter_map(|id| id.parse::<ImageId>().ok()));
    }
    Ok(Ids::new(ids))
}
