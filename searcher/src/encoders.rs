//! The encoders of a model, and how they are found and loaded.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use inference::{
    ImageEncoder, Manifest, Model, ModelError, Runtime, RuntimeSettings, TextEncoder, gate,
};
use pipeline::state::StateStore;
use table::schema::Space;

use crate::settings::ModelSettings;
use crate::unrelated_words::UnrelatedWords;

// A query is one picture or one text: a larger batch would only cost memory.
const BATCH: usize = 1;

/// The encoders of the model whose vectors are searched.
pub(crate) struct Encoders {
    pub(crate) manifest: Manifest,
    pub(crate) space: Space,
    pub(crate) image: ImageEncoder,
    /// `None`: the model encodes pictures only.
    pub(crate) text: Option<TextEncoder>,
    /// Vectors of words that most pictures have nothing to do with. Text queries are calibrated by
    /// their cosines. They are not there at first.
    pub(crate) unrelated_words: Arc<UnrelatedWords>,
}

impl Encoders {
    /// Loads and warms up the encoders, and sets the metric `bucketlens_model_nodes` of the image
    /// encoder. Begins to read or encode the unrelated words.
    ///
    /// # Errors
    /// The model cannot be loaded.
    fn load(model: &Model, runtime: &Runtime, state: StateStore) -> Result<Self, ModelError> {
        let image = model.image_encoder(runtime, BATCH)?;
        let text = model.manifest.text.as_ref().map(|_| model.text_encoder(runtime)).transpose()?;
        let manifest = model.manifest.clone();
        let space = Space {
            model: manifest.id.clone(),
            space: manifest.space.clone(),
            manifest_hash: model.digest.clone(),
            dim: image.dim(),
        };
        let unrelated_words = match &text {
            Some(text) => UnrelatedWords::prepare(state, &space, text.clone()),
            None => UnrelatedWords::none(),
        };
        image.placement().record(&manifest.id);
        Ok(Self { manifest, space, image, text, unrelated_words })
    }
}

/// Finds and loads models. Clones share the names that were found.
#[derive(Clone)]
pub(crate) struct ModelLoader {
    settings: ModelSettings,
    runtime: RuntimeSettings,
    state: StateStore,
    // Model id to the name under which it was found: the path of a folder need not contain the id.
    names: Arc<Mutex<HashMap<String, String>>>,
}

impl ModelLoader {
    pub(crate) fn new(
        settings: ModelSettings,
        runtime: RuntimeSettings,
        state: StateStore,
    ) -> Self {
        Self { settings, runtime, state, names: Arc::default() }
    }

    /// The name of the model in the settings.
    pub(crate) fn configured_name(&self) -> &str {
        &self.settings.active
    }

    /// Loads the model with this id; `None` loads the one that the settings name.
    ///
    /// # Errors
    /// No model is found, it has another id, or it cannot be loaded.
    pub(crate) async fn load(&self, id: Option<&str>) -> anyhow::Result<Encoders> {
        let known = id.and_then(|id| {
            self.names.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
        });
        let name = known.unwrap_or_else(|| id.unwrap_or(&self.settings.active).to_owned());
        let loaded = match (self.load_named(name.clone(), id).await, id) {
            (Ok(encoders), _) => Ok((encoders, name)),
            // The settings may name it by a path.
            (Err(error), Some(_)) => {
                let name = self.settings.active.clone();
                self.load_named(name.clone(), id)
                    .await
                    .map(|encoders| (encoders, name))
                    .map_err(|_| error)
            }
            (Err(error), None) => Err(error),
        };
        let (encoders, name) = loaded?;
        let id = encoders.manifest.id.clone();
        tracing::info!(model = id, "the model is loaded");
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(id, name);
        Ok(encoders)
    }

    /// Loads the model of this name. A model with another id is refused after its manifest was
    /// read, before its weights are.
    async fn load_named(&self, name: String, id: Option<&str>) -> anyhow::Result<Encoders> {
        let Self { settings, runtime, state, .. } = self.clone();
        let wanted = id.map(str::to_owned);
        let load = move || {
            let model = Model::find(&name, Path::new(&settings.folder))?;
            let found = &model.manifest.id;
            if let Some(wanted) = wanted.filter(|wanted| wanted != found) {
                anyhow::bail!(
                    "the model found under the name '{wanted}' has the id '{found}': name folders \
                     like ids"
                );
            }
            gate::passed(&model)?;
            Ok(Encoders::load(&model, &Runtime::start(&runtime)?, state)?)
        };
        tokio::task::spawn_blocking(load).await?
    }
}
