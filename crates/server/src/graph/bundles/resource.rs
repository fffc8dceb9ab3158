//! The JSON of a bundle.

use serde_json::{Value, json};

use super::{Bundle, ID_MARK};
use crate::graph::{
    drive_context::DriveContext,
    drive_item::View,
    error::Result,
    expand::expand_node,
    ids,
    owner::AccountIdentity,
    paging::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, SKIP_TOKEN, encode_position},
    timestamp::format_time,
};

impl Bundle {
    /// Returns the id of the bundle.
    pub(super) fn id(&self, context: &DriveContext<'_>) -> String {
        format!("{}!{ID_MARK}{}", context.ids.drive_id(), self.object.id)
    }

    /// Returns the etag, which changes with every change of the bundle.
    fn etag(&self) -> String {
        format!("\"{},{}\"", self.object.id, self.properties.version)
    }

    /// Returns the cTag, which changes with the items of the bundle.
    fn ctag(&self) -> String {
        format!("\"c:{},{}\"", self.object.id, self.properties.content_version)
    }

    /// Returns whether a list of tags in a header has the etag or the cTag of the bundle, or `*`.
    pub(super) fn matches(&self, tags: &str) -> bool {
        let bare = |tag: &str| tag.trim_matches('"').to_owned();
        let own = ["*".to_owned(), bare(&self.etag()), bare(&self.ctag())];
        ids::tags(tags).any(|tag| own.contains(&bare(tag)))
    }

    /// Returns the bundle as a driveItem, without its items.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn describe(&self, context: &DriveContext<'_>) -> Result<Value> {
        let identity = AccountIdentity::new(context.kind, &context.account);
        let by = identity.identity_set(None);
        let time = |at| format_time(context.kind, at);
        let items = self.live_items(context).await?;
        let (id, drive) = (self.id(context), context.ids.drive_id());
        let mut facet = json!({"childCount": items.len()});
        if let Some(album) = &self.properties.album {
            facet["album"] = match album.cover {
                Some(cover) => json!({"coverImageItemId": context.ids.item_id(cover)}),
                None => json!({}),
            };
        }
        let path = format!("/?cid={drive}&id={id}");
        Ok(json!({
            "id": id,
            "name": self.properties.name,
            "eTag": self.etag(),
            "cTag": self.ctag(),
            "size": items.iter().map(|node| node.size).sum::<u64>(),
            "createdBy": by,
            "createdDateTime": time(self.object.created),
            "lastModifiedBy": by,
            "lastModifiedDateTime": time(self.object.modified),
            "webUrl": context.request.base_url.url_on("onedrive.live.com", &path),
            "parentReference": {"driveId": drive, "driveType": context.kind.drive_type()},
            "bundle": facet,
        }))
    }

    /// Adds the items to the JSON of the bundle, if the request expands them, and the link to the next
    /// page.
    ///
    /// # Errors
    /// 400 for a thumbnail size outside of 1 to the maximum; 500 if the storage fails.
    pub(super) async fn expand(
        &self,
        context: &DriveContext<'_>,
        resource: &mut Value,
    ) -> Result<()> {
        let expanded = &context.request.selection.expanded;
        let Some(expansion) = expanded.iter().find(|one| one.name == "children") else {
            return Ok(());
        };
        let top = expansion.top.unwrap_or(DEFAULT_PAGE_SIZE).min(MAX_PAGE_SIZE);
        let length = usize::try_from(top).unwrap_or(usize::MAX);
        let items = self.live_items(context).await?;
        let mut children = Vec::new();
        for node in items.iter().take(length) {
            let mut child = context.describe(node, View::SearchResult);
            expand_node(context, node, &expansion.selection, &mut child).await?;
            children.push(expansion.selection.project(child));
        }
        resource["children"] = children.into();
        if items.len() > length {
            let (drive, id) = (context.ids.drive_id(), self.id(context));
            let token = encode_position(top);
            let path = format!("/drives/{drive}/bundles/{id}/children?{SKIP_TOKEN}={token}");
            resource["children@odata.nextLink"] = context.request.url(&path).into();
        }
        Ok(())
    }
}
