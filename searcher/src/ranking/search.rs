//! One search under way. Its steps are methods, each in the file of its name.

use std::sync::Arc;

use super::cursor::Cursor;
use super::snapshot::TableSnapshot;
use crate::active_model::ActiveModel;
use crate::engine::Engine;
use crate::problem::Problem;
use crate::query::SearchQuery;

/// A search, the model that answers it, and the versions of the tables it reads.
pub(crate) struct Search<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) model: &'a Arc<ActiveModel>,
    pub(crate) query: &'a SearchQuery,
    /// The place after the former page.
    pub(crate) cursor: Option<Cursor>,
    pub(crate) snapshot: TableSnapshot,
}

impl<'a> Search<'a> {
    /// Pins the tables for a search.
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
        let snapshot = TableSnapshot::open(engine, model, cursor.as_ref()).await?;
        Ok(Self { engine, model, query, cursor, snapshot })
    }
}
