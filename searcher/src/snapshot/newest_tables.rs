//! The tables at their newest versions.

use table::captions::Captions;
use table::embeddings::Embeddings;
use table::images::Images;
use table::ledger::Ledger;
use table::rows::TableLayout;

use super::build::FollowError;
use crate::active_model::ActiveModel;
use crate::engine::Engine;

/// Bytes of a picture in memory beside its vectors, about: columns, words and caption.
const PICTURE_BYTES: u64 = 330;
/// Bytes of a vector in memory beside its codes, about.
const VECTOR_BYTES: u64 = 24;

/// The tables at their newest versions: of vectors, of captions and of pictures.
pub(super) struct NewestTables {
    /// `None` for a table that does not exist yet.
    pub(super) ledgers: [Option<(Ledger, TableLayout)>; 3],
    /// Length of the vectors of pictures and of captions; `None` where they are not compared.
    pub(super) dims: [Option<usize>; 2],
}

impl NewestTables {
    /// Ids of the tables: those of tables that were made anew are others. `known` are those of a
    /// former call, which hold for tables that do not exist.
    pub(super) fn ids(&self, known: &[String; 3]) -> [String; 3] {
        let mut ids = known.clone();
        for (id, table) in ids.iter_mut().zip(&self.ledgers) {
            if let Some((ledger, _)) = table {
                *id = ledger.id().to_owned();
            }
        }
        ids
    }
}

impl NewestTables {
    /// Asks the store for the newest versions.
    ///
    /// # Errors
    /// The store did not answer or refused.
    pub(super) async fn of(engine: &Engine, model: &ActiveModel) -> Result<Self, FollowError> {
        let embeddings = model.table(&engine.database).await?;
        let captions = engine.captions().await?;
        let images = engine.images().await?;
        let comparable =
            captions.as_deref().filter(|captions| model.compares_with(captions.space()));
        let dims = [
            embeddings.as_ref().and(model.encoders()).map(|encoders| encoders.space.dim),
            comparable.map(|captions| captions.space().dim),
        ];
        let ledgers = tokio::try_join!(
            newest(embeddings.as_deref().map(Embeddings::ledger)),
            newest(captions.as_deref().map(Captions::ledger)),
            newest(images.as_deref().map(Images::ledger)),
        )?;
        Ok(Self { ledgers: ledgers.into(), dims })
    }

    /// Refuses tables whose snapshot would need more than `max_bytes` of memory.
    pub(super) fn check_memory(&self, max_bytes: u64) -> Result<(), FollowError> {
        let rows = self
            .ledgers
            .each_ref()
            .map(|table| table.as_ref().map_or(0, |(_, layout)| layout.rows()));
        let vectors: u64 = self
            .dims
            .iter()
            .zip(rows)
            .map(|(dim, rows)| dim.map_or(0, |dim| rows * (dim as u64 / 4 + VECTOR_BYTES)))
            .sum();
        let pictures = rows.into_iter().max().unwrap_or(0);
        FollowError::if_too_large(pictures * PICTURE_BYTES + vectors, max_bytes)
    }
}

async fn newest(ledger: Option<&Ledger>) -> Result<Option<(Ledger, TableLayout)>, FollowError> {
    match ledger {
        Some(ledger) => Ok(Some(ledger.newest_layout().await?)),
        None => Ok(None),
    }
}
