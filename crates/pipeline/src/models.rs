//! Which model answers searches, which one did before, and which are being removed: one small
//! object in the bucket, that operators change and that searchers, embedders and the active ingest
//! follow.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::stage_kind::StageKind;
use crate::stage_name::StageName;
use crate::state::{StateError, StateStore, publish_if_new};

/// Name of the state object.
pub const STATE_NAME: &str = "models";

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
#[serde(from = "StoredModels", into = "StoredModels")]
pub struct Models {
    /// The model that answers searches; `None`: nobody has chosen yet, and settings say which.
    pub active: Option<String>,
    /// The one that did before.
    pub previous: Option<String>,
    /// Stages that nothing is published for any more.
    pub removed: BTreeMap<StageName, Removal>,
}

/// The shape of the state object: removals stand below a field for each kind, by id.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredModels {
    active: Option<String>,
    previous: Option<String>,
    #[serde(flatten)]
    fields: BTreeMap<String, serde_json::Value>,
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

impl From<StoredModels> for Models {
    fn from(mut stored: StoredModels) -> Self {
        let mut removed = BTreeMap::new();
        for kind in StageKind::ALL {
            let field = stored.fields.remove(kind.removals_field()).unwrap_or_default();
            // A field that a newer release wrote differently is as good as none.
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
    /// Whether nothing is done for this stage.
    pub fn is_removed(&self, stage: &StageName) -> bool {
        self.removed.contains_key(stage)
    }

    /// Makes a model the active one.
    pub fn activate(&mut self, id: &str, active_until_now: &str) {
        if active_until_now != id {
            self.previous = Some(active_until_now.to_owned());
        }
        self.active = Some(id.to_owned());
    }
}

/// What is decided now.
///
/// # Errors
/// The store did not answer or refused, or the object has another shape.
pub async fn read(state: &StateStore) -> Result<Models, StateError> {
    Ok(state.get(STATE_NAME).await?.map(|(models, _)| models).unwrap_or_default())
}

/// Changes the decisions; `edit` may be called again if somebody else changed them meanwhile, and
/// what it refuses is given back with nothing changed.
///
/// # Errors
/// The state object cannot be read or written.
pub async fn change<T, E>(
    state: &StateStore,
    edit: impl Fn(&mut Models) -> Result<T, E>,
) -> Result<Result<T, E>, StateError> {
    state.change(STATE_NAME, edit).await
}

/// Follows the decisions for as long as a receiver lives; `None` until they could be read once. While
/// they cannot be read, the last known ones hold.
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
