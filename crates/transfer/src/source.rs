//! Deletion of the source's files whose copy is complete.
//!
//! A listing may be hours old when a file is deleted. So both files are read again directly before:
//! the source must be the version that was copied, and a copy that this run did not write must still
//! exist.

use crate::{
    endpoint::Endpoint,
    engine::{EndpointSide, RunState, parent},
    entry::TreeEntry,
    error::FailureCause,
    event::SyncAction,
    list,
    local::{self, LinkHandling, blocking},
    store,
    version::FileVersion,
    work::FileJob,
};

/// The reason why the target has a copy of a file.
#[derive(Debug)]
pub(crate) enum CopyProof {
    /// This run has copied this version of the file.
    Sent(FileVersion),
    /// Both files were equal when they were listed.
    Equal,
}

/// Deletes a file of the source whose copy is complete. A file that changed meanwhile stays, and is
/// a failure. A file below a followed link stays, and the link is deleted at the end of the run.
pub(crate) async fn delete_source(state: &RunState, job: &FileJob, proof: CopyProof) {
    let deleted = match link_above(state, &job.source).await {
        Ok(Some(link)) => {
            state.pending().source_links.insert(link);
            return;
        }
        Ok(None) if state.plan.dry_run => Ok(()),
        Ok(None) => delete_verified(state, job, proof).await,
        Err(cause) => Err(cause),
    };
    match deleted {
        Ok(()) => state.done(SyncAction::DeleteSource, &job.path, 0).await,
        Err(cause) => {
            state.keep_source_folder(parent(&job.source));
            state.fail("delete", EndpointSide::Source, &job.path, &job.source, cause).await;
        }
    }
}

/// Returns the first followed link in the folders of a path of the source, with a slash at its end.
/// `None` if links are not followed, or if no folder is a link.
///
/// # Errors
/// `Disk` if a folder cannot be read; `Refused` for a path that the source cannot have.
pub(crate) async fn link_above(
    state: &RunState,
    relative: &str,
) -> Result<Option<String>, FailureCause> {
    let Some(root) = state.plan.source.local_root() else { return Ok(None) };
    if state.plan.links != LinkHandling::Follow {
        return Ok(None);
    }
    let (root, relative) = (root.to_owned(), relative.to_owned());
    blocking(move || Ok(local::link_above(&root, &relative)?)).await
}

/// Verifies both files and deletes that of the source. A source that does not exist any more is no
/// error.
///
/// # Errors
/// `Refused` if a file changed, or if both are one file; `Service` or `Disk` if a file cannot be read
/// or deleted.
async fn delete_verified(
    state: &RunState,
    job: &FileJob,
    proof: CopyProof,
) -> Result<(), FailureCause> {
    let (source, target) = (&state.plan.source, &state.plan.target);
    let copied = match (proof, &job.existing) {
        (CopyProof::Sent(version), _) => version,
        (CopyProof::Equal, Some(existing)) => {
            verify_copy(state, &job.target, existing).await?;
            FileVersion::from_entry(&job.entry)
        }
        (CopyProof::Equal, None) => return Err(FailureCause::refused("it has no copy")),
    };
    state.operations.pass(2).await;
    let Some(now) = list::stat(source, &job.source).await? else { return Ok(()) };
    if let Some(property) = copied.difference(&now) {
        let reason = format!("it changed after it was compared or copied (by its {property})");
        return Err(FailureCause::refused(reason));
    }
    refuse_same_file((source, &job.source), (target, &job.target)).await?;
    store::delete_file(source, &job.source).await
}

/// Verifies that the target still has the file that a listing returned as `listed`. A local file is
/// then on the disk, not only in memory.
///
/// # Errors
/// `Refused` if the file changed or does not exist; `Service` or `Disk` if it cannot be read or
/// written to the disk.
async fn verify_copy(
    state: &RunState,
    relative: &str,
    listed: &TreeEntry,
) -> Result<(), FailureCause> {
    let target = &state.plan.target;
    state.operations.pass(1).await;
    let Some(now) = list::stat(target, relative).await? else {
        return Err(FailureCause::refused("its copy at the target was deleted meanwhile"));
    };
    if let Some(property) = FileVersion::from_entry(listed).difference(&now) {
        let reason = format!("its copy at the target changed meanwhile (by its {property})");
        return Err(FailureCause::refused(reason));
    }
    match (target.local_path(relative)?, target.local_root()) {
        (Some(path), Some(root)) => {
            let root = root.to_owned();
            blocking(move || Ok(local::sync_file(&path, &root)?)).await
        }
        _ => Ok(()),
    }
}

/// Refuses two paths that lead to one file, such as hard links, or paths through a mount or a
/// shortcut. Sends no request.
///
/// # Errors
/// `Refused` if they do; `Disk` if a local file cannot be read.
pub(crate) async fn refuse_same_file(
    from: (&Endpoint, &str),
    to: (&Endpoint, &str),
) -> Result<(), FailureCause> {
    let is_same = match (from.0.local_path(from.1)?, to.0.local_path(to.1)?) {
        (Some(from), Some(to)) => blocking(move || Ok(local::is_same_file(&from, &to)?)).await?,
        (None, None) => {
            let identity = |(endpoint, relative): (&Endpoint, &str)| {
                let path = endpoint.path(relative)?;
                Ok::<_, FailureCause>(endpoint.features().item_identity(&path))
            };
            let (from, to) = (identity(from)?, identity(to)?);
            from.is_some() && from == to
        }
        _ => false,
    };
    match is_same {
        true => Err(FailureCause::refused("the source and the target are the same file")),
        false => Ok(()),
    }
}
