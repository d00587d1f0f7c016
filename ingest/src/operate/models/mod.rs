//! The models that operators list, compare, activate and remove. Decisions are kept in a state
//! object that searchers, workers and the active ingest follow. No action needs a running ingest.

mod list;
mod readiness;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::models::{self, Models, Removal};
use pipeline::stage_kind::StageKind;
use pipeline::stage_name::StageName;
use serde::Serialize;
use table::embeddings::Embeddings;
use table::ledger;
use table::overlap::{self, Overlap};
use utoipa::ToSchema;

use super::refusal::refused;
use crate::parts::IngestParts;
use crate::watch::watched_table::table_of;
pub(crate) use list::{ModelRow, list};
pub(crate) use readiness::Readiness;

/// Default number of samples of a comparison.
pub(crate) const SAMPLES: usize = 100;
const MOST_SAMPLES: usize = 10_000;
/// Default time in which a removal can be taken back.
pub(crate) const GRACE: Duration = Duration::from_secs(24 * 3600);
// Workers finish their batch when they learn of a removal. Their table must still exist then.
const LEAST_GRACE: Duration = Duration::from_secs(10);
const MOST_GRACE: Duration = Duration::from_secs(366 * 24 * 3600);

/// The model to activate.
#[derive(Debug, Clone)]
pub(crate) enum ModelChoice {
    Id(String),
    /// The one that was active before the present one.
    Previous,
}

/// The models after an activation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Activation {
    pub(crate) active: String,
    pub(crate) previous: Option<String>,
    pub(crate) readiness: Readiness,
}

/// Makes a model the one that answers searches. Refuses a model whose table lacks more pictures
/// than it has dead letters, unless forced. Searchers follow within seconds.
pub(crate) async fn activate(
    parts: &IngestParts,
    choice: ModelChoice,
    force: bool,
) -> anyhow::Result<Activation> {
    let settings = &parts.settings.stages;
    let decided = models::read(&parts.state).await?;
    let id = match choice {
        ModelChoice::Id(id) => id,
        ModelChoice::Previous => match decided.previous {
            Some(previous) => previous,
            None => return refused("no other model was active before: name the one that is meant"),
        },
    };
    if !settings.models.contains(&id) {
        return refused(format!(
            "stages.models does not name '{id}', so nothing fills its table: it names {}",
            settings.models.join(", ")
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
        let until_now = settings.active_model(models).to_owned();
        models.activate(&id, &until_now);
        Ok(models.previous.clone())
    });
    let previous = switched.await??;
    tracing::info!(model = id, ?previous, "activated");
    Ok(Activation { active: id, previous, readiness })
}

/// Marks a model as removed: nothing is published for it from now on, its workers rest, and after
/// the grace period its table is dropped. Marked again, the grace period begins anew. A captioner
/// can be removed once the settings no longer name it.
pub(crate) async fn remove(
    parts: &IngestParts,
    id: &str,
    grace: Duration,
) -> anyhow::Result<Removal> {
    if !(LEAST_GRACE..=MOST_GRACE).contains(&grace) {
        return refused(
            "the grace time must be from 10s to 366 days: workers need some seconds to finish what \
             they have begun",
        );
    }
    let settings = &parts.settings.stages;
    let Removable { stage, is_set, is_known } = removable(parts, id).await?;
    let kind = stage.kind();
    if is_set && !kind.answers_searches() {
        let (noun, setting) = (kind.noun(), kind.ingest_setting());
        return refused(format!(
            "settings still name the {noun} '{id}': take it out of {setting} first"
        ));
    }
    let (at, grace) = (Timestamp::now(), SignedDuration::try_from(grace)?);
    let removal = Removal { at, drop_at: at.checked_add(grace)?, dropped_at: None };
    let mark = |models: &mut Models| {
        if kind.answers_searches() && settings.active_model(models) == id {
            return refused(format!("'{id}' is the active model: activate another one first"));
        }
        match models.removed.get(&stage) {
            Some(Removal { dropped_at: Some(at), .. }) => {
                return refused(format!("the table of '{id}' was dropped at {at:.0}"));
            }
            None if !is_known => {
                return refused(format!(
                    "there is no model or captioner '{id}': no setting names it and it has no table"
                ));
            }
            _ => {}
        }
        models.removed.insert(stage.clone(), removal.clone());
        if kind.answers_searches() {
            models.previous = models.previous.take().filter(|previous| previous != id);
        }
        Ok(())
    };
    models::change(&parts.state, mark).await??;
    Ok(removal)
}

/// The stage that an id means, and where it is known from.
struct Removable {
    stage: StageName,
    /// The settings name it.
    is_set: bool,
    /// The settings name it, or it has a table.
    is_known: bool,
}

/// An id means the first kind of stage that is known by it.
async fn removable(parts: &IngestParts, id: &str) -> anyhow::Result<Removable> {
    let tables: BTreeSet<_> = ledger::table_names(&parts.database).await?.into_iter().collect();
    let of_kind = |kind: StageKind| {
        let stage = StageName::new(kind, id);
        let is_set = parts.settings.stages.ids(kind).iter().any(|set| set == id);
        let is_known = is_set || tables.contains(&table_of(&stage));
        Removable { stage, is_set, is_known }
    };
    let known = StageKind::ALL.into_iter().map(of_kind).find(|found| found.is_known);
    // A removal without a table may still stand under the first kind.
    Ok(known.unwrap_or_else(|| of_kind(StageKind::ALL[0])))
}

/// Takes a removal back, and returns it.
pub(crate) async fn keep(parts: &IngestParts, id: &str) -> anyhow::Result<Removal> {
    let take_back = |models: &mut Models| {
        StageKind::ALL.iter().find_map(|kind| models.removed.remove(&StageName::new(*kind, id)))
    };
    models::change(&parts.state, |models| match take_back(models) {
        Some(removal) => Ok(removal),
        None => refused(format!("'{id}' is not being removed")),
    })
    .await?
}

/// Compares what two models find, with stored vectors as queries. `told` gets the result so far.
pub(crate) async fn compare(
    parts: &IngestParts,
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
