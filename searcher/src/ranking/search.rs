//! One search under way. Its steps are methods, each in the file of its name.

use std::sync::Arc;

use table::captions::Captions;
use table::embeddings::Embeddings;

use super::cursor::Cursor;
use super::view::{MemoryView, SearchView, TableView};
use crate::active_model::ActiveModel;
use crate::engine::Engine;
use crate::problem::{self, Problem};
use crate::query::SearchQuery;
use crate::snapshot::{SearchSnapshot, TableVersions};

/// A search, the model that answers it, and the versions of the tables it reads.
pub(crate) struct Search<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) model: &'a Arc<ActiveModel>,
    pub(crate) query: &'a SearchQuery,
    /// The place after the former page.
    pub(crate) cursor: Option<Cursor>,
    pub(crate) view: SearchView,
    pub(crate) versions: TableVersions,
}

impl<'a> Search<'a> {
    /// Chooses what a search reads: the newest snapshot, or what the former page read.
    ///
    /// # Errors
    /// The search requires another model, its cursor is of another search, no cursor or too old, or
    /// the tables cannot be read.
    pub(crate) async fn begin(
        engine: &'a Engine,
        model: &'a Arc<ActiveModel>,
        query: &'a SearchQuery,
    ) -> Result<Self, Problem> {
        if query.required.is_given() {
            query.required.check(&model.loaded()?.space)?;
        }
        let read = |text: &String| Cursor::read(text, &engine.seal, &query.digest);
        let cursor = query.cursor.as_ref().map(read).transpose()?;
        if let Some(cursor) = &cursor {
            check_model(cursor, model)?;
        }
        let snapshot = match &cursor {
            _ if engine.exact => None,
            None => model.snapshots.newest(),
            Some(cursor) => model.snapshots.at(cursor.versions()).await,
        };
        let (view, versions) = match snapshot {
            Some(snapshot) => {
                let versions = snapshot.versions;
                (in_memory(engine, model, snapshot), versions)
            }
            None => in_tables(engine, model, cursor.as_ref()).await?,
        };
        Ok(Self { engine, model, query, cursor, view, versions })
    }

    /// Whether all examples are words.
    pub(super) fn is_words_only(&self) -> bool {
        self.query.examples.iter().all(|(example, _)| example.is_text())
    }

    /// Whether the snapshot turned out to be damaged while the search read it.
    pub(super) fn lost_its_snapshot(&self) -> bool {
        match &self.view {
            SearchView::Memory(memory) => memory.slot.is_damaged(),
            SearchView::Tables(_) => false,
        }
    }

    /// Keeps the snapshot for the next page.
    pub(super) async fn keep_snapshot(&self) {
        if let SearchView::Memory(memory) = &self.view {
            memory.slot.keep(&memory.snapshot).await;
        }
    }
}

fn in_memory(engine: &Engine, model: &ActiveModel, snapshot: Arc<SearchSnapshot>) -> SearchView {
    let slot = Arc::clone(&model.snapshots);
    let permits = Arc::clone(&engine.permits);
    SearchView::Memory(MemoryView { snapshot, slot, permits })
}

/// The tables at their newest versions, or at those of a cursor.
async fn in_tables(
    engine: &Engine,
    model: &ActiveModel,
    cursor: Option<&Cursor>,
) -> Result<(SearchView, TableVersions), Problem> {
    let gone = || {
        let detail = "is too old: its version of the tables is gone, search again";
        Problem::field("cursor", detail)
    };
    let at = cursor.map(Cursor::versions);
    let embeddings = match model.table(&engine.database).await.map_err(problem::tables)? {
        Some(table) => Some(at_version(&table, engine, at).await?.ok_or_else(gone)?),
        None => None,
    };
    let captions = match engine.captions().await.map_err(problem::tables)? {
        // Made since the first page.
        Some(_) if at.is_some_and(|at| at.captions == 0) => None,
        Some(table) => Some(captions_at(&table, engine, at).await?.ok_or_else(gone)?),
        None => None,
    };
    let images = engine.images().await.map_err(problem::tables)?;
    let images = images.as_deref().cloned();
    let version = async |ledger: Option<&table::ledger::Ledger>| match ledger {
        Some(ledger) => ledger.version().await.map_err(problem::tables),
        None => Ok(0),
    };
    let versions = TableVersions {
        embeddings: version(embeddings.as_ref().map(Embeddings::ledger)).await?,
        captions: version(captions.as_ref().map(Captions::ledger)).await?,
        images: 0,
    };
    let compares = captions.as_ref().is_some_and(|captions| model.compares_with(captions.space()));
    let view = TableView::new(embeddings, captions, images, compares, engine);
    Ok((SearchView::Tables(Box::new(view)), versions))
}

async fn at_version(
    table: &Embeddings,
    engine: &Engine,
    at: Option<TableVersions>,
) -> Result<Option<Embeddings>, Problem> {
    let pinned = match at {
        None => table.pinned().await.map(Some),
        Some(at) => table.at(&engine.database, at.embeddings).await,
    };
    pinned.map_err(problem::tables)
}

async fn captions_at(
    table: &Captions,
    engine: &Engine,
    at: Option<TableVersions>,
) -> Result<Option<Captions>, Problem> {
    let pinned = match at {
        None => table.pinned().await.map(Some),
        Some(at) => table.at(&engine.database, at.captions).await,
    };
    pinned.map_err(problem::tables)
}

fn check_model(cursor: &Cursor, model: &ActiveModel) -> Result<(), Problem> {
    let now = model.id().unwrap_or_default();
    if cursor.model == now {
        return Ok(());
    }
    let name = |model: &str| match model {
        "" => "no model".to_owned(),
        model => format!("the model '{model}'"),
    };
    let detail =
        format!("is of a search that {} began; {} answers now", name(&cursor.model), name(now));
    Err(Problem::field("cursor", detail))
}
