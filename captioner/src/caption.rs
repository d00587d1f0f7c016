//! The stage: from the bytes of a picture to its row in the table of captions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use inference::{Budget, Detail, Embedding, PictureLimits, Pixels, TextEncoder};
use pipeline::caption_prompt::CaptionPrompt;
use pipeline::job::Redo;
use pipeline::stage::{Finished, Stage};
use pipeline::{Failure, ImageId, ObjectRef};
use table::captions::{CaptionRow, CaptionText, Captions};
use table::schema::Facts;
use worker::{facts, failure};

use crate::describe::{Describer, ProviderInput};
use crate::description::Description;
use crate::keywords::Keywords;

/// A decoded picture, reduced to what its row, its provider and its keywords need.
pub(crate) struct PreparedCaption {
    facts: Facts,
    input: ProviderInput,
    // Set if keywords are asked for.
    pixels: Option<Pixels>,
}

/// Captions and keywords with the vector of the main caption.
#[derive(Debug, Clone)]
pub(crate) struct CaptionWithVector {
    said: CaptionText,
    vector: Vec<f32>,
}

/// The stage of one captioner.
pub(crate) struct CaptionStage {
    pub(crate) captions: Captions,
    pub(crate) describer: Arc<Describer>,
    pub(crate) prompt: CaptionPrompt,
    pub(crate) text: TextEncoder,
    pub(crate) keywords: Option<Arc<Keywords>>,
    pub(crate) limits: PictureLimits,
    pub(crate) in_flight: Budget,
}

impl CaptionStage {
    fn said(
        &self,
        description: Description,
        picture: Option<&Embedding>,
    ) -> Result<CaptionText, Failure> {
        let keywords = self
            .keywords
            .as_ref()
            .map(|keywords| keywords.of(&description, picture))
            .unwrap_or_default();
        let mut captions = description.captions;
        if captions.is_empty() {
            return Err(Failure::retry("empty_caption", "the provider wrote no caption"));
        }
        let (language, caption) = captions.remove(0);
        let CaptionPrompt { provider, prompt_hash } = self.prompt.clone();
        Ok(CaptionText { caption, language, others: captions, keywords, provider, prompt_hash })
    }

    /// Encodes the main captions. Blocks until the text tower is done.
    fn with_vectors(
        text: &TextEncoder,
        said: Vec<CaptionText>,
    ) -> Result<Vec<CaptionWithVector>, Failure> {
        let sentences: Vec<_> = said.iter().map(|said| said.caption.clone()).collect();
        let vectors = text.encode(&sentences).map_err(failure::of_model)?;
        Ok(said
            .into_iter()
            .zip(vectors)
            .map(|(said, vector)| CaptionWithVector { said, vector: vector.into_vec() })
            .collect())
    }
}

impl Stage for CaptionStage {
    type Input = PreparedCaption;
    type Output = CaptionWithVector;

    async fn existing(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>, Failure> {
        worker::existing_ids(self.captions.ledger(), ids).await
    }

    async fn redone(&self, asked: &[(ImageId, Redo)]) -> Result<HashSet<ImageId>, Failure> {
        let ids: Vec<_> = asked.iter().map(|(id, _)| id.to_string()).collect();
        let written = self.captions.written(&ids).await.map_err(failure::of_table)?;
        let is_done = |(id, redo): &&(ImageId, Redo)| {
            written.get(&id.to_string()).is_some_and(|written| match redo {
                Redo::Outdated => {
                    written.provider == self.prompt.provider
                        && written.prompt_hash == self.prompt.prompt_hash
                }
                Redo::Since(moment) => written.at >= *moment,
            })
        };
        Ok(asked.iter().filter(is_done).map(|(id, _)| *id).collect())
    }

    fn decode(&self, object: &ObjectRef, bytes: Bytes) -> Result<PreparedCaption, Failure> {
        let keywords = self.keywords.as_ref();
        let detail = Detail::ShortSide(
            self.describer.side().max(keywords.map_or(0, |keywords| keywords.side())),
        );
        let picture = inference::decode_within(&self.in_flight, &bytes, &self.limits, detail)
            .map_err(failure::of_picture)?;
        let input = self.describer.prepare(&picture).map_err(failure::of_picture)?;
        let pixels = keywords.map(|keywords| keywords.prepare(&picture));
        Ok(PreparedCaption { facts: facts(object, &bytes, &picture), input, pixels })
    }

    fn content<'a>(&self, input: &'a PreparedCaption) -> Option<&'a str> {
        Some(&input.facts.content_hash)
    }

    async fn known(
        &self,
        batch: &[&PreparedCaption],
    ) -> Result<Vec<Option<CaptionWithVector>>, Failure> {
        let hashes: Vec<_> =
            batch.iter().map(|prepared| prepared.facts.content_hash.clone()).collect();
        let CaptionPrompt { provider, prompt_hash } = &self.prompt;
        let said = self
            .captions
            .said_of_content(&hashes, provider, prompt_hash)
            .await
            .map_err(failure::of_table)?;
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

    fn infer(&self, batch: &[&PreparedCaption]) -> Result<Vec<CaptionWithVector>, Failure> {
        let inputs: Vec<_> = batch
            .iter()
            .map(|prepared| (prepared.facts.image_id.as_str(), &prepared.input))
            .collect();
        let descriptions = self.describer.describe(&inputs)?;
        let pictures = batch.iter().filter_map(|prepared| {
            Some((prepared.facts.content_hash.as_str(), prepared.pixels.as_ref()?))
        });
        let vectors = match &self.keywords {
            Some(keywords) => keywords.vectors(&pictures.collect::<Vec<_>>())?,
            None => HashMap::new(),
        };
        let vectors = batch.iter().map(|prepared| vectors.get(&prepared.facts.content_hash));
        let said = descriptions
            .into_iter()
            .zip(vectors)
            .map(|(description, vector)| self.said(description, vector));
        let said = said.collect::<Result<Vec<_>, _>>()?;
        Self::with_vectors(&self.text, said)
    }

    async fn write(
        &self,
        rows: &[Finished<PreparedCaption, CaptionWithVector>],
    ) -> Result<(), Failure> {
        let batch_id = uuid::Uuid::new_v4().simple().to_string();
        let row = |row: &Finished<PreparedCaption, CaptionWithVector>| CaptionRow {
            facts: row.input.facts.clone(),
            said: row.output.said.clone(),
            vector: row.output.vector.clone(),
        };
        self.captions
            .append(&rows.iter().map(row).collect::<Vec<_>>(), &batch_id)
            .await
            .map_err(failure::of_table)
    }
}
