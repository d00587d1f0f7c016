//! Whether the model that answers searches is one that anything is indexed for.

use pipeline::models;
use pipeline::state::StateStore;

use super::{Check, Report};
use crate::Settings;
use crate::served::active_of;

pub(crate) async fn run(state: &StateStore, settings: &Settings) -> Report {
    let set = &settings.stages.models;
    let mut report = Report::default();
    report.push(match models::read(state).await {
        Ok(decided) => {
            let active = active_of(set, &decided);
            if set.iter().any(|set| set == active) {
                Check::ok("models.active", format!("'{active}' answers searches"))
            } else {
                Check::fail(
                    "models.active",
                    format!("'{active}' answers searches, but nothing new is indexed for it"),
                    "name it in stages.models, or `ingest models activate` one that is",
                )
            }
        }
        Err(error) => Check::fail(
            "models.active",
            error.to_string(),
            "remove the object, then activate the right model",
        ),
    });
    report
}
