//! The stage of an embedder: from the bytes of a picture to rows of `images` and
//! `embeddings_<model>`.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use inference::{Budget, Detail, Embedding, ImageEncoder, PictureLimits, Pixels};
use pipeline::stage::{Finished, Ready, Stage};
use pipeline::{Failure, ImageId, ObjectRef};
use table::embeddings::Embeddings;
use table::images::Images;
use table::schema::{EmbeddingRow, ImageRow};
use tokio::sync::Mutex;
use worker::{facts, failure};

use crate::decoded_cache::{DecodedPicture, Membership};

/// A decoded picture, reduced to what the model and the rows need.
pub(crate) struct PreparedPicture {
    decoded: Arc<DecodedPicture>,
    pixels: Arc<Pixels>,
}

/// The stage of one model.
pub(crate) struct Embed {
    pub(crate) encoder: ImageEncoder,
    pub(crate) images: Images,
    pub(crate) embeddings: Embeddings,
    pub(crate) limits: PictureLimits,
    pub(crate) in_flight: Budget,
    pub(crate) thumbnail_side: u32,
    // `None` if this is the only model of the process.
    pub(crate) decoded: Option<Membership>,
    pub(crate) images_turn: Arc<Mutex<()>>,
}

impl Embed {
    fn model(&self) -> &str {
        &self.embeddings.space().model
    }
}

impl Stage for Embed {
    type Input = PreparedPicture;
    type Output = Embedding;

    async fn existing(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>, Failure> {
        // The vector is written last: if it is there, so are the other rows of the object version.
        worker::existing_ids(self.embeddings.ledger(), ids).await
    }

    async fn ready(&self, object: &ObjectRef) -> Ready<PreparedPicture> {
        let Some(cache) = &self.decoded else { return Ready::Fetch(None) };
        match cache.take(object.image_id()).await {
            Ok((decoded, pixels)) => Ready::Decoded {
                size_bytes: decoded.facts.size_bytes,
                input: PreparedPicture { decoded, pixels },
            },
            Err(claim) => Ready::Fetch(Some(claim)),
        }
    }

    fn decode(&self, object: &ObjectRef, bytes: Bytes) -> Result<PreparedPicture, Failure> {
        // Decoded once, as large as the largest consumer needs it.
        let side = self.decoded.as_ref().map_or(0, |cache| cache.side()).max(self.encoder.side());
        let detail = Detail::ShortSide(side.max(self.thumbnail_side));
        let picture = inference::decode_within(&self.in_flight, &bytes, &self.limits, detail)
            .map_err(failure::of_picture)?;
        let facts = facts(object, &bytes, &picture);
        let thumbnail = picture.thumbnail_jpeg(self.thumbnail_side).map_err(failure::of_picture)?;
        let pixels = Arc::new(self.encoder.prepare(&picture));
        let decoded = match &self.decoded {
            Some(cache) => cache.keep(object.image_id(), &picture, facts, thumbnail),
            None => Arc::new(DecodedPicture::alone(facts, thumbnail)),
        };
        Ok(PreparedPicture { decoded, pixels })
    }

    fn content<'a>(&self, input: &'a PreparedPicture) -> Option<&'a str> {
        Some(&input.decoded.facts.content_hash)
    }

    async fn known(&self, batch: &[&PreparedPicture]) -> Result<Vec<Option<Embedding>>, Failure> {
        let hashes: Vec<_> =
            batch.iter().map(|prepared| prepared.decoded.facts.content_hash.clone()).collect();
        let vectors =
            self.embeddings.vectors_of_content(&hashes).await.map_err(failure::of_table)?;
        Ok(hashes.iter().map(|hash| Embedding::normalise(vectors.get(hash)?.clone())).collect())
    }

    fn infer(&self, batch: &[&PreparedPicture]) -> Result<Vec<Embedding>, Failure> {
        let pixels: Vec<_> = batch.iter().map(|prepared| &*prepared.pixels).collect();
        let encoded = self.encoder.encode(&pixels);
        metrics::gauge!("bucketlens_model_batch", "model" => self.model().to_owned())
            .set(self.encoder.batch() as f64);
        encoded.map_err(failure::of_model)
    }

    async fn write(&self, rows: &[Finished<PreparedPicture, Embedding>]) -> Result<(), Failure> {
        // One commit per table. A crash between the two leaves images without vectors. The job then
        // comes again, finds the image here, and writes no second row.
        let ids: Vec<_> = rows.iter().map(|row| row.input.decoded.facts.image_id.clone()).collect();
        let turn = self.images_turn.lock().await;
        let known = self.images.ledger().existing(&ids).await.map_err(failure::of_table)?;
        let batch_id = uuid::Uuid::new_v4().simple().to_string();
        let images: Vec<_> = rows
            .iter()
            .filter(|row| !known.contains(&row.input.decoded.facts.image_id))
            .map(|row| ImageRow {
                facts: row.input.decoded.facts.clone(),
                thumbnail: row.input.decoded.thumbnail.clone(),
            })
            .collect();
        if !images.is_empty() {
            self.images.append(&images, &batch_id).await.map_err(failure::of_table)?;
        }
        drop(turn);
        let embeddings: Vec<_> = rows
            .iter()
            .map(|row| EmbeddingRow {
                facts: row.input.decoded.facts.clone(),
                vector: row.output.as_slice().to_vec(),
            })
            .collect();
        self.embeddings.append(&embeddings, &batch_id).await.map_err(failure::of_table)
    }
}
