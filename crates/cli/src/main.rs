//! The command line `drivedal`.
//!
//! One file per command; each parses its arguments, opens remotes through [`App`], takes the same
//! road as a user's app (an [`Operator`](opendal::Operator), a drive's handle for extras) and gives
//! its results to [`Output`](output::Output). Beside them: how items are named (`location`), bulk
//! transfers (`transfer`), what is shown while they run (`progress`), what went wrong and the exit
//! codes (`failure`).

mod app;
mod cat;
mod config;
mod cp;
mod embedded;
mod failure;
mod get;
mod interrupt;
mod item;
mod listing;
mod location;
mod log;
mod ls;
mod mkdir;
mod mv;
mod output;
mod progress;
mod put;
mod quota;
mod requests;
mod rm;
mod serve;
mod skydrive;
mod stat;
mod transfer;
mod tree;
mod units;
mod user;
mod value;
mod waiting;

use std::{path::PathBuf, process, sync::Arc};

use clap::{Parser, Subcommand};

use self::{
    app::App,
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    location::Addressing,
    output::{Format, Output},
    skydrive::{auth, comments, info, link, list},
    value::Template,
};

/// Cloud drives from the shell: OneDrive, SkyDrive and Amazon Cloud Drive, and a drive server that
/// speaks their protocols from local storage.
#[derive(Debug, Parser)]
#[command(name = "drivedal", version, propagate_version = true, after_long_help = TOPICS)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const TOPICS: &str = "\
AddressingArgs items:
  NAME:PATH      a path in a remote; NAME:/a/b and NAME:a/b are one, NAME: is the root
  NAME:ID        an item by the cloud's id, if it looks like one of that cloud; a path may go on
                 below it (NAME:ID/a/b). -p and -i say which it is
  URI            a remote by OpenDAL's URI: its root (fs:///srv/data)
  local-skydrive:  a SkyDrive that is always there: the drive server in the process, its data in
                 the user's data folder (--data)

Remotes come from --remote NAME=URI or from the configuration file:
  [remotes.work]
  type = \"skydrive\"
  token_file = \"/home/me/.config/drivedal/work.json\"
What is written on a command line can be read in the process list: keep tokens in the file.

Exit codes:
    0  done                              6  some of several items failed, the others are done
    1  failed                            7  no connection, or the cloud is busy: try later
    2  wrong arguments or configuration  8  the remote cannot do this
    3  no such item                    130  stopped by Ctrl-C
    4  permission denied               141  standard output was closed
    5  something is there already      143  stopped by SIGTERM

Examples:
  drivedal put -r photos local-skydrive:photos
  drivedal ls -l local-skydrive:photos
  drivedal get -r local-skydrive:photos copy
  drivedal serve --http 127.0.0.1:0 --ephemeral";

/// What holds for every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// A remote, by OpenDAL's URI; wins over one of that name in the configuration
    #[arg(long = "remote", value_name = "NAME=URI", global = true, value_parser = config::named_uri)]
    remotes: Vec<(String, String)>,

    /// The configuration file [default: drivedal/config.toml in the user's configuration folder]
    #[arg(long, value_name = "FILE", global = true, env = "DRIVEDAL_CONFIG")]
    config: Option<PathBuf>,

    /// Where the drive server keeps its data [default: the user's data folder]
    #[arg(long, value_name = "DIR", global = true, env = "DRIVEDAL_DATA")]
    data: Option<PathBuf>,

    /// Results as JSON, one document a line: -o json
    #[arg(long, global = true)]
    json: bool,

    /// How results are written
    #[arg(short, long, value_enum, value_name = "FORM", global = true, conflicts_with = "json")]
    output: Option<Format>,

    /// Of objects only this: a key, or a text with keys such as '{name} {size}'
    #[arg(short = 'k', long, visible_alias = "object-key", value_name = "KEY", global = true,
          value_parser = Template::parse)]
    template: Option<Template>,

    /// How often a request that failed is tried again; 0: never [default: as the cloud's practice is]
    #[arg(long, value_name = "TIMES", global = true)]
    retries: Option<u32>,

    /// Tell on standard error what is done: -v every request, -vv everything. No secret is told
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Write what -v tells to the end of a file, with the time
    #[arg(long, value_name = "FILE", global = true)]
    log_file: Option<PathBuf>,

    /// Write every request to a file that browsers show in their network panel
    #[arg(long, value_name = "FILE", global = true)]
    har: Option<PathBuf>,

    /// Tell at the end how many requests there were, for what, and how long they took
    #[arg(long, global = true)]
    stats: bool,

    /// No progress and no summary
    #[arg(short, long, global = true)]
    quiet: bool,
}

/// Whether what is named in a remote is a path or an id.
#[derive(Clone, Copy, Debug, clap::Args)]
struct AddressingArgs {
    /// What comes behind the colon is a path, even if it looks like an id
    #[arg(short, long, conflicts_with = "id")]
    path: bool,

    /// What comes behind the colon is an id, even if it does not look like one
    #[arg(short, long)]
    id: bool,
}

impl AddressingArgs {
    fn mode(self) -> Addressing {
        match self {
            Self { path: true, .. } => Addressing::Path,
            Self { id: true, .. } => Addressing::Id,
            _ => Addressing::Auto,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Ls(ls::Ls),
    Tree(tree::Tree),
    Stat(stat::Stat),
    Cat(cat::Cat),
    Get(get::Get),
    Put(put::Put),
    Cp(cp::Cp),
    Mv(mv::Mv),
    Rm(rm::Rm),
    Mkdir(mkdir::Mkdir),
    Quota(quota::Quota),
    User(user::User),
    Info(info::Info),
    InfoSet(info::InfoSet),
    Link(link::Link),
    Recent(list::Recent),
    Comments(comments::Comments),
    CommentAdd(comments::CommentAdd),
    CommentDelete(comments::CommentDelete),
    Auth(auth::Auth),
    AuthRefresh(auth::AuthRefresh),
}

impl Command {
    async fn run(self, app: &App) -> Result<Exit> {
        // These stop by themselves when a signal comes, in their own time.
        let simple = match self {
            Self::Serve(serve) => return serve.run(app).await,
            Self::Get(get) => return get.run(app).await,
            Self::Put(put) => return put.run(app).await,
            simple => simple,
        };
        app.interrupt
            .cancellable(async {
                match simple {
                    Self::Ls(ls) => ls.run(app).await,
                    Self::Tree(tree) => tree.run(app).await,
                    Self::Stat(stat) => stat.run(app).await,
                    Self::Cat(cat) => cat.run(app).await,
                    Self::Cp(cp) => cp.run(app).await,
                    Self::Mv(mv) => mv.run(app).await,
                    Self::Rm(rm) => rm.run(app).await,
                    Self::Mkdir(mkdir) => mkdir.run(app).await,
                    Self::Quota(quota) => quota.run(app).await,
                    Self::User(user) => user.run(app).await,
                    Self::Info(info) => info.run(app).await,
                    Self::InfoSet(info) => info.run(app).await,
                    Self::Link(link) => link.run(app).await,
                    Self::Recent(recent) => recent.run(app).await,
                    Self::Comments(comments) => comments.run(app).await,
                    Self::CommentAdd(comment) => comment.run(app).await,
                    Self::CommentDelete(comment) => comment.run(app).await,
                    Self::Auth(auth) => auth.run(app).await,
                    Self::AuthRefresh(refresh) => refresh.run(app).await,
                    Self::Serve(_) | Self::Get(_) | Self::Put(_) => unreachable!("taken above"),
                }
            })
            .await
    }
}

/// Runs the command of this process's arguments.
fn main() -> ! {
    let cli = Cli::parse();
    let format = match cli.global.json {
        true => Format::Json,
        false => cli.global.output.unwrap_or_default(),
    };
    let output = Output::new(format, cli.global.template.clone(), cli.global.quiet);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.say(format_args!("drivedal: no threads to work with: {error}"));
            process::exit(Exit::Failed as i32);
        }
    };
    let exit = runtime.block_on(run(cli, &output));
    // Without destructors: a thread may still be writing to a reader who does not read.
    runtime.shutdown_background();
    process::exit(exit as i32)
}

async fn run(cli: Cli, output: &Arc<Output>) -> Exit {
    let ended = match log::init(&cli.global, output) {
        Ok(log) => {
            let ended = run_command(cli, output).await;
            match (ended, log.map_or(Ok(()), |log| log.check())) {
                (Err(failure), Err(unwritten)) => {
                    output.say(format_args!("drivedal: {unwritten}"));
                    Err(failure)
                }
                (ended, logged) => ended.and_then(|exit| logged.map(|()| exit)),
            }
        }
        Err(failure) => Err(failure),
    };
    let failure = match ended.and_then(|exit| output.flush().map(|()| exit)) {
        Ok(exit) => return exit,
        Err(failure) => failure,
    };
    if matches!(failure.exit, Exit::Interrupted | Exit::Terminated) {
        // Not to standard output, which may be what it was waiting for.
        output.say(format_args!("drivedal: {failure}"));
        return failure.exit;
    }
    match output.failed(&failure).and_then(|()| output.flush()) {
        Ok(()) => failure.exit,
        Err(unread) => unread.exit,
    }
}

async fn run_command(cli: Cli, output: &Arc<Output>) -> Result<Exit> {
    let interrupt = Interrupt::listen()
        .map_err(|error| Failure::from(&error).about("listening for signals"))?;
    let stats = cli.global.stats;
    let app = App::new(cli.global, Arc::clone(output), interrupt)?;
    let requests = app.requests.clone();
    let ended = cli.command.run(&app).await;
    let closed = app.close().await;
    let told = if stats { requests.show(output) } else { Ok(()) };
    let exit = ended?;
    closed?;
    told?;
    requests.check().map(|()| exit)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("drivedal "), "{}", command.get_name());
        }
    }
}
