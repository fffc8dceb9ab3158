//! The fields of a list item: the values of the library's columns.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::columns::{Column, columns};
use crate::{
    graph::{
        contract::Payload,
        drive_context::{DriveContext, ItemWithPath},
        error::{Error, Result},
        response,
        stored_facets::{FACETS, FIELDS, stored_facet},
        timestamp::format_time,
    },
    item_names,
    tree::{Change, Node, NodeKind, OnConflict, Precondition, ROOT, TreeError},
};

/// Maximum number of attempts to change an item that other requests change at the same time. Another
/// request succeeds whenever one attempt fails, so this many requests can run concurrently.
const MAX_ATTEMPTS: usize = 100;

/// The field with the name of the file.
const FILE_NAME: &str = "FileLeafRef";

/// `GET fields`: returns the fields of an item.
pub(super) fn get(context: &DriveContext<'_>, located: &ItemWithPath) -> Response {
    let fields = context.request.selection.project_resource(describe(context, &located.node));
    response::json(StatusCode::OK, &with_context(context, fields))
}

/// `PATCH fields`: sets the values of columns; null removes a value. `FileLeafRef` renames the item.
/// Returns the fields.
///
/// # Errors
/// 400 for an unknown or read-only column, a value of another type, and a name that is not allowed;
/// 409 if another item has the name; 412 if `If-Match` names another version; 423 if the item is
/// locked; 503 if other requests keep changing the item; 507 or 500 if the storage fails.
pub(super) async fn update(
    context: &DriveContext<'_>,
    located: ItemWithPath,
    payload: Payload,
) -> Result<Response> {
    let body: Map<String, Value> = payload.parse()?;
    context.check_unlocked(&located.node)?;
    let expect = context.if_match(Some(&located.node))?;
    let known = columns(context).await?;
    let (mut name, mut values) = (None, Map::new());
    for (field, value) in body.into_iter().filter(|(field, _)| !field.starts_with('@')) {
        let column = known
            .iter()
            .find(|column| column.name == field)
            .ok_or_else(|| Error::invalid(format!("Field '{field}' is not recognized")))?;
        column.check(&value)?;
        match field.as_str() {
            FILE_NAME => name = value.as_str().map(str::to_owned),
            _ => {
                values.insert(field, value);
            }
        }
    }
    let ItemWithPath { mut node, parent_path } = located;
    if let Some(name) = name.filter(|name| *name != node.name) {
        let folder = node.parents.first().copied().unwrap_or(ROOT);
        let is_folder = node.kind == NodeKind::Folder;
        item_names::check(&name, is_folder, context.kind, folder, &parent_path)?;
        let change = Change { name: Some(name), ..Change::default() };
        let (tree, drive) = (context.tree(), context.drive());
        node = tree.update(drive, node.no, change, OnConflict::Fail, expect).await?;
    } else if expect != Precondition::Any {
        // The facets are set below with a precondition of their own.
        let current = context.tree().node(context.drive(), node.no).await?;
        context.if_match(Some(&current))?;
    }
    let node = set_values(context, node, &values).await?;
    Ok(response::json(StatusCode::OK, &with_context(context, describe(context, &node))))
}

/// Stores new values of columns, and returns the changed item. Repeats the change if another request
/// changed the item in between, so that no change is lost.
///
/// # Errors
/// 404 if the item no longer exists; 503 if other requests changed it during each of
/// [`MAX_ATTEMPTS`] attempts; 507 if the disk of the storage is full; 500 if the storage fails.
async fn set_values(
    context: &DriveContext<'_>,
    mut node: Node,
    values: &Map<String, Value>,
) -> Result<Node> {
    let (tree, drive) = (context.tree(), context.drive());
    for _ in 0..MAX_ATTEMPTS {
        let facets = with_values(&node, values);
        if facets.is_empty() {
            return Ok(node);
        }
        let change = Change { facets, ..Change::default() };
        let expect = Precondition::Version(node.version);
        match tree.update(drive, node.no, change, OnConflict::Fail, expect).await {
            Ok(changed) => return Ok(changed),
            Err(TreeError::Changed) => node = tree.node(drive, node.no).await?,
            Err(error) => return Err(error.into()),
        }
    }
    let message = "cannot change the item: other requests keep changing it";
    Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "serviceNotAvailable", message))
}

/// Returns the item's facets with new values of columns, in the form of [`Change::facets`]; empty
/// without a value.
fn with_values(node: &Node, values: &Map<String, Value>) -> Map<String, Value> {
    if values.is_empty() {
        return Map::new();
    }
    let mut facets = match node.facets.get(FACETS) {
        Some(Value::Object(facets)) => facets.clone(),
        _ => Map::new(),
    };
    let fields = facets.entry(FIELDS).or_insert_with(|| json!({}));
    if let Value::Object(fields) = fields {
        fields.extend(values.clone());
        fields.retain(|_, value| !value.is_null());
    }
    Map::from_iter([(FACETS.to_owned(), facets.into())])
}

/// Returns the fields of an item.
pub(super) fn describe(context: &DriveContext<'_>, node: &Node) -> Value {
    let time = |at| format_time(context.kind, at);
    let is_folder = node.kind == NodeKind::Folder;
    let extension = node.name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    let mut fields = json!({
        "@odata.etag": context.ids.etag(node),
        "id": (node.no.0 - ROOT.0).to_string(),
        FILE_NAME: node.name,
        "LinkFilename": node.name,
        "LinkFilenameNoMenu": node.name,
        "ContentType": if is_folder { "Folder" } else { "Document" },
        "Created": time(node.client_created),
        "Modified": time(node.client_modified),
        "FileSizeDisplay": if is_folder { None } else { Some(node.size.to_string()) },
        "ItemChildCount": "0",
        "FolderChildCount": "0",
        "_UIVersionString": format!("{}.0", node.content_version),
    });
    if is_folder {
        // The tree counts all children; SharePoint counts files and folders apart. Inferred.
        fields["ItemChildCount"] = node.children.to_string().into();
    } else if let Some(extension) = extension {
        fields["DocIcon"] = extension.into();
    }
    if let Some(Value::Object(stored)) = stored_facet(node, FIELDS) {
        for (name, value) in stored {
            fields[name] = value.clone();
        }
    }
    fields
}

/// Returns fields as the body of a response.
fn with_context(context: &DriveContext<'_>, mut fields: Value) -> Value {
    let path = "/$metadata#listItems/fields/$entity";
    fields["@odata.context"] = context.request.url(path).into();
    fields
}

impl Column {
    /// Checks a new value of the column.
    ///
    /// # Errors
    /// 400 for a read-only column, a value of another type, and null for the name of a file.
    fn check(&self, value: &Value) -> Result<()> {
        let name = &self.name;
        if self.is_read_only {
            return Err(Error::invalid(format!("Field '{name}' is read-only")));
        }
        let is_valid = match (value, name.as_str()) {
            (Value::Null, FILE_NAME) => false,
            (Value::Null, _) => true,
            (value, _) => self.kind.accepts(value),
        };
        match is_valid {
            true => Ok(()),
            false => {
                Err(Error::invalid(format!("Field '{name}' does not accept the value {value}")))
            }
        }
    }
}
