//! `drivedal completions` and `drivedal manual`

use std::path::PathBuf;

use clap_complete::Shell;

use crate::{
    app::App,
    args,
    failure::{Exit, Failure, Result},
};

/// The name of the program.
const PROGRAM: &str = "drivedal";

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal completions bash > ~/.local/share/bash-completion/completions/drivedal
  drivedal completions zsh > ~/.zfunc/_drivedal")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the completions.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if they cannot be written.
    pub(crate) fn run(self, app: &App) -> Result<Exit> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut args::grammar(), PROGRAM, &mut text);
        app.output.part(&String::from_utf8_lossy(&text))?;
        Ok(Exit::Done)
    }
}

/// Write the man pages into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal manual ~/.local/share/man/man1")]
pub(crate) struct Manual {
    /// The folder for the pages, which must exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Manual {
    /// Writes a page for each command.
    ///
    /// # Errors
    /// [`Failure::local`] if a page cannot be written.
    pub(crate) fn run(self) -> Result<Exit> {
        let written = clap_mangen::generate_to(args::grammar(), &self.folder);
        written.map_err(|error| Failure::local("write", &self.folder, &error))?;
        Ok(Exit::Done)
    }
}
