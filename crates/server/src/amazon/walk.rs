//! Walks every action with each of its parameters, a value that it cannot have, and a parameter that
//! no reference describes.

use std::collections::BTreeSet;

use http::Request;

use super::route::{Action, OPERATIONS, UNKNOWN};
use crate::parameters::walk::{Answer, Cloud, with};

const FORM: &str = "multipart/form-data; boundary=b";
const CONTENT: &str = "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"f\"\r\n\r\n{name}\r\n--b--\r\n";

/// A request of every operation: method, path, type of the body, body. `{file}`, `{folder}`,
/// `{other}`, `{root}` and `{trashed}` stand for ids of nodes that are made for it.
const EXAMPLES: [(&str, &str, &str, &str); 22] = [
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
    // An application has only properties under its own name, and nobody purges.
    ("GET", "/drive/v1/nodes/{file}/properties/o/k", "", ""),
    ("DELETE", "/drive/v1/nodes/{file}/properties/o/k", "", ""),
    ("DELETE", "/drive/v1/nodes/{file}", "", ""),
];

/// Operations whose requests are tested elsewhere, since they need no token or another body for
/// each.
const APART: [&str; 5] =
    ["amazon.token", "amazon.signin", "amazon.content.upload", "amazon.property.put", UNKNOWN];

fn upload(name: &str, parent: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n\
         {{\"kind\": \"FILE\", \"name\": \"{name}\", \"parents\": [\"{parent}\"]}}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"f\"\r\n\r\n\
         {name}\r\n--b--\r\n"
    )
}

/// The ids that a request names.
async fn fixture(cloud: &Cloud, number: usize) -> Vec<(&'static str, String)> {
    let id = |answer: Answer| {
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

#[tokio::test]
async fn every_action_reads_or_refuses_the_parameters_that_are_described() {
    let cloud = Cloud::new().await;
    let mut walked: BTreeSet<&str> = APART.into();
    let mut number = 0;
    for (method, path, content_type, body) in EXAMPLES {
        let mut send = async |option: &str| {
            number += 1;
            let mut path = if option.is_empty() { path.to_owned() } else { with(path, option) };
            let mut body = body.to_owned();
            for (name, value) in fixture(&cloud, number).await {
                path = path.replace(name, &value);
                body = body.replace(name, &value);
            }
            (cloud.send(method, &path, content_type, &body).await, path)
        };
        let (plain, sent) = send("").await;
        let request = Request::builder().method(method).uri(&sent).body(()).unwrap();
        let action = Action::of(&request.into_parts().0).unwrap();
        walked.insert(action.operation());
        let refuses = matches!(
            action,
            Action::Purge(_) | Action::GetProperty(..) | Action::DeleteProperty(..)
        );
        assert!(plain.status.as_u16() < 400 || refuses, "{method} {path}: {plain:?}");
        for option in ["colour=red", "$colour=red"] {
            let (answer, _) = send(option).await;
            assert_eq!(answer.status, plain.status, "{method} {path} {option}: {answer:?}");
            assert_eq!(answer.keys(), plain.keys(), "{method} {path} {option}");
        }
        for parameter in action.parameters() {
            if let Some(value) = parameter.good() {
                let option = format!("{}={value}", parameter.name);
                let (answer, _) = send(&option).await;
                assert_eq!(answer.status, plain.status, "{method} {path} {option}: {answer:?}");
            }
            if let Some(value) = parameter.bad() {
                let option = format!("{}={value}", parameter.name);
                let (answer, _) = send(&option).await;
                assert_eq!(answer.status, 400, "{method} {path} {option}: {answer:?}");
                let message = answer.json()["message"].as_str().unwrap().to_owned();
                assert!(message.contains(parameter.name), "{message}");
            }
        }
    }
    assert_eq!(walked, OPERATIONS.iter().copied().collect(), "every operation has an example");
}

#[tokio::test]
async fn parameters_of_lists_and_uploads_have_an_effect() {
    let cloud = Cloud::new().await;
    fixture(&cloud, 0).await;
    fixture(&cloud, 1).await;
    let names = |answer: Answer| -> Vec<String> {
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
