//! The description of a transfer.

use crate::{
    compare::CompareOptions,
    endpoint::Endpoint,
    error::PlanError,
    filter::PathFilter,
    limits::RunLimits,
    local::LinkHandling,
    report::SyncReport,
    run::{self, Run},
};

/// The operation of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Files of the source that the target lacks, or that differ, are copied.
    Copy,
    /// As [`Copy`](Self::Copy), and files that the source lacks are deleted at the target.
    Sync,
    /// As [`Copy`](Self::Copy), and files that the target has afterwards are deleted at the source.
    Move,
    /// Both sides are compared; nothing changes.
    Check,
}

/// The time at which [`Operation::Sync`] deletes files at the target. In each case nothing is
/// deleted if the source could not be listed completely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteTime {
    /// Before the first transfer. Both sides are listed twice.
    Before,
    /// As soon as both sides are listed, while files are transferred.
    During,
    /// After all transfers, if none failed.
    #[default]
    After,
}

/// How files that were renamed in the source are found at the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenameTracking {
    /// Not at all: the file is sent again, and the old one is deleted.
    #[default]
    Off,
    /// By size and a hash that both sides know. Local files of equal size are read.
    Hash,
    /// By size and modification time.
    Modified,
}

/// A transfer between two endpoints.
///
/// If the source is a file, the target is the new path of the file. Otherwise both are folders.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plan {
    pub(crate) operation: Operation,
    pub(crate) source: Endpoint,
    pub(crate) target: Endpoint,
    pub(crate) compare: CompareOptions,
    pub(crate) filter: PathFilter,
    pub(crate) limits: RunLimits,
    pub(crate) links: LinkHandling,
    pub(crate) delete_time: DeleteTime,
    pub(crate) delete_excluded: bool,
    pub(crate) max_delete: Option<u64>,
    pub(crate) ignore_errors: bool,
    pub(crate) backup: Option<Endpoint>,
    pub(crate) renames: RenameTracking,
    pub(crate) empty_folders: bool,
    pub(crate) delete_empty_sources: bool,
    pub(crate) one_way: bool,
    pub(crate) dry_run: bool,
}

impl Plan {
    /// Returns a plan with the default options.
    fn new(operation: Operation, source: Endpoint, target: Endpoint) -> Self {
        Self {
            operation,
            source,
            target,
            compare: CompareOptions::default(),
            filter: PathFilter::default(),
            limits: RunLimits::default(),
            links: LinkHandling::default(),
            delete_time: DeleteTime::default(),
            delete_excluded: false,
            max_delete: None,
            ignore_errors: false,
            backup: None,
            renames: RenameTracking::default(),
            empty_folders: true,
            delete_empty_sources: false,
            one_way: false,
            dry_run: false,
        }
    }

    /// Returns a plan that copies files which the target lacks or which differ.
    pub fn copy(source: Endpoint, target: Endpoint) -> Self {
        Self::new(Operation::Copy, source, target)
    }

    /// Returns a plan that makes the target equal to the source. Deletes files at the target.
    pub fn sync(source: Endpoint, target: Endpoint) -> Self {
        Self::new(Operation::Sync, source, target)
    }

    /// Returns a plan that moves files to the target.
    pub fn move_files(source: Endpoint, target: Endpoint) -> Self {
        Self::new(Operation::Move, source, target)
    }

    /// Returns a plan that compares both sides.
    pub fn check(source: Endpoint, target: Endpoint) -> Self {
        Self::new(Operation::Check, source, target)
    }

    /// Returns the operation.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Sets how files are compared.
    pub fn compare(mut self, options: CompareOptions) -> Self {
        self.compare = options;
        self
    }

    /// Selects the files. Excluded files of the target are neither replaced nor deleted.
    pub fn filter(mut self, filter: PathFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: RunLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the handling of symbolic links in a local source. A move with
    /// [`LinkHandling::Follow`] removes the links and never the files that they point to.
    pub fn links(mut self, links: LinkHandling) -> Self {
        self.links = links;
        self
    }

    /// Sets when files are deleted at the target.
    pub fn delete_time(mut self, time: DeleteTime) -> Self {
        self.delete_time = time;
        self
    }

    /// Sets whether a sync deletes files of the target that the filter excludes.
    pub fn delete_excluded(mut self, delete: bool) -> Self {
        self.delete_excluded = delete;
        self
    }

    /// Sets how many files a sync may delete. If there are more, it deletes none.
    pub fn max_delete(mut self, files: u64) -> Self {
        self.max_delete = Some(files);
        self
    }

    /// Sets whether files are deleted although a transfer failed. A source that could not be listed
    /// completely always prevents it.
    pub fn ignore_errors(mut self, ignore: bool) -> Self {
        self.ignore_errors = ignore;
        self
    }

    /// Sets a folder for the files of the target that would be replaced or deleted. It must be of the
    /// target's operator. If the target is a file, the folder receives it under its name.
    pub fn backup_folder(mut self, folder: Endpoint) -> Self {
        self.backup = Some(folder);
        self
    }

    /// Sets how renamed files are found.
    pub fn track_renames(mut self, tracking: RenameTracking) -> Self {
        self.renames = tracking;
        self
    }

    /// Sets whether empty folders are created. On by default; services without folders ignore it.
    pub fn empty_folders(mut self, create: bool) -> Self {
        self.empty_folders = create;
        self
    }

    /// Sets whether a move deletes folders of the source that are empty afterwards.
    pub fn delete_empty_sources(mut self, delete: bool) -> Self {
        self.delete_empty_sources = delete;
        self
    }

    /// Sets whether a check ignores files that only the target has.
    pub fn one_way(mut self, one_way: bool) -> Self {
        self.one_way = one_way;
        self
    }

    /// Sets whether the run only lists its actions and changes nothing.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Runs the plan. Dropping the future cancels the run.
    ///
    /// # Errors
    /// [`PlanError`] if the plan is invalid, or if the run cannot begin. Failures of single items
    /// are in the report.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn run(self) -> Result<SyncReport, PlanError> {
        run::execute(self, None, Default::default()).await
    }

    /// Starts the plan in a task, and returns the stream of its events.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Run {
        Run::start(self)
    }

    /// Checks the options and the endpoints against each other.
    ///
    /// # Errors
    /// [`PlanError::Overlap`], [`PlanError::BackupElsewhere`] and [`PlanError::Options`].
    pub(crate) fn validate(&self) -> Result<(), PlanError> {
        let changes = self.operation != Operation::Check;
        let overlap = |source: &Endpoint, target: &Endpoint| PlanError::Overlap {
            source_name: source.name().to_owned(),
            target_name: target.name().to_owned(),
        };
        if changes && self.source.overlaps(&self.target) {
            return Err(overlap(&self.source, &self.target));
        }
        if let Some(backup) = &self.backup {
            if !backup.shares_operator(&self.target) {
                return Err(PlanError::BackupElsewhere { name: backup.name().to_owned() });
            }
            for other in [&self.source, &self.target] {
                if backup.overlaps(other) {
                    return Err(overlap(other, backup));
                }
            }
            if !crate::store::can_copy(&self.target) && !crate::store::can_rename(&self.target) {
                let reason = "the service of the target can neither copy nor rename files".into();
                return Err(PlanError::Options { option: "a backup folder", reason });
            }
        }
        if self.renames != RenameTracking::Off {
            let option = "rename tracking";
            if !crate::store::can_rename(&self.target) {
                let reason = "the service of the target cannot rename files".into();
                return Err(PlanError::Options { option, reason });
            }
            if self.operation == Operation::Sync && self.delete_time == DeleteTime::Before {
                let reason = "files are deleted before the transfer".into();
                return Err(PlanError::Options { option, reason });
            }
        }
        let reads_both = self.compare.by == crate::CompareBy::Content;
        if reads_both && changes {
            let reason = "reading both sides costs more than copying; use it with a check".into();
            return Err(PlanError::Options { option: "a comparison of contents", reason });
        }
        Ok(())
    }
}
