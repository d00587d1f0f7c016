//! What the command and the HTTP interface say about dead letters, in one form.

use pipeline::bucket::Bucket;
use pipeline::connection::{AmqpSettings, BrokerError};
use pipeline::dead::{self, DeadLetter, Group, Presence, Selection, Survey};
use pipeline::stage_name::StageName;
use serde::Serialize;

/// Letters that were looked at, and the selected ones among them.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// Within the selection's limit, oldest first.
    pub(crate) selected: Vec<DeadLetter>,
    /// How many are selected if nobody limits them.
    pub(crate) matching: usize,
    /// How many lie there.
    pub(crate) total: usize,
    /// How many of them could not be seen.
    pub(crate) unseen: usize,
}

/// Answer to "what failed alike".
#[derive(Debug, Serialize)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Group>,
    pub(crate) total: usize,
    pub(crate) unseen: usize,
}

/// Answer to "what failed".
#[derive(Debug, Serialize)]
pub(crate) struct Letters {
    pub(crate) letters: Vec<DeadLetter>,
    pub(crate) matching: usize,
    pub(crate) total: usize,
    pub(crate) unseen: usize,
}

/// A letter and what has become of its object.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    #[serde(flatten)]
    pub(crate) letter: DeadLetter,
    pub(crate) now: Presence,
}

/// What a replay or drop would be about.
#[derive(Debug, Serialize)]
pub(crate) struct Trial {
    pub(crate) dry_run: bool,
    pub(crate) total: usize,
    pub(crate) selected: usize,
    pub(crate) objects: Survey,
    pub(crate) unseen: usize,
}

impl Gathered {
    /// Looks into the dead queues of those of these stages that are selected; changes nothing.
    pub(crate) async fn look(
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

    pub(crate) fn groups(self) -> Groups {
        Groups { groups: dead::groups(&self.selected), total: self.total, unseen: self.unseen }
    }

    pub(crate) fn letters(self) -> Letters {
        Letters {
            letters: self.selected,
            matching: self.matching,
            total: self.total,
            unseen: self.unseen,
        }
    }

    pub(crate) async fn with_presence(self, bucket: &Bucket) -> anyhow::Result<Vec<Found>> {
        let mut found = Vec::new();
        for letter in self.selected {
            found.push(Found { now: dead::presence(bucket, &letter).await?, letter });
        }
        Ok(found)
    }

    pub(crate) async fn trial(&self, bucket: &Bucket) -> anyhow::Result<Trial> {
        let selected: Vec<&DeadLetter> = self.selected.iter().collect();
        let objects = dead::survey(bucket, &selected).await?;
        Ok(Trial {
            dry_run: true,
            total: self.total,
            selected: selected.len(),
            objects,
            unseen: self.unseen,
        })
    }
}
