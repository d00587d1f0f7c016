//! The command line. It parses arguments, calls `operate` and prints; it decides nothing.

mod dead_letters;
mod doctor;
mod letter_arguments;
mod letter_text;
mod models;
mod print;
mod stages;
mod sweep;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use service::command_line::{self, Generate};
use service::process;

use self::dead_letters::DeadLetterCommand;
use self::models::ModelArguments;
use self::stages::{ProgressArguments, StageArguments};
use self::sweep::{MaintainArguments, SweepArguments};
use crate::settings::Settings;

/// Watches a bucket and publishes a job for every picture that is not indexed yet.
#[derive(Parser)]
#[command(version = command_line::VERSION)]
struct Arguments {
    /// File with settings; variables named BUCKETLENS__SECTION__KEY win over it.
    #[arg(long, global = true)]
    settings: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch until stopped.
    Run,
    /// Check store, broker, tables and workers, and say what is wrong and what to do.
    Doctor {
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Compare bucket and tables now: publish what is missing, remove what is gone.
    Sweep(SweepArguments),
    /// Keep the tables in order now: remove spare rows, merge fragments, extend indices, prune old
    /// versions.
    Maintain(MaintainArguments),
    /// Let the workers of a stage finish their jobs and rest, later started ones too.
    Pause(StageArguments),
    /// Let the workers of a stage work again.
    Resume(StageArguments),
    /// Empty the bulk queue of a stage. `sweep --release` publishes those jobs again.
    Cancel(StageArguments),
    /// Show how far each stage is.
    Progress(ProgressArguments),
    /// List the models and how far each is; activate, compare, remove them.
    Models(ModelArguments),
    /// Dead letters: jobs that cannot succeed, each with its reason.
    #[command(subcommand)]
    Dead(Box<DeadLetterCommand>),
    /// Print every setting with its default.
    Settings,
    #[command(flatten)]
    Generate(Generate),
}

/// Runs the program. The exit code is 0, or 1 if something failed, or 2 for wrong settings and
/// arguments.
pub fn main() -> ExitCode {
    let Arguments { settings, command } = Arguments::parse();
    let file = settings.as_deref();
    match command {
        Command::Run => process::main(file, crate::run),
        Command::Settings => process::print_defaults::<Settings>(),
        Command::Generate(generate) => generate.run::<Arguments>(),
        Command::Doctor { json } => process::command(file, |set, _| doctor::run(set, json)),
        Command::Sweep(options) => process::command(file, |set, cancel| async move {
            sweep::sweep(set, options, &cancel).await
        }),
        Command::Maintain(options) => process::command(file, |set, cancel| async move {
            sweep::maintain(set, &options, &cancel).await
        }),
        Command::Pause(options) => process::command(file, |set, _| stages::pause(set, options)),
        Command::Resume(options) => process::command(file, |set, _| stages::resume(set, options)),
        Command::Cancel(options) => process::command(file, |set, _| stages::cancel(set, options)),
        Command::Progress(options) => {
            process::command(file, |set, _| stages::progress(set, options))
        }
        Command::Models(command) => {
            process::command(
                file,
                |set, cancel| async move { models::run(set, command, &cancel).await },
            )
        }
        Command::Dead(command) => {
            process::command(file, |set, cancel| dead_letters::run(set, *command, cancel))
        }
    }
}
