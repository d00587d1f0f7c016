//! The model that answers: its encoders, its table and how its scores are calibrated.

use std::sync::Arc;

use axum::http::StatusCode;
use table::embeddings::Embeddings;
use table::schema::Space;
use table::{Database, TableError};
use tokio::sync::OnceCell;

use crate::encoders::Encoders;
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
    table: OnceCell<Embeddings>,
    pub(crate) calibrator: Calibrator,
    /// The snapshots of the tables that this model's searches read.
    pub(crate) snapshots: Arc<SnapshotSlot>,
}

impl ActiveModel {
    pub(crate) fn new(encoders: Result<Encoders, MissingModel>, table: Option<Embeddings>) -> Self {
        let (calibrator, snapshots) = (Calibrator::default(), Arc::default());
        Self { encoders, table: OnceCell::new_with(table), calibrator, snapshots }
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
    ) -> Result<Option<&Embeddings>, TableError> {
        if let (None, Some(encoders)) = (self.table.get(), self.encoders()) {
            let opened = Embeddings::open(database, encoders.space.clone()).await?;
            let Some(table) = opened else { return Ok(None) };
            let _ = self.table.set(table);
        }
        Ok(self.table.get())
    }
}
