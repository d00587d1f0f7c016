//! The model that answers: its encoders, its table and how its scores are calibrated.

use axum::http::StatusCode;
use table::embeddings::Embeddings;
use table::{Database, TableError};
use tokio::sync::OnceCell;

use crate::encoders::Encoders;
use crate::problem::Problem;
use crate::ranking::calibrator::Calibrator;

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
}

impl ActiveModel {
    pub(crate) fn new(encoders: Result<Encoders, MissingModel>, table: Option<Embeddings>) -> Self {
        Self { encoders, table: OnceCell::new_with(table), calibrator: Calibrator::default() }
    }

    /// `None` while the model cannot be loaded.
    pub(crate) fn encoders(&self) -> Option<&Encoders> {
        self.encoders.as_ref().ok()
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
