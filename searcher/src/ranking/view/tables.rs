//! A search in the tables themselves, while no snapshot is at hand. Every step asks the store, so
//! it takes longer; what it finds is the same.

mod candidates;
mod lookups;
mod scores;
mod texts;

use std::collections::HashSet;

use table::Database;
use table::captions::Captions;
use table::embeddings::Embeddings;
use table::images::Images;
use table::ledger::Ledger;

use tokio::sync::OnceCell;

use self::texts::PictureTexts;
use super::Proposal;
use crate::engine::Engine;
use crate::problem::Problem;
use crate::ranking::question::Question;
use crate::ranking::scored::ScoredPicture;

/// Tables with more rows than this are not put in order as a whole.
const MAX_ORDERED_ROWS: usize = 50_000;

/// Both tables at their versions; either may not exist yet.
pub(crate) struct TableView {
    pub(crate) embeddings: Option<Embeddings>,
    pub(crate) captions: Option<Captions>,
    /// Whether the vectors of captions are of the space that is searched.
    pub(crate) compares_captions: bool,
    /// Compare all rows, even if an index would be quicker.
    pub(crate) exact: bool,
    /// Pictures: searched by the words of their keys where the other tables lack them.
    pub(crate) images: Option<Images>,
    texts: OnceCell<Vec<PictureTexts>>,
    database: Database,
}

impl TableView {
    /// The tables at some versions.
    pub(crate) fn new(
        embeddings: Option<Embeddings>,
        captions: Option<Captions>,
        images: Option<Images>,
        compares_captions: bool,
        engine: &Engine,
    ) -> Self {
        let (texts, database) = (OnceCell::new(), engine.database.clone());
        let exact = engine.exact;
        Self { embeddings, captions, compares_captions, exact, images, texts, database }
    }

    /// The ledgers in the order in which they decide.
    fn ledgers(&self) -> impl Iterator<Item = &Ledger> {
        let ledgers = [
            self.embeddings.as_ref().map(Embeddings::ledger),
            self.captions.as_ref().map(Captions::ledger),
            self.images.as_ref().map(Images::ledger),
        ];
        ledgers.into_iter().flatten()
    }

    /// The best `limit` pictures of every signal, with the scores of all signals. A signal that
    /// fails is left out as long as another one answers.
    ///
    /// # Errors
    /// All signals failed.
    pub(super) async fn propose(
        &self,
        question: &Question,
        limit: usize,
    ) -> Result<Proposal, Problem> {
        let found = self.candidates(question, limit).await?;
        let pictures = self.scored(question, found.candidates).await?;
        Ok(Proposal {
            pictures,
            has_more: found.has_more,
            exact: found.exact,
            degraded: found.degraded,
        })
    }

    /// All further pictures that can be found; `None` if the tables are too large.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(super) async fn rest(
        &self,
        question: &Question,
        proposed: &[ScoredPicture],
    ) -> Result<Option<Vec<ScoredPicture>>, Problem> {
        if !self.exact && self.rows().await? > MAX_ORDERED_ROWS {
            return Ok(None);
        }
        let known: HashSet<u128> = proposed.iter().map(|picture| picture.image_id).collect();
        let mut all = self.propose(question, usize::MAX / 64).await?.pictures;
        all.retain(|picture| !known.contains(&picture.image_id));
        Ok(Some(all))
    }
}
