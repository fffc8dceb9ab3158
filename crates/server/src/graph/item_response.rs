//! Responses with one item or a list of items.

use axum::response::Response;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    drive_context::{DriveContext, ItemWithPath},
    drive_item::View,
    error::Result,
    expand::expand,
    response,
};

/// Returns the body of a response with a list of items.
pub(super) fn collection(context: &DriveContext<'_>, value: Vec<Value>) -> Value {
    json!({
        "@odata.context": context.request.url("/$metadata#Collection(driveItem)"),
        "value": value,
    })
}

/// Returns the body of a response with one item.
pub(super) fn entity(context: &DriveContext<'_>, item: Value) -> Value {
    let odata_context = format!("/$metadata#drives('{}')/items/$entity", context.ids.drive_id());
    let mut body = json!({"@odata.context": context.request.url(&odata_context)});
    if let (Value::Object(body), Value::Object(item)) = (&mut body, item) {
        body.extend(item);
    }
    body
}

/// Returns the response to a request that created or changed an item: 201 if `created`, else 200.
/// `$select` and `$expand` apply.
///
/// # Errors
/// 400 for a thumbnail size outside of 1 to the maximum, 404 if the item no longer exists, 500 if
/// the storage fails. The change itself remains.
pub(super) async fn written(
    context: &DriveContext<'_>,
    located: &ItemWithPath,
    created: bool,
) -> Result<Response> {
    let selection = &context.request.selection;
    let mut item = context.describe(&located.node, View::WithPath(&located.parent_path));
    expand(context, located, selection, &mut item).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = response::json(status, &entity(context, selection.project(item)));
    if created {
        let (drive, item) = (context.ids.drive_id(), context.ids.item_id(located.node.no));
        let url = context.request.url(&format!("/drives/{drive}/items/{item}"));
        if let Ok(url) = url.parse() {
            response.headers_mut().insert(header::LOCATION, url);
        }
    }
    Ok(response)
}
