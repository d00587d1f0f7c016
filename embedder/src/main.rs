//! The `embedder` program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use embedder::{Settings, models};
use pipeline::paper::{self, Paper};
use pipeline::service;

/// Turns the pictures of a bucket into vectors that can be searched.
#[derive(Parser)]
#[command(version = paper::VERSION)]
struct Arguments {
    /// File with settings; variables named BUCKETLENS__SECTION__KEY win over it.
    #[arg(long, global = true)]
    settings: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Consume jobs until stopped.
    Run,
    /// Models: which there are, fetching, importing and checking them.
    #[command(subcommand)]
    Models(models::Command),
    /// Print every setting with its default.
    Settings,
    #[command(flatten)]
    Paper(Paper),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run => service::main(arguments.settings.as_deref(), embedder::run),
        Command::Models(command) => {
            service::command(arguments.settings.as_deref(), |settings, cancel| {
                models::run(settings, command, cancel)
            })
        }
        Command::Settings => service::print_defaults::<Settings>(),
        Command::Paper(paper) => paper.make::<Arguments>(),
    }
}
