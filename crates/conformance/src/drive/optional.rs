//! Optional verbs: each is supported exactly if the drive claims it.

use std::collections::BTreeMap;

use drivedal::drive::{
    Access, CopyJob, CopyRequest, ErrorKind, GrantRequest, ItemId, ItemRef, LinkKind, LinkRequest,
    ListRequest, RecursiveList, Result, SearchRequest, UploadSession, WriteOptions,
};
use jiff::Timestamp;
use opendal::Buffer;

use super::{
    access::{DriveAccess, access, by_id, target},
    requirements::{a_drive, changes},
};
use crate::{CaseResult, TestContext, cases, fail, result::record};

/// The number of pages of changes after which the feed counts as endless.
const MAX_PAGES: usize = 100;

cases! {
    /// Calls the verbs of upload sessions, copies and changes as far as the drive does not claim them.
    /// The results are `Unsupported`.
    unclaimed_verbs_are_unsupported: a_drive;
    /// Calls the verbs of the extensions, claimed or not. The result is `Unsupported` exactly if the
    /// drive does not claim the verb.
    claimed_verbs_are_supported: a_drive;
    /// Lists a folder recursively on a drive that does not claim it. The result is `Unsupported`.
    a_recursive_listing_without_the_claim_is_refused: a_drive;
    /// Creates and deletes a file, and reads the change feed after each step. It reports the file as
    /// changed, then as deleted.
    the_change_feed_reports_what_was_created_and_deleted: changes;
}

/// Verifies that a verb fails with `Unsupported` exactly if the drive does not claim it.
///
/// # Errors
/// `Failed` if claim and result differ.
fn check<T>(verb: &str, is_claimed: bool, result: Result<T>) -> CaseResult {
    let is_unsupported = match result {
        Ok(_) => false,
        Err(error) => {
            record(&format!("{error}\n{error:?}"));
            error.kind() == ErrorKind::Unsupported
        }
    };
    match is_claimed == is_unsupported {
        true => fail(format!("{verb} is claimed: {is_claimed}, unsupported: {is_unsupported}")),
        false => Ok(()),
    }
}

async fn unclaimed_verbs_are_unsupported(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (drive, cx, claims) = (access.drive(), access.context(), access.capabilities());
    let place = access.new_folder().await?;
    let file = access.file(&place, "file", b"1").await?;
    let new = target(&place, "new");
    if claims.session.is_none() {
        let mut session = UploadSession::new("https://localhost/session", 1, "");
        let options = WriteOptions::default();
        check("open_session", false, drive.open_session(cx, &new, 1, &options).await)?;
        let bytes = Buffer::from("1");
        check("send_fragment", false, drive.send_fragment(cx, &mut session, 0, bytes).await)?;
        check("session_status", false, drive.session_status(cx, &session).await)?;
        check("commit_session", false, drive.commit_session(cx, &session).await)?;
        check("cancel_session", false, drive.cancel_session(cx, &session).await)?;
    }
    if !claims.copy_files {
        let source = by_id(&file);
        check("copy", false, drive.copy(cx, CopyRequest::new(&source, &new)).await)?;
        let job = CopyJob::new("https://localhost/copy", "");
        check("copy_status", false, drive.copy_status(cx, &job).await)?;
    }
    if !claims.changes {
        check("changes", false, drive.changes(cx, None).await)?;
    }
    assert_eq!(access.names(&place).await?, ["file"]);
    Ok(())
}

async fn claimed_verbs_are_supported(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (drive, cx) = (access.drive(), access.context());
    let claims = access.capabilities().extensions;
    let place = access.new_folder().await?;
    let file = by_id(&access.file(&place, "file", b"1").await?);
    check("versions", claims.versions, drive.versions(cx, &file).await)?;
    let deleted = drive.delete_version(cx, &file, "none").await;
    check("delete_version", claims.delete_versions, deleted)?;
    check("download_url", claims.download_urls, drive.download_url(cx, &file).await)?;
    let (new, options) = (target(&place, "new"), WriteOptions::default());
    check("upload_url", claims.upload_urls, drive.upload_url(cx, &new, 1, &options).await)?;
    let search = SearchRequest::new("file");
    check("search", claims.search, drive.search(cx, &search, None).await)?;
    check("deleted_items", claims.deleted_items, drive.deleted_items(cx, None).await)?;
    let none = ItemId::from("none");
    let restored = drive.restore_deleted(cx, &none, None).await;
    check("restore_deleted", claims.restore_deleted, restored)?;
    check("purge_deleted", claims.purge_deleted, drive.purge_deleted(cx, &none).await)?;
    check("purge", claims.purge, drive.purge(cx, &ItemRef::from_id(&none)).await)?;
    check("thumbnail_urls", claims.thumbnail_urls, drive.thumbnail_urls(cx, &file).await)?;
    check("thumbnail", claims.thumbnails, drive.thumbnail(cx, &file, 96).await)?;
    check("preview_url", claims.previews, drive.preview_url(cx, &file).await)?;
    check("properties", claims.properties, drive.properties(cx, &file).await)?;
    let no_changes = BTreeMap::new();
    let set = drive.set_properties(cx, &file, &no_changes).await;
    check("set_properties", claims.properties, set)?;
    let discarded = drive.discard_check_out(cx, &file).await;
    check("discard_check_out", claims.check_out, discarded)?;
    check("check_out", claims.check_out, drive.check_out(cx, &file).await)?;
    check("check_in", claims.check_out, drive.check_in(cx, &file, "done").await)?;
    let since = drive.changes_since_time(cx, Timestamp::now()).await;
    check("changes_since_time", claims.changes_since_time, since)?;
    check_sharing(access, &file).await
}

/// Calls the verbs for links and permissions, claimed or not. The result is `Unsupported` exactly if
/// the drive does not claim the verb.
///
/// # Errors
/// `Failed` if the promise is not kept.
async fn check_sharing(access: &DriveAccess, file: &ItemRef) -> CaseResult {
    let (drive, cx) = (access.drive(), access.context());
    let claims = access.capabilities().extensions;
    let claims_any =
        claims.links || claims.create_links || claims.permissions || claims.shared_with_me;
    let Some(sharing) = drive.sharing() else {
        return match claims_any {
            true => fail("links or permissions are claimed, but the drive has none".to_owned()),
            false => Ok(()),
        };
    };
    let request = LinkRequest::new(file.clone(), LinkKind::View);
    check("create_link", claims.create_links, sharing.create_link(cx, &request).await)?;
    check("links", claims.links, sharing.links(cx, file).await)?;
    check("delete_link", claims.links, sharing.delete_link(cx, file, "none").await)?;
    check("permissions", claims.permissions, sharing.permissions(cx, file).await)?;
    let users = vec!["nobody@example.com".to_owned()];
    let request = GrantRequest::new(file.clone(), users, Access::Read);
    check("grant", claims.permissions, sharing.grant(cx, &request).await)?;
    let updated = sharing.update_permission(cx, file, "none", Access::Read).await;
    check("update_permission", claims.permissions, updated)?;
    check("revoke", claims.permissions, sharing.revoke(cx, file, "none").await)?;
    check("shared_with_me", claims.shared_with_me, sharing.shared_with_me(cx, None).await)
}

async fn a_recursive_listing_without_the_claim_is_refused(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    if access.capabilities().recursive_list != RecursiveList::No {
        return Ok(());
    }
    let place = by_id(&access.new_folder().await?);
    let listed = access.drive().list(access.context(), ListRequest::recursive(&place)).await;
    check("a recursive listing", false, listed)
}

/// Returns the ids of the items that changed since a position and of those that were deleted. Moves
/// the position to the end of the feed.
///
/// # Errors
/// `Failed` if a request fails or the feed has more than [`MAX_PAGES`] pages.
async fn changed(
    access: &DriveAccess,
    since: &mut drivedal::drive::Cursor,
) -> CaseResult<(Vec<ItemId>, Vec<ItemId>)> {
    let (mut items, mut removed) = (Vec::new(), Vec::new());
    for _ in 0..MAX_PAGES {
        let page = access.drive().changes(access.context(), Some(since)).await?;
        assert!(!page.reset, "the position is a new one");
        items.extend(page.items.into_iter().map(|item| item.id));
        removed.extend(page.removed.into_iter().map(|(id, _)| id));
        *since = page.next;
        if !page.more {
            return Ok((items, removed));
        }
    }
    fail(format!("the feed has more than {MAX_PAGES} pages"))
}

async fn the_change_feed_reports_what_was_created_and_deleted(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let start = access.drive().changes(access.context(), None).await?;
    assert!(start.items.is_empty() && start.removed.is_empty(), "changes before the position");
    let mut since = start.next;
    let file = access.file(&place, "file", b"1").await?;
    let (items, removed) = changed(access, &mut since).await?;
    assert!(items.contains(&file.id), "without the new file: {items:?}");
    assert!(!removed.contains(&file.id), "the new file was not deleted");
    for result in access.delete(&[&file]).await {
        result?;
    }
    let (items, removed) = changed(access, &mut since).await?;
    assert!(removed.contains(&file.id), "without the deleted file: {items:?}, {removed:?}");
    let (items, removed) = changed(access, &mut since).await?;
    assert!(!items.contains(&file.id) && !removed.contains(&file.id), "reported again");
    Ok(())
}
