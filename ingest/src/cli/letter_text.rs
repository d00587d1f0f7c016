//! Dead letters as text and as JSON on stdout, progress on stderr.

use std::io::{self, BufWriter, ErrorKind, Write};

use jiff::Timestamp;
use pipeline::dead::{MOST, Presence, Walked};
use pipeline::stage_name::StageName;
use serde::Serialize;

use super::key_of;
use super::view::{Found, Groups, Letters, Trial};
use crate::columns::{self, plain};

// A reason in full is what `show` is for.
const CELL: usize = 60;
const ID: usize = 12;

/// Writes to stdout; a reader that has gone away (`| head`) is no failure.
pub(super) fn to_stdout(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A line on stderr.
pub(super) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

pub(super) fn beyond(unseen: usize) -> String {
    match unseen {
        0 => String::new(),
        _ => format!("; {unseen} more were not seen (at most {MOST} are at once)"),
    }
}

pub(super) fn groups(out: &mut dyn Write, found: &Groups) -> io::Result<()> {
    let rows = found.groups.iter().map(|group| {
        let key = group.sample_key.as_deref().unwrap_or("-");
        let (first, last) = (time(group.first_failed), time(group.last_failed));
        let (count, replayed) = (group.count.to_string(), group.replayed.to_string());
        vec![
            group.id.clone(),
            count,
            replayed,
            group.stage.to_string(),
            group.class.clone(),
            first,
            last,
            cut(key),
            cut(&group.reason),
        ]
    });
    write!(
        out,
        "{}",
        columns::table(
            &[
                "GROUP",
                "COUNT",
                "REPLAYED",
                "STAGE",
                "CLASS",
                "FIRST",
                "LAST",
                "FOR EXAMPLE",
                "REASON"
            ],
            rows
        )
    )?;
    writeln!(out, "{} dead letters{}", found.total, beyond(found.unseen))
}

pub(super) fn letters(out: &mut dyn Write, found: &Letters) -> io::Result<()> {
    let rows = found.letters.iter().map(|letter| {
        let id = letter.message_id.chars().take(ID).collect();
        let (attempts, replays) = (letter.attempts.to_string(), letter.replays.to_string());
        let (key, reason) = (cut(key_of(letter)), cut(&letter.reason));
        vec![
            id,
            time(letter.last_failed),
            letter.stage.to_string(),
            letter.class.clone(),
            attempts,
            replays,
            key,
            reason,
        ]
    });
    write!(
        out,
        "{}",
        columns::table(
            &["ID", "LAST", "STAGE", "CLASS", "ATTEMPTS", "REPLAYS", "KEY", "REASON"],
            rows
        )
    )?;
    let (shown, matching, total) = (found.letters.len(), found.matching, found.total);
    writeln!(
        out,
        "{shown} shown of {matching} selected, {total} dead letters in all{}",
        beyond(found.unseen)
    )
}

pub(super) fn one_by_one(out: &mut dyn Write, found: &[Found]) -> io::Result<()> {
    for (place, Found { letter, now }) in found.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        let now = match now {
            Presence::Present => "still in the bucket".to_owned(),
            Presence::Overwritten { etag } => format!("overwritten: its ETag is {etag} now"),
            Presence::Gone => "gone from the bucket".to_owned(),
            Presence::OtherBucket => "in a bucket that these settings do not name".to_owned(),
            Presence::Unknown => "unknown: the body is no job".to_owned(),
        };
        let object = letter.object.as_ref();
        for (name, value) in [
            ("id", letter.message_id.clone()),
            ("stage", letter.stage.to_string()),
            ("object", object.map_or_else(|| "-".to_owned(), ToString::to_string)),
            ("etag", object.map_or_else(|| "-".to_owned(), |object| object.etag.clone())),
            ("now", now),
            ("class", letter.class.clone()),
            ("reason", letter.reason.clone()),
            ("attempts", letter.attempts.to_string()),
            ("replays", letter.replays.to_string()),
            ("replay id", or_dash(&letter.replay_id)),
            ("first failed", time(letter.first_failed)),
            ("last failed", time(letter.last_failed)),
            ("worker", or_dash(&letter.worker)),
            ("model", or_dash(&letter.model)),
            ("origin", or_dash(&letter.origin)),
            ("body", String::from_utf8_lossy(&letter.body).into_owned()),
        ] {
            writeln!(out, "{name:<13} {}", plain(&value))?;
        }
        for (line, failure) in letter.history.iter().enumerate() {
            writeln!(out, "{:<13} {}", if line == 0 { "history" } else { "" }, plain(failure))?;
        }
    }
    Ok(())
}

pub(super) fn trial(out: &mut dyn Write, trial: &Trial, replays: bool) -> io::Result<()> {
    let objects = &trial.objects;
    writeln!(
        out,
        "{} of {} dead letters would be {}{}",
        trial.selected,
        trial.total,
        if replays { "replayed" } else { "dropped" },
        beyond(trial.unseen)
    )?;
    writeln!(
        out,
        "their objects: {} still there, {} overwritten, {} gone, {} unknown",
        objects.present, objects.overwritten, objects.gone, objects.unknown
    )
}

pub(super) fn walked(
    out: &mut dyn Write,
    stage: &StageName,
    walked: &Walked,
    replays: bool,
) -> io::Result<()> {
    let done = if replays { format!("replayed as {}", walked.id) } else { "dropped".to_owned() };
    let progress = &walked.progress;
    writeln!(
        out,
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

fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".to_owned())
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL {
        text.to_owned()
    } else {
        text.chars().take(CELL - 1).chain(['…']).collect()
    }
}
