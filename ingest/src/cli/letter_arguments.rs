//! Arguments that say which dead letters are meant.

use std::str::FromStr;

use clap::{ArgGroup, Args};
use globset::GlobMatcher;
use jiff::Timestamp;
use pipeline::dead::{self, Selection};
use pipeline::stage_name::StageName;

use crate::operate::dead_letters::parse_rate;

/// Which letters; all given conditions must hold.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct LetterArguments {
    /// Of this stage.
    #[arg(long, value_parser = StageName::from_str)]
    stage: Option<StageName>,
    /// With this class, e.g. corrupt_picture.
    #[arg(long)]
    class: Option<String>,
    /// Of objects whose key matches this glob; `*` stays within one path level, `**` does not.
    #[arg(long, value_parser = dead::key_glob)]
    key: Option<GlobMatcher>,
    /// Failed last at or after this time (2026-07-01, 2026-07-01T12:00:00Z), or not longer ago than
    /// this (90m, 2h, 3d).
    #[arg(long, value_parser = |text: &str| dead::since(text, Timestamp::now()))]
    since: Option<Timestamp>,
    /// Of the group with this id.
    #[arg(long)]
    group: Option<String>,
    /// With this message id, or one that begins with these eight digits or more; may be given
    /// again.
    #[arg(long = "id")]
    ids: Vec<String>,
    /// At most so many, oldest first.
    #[arg(long)]
    pub(super) limit: Option<usize>,
}

/// What is moved, and how.
#[derive(Debug, Clone, Args)]
#[command(group(
    ArgGroup::new("meant")
        .required(true)
        .multiple(true)
        .args(["stage", "class", "key", "since", "group", "ids", "all"])
))]
pub(super) struct MoveArguments {
    #[command(flatten)]
    pub(super) which: LetterArguments,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// Letters per second; without it as fast as the broker takes them.
    #[arg(long, value_parser = parse_rate)]
    pub(super) rate: Option<f64>,
    /// Change nothing; say how many letters are meant, and how many of their objects are gone or
    /// overwritten.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl LetterArguments {
    pub(super) fn selection(self) -> Selection {
        let Self { stage, class, key, since, group, ids, limit } = self;
        Selection { stage, class, key, since, group, ids, limit }
    }
}
