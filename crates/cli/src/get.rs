//! `drivedal get`

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    AddressingArgs,
    app::{App, RemotePath, Workload},
    failure::{Exit, Failure, Result},
    listing::{Depth, Listed, list},
    location::Location,
    transfer::{
        JOBS,
        download::{self, DownloadItem, DownloadList, TreeDownload},
        fetch::SkippedChecks,
        local::local_name,
        report::TransferReport,
    },
};

/// Fetch files, with -r folders and all below them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`get NAME:PATH FILE` makes FILE the file, `get -r NAME:PATH DIR` makes DIR a copy of PATH: what is
there already and is not in PATH stays. With a slash at its end the target is where they go below;
a file, and several items, go below a folder that exists in any case. Without a target everything
goes below the current folder.

A file takes its place when it is complete, and its size and hash are those that the remote lists;
until then it is a hidden .partial file beside it. Office and HTML files of SharePoint, which rewrites
them, are accepted with a warning. A file gets the drive's modification time. An item that fails is
reported, the rest goes on, and the exit code is 6. So it is with items that would get one name here,
as README and readme on a disk that ignores case, or that have one name in the drive: none of them is
fetched.

The .partial file of a large file (8 MiB) that was stopped stays, and the same command continues it if
the drive's file is still the same, as it continues FILE.__incomplete of acd_cli. After 30 days it is
forgotten; .partial files that no run can continue are removed by the next one.

With --json one item a line: {\"path\", \"local\", \"result\": \"fetched\"|\"made\", \"bytes\"} or
{\"error\": {\"kind\", \"about\", \"message\"}}, and at last {\"summary\": {\"files\", \"folders\",
\"bytes\", \"kept\", \"skipped\", \"unchecked\", \"failed\", \"seconds\", \"requests\"}}.

Examples:
  drivedal get local-skydrive:notes.txt
  drivedal get -r local-skydrive:backup/photos photos
  drivedal get work:a.pdf work:b.pdf papers/")]
pub(crate) struct Get {
    /// What is to be fetched, and at last where to
    #[arg(value_name = "NAME:PATH... [FILE]", required = true)]
    arguments: Vec<PathBuf>,

    /// Folders too, with everything below them
    #[arg(short, long)]
    recursive: bool,

    /// How many files at once
    #[arg(short, long, value_name = "N", default_value = JOBS)]
    jobs: NonZeroUsize,

    /// Accept a file with another size than the remote lists
    #[arg(long)]
    ignore_size: bool,

    /// Accept a file with another hash than the remote lists
    #[arg(long)]
    ignore_checksum: bool,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl Get {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (sources, target) = self.sources()?;
        if sources.len() > 1 && !target.is_folder() {
            let why = "several things cannot be one: write a slash behind it to put them below";
            return Err(Failure::usage(why).about(target.path.display()));
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
        // Several things go below a folder that is there, as with a slash.
        let target = Target { is_folder_path: target.is_folder_path || many, ..target };
        let mut wants = DownloadList { items: Vec::new(), complete: Vec::new() };
        let mut folder = None;
        for (argument, source) in sources.iter().enumerate() {
            if app.interrupt.is_set() {
                break;
            }
            let listed = self.list(app, &download, argument, source, &target, &mut wants).await;
            match listed {
                Ok((is_tree, into)) => {
                    many |= is_tree;
                    folder = Some(into);
                }
                Err(failure) => report.record_failure(failure)?,
            }
        }
        if let Some(folder) = folder {
            download.run(wants, &folder).await?;
        }
        drop(progress);
        report.finish("get", many)
    }

    fn sources(&self) -> Result<(Vec<Location>, Target)> {
        let location = |path: &PathBuf| path.to_str().and_then(Location::detect);
        let (last, others) = match self.arguments.split_last() {
            Some((last, others)) if !others.is_empty() && location(last).is_none() => {
                (Some(last), others)
            }
            _ => (None, self.arguments.as_slice()),
        };
        let source = |path: &PathBuf| {
            let text = path.to_str().ok_or_else(|| "it is not UTF-8".to_owned());
            text.and_then(Location::parse).map_err(|why| Failure::usage(why).about(path.display()))
        };
        let sources = others.iter().map(source).collect::<Result<_>>()?;
        Ok((sources, Target::new(last.map_or(Path::new("./"), PathBuf::as_path))))
    }

    /// Finds out what there is to fetch of a source. Returns whether it is a tree, and the folder
    /// that it goes to.
    async fn list(
        &self,
        app: &App,
        download: &TreeDownload,
        argument: usize,
        source: &Location,
        target: &Target,
        wants: &mut DownloadList,
    ) -> Result<(bool, PathBuf)> {
        let workload = if self.recursive { Workload::Bulk } else { Workload::Interactive };
        let looking = async {
            let at = app.resolve(source, self.addressing.mode(), workload).await?;
            let listed = match self.recursive {
                true => Some(list(&at, Depth::Tree).await?),
                false => None,
            };
            Ok((at, listed))
        };
        let (at, listed) = app.interrupt.cancellable(looking).await?;
        // Sizes and hashes are compared here, by `fetch`.
        if let Some(handle) = &at.remote.handle {
            handle.set_checked_reads(false);
        }
        let metadata = match listed {
            Some(Listed::Folder(listing)) => {
                let path = target.for_folder(at.path.name())?;
                let items = &mut wants.items;
                if download.list(&at, listing, argument, path, items).await? {
                    wants.complete.push(at);
                }
                return Ok((true, target.path.clone()));
            }
            Some(Listed::File(metadata)) => metadata,
            None => app.interrupt.cancellable(file_at(&at)).await?,
        };
        let to = target.for_file(at.path.name())?;
        download.report.totals.found_file(metadata.content_length());
        let folder = to.parent().map(Path::to_path_buf).unwrap_or_default();
        let path = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let facts = download::SourceEntry {
            from: at.clone(),
            metadata: Some(metadata),
            named: Some(to),
            id: None,
        };
        wants.items.push(DownloadItem { path, is_folder: false, argument, facts });
        wants.complete.push(at);
        Ok((false, folder))
    }
}

async fn file_at(at: &RemotePath) -> Result<opendal::Metadata> {
    use crate::app::EntryInfo;
    match at.stat().await? {
        EntryInfo::File(metadata) => Ok(metadata),
        EntryInfo::Folder(_) => {
            Err(Failure::new(Exit::Failed, "is a folder: -r fetches it").about(at))
        }
    }
}

/// Where things go on this computer.
struct Target {
    path: PathBuf,
    /// It was written with a slash at its end, or as `.` or `..`.
    is_folder_path: bool,
}

impl Target {
    fn new(path: &Path) -> Self {
        let text = path.as_os_str().as_encoded_bytes();
        let slash = text.last().is_some_and(|last| std::path::is_separator(char::from(*last)));
        Self { path: path.to_owned(), is_folder_path: slash }
    }

    fn is_folder(&self) -> bool {
        self.is_folder_path || self.path.is_dir()
    }

    /// The path below this one of a folder that is to be a copy of one of that name. A root has no
    /// name: it is this one itself.
    fn for_folder<'n>(&self, name: Option<&'n str>) -> Result<&'n str> {
        match name {
            Some(name) if self.is_folder_path => checked(name),
            _ => Ok(""),
        }
    }

    /// Where a file of that name goes, if it goes below this one or is to be this one.
    fn for_file(&self, name: Option<&str>) -> Result<PathBuf> {
        let name = name.ok_or_else(|| Failure::usage("the root of a remote is not a file"))?;
        match self.is_folder() {
            true => Ok(self.path.join(checked(name)?)),
            false => Ok(self.path.clone()),
        }
    }
}

/// A name that a file here can have.
fn checked(name: &str) -> Result<&str> {
    local_name(name).map_err(|why| Failure::new(Exit::Failed, why).about(name))
}
