//! The stage itself: what a picture's bytes become, and in which rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use inference::{Budget, Detail, Embedding, PictureLimits, Pixels, TextEncoder};
use pipeline::job::Redo;
use pipeline::question::Question;
use pipeline::stage::{Finished, Stage};
use pipeline::{Failure, ImageId, ObjectRef};
use table::TableError;
use table::captions::{CaptionRow, Captions, Said};
use table::schema::Facts;

use crate::describe::{Described, Describer, Seen, model_failure};
use crate::facts::facts;
use crate::keywords::Keywords;

/// A decoded picture, reduced to what its row and the provider need.
pub(crate) struct Prepared {
    facts: Facts,
    seen: Seen,
    // For keywords.
    pixels: Option<Pixels>,
}

/// What was said, with the vector of its main sentence.
#[derive(Debug, Clone)]
pub(crate) struct Captioned {
    said: Said,
    vector: Vec<f32>,
}

/// The stage of one captioner.
pub(crate) struct Caption {
    pub(crate) captions: Captions,
    pub(crate) describer: Describer,
    pub(crate) question: Question,
    pub(crate) text: TextEncoder,
    pub(crate) keywords: Option<Arc<Keywords>>,
    pub(crate) limits: PictureLimits,
    pub(crate) in_flight: Budget,
}

// Rows that cannot be stored would not be stored by trying again; anything else means that the
// store is in trouble.
pub(crate) fn table_failure(error: TableError) -> Failure {
    if error.is_about_rows() {
        Failure::dead_letter("invalid_rows", error)
    } else {
        Failure::halt("store_unavailable", error)
    }
}

impl Caption {
    fn said(&self, described: Described, picture: Option<&Embedding>) -> Result<Said, Failure> {
        let keywords = self
            .keywords
            .as_ref()
            .map(|keywords| keywords.of(&described, picture))
            .unwrap_or_default();
        let mut captions = described.captions;
        if captions.is_empty() {
            return Err(Failure::retry("empty_caption", "the provider wrote no caption"));
        }
        let (language, caption) = captions.remove(0);
        let Question { provider, prompt_hash } = self.question.clone();
        Ok(Said { caption, language, others: captions, keywords, provider, prompt_hash })
    }

    /// Blocks until the text tower is through.
    fn with_vectors(text: &TextEncoder, said: Vec<Said>) -> Result<Vec<Captioned>, Failure> {
        let sentences: Vec<_> = said.iter().map(|said| said.caption.clone()).collect();
        let vectors = text.encode(&sentences).map_err(model_failure)?;
        Ok(said
            .into_iter()
            .zip(vectors)
            .map(|(said, vector)| Captioned { said, vector: vector.into_vec() })
            .collect())
    }
}

impl Stage for Caption {
    type Input = Prepared;
    type Output = Captioned;

    async fn existing(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>, Failure> {
        let ids: Vec<_> = ids.iter().map(ImageId::to_string).collect();
        let existing = self.captions.ledger().existing(&ids).await.map_err(table_failure)?;
        Ok(existing.iter().filter_map(|id| id.parse().ok()).collect())
    }

    async fn redone(&self, asked: &[(ImageId, Redo)]) -> Result<HashSet<ImageId>, Failure> {
        let ids: Vec<_> = asked.iter().map(|(id, _)| id.to_string()).collect();
        let written = self.captions.written(&ids).await.map_err(table_failure)?;
        let is_done = |(id, redo): &&(ImageId, Redo)| {
            written.get(&id.to_string()).is_some_and(|written| match redo {
                Redo::Outdated => {
                    written.provider == self.question.provider
                        && written.prompt_hash == self.question.prompt_hash
                }
                Redo::Since(moment) => written.at >= *moment,
            })
        };
        Ok(asked.iter().filter(is_done).map(|(id, _)| *id).collect())
    }

    fn decode(&self, object: &ObjectRef, bytes: Bytes) -> Result<Prepared, Failure> {
        let bad = |error: inference::PictureError| Failure::dead_letter(error.class(), error);
        let keywords = self.keywords.as_ref();
        let detail = Detail::ShortSide(
            self.describer.side().max(keywords.map_or(0, |keywords| keywords.side())),
        );
        let picture =
            inference::decode_within(&self.in_flight, &bytes, &self.limits, detail).map_err(bad)?;
        let seen = self.describer.prepare(&picture).map_err(bad)?;
        let pixels = keywords.map(|keywords| keywords.prepare(&picture));
        Ok(Prepared { facts: facts(object, &bytes, &picture), seen, pixels })
    }

    fn content<'a>(&self, input: &'a Prepared) -> Option<&'a str> {
        Some(&input.facts.content_hash)
    }

    async fn known(&self, batch: &[&Prepared]) -> Result<Vec<Option<Captioned>>, Failure> {
        let hashes: Vec<_> =
            batch.iter().map(|prepared| prepared.facts.content_hash.clone()).collect();
        let Question { provider, prompt_hash } = &self.question;
        let said = self
            .captions
            .said_of_content(&hashes, provider, prompt_hash)
            .await
            .map_err(table_failure)?;
        let (places, found): (Vec<_>, Vec<_>) = hashes
            .iter()
            .enumerate()
            .filter_map(|(place, hash)| Some((place, said.get(hash)?.clone())))
            .unzip();
        let mut known = vec![None; batch.len()];
        if !found.is_empty() {
            let text = self.text.clone();
            let encoding =
                tokio::task::spawn_blocking(move || Self::with_vectors(&text, found)).await;
            let captioned =
                encoding.unwrap_or_else(|panic| Err(Failure::retry("inference_panic", panic)))?;
            for (place, captioned) in places.into_iter().zip(captioned) {
                known[place] = Some(captioned);
            }
        }
        Ok(known)
    }

    fn infer(&self, batch: &[&Prepared]) -> Result<Vec<Captioned>, Failure> {
        let seen: Vec<_> = batch
            .iter()
            .map(|prepared| (prepared.facts.image_id.as_str(), &prepared.seen))
            .collect();
        let described = self.describer.describe(&seen)?;
        let pictures = batch.iter().filter_map(|prepared| {
            Some((prepared.facts.content_hash.as_str(), prepared.pixels.as_ref()?))
        });
        let vectors = match &self.keywords {
            Some(keywords) => keywords.vectors(&pictures.collect::<Vec<_>>())?,
            None => HashMap::new(),
        };
        let vectors = batch.iter().map(|prepared| vectors.get(&prepared.facts.content_hash));
        let said = described
            .into_iter()
            .zip(vectors)
            .map(|(described, vector)| self.said(described, vector));
        let said = said.collect::<Result<Vec<_>, _>>()?;
        Self::with_vectors(&self.text, said)
    }

    async fn write(&self, rows: &[Finished<Prepared, Captioned>]) -> Result<(), Failure> {
        let batch_id = uuid::Uuid::new_v4().simple().to_string();
        let row = |row: &Finished<Prepared, Captioned>| CaptionRow {
            facts: row.input.facts.clone(),
            said: row.output.said.clone(),
            vector: row.output.vector.clone(),
        };
        self.captions
            .append(&rows.iter().map(row).collect::<Vec<_>>(), &batch_id)
            .await
            .map_err(table_failure)
    }
}
