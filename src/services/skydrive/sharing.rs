//! Links to items, and items that other users share.

use async_trait::async_trait;

use super::{
    item::{from_object, id_of},
    list::{from_cursor, to_cursor},
    model::Collection,
    options::{LinkType, ListQuery, SharedItems},
    state::LiveDrive,
};
use crate::drive::{
    Context, Cursor, Error, ErrorKind, Link, LinkAudience, LinkKind, LinkRequest, Page, Result,
    SearchRequest, Sharing,
};

#[async_trait]
impl Sharing for LiveDrive {
    /// Creates a link for everyone, or returns the existing one. Links of Live Connect have no ids,
    /// and no request deletes one.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` for another audience, an expiry, a
    /// password, or an end of inherited permissions; [request
    /// errors](crate::drive::Error#request-errors).
    async fn create_link(&self, cx: &Context, request: &LinkRequest) -> Result<Link> {
        if !matches!(request.audience, None | Some(LinkAudience::Anyone)) {
            return Err(Error::unsupported("links that do not work for everyone"));
        }
        if request.expires.is_some() || request.password.is_some() {
            return Err(Error::unsupported("links with an expiry or a password"));
        }
        if !request.keep_inherited {
            return Err(Error::unsupported("links that end inherited permissions"));
        }
        let kind = match request.kind {
            LinkKind::View => LinkType::Read,
            LinkKind::Edit => LinkType::Edit,
            LinkKind::Embed => LinkType::Embed,
        };
        let url = self.client.link(cx, id_of(&request.item)?.as_str(), kind).await?;
        let audience = Some(LinkAudience::Anyone);
        Ok(Link { audience, ..Link::new("", url, request.kind) })
    }

    /// Returns one page of the items that other users share.
    ///
    /// # Errors
    /// `InvalidInput` for a cursor of another drive; `Unexpected` if the pages do not advance;
    /// [request errors](crate::drive::Error#request-errors).
    async fn shared_with_me(&self, cx: &Context, cursor: Option<&Cursor>) -> Result<Page> {
        let query = cursor.map_or_else(|| Ok(ListQuery::default()), from_cursor)?;
        let found = self.client.shared(cx, SharedItems::All, &query).await?;
        to_page(found, &query)
    }
}

/// Returns one page of the items below a folder that contain the words of a query.
///
/// # Errors
/// `NotFound` if the folder does not exist; `InvalidInput` for a cursor of another drive;
/// `Unsupported` for a reference by path; `Unexpected` if the pages do not advance; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn search(
    drive: &LiveDrive,
    cx: &Context,
    request: &SearchRequest,
    cursor: Option<&Cursor>,
) -> Result<Page> {
    let first = || {
        let limit = request.limit.map(|limit| limit as u64);
        Ok(ListQuery { limit, ..ListQuery::default() })
    };
    let query = cursor.map_or_else(first, from_cursor)?;
    let folder = match &request.folder {
        Some(folder) => id_of(folder)?.as_str(),
        None => super::client::ROOT,
    };
    let found = drive.client.search(cx, folder, &request.query, &query).await?;
    to_page(found, &query)
}

/// Converts a page of items from any folders. `query` is that of the page.
///
/// # Errors
/// `Unexpected` if the offset of the next page is not above that of this one, or cannot be read.
fn to_page(found: Collection, query: &ListQuery) -> Result<Page> {
    let next = match &found.paging {
        Some(paging) => paging.next_page()?,
        None => None,
    };
    if let Some(offset) = next.as_ref().and_then(|next| next.offset)
        && offset <= query.offset.unwrap_or(0)
    {
        let text = format!("cannot end the list: the next page is at {offset} again");
        return Err(Error::new(ErrorKind::Unexpected, text));
    }
    let items = found.data.into_iter().map(from_object).collect();
    Ok(Page { items, next: next.as_ref().map(to_cursor) })
}
