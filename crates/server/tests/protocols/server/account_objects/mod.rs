//! The objects of Live Connect outside the drive (live-connect#non-storage-objects): the structures, the
//! requests and the rules of the reference, with its own examples.

mod activities;
mod applications;
mod calendars;
mod contacts;
mod control;
mod events;
mod subscriptions;
mod users;

use drivedal_server::{LiveObject, LiveObjectType};
use serde_json::{Map, Value, json};
use url::Url;

use crate::server::rig::{Rig, TestRequest, TestResponse};

/// The client id of the tokens of [`scoped`].
const CLIENT: &str = "0000000603DB0F";

/// Returns an access token of the default account with these scopes, separated by spaces.
async fn scoped(rig: &Rig, scopes: &str) -> String {
    token_of(rig, CLIENT, scopes).await
}

/// Returns an access token of the default account for a client, with these scopes.
async fn token_of(rig: &Rig, client: &str, scopes: &str) -> String {
    let path = format!(
        "/oauth20_authorize.srf?client_id={client}&response_type=token&scope={}\
         &redirect_uri=http%3A%2F%2Flocalhost%2Fdone",
        scopes.replace(' ', "%20")
    );
    let signed_in = rig.bare("GET", &path).send().await;
    let target: Url = signed_in.header("location").parse().expect("a URL");
    let fragment = target.fragment().expect("a fragment");
    let mut pairs = url::form_urlencoded::parse(fragment.as_bytes());
    pairs.find(|(name, _)| name == "access_token").expect("a token").1.into_owned()
}

/// Returns a request with a token of these scopes.
async fn as_scoped(rig: &Rig, scopes: &str, method: &str, path: &str) -> TestRequest {
    rig.bare(method, &format!("/v5.0{path}")).token(&scoped(rig, scopes).await)
}

/// Returns a request of the account `anna`.
fn as_anna(rig: &Rig, method: &str, path: &str) -> TestRequest {
    rig.bare(method, &format!("/v5.0{path}")).token("drivedal-dev-anna")
}

/// Creates a fixture of the default account, and returns its id; empty if it has none.
async fn plant(rig: &Rig, object_type: LiveObjectType, members: Value) -> String {
    plant_all(rig, [LiveObject::new(object_type, members)]).await.remove(0)
}

/// Creates fixtures, and returns their ids.
async fn plant_all(rig: &Rig, objects: impl IntoIterator<Item = LiveObject>) -> Vec<String> {
    let added = rig.server.control().add_live_objects(objects).await.expect("good objects");
    added.into_iter().map(|object| object.id.unwrap_or_default()).collect()
}

/// Returns the id of the default account's user.
async fn own_cid(rig: &Rig) -> String {
    rig.live("GET", "/me").send().await.member("id")
}

/// Returns the id of the user `anna`.
async fn annas_cid(rig: &Rig) -> String {
    as_anna(rig, "GET", "/me").send().await.member("id")
}

/// Returns the values of a member in a list.
fn each<'a>(listed: &'a Value, member: &str) -> Vec<&'a str> {
    let data = listed["data"].as_array().expect("a list").iter();
    data.map(|object| object[member].as_str().expect("a text")).collect()
}

/// Returns an object without its times of creation and change, which must be in the reference's format.
fn without_times(object: &Value) -> Value {
    let mut members: Map<String, Value> = object.as_object().expect("an object").clone();
    for name in ["created_time", "updated_time"] {
        if let Some(time) = members.remove(name) {
            let time = time.as_str().expect("a time");
            assert!(jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", time).is_ok(), "{time}");
            assert!(time.ends_with("+0000"), "{time}");
        }
    }
    members.into()
}

/// Asserts that a response is the 403 of the reference, which names the scopes.
fn lacks_scope(response: &TestResponse, scopes: &[&str]) {
    assert_eq!(response.refusal(), (403, "request_token_unauthorized".to_owned()));
    let message = response.json()["error"]["message"].as_str().expect("a message").to_owned();
    let quoted: Vec<String> = scopes.iter().map(|scope| format!("'{scope}'")).collect();
    let expected = format!("scopes is required: {}.", quoted.join(", "));
    assert!(message.ends_with(&expected), "{message}");
}

#[tokio::test]
async fn every_request_needs_a_scope_and_names_it() {
    let rig = Rig::new().await;
    let (calendar, event) = (format!("calendar.{:032}", 1), format!("event.{:032}.{:032}", 1, 1));
    let contact = format!("contact.{:032}", 1);
    let application = "application.000000004c043705";
    let calendars = ["wl.calendars", "wl.contacts_calendars"];
    let create = ["wl.events_create", "wl.calendars_update"];
    let requests: [(&str, String, &[&str]); 22] = [
        ("GET", "me/contacts".to_owned(), &["wl.basic"]),
        ("GET", contact, &["wl.basic"]),
        ("GET", "me/friends".to_owned(), &["wl.basic"]),
        ("POST", "me/contacts".to_owned(), &["wl.contacts_create"]),
        ("GET", "me/calendars".to_owned(), &calendars),
        ("GET", calendar.clone(), &calendars),
        ("POST", "me/calendars".to_owned(), &["wl.calendars_update"]),
        ("PUT", calendar.clone(), &["wl.calendars_update"]),
        ("DELETE", calendar.clone(), &["wl.calendars_update"]),
        ("GET", "me/events".to_owned(), &calendars),
        ("GET", format!("{calendar}/events"), &calendars),
        ("GET", event.clone(), &calendars),
        ("POST", "me/events".to_owned(), &create),
        ("POST", format!("{calendar}/events"), &create),
        ("PUT", event.clone(), &["wl.calendars_update"]),
        ("DELETE", event, &["wl.calendars_update"]),
        ("POST", "me/share".to_owned(), &["wl.share"]),
        ("GET", "me/applications".to_owned(), &["wl.applications"]),
        ("GET", format!("{application}/picture"), &["wl.applications"]),
        ("POST", "me/applications".to_owned(), &["wl.applications_create"]),
        ("DELETE", application.to_owned(), &["wl.applications_create"]),
        ("PUT", format!("{application}/picture"), &["wl.applications_create"]),
    ];
    let token = scoped(&rig, "wl.signin wl.skydrive_update").await;
    for (method, path, scopes) in requests {
        let request = rig.bare(method, &format!("/v5.0/{path}")).token(&token).json(json!({}));
        lacks_scope(&request.send().await, scopes);
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let rig = Rig::new().await;
    for (method, path) in [
        ("GET", "me/share".to_owned()),
        ("POST", "me/friends".to_owned()),
        ("PUT", "me".to_owned()),
        ("DELETE", format!("contact.{:032}", 1)),
        ("PUT", format!("contact.{:032}", 1)),
        ("PUT", format!("calendar.{:032}/events", 1)),
        ("DELETE", "application.000000004c043705/picture".to_owned()),
    ] {
        let refused = rig.live(method, &format!("/{path}")).json(json!({})).send().await;
        assert_eq!(
            refused.refusal(),
            (405, "request_method_invalid".to_owned()),
            "{method} {path}"
        );
    }
    for path in ["calendar.1", "me/people", "application.000000004c043705/events"] {
        let refused = rig.live("GET", &format!("/{path}")).send().await;
        assert_eq!(refused.refusal(), (400, "request_url_invalid".to_owned()), "{path}");
    }
    let missing = rig.live("GET", &format!("/contact.{:032}", 1)).send().await;
    assert_eq!(missing.refusal(), (404, "resource_not_found".to_owned()));
}
