//! The `searcher` program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use searcher::Settings;
use service::command_line::{self, Generate};
use service::process;

/// Answers searches over HTTP and serves the web page.
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
    /// Serve until stopped.
    Run,
    /// Print every setting with its default.
    Settings,
    #[command(flatten)]
    Generate(Generate),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Run => process::main(arguments.settings.as_deref(), searcher::run),
        Command::Settings => process::print_defaults::<Settings>(),
        Command::Generate(generate) => generate.run::<Arguments>(),
    }
}
