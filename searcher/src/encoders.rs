//! The encoders of a model, and how they are found and loaded.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use inference::{
    Embedding, ImageEncoder, Manifest, Model, ModelError, Runtime, RuntimeSettings, TextEncoder,
    gate,
};
use table::schema::Space;

use crate::settings::ModelSettings;

// A query is one picture or one text: a larger batch would only cost memory.
const BATCH: usize = 1;

// Enough to estimate what 1 % of unrelated word-picture pairs exceed. A large model takes seconds
// to encode them.
const UNRELATED_WORDS: usize = 200;

/// The encoders of the model whose vectors are searched.
pub(crate) struct Encoders {
    pub(crate) manifest: Manifest,
    pub(crate) space: Space,
    pub(crate) image: ImageEncoder,
    /// `None`: the model encodes pictures only.
    pub(crate) text: Option<TextEncoder>,
    /// Vectors of words that most pictures have nothing to do with. Text queries are calibrated by
    /// their cosines.
    pub(crate) unrelated_words: Vec<Vec<f32>>,
}

impl Encoders {
    /// Loads and warms up the encoders, and sets the metric `bucketlens_model_nodes` of the image
    /// encoder.
    ///
    /// # Errors
    /// The model cannot be loaded.
    fn load(model: &Model, runtime: &Runtime) -> Result<Self, ModelError> {
        let image = model.image_encoder(runtime, BATCH)?;
        let text = model.manifest.text.as_ref().map(|_| model.text_encoder(runtime)).transpose()?;
        let manifest = model.manifest.clone();
        let space = Space {
            model: manifest.id.clone(),
            space: manifest.space.clone(),
            manifest_hash: model.digest.clone(),
            dim: image.dim(),
        };
        let unrelated_words = text.as_ref().map_or(Ok(Vec::new()), encode_unrelated_words)?;
        image.placement().record(&manifest.id);
        Ok(Self { manifest, space, image, text, unrelated_words })
    }
}

fn encode_unrelated_words(text: &TextEncoder) -> Result<Vec<Vec<f32>>, ModelError> {
    let terms = inference::keywords::prompts();
    let step = terms.len().div_ceil(UNRELATED_WORDS).max(1);
    let words: Vec<String> = terms.into_iter().step_by(step).collect();
    Ok(text.encode(&words)?.into_iter().map(Embedding::into_vec).collect())
}

/// Finds and loads models. Clones share the names that were found.
#[derive(Clone)]
pub(crate) struct ModelLoader {
    settings: ModelSettings,
    runtime: RuntimeSettings,
    // Model id to the name under which it was found: the path of a folder need not contain the id.
    names: Arc<Mutex<HashMap<String, String>>>,
}

impl ModelLoader {
    pub(crate) fn new(settings: ModelSettings, runtime: RuntimeSettings) -> Self {
        Self { settings, runtime, names: Arc::default() }
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
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(id, name);
        Ok(encoders)
    }

    /// Loads the model of this name. A model with another id is refused after its manifest was
    /// read, before its weights are.
    async fn load_named(&self, name: String, id: Option<&str>) -> anyhow::Result<Encoders> {
        let (settings, runtime, wanted) =
            (self.settings.clone(), self.runtime.clone(), id.map(str::to_owned));
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
            Ok(Encoders::load(&model, &Runtime::start(&runtime)?)?)
        };
        tokio::task::spawn_blocking(load).await?
    }
}
