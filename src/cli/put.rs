//! `drivedal put`

use std::{
    collections::HashSet,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::cli::{
    Naming,
    app::{App, Located, Use},
    failure::{Exit, Failure, Result},
    location::Location,
    transfer::{
        JOBS,
        ledger::Ledger,
        local::{self, Links, blocking},
        upload::{Group, Upload, Work},
    },
};

/// Send files, with -r folders and all below them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`put FILE NAME:PATH` makes PATH the file, `put -r DIR NAME:PATH` makes PATH a copy of DIR: what is
there already and is not in DIR stays. With a slash at its end (or as the root) the target is where
they go below: `put a.txt NAME:docs/` makes docs/a.txt.

Every file's size is compared with what the drive has at the end. An item that fails is reported,
the rest goes on, and the exit code is 6.

A large file goes in fragments where the cloud takes them. One that was stopped goes on when the same
command is run again, if the file is still the same, until the cloud forgets it. .partial files of
`get` are left out.

With --json one item a line: {\"path\", \"local\", \"result\": \"sent\"|\"made\"|\"kept\"|\"skipped\",
\"bytes\"} or {\"error\": {\"kind\", \"about\", \"message\"}}, and at last {\"summary\": {\"files\",
\"folders\", \"bytes\", \"kept\", \"skipped\", \"unchecked\", \"failed\", \"seconds\", \"requests\"}}.

Examples:
  drivedal put notes.txt local-skydrive:docs/
  drivedal put -r photos local-skydrive:backup/photos
  drivedal put -r --no-overwrite photos work:")]
pub(crate) struct Put {
    /// What is to be sent, and where: NAME:PATH comes last
    #[arg(value_name = "FILE... NAME:PATH", required = true, num_args = 2..)]
    arguments: Vec<PathBuf>,

    /// Folders too, with everything below them
    #[arg(short, long)]
    recursive: bool,

    /// Files that are there stay as they are; with -r that is no failure
    #[arg(short, long)]
    no_overwrite: bool,

    /// What to do with symbolic links in a folder
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    links: Links,

    /// How many files at once
    #[arg(short, long, value_name = "N", default_value = JOBS)]
    jobs: NonZeroUsize,

    #[command(flatten)]
    naming: Naming,
}

/// What an argument leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

impl Put {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (target, sources) = self.sources()?;
        let uses = if self.recursive || sources.len() > 1 { Use::Bulk } else { Use::Few };
        let locating = app.locate(&target, self.naming.named(), uses);
        let target = app.interrupt.or(locating).await?;
        if sources.len() > 1 && !target.path.says_folder() {
            let why = "several things cannot be one: write a slash behind it to put them below";
            return Err(Failure::usage(why).about(&target));
        }
        let many = sources.len() > 1 || sources.iter().any(|(_, kind)| *kind == Kind::Folder);

        let ledger = Ledger::new(app);
        let progress = ledger.show("put");
        let counting = self.count(app, &ledger, &sources);
        let work = plan(&target, sources)?;
        let upload = Upload {
            ledger: Arc::clone(&ledger),
            interrupt: app.interrupt.clone(),
            journal: app.journal().await,
            keep: self.no_overwrite,
            links: self.links,
        };
        Arc::new(upload).run(self.jobs.get(), work).await?;
        if let Some(counting) = counting {
            counting.abort();
        }
        drop(progress);
        ledger.close("put", many)
    }

    fn sources(&self) -> Result<(Location, Vec<(PathBuf, Kind)>)> {
        let Some((target, sources)) = self.arguments.split_last() else {
            return Err(Failure::usage("nothing to send"));
        };
        let target = target.to_str().ok_or("it is not UTF-8".to_owned()).and_then(Location::parse);
        let target = target.map_err(|why| Failure::usage(format!("the target: {why}")))?;
        let kind = |source: &PathBuf| match fs::metadata(source) {
            Err(error) => Err(Failure::local(source, &error)),
            Ok(found) if found.is_dir() && !self.recursive => {
                Err(Failure::new(Exit::Failed, "is a folder: -r sends it").about(source.display()))
            }
            Ok(found) if found.is_dir() => Ok((source.clone(), Kind::Folder)),
            Ok(found) if found.is_file() => Ok((source.clone(), Kind::File)),
            Ok(_) => {
                let why = "neither a file nor a folder (a pipe, a socket, a device)";
                Err(Failure::new(Exit::Failed, why).about(source.display()))
            }
        };
        Ok((target, sources.iter().map(kind).collect::<Result<_>>()?))
    }

    /// Counts what there is to do while it begins, for whoever looks on.
    fn count(
        &self,
        app: &App,
        ledger: &Ledger,
        sources: &[(PathBuf, Kind)],
    ) -> Option<tokio::task::JoinHandle<Result>> {
        let sources: Vec<_> = sources.to_vec();
        let (tally, interrupt) = (Arc::clone(&ledger.tally), app.interrupt.clone());
        ledger.is_shown().then(|| {
            tokio::spawn(blocking(move || {
                for (source, kind) in sources {
                    match (kind, fs::metadata(&source)) {
                        (Kind::Folder, _) => local::count(&source, &tally, &interrupt),
                        (Kind::File, Ok(file)) => tally.found_file(file.len()),
                        (Kind::File, Err(_)) => {}
                    }
                }
                tally.found_all();
                Ok(())
            }))
        })
    }
}

/// What there is to do, the first thing last.
fn plan(target: &Located, sources: Vec<(PathBuf, Kind)>) -> Result<Vec<Work>> {
    let files = sources.iter().filter(|(_, kind)| *kind == Kind::File).count();
    let folder = match target.path.says_folder() {
        true => target.clone(),
        false => Located { path: target.path.parent(), ..target.clone() },
    };
    let group = Group::new(folder, HashSet::new(), files, sources.len() == 1);
    let mut work = Vec::new();
    for (from, kind) in sources {
        let to = target.target_for(name(&from)?);
        work.push(match (kind, to.path.name()) {
            (Kind::File, Some(name)) => {
                let (name, group) = (name.to_owned(), Arc::clone(&group));
                Work::File { from, name, to, group }
            }
            (Kind::File, None) => {
                return Err(Failure::usage("the root of a remote is not a file").about(&to));
            }
            (Kind::Folder, _) => {
                let above = from.canonicalize().into_iter().collect();
                Work::Folder { from, to, above }
            }
        });
    }
    work.reverse();
    Ok(work)
}

/// What a source is called; `.` and `/` have no name.
fn name(source: &Path) -> Result<Option<&str>> {
    source.file_name().map_or(Ok(None), |name| {
        let why = "the name is not UTF-8, and no drive can take it";
        let failure = || Failure::new(Exit::Failed, why).about(source.display());
        name.to_str().map(Some).ok_or_else(failure)
    })
}
