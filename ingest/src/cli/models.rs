//! `ingest models`: the same as below `/v1/ops/models`, done by this process itself.

use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use pipeline::depths::QueueDepths;
use pipeline::models::Removal;
use pipeline::stage_kind::StageKind;
use service::health::Health;
use tokio_util::sync::CancellationToken;

use super::{Activated, Row, SAMPLES, Wanted, activate, compare, keep, list, remove};
use crate::columns;
use crate::command::{duration, line, print_json};
use crate::{Settings, parts};

/// Models: how far each is, which one answers searches, and changing that.
#[derive(Debug, Args)]
pub struct Command {
    /// Without one, the models are listed.
    #[command(subcommand)]
    what: Option<What>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a model the one that answers searches; searchers follow within seconds.
    Activate {
        /// Its id.
        #[arg(required_unless_present = "previous", conflicts_with = "previous")]
        id: Option<String>,
        /// The one that was active before.
        #[arg(long)]
        previous: bool,
        /// Even if its table lacks pictures.
        #[arg(long)]
        force: bool,
    },
    /// Compare what two models find: mean share of the ten nearest pictures that both name.
    Overlap {
        /// One model.
        a: String,
        /// The other one.
        b: String,
        /// Pictures to compare.
        #[arg(long, default_value_t = SAMPLES)]
        samples: usize,
    },
    /// Do nothing for a model or captioner any more, and drop its table after a while.
    Remove {
        /// Its id.
        id: String,
        /// Time in which `keep` takes it back without loss.
        #[arg(long, default_value = "24h", value_parser = duration)]
        grace: Duration,
    },
    /// Take a removal back.
    Keep {
        /// Id of the model.
        id: String,
    },
}

/// Runs the command until it is done or cancelled.
///
/// # Errors
/// Whatever kept it from being done, in a sentence.
pub async fn run(
    settings: Settings,
    command: Command,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let Command { what, json } = command;
    let queues = QueueDepths::new(settings.amqp.clone());
    let parts = parts(settings, Health::default()).await?;
    match what {
        None => {
            let rows = list(&parts, &queues).await?;
            if json { print_json(&rows) } else { line(&table(&rows)) }
        }
        Some(What::Activate { id, force, .. }) => {
            let done = activate(&parts, id.map_or(Wanted::Previous, Wanted::Id), force).await?;
            let Activated { active, readiness, .. } = &done;
            if json {
                print_json(&done)
            } else {
                line(&format!("'{active}' is the active model ({readiness})"))
            }
        }
        Some(What::Overlap { a, b, samples }) => {
            let told = |done: &table::overlap::Overlap| {
                if done.samples.is_multiple_of(50) {
                    let _ = writeln!(std::io::stderr(), "{} samples compared", done.samples);
                }
            };
            let overlap = tokio::select! {
                overlap = compare(&parts, [&a, &b], samples, told) => overlap?,
                () = cancel.cancelled() => anyhow::bail!("interrupted"),
            };
            if json {
                return print_json(&overlap);
            }
            let mean =
                overlap.mean.map_or_else(|| "unknown".to_owned(), |mean| format!("{mean:.3}"));
            line(&format!(
                "overlap@10 of {a} and {b}: {mean} ({} samples of {} pictures)",
                overlap.samples, overlap.common
            ))
        }
        Some(What::Remove { id, grace }) => {
            let removal = remove(&parts, &id, grace).await?;
            let text = format!(
                "'{id}' is removed, its table goes at {:.0}; until then `ingest models keep {id}` takes it back",
                removal.drop_at
            );
            if json { print_json(&removal) } else { line(&text) }
        }
        Some(What::Keep { id }) => {
            let removal = keep(&parts, &id).await?;
            let text = if removal.dropped_at.is_some() {
                "is filled anew: its table was dropped"
            } else {
                "is kept"
            };
            if json { print_json(&removal) } else { line(&format!("'{id}' {text}")) }
        }
    }
}

fn table(rows: &[Row]) -> String {
    let names =
        ["MODEL", "DOES", "STATE", "SPACE", "ROWS", "COVERAGE", "QUEUED", "RETRYING", "DEAD"];
    let lines = rows.iter().map(|row| {
        let depth = |pick: fn(&pipeline::topology::Depths) -> Option<u32>| {
            row.queues
                .as_ref()
                .map_or_else(|| "?".to_owned(), |queues| pick(queues).unwrap_or(0).to_string())
        };
        vec![
            row.id.clone(),
            does(row.kind).to_owned(),
            state(row),
            row.space.clone().unwrap_or_else(|| "-".to_owned()),
            row.rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string()),
            row.coverage.map_or_else(|| "?".to_owned(), |coverage| format!("{coverage:.1} %")),
            depth(|queues| Some(queues.work.unwrap_or(0) + queues.bulk.unwrap_or(0))),
            depth(|queues| queues.retry),
            depth(|queues| queues.dead),
        ]
    });
    columns::table(&names, lines).trim_end().to_owned()
}

fn does(kind: StageKind) -> &'static str {
    match kind {
        StageKind::Embed => "embeds",
        StageKind::Caption => "captions",
    }
}

fn state(row: &Row) -> String {
    match &row.removed {
        Some(Removal { dropped_at: Some(at), .. }) => format!("dropped {at:.0}"),
        Some(Removal { drop_at, .. }) => format!("removed, table goes {drop_at:.0}"),
        None if row.active => "active".to_owned(),
        None if row.previous => "previous".to_owned(),
        None if row.set && row.kind == StageKind::Caption => "in use".to_owned(),
        None if row.set => "in the background".to_owned(),
        None => "not in settings".to_owned(),
    }
}
