//! Tests of the query parameters of every operation, and of lists that depend on them.

use http::Request;
use serde_json::Value;

use super::{
    action::{COMMON, OPERATIONS, PREVIEW, UNKNOWN},
    query::LiveQuery,
    route::{BASE, LiveTarget},
};
use crate::parameters::walk::{Example, ParameterWalk, WalkResponse, WalkServer, WalkedOperation};

const FORM: &str = "multipart/form-data; boundary=b";
const UPLOADED: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"p.txt\"\r\n\r\nx\r\n--b--\r\n";

const EVENT: &str =
    r#"{"name": "n", "description": "d", "start_time": "2011-04-20T01:00:00-07:00"}"#;
const APPLICATION: &str = r#"{"name": "n", "uri": "http://www.contoso.com"}"#;

/// An example of every operation. `{file}`, `{folder}`, `{comment}` and `{photo}` are ids of items and
/// objects that [`fixture`] creates, `{name}` is an unused album name.
const EXAMPLES: [Example; 48] = [
    ("GET", "/me", "", ""),
    ("GET", "/me/picture", "", ""),
    ("GET", "/me/permissions", "", ""),
    ("GET", "/me/skydrive/quota", "", ""),
    ("GET", "/{file}", "", ""),
    ("PUT", "/{file}", "", r#"{"description": "d"}"#),
    ("DELETE", "/{file}", "", ""),
    ("MOVE", "/{file}", "", r#"{"destination": "{folder}"}"#),
    ("COPY", "/{file}", "", r#"{"destination": "{folder}"}"#),
    ("POST", "/{folder}", "", r#"{"name": "made"}"#),
    ("POST", "/me/albums", "", r#"{"name": "{name}"}"#),
    ("GET", "/me/albums", "", ""),
    ("GET", "/{folder}/files", "", ""),
    ("GET", "/me/skydrive/shared", "", ""),
    ("GET", "/me/skydrive/recent_docs", "", ""),
    ("GET", "/me/skydrive/search?q=walk", "", ""),
    ("PUT", "/{folder}/files/new.txt", "", "bytes"),
    ("POST", "/{folder}/files", FORM, UPLOADED),
    ("GET", "/{file}/content", "", ""),
    ("PUT", "/{file}/content", "", "bytes"),
    ("GET", "/{photo}/picture", "", ""),
    ("GET", "/{file}/shared_read_link", "", ""),
    ("GET", "/{file}/comments", "", ""),
    ("POST", "/{file}/comments", "", r#"{"message": "m"}"#),
    ("GET", "/{comment}", "", ""),
    ("DELETE", "/{comment}", "", ""),
    ("GET", "/{photo}/tags", "", ""),
    ("GET", "/me/contacts", "", ""),
    ("POST", "/me/contacts", "", r#"{"first_name": "f"}"#),
    ("GET", "/{contact}", "", ""),
    ("GET", "/me/friends", "", ""),
    ("GET", "/me/calendars", "", ""),
    ("POST", "/me/calendars", "", r#"{"name": "n"}"#),
    ("GET", "/{calendar}", "", ""),
    ("PUT", "/{calendar}", "", r#"{"name": "n"}"#),
    ("DELETE", "/{calendar}", "", ""),
    ("GET", "/{calendar}/events", "", ""),
    ("POST", "/{calendar}/events", "", EVENT),
    ("GET", "/{event}", "", ""),
    ("PUT", "/{event}", "", r#"{"name": "n"}"#),
    ("DELETE", "/{event}", "", ""),
    ("POST", "/me/share", "", r#"{"message": "m"}"#),
    ("GET", "/me/applications", "", ""),
    ("POST", "/me/applications", "", APPLICATION),
    ("GET", "/{application}", "", ""),
    ("PUT", "/{application}", "", r#"{"name": "n"}"#),
    ("DELETE", "/{application}", "", ""),
    ("GET", "/{application}/picture", "", ""),
];

/// Operations whose requests need an item that no request can create (a tag), a picture, or a sharing
/// link.
const WITHOUT_EXAMPLE: [&str; 4] =
    ["live.tag.get", "live.application.picture.put", PREVIEW, UNKNOWN];

/// Creates the items of one example, and returns the placeholders and their values.
async fn fixture(cloud: &WalkServer, number: usize) -> Vec<(&'static str, String)> {
    let id = |answer: WalkResponse| {
        let id = answer.json()["id"].as_str().map(str::to_owned);
        id.unwrap_or_else(|| panic!("{answer:?}"))
    };
    let name = format!("walk{number}");
    let body = format!("{{\"name\": \"{name}\"}}");
    let folder = id(cloud.send("POST", "/v5.0/me/skydrive", "", &body).await);
    let put = |parent: &str, file: &str| format!("/v5.0/{parent}/files/{file}");
    let file = id(cloud.send("PUT", &put("me/skydrive", &format!("{name}.txt")), "", "x").await);
    let photo = id(cloud.send("PUT", &put(&folder, "p.jpg"), "", "x").await);
    let comments = format!("/v5.0/{file}/comments");
    let comment = id(cloud.send("POST", &comments, "", r#"{"message": "m"}"#).await);
    let contact = r#"{"first_name": "f"}"#;
    let contact = id(cloud.send("POST", "/v5.0/me/contacts", "", contact).await);
    let calendar = id(cloud.send("POST", "/v5.0/me/calendars", "", &body).await);
    let events = format!("/v5.0/{calendar}/events");
    let event = id(cloud.send("POST", &events, "", EVENT).await);
    let application = id(cloud.send("POST", "/v5.0/me/applications", "", APPLICATION).await);
    vec![
        ("{contact}", contact),
        ("{calendar}", calendar),
        ("{event}", event),
        ("{application}", application),
        ("{folder}", folder),
        ("{file}", file),
        ("{photo}", photo),
        ("{comment}", comment),
        ("{name}", format!("album{number}")),
    ]
}

fn resolve(method: &str, path: &str, content_type: &str) -> WalkedOperation {
    let request = Request::builder().method(method).uri(path).header("content-type", content_type);
    let parts = request.body(()).unwrap().into_parts().0;
    let target = LiveTarget::parse(&parts, &LiveQuery::parse(parts.uri.query())).unwrap();
    let parameters = COMMON.iter().chain(target.parameters()).copied().collect();
    WalkedOperation { name: target.operation(), parameters, is_rejected: false }
}

fn error_message(answer: &WalkResponse) -> String {
    let error: Value = answer.json()["error"].clone();
    assert_eq!(error["code"], "request_parameter_invalid", "{answer:?}");
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_declared_parameter_is_read_or_rejected() {
    let cloud = WalkServer::new().await;
    let walk = ParameterWalk {
        cloud: &cloud,
        base: BASE,
        examples: &EXAMPLES,
        without_example: &WITHOUT_EXAMPLE,
        operations: OPERATIONS,
        resolve,
        error_message,
    };
    walk.run(async |number| fixture(&cloud, number).await).await;
}

#[tokio::test]
async fn comments_are_paged() {
    let cloud = WalkServer::new().await;
    let items = fixture(&cloud, 0).await;
    let file = &items.iter().find(|(name, _)| *name == "{file}").unwrap().1;
    for message in ["2", "3"] {
        let body = format!("{{\"message\": \"{message}\"}}");
        cloud.send("POST", &format!("/v5.0/{file}/comments"), "", &body).await;
    }
    let path = format!("/v5.0/{file}/comments?limit=1&offset=1");
    let page = cloud.send("GET", &path, "", "").await.json();
    assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["data"][0]["message"], "2");
    assert!(page["paging"]["next"].as_str().unwrap().contains("offset=2"), "{page}");
}

#[tokio::test]
async fn a_folder_is_listed_in_each_documented_order_and_may_have_one_of_its_own() {
    let cloud = WalkServer::new().await;
    let orders = [
        ("default", ["sub", "a", "b", "c"]),
        ("name", ["a", "b", "c", "sub"]),
        ("size", ["sub", "b", "c", "a"]),
        ("updated", ["b", "sub", "a", "c"]),
    ];
    for (own, expected) in orders {
        let body = format!(r#"{{"name": "by {own}", "sort_by": "{own}"}}"#);
        let created = cloud.send("POST", "/v5.0/me/skydrive", "", &body).await;
        assert_eq!(created.status, 201, "{created:?}");
        assert_eq!(created.json()["sort_by"], own, "{created:?}");
        let folder = format!("/v5.0/{}", created.json()["id"].as_str().unwrap());
        for (name, bytes) in [("b", "x"), ("sub", ""), ("a", "xxx"), ("c", "xx")] {
            let sent = match name {
                "sub" => cloud.send("POST", &folder, "", r#"{"name": "sub"}"#).await,
                _ => cloud.send("PUT", &format!("{folder}/files/{name}"), "", bytes).await,
            };
            assert_eq!(sent.status, 201, "{sent:?}");
        }
        let names = async |query: &str| -> Vec<String> {
            let list = cloud.send("GET", &format!("{folder}/files{query}"), "", "").await;
            assert_eq!(list.status, 200, "{query}: {list:?}");
            let list = list.json();
            let names = list["data"].as_array().unwrap().iter();
            names.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("").await, expected, "{own}");
        for (order, expected) in orders {
            assert_eq!(names(&format!("?sort_by={order}")).await, expected, "{order}");
        }
    }
    let odd = r#"{"name": "odd", "sort_by": "colour"}"#;
    let refused = cloud.send("POST", "/v5.0/me/skydrive", "", odd).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("sort_by"), "{refused:?}");
}
