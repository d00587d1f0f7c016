//! Which model answers searches, which one did before, and which are being removed: one small
//! object in the bucket, that operators change and that searchers, embedders and the active ingest
//! follow.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::bucket::Only;
use crate::job::{StageKind, StageName};
use crate::state::{State, StateError};

/// Name of the state object.
pub const STATE_NAME: &str = "models";

const POLL: Duration = Duration::from_secs(2);
// Somebody else changed it meanwhile: so often in a row means that something changes it all the
// time.
const ATTEMPTS: usize = 20;
// As manifests allow; names of queues and tables are made of it.
const MAX_ID_BYTES: usize = 64;

/// A text that cannot be the id of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no id of a model: 1 to {MAX_ID_BYTES} lower-case letters, digits and dashes are expected"
)]
pub struct ModelIdError(String);

/// Checks that a text can be the id of a model.
///
/// # Errors
/// It is empty, too long, or holds other characters than lower-case letters, digits and dashes.
pub fn check_id(id: &str) -> Result<(), ModelIdError> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let valid = (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(plain);
    if valid { Ok(()) } else { Err(ModelIdError(id.chars().take(MAX_ID_BYTES).collect())) }
}

/// What operators have decided about the models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Models {
    /// The model that answers searches; `None`: nobody has chosen yet, and settings say which.
    pub active: Option<String>,
    /// The one that did before.
    pub previous: Option<String>,
    /// Models that nothing is published for any more, by id.
    pub removed: BTreeMap<String, Removal>,
    /// The same of captioners, whose ids may be those of models.
    pub removed_captioners: BTreeMap<String, Removal>,
}

/// A model on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When that was decided.
    pub at: Timestamp,
    /// When its table goes; until then the decision can be taken back without any loss.
    pub drop_at: Timestamp,
    /// When its table was dropped; `None` while it is there.
    #[serde(default)]
    pub dropped_at: Option<Timestamp>,
}

impl Models {
    /// Whether nothing is done for this model.
    pub fn is_removed(&self, id: &str) -> bool {
        self.removed.contains_key(id)
    }

    /// Removals of models or of captioners, by id.
    pub fn removals(&self, kind: StageKind) -> &BTreeMap<String, Removal> {
        match kind {
            StageKind::Embed => &self.removed,
            StageKind::Caption => &self.removed_captioners,
        }
    }

    /// The same, to be changed.
    pub fn removals_mut(&mut self, kind: StageKind) -> &mut BTreeMap<String, Removal> {
        match kind {
            StageKind::Embed => &mut self.removed,
            StageKind::Caption => &mut self.removed_captioners,
        }
    }

    /// All removals, by stage.
    pub fn all_removals(&self) -> impl Iterator<Item = (StageName, &Removal)> {
        let models = self.removed.iter().map(|(id, removal)| (StageName::embed(id), removal));
        models.chain(
            self.removed_captioners.iter().map(|(id, removal)| (StageName::caption(id), removal)),
        )
    }

    /// Makes a model the active one.
    pub fn activate(&mut self, id: &str, active_until_now: &str) {
        if active_until_now != id {
            self.previous = Some(active_until_now.to_owned());
        }
        self.active = Some(id.to_owned());
    }
}

/// The decisions could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// They could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Others change them all the time.
    #[error(
        "the state object '{0}' is changed by others again and again, nothing was changed: try again"
    )]
    Contended(String),
}

/// What is decided now.
///
/// # Errors
/// The store did not answer or refused, or the object has another shape.
pub async fn read(state: &State) -> Result<Models, StateError> {
    Ok(state.get(STATE_NAME).await?.map(|(models, _)| models).unwrap_or_default())
}

/// Changes the decisions; `edit` may be called again if somebody else changed them meanwhile, and
/// what it refuses is given back with nothing changed.
///
/// # Errors
/// The state object cannot be read or written.
pub async fn change<T, E>(
    state: &State,
    edit: impl Fn(&mut Models) -> Result<T, E>,
) -> Result<Result<T, E>, ModelsError> {
    for _ in 0..ATTEMPTS {
        let (mut models, only) = match state.get::<Models>(STATE_NAME).await? {
            Some((models, etag)) => (models, Only::IfStill(etag)),
            None => (Models::default(), Only::IfAbsent),
        };
        let before = models.clone();
        let done = edit(&mut models);
        if done.is_err()
            || models == before
            || state.put(STATE_NAME, &models, only).await?.is_some()
        {
            return Ok(done);
        }
    }
    Err(ModelsError::Contended(state.key(STATE_NAME)))
}

/// Reads the decisions every two seconds for as long as a receiver lives; `None` until they could
/// be read once. While they cannot be read, what was last known holds.
pub fn follow(state: State) -> watch::Receiver<Option<Models>> {
    let (known, followed) = watch::channel(None);
    tokio::spawn(async move {
        let mut last_problem = None;
        loop {
            let problem = match read(&state).await {
                Ok(models) => {
                    known.send_if_modified(|known| {
                        let news = known.as_ref() != Some(&models);
                        *known = Some(models);
                        news
                    });
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(problem) = problem.as_ref().filter(|_| problem != last_problem) {
                tracing::warn!(
                    problem,
                    "cannot tell which model is to be active, what was last known holds"
                );
            }
            last_problem = problem;
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = known.closed() => return,
            }
        }
    });
    followed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_fits_queues_and_tables() {
        for good in ["a", "demo-clip", "siglip2-base-patch16-224"] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a.b", "a_b", "../x", "a/b", "a b", "é", &"a".repeat(65)] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_model_before_is_kept_for_the_way_back() {
        let mut models = Models::default();
        models.activate("b", "a");
        assert_eq!((models.active.as_deref(), models.previous.as_deref()), (Some("b"), Some("a")));
        models.activate("b", "b");
        assert_eq!(
            models.previous.as_deref(),
            Some("a"),
            "activating what is active changes nothing"
        );
        models.activate("a", "b");
        assert_eq!((models.active.as_deref(), models.previous.as_deref()), (Some("a"), Some("b")));
    }
}
