//! The `searcher` program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pipeline::paper::{self, Paper};
use pipeline::service;
use searcher::Settings;

/// Answers searches over HTTP and serves the web page.
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
    /// Serve until stopped.
    Run,
    /// Print every setting with its default.
    Settings,
    #[command(flatten)]
    Paper(Paper),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run => service::main(arguments.settings.as_deref(), searcher::run),
        Command::Settings => service::print_defaults::<Settings>(),
        Command::Paper(paper) => paper.make::<Arguments>(),
    }
}
