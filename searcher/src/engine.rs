//! What every search needs: the tables, the model that answers, and the limits of the work.

use std::sync::Arc;

use arc_swap::ArcSwap;
use table::captions::{self, Captions};
use table::embeddings::{self, Embeddings};
use table::images::{self, Images};
use table::ledger::Ledger;
use table::{Database, TableError};
use tokio::sync::Semaphore;

use crate::active_model::{ActiveModel, MissingModel};
use crate::encoders::Encoders;
use crate::encoding::Encoding;
use crate::linked::Fetcher;
use crate::opened_table::OpenedTable;
use crate::ranking::walk::Walks;
use crate::seal::Seal;
use crate::settings::SearchSettings;
use crate::snapshot::TableVersions;

/// Number of rows and version of a table.
pub(crate) struct TableRows {
    pub(crate) name: String,
    pub(crate) rows: usize,
    /// 0 for a table that does not exist yet.
    pub(crate) version: u64,
}

/// The model that answers now, and what all models share.
pub(crate) struct Engine {
    pub(crate) database: Database,
    model: ArcSwap<ActiveModel>,
    images: OpenedTable<Images>,
    captioner: String,
    captions: OpenedTable<Captions>,
    /// Fetches query pictures of other sites.
    pub(crate) fetcher: Fetcher,
    pub(crate) encoding: Encoding,
    /// Orders of deep pages.
    pub(crate) walks: Walks,
    /// Searches in memory that are worked on: one per processor.
    pub(crate) permits: Arc<Semaphore>,
    /// Seals the cursors.
    pub(crate) seal: Seal,
    /// Compare all rows in every search, even where an index would be quicker.
    pub(crate) exact: bool,
    /// How many candidates each of several signals is asked for.
    pub(crate) candidates: usize,
}

impl Engine {
    pub(crate) fn new(
        database: Database,
        encoders: Result<Encoders, MissingModel>,
        captioner: String,
        fetcher: Fetcher,
        seal: Seal,
        settings: &SearchSettings,
    ) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            database,
            model: ArcSwap::from_pointee(ActiveModel::new(encoders, None)),
            images: OpenedTable::new(None),
            captioner,
            captions: OpenedTable::new(None),
            fetcher,
            encoding: Encoding::new(settings),
            walks: Walks::default(),
            permits: Arc::new(Semaphore::new(processors)),
            seal,
            exact: settings.exact,
            candidates: settings.candidates,
        }
    }

    /// The model that answers now. A request calls this once and keeps the model; the encoders of a
    /// former model are freed with the last request that holds them.
    pub(crate) fn model(&self) -> Arc<ActiveModel> {
        self.model.load_full()
    }

    /// Lets another model answer from now on. `Ok(false)`: it has no table, so the former model
    /// goes on.
    ///
    /// # Errors
    /// Its table cannot be opened, or holds vectors of another space; the former model goes on.
    pub(crate) async fn switch_to(&self, encoders: Encoders) -> Result<bool, TableError> {
        let table = Embeddings::open(&self.database, encoders.space.clone()).await?;
        match &table {
            // Reads what the first search would have to read.
            Some(table) => drop(table.ledger().count_rows().await?),
            // No model answers now, so this one is better even before its table exists.
            None if self.model().encoders().is_none() => {}
            None => return Ok(false),
        }
        self.model.store(Arc::new(ActiveModel::new(Ok(encoders), table)));
        Ok(true)
    }

    /// Notes which model is missing now.
    pub(crate) fn set_missing(&self, missing: MissingModel) {
        self.model.store(Arc::new(ActiveModel::new(Err(missing), None)));
    }

    /// The `images` table; `None` until a worker has created it.
    pub(crate) async fn images(&self) -> Result<Option<Arc<Images>>, TableError> {
        self.images.get_or_open(Images::open(&self.database)).await
    }

    /// The table of captions that is searched; `None` where the settings name no captioner, or
    /// until the captioner has created it.
    pub(crate) async fn captions(&self) -> Result<Option<Arc<Captions>>, TableError> {
        if self.captioner.is_empty() {
            return Ok(None);
        }
        self.captions.get_or_open(Captions::open(&self.database, &self.captioner)).await
    }

    /// Opens tables again that were dropped, and perhaps made anew. Always asks the store.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(crate) async fn forget_dropped_tables(
        &self,
        model: &ActiveModel,
    ) -> Result<(), TableError> {
        self.images().await?;
        self.images.forget_if_gone(Images::ledger).await?;
        self.captions.forget_if_gone(Captions::ledger).await?;
        model.forget_dropped_table().await
    }

    /// The table of captions, if it has been opened.
    pub(crate) fn opened_captions(&self) -> Option<Arc<Captions>> {
        self.captions.get()
    }

    /// Names what a model's searches read: a snapshot of something else is none of them.
    pub(crate) fn identity(&self, model: &ActiveModel) -> String {
        let space = model.encoders().map(|encoders| &encoders.space);
        // That a table of captions comes into being changes nothing, as long as it is comparable.
        let captions = self.captions.get();
        let captions = captions.as_ref().map(|captions| captions.space());
        let other = captions.filter(|captions| !model.compares_with(captions));
        format!("{space:?} {} {other:?}", self.captioner)
    }

    /// Rows and versions of the tables, as searches see them.
    pub(crate) async fn table_rows(
        &self,
        model: &ActiveModel,
    ) -> Result<Vec<TableRows>, TableError> {
        let snapshot = model.snapshots.newest();
        let seen = snapshot.map(|snapshot| {
            let TableVersions { embeddings, captions, images } = snapshot.versions;
            let [embedded, captioned, imaged] = snapshot.rows;
            [(imaged, images), (embedded, embeddings), (captioned, captions)]
        });
        let [images, embeddings, captions] = match seen {
            Some(seen) => seen,
            None => self.stored_rows(model).await?,
        };
        let mut tables = vec![(images::NAME.to_owned(), images)];
        tables.extend(model.id().map(|model| (embeddings::name(model), embeddings)));
        if !self.captioner.is_empty() {
            tables.push((captions::name(&self.captioner), captions));
        }
        let named = tables.into_iter();
        Ok(named.map(|(name, (rows, version))| TableRows { name, rows, version }).collect())
    }

    /// Rows and versions of the tables of pictures, vectors and captions, as the store has them.
    async fn stored_rows(&self, model: &ActiveModel) -> Result<[(usize, u64); 3], TableError> {
        let images = self.images().await?;
        let embeddings = model.table(&self.database).await?;
        let captions = self.captions().await?;
        Ok([
            counts(images.as_deref().map(Images::ledger)).await?,
            counts(embeddings.as_deref().map(Embeddings::ledger)).await?,
            counts(captions.as_deref().map(Captions::ledger)).await?,
        ])
    }
}

async fn counts(ledger: Option<&Ledger>) -> Result<(usize, u64), TableError> {
    match ledger {
        Some(ledger) => Ok((ledger.count_rows().await?, ledger.version().await?)),
        None => Ok((0, 0)),
    }
}
