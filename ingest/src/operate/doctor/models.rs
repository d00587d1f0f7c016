//! Whether the model that answers searches is one that new pictures are indexed for.

use pipeline::models;
use pipeline::state::StateStore;

use super::report::{DoctorCheck, DoctorReport};
use crate::settings::Settings;

pub(crate) async fn run(state: &StateStore, settings: &Settings) -> DoctorReport {
    let mut report = DoctorReport::default();
    report.push(match models::read(state).await {
        Ok(decisions) => {
            let active = settings.stages.active_model(&decisions);
            if settings.stages.models.iter().any(|set| set == active) {
                DoctorCheck::ok("models.active", format!("'{active}' answers searches"))
            } else {
                DoctorCheck::fail(
                    "models.active",
                    format!("'{active}' answers searches, but nothing new is indexed for it"),
                    "name it in stages.models, or `ingest models activate` one that is",
                )
            }
        }
        Err(error) => DoctorCheck::fail(
            "models.active",
            error.to_string(),
            "remove the object, then activate the right model",
        ),
    });
    report
}
