//! `drivedal remotes`: the configured remotes.

mod edit;
mod import;
mod list;
mod test;

use crate::{
    app::App,
    failure::{Exit, Result},
};

/// List and change configured remotes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without a command, lists the remotes. The commands that change remotes write the configuration file
(--config); its comments stay.

Examples:
  drivedal remotes
  drivedal remotes show work
  drivedal remotes rename work office
  drivedal remotes test work
  drivedal remotes import rclone")]
pub(crate) struct RemotesArgs {
    #[command(subcommand)]
    command: Option<RemotesCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum RemotesCommand {
    List(list::List),
    Show(list::Show),
    Rename(edit::Rename),
    Remove(edit::Remove),
    Test(test::Test),
    Import(import::Import),
}

impl RemotesArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the subcommand: `Usage` for an unknown remote or a rejected option, `Exists`
    /// for a name in use, the failure of a request or a file; `ClosedPipe` or `Failed` if results
    /// cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match self.command.unwrap_or(RemotesCommand::List(list::List {})) {
            RemotesCommand::List(list) => list.run(app),
            RemotesCommand::Show(show) => show.run(app).await,
            RemotesCommand::Rename(rename) => rename.run(app).await,
            RemotesCommand::Remove(remove) => remove.run(app).await,
            RemotesCommand::Test(test) => test.run(app).await,
            RemotesCommand::Import(import) => import.run(app).await,
        }
    }

    /// Returns the verb for failures of this command: `cannot <verb> <item>: …`.
    pub(crate) fn action(&self) -> &'static str {
        match &self.command {
            None | Some(RemotesCommand::List(_)) => "list",
            Some(RemotesCommand::Show(_)) => "show",
            Some(RemotesCommand::Rename(_)) => "rename",
            Some(RemotesCommand::Remove(_)) => "remove",
            Some(RemotesCommand::Test(_)) => "test",
            Some(RemotesCommand::Import(_)) => "import",
        }
    }
}
