//! `drivedal put`

use std::{
    collections::HashSet,
    fs::{self, Metadata},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    AddressingArgs,
    app::{App, RemotePath, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    transfer::{
        JOBS,
        local::{Links, blocking},
        names::NameRules,
        report::TransferReport,
        survey::{Survey, UploadSource},
        upload::{FolderGroup, TreeUpload, UploadTask},
    },
};

/// Send files, with -r folders and all below them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`put FILE NAME:PATH` makes PATH the file, `put -r DIR NAME:PATH` makes PATH a copy of DIR: what is
there already and is not in DIR stays. With a slash at its end (or as the root) the target is where
they go below: `put a.txt NAME:docs/` makes docs/a.txt.

Every file's size is compared with what the drive has at the end. An item that fails is reported,
the rest goes on, and the exit code is 6. So it is with items that would get one name on the drive,
as README and readme, or the same name from two sources: none of them is sent.

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
    addressing: AddressingArgs,
}

impl Put {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (target, sources) = self.sources()?;
        let workload = if self.recursive || sources.len() > 1 {
            Workload::Bulk
        } else {
            Workload::Interactive
        };
        let locating = app.resolve(&target, self.addressing.mode(), workload);
        let target = app.interrupt.cancellable(locating).await?;
        if sources.len() > 1 && !target.path.is_folder_path() {
            let why = "several things cannot be one: write a slash behind it to put them below";
            return Err(Failure::usage(why).about(&target));
        }
        let many = sources.len() > 1 || sources.iter().any(|(_, found)| found.is_dir());
        let sources = placed(&target, sources)?;
        let folder = match target.path.is_folder_path() {
            true => target.clone(),
            false => RemotePath { path: target.path.parent(), ..target.clone() },
        };
        let report = TransferReport::new(app);
        let progress = report.show_progress("put");
        let rules = NameRules::for_remote(&target.remote);
        let survey = Survey {
            rules: rules.clone(),
            links: self.links,
            interrupt: app.interrupt.clone(),
            totals: Arc::clone(&report.totals),
        };
        let (surveyed, into) = (sources.clone(), folder.clone());
        let surveying = blocking(move || survey.run(&surveyed, &into));
        let refused = match surveying.await {
            Ok(refused) => refused,
            // The summary says that nothing was sent.
            Err(_) if app.interrupt.is_set() => return report.finish("put", many),
            Err(failure) => return Err(failure),
        };
        for failure in refused.failures {
            report.record_failure(failure)?;
        }
        let work = plan(folder, &rules, sources, &refused.paths)?;
        let upload = TreeUpload {
            report: Arc::clone(&report),
            interrupt: app.interrupt.clone(),
            journal: app.journal().await,
            keep_existing: self.no_overwrite,
            links: self.links,
            rules,
            refused: refused.paths,
        };
        Arc::new(upload).run(self.jobs.get(), work).await?;
        drop(progress);
        report.finish("put", many)
    }

    fn sources(&self) -> Result<(Location, Vec<(PathBuf, Metadata)>)> {
        let Some((target, sources)) = self.arguments.split_last() else {
            return Err(Failure::usage("nothing to send"));
        };
        let target = target.to_str().ok_or("it is not UTF-8".to_owned()).and_then(Location::parse);
        let target = target.map_err(|why| Failure::usage(format!("the target: {why}")))?;
        let find = |source: &PathBuf| match fs::metadata(source) {
            Err(error) => Err(Failure::local(source, &error)),
            Ok(found) if found.is_dir() && !self.recursive => {
                Err(Failure::new(Exit::Failed, "is a folder: -r sends it").about(source.display()))
            }
            Ok(found) if found.is_dir() || found.is_file() => Ok((source.clone(), found)),
            Ok(_) => {
                let why = "neither a file nor a folder (a pipe, a socket, a device)";
                Err(Failure::new(Exit::Failed, why).about(source.display()))
            }
        };
        let mut found: Vec<(PathBuf, Metadata)> = Vec::with_capacity(sources.len());
        for source in sources {
            // The same argument twice is one item.
            if !found.iter().any(|(known, _)| known == source) {
                found.push(find(source)?);
            }
        }
        Ok((target, found))
    }
}

/// The sources with the items that they become.
fn placed(target: &RemotePath, sources: Vec<(PathBuf, Metadata)>) -> Result<Vec<UploadSource>> {
    let place = |(path, found): (PathBuf, Metadata)| {
        let name = name(&path)?;
        let to = target.target_for(name);
        if to.path.is_root() && found.is_file() {
            return Err(Failure::usage("the root of a remote is not a file").about(&to));
        }
        let is_nameless = name.is_none();
        Ok(UploadSource { is_folder: found.is_dir(), len: found.len(), to, is_nameless, path })
    };
    sources.into_iter().map(place).collect()
}

/// What there is to do, the first thing last.
fn plan(
    folder: RemotePath,
    rules: &NameRules,
    sources: Vec<UploadSource>,
    refused: &HashSet<PathBuf>,
) -> Result<Vec<UploadTask>> {
    let alone = sources.len() == 1;
    let sources: Vec<_> =
        sources.into_iter().filter(|source| !refused.contains(&source.path)).collect();
    let files = sources.iter().filter(|source| !source.is_folder).count();
    let group = FolderGroup::new(folder, rules.clone(), HashSet::new(), files, alone);
    let mut work = Vec::new();
    for UploadSource { path: from, is_folder, to, .. } in sources {
        work.push(match (is_folder, to.path.name()) {
            (false, Some(name)) => {
                let (name, group) = (name.to_owned(), Arc::clone(&group));
                UploadTask::File { from, name, to, group }
            }
            (false, None) => {
                return Err(Failure::usage("the root of a remote is not a file").about(&to));
            }
            (true, _) => {
                let above = from.canonicalize().into_iter().collect();
                UploadTask::Folder { from, to, above }
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
