//! The root folder, children by name, and lists of a folder or of the whole drive.

use super::{
    client::{ListQuery, PAGE_MAX},
    filter::{Filter, FilterField},
    item::{from_node, has_path, id_of, is_live},
    model::{Node, NodeList, NodeStatus},
    names::fold,
    state::{NodeDrive, RootFolder},
};
use crate::drive::{Context, Cursor, Depth, Error, ErrorKind, ItemId, ListRequest, Page, Result};

impl NodeDrive {
    /// Returns the root folder, requested once.
    ///
    /// # Errors
    /// `DriveNotFound` if the response contains no root folder, and [request
    /// errors](crate::drive::Error#request-errors).
    pub(super) async fn root_folder(&self, cx: &Context) -> Result<&RootFolder> {
        self.root
            .get_or_try_init(|| async {
                let query = ListQuery::with_filter(Filter::is_root());
                let nodes = self.client.nodes(cx, &query).await?.data;
                let root = nodes.into_iter().find(|node| node.is_root).ok_or_else(|| {
                    Error::new(
                        ErrorKind::DriveNotFound,
                        "cannot find the root folder: the response contains none",
                    )
                })?;
                Ok(RootFolder { id: root.id.into(), created_by: root.created_by })
            })
            .await
    }

    /// Returns the child of a folder with that name that is not in the trash, in one request.
    /// `None` if the folder has none or does not exist. Names are compared by [`fold`], without
    /// regard to case.
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors).
    pub(super) async fn find_child(
        &self,
        cx: &Context,
        folder: &ItemId,
        name: &str,
    ) -> Result<Option<Node>> {
        let filter = Filter::equals(FilterField::Parents, folder.as_str())
            .and(Filter::equals(FilterField::Name, name));
        let found = self.client.nodes(cx, &ListQuery::with_filter(filter)).await?;
        // The cloud also finds nodes whose name contains the words.
        let wanted = fold(name);
        let mut nodes = found.data.into_iter().filter(|node| {
            has_path(node) && node.name.as_deref().is_some_and(|name| fold(name) == wanted)
        });
        Ok(nodes.next())
    }

    /// Returns a page of a folder's children, or of the nodes of the whole drive.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist, `Unsupported` for a reference by path; [request
    /// errors](crate::drive::Error#request-errors). `Unexpected` if the cursor has expired, which
    /// it does after 10 minutes.
    pub(super) async fn page(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        let ListRequest { folder, depth, limit, cursor } = request;
        let folder = id_of(folder)?;
        let mut query = ListQuery {
            start_token: cursor.map(|cursor| cursor.0.expose().to_owned()),
            limit: Some(limit.unwrap_or(PAGE_MAX)),
            ..ListQuery::default()
        };
        let NodeList { data, next_token, .. } = match depth {
            Depth::Children => self.client.children(cx, folder.as_str(), &query).await?,
            Depth::Recursive => {
                query.filter = Some(Filter::status(NodeStatus::Available));
                self.client.nodes(cx, &query).await?
            }
        };
        // Nodes below a folder in the trash are AVAILABLE, too; no path leads to them.
        let is_listed = |node: &Node| {
            is_live(node)
                && (depth == Depth::Children
                    || node.parents.as_ref().is_some_and(|parents| !parents.is_empty()))
        };
        let items = data.into_iter().filter(is_listed).map(from_node).collect();
        Ok(Page { items, next: next_token.map(|token| Cursor(token.into())) })
    }
}
