//! Follows operators' choice of the active model. The new model is loaded and its table opened
//! while the old one answers; then it takes over between two requests. If that fails, the old one
//! goes on, health shows the reason, and it is tried again. A model that could not be loaded at the
//! start is tried in the same way; until then only words are searched.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipeline::models::Models;
use service::backoff::Backoff;
use service::health::Health;
use table::embeddings;
use tokio::sync::watch;

use crate::active_model::MissingModel;
use crate::encoders::ModelLoader;
use crate::engine::Engine;

const NOTE: &str = "model";
const ONLY_WORDS: &str = "only words are searched";

/// A model that should answer and cannot.
#[derive(Debug, Clone)]
pub(crate) struct FailedSwitch {
    /// Id of the model, or its name in the settings.
    pub(crate) model: String,
    pub(crate) problem: String,
}

/// The model that should answer and does not yet. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PendingModel(Arc<Mutex<Option<FailedSwitch>>>);

impl PendingModel {
    /// `None` while the chosen model answers.
    pub(crate) fn get(&self) -> Option<FailedSwitch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, failed: Option<FailedSwitch>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }
}

/// Switches the engine to the model that operators choose.
pub(crate) struct ModelFollower {
    pub(crate) engine: Arc<Engine>,
    pub(crate) loader: ModelLoader,
    pub(crate) pending: PendingModel,
    pub(crate) health: Health,
}

impl ModelFollower {
    /// Follows until dropped.
    pub(crate) async fn run(self, mut decisions: watch::Receiver<Option<Models>>) {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
        // Until decisions are read again, those of the start hold.
        if decisions.wait_for(Option::is_some).await.is_err() {
            return;
        }
        loop {
            let chosen =
                decisions.borrow_and_update().as_ref().and_then(|models| models.active.clone());
            let failed = if self.answers(chosen.as_deref()) {
                None
            } else {
                let failed = self.switch(chosen.as_deref()).await.err();
                if failed.is_none() {
                    backoff.reset();
                }
                failed
            };
            let again = failed.is_some();
            if !again {
                self.health.unnote(NOTE);
            }
            self.pending.set(failed);
            tokio::select! {
                changed = decisions.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(backoff.pause()), if again => {}
            }
        }
    }

    /// Whether the chosen model answers already; any model does if none is chosen.
    fn answers(&self, chosen: Option<&str>) -> bool {
        let model = self.engine.model();
        let Some(encoders) = model.encoders() else { return false };
        chosen.is_none_or(|chosen| chosen == encoders.manifest.id)
    }

    /// Switches to the chosen model, or to that of the settings if none is chosen.
    async fn switch(&self, chosen: Option<&str>) -> Result<(), FailedSwitch> {
        let former = self.engine.model();
        let error = match self.load(chosen).await {
            Ok(model) => {
                tracing::info!(model, former = former.id(), "another model answers from now on");
                return Ok(());
            }
            Err(error) => error,
        };
        let model = chosen.unwrap_or(self.loader.configured_name()).to_owned();
        let problem = format!("{error:#}");
        let instead =
            former.id().map_or_else(|| ONLY_WORDS.to_owned(), |model| format!("'{model}' does"));
        tracing::error!(model, instead, error = problem, "the active model cannot answer");
        self.health.note(NOTE, format!("'{model}' is to answer but cannot, {instead}: {problem}"));
        if former.id().is_none() {
            self.engine.set_missing(MissingModel(model.clone()));
        }
        Err(FailedSwitch { model, problem })
    }

    /// Loads a model and lets it answer. Returns its id.
    async fn load(&self, chosen: Option<&str>) -> anyhow::Result<String> {
        let encoders = self.loader.load(chosen).await?;
        let id = encoders.manifest.id.clone();
        let table = embeddings::name(&id);
        let has_table = self.engine.switch_to(encoders).await?;
        anyhow::ensure!(has_table, "its table {table} does not exist");
        Ok(id)
    }
}
