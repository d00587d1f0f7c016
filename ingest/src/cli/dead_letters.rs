//! `ingest dead`. Talks to broker and bucket itself, so it works while no ingest runs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use pipeline::dead::{Pace, Progress, Selection};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::letter_arguments::{LetterArguments, MoveArguments};
use super::{letter_text, print};
use crate::operate::dead_letters::{DeadLetters, LISTED, LetterAction, by_id};
use crate::settings::Settings;

const TELL: Duration = Duration::from_secs(1);

/// Dead letters: jobs that cannot succeed, each with its reason.
#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterCommand {
    /// Count what failed alike, largest group first.
    Groups {
        #[command(flatten)]
        which: LetterArguments,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List letters, oldest first; 100 unless --limit says otherwise.
    List {
        #[command(flatten)]
        which: LetterArguments,
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
    Replay(MoveArguments),
    /// Take letters out for good.
    Drop(MoveArguments),
    /// Write letters as lines of JSON, message included.
    Export {
        #[command(flatten)]
        which: LetterArguments,
        /// File to write; stdout without it.
        #[arg(long)]
        output: Option<PathBuf>,
    },
}

/// Runs one command.
pub(super) async fn run(
    settings: Settings,
    command: DeadLetterCommand,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let letters = DeadLetters::connect(&settings).await;
    // A move stops by itself, between two letters. Everything else can be dropped anywhere.
    match command {
        DeadLetterCommand::Replay(what) => {
            shift(&letters, LetterAction::Replay, what, cancel).await
        }
        DeadLetterCommand::Drop(what) => shift(&letters, LetterAction::Drop, what, cancel).await,
        command => tokio::select! {
            done = look(&letters, command) => done,
            () = cancel.cancelled() => anyhow::bail!("interrupted"),
        },
    }
}

async fn look(letters: &DeadLetters, command: DeadLetterCommand) -> anyhow::Result<()> {
    match command {
        DeadLetterCommand::Groups { which, json } => {
            let found = letters.look(&which.selection()).await?.groups();
            print::json_or(json, &found, || letter_text::groups(&found))
        }
        DeadLetterCommand::List { mut which, json } => {
            which.limit.get_or_insert(LISTED);
            let found = letters.look(&which.selection()).await?.letters();
            print::json_or(json, &found, || letter_text::list(&found))
        }
        DeadLetterCommand::Show { id, json } => {
            let found = letters.show(&by_id(&id)).await?;
            print::json_or(json, &found, || letter_text::one_by_one(&found))
        }
        DeadLetterCommand::Export { which, output } => {
            export(letters, &which.selection(), output.as_deref()).await
        }
        DeadLetterCommand::Replay(_) | DeadLetterCommand::Drop(_) => Ok(()),
    }
}

async fn export(
    letters: &DeadLetters,
    selection: &Selection,
    output: Option<&Path>,
) -> anyhow::Result<()> {
    let gathered = letters.look(selection).await?;
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
    let (count, beyond) = (gathered.selected.len(), letter_text::beyond(gathered.unseen));
    print::tell(&format!("{count} dead letters written{beyond}"));
    Ok(())
}

async fn shift(
    letters: &DeadLetters,
    how: LetterAction,
    MoveArguments { which, rate, dry_run, json, .. }: MoveArguments,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let selection = which.selection();
    if dry_run {
        let trial = letters.trial(&selection).await?;
        return if json {
            print::json(&trial)
        } else {
            print::text(&letter_text::trial(&trial, how))
        };
    }
    for stage in letters.stages_of(&selection)? {
        let pace = Pace { rate, ..Pace::full(cancel.clone()) };
        let moving = letters.shift(how, &stage, &selection, &pace);
        let walked = with_progress(&pace.progress, moving).await?;
        if json {
            print::json(&walked)?;
        } else {
            print::text(&letter_text::walked(&stage, &walked, how))?;
        }
        anyhow::ensure!(
            !walked.cancelled,
            "stopped: {} of the selected dead letters still lie there",
            walked.progress.left
        );
    }
    Ok(())
}

/// Tells the progress every second, and once more if the move fails.
async fn with_progress<T>(
    progress: &watch::Sender<Progress>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let mut told = *progress.borrow();
    let mut work = std::pin::pin!(work);
    loop {
        let done = tokio::time::timeout(TELL, &mut work).await;
        let now = *progress.borrow();
        if now != told || matches!(done, Ok(Err(_))) {
            let Progress { moved, skipped, left, .. } = now;
            print::tell(&format!("moved {moved}, skipped {skipped}, left {left}"));
            told = now;
        }
        if let Ok(done) = done {
            return done;
        }
    }
}
