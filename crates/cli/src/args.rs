//! The grammar of the command line: its commands, and the help texts that several of them share.

use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    amazon,
    app::App,
    bench, cat, completions, conformance, cp, drives, du,
    failure::{Exit, Result},
    find, get, hash, info, link, login, logout, ls, mkdir, mv,
    options::GlobalOptions,
    put, quota, remotes, rm, search, serve, share, skydrive, stat, sync, thumb, token, trash, tree,
    usage, user, versions, watch,
};

/// Use cloud drives from the shell: OneDrive, SkyDrive and Amazon Cloud Drive
///
/// `drivedal serve` also runs a drive server, which speaks the protocols of these clouds and keeps
/// its data on this computer.
#[derive(Debug, Parser)]
#[command(name = "drivedal", version, propagate_version = true, after_long_help = TOPICS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const TOPICS: &str = "\
Naming items:
  REMOTE:PATH    a path in a remote; REMOTE:/a/b and REMOTE:a/b are the same, REMOTE: is the root
  REMOTE:ID      an item by its id, if the text has the form of that cloud's ids; a path may follow
                 (REMOTE:ID/a/b). -p and -i override the detection
  REMOTE:URL     the folder of a sharing URL (https://1drv.ms/...), with the sign-in of a OneDrive
  URI            the root of a remote by its OpenDAL URI (fs:///srv/data)

The remotes local-onedrive:, local-skydrive: and local-amazon: are always available: three views of
one drive that is kept in your data folder (--data). `drivedal login NAME` configures a remote of a
cloud. Others are configured with --remote NAME=URI, by variables (DRIVEDAL_REMOTE_NAME_KEY), or in the
configuration file:
  [remotes.work]
  type = \"skydrive\"
  token_file = \"/home/me/.config/drivedal/work.json\"
Arguments are visible in the process list: put tokens into the file.

Exit codes:
    0  success                           7  no connection, or the cloud is busy: try again later
    1  failure                           8  the remote does not support the operation
    2  invalid arguments, configuration  9  nothing to transfer (--error-on-no-transfer)
    3  the item does not exist          10  a check found differences
    4  permission denied                11  more deletions than --max-delete allows
    5  an item of that name exists     130  stopped by Ctrl-C
    6  some of several items failed,   141  standard output was closed
       the others are done             143  stopped by SIGTERM

Examples:
  drivedal put -r photos local-skydrive:photos
  drivedal ls -l local-skydrive:photos
  drivedal get -r local-skydrive:photos copy
  drivedal serve --http 127.0.0.1:0 --ephemeral";

/// The last line of each command's help.
const GLOBAL_OPTIONS_NOTE: &str = "Global options (--json, -o, -k, -v, -q, ...): `drivedal --help`";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<serve::Serve>),
    Ls(ls::Ls),
    Tree(tree::Tree),
    Stat(stat::Stat),
    Cat(cat::Cat),
    Get(get::Get),
    Put(put::Put),
    Copy(Box<sync::CopyCommand>),
    Sync(Box<sync::SyncCommand>),
    Move(Box<sync::MoveCommand>),
    Check(Box<sync::CheckCommand>),
    Bench(Box<bench::BenchCommand>),
    Conformance(Box<conformance::ConformanceCommand>),
    Cp(cp::Cp),
    Mv(mv::Mv),
    Rm(rm::Rm),
    Mkdir(mkdir::Mkdir),
    Find(find::Find),
    Search(search::Search),
    Du(du::Du),
    Hash(hash::HashCommand),
    Info(info::Info),
    Link(link::Link),
    Share(share::ShareArgs),
    Versions(versions::VersionsArgs),
    Trash(trash::TrashArgs),
    Thumb(thumb::Thumb),
    Watch(watch::Watch),
    Quota(quota::Quota),
    Usage(usage::Usage),
    User(user::User),
    Login(Box<login::Login>),
    Logout(logout::Logout),
    Remotes(remotes::RemotesArgs),
    Drives(drives::Drives),
    Token(token::Token),
    Skydrive(skydrive::SkyDriveArgs),
    Amazon(amazon::AmazonArgs),
    Completions(completions::Completions),
    #[command(hide = true)]
    CompletePlace(completions::CompletePlace),
    Manual(completions::Manual),
    /// The names of the SkyDrive commands before `drivedal skydrive` existed.
    #[command(flatten)]
    Hidden(skydrive::OldCommand),
}

impl Command {
    /// Runs the command. Returns its exit code: `Done`, or `Partial` if some of several items
    /// failed.
    ///
    /// # Errors
    /// The command's failure; `Interrupted` or `Terminated` after a signal.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        // These commands handle signals themselves.
        let command = match self {
            Self::Serve(serve) => return serve.run(app).await,
            Self::Get(get) => return get.run(app).await,
            Self::Put(put) => return put.run(app).await,
            Self::Watch(watch) => return watch.run(app).await,
            Self::Bench(bench) => return bench.run(app).await,
            Self::Conformance(conformance) => return conformance.run(app).await,
            command => command,
        };
        app.interrupt
            .cancellable(async {
                match command {
                    Self::Ls(ls) => ls.run(app).await,
                    Self::Tree(tree) => tree.run(app).await,
                    Self::Stat(stat) => stat.run(app).await,
                    Self::Cat(cat) => cat.run(app).await,
                    Self::Copy(copy) => copy.run(app).await,
                    Self::Sync(sync) => sync.run(app).await,
                    Self::Move(moving) => moving.run(app).await,
                    Self::Check(check) => check.run(app).await,
                    Self::Cp(cp) => cp.run(app).await,
                    Self::Mv(mv) => mv.run(app).await,
                    Self::Rm(rm) => rm.run(app).await,
                    Self::Mkdir(mkdir) => mkdir.run(app).await,
                    Self::Find(find) => find.run(app).await,
                    Self::Search(search) => search.run(app).await,
                    Self::Du(du) => du.run(app).await,
                    Self::Hash(hash) => hash.run(app).await,
                    Self::Info(info) => info.run(app).await,
                    Self::Link(link) => link.run(app).await,
                    Self::Share(share) => share.run(app).await,
                    Self::Versions(versions) => versions.run(app).await,
                    Self::Trash(trash) => trash.run(app).await,
                    Self::Thumb(thumb) => thumb.run(app).await,
                    Self::Quota(quota) => quota.run(app).await,
                    Self::Usage(usage) => usage.run(app).await,
                    Self::User(user) => user.run(app).await,
                    Self::Login(login) => login.run(app).await,
                    Self::Logout(logout) => logout.run(app).await,
                    Self::Remotes(remotes) => remotes.run(app).await,
                    Self::Drives(drives) => drives.run(app).await,
                    Self::Token(token) => token.run(app).await,
                    Self::Skydrive(skydrive) => skydrive.command.run(app).await,
                    Self::Amazon(amazon) => amazon.command.run(app).await,
                    Self::Completions(completions) => completions.run(app),
                    Self::CompletePlace(place) => place.run(app).await,
                    Self::Manual(manual) => manual.run(),
                    Self::Hidden(command) => command.into_command().run(app).await,
                    Self::Serve(_)
                    | Self::Get(_)
                    | Self::Put(_)
                    | Self::Watch(_)
                    | Self::Bench(_)
                    | Self::Conformance(_) => {
                        unreachable!("handled above")
                    }
                }
            })
            .await
    }

    /// Returns the name of the remote that this command will create. `None` if it creates none.
    pub(crate) fn new_remote(&self) -> Option<&str> {
        match self {
            Self::Login(login) => Some(&login.name),
            _ => None,
        }
    }

    /// Returns the verb for failures of this command: `cannot <verb> <item>: …`.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Serve(_) => "serve",
            Self::Ls(_) | Self::Tree(_) => "list",
            Self::Stat(_) => "stat",
            Self::Cat(_) => "read",
            Self::Get(_) => "get",
            Self::Put(_) => "put",
            Self::Copy(_) | Self::Cp(_) => "copy",
            Self::Sync(_) => "sync",
            Self::Move(_) | Self::Mv(_) => "move",
            Self::Check(_) => "check",
            Self::Bench(_) => "measure",
            Self::Conformance(_) => "test",
            Self::Rm(_) => "remove",
            Self::Mkdir(_) => "create",
            Self::Find(_) | Self::Search(_) => "search",
            Self::Du(_) => "measure",
            Self::Hash(_) => "hash",
            Self::Info(_) => "read",
            Self::Link(_) => "create a link to",
            Self::Share(share) => share.action(),
            Self::Versions(versions) => versions.action(),
            Self::Trash(trash) => trash.action(),
            Self::Thumb(_) => "download a thumbnail of",
            Self::Watch(_) => "watch",
            Self::Quota(_) => "read the quota of",
            Self::Usage(_) => "read the usage of",
            Self::User(_) => "read the account of",
            Self::Login(_) => "sign in to",
            Self::Logout(_) => "sign out of",
            Self::Remotes(remotes) => remotes.action(),
            Self::Drives(_) => "list the drives of",
            Self::Token(_) => "refresh the token of",
            Self::Skydrive(skydrive) => skydrive.command.action(),
            Self::Amazon(amazon) => amazon.command.action(),
            Self::Completions(_) => "print",
            Self::CompletePlace(_) => "list",
            Self::Manual(_) => "write",
            Self::Hidden(command) => command.action(),
        }
    }
}

impl Cli {
    /// Parses the arguments of this process. For `--help`, `--version` and invalid arguments it
    /// prints a text and exits.
    pub(crate) fn parse() -> Self {
        let matches = grammar().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Builds the parser. The help of a command lists its own options only, and the old names of the
/// SkyDrive commands are hidden.
pub(crate) fn grammar() -> clap::Command {
    let command = Cli::command();
    let global: Vec<Arg> = command
        .get_arguments()
        .filter(|argument| argument.is_global_set())
        .map(|argument| argument.clone().hide(true))
        .collect();
    let skydrive = skydrive::OldCommand::augment_subcommands(clap::Command::new("skydrive"));
    let old_names: Vec<_> =
        skydrive.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    command.mut_subcommands(|command| {
        let is_old_name = old_names.iter().any(|name| name == command.get_name());
        with_global_options(command, &global).hide(is_old_name)
    })
}

/// Adds the global options to a command and those below it, hidden. Clap would add them visibly.
/// The short help (`-h`) ends with the examples, the long help (`--help`) also has the details.
fn with_global_options(command: clap::Command, global: &[Arg]) -> clap::Command {
    let details = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples = &details[details.find("Example").unwrap_or_default()..];
    let short = format!("{examples}\n\n{GLOBAL_OPTIONS_NOTE}");
    command
        .args(global)
        .after_help(short)
        .after_long_help(format!("{details}\n\n{GLOBAL_OPTIONS_NOTE}"))
        .mut_subcommands(|command| with_global_options(command, global))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All commands, with those of `drivedal skydrive` and `drivedal amazon`.
    fn commands() -> Vec<clap::Command> {
        let mut found = Vec::new();
        let mut pending = vec![grammar()];
        while let Some(command) = pending.pop() {
            pending.extend(command.get_subcommands().cloned());
            found.push(command);
        }
        found
    }

    #[test]
    fn the_grammar_is_consistent() {
        grammar().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_shows_an_example() {
        for command in commands() {
            let help = command.get_after_help().or(command.get_after_long_help());
            let help = help.map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("drivedal "), "{}", command.get_name());
        }
    }

    #[test]
    fn a_short_help_text_fits_one_line_and_starts_with_a_verb() {
        for command in commands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && about.len() <= 80, "{}: {about}", command.get_name());
            for argument in command.get_arguments().filter(|argument| !argument.is_positional()) {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                let first = help.split(' ').next().unwrap_or_default();
                assert!(
                    help.len() <= 80
                        && !["The", "A", "No", "What", "How", "Where"].contains(&first),
                    "{} --{}: {help}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }

    #[test]
    fn only_the_help_of_the_program_lists_global_options() {
        for mut command in commands() {
            let is_program = command.get_name() == "drivedal";
            let help = command.render_long_help().to_string();
            assert_eq!(help.contains("--log-file"), is_program, "{help}");
        }
    }
}
