//! The part of the command line that all programs share: version, shell completions, manual pages.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;

/// Version of the program, with its commit where that is known.
pub const VERSION: &str = env!("BUCKETLENS_VERSION");

/// Commands of every program that describe its own command line.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// Print the script with which a shell completes this program's arguments.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write manual pages, one for each command, into a folder.
    Man {
        /// The folder; it is made if it is missing.
        folder: PathBuf,
    },
}

impl Generate {
    /// Prints the script, or writes the pages. `P` is the program's command line.
    pub fn run<P: CommandFactory>(self) -> ExitCode {
        let mut command = P::command();
        match self {
            Self::Completions { shell } => {
                let name = command.get_name().to_owned();
                clap_complete::generate(shell, &mut command, name, &mut io::stdout());
            }
            Self::Man { folder } => {
                let written = std::fs::create_dir_all(&folder)
                    .and_then(|()| clap_mangen::generate_to(command, &folder));
                if let Err(error) = written {
                    #[allow(clippy::print_stderr, reason = "a command reports its own failure")]
                    {
                        eprintln!(
                            "manual pages cannot be written to {}: {error}",
                            folder.display()
                        );
                    }
                    return ExitCode::FAILURE;
                }
            }
        }
        ExitCode::SUCCESS
    }
}
