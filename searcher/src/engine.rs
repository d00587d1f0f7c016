//! From an example to ranked hits: encode it, ask the tables.

use std::sync::Arc;

use arc_swap::ArcSwap;
use inference::{Budget, Detail, Embedding, ModelError, PictureLimits};
use table::embeddings::{self, Embeddings, Found, VectorQuery};
use table::images::{self, Images};
use table::ledger::Ledger;
use table::{Database, TableError};
use tokio::sync::{OnceCell, Semaphore};

use crate::SearchSettings;
use crate::encoders::Encoders;
use crate::problem::{self, Problem};
use crate::query::{Collapse, Example, Query};

/// Number of rows and version of a table.
pub(crate) struct TableRows {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) version: u64,
}

/// One model and its table, from which a whole answer is made.
pub(crate) struct Served {
    pub(crate) encoders: Encoders,
    // The workers make it, so it may not exist yet.
    table: OnceCell<Embeddings>,
}

/// The model that answers now, and what all models share.
pub(crate) struct Engine {
    database: Database,
    served: ArcSwap<Served>,
    images: OnceCell<Images>,
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
            served: ArcSwap::from_pointee(Served { encoders, table: OnceCell::new() }),
            images: OnceCell::new(),
            limits,
            in_flight: Budget::new(settings.max_decoded_in_flight),
            exact: settings.exact,
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    /// The model that answers now. A request asks once and keeps to it; the towers of a former model go with the last
    /// request that has it.
    pub(crate) fn served(&self) -> Arc<Served> {
        self.served.load_full()
    }

    /// Lets another model answer from now on.
    ///
    /// # Errors
    /// Its table cannot be opened or holds vectors of another space; the former model goes on. `Ok(false)`: it has no table.
    pub(crate) async fn switch_to(&self, encoders: Encoders) -> Result<bool, TableError> {
        let Some(table) = Embeddings::open(&self.database, encoders.space.clone()).await? else { return Ok(false) };
        // What the first search would have to read.
        table.ledger().count_rows().await?;
        self.served.store(Arc::new(Served { encoders, table: OnceCell::new_with(Some(table)) }));
        Ok(true)
    }

    /// The `images` table; `None` until a worker has made it.
    pub(crate) async fn images(&self) -> Result<Option<&Images>, TableError> {
        if self.images.get().is_none() {
            let Some(images) = Images::open(&self.database).await? else { return Ok(None) };
            let _ = self.images.set(images);
        }
        Ok(self.images.get())
    }

    async fn table<'a>(&self, served: &'a Served) -> Result<Option<&'a Embeddings>, TableError> {
        if served.table.get().is_none() {
            let opened = Embeddings::open(&self.database, served.encoders.space.clone()).await?;
            let Some(table) = opened else { return Ok(None) };
            let _ = served.table.set(table);
        }
        Ok(served.table.get())
    }

    /// Rows and versions of the tables.
    pub(crate) async fn table_rows(&self, served: &Served) -> Result<Vec<TableRows>, TableError> {
        let images = self.images().await?.map(Images::ledger);
        let embeddings = self.table(served).await?.map(Embeddings::ledger);
        let mut tables = Vec::new();
        for (name, ledger) in [(images::NAME.to_owned(), images), (embeddings::name(&served.encoders.space.model), embeddings)] {
            let (rows, version) = match ledger {
                Some(ledger) => counts(ledger).await?,
                None => (0, 0),
            };
            tables.push(TableRows { name, rows, version });
        }
        Ok(tables)
    }

    /// Ranked hits, all of this model; nothing is found in a table that does not exist yet.
    pub(crate) async fn search(&self, served: &Arc<Served>, query: Query) -> Result<Found, Problem> {
        let Query { example, top_k, offset, min_score, filter, collapse, of } = query;
        of.check(&served.encoders.space)?;
        let embeddings = self.table(served).await.map_err(problem::tables)?;
        let vector = self.vector(served, example, embeddings).await?;
        let Some(embeddings) = embeddings else { return Ok(Found { hits: Vec::new(), table_version: 0, exact: true }) };
        let (collapse, exact) = (collapse == Collapse::Duplicates, self.exact);
        let query = VectorQuery { vector, offset, top_k, min_score, filter, collapse, exact };
        embeddings.search(&query).await.map_err(problem::tables)
    }

    async fn vector(&self, served: &Arc<Served>, example: Example, embeddings: Option<&Embeddings>) -> Result<Vec<f32>, Problem> {
        match example {
            Example::Vector(values) => {
                let dim = served.encoders.space.dim;
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
                let served = Arc::clone(served);
                self.in_turn(move || {
                    let encoders = &served.encoders;
                    let no_text = || {
                        Problem::field("text", format!("the model '{}' has no words, search by a picture", encoders.manifest.id))
                    };
                    let encoder = encoders.text.as_ref().ok_or_else(no_text)?;
                    first(encoder.encode(&[text]), "text")
                })
                .await
            }
            Example::Image(bytes) => {
                let (served, limits, in_flight) = (Arc::clone(served), self.limits.clone(), self.in_flight.clone());
                self.in_turn(move || {
                    let detail = Detail::ShortSide(served.encoders.image.side());
                    let decoded = inference::decode_within(&in_flight, &bytes, &limits, detail);
                    let picture = decoded.map_err(|error| Problem::field("image", error))?;
                    let pixels = served.encoders.image.prepare(&picture);
                    // They may be hundreds of megabytes; the model needs neither.
                    drop((picture, bytes));
                    first(served.encoders.image.encode(&[pixels]), "image")
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
