//! Rows of the tables become part of the snapshot under construction.

use ::snapshot::pictures::{PictureEntry, text_hash};
use jiff::Timestamp;
use table::captions::CaptionText;
use table::keyword;
use table::rows::Row;
use table::schema::Facts;
use table::words::terms_of_document;

use super::build::{FollowError, SnapshotBuild, TableRole};
use super::caption_rows::NewCaption;
use super::record::{write_caption, write_facts};

impl SnapshotBuild {
    /// Takes rows of a table in. Returns the number of each: its picture's slot, or the caption.
    ///
    /// # Errors
    /// A local file cannot be written, or a row lacks what is needed of it.
    pub(super) fn take_in(
        &mut self,
        role: TableRole,
        rows: Vec<Row>,
    ) -> Result<Vec<u32>, FollowError> {
        let slots = self.slots_of(&rows)?;
        self.touched.extend(&slots);
        let numbers = match role {
            TableRole::Captions => return self.take_captions(&slots, rows),
            TableRole::Images => slots,
            TableRole::Embeddings => {
                let mut vectors = Vec::new();
                for (slot, row) in slots.iter().zip(rows) {
                    if !self.embedded.has(*slot) {
                        let vector =
                            row.vector.ok_or(FollowError::Misfit("a row has no vector"))?;
                        vectors.push((*slot, vector));
                    }
                }
                self.image_vectors =
                    self.image_vectors.take().map(|known| known.with(&vectors)).transpose()?;
                slots
            }
        };
        let counts = self.counts(role);
        numbers.iter().for_each(|slot| counts.add(*slot));
        Ok(numbers)
    }

    /// The slots of the pictures of these rows. Pictures that were unknown become known.
    fn slots_of(&mut self, rows: &[Row]) -> Result<Vec<u32>, FollowError> {
        let mut slots = Vec::with_capacity(rows.len());
        let mut new: Vec<(&Row, &Facts)> = Vec::new();
        let mut next = self.pictures.len() as u32;
        let mut coming = std::collections::HashMap::new();
        for row in rows {
            let known = self.ids.slot(row.image_id, &self.pictures);
            let slot = match known.or_else(|| coming.get(&row.image_id).copied()) {
                Some(slot) => slot,
                None => {
                    let facts =
                        row.facts.as_ref().ok_or(FollowError::Misfit("a row has no facts"))?;
                    new.push((row, facts));
                    coming.insert(row.image_id, next);
                    next += 1;
                    next - 1
                }
            };
            slots.push(slot);
        }
        self.add_pictures(&new)?;
        Ok(slots)
    }

    fn add_pictures(&mut self, new: &[(&Row, &Facts)]) -> Result<(), FollowError> {
        if new.is_empty() {
            return Ok(());
        }
        let first = self.pictures.len() as u32;
        let records: Vec<_> = new.iter().map(|(_, facts)| write_facts(facts)).collect();
        let places = self.records.append(records.iter().map(Vec::as_slice))?;
        let pictures: Vec<_> = new
            .iter()
            .zip(places)
            .map(|((row, facts), record)| picture(row, facts, record))
            .collect();
        self.pictures = self.pictures.with(&pictures);
        let mut documents = Vec::with_capacity(new.len());
        for (slot, picture) in (first..).zip(&pictures) {
            self.ids.insert(picture.id, slot);
            self.objects.insert(picture.object, slot);
            documents.push((slot, terms_of_document(&picture.key)));
        }
        self.keys = self.keys.with(&documents);
        Ok(())
    }

    fn take_captions(&mut self, slots: &[u32], rows: Vec<Row>) -> Result<Vec<u32>, FollowError> {
        let mut numbers = Vec::with_capacity(rows.len());
        let (mut said, mut keywords) = (Vec::new(), Vec::new());
        for (slot, row) in slots.iter().zip(rows) {
            let known = self
                .captions
                .rows_of(*slot)
                .find(|known| self.captions.written(*known) == row.written);
            let number = match known {
                Some(number) => number,
                None => {
                    let lacks = FollowError::Misfit("a row has no caption");
                    let caption = row.caption.as_ref().ok_or(lacks)?;
                    let (number, terms) = self.add_caption(*slot, row.written, caption)?;
                    said.push((number, terms));
                    keywords.push((number, keyword_terms(caption)));
                    number
                }
            };
            if let Some(vector) = row.vector {
                self.caption_vectors_read.push((number, vector));
            }
            self.captioned.add(number);
            numbers.push(number);
        }
        self.said = self.said.with(&said);
        self.keywords = self.keywords.with(&keywords);
        Ok(numbers)
    }

    fn add_caption(
        &mut self,
        slot: u32,
        written: i64,
        caption: &CaptionText,
    ) -> Result<(u32, Vec<(String, u32)>), FollowError> {
        let record = write_caption(caption);
        let place = self.records.append([record.as_slice()])?;
        let record = place.first().copied().unwrap_or(0);
        let has_keywords = !caption.keywords.is_empty();
        let row = self.captions.push(NewCaption { slot, written, record, has_keywords });
        // The key of the picture has its own terms.
        Ok((row, terms_of_document(&caption.words(""))))
    }
}

/// The keywords of a caption as terms.
fn keyword_terms(caption: &CaptionText) -> Vec<(String, u32)> {
    let mut terms: Vec<_> =
        caption.keywords.iter().map(|word| (keyword::normalised(word), 1)).collect();
    terms.sort_unstable();
    terms.dedup();
    terms
}

fn picture(row: &Row, facts: &Facts, record: u64) -> PictureEntry {
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
    PictureEntry {
        id: row.image_id,
        object: text_hash(&[&facts.bucket, &facts.key]),
        content: text_hash(&[&facts.content_hash]),
        key: facts.key.clone(),
        format: facts.format.clone(),
        modified: micros(facts.last_modified),
        written: row.written,
        taken: micros(facts.taken_at),
        width: facts.width,
        height: facts.height,
        size: facts.size_bytes,
        place: facts.latitude.zip(facts.longitude),
        record,
    }
}
