//! Files that were renamed in the source: they are renamed at the target, too.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    check,
    engine::{EndpointSide, OrphanFile, RunState},
    entry::TreeEntry,
    error::PlanError,
    event::SyncAction,
    hash::{ContentDigest, HashAlgorithm},
    plan::RenameTracking,
    spool::SpooledList,
    store, walk,
    work::{FileJob, Workers},
};

/// The properties by which a renamed file is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum FileKey {
    Digest(u64, ContentDigest),
    /// Size, and time in whole seconds: services round times.
    Modified(u64, i64),
}

/// Renames files of the target that the source has under another path, and gives the other missing
/// files to the workers. All missing and orphaned files are in memory meanwhile.
///
/// # Errors
/// [`PlanError::TemporaryFile`] if the list of files to delete cannot be read or written.
pub(crate) async fn rename_missing(state: &RunState, workers: &Workers) -> Result<(), PlanError> {
    let missing = std::mem::take(&mut state.pending().missing);
    if missing.is_empty() {
        return Ok(());
    }
    let orphans = std::mem::replace(&mut state.pending().orphans, SpooledList::new());
    let orphans: Vec<OrphanFile> = orphans.into_records()?.collect::<Result<_, _>>()?;
    let entries = missing.iter().map(|job| &job.entry);
    let entries = entries.chain(orphans.iter().map(|file| &file.entry));
    let algorithm = state.comparer.rename_algorithm(entries);
    // Without the complete source, an orphan may be a file that was not listed.
    let mut by_key = match state.is_source_incomplete() {
        true => HashMap::new(),
        false => index(state, &orphans, &missing, algorithm).await,
    };
    let mut is_renamed = vec![false; orphans.len()];
    for job in missing {
        let source = (EndpointSide::Source, &*job.source);
        let key = key(state, source, &job.entry, algorithm).await;
        let found = key.and_then(|key| by_key.get_mut(&key)?.pop());
        match found {
            Some(at) if rename(state, &orphans[at], &job).await => is_renamed[at] = true,
            _ => walk::dispatch(state, workers, job).await,
        }
    }
    let mut pending = state.pending();
    for (file, is_renamed) in orphans.into_iter().zip(is_renamed) {
        if !is_renamed {
            pending.orphans.push(file)?;
        }
    }
    Ok(())
}

/// Returns the positions of orphans by their keys. Only files whose size a missing file has are
/// read. `algorithm` is that of [`Comparer::rename_algorithm`](crate::compare::Comparer).
async fn index(
    state: &RunState,
    orphans: &[OrphanFile],
    missing: &[FileJob],
    algorithm: Option<HashAlgorithm>,
) -> HashMap<FileKey, Vec<usize>> {
    let mut by_key: HashMap<_, Vec<usize>> = HashMap::new();
    let sizes: std::collections::HashSet<_> = missing.iter().map(|job| job.entry.size).collect();
    for (at, file) in orphans.iter().enumerate().rev() {
        if sizes.contains(&file.entry.size)
            && let target = (EndpointSide::Target, &*file.path)
            && let Some(key) = key(state, target, &file.entry, algorithm).await
        {
            by_key.entry(key).or_default().push(at);
        }
    }
    by_key
}

/// Returns the key of the file at a path of a side. `None` if the properties are unknown or cannot be
/// read; the file is then sent. `algorithm` is that of the hashes of this run.
async fn key(
    state: &RunState,
    (side, path): (EndpointSide, &str),
    entry: &TreeEntry,
    algorithm: Option<HashAlgorithm>,
) -> Option<FileKey> {
    let size = entry.size?;
    match state.plan.renames {
        RenameTracking::Off => None,
        RenameTracking::Modified => {
            Some(FileKey::Modified(size, entry.modified.map(Timestamp::as_second)?))
        }
        RenameTracking::Hash => {
            let endpoint = state.endpoint(side);
            let digest = check::digest(endpoint, path, entry, algorithm?).await.ok()?;
            Some(FileKey::Digest(size, digest))
        }
    }
}

/// Renames an orphan to the path of a missing file. Returns whether the target then has the file;
/// otherwise it is sent, and the orphan is deleted.
async fn rename(state: &RunState, orphan: &OrphanFile, job: &FileJob) -> bool {
    let target = &state.plan.target;
    if !state.plan.dry_run {
        state.operations.pass(1).await;
        let renamed = store::rename((target, &orphan.path), (target, &job.target)).await;
        if renamed.is_err() {
            return false;
        }
    }
    state.done(SyncAction::Rename { from: orphan.path.clone() }, &job.path, 0).await;
    true
}
