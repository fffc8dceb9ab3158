//! The optional verbs: search, trash, thumbnails and properties.

use super::{
    client::{ListQuery, PAGE_MAX},
    filter::{Filter, FilterField},
    item::{from_node, has_path, id_of},
    model::{Node, NodeStatus},
    state::NodeDrive,
};
use crate::drive::{
    Context, Cursor, Download, Error, ErrorKind, Item, ItemId, ItemRef, Page, Properties,
    PropertyChanges, Result, SearchRequest, Target,
};

impl NodeDrive {
    /// Returns one page of the items of the whole drive whose name begins with a text, without
    /// regard to case. The cloud also finds names with a word that begins with it.
    ///
    /// # Errors
    /// `Unsupported` for a search in one folder: the cloud's filters know only direct parents;
    /// [request errors](crate::drive::Error#request-errors). `Unexpected` if the cursor has expired.
    pub(super) async fn search_page(
        &self,
        cx: &Context,
        request: &SearchRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page> {
        if request.folder.is_some() {
            return Err(Error::unsupported("a search in one folder: it searches the whole drive"));
        }
        let filter = Filter::status(NodeStatus::Available)
            .and(Filter::starts_with(FilterField::Name, &request.query));
        let mut query = list_query(cursor);
        query.filter = Some(filter);
        query.limit = Some(request.limit.unwrap_or(PAGE_MAX));
        let found = self.client.nodes(cx, &query).await?;
        let items = found.data.into_iter().filter(has_path).map(from_node).collect();
        Ok(Page { items, next: found.next_token.map(|token| Cursor(token.into())) })
    }

    /// Returns one page of the items in the trash, without those below a folder in the trash.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    pub(super) async fn trash_page(&self, cx: &Context, cursor: Option<&Cursor>) -> Result<Page> {
        let found = self.client.trashed(cx, &list_query(cursor)).await?;
        let items = found.data.into_iter().map(from_node).collect();
        Ok(Page { items, next: found.next_token.map(|token| Cursor(token.into())) })
    }

    /// Moves an item from the trash back to its folders.
    ///
    /// # Errors
    /// `Unsupported` for another target; `NotFound` if the item does not exist; `AlreadyExists` if
    /// its name is in use; [request errors](crate::drive::Error#request-errors).
    pub(super) async fn restore(
        &self,
        cx: &Context,
        id: &ItemId,
        target: Option<&Target>,
    ) -> Result<Item> {
        if target.is_some() {
            return Err(Error::unsupported("a restore to another place: move the item afterwards"));
        }
        Ok(from_node(self.client.restore(cx, id.as_str()).await?))
    }

    /// Deletes an item of the trash for good.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist or is not in the trash; `PermissionDenied` if the cloud
    /// does not permit it (amazon-drive#op-purge); [request
    /// errors](crate::drive::Error#request-errors).
    pub(super) async fn purge_trashed(&self, cx: &Context, id: &ItemId) -> Result<()> {
        let node = self.client.node(cx, id.as_str(), false).await?;
        if node.status != Some(NodeStatus::Trash) {
            let text = format!("cannot purge item {id}: it is not in the trash");
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        self.client.purge(cx, id.as_str()).await.map(drop)
    }

    /// Downloads a picture of a photo or a video that fits into a square with a side of `side` pixels.
    ///
    /// # Errors
    /// `InvalidInput` if the file has no picture, or for a side that is 0 or too large; `NotFound` if
    /// the file does not exist; [request errors](crate::drive::Error#request-errors).
    pub(super) async fn picture(
        &self,
        cx: &Context,
        file: &ItemRef,
        side: u32,
    ) -> Result<Download> {
        self.client.thumbnail(cx, id_of(file)?.as_str(), side).await
    }

    /// Returns the properties that the application which created the item has stored with it.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unexpected` if the cloud does not report who created
    /// it; [request errors](crate::drive::Error#request-errors).
    pub(super) async fn read_properties(&self, cx: &Context, item: &ItemRef) -> Result<Properties> {
        let (id, owner) = self.property_owner(cx, item).await?;
        self.client.properties(cx, &id, &owner).await
    }

    /// Sets and removes properties, with one request for each. A removed property that does not exist
    /// is no error.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `PermissionDenied` if another application created it;
    /// `InvalidInput` beyond the limits of properties (amazon-drive#property-limits); [request
    /// errors](crate::drive::Error#request-errors). Some properties may have changed already.
    pub(super) async fn change_properties(
        &self,
        cx: &Context,
        item: &ItemRef,
        changes: &PropertyChanges,
    ) -> Result<()> {
        let (id, owner) = self.property_owner(cx, item).await?;
        for (key, value) in changes {
            let Some(value) = value else {
                match self.client.delete_property(cx, &id, &owner, key).await {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => continue,
                }
            };
            self.client.set_property(cx, &id, &owner, key, value).await?;
        }
        Ok(())
    }

    /// Returns the id of an item, and the owner of its properties: the application and the user that
    /// created it. The cloud has no request for the application's own owner id.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `Unsupported` for a reference by path; `Unexpected` if
    /// the response has no creator; [request errors](crate::drive::Error#request-errors).
    async fn property_owner(&self, cx: &Context, item: &ItemRef) -> Result<(String, String)> {
        let Node { id, created_by, .. } =
            self.client.node(cx, id_of(item)?.as_str(), false).await?;
        let owner = created_by.ok_or_else(|| {
            let text = "cannot find the owner of the properties: the response has no `createdBy`";
            Error::new(ErrorKind::Unexpected, text)
        })?;
        Ok((id, owner))
    }
}

/// Returns the query of the page at a cursor; of the first page without one.
fn list_query(cursor: Option<&Cursor>) -> ListQuery {
    let start_token = cursor.map(|cursor| cursor.0.expose().to_owned());
    ListQuery { start_token, ..ListQuery::default() }
}
