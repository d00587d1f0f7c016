//! `ingest dead`: what failed, why, and putting it back to work. Speaks to broker and bucket
//! itself, so it works while no ingest runs.

mod print;
mod view;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::{ArgGroup, Args, Subcommand};
use globset::GlobMatcher;
use jiff::Timestamp;
use pipeline::bucket::Bucket;
use pipeline::dead::{self, DeadLetter, MAX_RATE, Pace, Selection, Walked};
use pipeline::publish::Publisher;
use pipeline::stage_name::StageName;
use service::health::Health;
use service::process;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::view::Found;
use crate::{Settings, control};
pub(crate) use view::Gathered;

// More lines help nobody who reads them.
const LISTED: usize = 100;
const TELL: Duration = Duration::from_secs(1);

/// Dead letters: jobs that cannot succeed, each with its reason.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Count what failed alike, largest group first.
    Groups {
        /// Which letters.
        #[command(flatten)]
        which: Which,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List letters, oldest first; 100 unless --limit says otherwise.
    List {
        /// Which letters.
        #[command(flatten)]
        which: Which,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show everything about a letter, and what has become of its object.
    Show {
        /// Its message id, or the first eight digits of it or more.
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put letters back to work. A letter that dies again says how often it has been replayed.
    Replay(Move),
    /// Take letters out for good.
    Drop(Move),
    /// Write letters as lines of JSON, message included.
    Export {
        /// Which letters.
        #[command(flatten)]
        which: Which,
        /// File to write; stdout without it.
        #[arg(long)]
        output: Option<PathBuf>,
    },
}

/// Which letters; all given conditions must hold.
#[derive(Debug, Clone, Default, Args)]
pub struct Which {
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
    limit: Option<usize>,
}

/// What is moved, and how.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("meant").required(true).multiple(true).args(["stage", "class", "key", "since", "group", "ids", "all"])))]
pub struct Move {
    #[command(flatten)]
    which: Which,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// Letters per second; without it as fast as the broker takes them.
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Change nothing; say how many letters are meant, and how many of their objects are gone or
    /// overwritten.
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Which {
    fn selection(self) -> Selection {
        let Self { stage, class, key, since, group, ids, limit } = self;
        Selection { stage, class, key, since, group, ids, limit }
    }
}

/// Reads a rate in letters per second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate| valid_rate(*rate)).ok_or_else(wrong_rate)
}

pub(crate) fn valid_rate(rate: f64) -> bool {
    (0.001..=MAX_RATE).contains(&rate)
}

pub(crate) fn wrong_rate() -> String {
    format!("must be a number of letters per second, from 0.001 to {MAX_RATE}")
}

/// Runs one command; the exit code is 0, 1 where something failed, or 2 for settings and arguments
/// that cannot be used.
pub fn main(file: Option<&Path>, command: Command) -> ExitCode {
    process::command(file, |settings: Settings, cancel| async move {
        // A walk stops by itself, between two letters; everything else can be dropped anywhere.
        let stop = cancel.clone();
        let walks = matches!(command, Command::Replay(_) | Command::Drop(_));
        tokio::select! {
            done = run(settings, command, cancel) => done,
            () = stop.cancelled(), if !walks => anyhow::bail!("interrupted"),
        }
    })
}

async fn run(
    settings: Settings,
    command: Command,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    match command {
        Command::Groups { which, json } => {
            let found = look(&settings, &which.selection()).await?.groups();
            print::to_stdout(|out| {
                if json { print::json(out, &found) } else { print::groups(out, &found) }
            })
        }
        Command::List { which, json } => {
            let which = Which { limit: Some(which.limit.unwrap_or(LISTED)), ..which };
            let found = look(&settings, &which.selection()).await?.letters();
            print::to_stdout(|out| {
                if json { print::json(out, &found) } else { print::letters(out, &found) }
            })
        }
        Command::Show { id, json } => {
            let found = show(&settings, id).await?;
            print::to_stdout(|out| {
                if json { print::json(out, &found) } else { print::one_by_one(out, &found) }
            })
        }
        Command::Replay(what) => shift(&settings, what, true, cancel).await,
        Command::Drop(what) => shift(&settings, what, false, cancel).await,
        Command::Export { which, output } => {
            export(&settings, &which.selection(), output.as_deref()).await
        }
    }
}

/// The selected letters; a stage that no setting names has none.
async fn look(settings: &Settings, selection: &Selection) -> anyhow::Result<Gathered> {
    control::meant(settings, selection.stage.as_ref().map(StageName::as_str))
        .map_err(anyhow::Error::msg)?;
    Ok(Gathered::look(&settings.amqp, &control::stages(settings), selection).await?)
}

async fn show(settings: &Settings, id: String) -> anyhow::Result<Vec<Found>> {
    let gathered =
        look(settings, &Selection { ids: vec![id.clone()], ..Selection::default() }).await?;
    anyhow::ensure!(
        !gathered.selected.is_empty(),
        "no dead letter has the id '{id}', or one that begins so"
    );
    let bucket = Bucket::connect(&settings.bucket).await;
    gathered.with_presence(&bucket).await
}

async fn export(
    settings: &Settings,
    selection: &Selection,
    output: Option<&Path>,
) -> anyhow::Result<()> {
    let gathered = look(settings, selection).await?;
    let lines = |out: &mut dyn Write| {
        for letter in &gathered.selected {
            serde_json::to_writer(&mut *out, letter)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    };
    match output {
        None => print::to_stdout(lines)?,
        Some(path) => {
            let written = File::create(path).and_then(|file| lines(&mut BufWriter::new(file)));
            written.with_context(|| format!("writing {}", path.display()))?;
        }
    }
    print::tell(&format!(
        "{} dead letters written{}",
        gathered.selected.len(),
        print::beyond(gathered.unseen)
    ));
    Ok(())
}

async fn shift(
    settings: &Settings,
    what: Move,
    replays: bool,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let selection = what.which.selection();
    if what.dry_run {
        let gathered = look(settings, &selection).await?;
        let trial = gathered.trial(&Bucket::connect(&settings.bucket).await).await?;
        return print::to_stdout(|out| {
            if what.json { print::json(out, &trial) } else { print::trial(out, &trial, replays) }
        });
    }
    let named = selection.stage.as_ref().map(StageName::as_str);
    for stage in control::meant(settings, named).map_err(anyhow::Error::msg)? {
        let pace = Pace { rate: what.rate, ..Pace::full(cancel.clone()) };
        let walking = walk(settings, &stage, &selection, &pace, replays);
        let walked = with_progress(&pace.progress, walking).await?;
        print::to_stdout(|out| {
            if what.json {
                print::json(out, &walked)
            } else {
                print::walked(out, &stage, &walked, replays)
            }
        })?;
        anyhow::ensure!(
            !walked.cancelled,
            "stopped: {} of the selected dead letters still lie there",
            walked.progress.left
        );
    }
    Ok(())
}

async fn walk(
    settings: &Settings,
    stage: &StageName,
    selection: &Selection,
    pace: &Pace,
    replays: bool,
) -> anyhow::Result<Walked> {
    if !replays {
        return Ok(dead::discard(&settings.amqp, stage, selection, pace).await?);
    }
    let name = format!("ingest dead {}", std::process::id());
    let publisher =
        Publisher::start(settings.amqp.clone(), name, vec![stage.clone()], Health::default());
    Ok(dead::replay(&settings.amqp, stage, &publisher, selection, pace).await?)
}

/// Says every second how far it is; whatever was done before a failure is said too.
async fn with_progress<T>(
    progress: &watch::Sender<dead::Progress>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut said = *progress.borrow();
    let mut work = std::pin::pin!(work);
    loop {
        let done = tokio::time::timeout(TELL, &mut work).await;
        let now = *progress.borrow();
        if now != said || matches!(done, Ok(Err(_))) {
            print::tell(&format!(
                "moved {}, skipped {}, left {}",
                now.moved, now.skipped, now.left
            ));
            said = now;
        }
        if let Ok(done) = done {
            return done;
        }
    }
}

/// A letter's key, for people.
pub(crate) fn key_of(letter: &DeadLetter) -> &str {
    letter.object.as_ref().map_or("-", |object| &object.key)
}
