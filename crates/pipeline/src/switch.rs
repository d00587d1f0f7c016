//! Pausing a stage, for all its workers at once: one small object in the bucket, which every worker
//! reads every other second. It holds for workers that are started later as well, and outlives
//! every process.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::bucket::Only;
use crate::job::StageName;
use crate::state::{State, StateError};

/// Name of the state object.
pub const STATE_NAME: &str = "stages";

const POLL: Duration = Duration::from_secs(2);
// Somebody else changed it meanwhile: so often in a row means that something changes it all the
// time.
const ATTEMPTS: usize = 20;
// Names come from whoever may operate; they are shown on health pages and in logs.
const MAX_NAME_BYTES: usize = 200;

/// What operators have decided about one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageState {
    /// Whether its workers rest.
    pub paused: bool,
    /// When it was last paused or resumed.
    pub changed_at: Option<Timestamp>,
    /// By whom.
    #[serde(default)]
    pub changed_by: String,
    /// When its waiting jobs were last thrown away.
    pub cancelled_at: Option<Timestamp>,
}

/// The state of a stage could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// It could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Others change it all the time.
    #[error(
        "the state object '{0}' is changed by others again and again, nothing was changed: try again"
    )]
    Contended(String),
}

/// What is known of all stages, by name; a stage that is not named was never paused.
///
/// # Errors
/// The store did not answer or refused, or the object has another shape.
pub async fn read(state: &State) -> Result<BTreeMap<String, StageState>, StateError> {
    Ok(state.get(STATE_NAME).await?.map(|(stages, _)| stages).unwrap_or_default())
}

/// Lets the workers of a stage finish what they have begun and then rest. Answers the new state.
///
/// # Errors
/// The state object cannot be read or written.
pub async fn pause(state: &State, stage: &StageName, by: &str) -> Result<StageState, SwitchError> {
    set_paused(state, stage, by, true).await
}

/// Lets the workers of a stage work again. Answers the new state.
///
/// # Errors
/// The state object cannot be read or written.
pub async fn resume(state: &State, stage: &StageName, by: &str) -> Result<StageState, SwitchError> {
    set_paused(state, stage, by, false).await
}

/// Notes that the waiting jobs of a stage are thrown away now. Answers the new state.
///
/// # Errors
/// The state object cannot be read or written.
pub async fn mark_cancelled(state: &State, stage: &StageName) -> Result<StageState, SwitchError> {
    change(state, stage, |stage| stage.cancelled_at = Some(Timestamp::now())).await
}

async fn set_paused(
    state: &State,
    stage: &StageName,
    by: &str,
    paused: bool,
) -> Result<StageState, SwitchError> {
    let by = &by[..by.floor_char_boundary(MAX_NAME_BYTES)];
    change(state, stage, |stage| {
        // Who paused it first is who knows why.
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
    state: &State,
    stage: &StageName,
    edit: impl Fn(&mut StageState),
) -> Result<StageState, SwitchError> {
    for _ in 0..ATTEMPTS {
        let (mut stages, only) = match state.get::<BTreeMap<String, StageState>>(STATE_NAME).await?
        {
            Some((stages, etag)) => (stages, Only::IfStill(etag)),
            None => (BTreeMap::new(), Only::IfAbsent),
        };
        let entry = stages.entry(stage.as_str().to_owned()).or_default();
        edit(entry);
        let changed = entry.clone();
        if state.put(STATE_NAME, &stages, only).await?.is_some() {
            return Ok(changed);
        }
    }
    Err(SwitchError::Contended(state.key(STATE_NAME)))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    /// Not read yet; why not, after an attempt.
    Unknown(Option<String>),
    Running,
    Paused(String),
}

/// One stage's switch as a worker sees it.
#[derive(Debug)]
pub struct Switch {
    position: watch::Receiver<Position>,
}

impl Switch {
    /// Reads the switch of a stage every two seconds for as long as the handle lives. Where it
    /// cannot be read the last position holds.
    pub fn start(state: State, stage: StageName) -> Self {
        let (known, position) = watch::channel(Position::Unknown(None));
        tokio::spawn(poll(state, stage, known));
        Self { position }
    }

    /// Waits until the stage runs. `waiting` is called with the reason whenever there is one to
    /// wait for: `Ok` when it is paused, `Err` when that cannot be told.
    pub(crate) async fn running(&self, mut waiting: impl FnMut(Result<&str, &str>)) {
        let mut position = self.position.clone();
        loop {
            match &*position.borrow_and_update() {
                Position::Running => return,
                Position::Paused(text) => waiting(Ok(text)),
                Position::Unknown(Some(problem)) => waiting(Err(problem)),
                Position::Unknown(None) => {}
            }
            if position.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until the stage is paused.
    pub(crate) async fn paused(&self) {
        let mut position = self.position.clone();
        if position.wait_for(|position| matches!(position, Position::Paused(_))).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn poll(state: State, stage: StageName, known: watch::Sender<Position>) {
    let mut last_problem = None;
    loop {
        let problem = match read(&state).await {
            Ok(mut stages) => {
                let position = match stages.remove(stage.as_str()) {
                    Some(StageState { paused: true, changed_at, changed_by, .. }) => {
                        let since =
                            changed_at.map(|at| format!(" since {at:.0}")).unwrap_or_default();
                        Position::Paused(format!(
                            "paused by {changed_by}{since}: `ingest resume {stage}` ends it"
                        ))
                    }
                    _ => Position::Running,
                };
                known.send_if_modified(|known| {
                    *known != position && {
                        *known = position;
                        true
                    }
                });
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem.clone().filter(|_| problem != last_problem) {
            tracing::warn!(problem, %stage, "cannot tell whether the stage is paused, what was last known holds");
            let unknown = Position::Unknown(Some(problem));
            known.send_if_modified(|known| {
                matches!(known, Position::Unknown(_)) && {
                    *known = unknown;
                    true
                }
            });
        }
        last_problem = problem;
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = known.closed() => return,
        }
    }
}
