//! `ingest sweep` and `ingest maintain`.

use std::cell::Cell;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::print;
use crate::operate::{maintain, sweep};
use crate::parts::IngestParts;
use crate::settings::Settings;
use crate::watch::report::{SweepReport, SweepRequest};

const TELL: Duration = Duration::from_secs(2);

/// Options of `sweep`.
#[derive(Debug, Args)]
pub(super) struct SweepArguments {
    /// Only objects whose key begins with this.
    #[arg(long)]
    prefix: Option<String>,
    /// Publish for this stage only.
    #[arg(long)]
    stage: Option<String>,
    /// Publish captions again that were written with another prompt, model or language than their
    /// captioner would use today.
    #[arg(long)]
    outdated: bool,
    /// Change nothing, only count.
    #[arg(long)]
    dry_run: bool,
    /// Remove rows even if they are more than watch.max_delete_share of all.
    #[arg(long)]
    allow_mass_delete: bool,
    /// Publish the rest of a cancelled backfill.
    #[arg(long)]
    release: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Options of `maintain`.
#[derive(Debug, Args)]
pub(super) struct MaintainArguments {
    /// One round, then exit. Required: only `run` maintains on a schedule.
    #[arg(long, required = true)]
    once: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn sweep(
    settings: Settings,
    options: SweepArguments,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let SweepArguments { prefix, stage, outdated, dry_run, allow_mass_delete, release, json } =
        options;
    let request = SweepRequest { prefix, dry_run, allow_mass_delete, release, outdated, stage };
    sweep::check(&settings.stages, &request)?;
    let parts = IngestParts::for_command(settings).await?;
    let told = Cell::new(None);
    let report = sweep::run(parts, &request, cancel, |objects, published| {
        if told.get().is_none_or(|at: Instant| at.elapsed() > TELL) {
            told.set(Some(Instant::now()));
            print::tell(&format!("{objects} objects looked at, {published} published"));
        }
    })
    .await?;
    if json { print::json(&report) } else { print::text(&report_text(&report)?) }
}

pub(super) async fn maintain(
    settings: Settings,
    options: &MaintainArguments,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let parts = IngestParts::for_command(settings).await?;
    let round = maintain::run(parts, cancel).await?;
    if options.json {
        print::json(&round)?;
    } else {
        print::text(&round_text(&round))?;
    }
    let failed: Vec<_> =
        round["failures"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

fn report_text(report: &Value) -> anyhow::Result<String> {
    let report: SweepReport = serde_json::from_value(report.clone())?;
    let would = if report.dry_run { "would be " } else { "" };
    let seconds = (report.listing_ms as f64 / 1000.0).max(0.001);
    let listed = report.objects + report.skipped;
    Ok(print::pairs([
        ("objects", report.objects.to_string()),
        ("skipped (not watched)", report.skipped.to_string()),
        ("indexed", report.indexed.to_string()),
        ("missing", report.missing.to_string()),
        ("  published", format!("{would}{}", report.published)),
        ("  on their way, dead or withheld", report.waiting.to_string()),
        ("  left to a later sweep", report.postponed.to_string()),
        ("outdated, published again", format!("{would}{}", report.outdated)),
        ("missed by events", report.missed_by_events.to_string()),
        ("rows removed: object gone", format!("{would}{}", report.removed_gone)),
        ("rows removed: object overwritten", format!("{would}{}", report.removed_overwritten)),
        ("kept: too many at once", report.refused.to_string()),
        ("orphans", report.orphans.to_string()),
        ("spare rows", report.spare_rows.to_string()),
        ("listing", format!("{seconds:.1} s, {:.0} keys/s", listed as f64 / seconds)),
    ]))
}

fn round_text(round: &Value) -> String {
    let tables = round["tables"]["tables"].as_array().into_iter().flatten();
    let table_text = |table: &Value| {
        let steps = ["spares", "compaction", "indexing", "calibration", "pruning"]
            .map(|step| format!("  {step}: {}", table[step]));
        let name = table["table"].as_str().unwrap_or_default();
        format!("{name} ({} ms)\n{}", table["took_ms"], steps.join("\n"))
    };
    let mut lines: Vec<_> = tables.map(table_text).collect();
    lines.push(format!(
        "dead letters: {} merged, {} resolved",
        round["dead_merged"], round["dead_resolved"]
    ));
    lines.join("\n")
}
