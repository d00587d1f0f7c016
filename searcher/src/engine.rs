//! From an example to ranked hits: encode it, ask the tables.

use std::sync::Arc;

use inference::{Budget, Detail, Embedding, ImageEncoder, Manifest, Model, ModelError, PictureLimits, Runtime, TextEncoder};
use table::embeddings::{self, Embeddings, Found, VectorQuery};
use table::images::{self, Images};
use table::ledger::Ledger;
use table::schema::Space;
use table::{Database, TableError};
use tokio::sync::{OnceCell, Semaphore};

use crate::SearchSettings;
use crate::problem::{self, Problem};
use crate::query::{Collapse, Example, Query};

// A query is one picture or one text: larger batches would only cost memory.
const ONE: usize = 1;

/// The towers of the model whose vectors are searched.
pub(crate) struct Encoders {
    pub(crate) manifest: Manifest,
    pub(crate) space: Space,
    pub(crate) provider: String,
    image: ImageEncoder,
    text: Option<TextEncoder>,
}

impl Encoders {
    /// Loads and warms the towers; a model without a text tower searches by picture only.
    ///
    /// # Errors
    /// The model cannot be loaded.
    pub(crate) fn load(model: &Model, runtime: &Runtime) -> Result<Self, ModelError> {
        let image = model.image_encoder(runtime, ONE)?;
        let text = model.manifest.text.as_ref().map(|_| model.text_encoder(runtime)).transpose()?;
        let manifest = model.manifest.clone();
        let space = Space {
            model: manifest.id.clone(),
            space: manifest.space.clone(),
            manifest_hash: model.digest.clone(),
            dim: image.dim(),
        };
        Ok(Self { manifest, space, provider: image.placement().active.to_string(), image, text })
    }
}

/// Number of rows and version of a table.
pub(crate) struct TableRows {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) version: u64,
}

/// The model and the tables it is asked about. The workers make the tables, so each may not exist yet.
pub(crate) struct Engine {
    database: Database,
    pub(crate) encoders: Arc<Encoders>,
    images: OnceCell<Images>,
    embeddings: OnceCell<Embeddings>,
    limits: PictureLimits,
    in_flight: Budget,
    // Compare all rows at every search.
    exact: bool,
    // Turns at decoding and encoding. A turn is held by the work itself, which goes on when its client has left.
    turns: Arc<Semaphore>,
}

impl Engine {
    pub(crate) fn new(database: Database, encoders: Encoders, settings: &SearchSettings) -> Self {
        let max_bytes = settings.max_image_bytes as u64;
        let limits = PictureLimits { max_pixels: settings.max_pixels, max_bytes, ..PictureLimits::default() };
        let turns = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            database,
            encoders: Arc::new(encoders),
            images: OnceCell::new(),
            embeddings: OnceCell::new(),
            limits,
            in_flight: Budget::new(settings.max_decoded_in_flight),
            exact: settings.exact,
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    /// The `images` table; `None` until a worker has made it.
    pub(crate) async fn images(&self) -> Result<Option<&Images>, TableError> {
        if self.images.get().is_none() {
            let Some(images) = Images::open(&self.database).await? else { return Ok(None) };
            let _ = self.images.set(images);
        }
        Ok(self.images.get())
    }

    async fn embeddings(&self) -> Result<Option<&Embeddings>, TableError> {
        if self.embeddings.get().is_none() {
            let Some(embeddings) = Embeddings::open(&self.database, self.encoders.space.clone()).await? else { return Ok(None) };
            let _ = self.embeddings.set(embeddings);
        }
        Ok(self.embeddings.get())
    }

    /// Rows and versions of the tables.
    pub(crate) async fn table_rows(&self) -> Result<Vec<TableRows>, TableError> {
        let images = self.images().await?.map(Images::ledger);
        let embeddings = self.embeddings().await?.map(Embeddings::ledger);
        let mut tables = Vec::new();
        for (name, ledger) in [(images::NAME.to_owned(), images), (embeddings::name(&self.encoders.space.model), embeddings)] {
            let (rows, version) = match ledger {
                Some(ledger) => counts(ledger).await?,
                None => (0, 0),
            };
            tables.push(TableRows { name, rows, version });
        }
        Ok(tables)
    }

    /// Ranked hits; nothing is found in a table that does not exist yet.
    pub(crate) async fn search(&self, query: Query) -> Result<Found, Problem> {
        let Query { example, top_k, offset, min_score, filter, collapse } = query;
        let embeddings = self.embeddings().await.map_err(problem::tables)?;
        let vector = self.vector(example, embeddings).await?;
        let Some(embeddings) = embeddings else { return Ok(Found { hits: Vec::new(), table_version: 0, exact: true }) };
        let (collapse, exact) = (collapse == Collapse::Duplicates, self.exact);
        let query = VectorQuery { vector, offset, top_k, min_score, filter, collapse, exact };
        embeddings.search(&query).await.map_err(problem::tables)
    }

    async fn vector(&self, example: Example, embeddings: Option<&Embeddings>) -> Result<Vec<f32>, Problem> {
        match example {
            Example::Vector(values) => {
                let dim = self.encoders.space.dim;
                if values.len() != dim {
                    return Err(Problem::field("vector", format!("has {} values, the model's have {dim}", values.len())));
                }
                let unit = Embedding::normalise(values).ok_or_else(|| Problem::field("vector", "has no direction"))?;
                Ok(unit.into_vec())
            }
            Example::ImageId(id) => {
                let stored = match embeddings {
                    Some(embeddings) => embeddings.vector(&id).await.map_err(problem::tables)?,
                    None => None,
                };
                stored.ok_or_else(|| problem::no_image(&id))
            }
            Example::Text(text) => {
                let encoders = Arc::clone(&self.encoders);
                self.in_turn(move || {
                    let no_text = || {
                        Problem::field("text", format!("the model '{}' has no words, search by a picture", encoders.manifest.id))
                    };
                    let encoder = encoders.text.as_ref().ok_or_else(no_text)?;
                    first(encoder.encode(&[text]), "text")
                })
                .await
            }
            Example::Image(bytes) => {
                let (encoders, limits, in_flight) = (Arc::clone(&self.encoders), self.limits.clone(), self.in_flight.clone());
                self.in_turn(move || {
                    let detail = Detail::ShortSide(encoders.image.side());
                    let decoded = inference::decode_within(&in_flight, &bytes, &limits, detail);
                    let picture = decoded.map_err(|error| Problem::field("image", error))?;
                    let pixels = encoders.image.prepare(&picture);
                    // They may be hundreds of megabytes; the model needs neither.
                    drop((picture, bytes));
                    first(encoders.image.encode(&[pixels]), "image")
                })
                .await
            }
        }
    }

    /// Work for a processor, on a thread of its own and at most as much at once as there are processors.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let failed = |error: &dyn std::fmt::Display| Problem::unavailable("the query could not be worked on", error);
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|closed| failed(&closed))?;
        let working = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        working.await.unwrap_or_else(|panic| Err(failed(&panic)))
    }
}

async fn counts(ledger: &Ledger) -> Result<(usize, u64), TableError> {
    Ok((ledger.count_rows().await?, ledger.version().await?))
}

fn first(encoded: Result<Vec<Embedding>, ModelError>, field: &str) -> Result<Vec<f32>, Problem> {
    match encoded {
        Ok(vectors) => {
            let vector = vectors.into_iter().next().map(Embedding::into_vec);
            vector.ok_or_else(|| Problem::unavailable("the model gave no vector", field))
        }
        Err(error) if error.is_fatal() => Err(Problem::unavailable("the model cannot be run", error)),
        Err(error) => Err(Problem::field(field, error)),
    }
}
