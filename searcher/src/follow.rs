//! Following operators' choice of the active model: the new one is loaded and its table opened while the old one answers;
//! then it takes over between two requests. Where that fails the old one goes on, and what is wrong is shown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipeline::connection::Backoff;
use pipeline::health::Health;
use pipeline::models::Models;
use tokio::sync::watch;

use crate::api::App;
use crate::encoders::Shelf;

const NOTE: &str = "model";

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
pub(crate) async fn run(app: Arc<App>, shelf: Shelf, mut decided: watch::Receiver<Option<Models>>, health: Health) {
    let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
    loop {
        let wanted = decided.borrow_and_update().as_ref().and_then(|decided| decided.active.clone());
        let answering = app.engine.served().encoders.manifest.id.clone();
        let again = match wanted.filter(|wanted| *wanted != answering) {
            None => {
                app.following.set(None);
                health.unnote(NOTE);
                false
            }
            Some(wanted) => match switch(&app, &shelf, &wanted).await {
                Ok(()) => {
                    tracing::info!(model = wanted, former = answering, "another model answers from now on");
                    app.following.set(None);
                    health.unnote(NOTE);
                    backoff.reset();
                    false
                }
                Err(error) => {
                    tracing::error!(
                        model = wanted,
                        answering,
                        "the active model cannot take over, the former one goes on: {error:#}"
                    );
                    health.note(NOTE, format!("'{wanted}' is to answer but cannot, '{answering}' does: {error:#}"));
                    app.following.set(Some((wanted, format!("{error:#}"))));
                    true
                }
            },
        };
        tokio::select! {
            changed = decided.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(backoff.pause()), if again => {}
        }
    }
}

async fn switch(app: &App, shelf: &Shelf, wanted: &str) -> anyhow::Result<()> {
    let encoders = shelf.load(Some(wanted)).await?;
    let name = table::embeddings::name(wanted);
    anyhow::ensure!(app.engine.switch_to(encoders).await?, "its table {name} does not exist");
    Ok(())
}
