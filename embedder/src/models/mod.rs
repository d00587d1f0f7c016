//! `embedder models …`: lists, fetches, imports and checks models.

mod checks;
mod configuration;
mod download;
mod hub;
mod listing;
mod pull;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use inference::catalogue::{self, Entry};
use inference::{Precision, RuntimeSettings};
use serde::Deserialize;
use service::http::HttpSettings;
use service::process::ProcessSettings;
use service::settings::{self, SettingsError};
use service::telemetry::LogSettings;
use tokio_util::sync::CancellationToken;

use crate::ServedModelSettings;

/// The part of the embedder's settings that these commands need. Bucket and broker are left out, so
/// models can be prepared on any machine.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    log: LogSettings,
    http: HttpSettings,
    models: ServedModelSettings,
    runtime: RuntimeSettings,
}

impl settings::Settings for Settings {
    const DEFAULTS: &'static [&'static str] = <crate::Settings as settings::Settings>::DEFAULTS;

    fn process(&self) -> ProcessSettings {
        ProcessSettings { log: self.log.clone(), http: self.http.clone() }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        Ok(())
    }
}

/// The commands about models.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the models in `models.folder` and those of the catalogue.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one model: licence, notice, files, sizes of its inputs.
    Show {
        /// Id in the catalogue, name of a model in `models.folder`, or path of a folder.
        model: String,
    },
    /// Fetch a model of the catalogue into `models.folder`; a broken download resumes where it
    /// stopped.
    Pull(Pull),
    /// Write a model.toml for a folder laid out as by transformers.js or Immich.
    Import {
        /// The folder.
        folder: PathBuf,
        /// fp32, fp16 or int8; by default the most exact one in the folder.
        #[arg(long)]
        precision: Option<Precision>,
        /// Replace an existing model.toml.
        #[arg(long)]
        force: bool,
    },
    /// Check the files of a model, and that it computes the same as its reference.
    Verify {
        /// Name of a model in `models.folder`, or path of a folder.
        model: String,
    },
    /// Compare a model in int8 with its more exact twin on your own pictures. Only a model that
    /// passes is served.
    Gate {
        /// The model in int8: name in `models.folder`, or path.
        model: String,
        /// The same model in fp32 or fp16: name in `models.folder`, or path.
        #[arg(long)]
        against: String,
        /// Folder with at least 500 pictures.
        #[arg(long)]
        pictures: PathBuf,
    },
}

/// Options of `pull`.
#[derive(Debug, Args)]
pub struct Pull {
    /// Id in the catalogue.
    model: String,
    /// fp32, fp16 (half the size; for GPUs) or int8 (a quarter of the size; on a CPU two to three
    /// times as fast; must pass `gate` first).
    #[arg(long, default_value = "fp32")]
    precision: Precision,
    /// File with an entry to use instead of the catalogue's.
    #[arg(long)]
    catalogue: Option<PathBuf>,
    /// Another id for the model, to have it beside an earlier one of the same entry.
    #[arg(long = "as", value_name = "ID")]
    renamed: Option<String>,
}

/// Runs a command until it is done or cancelled.
///
/// # Errors
/// Why the command failed, in a sentence.
pub async fn run(
    settings: Settings,
    command: Command,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let folder = PathBuf::from(&settings.models.folder);
    match command {
        Command::List { json } => listing::list(&folder, json),
        Command::Show { model } => listing::show(&model, &folder),
        Command::Pull(Pull { model, precision, catalogue, renamed }) => {
            let mut entry = entry(&model, catalogue.as_deref())?;
            if let Some(id) = renamed {
                entry = entry.renamed(&id).map_err(anyhow::Error::msg)?;
            }
            let recipe = entry.resolve(precision).map_err(anyhow::Error::msg)?;
            tokio::select! {
                pulled = pull::pull(recipe, &folder) => pulled,
                () = cancel.cancelled() => {
                    anyhow::bail!("stopped; the same command goes on where it stopped")
                }
            }
        }
        Command::Import { folder, precision, force } => checks::import(&folder, precision, force),
        Command::Verify { model } => {
            blocking(move || checks::verify(&model, &folder, &settings.runtime)).await
        }
        Command::Gate { model, against, pictures } => {
            blocking(move || checks::gate(&model, &against, &pictures, &folder, &settings.runtime))
                .await
        }
    }
}

fn entry(id: &str, file: Option<&Path>) -> anyhow::Result<Entry> {
    let Some(file) = file else {
        let known =
            || format!("the catalogue has no model `{id}`; it has {}", catalogue::ids().join(", "));
        return catalogue::find(id).cloned().with_context(known);
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the file {} cannot be read", file.display()))?;
    let entry = Entry::parse(&text)
        .map_err(|reason| anyhow::anyhow!("the file {}: {reason}", file.display()))?;
    anyhow::ensure!(
        entry.id == id,
        "the file {} describes the model `{}` and not `{id}`",
        file.display(),
        entry.id
    );
    Ok(entry)
}

async fn blocking(
    work: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(work).await?
}

/// Prints a line of the command's output.
fn line(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("the output cannot be written")
}
