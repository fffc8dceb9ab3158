//! `$expand`: adds related items and resources to an item.

use serde_json::Value;
use url::form_urlencoded;

use super::{
    child_page::page,
    drive_context::{DriveContext, ItemWithPath},
    drive_item::View,
    error::Result,
    labels, lists,
    paging::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, SKIP_TOKEN, encode_listing_key},
    permissions,
    select::{Expansion, Selection},
    thumbnails, versions,
};
use crate::tree::{ListOptions, Node, Order};

/// Adds the relations that a selection expands to an item's JSON. A shortcut gets the current
/// properties of its target.
///
/// # Errors
/// 400 for a thumbnail size outside of 1 to the maximum, 404 if the item no longer exists, 500 if
/// the storage fails.
pub(super) async fn expand(
    context: &DriveContext<'_>,
    located: &ItemWithPath,
    selection: &Selection,
    item: &mut Value,
) -> Result<()> {
    context.refresh_shortcut(&located.node, item).await?;
    for expansion in &selection.expanded {
        match expansion.name.as_str() {
            // Boxed, because children may have expanded relations too.
            "children" => Box::pin(expand_children(context, located, expansion, item)).await?,
            "permissions" => {
                let all = permissions::permissions(context, &located.node).await?.into_iter();
                item["permissions"] = all.map(|one| expansion.selection.project(one)).collect();
            }
            "versions" => {
                let all = versions::all(context, &located.node).await?.into_iter();
                let project = |(_, one)| expansion.selection.project_resource(one);
                item["versions"] = all.map(project).collect();
            }
            "retentionLabel" => {
                // Personal drives have no labels.
                if !context.kind.is_personal() {
                    let label = labels::expand(context, &located.node).await?;
                    item["retentionLabel"] = expansion.selection.project_resource(label);
                }
            }
            "listItem" => {
                // A personal drive has no list.
                if !context.kind.is_personal() {
                    item["listItem"] = lists::describe_item(context, located, &expansion.selection);
                }
            }
            _ => {
                let sets = thumbnails::sets(context, &located.node, &expansion.selection, false)?;
                item["thumbnails"] = sets.into();
            }
        }
    }
    Ok(())
}

/// Like [`expand`], for an item whose path is not known yet.
///
/// # Errors
/// 400 for a thumbnail size outside of 1 to the maximum, 404 if the item or its parent no longer
/// exists, 500 if the storage fails.
pub(super) async fn expand_node(
    context: &DriveContext<'_>,
    node: &Node,
    selection: &Selection,
    item: &mut Value,
) -> Result<()> {
    context.refresh_shortcut(node, item).await?;
    if selection.expanded.is_empty() {
        return Ok(());
    }
    let parent_path = context.parent_path(node).await?;
    let located = ItemWithPath { node: node.clone(), parent_path };
    expand(context, &located, selection, item).await
}

/// Adds the first page of an item's children to its JSON, and the link to the next page
/// (onedrive-graph#expand-children-paging).
///
/// # Errors
/// 400 for a thumbnail size outside of 1 to the maximum, 404 if the item or a child no longer
/// exists, 500 if the storage fails.
async fn expand_children(
    context: &DriveContext<'_>,
    located: &ItemWithPath,
    expansion: &Expansion,
    item: &mut Value,
) -> Result<()> {
    let limit = Some(expansion.top.unwrap_or(DEFAULT_PAGE_SIZE).min(MAX_PAGE_SIZE));
    let which = ListOptions { limit, ..ListOptions::default() };
    let (nodes, next) = page(context, &located.node, which).await?;
    let parent_path = located.path_of_children();
    let mut value = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut child = context.describe(&node, View::WithPath(&parent_path));
        let located = ItemWithPath { node, parent_path: parent_path.clone() };
        expand(context, &located, &expansion.selection, &mut child).await?;
        value.push(expansion.selection.project(child));
    }
    item["children"] = value.into();
    if let Some(next) = next {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &expansion.options {
            query.append_pair(&format!("${name}"), value);
        }
        query.append_pair(SKIP_TOKEN, &encode_listing_key(&next, Order::default()));
        let (drive, folder) = (context.ids.drive_id(), context.ids.item_id(located.node.no));
        let path = format!("/drives/{drive}/items/{folder}/children?{}", query.finish());
        item["children@odata.nextLink"] = context.request.url(&path).into();
    }
    Ok(())
}
