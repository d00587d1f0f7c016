//! The `embedder` program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use embedder::{Settings, models};
use service::command_line::{self, Generate};
use service::process;

/// Turns the pictures of a bucket into vectors that can be searched.
#[derive(Parser)]
#[command(version = command_line::VERSION)]
struct Arguments {
    /// File with settings; variables named BUCKETLENS__SECTION__KEY override it.
    #[arg(long, global = true)]
    settings: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Consume jobs until stopped.
    Run,
    /// List, fetch, import and check models.
    #[command(subcommand)]
    Models(models::Command),
    /// Print every setting with its default.
    Settings,
    #[command(flatten)]
    Generate(Generate),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run => process::main(arguments.settings.as_deref(), embedder::run),
        Command::Models(command) => {
            process::command(arguments.settings.as_deref(), |settings, cancel| {
                models::run(settings, command, cancel)
            })
        }
        Command::Settings => process::print_defaults::<Settings>(),
        Command::Generate(generate) => generate.run::<Arguments>(),
    }
}
