//! The kinds of work that workers do on a picture. A further kind is a further row here; the
//! compiler then names every other place that must know it.

use serde::Serialize;

/// A kind of work. Its prefix is the first part of a stage's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StageKind {
    /// Pixels to vectors: `embed-<model id>`.
    Embed,
    /// Pixels to sentences: `caption-<captioner id>`.
    Caption,
}

/// What sets one kind apart from the others.
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
    pub const ALL: [Self; 2] = [Self::Embed, Self::Caption];

    fn row(self) -> &'static KindTraits {
        match self {
            Self::Embed => &EMBED,
            Self::Caption => &CAPTION,
        }
    }

    /// First part of a stage's name, dash included.
    pub(crate) fn prefix(self) -> &'static str {
        self.row().prefix
    }

    /// What its stages do, as a verb: `embeds`.
    pub fn does(self) -> &'static str {
        self.row().does
    }

    /// What the id of a stage names: `model`.
    pub fn noun(self) -> &'static str {
        self.row().noun
    }

    /// The program whose processes work for its stages.
    pub fn worker(self) -> &'static str {
        self.row().worker
    }

    /// The setting of ingest that lists its ids.
    pub fn ingest_setting(self) -> &'static str {
        self.row().ingest_setting
    }

    /// How to start a worker of this kind: `embedder whose models.serve names 'demo-clip'`.
    pub fn worker_of(self, id: &str) -> String {
        let KindTraits { worker, worker_setting, .. } = self.row();
        format!("{worker} whose {worker_setting} names '{id}'")
    }

    /// Field of the state object `models` that holds the removals of this kind.
    pub(crate) fn removals_field(self) -> &'static str {
        self.row().removals_field
    }

    /// Whether the table of one of its stages, the active one, answers searches. The other stages
    /// follow in the background.
    pub fn answers_searches(self) -> bool {
        self.row().answers_searches
    }

    /// Whether its workers write the row of the table `images` too.
    pub fn writes_images(self) -> bool {
        self.row().writes_images
    }

    /// Whether its rows depend on a prompt that may change, so that they can be outdated.
    pub fn can_be_outdated(self) -> bool {
        self.row().can_be_outdated
    }
}
