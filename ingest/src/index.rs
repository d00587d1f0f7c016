//! What the tables hold, as ingest needs it: which object versions, and the removal of some. The tables are the only
//! record of what was done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use pipeline::{ImageId, ObjectRef};
use table::ledger::{Ledger, Stored};
use table::{Database, TableError, embeddings, images};
use tokio::sync::OnceCell;

// Reading all ids may take at most a twentieth of the time: small tables are read at every look, large ones rarely.
const READ_SHARE: u32 = 20;

/// Which tables hold a row of an object version.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) image: bool,
    pub(crate) embedding: bool,
}

/// The tables; clones share the handles. The tables are made by the workers, so each may not exist yet.
#[derive(Clone)]
pub(crate) struct Index {
    database: Database,
    names: [String; 2],
    ledgers: Arc<[OnceCell<Ledger>; 2]>,
}

const IMAGES: usize = 0;
const EMBEDDINGS: usize = 1;

/// The ids of all rows as of some versions of the tables. 40 bytes per object.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) held: HashMap<ImageId, Held>,
    versions: [Option<u64>; 2],
    read: Option<(Instant, Duration)>,
}

impl Index {
    pub(crate) fn new(database: Database, model: &str) -> Self {
        Self { database, names: [images::NAME.to_owned(), embeddings::name(model)], ledgers: Arc::default() }
    }

    async fn ledger(&self, which: usize) -> Result<Option<&Ledger>, TableError> {
        if let Some(ledger) = self.ledgers[which].get() {
            return Ok(Some(ledger));
        }
        let Some(ledger) = Ledger::open(&self.database, &self.names[which]).await? else { return Ok(None) };
        Ok(Some(self.ledgers[which].get_or_init(|| std::future::ready(ledger)).await))
    }

    /// Whether this object version has its vector.
    pub(crate) async fn has(&self, object: &ObjectRef) -> Result<bool, TableError> {
        match self.ledger(EMBEDDINGS).await? {
            Some(ledger) => Ok(!ledger.existing(&[object.image_id().to_string()]).await?.is_empty()),
            None => Ok(false),
        }
    }

    /// All stored versions of one object, in any table.
    pub(crate) async fn versions_of(&self, bucket: &str, key: &str) -> Result<Vec<ImageId>, TableError> {
        let mut ids = Vec::new();
        for which in [IMAGES, EMBEDDINGS] {
            if let Some(ledger) = self.ledger(which).await? {
                ids.extend(ledger.versions_of(bucket, key).await?.iter().filter_map(|row| row.image_id.parse::<ImageId>().ok()));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Key of each of these object versions, from whichever table knows it.
    pub(crate) async fn locate(&self, ids: &[ImageId]) -> Result<HashMap<ImageId, Stored>, TableError> {
        let ids: Vec<_> = ids.iter().map(ImageId::to_string).collect();
        let mut located = HashMap::new();
        for which in [IMAGES, EMBEDDINGS] {
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
        // The vector goes first: what has none is never found.
        for which in [EMBEDDINGS, IMAGES] {
            if let Some(ledger) = self.ledger(which).await? {
                ledger.delete(&ids).await?;
            }
        }
        Ok(())
    }

    /// Reads all ids again if the tables have changed and the last reading is long enough ago.
    pub(crate) async fn refresh(&self, snapshot: &mut Snapshot) -> Result<(), TableError> {
        let ledgers = [self.ledger(IMAGES).await?, self.ledger(EMBEDDINGS).await?];
        let mut versions = [None; 2];
        for (version, ledger) in versions.iter_mut().zip(ledgers) {
            if let Some(ledger) = ledger {
                *version = Some(ledger.version().await?);
            }
        }
        let rested = snapshot.read.is_none_or(|(at, took)| at.elapsed() >= took * READ_SHARE);
        if versions == snapshot.versions || !rested {
            return Ok(());
        }
        let begun = Instant::now();
        let mut held: HashMap<ImageId, Held> = HashMap::with_capacity(snapshot.held.len());
        for (which, ledger) in ledgers.into_iter().enumerate() {
            let Some(ledger) = ledger else { continue };
            let mut ids = ledger.all_ids().await?;
            while let Some(some) = ids.try_next().await? {
                for id in some.iter().filter_map(|id| id.parse().ok()) {
                    let entry = held.entry(id).or_default();
                    match which {
                        IMAGES => entry.image = true,
                        _ => entry.embedding = true,
                    }
                }
            }
        }
        *snapshot = Snapshot { held, versions, read: Some((Instant::now(), begun.elapsed())) };
        Ok(())
    }
}
