//! Decoding and encoding of queries: CPU-bound work on blocking threads, at most one per processor.

use std::sync::Arc;

use axum::body::Bytes;
use inference::{Budget, Detail, Embedding, ModelError, PictureLimits};
use tokio::sync::Semaphore;

use crate::active_model::ActiveModel;
use crate::problem::Problem;
use crate::settings::SearchSettings;

/// Limits of the CPU-bound work.
pub(crate) struct Encoding {
    limits: PictureLimits,
    // Memory of all query pictures being decoded.
    memory: Budget,
    // The work itself holds its permit: it goes on after its client has left.
    permits: Arc<Semaphore>,
}

impl Encoding {
    pub(crate) fn new(settings: &SearchSettings) -> Self {
        let limits = PictureLimits {
            max_pixels: settings.max_pixels,
            max_bytes: settings.max_image_bytes as u64,
            ..PictureLimits::default()
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            limits,
            memory: Budget::new(settings.max_decoded_in_flight),
            permits: Arc::new(Semaphore::new(processors)),
        }
    }

    /// The vector of a text.
    ///
    /// # Errors
    /// The model has no text encoder, is missing, or fails.
    pub(crate) async fn text(
        &self,
        model: &Arc<ActiveModel>,
        text: String,
    ) -> Result<Vec<f32>, Problem> {
        let model = Arc::clone(model);
        self.run(move || {
            let encoders = model.loaded()?;
            let no_text = || {
                let id = &encoders.manifest.id;
                Problem::field(
                    "text",
                    format!("the model '{id}' has no words, search by a picture"),
                )
            };
            let encoder = encoders.text.as_ref().ok_or_else(no_text)?;
            single(encoder.encode(&[text]), "text")
        })
        .await
    }

    /// The vector of a picture, given as the bytes of its file. `field` is named in the error if
    /// they are no picture.
    ///
    /// # Errors
    /// The bytes are no picture or exceed a limit, or the model is missing or fails.
    pub(crate) async fn picture(
        &self,
        model: &Arc<ActiveModel>,
        bytes: Bytes,
        field: &'static str,
    ) -> Result<Vec<f32>, Problem> {
        let (model, limits, memory) = (Arc::clone(model), self.limits.clone(), self.memory.clone());
        self.run(move || {
            let encoder = &model.loaded()?.image;
            let detail = Detail::ShortSide(encoder.side());
            let decoded = inference::decode_within(&memory, &bytes, &limits, detail);
            let picture = decoded.map_err(|error| Problem::field(field, error))?;
            let pixels = encoder.prepare(&picture);
            // They may be hundreds of megabytes, and the model needs neither.
            drop((picture, bytes));
            single(encoder.encode(&[pixels]), field)
        })
        .await
    }

    /// Runs CPU-bound work on a blocking thread, once a permit is free.
    ///
    /// # Errors
    /// The work's own, or it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            Problem::unavailable("the query could not be worked on", error)
        };
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|closed| failed(&closed))?;
        let working = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        working.await.unwrap_or_else(|panic| Err(failed(&panic)))
    }
}

fn single(encoded: Result<Vec<Embedding>, ModelError>, field: &str) -> Result<Vec<f32>, Problem> {
    match encoded {
        Ok(vectors) => {
            let vector = vectors.into_iter().next().map(Embedding::into_vec);
            vector.ok_or_else(|| Problem::unavailable("the model gave no vector", field))
        }
        Err(error) if error.is_fatal() => {
            Err(Problem::unavailable("the model cannot be run", error))
        }
        Err(error) => Err(Problem::field(field, error)),
    }
}
