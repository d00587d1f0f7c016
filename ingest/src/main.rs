//! The `ingest` program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ingest::{Settings, command};
use service::command_line::{self, Generate};
use service::process;

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
    /// Look at store, broker, tables and workers, and say what is wrong and what to do.
    Doctor {
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Operate(command::Command),
    /// List the models and how far each is; activate, compare, remove them.
    Models(ingest::models::command::Command),
    /// Dead letters: jobs that cannot succeed, each with its reason.
    #[command(subcommand)]
    Dead(Box<ingest::dead::Command>),
    /// Print every setting with its default.
    Settings,
    #[command(flatten)]
    Generate(Generate),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run => process::main(arguments.settings.as_deref(), ingest::run),
        Command::Doctor { json } => {
            process::command(arguments.settings.as_deref(), |settings, _| {
                ingest::doctor::main(settings, json)
            })
        }
        Command::Operate(command) => {
            process::command(arguments.settings.as_deref(), |settings, cancel| {
                command::run(settings, command, cancel)
            })
        }
        Command::Models(command) => {
            process::command(arguments.settings.as_deref(), |settings, cancel| {
                ingest::models::command::run(settings, command, cancel)
            })
        }
        Command::Dead(command) => ingest::dead::main(arguments.settings.as_deref(), *command),
        Command::Settings => process::print_defaults::<Settings>(),
        Command::Generate(generate) => generate.run::<Arguments>(),
    }
}
