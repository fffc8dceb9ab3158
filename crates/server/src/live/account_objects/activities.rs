//! Activities that a user shares (live-connect#activity-object, live-connect#activity-types).

use axum::{
    body::Body,
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde_json::{Map, Value};

use super::{
    owner,
    structure::{
        FROM, Structure, StructureType,
        input::ValidationMode,
        output::{ShownObject, Viewer},
    },
    with_location,
};
use crate::{
    live::{
        error::{LiveError, Result},
        request::LiveRequest,
        route::BASE,
    },
    signed_token::random_name,
    tree::{AccountObject, AccountObjectKind},
};

/// The maximum length of the structures, in characters.
const MAX_LENGTH: usize = 512;

/// The maximum length of `source`, in characters.
const MAX_SOURCE: usize = 487;

/// The structures of an activity. A `link` of more than [`MAX_LENGTH`] characters or a `source` of
/// more than [`MAX_SOURCE`] is an error; other texts are truncated.
pub(super) const ACTIVITY: &[Structure] = &[
    Structure::read_only("from", StructureType::Object(FROM)),
    Structure::writable("message", StructureType::Text).required().truncated(MAX_LENGTH),
    Structure::writable("link", StructureType::Text).at_most(MAX_LENGTH),
    Structure::writable("description", StructureType::Text).truncated(MAX_LENGTH),
    Structure::writable("picture", StructureType::Text).truncated(MAX_LENGTH),
    Structure::writable("name", StructureType::Text).truncated(MAX_LENGTH),
    Structure::writable("source", StructureType::Text).at_most(MAX_SOURCE),
];

/// Handles `POST {user}/share`: stores an activity of the user and returns it. The location is that
/// of the feed: an activity has no id.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, `message` is missing or empty, a member is read-only
/// or has another type, `link` has more than [`MAX_LENGTH`] characters or `source` more than
/// [`MAX_SOURCE`], or a member needs a `link`; 413 for a body over 1 MiB; 507 if the disk of the
/// storage is full; 500 if the storage fails.
pub(super) async fn share(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let activity = new(request.accept(ACTIVITY, ValidationMode::Create, parts, body).await?)?;
    request.store(activity.clone()).await?;
    let mut values = activity.fields;
    values.insert("from".to_owned(), owner(&request.objects.account));
    let shown = ShownObject::new(ACTIVITY, &values, Viewer::Owner(&request.scopes));
    let response = request.format.json(StatusCode::CREATED, &shown);
    let url = format!("{BASE}/{}/share", request.objects.account.cid);
    Ok(with_location(response, &request.objects.base_url.url(&url)))
}

/// Creates an activity from validated members.
///
/// # Errors
/// 400 if `source`, `description`, `picture` or `name` has no `link` beside it.
pub(super) fn new(fields: Map<String, Value>) -> Result<AccountObject> {
    check_type(&fields)?;
    let activity = AccountObject::new(AccountObjectKind::Activity, random_name());
    Ok(AccountObject { fields, ..activity })
}

/// Checks that the members are those of one of the three types of activities.
///
/// # Errors
/// 400 if a member needs a `link` that is missing or empty.
fn check_type(fields: &Map<String, Value>) -> Result<()> {
    let has = |name| fields.get(name).is_some_and(|value| value != "");
    if has("link") {
        return Ok(());
    }
    // A video needs a link, too.
    if has("source") {
        return Err(LiveError::missing("link"));
    }
    match ["description", "picture", "name"].into_iter().find(|name| fields.contains_key(*name)) {
        Some(name) => {
            Err(LiveError::parameter(format!("The parameter '{name}' needs the parameter 'link'.")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn there_are_three_types_of_activities() {
        let check = |fields: Value| check_type(fields.as_object().expect("fields")).is_ok();
        assert!(check(json!({"message": "a"})));
        assert!(check(json!({"message": "a", "link": "b", "description": "c", "name": "d"})));
        assert!(check(json!({"message": "a", "link": "b", "source": "c", "picture": "d"})));
        assert!(!check(json!({"message": "a", "source": "c"})));
        for name in ["description", "picture", "name"] {
            assert!(!check(json!({"message": "a", name: "b"})), "{name}");
        }
    }
}
