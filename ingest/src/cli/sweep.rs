//! The operator's commands besides those about dead letters. Each asks the active ingest where
//! there is one, and otherwise is the active one for as long as it takes.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, Subcommand};
use pipeline::depths::QueueDepths;
use pipeline::models;
use serde::Serialize;
use serde_json::Value;
use service::health::Health;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::active::Active;
use crate::index::Index;
use crate::lease::{Attempt, Candidate, Holder, Lease};
use crate::progress::{self, Look, Progress};
use crate::remote::Remote;
use crate::report::{Report, Request};
use crate::served::{self, Decided};
use crate::upkeep::Which;
use crate::{Settings, active, control, parts};

// A lease that nobody renews is abandoned within this time.
const LEASE_PATIENCE: Duration = Duration::from_secs(9);

/// What operators can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare bucket and tables now: publish what is missing, remove what is gone.
    Sweep(Sweep),
    /// Keep the tables in order now: remove spare rows, merge fragments, extend indices, prune old
    /// versions.
    Maintain(Maintain),
    /// Let the workers of a stage finish what they have begun and rest, those that are started
    /// later too.
    Pause(Stage),
    /// Let the workers of a stage work again.
    Resume(Stage),
    /// Empty the bulk queue of a stage. `sweep --release` publishes what was taken off again.
    Cancel(Stage),
    /// Show how far each stage is.
    Progress(Show),
}

/// Options of `sweep`.
#[derive(Debug, Args)]
pub struct Sweep {
    /// Only objects whose key begins with this.
    #[arg(long)]
    prefix: Option<String>,
    /// Publish for this stage only.
    #[arg(long)]
    stage: Option<String>,
    /// Publish again those captions that their captioner would be asked for differently today: with
    /// another prompt, model or language.
    #[arg(long)]
    outdated: bool,
    /// Change nothing, only count.
    #[arg(long)]
    dry_run: bool,
    /// Remove rows even if they are more than watch.max_delete_share of all.
    #[arg(long)]
    allow_mass_delete: bool,
    /// Publish again what a cancelled backfill had left.
    #[arg(long)]
    release: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `maintain`.
#[derive(Debug, Args)]
pub struct Maintain {
    /// One round, then exit. The only way there is: the schedule belongs to `run`.
    #[arg(long, required = true)]
    once: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which stage.
#[derive(Debug, Args)]
pub struct Stage {
    /// Name of the stage; without it all are meant.
    #[arg(long)]
    stage: Option<String>,
}

/// Options of `progress`.
#[derive(Debug, Args)]
pub struct Show {
    /// Time over which the rate is measured.
    #[arg(long, default_value = "3s", value_parser = duration)]
    over: Duration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<humantime::Duration>().map(Into::into).map_err(|error| error.to_string())
}

/// Runs a command until it is done or cancelled.
///
/// # Errors
/// Whatever kept it from being done, in a sentence.
pub async fn run(
    settings: Settings,
    command: Command,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    match command {
        Command::Sweep(options) => sweep(settings, options, cancel).await,
        Command::Maintain(options) => maintain(settings, &options, cancel).await,
        Command::Pause(Stage { stage }) => switch(settings, stage.as_deref(), true).await,
        Command::Resume(Stage { stage }) => switch(settings, stage.as_deref(), false).await,
        Command::Cancel(Stage { stage }) => {
            let stages = control::meant(&settings, stage.as_deref()).map_err(anyhow::Error::msg)?;
            let amqp = settings.amqp.clone();
            let parts = parts(settings, Health::default()).await?;
            for stage in stages {
                let cancelled = control::cancel(&parts.state, &amqp, &stage).await?;
                line(&format!(
                    "took {} jobs off the bulk queue of stage {stage}; `ingest sweep --release` publishes them again",
                    cancelled.jobs
                ))?;
            }
            Ok(())
        }
        Command::Progress(options) => show(settings, &options).await,
    }
}

async fn sweep(
    settings: Settings,
    options: Sweep,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let Sweep { prefix, stage, outdated, dry_run, allow_mass_delete, release, json } = options;
    let request = Request { prefix, dry_run, allow_mass_delete, release, outdated, stage };
    control::check(&settings, &request).map_err(anyhow::Error::msg)?;
    let key = settings.ops.api_key.clone();
    let parts = parts(settings, Health::default()).await?;
    let report = match acquire(&parts).await? {
        Turn::Ours(mut lease) => {
            let shown = Shown::default();
            let decided = decided(&parts).await?;
            let sweeping = Active::new(parts, decided)?
                .once(&request, |report| shown.counts(report.objects, report.published));
            let swept = tokio::select! {
                swept = lease.during(sweeping) => swept.context("another ingest became active meanwhile")?,
                () = cancel.cancelled() => Err(anyhow::anyhow!("stopped; what was published stays published")),
            };
            lease.give_back().await;
            serde_json::to_value(swept?)?
        }
        Turn::Theirs(holder) => {
            let shown = Shown::default();
            let count = |value: &Value, name: &str| value[name].as_u64().unwrap_or(0) as usize;
            let told =
                |value: &Value| shown.counts(count(value, "objects"), count(value, "published"));
            Remote::new(&holder, key)?.run("/v1/ops/sweep", &request, &cancel, told).await?
        }
    };
    if json { print_json(&report) } else { line(&report_text(&serde_json::from_value(report)?)) }
}

async fn maintain(
    settings: Settings,
    options: &Maintain,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let key = settings.ops.api_key.clone();
    let parts = parts(settings, Health::default()).await?;
    let round = match acquire(&parts).await? {
        Turn::Ours(mut lease) => {
            let decided = decided(&parts).await?;
            let active = Active::new(parts, decided)?;
            let round = lease
                .during(active.upkeep().run(Which::All))
                .await
                .context("another ingest became active meanwhile");
            lease.give_back().await;
            serde_json::to_value(round?)?
        }
        Turn::Theirs(holder) => {
            Remote::new(&holder, key)?
                .run("/v1/ops/maintain", &serde_json::json!({}), &cancel, |_| {})
                .await?
        }
    };
    if options.json {
        print_json(&round)?;
    } else {
        line(&round_text(&round))?;
    }
    let failed: Vec<_> =
        round["failures"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

async fn switch(settings: Settings, stage: Option<&str>, pause: bool) -> anyhow::Result<()> {
    let stages = control::meant(&settings, stage).map_err(anyhow::Error::msg)?;
    let parts = parts(settings, Health::default()).await?;
    for stage in stages {
        if pause {
            let by = format!(
                "{} on the command line",
                std::env::var("USER").unwrap_or_else(|_| "someone".to_owned())
            );
            let state = control::pause(&parts.state, &stage, &by).await?;
            line(&format!(
                "stage {stage} is paused (by {}); workers finish what they have begun",
                state.changed_by
            ))?;
        } else {
            control::resume(&parts.state, &stage, "the command line").await?;
            line(&format!("stage {stage} runs"))?;
        }
    }
    Ok(())
}

/// What operators have decided about models by now.
async fn decided(parts: &active::Parts) -> anyhow::Result<Decided> {
    Ok(watch::channel(Some(models::read(&parts.state).await?)).1)
}

async fn show(settings: Settings, options: &Show) -> anyhow::Result<()> {
    let queues = QueueDepths::new(settings.amqp.clone());
    let parts = parts(settings, Health::default()).await?;
    let stages = served::stages(&parts.settings.stages, &models::read(&parts.state).await?);
    let index = Index::new(parts.database.clone(), &stages);
    let earlier = Look::now(&index).await?;
    tokio::time::sleep(options.over).await;
    let progress =
        progress::progress(&parts.state, &index, &queues, &stages, Some(earlier)).await?;
    let text = || progress.iter().map(progress_text).collect::<Vec<_>>().join("\n\n");
    if options.json { print_json(&progress) } else { line(&text()) }
}

/// Whose turn it is.
enum Turn {
    Ours(Lease),
    Theirs(Holder),
}

/// Becomes the active ingest, or says which one is. An ingest that renews its lease is alive; one
/// that does not is waited out.
async fn acquire(parts: &active::Parts) -> anyhow::Result<Turn> {
    let mut candidate = Candidate::new(parts.state.clone(), Holder::new(String::new()));
    let begun = Instant::now();
    let mut first: Option<Holder> = None;
    loop {
        match candidate.attempt().await? {
            Attempt::Taken(lease) => return Ok(Turn::Ours(lease)),
            Attempt::Held(holder) => {
                let renewed = first.as_ref().is_some_and(|first| *first != holder);
                if (renewed && !holder.address.is_empty()) || begun.elapsed() > LEASE_PATIENCE {
                    let Holder { process, address, .. } = &holder;
                    anyhow::ensure!(
                        !address.is_empty(),
                        "another command (process {process}) is at work: try again when it is done"
                    );
                    return Ok(Turn::Theirs(holder));
                }
                first.get_or_insert(holder);
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Shows counts on the error stream, at most every other second.
#[derive(Default)]
struct Shown(std::cell::Cell<Option<Instant>>);

impl Shown {
    fn counts(&self, objects: usize, published: usize) {
        if self.0.get().is_none_or(|at| at.elapsed() > Duration::from_secs(2)) {
            self.0.set(Some(Instant::now()));
            let _ =
                writeln!(std::io::stderr(), "{objects} objects looked at, {published} published");
        }
    }
}

pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("the output cannot be written")
}

fn known<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

fn report_text(report: &Report) -> String {
    let would = if report.dry_run { "would be " } else { "" };
    let mut rows = vec![
        ("objects", report.objects.to_string()),
        ("skipped (not watched)", report.skipped.to_string()),
        ("indexed", report.indexed.to_string()),
        ("missing", report.missing.to_string()),
        ("  published", format!("{}{}", would, report.published)),
        ("  on their way, dead or withheld", report.waiting.to_string()),
        ("  left to a later sweep", report.postponed.to_string()),
        ("outdated, published again", format!("{}{}", would, report.outdated)),
        ("missed by events", report.missed_by_events.to_string()),
        ("rows removed: object gone", format!("{}{}", would, report.removed_gone)),
        ("rows removed: object overwritten", format!("{}{}", would, report.removed_overwritten)),
        ("kept: too many at once", report.refused.to_string()),
        ("orphans", report.orphans.to_string()),
        ("spare rows", report.spare_rows.to_string()),
    ];
    let seconds = (report.listing_ms as f64 / 1000.0).max(0.001);
    let listed = report.objects + report.skipped;
    rows.push(("listing", format!("{seconds:.1} s, {:.0} keys/s", listed as f64 / seconds)));
    table(&rows)
}

fn round_text(round: &Value) -> String {
    let tables = round["tables"]["tables"].as_array().into_iter().flatten();
    let mut lines: Vec<_> = tables
        .map(|table| {
            let steps = ["spares", "compaction", "indexing", "pruning"]
                .map(|step| format!("  {step}: {}", table[step]));
            format!(
                "{} ({} ms)\n{}",
                table["table"].as_str().unwrap_or_default(),
                table["took_ms"],
                steps.join("\n")
            )
        })
        .collect();
    lines.push(format!(
        "dead letters: {} merged, {} resolved",
        round["dead_merged"], round["dead_resolved"]
    ));
    lines.join("\n")
}

fn progress_text(progress: &Progress) -> String {
    let left = progress.seconds_left.map(|seconds| format!("{:.0} s", seconds));
    table(&[
        ("stage", progress.stage.clone()),
        ("paused", progress.paused.clone().unwrap_or_else(|| "no".to_owned())),
        ("objects", known(progress.objects)),
        ("indexed", progress.indexed.to_string()),
        ("queued", known(progress.queued)),
        ("retrying", known(progress.retrying)),
        ("suspect", known(progress.suspect)),
        ("dead", known(progress.dead)),
        ("skipped", known(progress.skipped)),
        ("rate", known(progress.rows_per_second.map(|rate| format!("{rate:.1} rows/s")))),
        ("time left", known(left)),
        ("last full sweep", known(progress.sweep_age_seconds.map(|age| format!("{age} s ago")))),
    ])
}

fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name:width$}  {value}"))
        .collect::<Vec<_>>()
        .join("\n")
}
