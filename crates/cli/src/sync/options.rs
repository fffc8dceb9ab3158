//! Options of transfers. Where an option means the same as in rclone, it has rclone's name.

use std::{fs, num::NonZeroUsize, path::PathBuf, time::Duration};

use drivedal_transfer::{
    CompareBy, CompareOptions, DeleteTime, Endpoint, LinkHandling, PathFilter, PathFilterBuilder,
    Plan, RenameTracking, RunLimits,
};

use super::place::Place;
use crate::{
    failure::{Failure, Result},
    transfer::local::SymlinkPolicy,
    units,
};

/// Options that all transfers have.
#[derive(Debug, clap::Args)]
pub(super) struct PlanOptions {
    /// List the actions, and change nothing
    #[arg(short = 'n', long, help_heading = "Transfer")]
    pub(super) dry_run: bool,

    /// Transfer this many files at the same time
    #[arg(long, value_name = "N", default_value = "4", help_heading = "Transfer")]
    transfers: NonZeroUsize,

    /// List this many folders at the same time
    #[arg(long, value_name = "N", default_value = "8", help_heading = "Transfer")]
    checkers: NonZeroUsize,

    /// Send at most this many bytes per second, such as 10M
    #[arg(long, value_name = "SIZE", value_parser = units::size, help_heading = "Transfer")]
    bwlimit: Option<u64>,

    /// Perform at most this many operations per second
    #[arg(long, value_name = "N", help_heading = "Transfer")]
    tpslimit: Option<f64>,

    /// List all folders, although the cloud has a feed of changes since the last run
    #[arg(long, help_heading = "Transfer")]
    pub(super) no_change_feed: bool,

    /// Handle symbolic links in a local source this way
    #[arg(long, value_enum, default_value_t, value_name = "MODE", help_heading = "Transfer")]
    links: SymlinkPolicy,

    /// Exit with code 9 if nothing had to be transferred
    #[arg(long, help_heading = "Transfer")]
    pub(super) error_on_no_transfer: bool,

    /// Print the progress in this form
    #[arg(long, value_enum, value_name = "FORM", help_heading = "Transfer")]
    pub(super) progress: Option<ProgressForm>,

    /// Compare sizes and hashes
    #[arg(short, long, conflicts_with_all = ["size_only", "ignore_times"], help_heading = "Comparison")]
    checksum: bool,

    /// Compare sizes only
    #[arg(long, conflicts_with = "ignore_times", help_heading = "Comparison")]
    size_only: bool,

    /// Transfer all files, also equal ones
    #[arg(short = 'I', long, help_heading = "Comparison")]
    ignore_times: bool,

    /// Keep files of the target that are newer
    #[arg(short, long, help_heading = "Comparison")]
    update: bool,

    /// Keep all files that the target has
    #[arg(long, help_heading = "Comparison")]
    ignore_existing: bool,

    /// Treat times that differ by less than this as equal
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = "Comparison")]
    modify_window: Option<Duration>,

    #[command(flatten)]
    filter: FilterOptions,
}

/// The form of the progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ProgressForm {
    /// A bar on a terminal, plain lines elsewhere
    Text,
    /// A JSON document per second on standard error
    Json,
}

/// Options that select files.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Filters")]
struct FilterOptions {
    /// Include only files that match a pattern of .gitignore, and no exclude
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,

    /// Exclude files and folders that match a pattern of .gitignore
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,

    /// Exclude the items that a file with the form of .gitignore excludes
    #[arg(long, value_name = "FILE")]
    filter_from: Vec<PathBuf>,

    /// Transfer only the files whose paths are lines of this file
    #[arg(long, value_name = "FILE")]
    files_from: Vec<PathBuf>,

    /// Ignore the letter case of patterns
    #[arg(long)]
    ignore_case: bool,

    /// Exclude files that are smaller
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    min_size: Option<u64>,

    /// Exclude files that are larger
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    max_size: Option<u64>,

    /// Exclude files that changed within this time, such as 24h
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    min_age: Option<Duration>,

    /// Exclude files that did not change within this time
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    max_age: Option<Duration>,
}

impl FilterOptions {
    /// Builds the filter.
    ///
    /// # Errors
    /// [`Failure::local`] for a file that cannot be read; `Usage` for a pattern that cannot be
    /// parsed.
    fn build(&self) -> Result<PathFilter> {
        let mut filter = PathFilterBuilder::new().ignore_case(self.ignore_case);
        // An exclude takes precedence: with both, files must match an include and no exclude.
        for pattern in &self.exclude {
            filter = filter.exclude(pattern);
        }
        for pattern in &self.include {
            filter = filter.include(pattern);
        }
        for path in &self.filter_from {
            filter = filter.gitignore(&read(path)?);
        }
        for path in &self.files_from {
            let text = read(path)?;
            let is_path = |line: &&str| !line.is_empty() && !line.starts_with(['#', ';']);
            filter = filter.only(text.lines().map(str::trim_end).filter(is_path));
        }
        filter = with_bound(filter, self.min_size, PathFilterBuilder::min_size);
        filter = with_bound(filter, self.max_size, PathFilterBuilder::max_size);
        filter = with_bound(filter, self.min_age, PathFilterBuilder::min_age);
        filter = with_bound(filter, self.max_age, PathFilterBuilder::max_age);
        filter.build().map_err(|error| Failure::usage(error.to_string()))
    }
}

/// Returns the filter with a bound of sizes or ages, if the user gave one. `set` adds it.
fn with_bound<T>(
    filter: PathFilterBuilder,
    bound: Option<T>,
    set: impl FnOnce(PathFilterBuilder, T) -> PathFilterBuilder,
) -> PathFilterBuilder {
    match bound {
        Some(bound) => set(filter, bound),
        None => filter,
    }
}

/// Reads a file of patterns or paths.
///
/// # Errors
/// [`Failure::local`] if it cannot be read.
fn read(path: &PathBuf) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Failure::local("read", path, &error))
}

impl PlanOptions {
    /// Applies the options to a plan.
    ///
    /// # Errors
    /// Those of the filter: [`Failure::local`] or `Usage`.
    pub(super) fn apply(&self, plan: Plan) -> Result<Plan> {
        let mut limits = RunLimits::default();
        limits.transfers = self.transfers;
        limits.checkers = self.checkers;
        limits.bandwidth = self.bwlimit;
        limits.operations = self.tpslimit;
        let links = match self.links {
            SymlinkPolicy::Fail => LinkHandling::Fail,
            SymlinkPolicy::Skip => LinkHandling::Skip,
            SymlinkPolicy::Follow => LinkHandling::Follow,
        };
        Ok(plan
            .compare(self.comparison())
            .filter(self.filter.build()?)
            .limits(limits)
            .links(links)
            .dry_run(self.dry_run))
    }

    /// Returns the comparison of files.
    fn comparison(&self) -> CompareOptions {
        let mut compare = CompareOptions::default();
        compare.by = match self {
            Self { checksum: true, .. } => CompareBy::Checksum,
            Self { size_only: true, .. } => CompareBy::Size,
            Self { ignore_times: true, .. } => CompareBy::Nothing,
            _ => CompareBy::SizeAndTime,
        };
        compare.update = self.update;
        compare.ignore_existing = self.ignore_existing;
        compare.modify_window = self.modify_window.unwrap_or_default();
        compare
    }
}

/// Options of `sync` for files that are deleted or replaced.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Deletion")]
pub(super) struct DeleteOptions {
    /// Delete before the transfers; both sides are listed twice
    #[arg(long, conflicts_with_all = ["delete_during", "delete_after"])]
    delete_before: bool,

    /// Delete during the transfers, as soon as both sides are listed
    #[arg(long, conflicts_with = "delete_after")]
    delete_during: bool,

    /// Delete after the transfers (the default)
    #[arg(long)]
    delete_after: bool,

    /// Delete excluded files of the target, too
    #[arg(long)]
    delete_excluded: bool,

    /// Delete nothing if more files would be deleted; exit with code 11
    #[arg(long, value_name = "N")]
    max_delete: Option<u64>,

    /// Delete files although a transfer failed
    #[arg(long)]
    ignore_errors: bool,

    /// Move replaced and deleted files to this folder on the remote of the target
    #[arg(long, value_name = "REMOTE:PATH", value_parser = Place::parse)]
    pub(super) backup_dir: Option<Place>,

    /// Rename files at the target that were renamed in the source, found by their hash
    #[arg(long)]
    track_renames: bool,

    /// Find renamed files by this property
    #[arg(long, value_enum, value_name = "PROPERTY", default_value_t, requires = "track_renames")]
    track_renames_strategy: RenameProperty,
}

/// The property by which renamed files are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum RenameProperty {
    /// Size and hash
    #[default]
    Hash,
    /// Size and modification time
    Modtime,
}

impl DeleteOptions {
    /// Applies the options to a plan. `backup` is the open folder of `--backup-dir`.
    ///
    /// # Errors
    /// Never.
    pub(super) fn apply(self, plan: Plan, backup: Option<Endpoint>) -> Result<Plan> {
        let time = match &self {
            Self { delete_before: true, .. } => DeleteTime::Before,
            Self { delete_during: true, .. } => DeleteTime::During,
            _ => DeleteTime::After,
        };
        let renames = match (self.track_renames, self.track_renames_strategy) {
            (false, _) => RenameTracking::Off,
            (true, RenameProperty::Hash) => RenameTracking::Hash,
            (true, RenameProperty::Modtime) => RenameTracking::Modified,
        };
        let mut plan = plan
            .delete_time(time)
            .delete_excluded(self.delete_excluded)
            .ignore_errors(self.ignore_errors)
            .track_renames(renames);
        if let Some(files) = self.max_delete {
            plan = plan.max_delete(files);
        }
        if let Some(folder) = backup {
            plan = plan.backup_folder(folder);
        }
        Ok(plan)
    }
}

/// Options of `move`.
#[derive(Debug, clap::Args)]
pub(super) struct MoveOptions {
    /// Delete folders of the source that are empty afterwards
    #[arg(long, help_heading = "Transfer")]
    pub(super) delete_empty_src_dirs: bool,
}

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckOptions {
    /// Compare the contents: both sides are read
    #[arg(long, conflicts_with_all = ["checksum", "size_only"], help_heading = "Comparison")]
    download: bool,

    /// Ignore files that only the target has
    #[arg(long, help_heading = "Comparison")]
    one_way: bool,
}

impl CheckOptions {
    /// Applies these options and those of every transfer to a plan.
    ///
    /// # Errors
    /// Those of [`PlanOptions::apply`].
    pub(super) fn apply(&self, options: &PlanOptions, plan: Plan) -> Result<Plan> {
        let mut compare = options.comparison();
        if self.download {
            compare.by = CompareBy::Content;
        }
        Ok(options.apply(plan)?.compare(compare).one_way(self.one_way))
    }
}
