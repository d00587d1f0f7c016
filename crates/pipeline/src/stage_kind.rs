//! The kinds of work that workers do on a picture. A further kind is a further row here; the
//! compiler then names every other place that must know it.

use serde::Serialize;

/// A kind of work. Its prefix is the first part of a stage's name.
///
/// Nothing compares kinds with `==`: a difference between kinds is a trait in the kind's row, or an
/// exhaustive `match` that the compiler can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StageKind {
    /// Pixels to vectors: `embed-<model id>`.
    Embed,
    /// Pixels to sentences: `caption-<captioner id>`.
    Caption,
}

/// What sets one kind apart from the others; the methods of [`StageKind`] say what each trait
/// means.
struct KindTraits {
    prefix: &'static str,
    does: &'static str,
    noun: &'static str,
    worker: &'static str,
    worker_setting: &'static str,
    ingest_setting: &'static str,
    removals_field: &'static str,
    answers_searches: bool,
    writes_images: bool,
    can_be_outdated: bool,
}

const EMBED: KindTraits = KindTraits {
    prefix: "embed-",
    does: "embeds",
    noun: "model",
    worker: "embedder",
    worker_setting: "models.serve",
    ingest_setting: "stages.models",
    removals_field: "removed",
    answers_searches: true,
    writes_images: true,
    can_be_outdated: false,
};

const CAPTION: KindTraits = KindTraits {
    prefix: "caption-",
    does: "captions",
    noun: "captioner",
    worker: "captioner",
    worker_setting: "captions.id",
    ingest_setting: "stages.captioners",
    removals_field: "removed_captioners",
    answers_searches: false,
    writes_images: false,
    can_be_outdated: true,
};

impl StageKind {
    /// Every kind, in the order in which operators see them.
    pub const ALL: [Self; 2] = {
        // A new variant stops the build at this match, so that nobody forgets the list below it.
        let _: fn(Self) = |kind| match kind {
            Self::Embed | Self::Caption => {}
        };
        [Self::Embed, Self::Caption]
    };

    fn traits(self) -> &'static KindTraits {
        match self {
            Self::Embed => &EMBED,
            Self::Caption => &CAPTION,
        }
    }

    /// First part of a stage's name, dash included: `embed-`.
    pub(crate) fn prefix(self) -> &'static str {
        self.traits().prefix
    }

    /// What a stage of this kind does, as a verb: `embeds`.
    pub fn does(self) -> &'static str {
        self.traits().does
    }

    /// What the id in a stage's name identifies: `model`.
    pub fn noun(self) -> &'static str {
        self.traits().noun
    }

    /// The program that works for its stages: `embedder`.
    pub fn worker(self) -> &'static str {
        self.traits().worker
    }

    /// The setting of ingest that lists its ids: `stages.models`.
    pub fn ingest_setting(self) -> &'static str {
        self.traits().ingest_setting
    }

    /// How to start a worker of this kind: `embedder whose models.serve names 'demo-clip'`.
    pub fn worker_of(self, id: &str) -> String {
        let KindTraits { worker, worker_setting, .. } = self.traits();
        format!("{worker} whose {worker_setting} names '{id}'")
    }

    /// Field of the state object `models` that holds the removals of this kind: `removed`.
    pub(crate) fn removals_field(self) -> &'static str {
        self.traits().removals_field
    }

    /// Whether searches are answered from the table of one of its stages, the active one. The
    /// others are filled in the background.
    pub fn answers_searches(self) -> bool {
        self.traits().answers_searches
    }

    /// Whether its workers also write the row in the table `images`.
    pub fn writes_images(self) -> bool {
        self.traits().writes_images
    }

    /// Whether its rows depend on a prompt that may change, so that they can be outdated.
    pub fn can_be_outdated(self) -> bool {
        self.traits().can_be_outdated
    }

    /// How stages of all kinds are named: `embed-<model id> or caption-<captioner id>`.
    pub(crate) fn name_patterns() -> String {
        let pattern = |kind: Self| format!("{}<{} id>", kind.prefix(), kind.noun());
        Self::ALL.map(pattern).join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn kinds_differ_in_all_that_is_read_back() {
        let count = StageKind::ALL.len();
        let different = |of: fn(StageKind) -> &'static str| {
            StageKind::ALL.map(of).into_iter().collect::<BTreeSet<_>>().len()
        };
        assert_eq!(different(StageKind::prefix), count, "queues are told apart by the prefix");
        assert_eq!(different(StageKind::removals_field), count, "removals would be lost");
        assert_eq!(different(StageKind::ingest_setting), count, "one list would serve two kinds");
    }

    #[test]
    fn one_kind_answers_searches_and_one_writes_images() {
        let count =
            |of: fn(StageKind) -> bool| StageKind::ALL.into_iter().filter(|kind| of(*kind)).count();
        assert_eq!(count(StageKind::answers_searches), 1, "there is one active stage");
        assert_eq!(count(StageKind::writes_images), 1, "two writers would double the rows");
    }

    #[test]
    fn an_operator_reads_how_to_start_a_worker() {
        assert_eq!(
            StageKind::Embed.worker_of("demo-clip"),
            "embedder whose models.serve names 'demo-clip'"
        );
        assert_eq!(StageKind::name_patterns(), "embed-<model id> or caption-<captioner id>");
    }
}
