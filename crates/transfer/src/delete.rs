//! Deletion of the files and folders of the target that the source lacks.

use std::cmp::Reverse;

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    endpoint::Endpoint,
    engine::{EndpointSide, OrphanFile, PendingWork, RunState, parent},
    error::{FailureCause, PlanError},
    event::SyncAction,
    list,
    plan::{DeleteTime, Operation},
    report::DeleteRefusal,
    source, store,
    version::FileVersion,
};

/// The maximum number of files in one call of OpenDAL's deleter.
const BATCH_MAX: usize = 100;

/// Deletes the pending files and folders of a sync, unless something forbids it. The report then has the
/// reason.
///
/// # Errors
/// [`PlanError::TemporaryFile`] if the list of files cannot be read.
pub(crate) async fn delete_pending(state: &RunState) -> Result<(), PlanError> {
    if state.plan.operation != Operation::Sync {
        return Ok(());
    }
    let pending = state.take_pending();
    if pending.orphans.len() == 0 && pending.orphan_folders.is_empty() {
        return Ok(());
    }
    if let Some(refusal) = refusal(state, pending.orphans.len()) {
        state.with_report(|report| report.delete_refusal = Some(refusal));
        return Ok(());
    }
    let PendingWork { orphans, orphan_folders, kept_folders, .. } = pending;
    for folder in kept_folders {
        state.keep_target_folder(&folder);
    }
    let batch = state.plan.target.operator().info().capability().delete_max_size;
    let batch = match (&state.plan.backup, state.plan.target.is_local()) {
        (None, false) => batch.unwrap_or(1).clamp(1, BATCH_MAX),
        _ => 1,
    };
    let checkers = state.plan.limits.checkers.get();
    stream::iter(orphans.into_records()?)
        .try_chunks(batch)
        .map_err(|error| PlanError::TemporaryFile(error.1))
        .try_for_each_concurrent(checkers, |files| async {
            delete_files(state, files).await;
            Ok(())
        })
        .await?;
    delete_folders(state, orphan_folders).await;
    Ok(())
}

/// Returns the reason why nothing may be deleted, if there is one. `files` is the number of files
/// to delete.
fn refusal(state: &RunState, files: u64) -> Option<DeleteRefusal> {
    let plan = &state.plan;
    if state.is_source_incomplete() {
        return Some(DeleteRefusal::SourceIncomplete);
    }
    let failed = state.with_report(|report| report.failed);
    if failed > 0 && plan.delete_time == DeleteTime::After && !plan.ignore_errors {
        return Some(DeleteRefusal::EarlierFailure);
    }
    plan.max_delete
        .filter(|allowed| files > *allowed)
        .map(|allowed| DeleteRefusal::MaxDelete { planned: files, allowed })
}

/// Deletes files of the target, or moves them to the backup folder.
async fn delete_files(state: &RunState, files: Vec<OrphanFile>) {
    if state.plan.dry_run || (files.len() > 1 && delete_batch(state, &files).await.is_ok()) {
        for file in files {
            state.done(SyncAction::Delete, &file.path, 0).await;
        }
        return;
    }
    // After a failure of the batch each file is deleted again, to name those that failed. A file
    // that is deleted already is no failure.
    for file in files {
        state.operations.pass(1).await;
        let target = &state.plan.target;
        let deleted = match &state.plan.backup {
            Some(backup) => store::back_up(target, backup, &file.path, &file.entry).await,
            None => delete_listed(target, &file).await,
        };
        match deleted {
            Ok(()) => state.done(SyncAction::Delete, &file.path, 0).await,
            Err(cause) => {
                state.keep_target_folder(parent(&file.path));
                let side = EndpointSide::Target;
                state.fail("delete", side, &file.path, &file.path, cause).await;
            }
        }
    }
}

/// Deletes a file of the target, if it is still the listed version. Only a local file is read again:
/// a service would need one more request for each file.
///
/// # Errors
/// `Refused` if a local file changed; `Service` or `Disk` if it cannot be read or deleted.
async fn delete_listed(target: &Endpoint, file: &OrphanFile) -> Result<(), FailureCause> {
    if target.is_local() {
        let Some(now) = list::stat(target, &file.path).await? else { return Ok(()) };
        if let Some(property) = FileVersion::from_entry(&file.entry).difference(&now) {
            let reason = format!("it changed after it was listed (by its {property})");
            return Err(FailureCause::refused(reason));
        }
    }
    store::delete_file(target, &file.path).await
}

/// Deletes files of the target in one call.
///
/// # Errors
/// That of the first file that could not be deleted.
async fn delete_batch(state: &RunState, files: &[OrphanFile]) -> Result<(), FailureCause> {
    let target = &state.plan.target;
    state.operations.pass(1).await;
    let mut deleter = target.operator().deleter().await?;
    for file in files {
        deleter.delete(target.path(&file.path)?).await?;
    }
    Ok(deleter.close().await?)
}

/// Deletes folders of the target in which nothing was kept, the deepest first. A service without
/// folders has none.
async fn delete_folders(state: &RunState, mut folders: Vec<String>) {
    if !state.plan.target.features().has_folders() {
        return;
    }
    let depth = |folder: &String| folder.matches('/').count();
    folders.sort_by_key(|folder| Reverse(depth(folder)));
    for level in folders.chunk_by(|a, b| depth(a) == depth(b)) {
        let deleting = stream::iter(level)
            .for_each_concurrent(state.plan.limits.checkers.get(), |folder| {
                delete_folder(state, EndpointSide::Target, folder)
            });
        deleting.await;
    }
}

/// Deletes an empty folder of an endpoint, unless an entry in it was kept.
async fn delete_folder(state: &RunState, side: EndpointSide, folder: &str) {
    let is_kept = match side {
        EndpointSide::Source => state.pending().kept_sources.contains(folder),
        EndpointSide::Target => state.pending().kept_folders.contains(folder),
    };
    if is_kept {
        return;
    }
    if !state.plan.dry_run {
        state.operations.pass(1).await;
        if let Err(cause) = store::delete_folder(state.endpoint(side), folder).await {
            match side {
                EndpointSide::Source => state.keep_source_folder(parent(folder)),
                EndpointSide::Target => state.keep_target_folder(parent(folder)),
            }
            state.fail("delete", side, folder, folder, cause).await;
            return;
        }
    }
    let action = match side {
        EndpointSide::Source => SyncAction::DeleteSource,
        EndpointSide::Target => SyncAction::DeleteFolder,
    };
    state.done(action, folder, 0).await;
}

/// Deletes the followed links and the empty folders that a move has left in the source, the deepest
/// first. Folders below a link stay, because they are outside of the source.
pub(crate) async fn delete_moved_folders(state: &RunState) {
    let listed = std::mem::take(&mut state.pending().source_folders);
    let mut folders = Vec::new();
    for folder in listed {
        match source::link_above(state, &folder).await {
            Ok(None) => folders.push(folder),
            Ok(Some(link)) => _ = state.pending().source_links.insert(link),
            Err(cause) => {
                state.keep_source_folder(&folder);
                state.fail("delete", EndpointSide::Source, &folder, &folder, cause).await;
            }
        }
    }
    delete_source_links(state).await;
    if !state.plan.source.features().has_folders() {
        return;
    }
    folders.sort_by_key(|folder| Reverse(folder.matches('/').count()));
    for folder in folders {
        delete_folder(state, EndpointSide::Source, &folder).await;
    }
}

/// Deletes the followed links of the source to folders whose files a move has copied, unless an
/// entry below one was kept. The folders that they point to stay.
async fn delete_source_links(state: &RunState) {
    let side = EndpointSide::Source;
    let links = std::mem::take(&mut state.pending().source_links);
    for link in links {
        if state.pending().kept_sources.contains(&link) {
            continue;
        }
        if !state.plan.dry_run {
            state.operations.pass(1).await;
            let path = link.trim_end_matches('/');
            if let Err(cause) = store::delete_file(&state.plan.source, path).await {
                state.keep_source_folder(parent(&link));
                state.fail("delete", side, &link, &link, cause).await;
                continue;
            }
        }
        state.done(SyncAction::DeleteSource, &link, 0).await;
    }
}
