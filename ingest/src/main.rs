//! The `ingest` program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ingest::Settings;
use pipeline::service;

/// Watches a bucket and publishes a job for every picture that is not indexed yet.
#[derive(Parser)]
#[command(version)]
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
    /// Print every setting with its default.
    Settings,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run => service::main(arguments.settings.as_deref(), ingest::run),
        Command::Settings => service::print_defaults::<Settings>(),
    }
}
