//! Tests of the query parameters of every operation.

use http::Request;

use super::route::{AmazonAction, OPERATIONS, UNKNOWN};
use crate::parameters::walk::{Example, ParameterWalk, WalkResponse, WalkServer, WalkedOperation};

const FORM: &str = "multipart/form-data; boundary=b";
const CONTENT: &str = "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"f\"\r\n\r\n{name}\r\n--b--\r\n";

/// An example of every operation. `{file}`, `{folder}`, `{other}` and `{trashed}` are ids of nodes that
/// [`fixture`] creates, `{name}` is a unique number.
const EXAMPLES: [Example; 22] = [
    ("GET", "/drive/v1/account/endpoint", "", ""),
    ("GET", "/drive/v1/account/info", "", ""),
    ("GET", "/drive/v1/account/quota", "", ""),
    ("GET", "/drive/v1/account/usage", "", ""),
    ("GET", "/drive/v1/nodes", "", ""),
    ("POST", "/drive/v1/nodes", "", r#"{"kind": "FOLDER", "name": "made{name}"}"#),
    ("GET", "/drive/v1/nodes/{file}", "", ""),
    ("PATCH", "/drive/v1/nodes/{file}", "", r#"{"description": "d"}"#),
    ("GET", "/drive/v1/nodes/{folder}/children", "", ""),
    (
        "POST",
        "/drive/v1/nodes/{other}/children",
        "",
        r#"{"fromParent": "{folder}", "childId": "{file}"}"#,
    ),
    ("PUT", "/drive/v1/nodes/{other}/children/{file}", "", ""),
    ("DELETE", "/drive/v1/nodes/{folder}/children/{file}", "", ""),
    ("GET", "/drive/v1/nodes/{file}/properties/o", "", ""),
    ("GET", "/drive/v1/trash", "", ""),
    ("PUT", "/drive/v1/trash/{file}", "", ""),
    ("POST", "/drive/v1/trash/{trashed}/restore", "", ""),
    ("POST", "/drive/v1/changes", "", "{}"),
    ("GET", "/cdproxy/nodes/{file}/content", "", ""),
    ("PUT", "/cdproxy/nodes/{file}/content", FORM, CONTENT),
    // These are rejected: the owner is another application, and no client may purge.
    ("GET", "/drive/v1/nodes/{file}/properties/o/k", "", ""),
    ("DELETE", "/drive/v1/nodes/{file}/properties/o/k", "", ""),
    ("DELETE", "/drive/v1/nodes/{file}", "", ""),
];

/// Operations that other tests cover: they need a different body in each request.
const WITHOUT_EXAMPLE: [&str; 3] = ["amazon.content.upload", "amazon.property.put", UNKNOWN];

fn upload(name: &str, parent: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n\
         {{\"kind\": \"FILE\", \"name\": \"{name}\", \"parents\": [\"{parent}\"]}}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"f\"\r\n\r\n\
         {name}\r\n--b--\r\n"
    )
}

/// Creates the items of one example, and returns the placeholders and their values.
async fn fixture(cloud: &WalkServer, number: usize) -> Vec<(&'static str, String)> {
    let id = |answer: WalkResponse| {
        let id = answer.json()["id"].as_str().map(str::to_owned);
        id.unwrap_or_else(|| panic!("{answer:?}"))
    };
    let mut folders = Vec::new();
    for which in ["folder", "other"] {
        let body = format!("{{\"kind\": \"FOLDER\", \"name\": \"{which}{number}\"}}");
        folders.push(id(cloud.send("POST", "/drive/v1/nodes", "", &body).await));
    }
    let mut files = Vec::new();
    for which in ["file", "trashed"] {
        let body = upload(&format!("{which}{number}"), &folders[0]);
        files.push(id(cloud.send("POST", "/cdproxy/nodes", FORM, &body).await));
    }
    let trash = format!("/drive/v1/trash/{}", files[1]);
    assert_eq!(cloud.send("PUT", &trash, "", "").await.status, 200);
    vec![
        ("{folder}", folders[0].clone()),
        ("{other}", folders[1].clone()),
        ("{file}", files[0].clone()),
        ("{trashed}", files[1].clone()),
        ("{name}", format!("{number}")),
    ]
}

fn resolve(method: &str, path: &str, _: &str) -> WalkedOperation {
    let request = Request::builder().method(method).uri(path).body(()).unwrap();
    let action = AmazonAction::from_request(&request.into_parts().0).unwrap();
    let is_rejected = matches!(
        action,
        AmazonAction::Purge(_) | AmazonAction::GetProperty(..) | AmazonAction::DeleteProperty(..)
    );
    let parameters = action.parameters().to_vec();
    WalkedOperation { name: action.operation(), parameters, is_rejected }
}

#[tokio::test]
async fn every_declared_parameter_is_read_or_rejected() {
    let cloud = WalkServer::new().await;
    let walk = ParameterWalk {
        cloud: &cloud,
        base: "",
        examples: &EXAMPLES,
        without_example: &WITHOUT_EXAMPLE,
        operations: OPERATIONS,
        resolve,
        error_message: |answer| answer.json()["message"].as_str().unwrap().to_owned(),
    };
    walk.run(async |number| fixture(&cloud, number).await).await;
}

#[tokio::test]
async fn parameters_of_lists_and_uploads_have_an_effect() {
    let cloud = WalkServer::new().await;
    fixture(&cloud, 0).await;
    fixture(&cloud, 1).await;
    let names = |answer: WalkResponse| -> Vec<String> {
        let body = answer.json();
        let all = body["data"].as_array().unwrap_or_else(|| panic!("{body}"));
        all.iter().map(|node| node["name"].as_str().unwrap().to_owned()).collect()
    };
    let trash = "/drive/v1/trash?filters=name:trashed1";
    assert_eq!(names(cloud.send("GET", trash, "", "").await), ["trashed1"]);
    let bad = cloud.send("GET", "/drive/v1/trash?filters=name", "", "").await;
    assert_eq!(bad.status, 400, "{bad:?}");
    for value in ["all", "FIRST"] {
        let list = format!("/drive/v1/nodes?asset={value}&filters=name:file0");
        let found = cloud.send("GET", &list, "", "").await.json();
        assert_eq!(found["data"][0]["assets"], serde_json::json!([]), "{found}");
    }
    let body = upload("twin", "").replace("\"parents\": [\"\"]", "\"labels\": []");
    let wrong = "/cdproxy/nodes?suppress=everything";
    let refused = cloud.send("POST", wrong, FORM, &body).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.text.contains("suppress"), "{refused:?}");
}
