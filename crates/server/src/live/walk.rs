//! Walks every action with each of its parameters, a value that it cannot have, and a parameter that
//! no reference describes.

use std::collections::BTreeSet;

use http::Request;
use serde_json::Value;

use super::{
    query::Query,
    route::{Action, COMMON, OPERATIONS, PREVIEW, Route, UNKNOWN},
};
use crate::parameters::walk::{Answer, Cloud, with};

const FORM: &str = "multipart/form-data; boundary=b";
const UPLOADED: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"p.txt\"\r\n\r\nx\r\n--b--\r\n";

/// A request of every operation: method, path, type of the body, body. `{file}`, `{folder}`,
/// `{other}`, `{comment}` and `{photo}` stand for ids of items that are made for it.
const EXAMPLES: [(&str, &str, &str, &str); 27] = [
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
];

/// Operations whose requests need what no request makes: a tag, and a link's preview.
const APART: [&str; 3] = ["live.tag.get", PREVIEW, UNKNOWN];

/// The ids that a request names.
async fn fixture(cloud: &Cloud, number: usize) -> Vec<(&'static str, String)> {
    let id = |answer: Answer| {
        let id = answer.json()["id"].as_str().map(str::to_owned);
        id.unwrap_or_else(|| panic!("{answer:?}"))
    };
    let name = format!("walk{number}");
    let body = format!("{{\"name\": \"{name}\"}}");
    let folder = id(cloud.send("POST", "/v5.0/me/skydrive", "", &body).await);
    let put = |parent: &str, file: &str| format!("/v5.0/{parent}/files/{file}");
    let file = id(cloud.send("PUT", &put("me/skydrive", &format!("{name}.txt")), "", "x").await);
    let photo = id(cloud.send("PUT", &put(&folder, "p.jpg"), "", "x").await);
    let say = format!("/v5.0/{file}/comments");
    let comment = id(cloud.send("POST", &say, "", r#"{"message": "m"}"#).await);
    vec![
        ("{folder}", folder),
        ("{file}", file),
        ("{photo}", photo),
        ("{comment}", comment),
        ("{name}", format!("album{number}")),
    ]
}

fn action(method: &str, path: &str, content_type: &str) -> Action {
    let request = Request::builder().method(method).uri(path).header("content-type", content_type);
    let parts = request.body(()).unwrap().into_parts().0;
    Route::of(&parts, &Query::of(parts.uri.query())).unwrap().action
}

#[tokio::test]
async fn every_action_reads_or_refuses_the_parameters_that_are_described() {
    let cloud = Cloud::new().await;
    let mut walked: BTreeSet<&str> = APART.into();
    let mut number = 0;
    for (method, path, content_type, body) in EXAMPLES {
        let mut send = async |option: &str| {
            number += 1;
            let path = if option.is_empty() { path.to_owned() } else { with(path, option) };
            let (mut path, mut body) = (format!("/v5.0{path}"), body.to_owned());
            for (name, value) in fixture(&cloud, number).await {
                path = path.replace(name, &value);
                body = body.replace(name, &value);
            }
            (cloud.send(method, &path, content_type, &body).await, path)
        };
        let (plain, sent) = send("").await;
        assert!(plain.status.as_u16() < 400, "{method} {path}: {plain:?}");
        let action = action(method, &sent, content_type);
        walked.insert(action.operation());
        for option in ["colour=red", "$colour=red"] {
            let (answer, _) = send(option).await;
            assert_eq!(answer.status, plain.status, "{method} {path} {option}: {answer:?}");
            assert_eq!(answer.keys(), plain.keys(), "{method} {path} {option}");
        }
        for parameter in COMMON.iter().chain(action.parameters()) {
            if let Some(value) = parameter.good() {
                let option = format!("{}={value}", parameter.name);
                let (answer, _) = send(&option).await;
                // The answer without a redirect has another status.
                let succeeds = answer.status.as_u16() < 400;
                assert!(succeeds, "{method} {path} {option}: {answer:?}");
            }
            if let Some(value) = parameter.bad() {
                let option = format!("{}={value}", parameter.name);
                let (answer, _) = send(&option).await;
                assert_eq!(answer.status, 400, "{method} {path} {option}: {answer:?}");
                let error: Value = answer.json()["error"].clone();
                assert_eq!(error["code"], "request_parameter_invalid", "{answer:?}");
                assert!(error["message"].as_str().unwrap().contains(parameter.name), "{error}");
            }
        }
    }
    assert_eq!(walked, OPERATIONS.iter().copied().collect(), "every operation has an example");
}

#[tokio::test]
async fn comments_are_paged() {
    let cloud = Cloud::new().await;
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
    let cloud = Cloud::new().await;
    let orders = [
        ("default", ["sub", "a", "b", "c"]),
        ("name", ["a", "b", "c", "sub"]),
        ("size", ["sub", "b", "c", "a"]),
        ("updated", ["b", "sub", "a", "c"]),
    ];
    for (own, expected) in orders {
        let body = format!(r#"{{"name": "by {own}", "sort_by": "{own}"}}"#);
        let made = cloud.send("POST", "/v5.0/me/skydrive", "", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.json()["sort_by"], own, "{made:?}");
        let folder = format!("/v5.0/{}", made.json()["id"].as_str().unwrap());
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
