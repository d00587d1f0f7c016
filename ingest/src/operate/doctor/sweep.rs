//! What the state objects tell: paused stages, and when bucket and tables were last compared in
//! full.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline::state::StateStore;
use serde::Deserialize;

use super::{Check, Report};
use crate::Settings;
use crate::report::is_late;

/// The part of the state object `stages` that matters here.
#[derive(Deserialize)]
struct Stage {
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    changed_by: String,
}

/// The part of the state object `sweep` that matters here.
#[derive(Deserialize)]
struct Sweep {
    finished_at: Timestamp,
}

pub(crate) async fn run(state: &StateStore, settings: &Settings) -> Report {
    let mut report = Report::default();
    report.push(match state.get::<BTreeMap<String, Stage>>("stages").await {
        Ok(stages) => paused(&stages.map(|(stages, _)| stages).unwrap_or_default()),
        Err(error) => Check::fail(
            "stages.paused",
            error.to_string(),
            "remove the object if nothing is paused",
        ),
    });
    report.push(match state.get::<Sweep>("sweep").await {
        Ok(sweep) => age(sweep.map(|(sweep, _)| sweep.finished_at), settings),
        Err(error) => Check::warn("sweep.age", error.to_string(), "the next sweep writes it anew"),
    });
    report
}

fn paused(stages: &BTreeMap<String, Stage>) -> Check {
    let paused: Vec<_> = stages.iter().filter(|(_, stage)| stage.paused).collect();
    if paused.is_empty() {
        return Check::ok("stages.paused", "no stage is paused");
    }
    let by = |(name, stage): &(&String, &Stage)| match stage.changed_by.as_str() {
        "" => format!("'{name}'"),
        by => format!("'{name}' (by {by})"),
    };
    let names: Vec<_> = paused.iter().map(by).collect();
    Check::warn(
        "stages.paused",
        format!("paused: {}", names.join(", ")),
        "`ingest resume` lets its workers work again",
    )
}

fn age(finished_at: Option<Timestamp>, settings: &Settings) -> Check {
    let advice = "see that ingest runs, or start one with `ingest sweep`";
    match finished_at {
        None => Check::warn("sweep.age", "no full sweep has finished yet", advice),
        Some(at) => {
            let age = Timestamp::now().duration_since(at);
            let seen = format!("the last full sweep finished {} minutes ago", age.as_mins().max(0));
            if is_late(at, settings) {
                Check::warn("sweep.age", seen, advice)
            } else {
                Check::ok("sweep.age", seen)
            }
        }
    }
}
