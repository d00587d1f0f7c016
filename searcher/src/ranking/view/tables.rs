//! A search in the tables themselves, while no snapshot is at hand. Every step asks the store, so it
//! takes longer; what it finds is the same.

mod candidates;
mod scores;

use std::collections::{HashMap, HashSet};

use table::NewestIds;
use table::candidates::Candidate;
use table::captions::{CaptionText, Captions};
use table::embeddings::Embeddings;
use table::schema::Facts;

use super::{Proposal, Question, id_text};
use crate::problem::{self, Problem};
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
}

impl TableView {
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
        let pictures =
            pictures.into_iter().filter(|picture| question.passes_min_score(picture.image));
        Ok(Proposal {
            pictures: pictures.collect(),
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

    /// Rows of the larger table.
    pub(super) async fn rows(&self) -> Result<usize, Problem> {
        let mut rows = 0;
        let embeddings = self.embeddings.as_ref().map(Embeddings::ledger);
        let captions = self.captions.as_ref().map(Captions::ledger);
        for ledger in [embeddings, captions].into_iter().flatten() {
            rows = ledger.count_rows().await.map_err(problem::tables)?.max(rows);
        }
        Ok(rows)
    }

    /// The newest version of each candidate's object. The table of vectors decides; for objects
    /// that it lacks, the table of captions does.
    async fn newest(&self, of: &[Candidate]) -> Result<NewestIds, Problem> {
        let mut newest = match &self.embeddings {
            Some(table) => table.newest(of).await.map_err(problem::tables)?,
            None => NewestIds::new(),
        };
        if let Some(captions) = &self.captions {
            let is_unknown = |found: &&Candidate| {
                !newest.contains_key(&(found.bucket.clone(), found.key.clone()))
            };
            let unknown: HashSet<_> =
                of.iter().filter(is_unknown).map(|found| found.key.clone()).collect();
            if !unknown.is_empty() {
                let known = captions.ledger().newest(&unknown).await.map_err(problem::tables)?;
                for (object, id) in known {
                    newest.entry(object).or_insert(id);
                }
            }
        }
        Ok(newest)
    }

    /// Facts about these object versions, by id.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(crate) async fn facts(&self, ids: &[String]) -> Result<HashMap<String, Facts>, Problem> {
        let mut facts = match &self.embeddings {
            Some(table) => table.ledger().facts(ids).await.map_err(problem::tables)?,
            None => HashMap::new(),
        };
        let missing: Vec<_> = ids.iter().filter(|id| !facts.contains_key(*id)).cloned().collect();
        if let (Some(captions), false) = (&self.captions, missing.is_empty()) {
            facts.extend(captions.ledger().facts(&missing).await.map_err(problem::tables)?);
        }
        Ok(facts)
    }

    /// Captions and keywords of these object versions, by id.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(crate) async fn caption_texts(
        &self,
        ids: &[String],
    ) -> Result<HashMap<String, CaptionText>, Problem> {
        match &self.captions {
            Some(captions) => captions.said(ids).await.map_err(problem::tables),
            None => Ok(HashMap::new()),
        }
    }

    /// The vector of a picture; `None` without one.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(crate) async fn vector(&self, image_id: u128) -> Result<Option<Vec<f32>>, Problem> {
        match &self.embeddings {
            Some(table) => table.vector(&id_text(image_id)).await.map_err(problem::tables),
            None => Ok(None),
        }
    }
}
