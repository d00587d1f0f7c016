//! Encoding of queries: words and pictures to vectors. Words never wait for pictures: each tower of
//! a model has a thread of its own, and only decoding needs permits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use inference::{
    Budget, Detail, Embedding, ImageEncoder, ModelError, PictureLimits, Pixels, TextEncoder,
};
use tokio::task::spawn_blocking;

use crate::active_model::ActiveModel;
use crate::decoding::Decoding;
use crate::problem::Problem;
use crate::settings::SearchSettings;
use crate::vector_memory::{QueryVector, VectorKey, VectorMemory};

/// Scans that a JPEG of `search.max_pixels` may have, and a smaller one in proportion. Encoders of
/// progressive pictures write about ten.
const SCANS_AT_MAX_PIXELS: u64 = 16;

/// Limits of the CPU-bound work, and the vectors it gave lately.
pub(crate) struct Encoding {
    limits: PictureLimits,
    // Memory of all query pictures being decoded.
    memory: Budget,
    decoding: Decoding,
    remembered: VectorMemory,
}

/// Why a query has no vector.
#[derive(Debug, Clone)]
enum NoVector {
    /// The query cannot be encoded, for this reason.
    Refused(String),
    /// Something that encoding needs failed.
    Failed(Problem),
}

impl NoVector {
    /// As a problem with this field of the request.
    fn of_field(self, field: &str) -> Problem {
        match self {
            Self::Refused(reason) => Problem::field(field, reason),
            Self::Failed(problem) => problem,
        }
    }
}

impl From<ModelError> for NoVector {
    fn from(error: ModelError) -> Self {
        match error.is_fatal() {
            true => Self::Failed(Problem::unavailable("the model cannot be run", error)),
            false => Self::Refused(error.to_string()),
        }
    }
}

impl Encoding {
    pub(crate) fn new(settings: &SearchSettings) -> Self {
        let limits = PictureLimits {
            max_pixels: settings.max_pixels,
            max_bytes: settings.max_image_bytes as u64,
            max_scan_pixels: settings.max_pixels.saturating_mul(SCANS_AT_MAX_PIXELS),
            ..PictureLimits::default()
        };
        Self {
            limits,
            memory: Budget::new(settings.max_decoded_in_flight),
            decoding: Decoding::new(settings.decode_timeout),
            remembered: VectorMemory::new(settings.remembered_vectors),
        }
    }

    /// The vectors of texts, in their order. Those that are not remembered are one batch of the
    /// text encoder.
    ///
    /// # Errors
    /// The model has no text encoder, is missing, or fails.
    pub(crate) async fn texts(
        &self,
        model: &Arc<ActiveModel>,
        texts: Vec<String>,
    ) -> Result<Vec<QueryVector>, Problem> {
        let encoders = model.loaded()?;
        let encoder = encoders.text.as_ref().ok_or_else(|| {
            let id = &encoders.manifest.id;
            Problem::field("text", format!("the model '{id}' has no words, search by a picture"))
        })?;
        let digest = &encoders.space.manifest_hash;
        let keys: Vec<_> = texts.iter().map(|text| VectorKey::of_text(digest, text)).collect();
        let (mut known, mut missing) = (HashMap::new(), Vec::new());
        for (key, text) in keys.iter().zip(texts) {
            if known.contains_key(key) || missing.iter().any(|(other, _)| other == key) {
                continue;
            }
            match self.remembered.get(key).await {
                Some(vector) => drop(known.insert(*key, vector)),
                None => missing.push((*key, text)),
            }
        }
        let encoded = self.encode_texts(encoder.clone(), missing).await;
        known.extend(encoded.map_err(|error| error.of_field("text"))?);
        let vectors = keys.iter().map(|key| known.get(key).cloned()).collect::<Option<_>>();
        vectors.ok_or_else(|| Problem::unavailable("the model gave no vector", "of a text"))
    }

    async fn encode_texts(
        &self,
        encoder: TextEncoder,
        texts: Vec<(VectorKey, String)>,
    ) -> Result<Vec<(VectorKey, QueryVector)>, NoVector> {
        let (keys, texts): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
        let encode = async {
            let begun = Instant::now();
            let encoded = spawn_blocking(move || encoder.encode(&texts)).await;
            let took = begun.elapsed().as_secs_f64();
            metrics::histogram!("bucketlens_text_encoding_seconds").record(took);
            let vectors = encoded.map_err(failed)??.into_iter().map(shared);
            Ok::<_, NoVector>(vectors.collect::<Vec<_>>())
        };
        match *keys {
            [] => Ok(Vec::new()),
            [key] => {
                let only = async { encode.await?.pop().ok_or_else(nothing) };
                Ok(vec![(key, self.remembered.one(key, only).await?)])
            }
            _ => {
                let vectors = self.remembered.batch(keys.clone(), encode).await?;
                Ok(keys.into_iter().zip(vectors.iter().cloned()).collect())
            }
        }
    }

    /// The vector of a picture, given as the bytes of its file. `field` is named in the error if
    /// they are no picture.
    ///
    /// # Errors
    /// The bytes are no picture or exceed a limit, decoding takes too long, or the model is missing
    /// or fails.
    pub(crate) async fn picture(
        &self,
        model: &Arc<ActiveModel>,
        bytes: Bytes,
        field: &'static str,
    ) -> Result<QueryVector, Problem> {
        let encoders = model.loaded()?;
        let (encoder, digest) = (encoders.image.clone(), encoders.space.manifest_hash.clone());
        let hashed = spawn_blocking(move || (VectorKey::of_picture(&digest, &bytes), bytes)).await;
        let (key, bytes) = hashed.map_err(|error| failed(error).of_field(field))?;
        let encode = async {
            let pixels = self.decode(encoder.clone(), bytes).await?;
            let encoded = spawn_blocking(move || encoder.encode(&[pixels])).await;
            let vector = encoded.map_err(failed)??.pop().map(shared);
            vector.ok_or_else(nothing)
        };
        self.remembered.one(key, encode).await.map_err(|error| error.of_field(field))
    }

    async fn decode(&self, encoder: ImageEncoder, bytes: Bytes) -> Result<Pixels, NoVector> {
        let (limits, memory) = (self.limits.clone(), self.memory.clone());
        let decoded = self.decoding.run(move || {
            let detail = Detail::ShortSide(encoder.side());
            let picture = inference::decode_within(&memory, &bytes, &limits, detail)?;
            Ok::<_, inference::PictureError>(encoder.prepare(&picture))
        });
        let pixels = decoded.await.map_err(NoVector::Failed)?;
        pixels.map_err(|error| NoVector::Refused(error.to_string()))
    }
}

fn shared(embedding: Embedding) -> QueryVector {
    embedding.into_vec().into()
}

fn nothing() -> NoVector {
    NoVector::Failed(Problem::unavailable("the model gave no vector", "nothing was returned"))
}

fn failed(error: impl std::fmt::Display) -> NoVector {
    NoVector::Failed(Problem::unavailable("the query could not be worked on", error))
}
