//! The models an operator can see, compare, switch between and remove. What is decided here stands
//! in the state object that searchers, embedders and the active ingest follow; none of it needs an
//! ingest that runs.

pub mod command;
mod list;
mod readiness;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::models::{self, Models, Removal};
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use serde::Serialize;
use table::captions;
use table::embeddings::{self, Embeddings};
use table::ledger;
use table::overlap::{self, Overlap};

use crate::active::Parts;
use crate::served::active_of;
pub(crate) use list::{Row, list};
pub(crate) use readiness::Readiness;

/// Samples of a comparison unless somebody says otherwise, and at most.
pub(crate) const SAMPLES: usize = 100;
const MOST_SAMPLES: usize = 10_000;
/// Time in which a removal can be taken back unless somebody says otherwise, and at most.
pub(crate) const GRACE: Duration = Duration::from_secs(24 * 3600);
// What workers have begun when they learn of it is still written: that must not meet a table that
// goes.
const LEAST_GRACE: Duration = Duration::from_secs(10);
const MOST_GRACE: Duration = Duration::from_secs(366 * 24 * 3600);

/// What was asked for makes no sense as things are; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(String);

fn refused<T>(reason: impl Into<String>) -> anyhow::Result<T> {
    Err(Refused(reason.into()).into())
}

/// Which model is to be the active one.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Id(String),
    /// The one before the present one.
    Previous,
}

/// A switch that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Activated {
    pub(crate) active: String,
    pub(crate) previous: Option<String>,
    pub(crate) readiness: Readiness,
}

/// Makes a model the one that answers searches. Refuses one whose table lacks more than its dead
/// letters explain, unless forced; searchers follow within seconds.
pub(crate) async fn activate(
    parts: &Parts,
    wanted: Wanted,
    force: bool,
) -> anyhow::Result<Activated> {
    let set = &parts.settings.stages.models;
    let decided = models::read(&parts.state).await?;
    let id = match wanted {
        Wanted::Id(id) => id,
        Wanted::Previous => match decided.previous {
            Some(previous) => previous,
            None => return refused("no other model was active before: name the one that is meant"),
        },
    };
    if !set.contains(&id) {
        return refused(format!(
            "stages.models does not name '{id}', so nothing fills its table: it names {}",
            set.join(", ")
        ));
    }
    let Some(readiness) = readiness::of(parts, &id).await? else {
        return refused(format!(
            "the model '{id}' has no table yet: start an embedder whose models.serve names it"
        ));
    };
    if !force && !readiness.is_complete() {
        return refused(format!(
            "'{id}' is not complete: {readiness}; wait for it, or use --force (\"force\": true)"
        ));
    }
    let switched = models::change(&parts.state, |models| {
        if models.is_removed(&StageName::embed(&id)) {
            return refused(format!(
                "'{id}' is being removed: take that back first with `ingest models keep {id}`"
            ));
        }
        let until_now = active_of(set, models).to_owned();
        models.activate(&id, &until_now);
        Ok(models.previous.clone())
    });
    let previous = switched.await??;
    tracing::info!(model = id, ?previous, "activated");
    Ok(Activated { active: id, previous, readiness })
}

/// Marks a model as removed: nothing is published for it from now on, its embedders rest, and after
/// the grace time its table goes. Marked again, the time counts anew. So is a captioner, once
/// settings no longer name it.
pub(crate) async fn remove(parts: &Parts, id: &str, grace: Duration) -> anyhow::Result<Removal> {
    if !(LEAST_GRACE..=MOST_GRACE).contains(&grace) {
        return refused(
            "the grace time must be from 10s to 366 days: workers need some seconds to finish what they have begun",
        );
    }
    let set = &parts.settings.stages.models;
    let tables: BTreeSet<_> = ledger::table_names(&parts.database).await?.into_iter().collect();
    let is_model = set.iter().any(|set| set == id) || tables.contains(&embeddings::name(id));
    let has_captions = tables.contains(&captions::name(id));
    let captioned = parts.settings.stages.captioners.iter().any(|set| set == id);
    let kind = if !is_model && (has_captions || captioned) {
        StageKind::Caption
    } else {
        StageKind::Embed
    };
    if kind == StageKind::Caption && captioned {
        return refused(format!(
            "settings still name the captioner '{id}': take it out of stages.captioners first"
        ));
    }
    let stage = StageName::new(kind, id);
    let known = is_model || has_captions;
    let (at, grace) = (Timestamp::now(), SignedDuration::try_from(grace)?);
    let removal = Removal { at, drop_at: at.checked_add(grace)?, dropped_at: None };
    let mark = |models: &mut Models| {
        if kind == StageKind::Embed && active_of(set, models) == id {
            return refused(format!("'{id}' is the active model: activate another one first"));
        }
        match models.removed.get(&stage) {
            Some(Removal { dropped_at: Some(at), .. }) => {
                return refused(format!("the table of '{id}' was dropped at {at:.0}"));
            }
            None if !known => {
                return refused(format!(
                    "there is no model or captioner '{id}': no setting names it and it has no table"
                ));
            }
            _ => {}
        }
        models.removed.insert(stage.clone(), removal.clone());
        if kind == StageKind::Embed {
            models.previous = models.previous.take().filter(|previous| previous != id);
        }
        Ok(())
    };
    models::change(&parts.state, mark).await??;
    Ok(removal)
}

/// Takes a removal back; returns what it was.
pub(crate) async fn keep(parts: &Parts, id: &str) -> anyhow::Result<Removal> {
    let take_back = |models: &mut Models| {
        StageKind::ALL.iter().find_map(|kind| models.removed.remove(&StageName::new(*kind, id)))
    };
    models::change(&parts.state, |models| match take_back(models) {
        Some(removal) => Ok(removal),
        None => refused(format!("'{id}' is not being removed")),
    })
    .await?
}

/// How alike two models answer, with stored vectors as queries.
pub(crate) async fn compare(
    parts: &Parts,
    [a, b]: [&str; 2],
    samples: usize,
    told: impl Fn(&Overlap),
) -> anyhow::Result<Overlap> {
    if !(1..=MOST_SAMPLES).contains(&samples) {
        return refused(format!("the number of samples must be from 1 to {MOST_SAMPLES}"));
    }
    let (mut tables, mut missing) = (Vec::new(), Vec::new());
    for id in [a, b] {
        match Embeddings::open_stored(&parts.database, id).await? {
            Some(table) => tables.push(table),
            None => missing.push(id),
        }
    }
    match tables.as_slice() {
        [a, b] => Ok(overlap::overlap(a, b, samples, told).await?),
        _ => refused(format!("no vectors of {} are stored", missing.join(" and "))),
    }
}
