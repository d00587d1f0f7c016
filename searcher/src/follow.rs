//! Following operators' choice of the active model: the new one is loaded and its table opened
//! while the old one answers; then it takes over between two requests. Where that fails the old one
//! goes on, and what is wrong is shown. So it is with a model that could not be loaded when the
//! searcher started: until it can, only words are searched.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipeline::models::Models;
use service::backoff::Backoff;
use service::health::Health;
use tokio::sync::watch;

use crate::api::App;
use crate::encoders::Shelf;
use crate::engine::Absent;

const NOTE: &str = "model";
const WITHOUT: &str = "only words are searched";

/// The model that is to answer and does not yet, and why not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Following(Arc<Mutex<Option<(String, String)>>>);

impl Following {
    /// Wanted model and problem; `None` while the wanted one answers.
    pub(crate) fn behind(&self) -> Option<(String, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, behind: Option<(String, String)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = behind;
    }
}

/// Follows until dropped.
pub(crate) async fn run(
    app: Arc<App>,
    shelf: Shelf,
    mut decided: watch::Receiver<Option<Models>>,
    health: Health,
) {
    let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
    // Until it is read again, what was known at the start holds.
    if decided.wait_for(Option::is_some).await.is_err() {
        return;
    }
    loop {
        let wanted =
            decided.borrow_and_update().as_ref().and_then(|decided| decided.active.clone());
        let served = app.engine.served();
        let answers = served
            .encoders()
            .is_some_and(|now| wanted.as_ref().is_none_or(|wanted| *wanted == now.manifest.id));
        let again = if answers {
            app.following.set(None);
            health.unnote(NOTE);
            false
        } else {
            match switch(&app, &shelf, wanted.as_deref()).await {
                Ok(model) => {
                    tracing::info!(
                        model,
                        former = served.model(),
                        "another model answers from now on"
                    );
                    app.following.set(None);
                    health.unnote(NOTE);
                    backoff.reset();
                    false
                }
                Err(error) => {
                    let (wanted, error) =
                        (wanted.unwrap_or_else(|| shelf.set().to_owned()), format!("{error:#}"));
                    let instead = served
                        .model()
                        .map_or_else(|| WITHOUT.to_owned(), |model| format!("'{model}' does"));
                    tracing::error!(
                        model = wanted,
                        instead,
                        error,
                        "the active model cannot answer"
                    );
                    health.note(
                        NOTE,
                        format!("'{wanted}' is to answer but cannot, {instead}: {error}"),
                    );
                    if served.model().is_none() {
                        app.engine.lack(Absent(wanted.clone()));
                    }
                    app.following.set(Some((wanted, error)));
                    true
                }
            }
        };
        drop(served);
        tokio::select! {
            changed = decided.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(backoff.pause()), if again => {}
        }
    }
}

/// The id of the model that answers from now on.
async fn switch(app: &App, shelf: &Shelf, wanted: Option<&str>) -> anyhow::Result<String> {
    let encoders = shelf.load(wanted).await?;
    let id = encoders.manifest.id.clone();
    let name = table::embeddings::name(&id);
    anyhow::ensure!(app.engine.switch_to(encoders).await?, "its table {name} does not exist");
    Ok(id)
}
