//! The state objects: paused stages, and the age of the last full sweep.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline::state::StateStore;
use pipeline::switch::{self, StageState};

use super::report::{DoctorCheck, DoctorReport};
use crate::settings::Settings;
use crate::watch::report::{is_late, last_full};

pub(crate) async fn run(state: &StateStore, settings: &Settings) -> DoctorReport {
    let mut report = DoctorReport::default();
    report.push(match switch::read(state).await {
        Ok(stages) => paused(&stages),
        Err(error) => DoctorCheck::fail(
            "stages.paused",
            error.to_string(),
            "remove the object if nothing is paused",
        ),
    });
    report.push(match last_full(state).await {
        Ok(last) => age(last.and_then(|report| report.finished_at), settings),
        Err(error) => {
            DoctorCheck::warn("sweep.age", error.to_string(), "the next sweep writes it anew")
        }
    });
    report
}

fn paused(stages: &BTreeMap<String, StageState>) -> DoctorCheck {
    let paused: Vec<_> = stages.iter().filter(|(_, stage)| stage.paused).collect();
    if paused.is_empty() {
        return DoctorCheck::ok("stages.paused", "no stage is paused");
    }
    let by = |(name, stage): &(&String, &StageState)| match stage.changed_by.as_str() {
        "" => format!("'{name}'"),
        by => format!("'{name}' (by {by})"),
    };
    let names: Vec<_> = paused.iter().map(by).collect();
    DoctorCheck::warn(
        "stages.paused",
        format!("paused: {}", names.join(", ")),
        "`ingest resume` lets its workers work again",
    )
}

fn age(finished_at: Option<Timestamp>, settings: &Settings) -> DoctorCheck {
    let advice = "see that ingest runs, or start one with `ingest sweep`";
    match finished_at {
        None => DoctorCheck::warn("sweep.age", "no full sweep has finished yet", advice),
        Some(at) => {
            let age = Timestamp::now().duration_since(at);
            let seen = format!("the last full sweep finished {} minutes ago", age.as_mins().max(0));
            if is_late(at, settings) {
                DoctorCheck::warn("sweep.age", seen, advice)
            } else {
                DoctorCheck::ok("sweep.age", seen)
            }
        }
    }
}
