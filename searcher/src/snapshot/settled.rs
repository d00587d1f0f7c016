//! After rows came and went: which version of each object is shown, and which caption of each
//! picture counts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::build::{FollowError, SnapshotBuild};

/// Pictures whose rows are settled at once: with vectors some dozen megabytes.
const MAX_UNSETTLED: usize = 8192;

impl SnapshotBuild {
    /// Whether so many rows came that they must be settled before further ones are read, because
    /// they hold their vectors in memory.
    pub(super) fn should_settle(&self) -> bool {
        self.touched.len() >= MAX_UNSETTLED
    }

    /// Settles what rows that came or went have changed.
    ///
    /// # Errors
    /// A local file cannot be written.
    pub(super) fn settle(&mut self) -> Result<(), FollowError> {
        let touched = std::mem::take(&mut self.touched);
        self.settle_captions(&touched)?;
        let gone: Vec<u32> =
            touched.iter().copied().filter(|slot| !self.embedded.has(*slot)).collect();
        self.image_vectors = self.image_vectors.take().map(|vectors| vectors.without(&gone));
        self.settle_objects(&touched);
        Ok(())
    }

    fn settle_captions(&mut self, touched: &HashSet<u32>) -> Result<(), FollowError> {
        let read: HashMap<u32, Vec<f32>> = self.caption_vectors_read.drain(..).collect();
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for slot in touched {
            let alive = self.captions.rows_of(*slot).filter(|row| self.captioned.has(*row));
            let current = alive.max_by_key(|row| (self.captions.written(*row), *row));
            if current == self.captions.current(*slot) {
                continue;
            }
            self.captions.set_current(*slot, current);
            match current.map(|row| (row, read.get(&row))) {
                Some((_, Some(vector))) => with.push((*slot, vector.as_slice())),
                Some((row, None)) => {
                    self.lacking.insert(row);
                }
                None => without.push(*slot),
            }
        }
        if let Some(vectors) = self.caption_vectors.take() {
            self.caption_vectors = Some(vectors.without(&without).with(&with)?);
        }
        Ok(())
    }

    /// Adds vectors of captions that count now, by caption.
    ///
    /// # Errors
    /// A local file cannot be written.
    pub(super) fn add_caption_vectors(
        &mut self,
        vectors: &[(u32, Vec<f32>)],
    ) -> Result<(), FollowError> {
        let slots: Vec<_> = vectors
            .iter()
            .filter_map(|(row, vector)| Some((self.captions.picture(*row)?, vector.as_slice())))
            .collect();
        let known = self.caption_vectors.take();
        self.caption_vectors = known.map(|known| known.with(&slots)).transpose()?;
        Ok(())
    }

    /// Of each object the newest version counts: first by the latest write of the object, then by
    /// the latest row. For searches, the versions with a vector decide; for objects that have none,
    /// those with a caption do, and then those of which only the facts are known.
    fn settle_objects(&mut self, touched: &HashSet<u32>) {
        let objects: HashSet<u64> =
            touched.iter().filter_map(|slot| self.pictures.object(*slot)).collect();
        let (mut shown, mut listed) = (Arc::clone(&self.shown), Arc::clone(&self.listed));
        for object in objects {
            let newest = |is_member: &dyn Fn(u32) -> bool| {
                let members = self.objects.slots(object).filter(|slot| is_member(*slot));
                members.max_by_key(|slot| {
                    (
                        self.pictures.modified(*slot),
                        self.pictures.written(*slot),
                        self.pictures.id(*slot),
                    )
                })
            };
            let found = newest(&|slot| self.embedded.has(slot))
                .or_else(|| newest(&|slot| self.captions.current(slot).is_some()));
            let in_library = newest(&|slot| self.imaged.has(slot));
            let found = found.or(in_library);
            for slot in self.objects.slots(object) {
                if shown.has(slot) != (found == Some(slot)) {
                    Arc::make_mut(&mut shown).set(slot, found == Some(slot));
                }
                if listed.has(slot) != (in_library == Some(slot)) {
                    Arc::make_mut(&mut listed).set(slot, in_library == Some(slot));
                }
            }
        }
        (self.shown, self.listed) = (shown, listed);
    }
}
