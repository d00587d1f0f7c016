//! The state object `stages`: which stages are paused. Every worker reads it every two seconds, so
//! a pause holds for all workers of a stage, those started later included.

use std::collections::BTreeMap;
use std::convert::Infallible;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::excerpt;
use crate::stage_name::StageName;
use crate::state::{StateError, StateStore, publish_if_new};

/// Name of the state object.
pub const STATE_NAME: &str = "stages";

// Operators choose these names; they are shown on health pages and in logs.
const MAX_NAME_BYTES: usize = 200;

/// What operators have decided about one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StageState {
    /// Whether its workers rest.
    pub paused: bool,
    /// When it was last paused or resumed.
    pub changed_at: Option<Timestamp>,
    /// By whom.
    pub changed_by: String,
    /// When its waiting jobs were last deleted.
    pub cancelled_at: Option<Timestamp>,
}

/// The state of all stages, by name; a stage that is not in it was never paused.
///
/// # Errors
/// The store did not answer or refused, or the object has another shape.
pub async fn read(state: &StateStore) -> Result<BTreeMap<String, StageState>, StateError> {
    Ok(state.get(STATE_NAME).await?.map(|(stages, _)| stages).unwrap_or_default())
}

/// Pauses a stage: its workers finish what they have begun and then rest. Returns the new state.
///
/// # Errors
/// The state object cannot be read or written.
pub async fn pause(
    state: &StateStore,
    stage: &StageName,
    by: &str,
) -> Result<StageState, StateError> {
    set_paused(state, stage, by, true).await
}

/// Resumes a stage: its workers work again. Returns the new state.
///
/// # Errors
/// The state object cannot be read or written.
pub async fn resume(
    state: &StateStore,
    stage: &StageName,
    by: &str,
) -> Result<StageState, StateError> {
    set_paused(state, stage, by, false).await
}

/// Notes that the waiting jobs of a stage are deleted now. Returns the new state.
///
/// # Errors
/// The state object cannot be read or written.
pub async fn mark_cancelled(
    state: &StateStore,
    stage: &StageName,
) -> Result<StageState, StateError> {
    change(state, stage, |stage| stage.cancelled_at = Some(Timestamp::now())).await
}

async fn set_paused(
    state: &StateStore,
    stage: &StageName,
    by: &str,
    paused: bool,
) -> Result<StageState, StateError> {
    let by = excerpt::bytes(by, MAX_NAME_BYTES);
    change(state, stage, |stage| {
        // Whoever paused it first knows why, so a second pause changes nothing.
        if stage.paused != paused {
            *stage = StageState {
                paused,
                changed_at: Some(Timestamp::now()),
                changed_by: by.to_owned(),
                ..stage.clone()
            };
        }
    })
    .await
}

async fn change(
    state: &StateStore,
    stage: &StageName,
    edit: impl Fn(&mut StageState),
) -> Result<StageState, StateError> {
    let edit = |stages: &mut BTreeMap<String, StageState>| {
        let entry = stages.entry(stage.as_str().to_owned()).or_default();
        edit(entry);
        Ok::<_, Infallible>(entry.clone())
    };
    let Ok(changed) = state.change(STATE_NAME, edit).await?;
    Ok(changed)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SwitchPosition {
    /// Not read yet; after a failed attempt, why not.
    Unknown(Option<String>),
    Running,
    Paused(String),
}

/// One stage's switch as a worker sees it.
#[derive(Debug)]
pub struct Switch {
    position: watch::Receiver<SwitchPosition>,
}

impl Switch {
    /// Reads the state of a stage every two seconds for as long as the handle lives. While it
    /// cannot be read, the last known one holds.
    pub fn start(state: StateStore, stage: StageName) -> Self {
        let (known, position) = watch::channel(SwitchPosition::Unknown(None));
        tokio::spawn(poll(state, stage, known));
        Self { position }
    }

    /// Waits until the stage runs. While it waits it calls `waiting` with every new reason: `Ok`
    /// when the stage is paused, `Err` when its state cannot be read.
    pub(crate) async fn running(&self, mut waiting: impl FnMut(Result<&str, &str>)) {
        let mut position = self.position.clone();
        loop {
            match &*position.borrow_and_update() {
                SwitchPosition::Running => return,
                SwitchPosition::Paused(text) => waiting(Ok(text)),
                SwitchPosition::Unknown(Some(problem)) => waiting(Err(problem)),
                SwitchPosition::Unknown(None) => {}
            }
            if position.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until the stage is paused.
    pub(crate) async fn paused(&self) {
        let mut position = self.position.clone();
        if position
            .wait_for(|position| matches!(position, SwitchPosition::Paused(_)))
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}

async fn poll(state: StateStore, stage: StageName, known: watch::Sender<SwitchPosition>) {
    let publish = |read: Result<Option<BTreeMap<String, StageState>>, StateError>| match read {
        Ok(stages) => {
            let entry = stages.unwrap_or_default().remove(stage.as_str());
            publish_if_new(&known, position(&stage, entry.unwrap_or_default()));
        }
        // The last known position holds.
        Err(error) if matches!(*known.borrow(), SwitchPosition::Unknown(_)) => {
            publish_if_new(&known, SwitchPosition::Unknown(Some(error.to_string())));
        }
        Err(_) => {}
    };
    tokio::select! {
        () = state.follow(STATE_NAME, publish) => {}
        () = known.closed() => {}
    }
}

fn position(stage: &StageName, state: StageState) -> SwitchPosition {
    if !state.paused {
        return SwitchPosition::Running;
    }
    let since = state.changed_at.map(|at| format!(" since {at:.0}")).unwrap_or_default();
    let by = state.changed_by;
    SwitchPosition::Paused(format!("paused by {by}{since}: `ingest resume {stage}` ends it"))
}
