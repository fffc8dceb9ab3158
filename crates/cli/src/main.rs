//! The command line `drivedal`.
//!
//! Each command is one file: it parses its arguments, opens remotes through [`App`], works through
//! an [`Operator`](opendal::Operator) (or a drive's handle) and prints results through
//! [`Output`](output::Output). The other modules:
//!
//! - `args`: the grammar of the command line, and global options;
//! - `config`: the configured remotes; `prompt`: questions to the user;
//! - `location`: how arguments name items;
//! - `transfer`: the upload and download of files and folders; `sync`: transfers between any two
//!   places;
//! - `save`: downloads that are not transfers;
//! - `progress`, `waiting`: messages while a command runs;
//! - `failure`: failures and exit codes.

mod amazon;
mod app;
mod args;
mod behavior_arguments;
mod bench;
mod cat;
mod completions;
mod config;
mod conformance;
mod connection;
mod control_arguments;
mod cp;
mod drives;
mod du;
mod embedded;
mod failure;
mod find;
mod get;
mod hash;
mod info;
mod interrupt;
mod item;
mod link;
mod listing;
mod location;
mod log;
mod login;
mod logout;
mod ls;
mod mkdir;
mod mv;
mod options;
mod output;
mod pipe;
mod progress;
mod prompt;
mod put;
mod quota;
mod remote;
mod remotes;
mod requests;
mod rm;
mod save;
mod search;
mod serve;
mod share;
mod sign_in_arguments;
mod skydrive;
mod stat;
mod storage;
mod sync;
mod text;
mod thumb;
mod token;
mod transfer;
mod trash;
mod tree;
mod units;
mod usage;
mod user;
mod value;
mod versions;
mod waiting;
mod watch;

use std::{process, sync::Arc};

use self::{
    app::App,
    args::Cli,
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    output::{Format, Output, OutputForm},
};

/// Parses the arguments of this process, runs the command and exits with its exit code.
fn main() -> ! {
    let cli = Cli::parse();
    let format = match cli.global.json {
        true => Format::Json,
        false => cli.global.output.unwrap_or_default(),
    };
    let action = cli.command.action();
    let form = OutputForm {
        results: format,
        template: cli.global.template.clone(),
        messages: cli.global.log_format,
        quiet: cli.global.quiet,
    };
    let output = Output::new(form, action);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.notice(format_args!("cannot start threads: {error}"));
            process::exit(Exit::Failed as i32);
        }
    };
    let exit = runtime.block_on(run(cli, &output));
    // Threads are not joined: one may block forever on a reader that does not read.
    runtime.shutdown_background();
    process::exit(exit as i32)
}

/// Runs the command with logging and reports its failure.
async fn run(cli: Cli, output: &Arc<Output>) -> Exit {
    let ended = match log::init(&cli.global, output) {
        Ok(log) => {
            let ended = run_command(cli, output).await;
            match (ended, log.map_or(Ok(()), |log| log.check())) {
                (Err(failure), Err(log_failure)) => {
                    output.notice(log_failure);
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
        // Only to standard error: the command may have been blocked on standard output.
        output.notice(failure.message);
        return failure.exit;
    }
    match output.failed(&failure).and_then(|()| output.flush()) {
        Ok(()) => failure.exit,
        Err(unwritable) => unwritable.exit,
    }
}

/// Runs the command and closes the remotes that it opened. Prints the statistics of `--stats` even
/// if the command fails.
///
/// # Errors
/// The command's failure, otherwise that of closing, of printing, or of the HAR file.
async fn run_command(cli: Cli, output: &Arc<Output>) -> Result<Exit> {
    let interrupt = Interrupt::listen()
        .map_err(|error| Failure::from(&error).doing("listen for").about("signals"))?;
    let stats = cli.global.stats;
    let app = App::new(cli.global, Arc::clone(output), interrupt, cli.command.new_remote())?;
    let requests = app.requests.clone();
    let ended = cli.command.run(&app).await;
    let closed = app.close().await;
    let printed = if stats { requests.print(output) } else { Ok(()) };
    let exit = ended?;
    closed?;
    printed?;
    requests.check().map(|()| exit)
}
