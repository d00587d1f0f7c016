//! `ingest pause`, `resume`, `cancel` and `progress`.

use std::time::Duration;

use clap::Args;

use super::print::{self, parse_duration};
use crate::operate::progress::{self, StageProgress};
use crate::operate::stages;
use crate::parts::IngestParts;
use crate::settings::Settings;

/// Which stage.
#[derive(Debug, Args)]
pub(super) struct StageArguments {
    /// Name of the stage; all stages without it.
    #[arg(long)]
    stage: Option<String>,
}

/// Options of `progress`.
#[derive(Debug, Args)]
pub(super) struct ProgressArguments {
    /// Time over which the rate is measured.
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    over: Duration,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn pause(settings: Settings, options: StageArguments) -> anyhow::Result<()> {
    let meant = stages::meant(&settings.stages, options.stage.as_deref())?;
    let parts = IngestParts::for_command(settings).await?;
    let user = std::env::var("USER").unwrap_or_else(|_| "someone".to_owned());
    for stage in meant {
        let by = format!("{user} on the command line");
        let state = stages::pause(&parts, &stage, &by).await?;
        let by = state.changed_by;
        print::text(&format!(
            "stage {stage} is paused (by {by}); workers finish what they have begun"
        ))?;
    }
    Ok(())
}

pub(super) async fn resume(settings: Settings, options: StageArguments) -> anyhow::Result<()> {
    let meant = stages::meant(&settings.stages, options.stage.as_deref())?;
    let parts = IngestParts::for_command(settings).await?;
    for stage in meant {
        stages::resume(&parts, &stage, "the command line").await?;
        print::text(&format!("stage {stage} runs"))?;
    }
    Ok(())
}

pub(super) async fn cancel(settings: Settings, options: StageArguments) -> anyhow::Result<()> {
    let meant = stages::meant(&settings.stages, options.stage.as_deref())?;
    let parts = IngestParts::for_command(settings).await?;
    for stage in meant {
        let jobs = stages::cancel(&parts, &stage).await?.jobs;
        print::text(&format!(
            "took {jobs} jobs off the bulk queue of stage {stage}; `ingest sweep --release` \
             publishes them again"
        ))?;
    }
    Ok(())
}

pub(super) async fn progress(settings: Settings, options: ProgressArguments) -> anyhow::Result<()> {
    let parts = IngestParts::for_command(settings).await?;
    let progress = progress::measured(&parts, options.over).await?;
    if options.json {
        return print::json(&progress);
    }
    print::text(&progress.iter().map(progress_text).collect::<Vec<_>>().join("\n"))
}

fn progress_text(progress: &StageProgress) -> String {
    let left = progress.seconds_left.map(|seconds| format!("{seconds:.0} s"));
    print::pairs([
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

fn known<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}
