//! Options of a search: how its hits are collapsed, cut off and sorted; which model it requires.

use serde::Deserialize;
use table::schema::Space;
use utoipa::ToSchema;

use crate::problem::Problem;

/// Most bytes of the name of a model or space.
pub(super) const MAX_NAME_BYTES: usize = 256;

/// Which hits are shown as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Collapse {
    /// Every object is a hit.
    #[default]
    None,
    /// Objects with the same bytes are one hit.
    Duplicates,
}

/// Where hits end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cutoff {
    /// After the last candidate.
    #[default]
    None,
    /// After the last relevant one.
    Auto,
}

/// In which order hits come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sort {
    /// The best first.
    #[default]
    Relevance,
    /// The latest picture first; pictures without a date last.
    TakenAt,
}

/// The model that the client requires; any other is refused.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct RequiredModel {
    pub(crate) model: Option<String>,
    pub(crate) space: Option<String>,
}

impl RequiredModel {
    /// Whether the client requires one.
    pub(crate) fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// Checks that the model that answers is the required one.
    ///
    /// # Errors
    /// Another model or space is required.
    pub(crate) fn check(&self, answering: &Space) -> Result<(), Problem> {
        for (field, required, ours) in
            [("model", &self.model, &answering.model), ("space", &self.space, &answering.space)]
        {
            if required.as_ref().is_some_and(|required| required != ours) {
                return Err(Problem::field(field, format!("is another one's: '{ours}' answers")));
            }
        }
        Ok(())
    }
}
