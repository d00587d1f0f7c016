//! `ingest models`.

use std::time::Duration;

use clap::{Args, Subcommand};
use pipeline::depths::QueueDepths;
use pipeline::models::Removal;
use pipeline::topology::Depths;
use table::overlap::Overlap;
use tokio_util::sync::CancellationToken;

use super::print::{self, parse_duration};
use crate::operate::models::{
    self, Activation, ModelChoice, ModelRow, SAMPLES, activate, compare, keep, remove,
};
use crate::parts::IngestParts;
use crate::settings::Settings;

/// Models: how far each is, which one answers searches, and changing that.
#[derive(Debug, Args)]
pub(super) struct ModelArguments {
    /// Without one, the models are listed.
    #[command(subcommand)]
    action: Option<ModelAction>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ModelAction {
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
    /// Stop all work for a model or captioner, and drop its table after a while.
    Remove {
        /// Its id.
        id: String,
        /// Time in which `keep` takes it back without loss.
        #[arg(long, default_value = "24h", value_parser = parse_duration)]
        grace: Duration,
    },
    /// Take a removal back.
    Keep {
        /// Id of the model.
        id: String,
    },
}

pub(super) async fn run(
    settings: Settings,
    ModelArguments { action, json }: ModelArguments,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let queues = QueueDepths::new(settings.amqp.clone());
    let parts = IngestParts::for_command(settings).await?;
    match action {
        None => {
            let rows = models::list(&parts, &queues).await?;
            print::json_or(json, &rows, || list_text(&rows))
        }
        Some(ModelAction::Activate { id, force, .. }) => {
            let choice = id.map_or(ModelChoice::Previous, ModelChoice::Id);
            let done = activate(&parts, choice, force).await?;
            let Activation { active, readiness, .. } = &done;
            print::json_or(json, &done, || format!("'{active}' is the active model ({readiness})"))
        }
        Some(ModelAction::Overlap { a, b, samples }) => {
            let told = |done: &Overlap| {
                if done.samples.is_multiple_of(50) {
                    print::tell(&format!("{} samples compared", done.samples));
                }
            };
            let overlap = tokio::select! {
                overlap = compare(&parts, [&a, &b], samples, told) => overlap?,
                () = cancel.cancelled() => anyhow::bail!("interrupted"),
            };
            print::json_or(json, &overlap, || overlap_text(&a, &b, &overlap))
        }
        Some(ModelAction::Remove { id, grace }) => {
            let removal = remove(&parts, &id, grace).await?;
            print::json_or(json, &removal, || {
                format!(
                    "'{id}' is removed, its table goes at {:.0}; until then \
                     `ingest models keep {id}` takes it back",
                    removal.drop_at
                )
            })
        }
        Some(ModelAction::Keep { id }) => {
            let removal = keep(&parts, &id).await?;
            print::json_or(json, &removal, || match removal.dropped_at {
                Some(_) => format!("'{id}' is filled anew: its table was dropped"),
                None => format!("'{id}' is kept"),
            })
        }
    }
}

fn overlap_text(a: &str, b: &str, overlap: &Overlap) -> String {
    let Overlap { samples, common, mean } = overlap;
    let mean = mean.map_or_else(|| "unknown".to_owned(), |mean| format!("{mean:.3}"));
    format!("overlap@10 of {a} and {b}: {mean} ({samples} samples of {common} pictures)")
}

fn list_text(rows: &[ModelRow]) -> String {
    let headings =
        ["MODEL", "DOES", "STATE", "SPACE", "ROWS", "COVERAGE", "QUEUED", "RETRYING", "DEAD"];
    let cells = |row: &ModelRow| {
        let depth = |pick: fn(&Depths) -> Option<u32>| {
            let known = row.queues.as_ref().map(|queues| pick(queues).unwrap_or(0).to_string());
            known.unwrap_or_else(|| "?".to_owned())
        };
        vec![
            row.id.clone(),
            row.kind.does().to_owned(),
            state_text(row),
            row.space.clone().unwrap_or_else(|| "-".to_owned()),
            row.rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string()),
            row.coverage.map_or_else(|| "?".to_owned(), |coverage| format!("{coverage:.1} %")),
            depth(|queues| Some(queues.work.unwrap_or(0) + queues.bulk.unwrap_or(0))),
            depth(|queues| queues.retry),
            depth(|queues| queues.dead),
        ]
    };
    print::table(&headings, rows.iter().map(cells))
}

fn state_text(row: &ModelRow) -> String {
    match &row.removed {
        Some(Removal { dropped_at: Some(at), .. }) => format!("dropped {at:.0}"),
        Some(Removal { drop_at, .. }) => format!("removed, table goes {drop_at:.0}"),
        None if row.active => "active".to_owned(),
        None if row.previous => "previous".to_owned(),
        None if row.set && !row.kind.answers_searches() => "in use".to_owned(),
        None if row.set => "in the background".to_owned(),
        None => "not in settings".to_owned(),
    }
}
