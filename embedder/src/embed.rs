//! The stage itself: what a picture's bytes become, and in which rows.

use std::collections::HashSet;

use bytes::Bytes;
use inference::{Budget, Detail, Embedding, ImageEncoder, PictureLimits, Pixels};
use pipeline::stage::{Finished, Stage};
use pipeline::{Failure, ImageId, ObjectRef};
use table::TableError;
use table::embeddings::Embeddings;
use table::images::Images;
use table::schema::{EmbeddingRow, Facts, ImageRow};

use crate::PictureSettings;

/// A decoded picture, reduced to what its rows and the model need.
pub(crate) struct Prepared {
    facts: Facts,
    thumbnail: Vec<u8>,
    pixels: Pixels,
}

/// The `embed` stage.
pub(crate) struct Embed {
    encoder: ImageEncoder,
    images: Images,
    embeddings: Embeddings,
    limits: PictureLimits,
    in_flight: Budget,
    thumbnail_side: u32,
}

impl Embed {
    /// Joins the model and its tables.
    pub(crate) fn new(
        images: Images,
        embeddings: Embeddings,
        encoder: ImageEncoder,
        picture: &PictureSettings,
        max_bytes: u64,
    ) -> Self {
        let &PictureSettings { max_pixels, max_side, max_decoded_bytes, max_decoded_in_flight, thumbnail_side } = picture;
        let limits = PictureLimits { max_bytes, max_pixels, max_side, max_decoded_bytes };
        let in_flight = Budget::new(max_decoded_in_flight);
        Self { encoder, images, embeddings, limits, in_flight, thumbnail_side }
    }
}

// Rows that cannot be stored would not be stored by trying again; anything else means that the store is in trouble.
fn table_failure(error: TableError) -> Failure {
    if error.is_about_rows() { Failure::dead_letter("invalid_rows", error) } else { Failure::halt("store_unavailable", error) }
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

    fn decode(&self, object: &ObjectRef, bytes: Bytes) -> Result<Prepared, Failure> {
        let bad = |error: inference::PictureError| Failure::dead_letter(error.class(), error);
        // Decoded once, at what the largest consumer needs.
        let detail = Detail::ShortSide(self.encoder.side().max(self.thumbnail_side));
        let picture = inference::decode_within(&self.in_flight, &bytes, &self.limits, detail).map_err(bad)?;
        let facts = Facts {
            image_id: object.image_id().to_string(),
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            etag: object.etag.clone(),
            size_bytes: bytes.len() as u64,
            last_modified: object.last_modified,
            format: picture.format.as_str().to_owned(),
            width: picture.width,
            height: picture.height,
            orientation: picture.orientation,
            taken_at: picture.metadata.taken_at,
            taken_offset_minutes: picture.metadata.taken_offset_minutes,
            camera: picture.metadata.camera.clone(),
            latitude: picture.metadata.gps.map(|(latitude, _)| latitude),
            longitude: picture.metadata.gps.map(|(_, longitude)| longitude),
            content_hash: blake3::hash(&bytes).to_hex().to_string(),
            phash: picture.phash(),
        };
        let thumbnail = picture.thumbnail_jpeg(self.thumbnail_side).map_err(bad)?;
        Ok(Prepared { facts, thumbnail, pixels: self.encoder.prepare(&picture) })
    }

    fn content<'a>(&self, input: &'a Prepared) -> Option<&'a str> {
        Some(&input.facts.content_hash)
    }

    async fn known(&self, batch: &[&Prepared]) -> Result<Vec<Option<Embedding>>, Failure> {
        let hashes: Vec<_> = batch.iter().map(|prepared| prepared.facts.content_hash.clone()).collect();
        let vectors = self.embeddings.vectors_of_content(&hashes).await.map_err(table_failure)?;
        Ok(hashes.iter().map(|hash| Embedding::normalise(vectors.get(hash)?.clone())).collect())
    }

    fn infer(&self, batch: &[&Prepared]) -> Result<Vec<Embedding>, Failure> {
        let pixels: Vec<_> = batch.iter().map(|prepared| &prepared.pixels).collect();
        self.encoder.encode(&pixels).map_err(|error| {
            if error.is_fatal() { Failure::halt("model_unavailable", error) } else { Failure::retry("inference_failed", error) }
        })
    }

    async fn write(&self, rows: &[Finished<Prepared, Embedding>]) -> Result<(), Failure> {
        // One commit per table. A crash between the two leaves images without vectors; the job comes again and finds
        // them here, so that a second row is not written.
        let ids: Vec<_> = rows.iter().map(|row| row.input.facts.image_id.clone()).collect();
        let known = self.images.ledger().existing(&ids).await.map_err(table_failure)?;
        let batch_id = uuid::Uuid::new_v4().simple().to_string();
        let images: Vec<_> = rows
            .iter()
            .filter(|row| !known.contains(&row.input.facts.image_id))
            .map(|row| ImageRow { facts: row.input.facts.clone(), thumbnail: row.input.thumbnail.clone() })
            .collect();
        if !images.is_empty() {
            self.images.append(&images, &batch_id).await.map_err(table_failure)?;
        }
        let embeddings: Vec<_> = rows
            .iter()
            .map(|row| EmbeddingRow { facts: row.input.facts.clone(), vector: row.output.as_slice().to_vec() })
            .collect();
        self.embeddings.append(&embeddings, &batch_id).await.map_err(table_failure)
    }
}
