//! The stage itself: what a picture's bytes become, and in which rows.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use inference::{Budget, Detail, Embedding, ImageEncoder, PictureLimits, Pixels};
use pipeline::stage::{Finished, Ready, Stage};
use pipeline::{Failure, ImageId, ObjectRef};
use table::TableError;
use table::embeddings::Embeddings;
use table::images::Images;
use table::schema::{EmbeddingRow, ImageRow};
use tokio::sync::Mutex;

use crate::PictureSettings;
use crate::facts::facts;
use crate::shared::{Decoded, Shared};

/// A decoded picture, reduced to what its rows and the model need.
pub(crate) struct Prepared {
    decoded: Arc<Decoded>,
    pixels: Arc<Pixels>,
}

/// The stage of one model.
pub(crate) struct Embed {
    encoder: ImageEncoder,
    images: Images,
    embeddings: Embeddings,
    limits: PictureLimits,
    in_flight: Budget,
    thumbnail_side: u32,
    shared: Option<Arc<Shared>>,
    images_turn: Arc<Mutex<()>>,
}

impl Embed {
    /// Joins the model and its tables.
    pub(crate) fn new(
        images: Images,
        embeddings: Embeddings,
        encoder: ImageEncoder,
        picture: &PictureSettings,
        max_bytes: u64,
        in_flight: Budget,
    ) -> Self {
        let &PictureSettings { max_pixels, max_side, max_decoded_bytes, thumbnail_side, .. } =
            picture;
        let limits = PictureLimits { max_bytes, max_pixels, max_side, max_decoded_bytes };
        Self {
            encoder,
            images,
            embeddings,
            limits,
            in_flight,
            thumbnail_side,
            shared: None,
            images_turn: Arc::default(),
        }
    }

    /// With what the models of the process share: decoded pictures, and the turn at writing rows of
    /// `images`.
    pub(crate) fn sharing(self, shared: Option<Arc<Shared>>, images_turn: Arc<Mutex<()>>) -> Self {
        Self { shared, images_turn, ..self }
    }

    fn model(&self) -> &str {
        &self.embeddings.space().model
    }
}

// Rows that cannot be stored would not be stored by trying again; anything else means that the
// store is in trouble.
fn table_failure(error: TableError) -> Failure {
    if error.is_about_rows() {
        Failure::dead_letter("invalid_rows", error)
    } else {
        Failure::halt("store_unavailable", error)
    }
}

impl Stage for Embed {
    type Input = Prepared;
    type Output = Embedding;

    async fn existing(&self, ids: &[ImageId]) -> Result<HashSet<ImageId>, Failure> {
        // The vector is written last, so it stands for all rows of the object version.
        let ids: Vec<_> = ids.iter().map(ImageId::to_string).collect();
        let existing = self.embeddings.ledger().existing(&ids).await.map_err(table_failure)?;
        Ok(existing.iter().filter_map(|id| id.parse().ok()).collect())
    }

    async fn ready(&self, object: &ObjectRef) -> Ready<Prepared> {
        let Some(shared) = &self.shared else { return Ready::Fetch(None) };
        match shared.take(object.image_id(), self.model()).await {
            Ok((decoded, pixels)) => Ready::Decoded {
                size_bytes: decoded.facts.size_bytes,
                input: Prepared { decoded, pixels },
            },
            Err(claim) => Ready::Fetch(Some(claim)),
        }
    }

    fn decode(&self, object: &ObjectRef, bytes: Bytes) -> Result<Prepared, Failure> {
        let bad = |error: inference::PictureError| Failure::dead_letter(error.class(), error);
        // Decoded once, at what the largest consumer needs.
        let side = self.shared.as_ref().map_or(0, |shared| shared.side()).max(self.encoder.side());
        let detail = Detail::ShortSide(side.max(self.thumbnail_side));
        let picture =
            inference::decode_within(&self.in_flight, &bytes, &self.limits, detail).map_err(bad)?;
        let facts = facts(object, &bytes, &picture);
        let thumbnail = picture.thumbnail_jpeg(self.thumbnail_side).map_err(bad)?;
        let pixels = Arc::new(self.encoder.prepare(&picture));
        let decoded = match &self.shared {
            Some(shared) => {
                shared.keep(object.image_id(), self.model(), &picture, facts, thumbnail)
            }
            None => Arc::new(Decoded::alone(facts, thumbnail)),
        };
        Ok(Prepared { decoded, pixels })
    }

    fn content<'a>(&self, input: &'a Prepared) -> Option<&'a str> {
        Some(&input.decoded.facts.content_hash)
    }

    async fn known(&self, batch: &[&Prepared]) -> Result<Vec<Option<Embedding>>, Failure> {
        let hashes: Vec<_> =
            batch.iter().map(|prepared| prepared.decoded.facts.content_hash.clone()).collect();
        let vectors = self.embeddings.vectors_of_content(&hashes).await.map_err(table_failure)?;
        Ok(hashes.iter().map(|hash| Embedding::normalise(vectors.get(hash)?.clone())).collect())
    }

    fn infer(&self, batch: &[&Prepared]) -> Result<Vec<Embedding>, Failure> {
        let pixels: Vec<_> = batch.iter().map(|prepared| &*prepared.pixels).collect();
        let encoded = self.encoder.encode(&pixels);
        metrics::gauge!("bucketlens_model_batch", "model" => self.model().to_owned())
            .set(self.encoder.batch() as f64);
        encoded.map_err(|error| {
            if error.is_fatal() {
                Failure::halt("model_unavailable", error)
            } else {
                Failure::retry("inference_failed", error)
            }
        })
    }

    async fn write(&self, rows: &[Finished<Prepared, Embedding>]) -> Result<(), Failure> {
        // One commit per table. A crash between the two leaves images without vectors; the job
        // comes again and finds them here, so that a second row is not written.
        let ids: Vec<_> = rows.iter().map(|row| row.input.decoded.facts.image_id.clone()).collect();
        let turn = self.images_turn.lock().await;
        let known = self.images.ledger().existing(&ids).await.map_err(table_failure)?;
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
            self.images.append(&images, &batch_id).await.map_err(table_failure)?;
        }
        drop(turn);
        let embeddings: Vec<_> = rows
            .iter()
            .map(|row| EmbeddingRow {
                facts: row.input.decoded.facts.clone(),
                vector: row.output.as_slice().to_vec(),
            })
            .collect();
        self.embeddings.append(&embeddings, &batch_id).await.map_err(table_failure)
    }
}
