//! `drivedal du`

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    item::{ItemRecord, Kind},
    listing::{Depth, Listed, list},
    location::Location,
    options::AddressingArgs,
    remote::RemotePath,
    units::HumanSize,
};

/// Print the total size of folders
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
The size of a folder is that of all files below it. Earlier versions and the recycle bin do not count;
`drivedal usage` includes them. With --json each folder is a line: {\"path\", \"bytes\", \"files\",
\"folders\", \"unknown\"}; `unknown` is the number of files whose size the drive does not report.

Examples:
  drivedal du -h work:
  drivedal du -s work:photos work:music
  drivedal du -d 1 work:photos"
)]
pub(crate) struct Du {
    /// The folders
    #[arg(value_name = "REMOTE:[PATH]", value_parser = Location::parse, required = true)]
    folders: Vec<Location>,

    /// Print only the total of each argument
    #[arg(short, long, conflicts_with = "max_depth")]
    summarize: bool,

    /// Print only folders that are at most this many levels below the argument
    #[arg(short = 'd', long, value_name = "N")]
    max_depth: Option<usize>,

    /// Print sizes with units
    #[arg(short, long)]
    human: bool,

    #[command(flatten)]
    addressing: AddressingArgs,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// The contents of a folder, with everything below it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct FolderTotals {
    /// Sum of the known sizes of files, in bytes.
    bytes: u64,
    files: u64,
    folders: u64,
    /// Files of unknown size.
    unknown: u64,
}

/// The totals of a folder, as `--json` prints them.
#[derive(Serialize)]
struct FolderRecord<'a> {
    path: &'a str,
    #[serde(flatten)]
    totals: FolderTotals,
}

impl FolderTotals {
    /// Adds an item.
    fn add(&mut self, item: &ItemRecord) {
        match item.kind {
            Kind::Folder => self.folders += 1,
            Kind::File | Kind::Other => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(item.size.unwrap_or_default());
                self.unknown += u64::from(item.size.is_none());
            }
        }
    }
}

impl Du {
    /// Prints the totals of the folders.
    ///
    /// # Errors
    /// The failure of a single folder; `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        app.for_each_argument(&self.folders, async |folder| {
            let at = app.resolve(folder, self.addressing.mode(), Workload::Bulk).await?;
            self.print_folder(app, &at).await
        })
        .await
    }

    /// Prints the totals of a folder and of those below it, or the size of a file.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist; the failure of a request ([`Failure::from`]): then the
    /// totals are not printed, because they would be too small; `ClosedPipe` or `Failed` if results
    /// cannot be written.
    async fn print_folder(&self, app: &App, at: &RemotePath) -> Result {
        let top = at.path.as_str();
        let listing = match list(at, Depth::Tree).await? {
            Listed::Folder(listing) => listing,
            Listed::File(metadata) => {
                let mut totals = FolderTotals::default();
                totals.add(&ItemRecord::new(&at.path, &metadata));
                return self.print(app, top, totals);
            }
        };
        let (items, mut failures) = listing.sorted().await;
        if let Some(failure) = failures.pop() {
            failures.iter().try_for_each(|failure| app.output.failed(failure))?;
            return Err(failure);
        }
        let mut folders = BTreeMap::from([(top.to_owned(), FolderTotals::default())]);
        for (path, metadata) in &items {
            let item = ItemRecord::new(path, metadata);
            if item.is_folder() {
                folders.entry(item.path.clone()).or_default();
            }
            let mut folder = path.clone();
            while folder.as_str() != top && !folder.is_root() {
                folder = folder.parent();
                folders.entry(folder.as_str().to_owned()).or_default().add(&item);
            }
        }
        let depth = if self.summarize { Some(0) } else { self.max_depth };
        for (path, totals) in folders.iter().rev() {
            let below = path.strip_prefix(top).unwrap_or(path).trim_matches('/');
            let level = below.split('/').filter(|name| !name.is_empty()).count();
            if depth.is_none_or(|depth| level <= depth) {
                self.print(app, path, *totals)?;
            }
        }
        Ok(())
    }

    /// Prints the totals of a folder.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn print(&self, app: &App, path: &str, totals: FolderTotals) -> Result {
        if app.output.is_json() {
            return app.output.json(&FolderRecord { path, totals });
        }
        let size = match self.human {
            true => HumanSize(totals.bytes).to_string(),
            false => totals.bytes.to_string(),
        };
        let shown = if path.is_empty() { "/" } else { path };
        app.output.line(format_args!("{size:>12}  {}", app.output.shown(shown)))?;
        if totals.unknown > 0 && !app.output.is_quiet() {
            let text = format!("{} files of unknown size do not count", totals.unknown);
            app.output.notice(Failure::new(Exit::Failed, text).about(shown));
        }
        Ok(())
    }
}
