//! Decisions about the entries of a pair of folders.

use super::{FolderPair, FolderWalk, Pass, dispatch, entry_path};
use crate::{
    compare::Match,
    engine::{EndpointSide, OrphanFile},
    entry::{EntryType, TreeEntry},
    error::{FailureCause, PlanError},
    event::SyncAction,
    local::LinkHandling,
    pair::NameGroup,
    plan::{Operation, RenameTracking},
    work::FileJob,
};

impl FolderWalk<'_> {
    /// Decides about the entries that may have the same name at the target. Returns the folders to
    /// compare next. `unverified` receives the entries that only the target has; if it is `None`,
    /// the method decides about them.
    ///
    /// # Errors
    /// [`PlanError::TemporaryFile`] if the list of files to delete cannot be written.
    pub(super) async fn decide(
        &self,
        group: NameGroup,
        unverified: &mut Option<Vec<TreeEntry>>,
    ) -> Result<Vec<FolderPair>, PlanError> {
        let filter = &self.state.plan.filter;
        let has_source = !group.sources.is_empty();
        let (selected, excluded): (Vec<_>, Vec<_>) =
            group.sources.into_iter().partition(|entry| filter.selects(self.pair.path(), entry));
        if !excluded.is_empty() {
            self.keep_source();
            if self.pass != Pass::Deletes {
                let count = excluded.len() as u64;
                self.state.with_report(|report| report.excluded += count);
            }
        }
        let mut selected = selected.into_iter();
        match (selected.next(), selected.next()) {
            (Some(first), Some(second)) => {
                let clash: Vec<_> = [first, second].into_iter().chain(selected).collect();
                self.refuse_clash(&clash).await;
                Ok(Vec::new())
            }
            (Some(entry), None) => self.decide_entry(entry, group.targets, unverified).await,
            _ if has_source && !self.state.plan.delete_excluded => {
                if !group.targets.is_empty() {
                    self.state.keep_target_folder(&self.pair.target);
                }
                Ok(Vec::new())
            }
            _ => self.collect_orphans(group.targets, unverified).await,
        }
    }

    /// Records that an entry of the source's folder stays there.
    fn keep_source(&self) {
        if let Some(source) = &self.pair.source {
            self.state.keep_source_folder(source);
        }
    }

    /// Reports entries of the source that would have one name at the target.
    async fn refuse_clash(&self, clash: &[TreeEntry]) {
        self.keep_source();
        self.state.keep_target_folder(&self.pair.target);
        let folder = self.state.plan.target.item(&self.pair.target);
        for entry in clash {
            let others: Vec<_> = clash
                .iter()
                .filter(|other| *other != entry)
                .map(|other| format!("{:?}", other.name))
                .collect();
            let reason = format!("{} would have the same name in {folder}", others.join(", "));
            let path = self.source_path(entry);
            self.fail("copy", EndpointSide::Source, &path, FailureCause::refused(reason)).await;
        }
    }

    /// Returns the path of an entry of the source; a folder ends with a slash.
    fn source_path(&self, entry: &TreeEntry) -> String {
        entry_path(self.pair.path(), entry)
    }

    /// Decides about an entry of the source and the target's entries that may be its counterpart.
    /// `unverified` is as in [`decide`](Self::decide).
    ///
    /// # Errors
    /// [`PlanError::TemporaryFile`] if the list of files to delete cannot be written.
    async fn decide_entry(
        &self,
        entry: TreeEntry,
        mut targets: Vec<TreeEntry>,
        unverified: &mut Option<Vec<TreeEntry>>,
    ) -> Result<Vec<FolderPair>, PlanError> {
        let name = self.state.target_name(&entry.name);
        let exact = targets.iter().position(|target| target.name == name);
        let refusal = match exact {
            None if targets.len() > 1 => Some("several items of the target may be its copy".into()),
            None if targets.is_empty() => {
                let reason = self.state.plan.target.features().reject_name(&name);
                reason.map(|reason| format!("the target rejects the name: {reason}"))
            }
            _ => None,
        };
        if let Some(reason) = refusal {
            self.refuse(&entry, reason).await;
            return Ok(Vec::new());
        }
        let existing = match exact {
            Some(at) => Some(targets.swap_remove(at)),
            None => targets.pop(),
        };
        let mut below = self.collect_orphans(targets, unverified).await?;
        below.extend(self.decide_pair(entry, name, existing).await);
        Ok(below)
    }

    /// Reports an entry of the source that cannot be transferred.
    async fn refuse(&self, entry: &TreeEntry, reason: String) {
        self.keep_source();
        self.state.keep_target_folder(&self.pair.target);
        let path = self.source_path(entry);
        self.fail("copy", EndpointSide::Source, &path, FailureCause::refused(reason)).await;
    }

    /// Decides about an entry of the source and its counterpart. `name` is its name at the target
    /// if the target has no counterpart. Returns the pair of folders to compare next.
    async fn decide_pair(
        &self,
        entry: TreeEntry,
        name: String,
        existing: Option<TreeEntry>,
    ) -> Option<FolderPair> {
        let name = existing.as_ref().map_or(name, |existing| existing.name.clone());
        let target = format!("{}{name}", self.pair.target);
        let kinds = (entry.kind, existing.as_ref().map(|existing| existing.kind));
        match kinds {
            (EntryType::Folder, None | Some(EntryType::Folder)) => Some(FolderPair {
                source: Some(self.source_path(&entry)),
                target: format!("{target}/"),
                target_exists: existing.is_some(),
            }),
            (EntryType::File, None | Some(EntryType::File)) => {
                if self.pass != Pass::Deletes {
                    self.decide_file(entry, target, existing).await;
                }
                None
            }
            (EntryType::Other, _) if self.state.plan.links == LinkHandling::Skip => {
                self.keep_source();
                self.state.keep_target_folder(&self.pair.target);
                if self.pass != Pass::Deletes {
                    self.state.with_report(|report| report.skipped += 1);
                }
                None
            }
            (from, to) => {
                let reason = match (from, to) {
                    (EntryType::Other, _) => "it is a symbolic link or a special file",
                    (_, Some(EntryType::Other)) => {
                        "the target has a symbolic link or a special file of this name"
                    }
                    (_, Some(EntryType::Folder)) => "the target has a folder of this name",
                    _ => "the target has a file of this name",
                };
                self.refuse(&entry, reason.to_owned()).await;
                None
            }
        }
    }

    /// Compares a file with its counterpart, and gives it to the workers.
    async fn decide_file(&self, entry: TreeEntry, target: String, existing: Option<TreeEntry>) {
        let how = match &existing {
            Some(existing) => self.state.comparer.compare(&entry, existing),
            None => Match::Different("missing"),
        };
        let source = self.source_path(&entry);
        let job = FileJob { path: source.clone(), source, entry, target, existing, how };
        let tracks = self.state.plan.renames != RenameTracking::Off
            && self.state.plan.operation == Operation::Sync;
        if tracks && job.existing.is_none() {
            self.state.pending().missing.push(job);
        } else {
            dispatch(self.state, self.workers, job).await;
        }
    }

    /// Adds entries that only the target has to `unverified`. If it is `None`, decides about them
    /// and returns the folders to list next.
    ///
    /// # Errors
    /// Those of [`decide_orphans`](Self::decide_orphans).
    async fn collect_orphans(
        &self,
        targets: Vec<TreeEntry>,
        unverified: &mut Option<Vec<TreeEntry>>,
    ) -> Result<Vec<FolderPair>, PlanError> {
        match unverified {
            Some(unverified) if self.state.plan.operation == Operation::Sync => {
                unverified.extend(targets);
                Ok(Vec::new())
            }
            _ => self.decide_orphans(targets).await,
        }
    }

    /// Decides about entries that only the target has. Returns the folders to list next.
    ///
    /// # Errors
    /// [`PlanError::TemporaryFile`] if the list of files to delete cannot be written.
    pub(super) async fn decide_orphans(
        &self,
        targets: Vec<TreeEntry>,
    ) -> Result<Vec<FolderPair>, PlanError> {
        let (state, plan) = (self.state, &self.state.plan);
        let is_wanted = match plan.operation {
            Operation::Sync => true,
            Operation::Check => !plan.one_way,
            Operation::Copy | Operation::Move => false,
        };
        let mut below = Vec::new();
        for entry in targets {
            let path = entry_path(&self.pair.target, &entry);
            let selected = plan.delete_excluded || plan.filter.selects(self.pair.path(), &entry);
            if !is_wanted || !selected || entry.kind == EntryType::Other {
                state.keep_target_folder(&self.pair.target);
            } else if entry.is_folder() {
                if self.pass != Pass::Transfers {
                    state.pending().orphan_folders.push(path.clone());
                    below.push(FolderPair { source: None, target: path, target_exists: true });
                }
            } else if plan.operation == Operation::Check {
                state.done(SyncAction::OnlyTarget, &path, 0).await;
            } else if self.pass != Pass::Transfers {
                state.pending().orphans.push(OrphanFile { path, entry })?;
            }
        }
        Ok(below)
    }
}
