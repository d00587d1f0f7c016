//! One model of the process: it is loaded, then works until the process stops.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use inference::{ImageEncoder, Model, ModelError};
use pipeline::stage_name::StageName;
use service::SettingsError;
use service::process::until_works;
use table::TableError;
use table::embeddings::Embeddings;
use table::images::Images;
use table::location::Access;
use table::schema::Space;
use tokio_util::sync::CancellationToken;
use worker::{Assignment, WorkerProcess};

use crate::decoded_cache::DecodedCache;
use crate::embed::Embed;
use crate::settings::Settings;
use crate::status::LoadedModels;

/// The process, and what its models share.
pub(crate) struct Embedder {
    settings: Settings,
    process: Arc<WorkerProcess>,
    loaded: LoadedModels,
    // `None` if there is only one model, which needs no cache.
    decoded: Option<Arc<DecodedCache>>,
    // Serialises writes of `images`: if two models write one picture, the second sees the first's
    // row.
    images_turn: Arc<tokio::sync::Mutex<()>>,
    // The name in settings by which the model of each id was found.
    ids: Mutex<HashMap<String, String>>,
}

/// The health condition of a model, by the model's name in settings.
pub(crate) fn condition(name: &str) -> String {
    format!("model {name}")
}

impl Embedder {
    pub(crate) fn new(
        settings: Settings,
        process: Arc<WorkerProcess>,
        loaded: LoadedModels,
    ) -> Self {
        Self {
            process,
            loaded,
            decoded: (settings.models.serve.len() > 1).then(Arc::default),
            images_turn: Arc::default(),
            ids: Mutex::default(),
            settings,
        }
    }

    /// Refuses a second model with the same id: both would work for the same queues and tables.
    fn claim(&self, id: &str, name: &str) -> Result<(), SettingsError> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        match ids.insert(id.to_owned(), name.to_owned()) {
            None => Ok(()),
            Some(other) => {
                let problem = format!(
                    "'{other}' and '{name}' both have the id '{id}': give one another id in its \
                     model.toml"
                );
                Err(SettingsError::value("models.serve", problem))
            }
        }
    }

    /// Opens the tables of a model, and makes its stage.
    async fn open(&self, encoder: &ImageEncoder, space: &Space) -> Result<Embed, TableError> {
        let database = self.process.location.connect(Access::writer()).await?;
        let max_bytes = self.settings.fetch.max_object_bytes;
        Ok(Embed {
            images: Images::open_or_create(&database).await?,
            embeddings: Embeddings::open_or_create(&database, space.clone()).await?,
            encoder: encoder.clone(),
            limits: self.settings.picture.limits(max_bytes),
            in_flight: self.process.in_flight.clone(),
            thumbnail_side: self.settings.picture.thumbnail_side.unwrap_or_default(),
            decoded: self.decoded.as_ref().map(|decoded| decoded.join(&space.model, encoder)),
            images_turn: Arc::clone(&self.images_turn),
        })
    }
}

/// Loads a model and works for its stage until shutdown.
///
/// # Errors
/// The model or one of its tables cannot be used, or the worker loop ended with an error.
pub(crate) async fn serve(
    embedder: Arc<Embedder>,
    name: String,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let health = &embedder.process.health;
    let load = || {
        let (settings, name) = (embedder.settings.clone(), name.clone());
        async move {
            let loading = tokio::task::spawn_blocking(move || load(&settings, &name));
            anyhow::Ok(loading.await??)
        }
    };
    let may_pass = worker::model_may_appear;
    let loaded = until_works(health, &condition(&name), &shutdown, may_pass, load).await?;
    let Some((encoder, space)) = loaded else { return Ok(()) };
    embedder.claim(&space.model, &name)?;
    embedder.loaded.add(&space.model, &encoder);
    tracing::info!(
        model = space.model,
        provider = %encoder.placement().active,
        dim = encoder.dim(),
        "model is warm"
    );
    let stage = StageName::embed(&space.model);
    let assignment = Assignment {
        sharing: embedder.settings.models.serve.len(),
        health: health.of(stage.as_str()),
        stage,
    };
    embedder.process.serve(&assignment, || embedder.open(&encoder, &space), &shutdown).await
}

fn load(settings: &Settings, name: &str) -> Result<(ImageEncoder, Space), ModelError> {
    let model = Model::find(name, Path::new(&settings.models.folder))?;
    let runtime = worker::start_runtime(&model, &settings.runtime)?;
    let encoder = model.image_encoder(&runtime, settings.models.max_batch)?;
    let space = worker::space_of(model, encoder.dim());
    Ok((encoder, space))
}
