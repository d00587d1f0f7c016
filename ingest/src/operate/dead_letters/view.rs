//! What operators see of dead letters.

use pipeline::bucket::Bucket;
use pipeline::connection::{AmqpSettings, BrokerError};
use pipeline::dead::{self, DeadLetter, Group, Presence, Selection, Survey};
use pipeline::stage_name::StageName;
use serde::Serialize;
use utoipa::ToSchema;

use crate::operate::schemas::{DeadLetterSchema, LetterGroupSchema, PresenceSchema, SurveySchema};

/// The selected dead letters, and how many there are.
#[derive(Debug)]
pub(crate) struct GatheredLetters {
    /// Within the selection's limit, oldest first.
    pub(crate) selected: Vec<DeadLetter>,
    /// How many are selected without the limit.
    pub(crate) matching: usize,
    /// How many dead letters there are.
    pub(crate) total: usize,
    /// How many of them were beyond what can be seen at once.
    pub(crate) unseen: usize,
}

/// Dead letters, grouped by stage, class and reason.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterGroups {
    /// Largest group first.
    #[schema(value_type = Vec<LetterGroupSchema>)]
    pub(crate) groups: Vec<Group>,
    /// How many dead letters there are.
    pub(crate) total: usize,
    /// How many of them were beyond what can be seen at once.
    pub(crate) unseen: usize,
}

/// The selected dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterList {
    /// Oldest first.
    #[schema(value_type = Vec<DeadLetterSchema>)]
    pub(crate) letters: Vec<DeadLetter>,
    /// How many are selected without the limit.
    pub(crate) matching: usize,
    /// How many dead letters there are.
    pub(crate) total: usize,
    /// How many of them were beyond what can be seen at once.
    pub(crate) unseen: usize,
}

/// A dead letter, and its object as the bucket has it now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterNow {
    #[serde(flatten)]
    #[schema(value_type = DeadLetterSchema)]
    pub(crate) letter: DeadLetter,
    #[schema(value_type = PresenceSchema)]
    pub(crate) now: Presence,
}

/// What a replay or drop would move.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoveTrial {
    /// Always true: nothing was moved.
    pub(crate) dry_run: bool,
    /// How many dead letters there are.
    pub(crate) total: usize,
    /// How many would be moved.
    pub(crate) selected: usize,
    /// How many of their objects are in which state.
    #[schema(value_type = SurveySchema)]
    pub(crate) objects: Survey,
    /// How many dead letters were beyond what can be seen at once.
    pub(crate) unseen: usize,
}

impl GatheredLetters {
    /// Looks into the dead queues of the selected stages; changes nothing.
    pub(super) async fn look(
        settings: &AmqpSettings,
        stages: &[StageName],
        selection: &Selection,
    ) -> Result<Self, BrokerError> {
        let mut gathered = Self { selected: Vec::new(), matching: 0, total: 0, unseen: 0 };
        for stage in stages {
            if selection.stage.as_ref().is_none_or(|one| one == stage) {
                let look = dead::peek(settings, stage).await?;
                gathered.total += look.letters.len() + look.unseen;
                gathered.unseen += look.unseen;
                gathered
                    .selected
                    .extend(look.letters.into_iter().filter(|letter| selection.matches(letter)));
            }
        }
        gathered.matching = gathered.selected.len();
        gathered.selected.truncate(selection.limit.unwrap_or(usize::MAX));
        Ok(gathered)
    }

    pub(crate) fn groups(self) -> LetterGroups {
        LetterGroups {
            groups: dead::groups(&self.selected),
            total: self.total,
            unseen: self.unseen,
        }
    }

    pub(crate) fn letters(self) -> LetterList {
        LetterList {
            letters: self.selected,
            matching: self.matching,
            total: self.total,
            unseen: self.unseen,
        }
    }

    pub(super) async fn with_presence(self, bucket: &Bucket) -> anyhow::Result<Vec<LetterNow>> {
        let mut found = Vec::new();
        for letter in self.selected {
            found.push(LetterNow { now: dead::presence(bucket, &letter).await?, letter });
        }
        Ok(found)
    }

    pub(super) async fn trial(&self, bucket: &Bucket) -> anyhow::Result<MoveTrial> {
        let selected: Vec<&DeadLetter> = self.selected.iter().collect();
        let objects = dead::survey(bucket, &selected).await?;
        Ok(MoveTrial {
            dry_run: true,
            total: self.total,
            selected: selected.len(),
            objects,
            unseen: self.unseen,
        })
    }
}
