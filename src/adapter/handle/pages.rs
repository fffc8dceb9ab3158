//! Streams of items from paged lists: search, the recycle bin, items that others share.

use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use opendal::{Operator, Result};

use super::{DriveHandle, require_sharing, to_opendal};
use crate::drive::{self, Cursor, Item, Page, PageGuard, SearchRequest};

/// Items of a list, requested page by page. It ends after the first error.
pub type ItemStream = BoxStream<'static, Result<Item>>;

impl DriveHandle {
    /// Returns the items below the folder at a path that match a query, in the cloud's own syntax and
    /// order. An empty path is the operator's root. The cloud's index may not have the newest items.
    ///
    /// # Errors
    /// The stream returns `NotFound` if the folder does not exist, `Unsupported` if the drive has no
    /// search, or none in one folder, and [request errors](crate::drive::Error#request-errors).
    pub fn search(&self, operator: &Operator, folder: &str, query: &str) -> ItemStream {
        let (handle, cx) = (self.clone(), Self::context(operator));
        let (folder, mut request) = (folder.to_owned(), SearchRequest::new(query));
        let start = async move {
            let path = handle.state.find_path(&cx, &folder).await?;
            if !path.names().is_empty() {
                let max_age = handle.state.settings.index_ttl;
                request.folder = Some(handle.state.resolve(&cx, &path, max_age).await?.item_ref);
            }
            Ok(pages(move |cursor| {
                let (handle, cx, request) = (handle.clone(), cx.clone(), request.clone());
                async move { handle.drive().search(&cx, &request, cursor.as_ref()).await }
            }))
        };
        stream::once(start).try_flatten().map_err(to_opendal).boxed()
    }

    /// Returns the items in the recycle bin. Their parents are those before the deletion.
    ///
    /// # Errors
    /// The stream returns `Unsupported` if the drive does not list its recycle bin, and [request
    /// errors](crate::drive::Error#request-errors).
    pub fn deleted_items(&self, operator: &Operator) -> ItemStream {
        let (handle, cx) = (self.clone(), Self::context(operator));
        let pages = pages(move |cursor| {
            let (handle, cx) = (handle.clone(), cx.clone());
            async move { handle.drive().deleted_items(&cx, cursor.as_ref()).await }
        });
        pages.map_err(to_opendal).boxed()
    }

    /// Returns the items that other users share with the account. Verbs of the drive accept their
    /// ids.
    ///
    /// # Errors
    /// The stream returns `Unsupported` if the drive does not list them, and [request
    /// errors](crate::drive::Error#request-errors).
    pub fn shared_with_me(&self, operator: &Operator) -> ItemStream {
        let (handle, cx) = (self.clone(), Self::context(operator));
        let pages = pages(move |cursor| {
            let (handle, cx) = (handle.clone(), cx.clone());
            async move {
                let sharing = require_sharing(handle.drive())?;
                sharing.shared_with_me(&cx, cursor.as_ref()).await
            }
        });
        pages.map_err(to_opendal).boxed()
    }
}

/// Returns the items of all pages of a list. `request` requests the page at a cursor; without a
/// cursor, the first page.
///
/// # Errors
/// The stream returns the errors of `request`, and `Unexpected` if the pages form a cycle.
fn pages<F>(
    request: impl Fn(Option<Cursor>) -> F + Send + 'static,
) -> impl stream::Stream<Item = drive::Result<Item>> + Send
where
    F: Future<Output = drive::Result<Page>> + Send,
{
    let start = (Some(None), PageGuard::default(), request);
    let pages = stream::try_unfold(start, async |(cursor, mut guard, request)| {
        let Some(cursor): Option<Option<Cursor>> = cursor else { return Ok(None) };
        let page = request(cursor).await?;
        guard.record(page.items.len(), page.next.as_ref().map(|Cursor(next)| next))?;
        let items = stream::iter(page.items.into_iter().map(Ok));
        Ok(Some((items, (page.next.map(Some), guard, request))))
    });
    pages.try_flatten()
}
