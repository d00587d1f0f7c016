//! The towers of a model, and where models are found.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use inference::{
    Embedding, ImageEncoder, Manifest, Model, ModelError, Runtime, RuntimeSettings, TextEncoder,
    gate,
};
use table::schema::Space;

use crate::ModelSettings;

// A query is one picture or one text: larger batches would only cost memory.
const ONE: usize = 1;

// Enough to tell one in a hundred pairs with the pictures of a sample; a large model takes some
// seconds for them.
const UNRELATED_WORDS: usize = 200;

/// The towers of the model whose vectors are searched.
pub(crate) struct Encoders {
    pub(crate) manifest: Manifest,
    pub(crate) space: Space,
    pub(crate) image: ImageEncoder,
    pub(crate) text: Option<TextEncoder>,
    /// Vectors of words that have nothing to do with most pictures, by which the words of a
    /// question are measured.
    pub(crate) unrelated_words: Vec<Vec<f32>>,
}

impl Encoders {
    /// Loads and warms the towers; a model without a text tower searches by picture only.
    ///
    /// # Errors
    /// The model cannot be loaded.
    fn load(model: &Model, runtime: &Runtime) -> Result<Self, ModelError> {
        let image = model.image_encoder(runtime, ONE)?;
        let text = model.manifest.text.as_ref().map(|_| model.text_encoder(runtime)).transpose()?;
        let manifest = model.manifest.clone();
        let space = Space {
            model: manifest.id.clone(),
            space: manifest.space.clone(),
            manifest_hash: model.digest.clone(),
            dim: image.dim(),
        };
        let unrelated_words = text.as_ref().map_or(Ok(Vec::new()), encode_words)?;
        Ok(Self { manifest, space, image, text, unrelated_words })
    }
}

fn encode_words(text: &TextEncoder) -> Result<Vec<Vec<f32>>, ModelError> {
    let terms = inference::keywords::prompts();
    let step = terms.len().div_ceil(UNRELATED_WORDS).max(1);
    let words: Vec<String> = terms.into_iter().step_by(step).collect();
    Ok(text.encode(&words)?.into_iter().map(Embedding::into_vec).collect())
}

/// Where models are found. Clones share what is known.
#[derive(Clone)]
pub(crate) struct Shelf {
    settings: ModelSettings,
    runtime: RuntimeSettings,
    // Under which name a model of an id was found: a path need not say the id.
    names: Arc<Mutex<HashMap<String, String>>>,
}

impl Shelf {
    pub(crate) fn new(settings: ModelSettings, runtime: RuntimeSettings) -> Self {
        Self { settings, runtime, names: Arc::default() }
    }

    /// The name that settings give the model.
    pub(crate) fn set(&self) -> &str {
        &self.settings.active
    }

    /// Loads the model with this id, or without one that which settings name.
    ///
    /// # Errors
    /// It cannot be found or loaded, or what was found has another id.
    pub(crate) async fn load(&self, id: Option<&str>) -> anyhow::Result<Encoders> {
        let known = id.and_then(|id| {
            self.names.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
        });
        let name = known.unwrap_or_else(|| id.unwrap_or(&self.settings.active).to_owned());
        let loaded = match (self.named(name.clone(), id).await, id) {
            (Ok(encoders), _) => Ok((encoders, name)),
            // Settings may name it by a path.
            (Err(error), Some(_)) => {
                let name = self.settings.active.clone();
                self.named(name.clone(), id)
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

    /// Loads the model of a name, if it has this id: one that is not wanted costs no more than
    /// reading its manifest.
    async fn named(&self, name: String, id: Option<&str>) -> anyhow::Result<Encoders> {
        let (settings, runtime, wanted) =
            (self.settings.clone(), self.runtime.clone(), id.map(str::to_owned));
        let load = move || {
            let model = Model::find(&name, Path::new(&settings.folder))?;
            let found = &model.manifest.id;
            if let Some(wanted) = wanted.filter(|wanted| wanted != found) {
                anyhow::bail!(
                    "the model found under the name '{wanted}' has the id '{found}': name folders like ids"
                );
            }
            gate::passed(&model)?;
            Ok(Encoders::load(&model, &Runtime::start(&runtime)?)?)
        };
        tokio::task::spawn_blocking(load).await?
    }
}
