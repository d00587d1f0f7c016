//! What a search looks up in the tables.

use std::collections::{HashMap, HashSet};

use table::NewestIds;
use table::calibration;
use table::candidates::Candidate;
use table::captions::{CaptionText, Captions};
use table::duplicates::Duplicates;
use table::embeddings::Embeddings;
use table::filter::Filter;
use table::ledger::Ledger;
use table::schema::{Facts, Space};

use super::TableView;
use crate::problem::{self, Problem};
use crate::query::weights::Signal;
use crate::ranking::view::{ShownHit, id_text};

impl TableView {
    /// Rows of the largest table.
    pub(super) async fn rows(&self) -> Result<usize, Problem> {
        let mut rows = 0;
        for ledger in self.ledgers() {
            rows = ledger.count_rows().await.map_err(problem::tables)?.max(rows);
        }
        Ok(rows)
    }

    /// The newest version of each candidate's object. The table of vectors decides; for objects
    /// that it lacks, the table of captions does, and then that of pictures.
    pub(super) async fn newest(&self, of: &[Candidate]) -> Result<NewestIds, Problem> {
        let mut newest = match &self.embeddings {
            Some(table) => table.newest(of).await.map_err(problem::tables)?,
            None => NewestIds::new(),
        };
        for ledger in self.ledgers().skip(usize::from(self.embeddings.is_some())) {
            let is_unknown = |found: &&Candidate| {
                !newest.contains_key(&(found.bucket.clone(), found.key.clone()))
            };
            let unknown: HashSet<_> =
                of.iter().filter(is_unknown).map(|found| found.key.clone()).collect();
            if !unknown.is_empty() {
                let known = ledger.newest(&unknown).await.map_err(problem::tables)?;
                for (object, id) in known {
                    newest.entry(object).or_insert(id);
                }
            }
        }
        Ok(newest)
    }

    /// Facts about these object versions, by id.
    pub(super) async fn facts(&self, ids: &[String]) -> Result<HashMap<String, Facts>, Problem> {
        let mut facts = HashMap::new();
        for ledger in self.ledgers() {
            let missing: Vec<_> =
                ids.iter().filter(|id| !facts.contains_key(*id)).cloned().collect();
            if !missing.is_empty() {
                facts.extend(ledger.facts(&missing).await.map_err(problem::tables)?);
            }
        }
        Ok(facts)
    }

    /// Captions and keywords of these object versions, by id.
    pub(super) async fn caption_texts(
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
    pub(in crate::ranking::view) async fn vector(
        &self,
        image_id: u128,
    ) -> Result<Option<Vec<f32>>, Problem> {
        match &self.embeddings {
            Some(table) => table.vector(&id_text(image_id)).await.map_err(problem::tables),
            None => Ok(None),
        }
    }

    /// A fixed random sample of the vectors that a signal compares.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(in crate::ranking::view) async fn sample(
        &self,
        signal: Signal,
        wanted: usize,
    ) -> Result<Vec<Vec<f32>>, Problem> {
        let Some(ledger) = self.compared(signal) else { return Ok(Vec::new()) };
        // Maintenance keeps one at hand. Without it, as many single rows are read.
        let kept = calibration::read(&self.database, ledger.name()).await.ok().flatten();
        let space = self.space_of(signal);
        let kept = kept.filter(|kept| space.is_some_and(|space| kept.is_of(space)));
        match kept {
            Some(kept) => Ok(kept.vectors),
            None => ledger.sample(wanted).await.map_err(problem::tables),
        }
    }

    /// Number of rows that a signal compares.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(in crate::ranking::view) async fn vectors(&self, signal: Signal) -> Result<usize, Problem> {
        match self.compared(signal) {
            Some(ledger) => ledger.count_rows().await.map_err(problem::tables),
            None => Ok(0),
        }
    }

    fn space_of(&self, signal: Signal) -> Option<&Space> {
        match signal {
            Signal::Image => self.embeddings.as_ref().map(Embeddings::space),
            Signal::CaptionVector => self.captions.as_ref().map(Captions::space),
            Signal::Text => None,
        }
    }

    fn compared(&self, signal: Signal) -> Option<&Ledger> {
        match signal {
            Signal::Image => self.embeddings.as_ref().map(Embeddings::ledger),
            Signal::CaptionVector => self.captions.as_ref().map(Captions::ledger),
            Signal::Text => None,
        }
    }

    /// What is shown of these pictures.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub(in crate::ranking::view) async fn shown(
        &self,
        ids: &[u128],
    ) -> Result<Vec<(u128, ShownHit)>, Problem> {
        let texts: Vec<_> = ids.iter().map(|image_id| id_text(*image_id)).collect();
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let (mut facts, mut captions) =
            tokio::try_join!(self.facts(&texts), self.caption_texts(&texts))?;
        let shown = ids.iter().zip(texts).filter_map(|(image_id, text)| {
            let facts = facts.remove(&text)?;
            Some((*image_id, ShownHit { facts, caption: captions.remove(&text) }))
        });
        Ok(shown.collect())
    }

    /// The objects with the same bytes as each of these hits, which meet the filter.
    ///
    /// # Errors
    /// The table cannot be read.
    pub(in crate::ranking::view) async fn duplicates(
        &self,
        of: &[(u128, String)],
        filter: &Filter,
    ) -> Result<HashMap<u128, Duplicates>, Problem> {
        let Some(embeddings) = &self.embeddings else { return Ok(HashMap::new()) };
        let hashes = of.iter().map(|(_, hash)| hash.clone()).collect();
        let copies = embeddings.duplicates(hashes, filter).await.map_err(problem::tables)?;
        let of_one = |(image_id, hash): &(u128, String)| {
            let copies = copies.get(hash).cloned().unwrap_or_default();
            (*image_id, Duplicates::of(&id_text(*image_id), copies))
        };
        Ok(of.iter().map(of_one).collect())
    }
}
