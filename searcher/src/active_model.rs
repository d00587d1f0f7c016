//! The model that answers: its encoders, its table and how its scores are calibrated.

use std::sync::Arc;

use axum::http::StatusCode;
use table::embeddings::Embeddings;
use table::schema::Space;
use table::{Database, TableError};

use crate::encoders::Encoders;
use crate::opened_table::OpenedTable;
use crate::problem::Problem;
use crate::ranking::calibrator::Calibrator;
use crate::snapshot::SnapshotSlot;

/// Id, or name in the settings, of a model that cannot be loaded yet.
#[derive(Debug, Clone)]
pub(crate) struct MissingModel(pub(crate) String);

/// One model and its table, which make a whole answer together. While its encoders are missing,
/// only words are searched.
pub(crate) struct ActiveModel {
    encoders: Result<Encoders, MissingModel>,
    // The workers create it, so it may not exist yet.
    table: OpenedTable<Embeddings>,
    pub(crate) calibrator: Calibrator,
    /// The snapshots of the tables that this model's searches read.
    pub(crate) snapshots: Arc<SnapshotSlot>,
}

impl ActiveModel {
    pub(crate) fn new(encoders: Result<Encoders, MissingModel>, table: Option<Embeddings>) -> Self {
        let (calibrator, snapshots) = (Calibrator::default(), Arc::default());
        Self { encoders, table: OpenedTable::new(table), calibrator, snapshots }
    }

    /// `None` while the model cannot be loaded.
    pub(crate) fn encoders(&self) -> Option<&Encoders> {
        self.encoders.as_ref().ok()
    }

    /// Whether vectors of this space may be compared with those of the model.
    pub(crate) fn compares_with(&self, theirs: &Space) -> bool {
        self.encoders().is_some_and(|encoders| {
            let ours = &encoders.space;
            (&theirs.space, &theirs.manifest_hash, theirs.dim)
                == (&ours.space, &ours.manifest_hash, ours.dim)
        })
    }

    /// The encoders, for requests that cannot be answered without them.
    ///
    /// # Errors
    /// 503: the model cannot be loaded yet.
    pub(crate) fn loaded(&self) -> Result<&Encoders, Problem> {
        self.encoders.as_ref().map_err(|missing| {
            let detail =
                format!("the model '{}' cannot be loaded yet; /v1/status says why", missing.0);
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        })
    }

    /// Id of the model; `None` while it cannot be loaded.
    pub(crate) fn id(&self) -> Option<&str> {
        self.encoders().map(|encoders| encoders.space.model.as_str())
    }

    /// The table of its vectors; `None` until a worker has created it.
    ///
    /// # Errors
    /// The store did not answer, or the table holds vectors of another space.
    pub(crate) async fn table(
        &self,
        database: &Database,
    ) -> Result<Option<Arc<Embeddings>>, TableError> {
        let Some(encoders) = self.encoders() else { return Ok(None) };
        self.table.get_or_open(Embeddings::open(database, encoders.space.clone())).await
    }

    /// Opens the table again if it was dropped, and perhaps made anew.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(crate) async fn forget_dropped_table(&self) -> Result<(), TableError> {
        self.table.forget_if_gone(Embeddings::ledger).await
    }
}
