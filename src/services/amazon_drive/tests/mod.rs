//! Tests of the client and the drive with scripted responses: states that are hard to reach with a
//! server.

mod client;
mod list;
mod rename;
mod transfer;

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use md5::{Digest, Md5};
use opendal::Buffer;
use serde_json::{Value, json};

use super::{Client, Deduplication, md5::to_hex, state::NodeDrive};
use crate::{
    auth::TokenSource,
    drive::{Body, Item, ItemRef, Target},
    transport::scripted::{Outcome, Scripted, Sent, answer},
};

/// Metadata endpoint of the scripted cloud.
const M: &str = "https://meta/drive/v1/";

/// Content endpoint of the scripted cloud.
const C: &str = "https://content/cdproxy/";

const ENDPOINT: &str = "GET https://drive/drive/v1/account/endpoint";

fn client() -> Client {
    let tokens = TokenSource::fixed("Atza|hunter2".into());
    let client = Client::new("https://drive/drive/v1", tokens).unwrap();
    client.with_allowed_hosts("meta, content").unwrap()
}

fn drive() -> NodeDrive {
    NodeDrive::new(client(), Deduplication::Suppressed)
}

fn endpoints() -> Outcome {
    answer(200, json!({"customerExists": true, "contentUrl": C, "metadataUrl": M}).to_string())
}

/// Responds to these requests in this order, after the one for the endpoints. Paths are below the
/// metadata endpoint, or with `@` below the content endpoint. Other requests fail with 599.
fn expecting(steps: impl IntoIterator<Item = (&'static str, Outcome)>) -> Scripted {
    let mut left = std::collections::VecDeque::from([(ENDPOINT.to_owned(), endpoints())]);
    left.extend(steps.into_iter().map(|(line, outcome)| {
        let (method, path) = line.split_once(' ').unwrap();
        let url = match path.strip_prefix('@') {
            Some(path) => format!("{C}{path}"),
            None => format!("{M}{path}"),
        };
        (format!("{method} {url}"), outcome)
    }));
    Scripted::by(move |sent: &Sent| match left.pop_front() {
        Some((line, outcome)) if line == sent.line() => outcome,
        Some((line, _)) => answer(599, format!("expected {line}, got {}", sent.line())),
        None => answer(599, format!("nothing more was expected, got {}", sent.line())),
    })
}

/// Asserts that all `count` scripted requests were sent.
fn assert_all_sent(transport: &Scripted, count: usize) {
    let lines = transport.lines();
    assert_eq!(lines.len(), count + 1, "{lines:#?}");
}

fn json_answer(status: u16, body: Value) -> Outcome {
    answer(status, body.to_string())
}

fn node(id: &str, name: &str, kind: &str, parents: &[&str]) -> Value {
    json!({
        "id": id, "name": name, "kind": kind, "parents": parents, "status": "AVAILABLE",
        "createdDate": "2015-01-01T00:00:00.000Z", "modifiedDate": "2015-01-02T00:00:00.000Z",
    })
}

fn file_node(id: &str, name: &str, parents: &[&str], bytes: &[u8]) -> Value {
    let mut node = node(id, name, "FILE", parents);
    node["contentProperties"] = json!({
        "md5": to_hex(&Md5::digest(bytes)), "size": bytes.len(), "contentType": "text/plain",
    });
    node
}

fn with_status(mut node: Value, status: &str) -> Value {
    node["status"] = status.into();
    node
}

fn list(nodes: &[Value]) -> Value {
    json!({"count": nodes.len(), "data": nodes})
}

fn name_taken(id: &str) -> Outcome {
    json_answer(
        409,
        json!({
            "logref": "b8a1c898",
            "message": format!("Node with the name x already exists under parentId P conflicting NodeId: {id}"),
            "code": "NAME_ALREADY_EXISTS",
            "info": {"nodeId": id},
        }),
    )
}

fn target(name: &str) -> Target {
    Target { folder: ItemRef::from_id(&"P".into()), name: name.to_owned(), occupant: None }
}

fn memory(bytes: &[u8]) -> Body {
    Body::Memory(Buffer::from(bytes.to_vec()))
}

fn in_file(bytes: &[u8]) -> Body {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Body::File { file: Arc::<File>::new(file), len: bytes.len() as u64 }
}

fn parents(item: &Item) -> Vec<&str> {
    item.parents.iter().map(|id| id.as_str()).collect()
}
