//! The `captioner` program.

use std::path::PathBuf;
use std::process::ExitCode;

use captioner::Settings;
use clap::{Parser, Subcommand};
use pipeline::paper::{self, Paper};
use pipeline::service;

/// Turns the pictures of a bucket into sentences and keywords that can be searched.
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
    /// Print every setting with its default.
    Settings,
    #[command(flatten)]
    Paper(Paper),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run => service::main(arguments.settings.as_deref(), captioner::run),
        Command::Settings => service::print_defaults::<Settings>(),
        Command::Paper(paper) => paper.make::<Arguments>(),
    }
}
