//! What applications keep with a node under names of their own (amazon-drive#requests-properties).

use axum::{body::Body, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    AmazonRequest,
    error::{AmazonError, Result, json_answer},
    node::{FACET, PROFILE, creator, facet},
    nodes::TRIES,
};
use crate::tree::{Change, Node, OnConflict, Precondition, TreeError};

/// `{owner}` of a property: the security profile, or the profile and the user.
fn is_own(request: &AmazonRequest, owner: &str) -> bool {
    owner == PROFILE || owner == creator(&request.account)
}

/// Most keys of an owner, and the longest value in characters (amazon-drive#property-limits).
const KEYS_MAX: usize = 10;
const VALUE_MAX: usize = 500;

fn properties_of(node: &Node, owner: &str) -> Map<String, Value> {
    let all = facet(node, "properties").and_then(|all| all.get(owner));
    all.and_then(Value::as_object).cloned().unwrap_or_default()
}

/// `GET nodes/{id}/properties/{owner}`; of somebody else's, none.
pub(super) async fn list(request: &AmazonRequest, id: &str, owner: &str) -> Result<Response> {
    let node = request.known(id).await?;
    let data = match is_own(request, owner) {
        true => properties_of(&node, owner),
        false => Map::new(),
    };
    Ok(json_answer(StatusCode::OK, &json!({ "count": data.len(), "data": data })))
}

/// `GET nodes/{id}/properties/{owner}/{key}`.
pub(super) async fn get(
    request: &AmazonRequest,
    id: &str,
    owner: &str,
    key: &str,
) -> Result<Response> {
    let node = request.known(id).await?;
    let value = match is_own(request, owner) {
        true => properties_of(&node, owner).remove(key),
        false => None,
    };
    let value = value.ok_or_else(|| AmazonError::missing(format!("No property {key}")))?;
    Ok(json_answer(StatusCode::OK, &property(request, id, owner, key, &value)))
}

/// `PUT nodes/{id}/properties/{owner}/{key}`.
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
    let Put { value } = super::json_body(body).await?;
    if value.chars().count() > VALUE_MAX {
        return Err(AmazonError::bad(format!("value has more than {VALUE_MAX} characters")));
    }
    let value = Value::from(value);
    set_properties(request, id, owner, |properties| {
        properties.insert(key.to_owned(), value.clone());
        match properties.len() > KEYS_MAX {
            true => Err(AmazonError::bad(format!("More than {KEYS_MAX} properties"))),
            false => Ok(()),
        }
    })
    .await?;
    Ok(json_answer(StatusCode::CREATED, &property(request, id, owner, key, &value)))
}

/// `DELETE nodes/{id}/properties/{owner}/{key}`.
pub(super) async fn delete(
    request: &AmazonRequest,
    id: &str,
    owner: &str,
    key: &str,
) -> Result<Response> {
    set_properties(request, id, owner, |properties| {
        let removed = properties.remove(key);
        removed.map(drop).ok_or_else(|| AmazonError::missing(format!("No property {key}")))
    })
    .await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

fn property(request: &AmazonRequest, id: &str, owner: &str, key: &str, value: &Value) -> Value {
    let location = format!("{}/properties/{owner}/{key}", request.url_of(id));
    json!({ "key": key, "location": location, "value": value })
}

async fn set_properties(
    request: &AmazonRequest,
    id: &str,
    owner: &str,
    change: impl Fn(&mut Map<String, Value>) -> Result<()>,
) -> Result<()> {
    if !is_own(request, owner) {
        return Err(AmazonError::forbidden("The properties belong to another application"));
    }
    for _ in 0..TRIES {
        let node = request.known(id).await?;
        let mut own = properties_of(&node, owner);
        change(&mut own)?;
        let kept = node.facets.get(FACET).and_then(Value::as_object).cloned();
        let mut kept = kept.unwrap_or_default();
        // AddedFixture, they may be anything.
        let all = kept.get("properties").and_then(Value::as_object).cloned();
        let mut all = all.unwrap_or_default();
        all.insert(owner.to_owned(), Value::Object(own));
        kept.insert("properties".to_owned(), Value::Object(all));
        let mut facets = Map::new();
        facets.insert(FACET.to_owned(), Value::Object(kept));
        let change = Change { facets, ..Change::default() };
        let expect = Precondition::Version(node.version);
        let tree = &request.state.tree;
        match tree.update(request.drive(), node.no, change, OnConflict::Fail, expect).await {
            Ok(_) => return Ok(()),
            Err(TreeError::Changed) => {}
            Err(error) => return Err(AmazonError::tree(error, id)),
        }
    }
    Err(AmazonError::conflict("The node is being changed by other requests"))
}
