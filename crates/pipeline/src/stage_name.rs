//! The name of a stage, which also names its queues.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::excerpt;
use crate::model_id::check_id;
use crate::stage_kind::StageKind;

/// Names a stage: a kind of work, and the model or captioner that does it. Lower-case letters,
/// digits and dashes, because it names queues.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StageName {
    kind: StageKind,
    text: String,
}

/// No stage can have this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no stage: stages are named {names}", names = StageKind::name_patterns())]
pub struct StageNameError(String);

impl StageName {
    /// The stage in which one model turns pixels into vectors. `model` is an id that passes
    /// [`check_id`].
    pub fn embed(model: &str) -> Self {
        Self::new(StageKind::Embed, model)
    }

    /// The stage in which one captioner turns pixels into sentences. `captioner` is an id that
    /// passes [`check_id`].
    pub fn caption(captioner: &str) -> Self {
        Self::new(StageKind::Caption, captioner)
    }

    /// The stage in which model or captioner `id` does this kind of work.
    pub fn new(kind: StageKind, id: &str) -> Self {
        Self { kind, text: format!("{}{id}", kind.prefix()) }
    }

    /// The kind of work.
    pub fn kind(&self) -> StageKind {
        self.kind
    }

    /// Id of the model or captioner whose stage it is.
    pub fn id(&self) -> &str {
        self.text.strip_prefix(self.kind.prefix()).unwrap_or_default()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for StageName {
    type Err = StageNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |kind: StageKind| {
            let id = text.strip_prefix(kind.prefix()).filter(|id| check_id(id).is_ok())?;
            Some(Self::new(kind, id))
        };
        StageKind::ALL
            .into_iter()
            .find_map(named)
            .ok_or_else(|| StageNameError(excerpt::chars(text, 100)))
    }
}

impl TryFrom<String> for StageName {
    type Error = StageNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StageName> for String {
    fn from(stage: StageName) -> Self {
        stage.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_stage_names_its_kind_and_model() {
        for (text, kind, id, made) in [
            ("embed-demo-clip", StageKind::Embed, "demo-clip", StageName::embed("demo-clip")),
            ("caption-blip-base", StageKind::Caption, "blip-base", StageName::caption("blip-base")),
            ("embed-caption-a", StageKind::Embed, "caption-a", StageName::embed("caption-a")),
        ] {
            let stage: StageName = text.parse().unwrap();
            assert_eq!((stage.kind(), stage.id(), &stage), (kind, id, &made));
        }
        for bad in [
            "embed",
            "embed-",
            "caption",
            "caption-",
            "captions-x",
            "embed-A",
            "embed-a.b",
            "caption-a_b",
        ] {
            assert!(bad.parse::<StageName>().is_err(), "{bad}");
        }
    }
}
