//! `drivedal put`

use std::{
    collections::HashSet,
    fs::{self, Metadata},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
    pipe,
    remote::RemotePath,
    transfer::{
        local::{SymlinkPolicy, blocking},
        names::NameRules,
        report::TransferReport,
        survey::{Survey, UploadSource},
        upload::{FolderGroup, TreeUpload, UploadTask},
        upload_pool,
    },
};

/// Upload files, or folders with -r
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`put FILE REMOTE:PATH` uploads FILE to PATH. `put -r DIR REMOTE:PATH` makes PATH a copy of DIR; files
in PATH that DIR does not have stay. If the target ends with a slash, or is the root of the remote,
the items are put below it: `put a.txt REMOTE:docs/` creates docs/a.txt.

`put - REMOTE:PATH` uploads standard input. The file exists once the input has ended.

The size of every file is compared with the size that the drive lists. If an item fails, the others
are still uploaded, and the exit code is 6. Items that would get the same name on the drive (README
and readme, or files of one name from two sources) are reported and not uploaded.

Large files are uploaded in fragments if the cloud supports it. An interrupted upload is resumed when
the same command runs again, the local file is unchanged, and the cloud still has the upload session.
The .partial files of `get` are left out.

With --json each item is a line: {\"path\", \"local\", \"result\": \"sent\"|\"made\"|\"kept\"|\"skipped\",
\"bytes\"} or {\"error\": {\"kind\", \"about\", \"message\", \"hint\"}}. The last line is {\"summary\":
{\"files\", \"folders\", \"bytes\", \"kept\", \"skipped\", \"unchecked\", \"failed\", \"seconds\",
\"requests\"}}.

Examples:
  drivedal put notes.txt local-skydrive:docs/
  drivedal put -r photos local-skydrive:backup/photos
  drivedal put -r --no-overwrite photos work:")]
pub(crate) struct Put {
    /// The local files and folders to upload
    #[arg(value_name = "FILE", required = true)]
    sources: Vec<PathBuf>,

    /// The new path, or a folder with a slash at its end
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    target: Location,

    /// Upload folders with everything below them
    #[arg(short, long)]
    recursive: bool,

    /// Keep files that exist on the remote; with -r that is not a failure
    #[arg(short, long)]
    no_overwrite: bool,

    /// Handle symbolic links in a folder this way
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    links: SymlinkPolicy,

    /// Upload this many files at the same time (default: 16; OneDrive: 60)
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl Put {
    /// Uploads the sources, or standard input if the only source is `-`.
    ///
    /// # Errors
    /// * `Usage` if no remote has the name, the service rejects an option, the path has a segment
    ///   `.` or `..`, several sources have a target that is not a folder, or a file would become
    ///   the root.
    /// * [`Failure::local`] or `Failed` for a source that cannot be read, has a name that is not
    ///   UTF-8 and is not mapped, is a folder without `-r`, or is a special file.
    /// * The failure of a single source, and of the request for the target ([`Failure::from`]).
    /// * `Interrupted` or `Terminated` after a signal; `ClosedPipe` or `Failed` if results cannot
    ///   be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        if let [source] = &*self.sources
            && source == Path::new(pipe::DASH)
        {
            return pipe::put(app, &self.target, self.addressing.mode(), self.no_overwrite).await;
        }
        let sources = self.sources()?;
        let workload = if self.recursive || sources.len() > 1 {
            Workload::Bulk
        } else {
            Workload::Interactive
        };
        let locating = app.resolve(&self.target, self.addressing.mode(), workload);
        let target = app.interrupt.cancellable(locating).await?;
        if sources.len() > 1 && !target.path.is_folder_path() {
            return Err(Failure::several_sources().doing("write").about(&target));
        }
        let many = sources.len() > 1 || sources.iter().any(|(_, found)| found.is_dir());
        let rules = NameRules::for_remote(&target.remote);
        let sources = with_targets(&target, &rules, sources)?;
        let folder = match target.path.is_folder_path() {
            true => target.clone(),
            false => RemotePath { path: target.path.parent(), ..target.clone() },
        };
        let report = TransferReport::new(app);
        let progress = report.show_progress("put");
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
            // The summary shows that no file was sent.
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
        let jobs = upload_pool(target.remote.scheme(), self.jobs);
        Arc::new(upload).run(jobs, work).await?;
        drop(progress);
        report.finish("put", many)
    }

    /// Returns the sources with their metadata. A source that is given twice is returned once.
    ///
    /// # Errors
    /// [`Failure::local`] for a source that cannot be read; `Failed` for a folder without `-r` and
    /// for a special file.
    fn sources(&self) -> Result<Vec<(PathBuf, Metadata)>> {
        let find = |source: &PathBuf| match fs::metadata(source) {
            Err(error) => Err(Failure::local("read", source, &error)),
            Ok(found) if found.is_dir() && !self.recursive => {
                Err(Failure::is_folder().hint("use -r to put folders").about(source.display()))
            }
            Ok(found) if found.is_dir() || found.is_file() => Ok((source.clone(), found)),
            Ok(_) => Err(Failure::is_special_file().about(source.display())),
        };
        let mut found: Vec<(PathBuf, Metadata)> = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            // An argument that occurs twice is one item.
            if !found.iter().any(|(known, _)| known == source) {
                found.push(find(source)?);
            }
        }
        Ok(found)
    }
}

/// Pairs each source with the remote path that it is uploaded to.
///
/// # Errors
/// `Usage` for a file that would become the root; `Failed` for a name that is not UTF-8, if the
/// target does not map names.
fn with_targets(
    target: &RemotePath,
    rules: &NameRules,
    sources: Vec<(PathBuf, Metadata)>,
) -> Result<Vec<UploadSource>> {
    let place = |(path, found): (PathBuf, Metadata)| {
        let name = source_name(&path, rules)?;
        let to = target.target_for(name.as_deref());
        if to.path.is_root() && found.is_file() {
            return Err(Failure::root_is_not_file().about(&to));
        }
        let is_nameless = name.is_none();
        Ok(UploadSource { is_folder: found.is_dir(), len: found.len(), to, is_nameless, path })
    };
    sources.into_iter().map(place).collect()
}

/// Returns the tasks of the upload as a stack: the first task is the last element. Sources in
/// `refused` are left out.
///
/// # Errors
/// `Usage` for a file that would become the root.
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
                return Err(Failure::root_is_not_file().about(&to));
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

/// Returns the name of a source at the target of the `rules`. `None` for `.` and `/`.
///
/// # Errors
/// `Failed` if the name is not UTF-8 and the target does not map names.
fn source_name(source: &Path, rules: &NameRules) -> Result<Option<String>> {
    let name = source.file_name().map(|name| rules.target_name(name)).transpose();
    name.map_err(|failure| failure.about(source.display()))
}
