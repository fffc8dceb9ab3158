//! Handlers of properties, which applications store with a node (amazon-drive#requests-properties).

use axum::{body::Body, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    error::{AmazonError, Result},
    node::{PROFILE, creator, facet},
    request::{AmazonRequest, json_body},
    response::json_response,
};
use crate::tree::Node;

/// Returns whether the `{owner}` of a URL is this application: its security profile, with or
/// without `-` and the account's id.
fn is_own(request: &AmazonRequest, owner: &str) -> bool {
    owner == PROFILE || owner == creator(&request.account)
}

/// Maximum number of properties per owner of a node (amazon-drive#property-limits).
const KEYS_MAX: usize = 10;
/// Maximum length of a property's value, in characters (amazon-drive#property-limits).
const VALUE_MAX: usize = 500;

/// Returns the properties of `owner`, keys to values; empty if it has none, or if a fixture stored
/// anything but an object.
fn properties_of(node: &Node, owner: &str) -> Map<String, Value> {
    let all = facet(node, "properties").and_then(|all| all.get(owner));
    all.and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Handles `GET nodes/{id}/properties/{owner}`. Another application's properties are an empty list.
///
/// # Errors
/// 404 if the node does not exist or is not visible to the token; 500 if the storage fails.
pub(super) async fn list(request: &AmazonRequest, id: &str, owner: &str) -> Result<Response> {
    let node = request.find_node(id).await?;
    let data = match is_own(request, owner) {
        true => properties_of(&node, owner),
        false => Map::new(),
    };
    Ok(json_response(StatusCode::OK, &json!({ "count": data.len(), "data": data })))
}

/// Handles `GET nodes/{id}/properties/{owner}/{key}`: returns a property that the application
/// `owner` stored with a node.
///
/// # Errors
/// 404 if the node does not exist or is not visible to the token, or if it has no such property,
/// also because the property belongs to another application; 500 if the storage fails.
pub(super) async fn get(
    request: &AmazonRequest,
    id: &str,
    owner: &str,
    key: &str,
) -> Result<Response> {
    let node = request.find_node(id).await?;
    let value = match is_own(request, owner) {
        true => properties_of(&node, owner).remove(key),
        false => None,
    };
    let value = value.ok_or_else(|| AmazonError::no_property(key))?;
    Ok(json_response(StatusCode::OK, &property(request, id, owner, key, &value)))
}

/// Handles `PUT nodes/{id}/properties/{owner}/{key}`: sets a property of the application `owner` to
/// the value in the body.
///
/// # Errors
/// 400 if the body has no string `value`, the value has more than [`VALUE_MAX`] characters, or the
/// node would have more than [`KEYS_MAX`] properties of the owner; 403 for another application's
/// properties, and if the disk of the storage is full; 404 if the node does not exist or is in the
/// trash; 409 after too many concurrent changes; 500 if the storage fails.
pub(super) async fn put(
    request: &AmazonRequest,
    id: &str,
    owner: &str,
    key: &str,
    body: Body,
) -> Result<Response> {
    #[derive(Deserialize)]
    struct Put {
        value: String,
    }
    let Put { value } = json_body(body).await?;
    if value.chars().count() > VALUE_MAX {
        return Err(AmazonError::invalid(format!("value has more than {VALUE_MAX} characters")));
    }
    let value = Value::from(value);
    set_properties(request, id, owner, |properties| {
        properties.insert(key.to_owned(), value.clone());
        match properties.len() > KEYS_MAX {
            true => Err(AmazonError::invalid(format!("More than {KEYS_MAX} properties"))),
            false => Ok(()),
        }
    })
    .await?;
    Ok(json_response(StatusCode::CREATED, &property(request, id, owner, key, &value)))
}

/// Handles `DELETE nodes/{id}/properties/{owner}/{key}`: removes a property of the application
/// `owner`.
///
/// # Errors
/// 403 for another application's properties, and if the disk of the storage is full; 404 if the
/// node or the property does not exist, or the node is in the trash; 409 after too many
/// concurrent changes; 500 if the storage fails.
pub(super) async fn delete(
    request: &AmazonRequest,
    id: &str,
    owner: &str,
    key: &str,
) -> Result<Response> {
    set_properties(request, id, owner, |properties| {
        let removed = properties.remove(key);
        removed.map(drop).ok_or_else(|| AmazonError::no_property(key))
    })
    .await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Returns the JSON object of a property: `id` is the node's id, `owner` the application that the
/// property belongs to.
fn property(request: &AmazonRequest, id: &str, owner: &str, key: &str, value: &Value) -> Value {
    let location = format!("{}/properties/{owner}/{key}", request.node_url(id));
    json!({ "key": key, "location": location, "value": value })
}

/// Changes the properties that `owner` stores with the node `id`. `change` may be called several
/// times, because the update is repeated after a concurrent change.
///
/// # Errors
/// Those of `change`; 403 for another application's properties, and if the disk of the storage is
/// full; 404 if the node does not exist or is in the trash; 409 after too many concurrent
/// changes; 500 if the storage fails.
async fn set_properties(
    request: &AmazonRequest,
    id: &str,
    owner: &str,
    change: impl Fn(&mut Map<String, Value>) -> Result<()>,
) -> Result<()> {
    if !is_own(request, owner) {
        return Err(AmazonError::forbidden("The properties belong to another application"));
    }
    let changed = request.update_facet(id, |node, facet| {
        let mut own = properties_of(node, owner);
        change(&mut own)?;
        // A fixture may contain any JSON here.
        let all = facet.get("properties").and_then(Value::as_object).cloned();
        let mut all = all.unwrap_or_default();
        all.insert(owner.to_owned(), Value::Object(own));
        facet.insert("properties".to_owned(), Value::Object(all));
        Ok(())
    });
    changed.await.map(drop)
}
