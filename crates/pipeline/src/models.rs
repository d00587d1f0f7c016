//! The state object `models`: which model answers searches, which one did before, and which are
//! being removed. Operators change it; searchers, workers and the active ingest follow it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use crate::model_id::{ModelIdError, check_id};
use crate::stage_kind::StageKind;
use crate::stage_name::StageName;
use crate::state::{StateError, StateStore, publish_if_new};

/// Name of the state object.
pub const STATE_NAME: &str = "models";

/// What operators have decided about the models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredModels", into = "StoredModels")]
pub struct Models {
    /// The model that answers searches; `None`: no operator has chosen, so the settings decide.
    pub active: Option<String>,
    /// The model that answered before it.
    pub previous: Option<String>,
    /// Stages that are being removed: no jobs are published for them.
    pub removed: BTreeMap<StageName, Removal>,
}

/// The shape of the state object: one field of removals per kind of stage, by id.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredModels {
    active: Option<String>,
    previous: Option<String>,
    #[serde(flatten)]
    fields: BTreeMap<String, serde_json::Value>,
}

/// The removal of a model or captioner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When it was decided.
    pub at: Timestamp,
    /// When its table is dropped; until then the decision can be taken back without loss.
    pub drop_at: Timestamp,
    /// When its table was dropped; `None` while it still exists.
    #[serde(default)]
    pub dropped_at: Option<Timestamp>,
}

impl From<StoredModels> for Models {
    fn from(mut stored: StoredModels) -> Self {
        let mut removed = BTreeMap::new();
        for kind in StageKind::ALL {
            let field = stored.fields.remove(kind.removals_field()).unwrap_or_default();
            // A field that a newer release wrote differently counts as empty.
            let by_id: BTreeMap<String, Removal> =
                serde_json::from_value(field).unwrap_or_default();
            removed.extend(
                by_id.into_iter().map(|(id, removal)| (StageName::new(kind, &id), removal)),
            );
        }
        Self { active: stored.active, previous: stored.previous, removed }
    }
}

impl From<Models> for StoredModels {
    fn from(models: Models) -> Self {
        let mut fields = BTreeMap::new();
        for kind in StageKind::ALL {
            let of_kind = models.removed.iter().filter(|(stage, _)| stage.kind() == kind);
            let by_id: BTreeMap<_, _> =
                of_kind.map(|(stage, removal)| (stage.id().to_owned(), removal)).collect();
            let field = serde_json::to_value(by_id).unwrap_or_default();
            fields.insert(kind.removals_field().to_owned(), field);
        }
        Self { active: models.active, previous: models.previous, fields }
    }
}

impl Models {
    /// Whether this stage is being removed.
    pub fn is_removed(&self, stage: &StageName) -> bool {
        self.removed.contains_key(stage)
    }

    /// Makes a model the active one. `active_until_now` becomes the previous one.
    pub fn activate(&mut self, id: &str, active_until_now: &str) {
        if active_until_now != id {
            self.previous = Some(active_until_now.to_owned());
        }
        self.active = Some(id.to_owned());
    }
}

/// The present decisions.
///
/// # Errors
/// The store did not answer or refused, or the object has another shape.
pub async fn read(state: &StateStore) -> Result<Models, StateError> {
    Ok(state.get(STATE_NAME).await?.map(|(models, _)| models).unwrap_or_default())
}

/// Changes the decisions. `edit` is called again if another process changed them meanwhile; if it
/// returns an error, nothing is changed and the error is the result.
///
/// # Errors
/// The state object cannot be read or written.
pub async fn change<T, E>(
    state: &StateStore,
    edit: impl Fn(&mut Models) -> Result<T, E>,
) -> Result<Result<T, E>, StateError> {
    state.change(STATE_NAME, edit).await
}

/// Follows the decisions for as long as a receiver lives. The value is `None` until they could be
/// read once; while they cannot be read, the last known ones hold.
pub fn follow(state: StateStore) -> watch::Receiver<Option<Models>> {
    let (known, followed) = watch::channel(None);
    tokio::spawn(async move {
        let publish = |read: Result<Option<Models>, StateError>| {
            if let Ok(models) = read {
                publish_if_new(&known, Some(models.unwrap_or_default()));
            }
        };
        tokio::select! {
            () = state.follow(STATE_NAME, publish) => {}
            () = known.closed() => {}
        }
    });
    followed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_before_is_kept_for_the_way_back() {
        let mut models = Models::default();
        models.activate("b", "a");
        assert_eq!((models.active.as_deref(), models.previous.as_deref()), (Some("b"), Some("a")));
        models.activate("b", "b");
        assert_eq!(
            models.previous.as_deref(),
            Some("a"),
            "activating the active model changes nothing"
        );
        models.activate("a", "b");
        assert_eq!((models.active.as_deref(), models.previous.as_deref()), (Some("a"), Some("b")));
    }

    #[test]
    fn the_state_object_keeps_removals_by_kind_and_id() {
        let at = "2026-03-01T12:00:00Z";
        let removal = serde_json::json!({ "at": at, "drop_at": at, "dropped_at": null });
        let stored = serde_json::json!({
            "active": "a",
            "previous": null,
            "removed": { "b": removal },
            "removed_captioners": { "b": removal, "c": removal },
        });
        let models: Models = serde_json::from_value(stored.clone()).unwrap();
        let removed: Vec<_> = models.removed.keys().map(StageName::as_str).collect();
        assert_eq!(removed, ["embed-b", "caption-b", "caption-c"]);
        assert_eq!(serde_json::to_value(&models).unwrap(), stored);
        let older: Models = serde_json::from_str("{}").unwrap();
        assert_eq!(older, Models::default());
    }
}
