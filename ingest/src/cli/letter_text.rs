//! Dead letters as text.

use jiff::Timestamp;
use pipeline::dead::{DeadLetter, Group, MOST, Presence, Walked};
use pipeline::stage_name::StageName;

use super::print;
use crate::operate::dead_letters::{LetterAction, LetterGroups, LetterList, LetterNow, MoveTrial};

// `show` prints a reason in full.
const CELL: usize = 60;
const ID: usize = 12;

/// A note about letters that were not seen.
pub(super) fn beyond(unseen: usize) -> String {
    match unseen {
        0 => String::new(),
        _ => format!("; {unseen} more were not seen (at most {MOST} are at once)"),
    }
}

pub(super) fn groups(found: &LetterGroups) -> String {
    let headings =
        ["GROUP", "COUNT", "REPLAYED", "STAGE", "CLASS", "FIRST", "LAST", "FOR EXAMPLE", "REASON"];
    let cells = |group: &Group| {
        vec![
            group.id.clone(),
            group.count.to_string(),
            group.replayed.to_string(),
            group.stage.to_string(),
            group.class.clone(),
            time(group.first_failed),
            time(group.last_failed),
            cut(group.sample_key.as_deref().unwrap_or("-")),
            cut(&group.reason),
        ]
    };
    let table = print::table(&headings, found.groups.iter().map(cells));
    format!("{table}{} dead letters{}", found.total, beyond(found.unseen))
}

pub(super) fn list(found: &LetterList) -> String {
    let headings = ["ID", "LAST", "STAGE", "CLASS", "ATTEMPTS", "REPLAYS", "KEY", "REASON"];
    let cells = |letter: &DeadLetter| {
        vec![
            letter.message_id.chars().take(ID).collect(),
            time(letter.last_failed),
            letter.stage.to_string(),
            letter.class.clone(),
            letter.attempts.to_string(),
            letter.replays.to_string(),
            cut(letter.object.as_ref().map_or("-", |object| &object.key)),
            cut(&letter.reason),
        ]
    };
    let table = print::table(&headings, found.letters.iter().map(cells));
    let (shown, matching, total) = (found.letters.len(), found.matching, found.total);
    let beyond = beyond(found.unseen);
    format!("{table}{shown} shown of {matching} selected, {total} dead letters in all{beyond}")
}

pub(super) fn one_by_one(found: &[LetterNow]) -> String {
    found.iter().map(in_full).collect::<Vec<_>>().join("\n")
}

fn in_full(LetterNow { letter, now }: &LetterNow) -> String {
    let object = letter.object.as_ref();
    let facts = [
        ("id", letter.message_id.clone()),
        ("stage", letter.stage.to_string()),
        ("object", object.map_or_else(|| "-".to_owned(), ToString::to_string)),
        ("etag", object.map_or_else(|| "-".to_owned(), |object| object.etag.clone())),
        ("now", presence(now)),
        ("class", letter.class.clone()),
        ("reason", letter.reason.clone()),
        ("attempts", letter.attempts.to_string()),
        ("replays", letter.replays.to_string()),
        ("replay id", or_dash(letter.replay_id.as_ref())),
        ("first failed", time(letter.first_failed)),
        ("last failed", time(letter.last_failed)),
        ("worker", or_dash(letter.worker.as_ref())),
        ("model", or_dash(letter.model.as_ref())),
        ("origin", or_dash(letter.origin.as_ref())),
        ("body", String::from_utf8_lossy(&letter.body).into_owned()),
    ];
    let history = letter.history.iter().enumerate().map(|(line, failure)| {
        let name = if line == 0 { "history" } else { "" };
        (name, failure.clone())
    });
    print::pairs(facts.into_iter().chain(history))
}

fn presence(presence: &Presence) -> String {
    match presence {
        Presence::Present => "still in the bucket".to_owned(),
        Presence::Overwritten { etag } => format!("overwritten: its ETag is {etag} now"),
        Presence::Gone => "gone from the bucket".to_owned(),
        Presence::OtherBucket => "in a bucket that these settings do not name".to_owned(),
        Presence::Unknown => "unknown: the body is no job".to_owned(),
    }
}

pub(super) fn trial(trial: &MoveTrial, how: LetterAction) -> String {
    let moved = match how {
        LetterAction::Replay => "replayed",
        LetterAction::Drop => "dropped",
    };
    let MoveTrial { total, selected, objects, unseen, .. } = trial;
    format!(
        "{selected} of {total} dead letters would be {moved}{}\ntheir objects: {} still there, {} \
         overwritten, {} gone, {} unknown",
        beyond(*unseen),
        objects.present,
        objects.overwritten,
        objects.gone,
        objects.unknown
    )
}

pub(super) fn walked(stage: &StageName, walked: &Walked, how: LetterAction) -> String {
    let done = match how {
        LetterAction::Replay => format!("replayed as {}", walked.id),
        LetterAction::Drop => "dropped".to_owned(),
    };
    let progress = &walked.progress;
    format!(
        "{stage}: {} of {} dead letters {done}, {} not selected, {} left{}",
        progress.moved,
        progress.total,
        progress.skipped,
        progress.left,
        beyond(walked.unseen)
    )
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL {
        text.to_owned()
    } else {
        text.chars().take(CELL - 1).chain(['…']).collect()
    }
}
