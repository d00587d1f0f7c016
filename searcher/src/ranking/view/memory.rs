//! A search in a snapshot.

pub(super) mod search;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ::snapshot::pictures::text_hash;
use ::snapshot::records::RecordError;
use ::snapshot::vectors::{VectorError, Vectors};
use table::duplicates::{Duplicates, MOST_NAMED};
use table::filter::Filter;
use tokio::sync::Semaphore;

use super::ShownHit;
use crate::problem::Problem;
use crate::query::weights::Signal;
use crate::snapshot::{SearchSnapshot, SnapshotSlot};

/// A snapshot, and where its damage is reported.
pub(crate) struct MemoryView {
    pub(crate) snapshot: Arc<SearchSnapshot>,
    pub(crate) slot: Arc<SnapshotSlot>,
    /// One permit per processor.
    pub(crate) permits: Arc<Semaphore>,
}

impl MemoryView {
    /// Runs CPU-bound work on a blocking thread, once a permit is free.
    ///
    /// # Errors
    /// A local file is damaged: the tables answer from now on, until it is made anew.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, VectorError> + Send + 'static,
    ) -> Result<T, Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            Problem::unavailable("the search could not be worked on", error)
        };
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|closed| failed(&closed))?;
        let working = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        let result = working.await.map_err(|panic| failed(&panic))?;
        result.map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> Problem {
        tracing::warn!(%error, "the local snapshot is made anew");
        self.slot.report_damage();
        Problem::unavailable("the local snapshot cannot be read; try again", error)
    }

    /// The vector of a picture; `None` without one.
    ///
    /// # Errors
    /// A local file is damaged.
    pub(super) fn vector(&self, image_id: u128) -> Result<Option<Vec<f32>>, Problem> {
        let Some(slot) = self.snapshot.slot(image_id) else { return Ok(None) };
        self.snapshot.vector(slot).map_err(|error| self.damaged(&error))
    }

    /// The vectors that a signal compares.
    pub(super) fn vectors(&self, signal: Signal) -> Option<&Vectors> {
        match signal {
            Signal::Image => self.snapshot.image_vectors.as_ref(),
            Signal::CaptionVector => self.snapshot.caption_vectors.as_ref(),
            Signal::Text => None,
        }
    }

    /// As the tables choose it: ids are hashes, so those with the least ids are a random sample.
    ///
    /// # Errors
    /// A local file is damaged.
    pub(super) fn sample(&self, signal: Signal, wanted: usize) -> Result<Vec<Vec<f32>>, Problem> {
        let Some(vectors) = self.vectors(signal) else { return Ok(Vec::new()) };
        let rows = vectors.len().max(1);
        let share = (u128::MAX / rows as u128).saturating_mul(wanted as u128);
        let pictures = &self.snapshot.pictures;
        let mut sample = Vec::new();
        for slot in 0..pictures.len() as u32 {
            let is_chosen =
                rows <= wanted || pictures.id(slot).is_some_and(|image_id| image_id < share);
            if is_chosen && let Some(vector) = vectors.vector(slot).map_err(|e| self.damaged(&e))? {
                sample.push(vector);
            }
        }
        Ok(sample)
    }

    /// What is shown of these pictures.
    ///
    /// # Errors
    /// A local file is damaged.
    pub(super) fn shown(&self, ids: &[u128]) -> Result<Vec<(u128, ShownHit)>, Problem> {
        let read = |image_id: &u128| -> Result<Option<(u128, ShownHit)>, RecordError> {
            let Some(slot) = self.snapshot.slot(*image_id) else { return Ok(None) };
            let facts = self.snapshot.facts(slot)?;
            Ok(Some((*image_id, ShownHit { facts, caption: self.snapshot.caption(slot)? })))
        };
        let shown: Result<Vec<_>, _> = ids.iter().map(read).collect();
        Ok(shown.map_err(|error| self.damaged(&error))?.into_iter().flatten().collect())
    }

    /// The objects with the same bytes as each of these hits, which meet the filter.
    ///
    /// # Errors
    /// A local file is damaged.
    pub(super) fn duplicates(
        &self,
        of: &[(u128, String)],
        filter: &Filter,
    ) -> Result<HashMap<u128, Duplicates>, Problem> {
        let snapshot = &self.snapshot;
        let contents: HashSet<u64> = of.iter().map(|(_, hash)| text_hash(&[hash])).collect();
        let met = snapshot.meeting(filter);
        let mut copies: HashMap<u64, Vec<u32>> = HashMap::new();
        for slot in snapshot.pictures.with_content(&contents) {
            if met.has(slot) {
                let content = snapshot.pictures.content(slot).unwrap_or(0);
                copies.entry(content).or_default().push(slot);
            }
        }
        let mut duplicates = HashMap::new();
        for (image_id, hash) in of {
            let mut slots = copies.get(&text_hash(&[hash])).cloned().unwrap_or_default();
            slots.retain(|slot| snapshot.pictures.id(*slot) != Some(*image_id));
            let total = slots.len();
            slots.sort_by_key(|slot| snapshot.pictures.key(*slot));
            slots.truncate(MOST_NAMED);
            let facts: Result<Vec<_>, _> = slots.iter().map(|slot| snapshot.facts(*slot)).collect();
            let named = Duplicates::of("", facts.map_err(|error| self.damaged(&error))?).named;
            duplicates.insert(*image_id, Duplicates { named, total });
        }
        Ok(duplicates)
    }
}
