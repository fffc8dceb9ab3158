//! The drive under test, and the steps that many cases have in common.

use std::{fmt, ops::Range, sync::Arc};

use drivedal::drive::{
    Body, ByteRange, Capabilities, Context, Cursor, DeleteTarget, DownloadRequest, Drive, Error,
    ErrorKind, IfExists, Item, ItemId, ItemRef, ItemUpdate, ListRequest, SiblingSearch, Target,
    WriteOptions,
};
use futures::TryStreamExt;
use opendal::Buffer;

use crate::{CaseError, CaseResult, TestContext, data, fail, result::record};

/// The number of pages after which a listing counts as endless.
const MAX_PAGES: usize = 1000;

/// The drive of a [`TestContext`], for the cases of [`group`](super::group). A backend adds it with
/// [`TestContext::with_extension`].
#[derive(Clone)]
pub struct DriveAccess {
    drive: Arc<dyn Drive>,
    cx: Context,
}

impl fmt::Debug for DriveAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriveAccess").field("drive", &self.drive).finish_non_exhaustive()
    }
}

impl DriveAccess {
    /// Creates the access to a drive, whose verbs are called with this context. For an operator it
    /// is `DriveHandle::context(&operator)`.
    pub fn new(drive: Arc<dyn Drive>, cx: Context) -> Self {
        Self { drive, cx }
    }

    /// Returns the drive.
    pub fn drive(&self) -> &Arc<dyn Drive> {
        &self.drive
    }

    /// Returns the context for the verbs of the drive.
    pub fn context(&self) -> &Context {
        &self.cx
    }

    /// Returns the capabilities of the drive.
    pub(super) fn capabilities(&self) -> &Capabilities {
        self.drive.capabilities()
    }

    /// Creates a folder with a random name in the root, in which a case works.
    ///
    /// # Errors
    /// [`CaseError::Failed`] if the drive does not create it.
    pub(super) async fn new_folder(&self) -> CaseResult<Item> {
        let root = ItemRef::from_id(&self.drive.root(&self.cx).await?);
        let name = format!("drive-case-{:016x}", data::random());
        Ok(self.drive.create_folder(&self.cx, &Target::new(root, name)).await?)
    }

    /// Creates a folder. `name` is its name alone, `parent` the folder that gets it.
    ///
    /// # Errors
    /// Those of [`Drive::create_folder`](drivedal::drive::Drive::create_folder), such as
    /// `AlreadyExists`.
    pub(super) async fn folder(&self, parent: &Item, name: &str) -> Result<Item, Error> {
        self.drive.create_folder(&self.cx, &target(parent, name)).await
    }

    /// Writes a file, and requests its metadata.
    ///
    /// # Errors
    /// [`CaseError::Failed`] if the drive does not write it.
    pub(super) async fn file(&self, parent: &Item, name: &str, bytes: &[u8]) -> CaseResult<Item> {
        let written = self.upload(parent, name, bytes, &WriteOptions::default()).await?;
        let item = self.item(&written.id, parent).await?;
        if item.size.is_some_and(|size| size != bytes.len() as u64) {
            return fail(format!("{name:?} has {:?} bytes, not {}", item.size, bytes.len()));
        }
        Ok(item)
    }

    /// Writes a file in one request. `name` is its name alone, `parent` the folder that gets it.
    ///
    /// # Errors
    /// Those of [`Drive::upload`](drivedal::drive::Drive::upload), such as `AlreadyExists`.
    pub(super) async fn upload(
        &self,
        parent: &Item,
        name: &str,
        bytes: &[u8],
        options: &WriteOptions,
    ) -> Result<Item, Error> {
        let body = Body::Memory(Buffer::from(bytes.to_vec()));
        self.drive.upload(&self.cx, &target(parent, name), body, options).await
    }

    /// Requests the metadata of an item by its id. `parent` is the folder through which it is
    /// found.
    ///
    /// # Errors
    /// Those of [`Drive::item`](drivedal::drive::Drive::item), such as `NotFound`.
    pub(super) async fn item(&self, id: &ItemId, parent: &Item) -> Result<Item, Error> {
        let item = ItemRef::Item { id: id.clone(), parent: Some(parent.id.clone()) };
        self.drive.item(&self.cx, &item, drivedal::drive::Conditions::NONE).await
    }

    /// Returns the child of a folder. `None` if it does not exist.
    ///
    /// # Errors
    /// [`CaseError::Failed`] if the request fails otherwise.
    pub(super) async fn child(&self, folder: &Item, name: &str) -> CaseResult<Option<Item>> {
        let mut ignore = |_: SiblingSearch<'_>| ();
        match self.drive.child(&self.cx, &by_id(folder), name, &mut ignore).await {
            Ok(item) => Ok(Some(item)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the items of a folder, from all pages.
    ///
    /// # Errors
    /// [`CaseError::Failed`] if a request fails or the pages do not end.
    pub(super) async fn children(&self, folder: &Item) -> CaseResult<Vec<Item>> {
        let folder = by_id(folder);
        Ok(self.pages(ListRequest::new(&folder)).await?.concat())
    }

    /// Returns the sorted names of the items of a folder.
    ///
    /// # Errors
    /// Those of [`children`](Self::children).
    pub(super) async fn names(&self, folder: &Item) -> CaseResult<Vec<String>> {
        let mut names: Vec<_> =
            self.children(folder).await?.into_iter().map(|item| item.name).collect();
        names.sort();
        Ok(names)
    }

    /// Returns the items of each page of a listing.
    ///
    /// # Errors
    /// [`CaseError::Failed`] if a request fails or the pages do not end.
    pub(super) async fn pages(&self, request: ListRequest<'_>) -> CaseResult<Vec<Vec<Item>>> {
        let (mut pages, mut cursor): (Vec<_>, Option<Cursor>) = (Vec::new(), None);
        while pages.len() < MAX_PAGES {
            let request = request.with_cursor(cursor.as_ref());
            let page = self.drive.list(&self.cx, request).await?;
            pages.push(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(pages);
            }
        }
        fail(format!("the listing has more than {MAX_PAGES} pages"))
    }

    /// Returns the bytes of a file.
    ///
    /// # Errors
    /// [`CaseError::Failed`] if they cannot be read.
    pub(super) async fn content(&self, file: &Item) -> CaseResult<Vec<u8>> {
        self.range(file, ByteRange::Full).await
    }

    /// Returns the bytes of a range, and checks the range that the drive reports.
    ///
    /// # Errors
    /// [`CaseError::Failed`] if they cannot be read, or are others than reported.
    pub(super) async fn range(&self, file: &Item, range: ByteRange) -> CaseResult<Vec<u8>> {
        let (reported, bytes) = self.try_range(file, range).await?;
        if reported.end - reported.start != bytes.len() as u64 {
            return fail(format!("{} bytes for the range {reported:?}", bytes.len()));
        }
        Ok(bytes)
    }

    /// Returns the range that the drive reports, and the bytes.
    ///
    /// # Errors
    /// Those of the download and of its stream.
    pub(super) async fn try_range(
        &self,
        file: &Item,
        range: ByteRange,
    ) -> Result<(Range<u64>, Vec<u8>), Error> {
        let file_ref = by_id(file);
        let request = DownloadRequest::new(&file_ref).with_known(file).with_range(range);
        let download = self.drive.download(&self.cx, request).await?;
        let reported = download.range.clone();
        let pieces: Vec<Buffer> = download.bytes.try_collect().await?;
        Ok((reported, pieces.iter().flat_map(Buffer::to_vec).collect()))
    }

    /// Changes an item, with its metadata `item` as the known one.
    ///
    /// # Errors
    /// Those of [`Drive::update`](drivedal::drive::Drive::update), such as `AlreadyExists`.
    pub(super) async fn update(&self, item: &Item, update: &ItemUpdate) -> Result<Item, Error> {
        self.drive.update(&self.cx, &by_id(item), Some(item), update).await
    }

    /// Deletes items, in batches of the size that the drive permits.
    pub(super) async fn delete(&self, items: &[&Item]) -> Vec<Result<(), Error>> {
        let targets: Vec<_> = items.iter().map(|item| delete_target(item)).collect();
        let mut results = Vec::new();
        for batch in targets.chunks(self.capabilities().delete_max_size.max(1)) {
            results.extend(self.drive.delete(&self.cx, batch).await);
        }
        results
    }
}

/// Returns the drive of a case.
///
/// # Errors
/// [`CaseError::Failed`] if the backend has added none.
pub(super) fn access(test: &TestContext) -> CaseResult<&DriveAccess> {
    match test.extension() {
        Some(access) => Ok(access),
        None => fail("the backend gives no access to its drive"),
    }
}

/// Returns a reference to an item by its id.
pub(super) fn by_id(item: &Item) -> ItemRef {
    ItemRef::Item { id: item.id.clone(), parent: item.parents.first().cloned() }
}

/// Returns the target with a name in a folder.
pub(super) fn target(folder: &Item, name: &str) -> Target {
    Target::new(by_id(folder), name)
}

/// Returns options that fail if the target exists.
pub(super) fn must_not_exist() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.if_exists = IfExists::Fail;
    options
}

/// Returns the target of a deletion, with all that is known of the item.
fn delete_target(item: &Item) -> DeleteTarget {
    let mut target = DeleteTarget::new(by_id(item));
    target.kind = Some(item.kind);
    target.parents.clone_from(&item.parents);
    target
}

/// Returns the error of a verb that must fail with one of these kinds.
///
/// # Errors
/// [`CaseError::Failed`] if it succeeded, or failed with another kind.
#[track_caller]
pub(super) fn expect_kind<T: fmt::Debug>(
    result: Result<T, Error>,
    kinds: &[ErrorKind],
) -> CaseResult<Error> {
    match result {
        Ok(value) => fail(format!("should have failed with {kinds:?}, got {value:?}")),
        Err(error) => {
            record(&format!("{error}\n{error:?}"));
            match kinds.contains(&error.kind()) {
                true => Ok(error),
                false => fail(format!("should have failed with {kinds:?}: {error:?}")),
            }
        }
    }
}

impl From<Error> for CaseError {
    #[track_caller]
    fn from(error: Error) -> Self {
        record(&format!("{error}\n{error:?}"));
        Self::Failed(format!("{}: {error:?}", std::panic::Location::caller()))
    }
}
