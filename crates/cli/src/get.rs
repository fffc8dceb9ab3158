//! `drivedal get`

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use drivedal_transfer::local_name;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    listing::{Depth, Listed, list},
    location::Location,
    options::AddressingArgs,
    pipe,
    remote::RemotePath,
    transfer::{
        JOBS,
        download::{self, DownloadItem, DownloadList, TreeDownload},
        fetch::SkippedChecks,
        report::TransferReport,
    },
};

/// Download files, or folders with -r
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "drivedal get [OPTIONS] <REMOTE:PATH>... [FILE]",
    after_help = "\
`get REMOTE:PATH FILE` downloads to FILE. `get -r REMOTE:PATH DIR` makes DIR a copy of PATH; files in
DIR that PATH does not have stay. If the target ends with a slash, the items are put below it, and so
are a file and several items if the target is an existing folder. Without a target, items are put
below the current folder.

`get REMOTE:PATH -` writes a file to standard output.

A download is written to a hidden .partial file. It replaces the target once its size and hash equal
those that the remote lists. SharePoint rewrites Office and HTML files: those are accepted with a
warning. The file gets the modification time that the drive has. If an item fails, the others are
still downloaded, and the exit code is 6. Items that would get the same local name (README and readme
on a disk that ignores case) are reported and not downloaded.

An interrupted download of a large file (8 MiB) is resumed when the same command runs again within
30 days and the file on the remote is unchanged. FILE.__incomplete of acd_cli is resumed too. Other
.partial files are removed by the next run.

With --json each item is a line: {\"path\", \"local\", \"result\": \"fetched\"|\"made\", \"bytes\"} or
{\"error\": {\"kind\", \"about\", \"message\", \"hint\"}}. The last line is {\"summary\": {\"files\",
\"folders\", \"bytes\", \"kept\", \"skipped\", \"unchecked\", \"failed\", \"seconds\", \"requests\"}}.

Examples:
  drivedal get local-skydrive:notes.txt
  drivedal get -r local-skydrive:backup/photos photos
  drivedal get work:a.pdf work:b.pdf papers/"
)]
pub(crate) struct Get {
    /// The files and folders to download, then the local target
    #[arg(value_name = "REMOTE:PATH... [FILE]", required = true)]
    arguments: Vec<PathBuf>,

    /// Download folders with everything below them
    #[arg(short, long)]
    recursive: bool,

    /// Download this many files at the same time
    #[arg(short, long, value_name = "N", default_value = JOBS)]
    jobs: NonZeroUsize,

    /// Accept files of another size than the remote lists
    #[arg(long)]
    ignore_size: bool,

    /// Accept files with another hash than the remote lists
    #[arg(long)]
    ignore_checksum: bool,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl Get {
    /// Downloads the sources. All are listed before the first file is downloaded, so that no two
    /// get the same name.
    ///
    /// # Errors
    /// `Usage` if a source is not on a remote, or several sources have a target that is not a
    /// folder; the failure of a single source; `Interrupted` or `Terminated` after a signal;
    /// `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        if let [source, target] = &*self.arguments
            && target == Path::new(pipe::DASH)
            && let Some(source) = source.to_str().and_then(Location::detect)
        {
            return pipe::get(app, &source, self.addressing.mode()).await;
        }
        let (sources, target) = self.sources()?;
        if sources.len() > 1 && !target.is_folder() {
            return Err(Failure::several_sources().doing("write").about(target.path.display()));
        }
        let report = TransferReport::new(app);
        let progress = report.show_progress("get");
        let download = TreeDownload {
            report: Arc::clone(&report),
            interrupt: app.interrupt.clone(),
            journal: app.journal().await,
            jobs: self.jobs.get(),
            skipped_checks: SkippedChecks {
                size: self.ignore_size,
                checksum: self.ignore_checksum,
            },
        };
        let mut many = sources.len() > 1;
        // With several sources an existing folder works like a target with a slash.
        let target = GetTarget { is_folder_path: target.is_folder_path || many, ..target };
        let mut downloads = DownloadList { items: Vec::new(), complete: Vec::new() };
        let mut folder = None;
        for (argument, source) in sources.iter().enumerate() {
            if app.interrupt.is_set() {
                break;
            }
            let listed = self.list(app, &download, argument, source, &target, &mut downloads).await;
            match listed {
                Ok((is_tree, into)) => {
                    many |= is_tree;
                    folder = Some(into);
                }
                Err(failure) => report.record_failure(failure)?,
            }
        }
        if let Some(folder) = folder {
            download.run(downloads, &folder).await?;
        }
        drop(progress);
        report.finish("get", many)
    }

    /// Splits the arguments into the sources and the local target. The last one is the target if it
    /// is a local path and not the only one; otherwise the target is the working folder.
    ///
    /// # Errors
    /// `Usage` if a source is not on a remote.
    fn sources(&self) -> Result<(Vec<Location>, GetTarget)> {
        let location = |path: &PathBuf| path.to_str().and_then(Location::detect);
        let (last, others) = match self.arguments.split_last() {
            Some((last, others)) if !others.is_empty() && location(last).is_none() => {
                (Some(last), others)
            }
            _ => (None, self.arguments.as_slice()),
        };
        let source = |path: &PathBuf| {
            let text = path.to_str().ok_or_else(|| "the argument is not UTF-8".to_owned());
            text.and_then(Location::parse).map_err(|why| Failure::usage(why).about(path.display()))
        };
        let sources = others.iter().map(source).collect::<Result<_>>()?;
        Ok((sources, GetTarget::new(last.map_or(Path::new("./"), PathBuf::as_path))))
    }

    /// Lists a source and adds its items to `downloads`. `argument` is the number of the source.
    /// Returns whether the source is a folder, and the local folder that its items belong into.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the path has a segment
    /// `.` or `..`; `Failed` for a folder without `-r`, and for a name that local files cannot
    /// have; the failure of the request ([`Failure::from`]); `Interrupted` or `Terminated` after a
    /// signal.
    async fn list(
        &self,
        app: &App,
        download: &TreeDownload,
        argument: usize,
        source: &Location,
        target: &GetTarget,
        downloads: &mut DownloadList,
    ) -> Result<(bool, PathBuf)> {
        let workload = if self.recursive { Workload::Bulk } else { Workload::Interactive };
        let listing = async {
            let at = app.resolve(source, self.addressing.mode(), workload).await?;
            let listed = match self.recursive {
                true => Some(list(&at, Depth::Tree).await?),
                false => None,
            };
            Ok((at, listed))
        };
        let (at, listed) = app.interrupt.cancellable(listing).await?;
        // `fetch` compares sizes and hashes itself.
        if let Some(handle) = &at.remote.handle {
            handle.set_checked_reads(false);
        }
        let metadata = match listed {
            Some(Listed::Folder(listing)) => {
                let path = target.for_folder(at.path.name())?;
                let items = &mut downloads.items;
                if download.list(&at, listing, argument, path, items).await? {
                    downloads.complete.push(at);
                }
                return Ok((true, target.path.clone()));
            }
            Some(Listed::File(metadata)) => metadata,
            None => app.interrupt.cancellable(file_at(&at)).await?,
        };
        let to = target.for_file(&at)?;
        download.report.totals.found_file(metadata.content_length());
        let folder = to.parent().map(Path::to_path_buf).unwrap_or_default();
        let path = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let facts = download::SourceEntry {
            from: at.clone(),
            metadata: Some(metadata),
            named: Some(to),
            id: None,
        };
        downloads.items.push(DownloadItem { path, is_folder: false, argument, facts });
        downloads.complete.push(at);
        Ok((false, folder))
    }
}

/// Returns the metadata of a file.
///
/// # Errors
/// `Failed` if it is a folder; `NotFound` if it does not exist; the failure of the request
/// ([`Failure::from`]).
async fn file_at(at: &RemotePath) -> Result<opendal::Metadata> {
    use crate::remote::EntryInfo;
    match at.stat().await? {
        EntryInfo::File(metadata) => Ok(metadata),
        EntryInfo::Folder(_) => Err(Failure::is_folder().hint("use -r to get folders").about(at)),
    }
}

/// The local target of a download.
struct GetTarget {
    path: PathBuf,
    /// The argument ends with a slash, or is `.` or `..`.
    is_folder_path: bool,
}

impl GetTarget {
    /// Creates a target. A slash at the end of the path marks a folder.
    fn new(path: &Path) -> Self {
        let text = path.as_os_str().as_encoded_bytes();
        let slash = text.last().is_some_and(|last| std::path::is_separator(char::from(*last)));
        Self { path: path.to_owned(), is_folder_path: slash }
    }

    /// Returns whether items are downloaded into the target, by its slash or because it is an
    /// existing folder.
    fn is_folder(&self) -> bool {
        self.is_folder_path || self.path.is_dir()
    }

    /// Returns the path, below this target, of a copy of a folder of that name. The root of a
    /// remote has no name (`None`); its copy is the target itself.
    ///
    /// # Errors
    /// `Failed` if a local folder cannot have the name.
    fn for_folder<'n>(&self, name: Option<&'n str>) -> Result<&'n str> {
        match name {
            Some(name) if self.is_folder_path => local_file_name(name),
            _ => Ok(""),
        }
    }

    /// Returns the local path of the file at a remote path: below the target if the target is a
    /// folder, otherwise the target itself.
    ///
    /// # Errors
    /// `Usage` for the root; `Failed` if a local file cannot have the name.
    fn for_file(&self, at: &RemotePath) -> Result<PathBuf> {
        let name = at.path.name().ok_or_else(Failure::root_is_not_file)?;
        match self.is_folder() {
            true => Ok(self.path.join(at.remote.local_path(local_file_name(name)?)?)),
            false => Ok(self.path.clone()),
        }
    }
}

/// Returns the name if a local file can have it.
///
/// # Errors
/// `Failed` with the reason if it cannot.
fn local_file_name(name: &str) -> Result<&str> {
    local_name(name).map_err(|why| Failure::new(Exit::Failed, why).about(name))
}
