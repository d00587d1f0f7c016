//! From an example to ranked hits: encode it, ask the tables.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use axum::http::StatusCode;
use inference::{Budget, Detail, Embedding, ModelError, PictureLimits};
use table::captions::{self, Captions};
use table::embeddings::{self, Embeddings};
use table::images::{self, Images};
use table::ledger::Ledger;
use table::{Database, TableError};
use tokio::sync::{OnceCell, Semaphore};

use crate::SearchSettings;
use crate::encoders::Encoders;
use crate::linked::Fetcher;
use crate::problem::{self, Problem};
use crate::query::{Example, Query};
use crate::ranking::Backdrop;

/// How strongly a word with a minus before it pushes away: as strongly as an example would,
/// pictures are found that are merely far from it.
const UNWANTED_WEIGHT: f32 = -0.5;

/// Number of rows and version of a table.
pub(crate) struct TableRows {
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) version: u64,
}

/// Id, or name in settings, of a model that cannot be loaded yet.
#[derive(Debug, Clone)]
pub(crate) struct Absent(pub(crate) String);

/// One model and its table, from which a whole answer is made; or none, and then only words are
/// searched.
pub(crate) struct Served {
    encoders: Result<Encoders, Absent>,
    // The workers make it, so it may not exist yet.
    table: OnceCell<Embeddings>,
    /// By what the cosines of a question are measured.
    pub(crate) of_pictures: Backdrop,
    pub(crate) of_captions: Backdrop,
}

impl Served {
    fn new(encoders: Result<Encoders, Absent>, table: Option<Embeddings>) -> Self {
        let (of_pictures, of_captions) = Default::default();
        Self { encoders, table: OnceCell::new_with(table), of_pictures, of_captions }
    }

    /// `None` as long as the model cannot be loaded.
    pub(crate) fn encoders(&self) -> Option<&Encoders> {
        self.encoders.as_ref().ok()
    }

    /// What needs the model cannot be answered without it.
    pub(crate) fn loaded(&self) -> Result<&Encoders, Problem> {
        self.encoders.as_ref().map_err(|absent| {
            let detail =
                format!("the model '{}' cannot be loaded yet; /v1/status says why", absent.0);
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        })
    }

    /// Id of the model that answers.
    pub(crate) fn model(&self) -> Option<&str> {
        self.encoders().map(|encoders| encoders.space.model.as_str())
    }
}

/// The model that answers now, and what all models share.
pub(crate) struct Engine {
    pub(crate) database: Database,
    served: ArcSwap<Served>,
    images: OnceCell<Images>,
    captioner: String,
    captions: OnceCell<Captions>,
    /// Pictures of other sites.
    pub(crate) fetcher: Fetcher,
    limits: PictureLimits,
    in_flight: Budget,
    // Compare all rows at every search.
    pub(crate) exact: bool,
    /// What several signals are asked for each.
    pub(crate) candidates: usize,
    // Turns at decoding and encoding. A turn is held by the work itself, which goes on when its
    // client has left.
    turns: Arc<Semaphore>,
}

impl Engine {
    pub(crate) fn new(
        database: Database,
        encoders: Result<Encoders, Absent>,
        captioner: String,
        fetcher: Fetcher,
        settings: &SearchSettings,
    ) -> Self {
        let max_bytes = settings.max_image_bytes as u64;
        let limits = PictureLimits {
            max_pixels: settings.max_pixels,
            max_bytes,
            ..PictureLimits::default()
        };
        let turns = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            database,
            served: ArcSwap::from_pointee(Served::new(encoders, None)),
            images: OnceCell::new(),
            captioner,
            captions: OnceCell::new(),
            fetcher,
            limits,
            in_flight: Budget::new(settings.max_decoded_in_flight),
            exact: settings.exact,
            candidates: settings.candidates,
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    /// The model that answers now. A request asks once and keeps to it; the towers of a former
    /// model go with the last request that has it.
    pub(crate) fn served(&self) -> Arc<Served> {
        self.served.load_full()
    }

    /// Lets another model answer from now on.
    ///
    /// # Errors
    /// Its table cannot be opened or holds vectors of another space; the former model goes on.
    /// `Ok(false)`: so it does, because the other one has no table.
    pub(crate) async fn switch_to(&self, encoders: Encoders) -> Result<bool, TableError> {
        let table = Embeddings::open(&self.database, encoders.space.clone()).await?;
        match &table {
            // What the first search would have to read.
            Some(table) => drop(table.ledger().count_rows().await?),
            // Better than none: the table will come.
            None if self.served().encoders().is_none() => {}
            None => return Ok(false),
        }
        self.served.store(Arc::new(Served::new(Ok(encoders), table)));
        Ok(true)
    }

    /// Says which model there is still not.
    pub(crate) fn lack(&self, absent: Absent) {
        self.served.store(Arc::new(Served::new(Err(absent), None)));
    }

    /// The `images` table; `None` until a worker has made it.
    pub(crate) async fn images(&self) -> Result<Option<&Images>, TableError> {
        if self.images.get().is_none() {
            let Some(images) = Images::open(&self.database).await? else { return Ok(None) };
            let _ = self.images.set(images);
        }
        Ok(self.images.get())
    }

    /// The table of captions that is searched; `None` where there is none, or until a captioner has
    /// made it.
    pub(crate) async fn captions(&self) -> Result<Option<&Captions>, TableError> {
        if self.captions.get().is_none() && !self.captioner.is_empty() {
            let Some(captions) = Captions::open(&self.database, &self.captioner).await? else {
                return Ok(None);
            };
            let _ = self.captions.set(captions);
        }
        Ok(self.captions.get())
    }

    pub(crate) async fn table<'a>(
        &self,
        served: &'a Served,
    ) -> Result<Option<&'a Embeddings>, TableError> {
        if let (None, Some(encoders)) = (served.table.get(), served.encoders()) {
            let opened = Embeddings::open(&self.database, encoders.space.clone()).await?;
            let Some(table) = opened else { return Ok(None) };
            let _ = served.table.set(table);
        }
        Ok(served.table.get())
    }

    /// Rows and versions of the tables.
    pub(crate) async fn table_rows(&self, served: &Served) -> Result<Vec<TableRows>, TableError> {
        let images = self.images().await?.map(Images::ledger);
        let embeddings = self.table(served).await?.map(Embeddings::ledger);
        let captions = self.captions().await?.map(Captions::ledger);
        let mut tables = vec![(images::NAME.to_owned(), images)];
        tables.extend(served.model().map(|model| (embeddings::name(model), embeddings)));
        if !self.captioner.is_empty() {
            tables.push((captions::name(&self.captioner), captions));
        }
        let mut counted = Vec::new();
        for (name, ledger) in tables {
            let (rows, version) = match ledger {
                Some(ledger) => counts(ledger).await?,
                None => (0, 0),
            };
            counted.push(TableRows { name, rows, version });
        }
        Ok(counted)
    }

    /// One unit vector for all examples of a query: their vectors added, each with its weight, and
    /// less of what is unwanted.
    ///
    /// # Errors
    /// An example cannot be used, or the model cannot be run.
    pub(crate) async fn vector(
        &self,
        served: &Arc<Served>,
        query: &Query,
        embeddings: Option<&Embeddings>,
    ) -> Result<Vec<f32>, Problem> {
        let unwanted =
            query.unwanted.iter().map(|word| (Example::Text(word.clone()), UNWANTED_WEIGHT));
        let mut sum = vec![0.0; served.loaded()?.space.dim];
        for (example, weight) in query.examples.iter().cloned().chain(unwanted) {
            let vector = self.vector_of(served, example, embeddings).await?;
            sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
        }
        let unit = Embedding::normalise(sum);
        unit.map(Embedding::into_vec)
            .ok_or_else(|| Problem::field("examples", "cancel each other out"))
    }

    async fn vector_of(
        &self,
        served: &Arc<Served>,
        example: Example,
        embeddings: Option<&Embeddings>,
    ) -> Result<Vec<f32>, Problem> {
        match example {
            Example::Vector(values) => {
                let dim = served.loaded()?.space.dim;
                if values.len() != dim {
                    return Err(Problem::field(
                        "vector",
                        format!("has {} values, the model's have {dim}", values.len()),
                    ));
                }
                let unit = Embedding::normalise(values)
                    .ok_or_else(|| Problem::field("vector", "has no direction"))?;
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
                    let encoders = served.loaded()?;
                    let no_text = || {
                        Problem::field(
                            "text",
                            format!(
                                "the model '{}' has no words, search by a picture",
                                encoders.manifest.id
                            ),
                        )
                    };
                    let encoder = encoders.text.as_ref().ok_or_else(no_text)?;
                    first(encoder.encode(&[text]), "text")
                })
                .await
            }
            Example::ImageUrl(url) => {
                let bytes = self.fetcher.fetch(&url).await?;
                self.vector_of_file(served, bytes, "image_url").await
            }
            Example::Image(bytes) => self.vector_of_file(served, bytes, "image").await,
        }
    }

    /// The vector of a picture's file; `field` is what is named where it is none.
    async fn vector_of_file(
        &self,
        served: &Arc<Served>,
        bytes: Bytes,
        field: &'static str,
    ) -> Result<Vec<f32>, Problem> {
        let (served, limits, in_flight) =
            (Arc::clone(served), self.limits.clone(), self.in_flight.clone());
        self.in_turn(move || {
            let encoder = &served.loaded()?.image;
            let detail = Detail::ShortSide(encoder.side());
            let decoded = inference::decode_within(&in_flight, &bytes, &limits, detail);
            let picture = decoded.map_err(|error| Problem::field(field, error))?;
            let pixels = encoder.prepare(&picture);
            // They may be hundreds of megabytes; the model needs neither.
            drop((picture, bytes));
            first(encoder.encode(&[pixels]), field)
        })
        .await
    }

    /// Work for a processor, on a thread of its own and at most as much at once as there are
    /// processors.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            Problem::unavailable("the query could not be worked on", error)
        };
        let turn =
            Arc::clone(&self.turns).acquire_owned().await.map_err(|closed| failed(&closed))?;
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
        Err(error) if error.is_fatal() => {
            Err(Problem::unavailable("the model cannot be run", error))
        }
        Err(error) => Err(Problem::field(field, error)),
    }
}
