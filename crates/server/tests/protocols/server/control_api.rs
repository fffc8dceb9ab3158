//! `docs/control-api.yaml` describes the control API: the same routes, methods and statuses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::server::rig::Rig;

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// The document, as JSON.
fn document() -> Value {
    serde_yaml_ng::from_str(include_str!("../../../../../docs/control-api.yaml")).expect("YAML")
}

/// Returns the methods of every path in the document.
fn documented(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |path: &Value| path.as_object().expect("methods").keys().cloned().collect();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

/// Returns the methods of every path in the router's source: axum cannot list its routes.
fn routed() -> BTreeMap<String, BTreeSet<String>> {
    let source = include_str!("../../../src/control/http.rs");
    let routes = source.lines().filter_map(|line| line.trim().strip_prefix(".route(\""));
    let parse = |route: &str| {
        let (path, handlers) = route.split_once('"').expect("a path");
        let is_called = |method: &str| {
            handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(".{method}("))
        };
        let methods = METHODS.into_iter().filter(|method| is_called(method));
        (path.to_owned(), methods.map(str::to_owned).collect())
    };
    routes.map(parse).collect()
}

/// Follows a `$ref`.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            document.pointer(reference.trim_start_matches('#')).expect("a defined reference")
        }
        None => value,
    }
}

#[test]
fn the_document_has_the_routes_of_the_router() {
    assert!(!routed().is_empty());
    assert_eq!(documented(&document()), routed());
}

#[tokio::test]
async fn every_documented_method_responds_as_documented() {
    let document = document();
    let rig = Rig::with(|builder| builder.stand_in()).await;
    for (template, methods) in documented(&document) {
        let path = template.replace("{name}", "example");
        rig.server.control().take_snapshot("", "example").await.expect("a snapshot");
        for method in METHODS {
            let name = format!("{method} {path}");
            let send = |body: Option<&Value>| {
                let request = rig.bare(&method.to_uppercase(), &path);
                let request = match body {
                    Some(body) => request.json(body),
                    None => request,
                };
                request.send()
            };
            if !methods.contains(method) {
                assert_eq!(send(None).await.status, 405, "{name}");
                continue;
            }
            let operation = &document["paths"][&template][method];
            let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
            let bodies: Vec<Option<&Value>> = match examples.as_object() {
                Some(examples) => examples.values().map(|it| Some(&it["value"])).collect(),
                None => vec![None],
            };
            for body in bodies {
                let response = send(body).await;
                let status = response.status.to_string();
                assert!(status.starts_with('2'), "{name}: {status}");
                let expected = resolved(&document, &operation["responses"][&status]);
                assert!(expected.is_object(), "{name}: {status} is not documented");
                let Some(content) = expected["content"].as_object() else { continue };
                let media_type = response.header("content-type").to_owned();
                assert!(content.contains_key(&media_type), "{name}: {media_type}");
                if media_type == "application/json" {
                    let schema = resolved(&document, &content[&media_type]["schema"]);
                    has_documented_members(&document, schema, &response.json(), &name);
                }
            }
            if operation["requestBody"].is_object() {
                let response = rig.bare(&method.to_uppercase(), &path).body("{").send().await;
                assert_eq!(response.status, 400, "{name}");
            }
        }
    }
}

/// Checks that an object has the required members of its schema, and no members without a schema.
fn has_documented_members(document: &Value, schema: &Value, value: &Value, name: &str) {
    if let Some(items) = value.as_array() {
        let schema = resolved(document, &schema["items"]);
        items.iter().for_each(|item| has_documented_members(document, schema, item, name));
        return;
    }
    let (Some(members), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    else {
        return;
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(members.contains_key(required.as_str().expect("a name")), "{name}: {required}");
    }
    let is_open = schema["additionalProperties"].is_object();
    for member in members.keys() {
        assert!(is_open || properties.contains_key(member), "{name}: {member} is not documented");
    }
}
