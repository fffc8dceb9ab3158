//! Tests of the client and the drive against scripted transports, for states that are hard to reach
//! over HTTP.

mod copies;
mod drives;
mod failures;
mod folders;
mod reads;
mod recursive_list;
mod secrets;
mod service;
mod sessions;
mod sharepoint;
mod versions;
mod writes;

use serde_json::{Value, json};

use super::{
    AccountKind, Client,
    address::{DriveRef, root_id},
    drive_lookup::{ConfiguredDrive, DriveLookup},
    model::ITEM_PROPERTIES,
    state::GraphDrive,
};
use crate::{
    auth::{TokenClient, TokenSource},
    drive::{DownloadUrl, Item, ItemKind, ItemRef, Target},
    transport::{
        scripted::{Outcome, answer},
        segment,
    },
};

const API: &str = "https://graph.microsoft.com/v1.0";

fn client() -> Client {
    Client::new(API, TokenSource::fixed("token".into())).unwrap()
}

/// A client that refreshes its token at `https://login/token`.
fn renewing_client() -> Client {
    let endpoint = TokenClient::new("https://login/token", "app").unwrap();
    let tokens = TokenSource::refreshing(endpoint, Some("refresh".into()), Some("stale".into()));
    Client::new(API, tokens).unwrap()
}

fn tokens(access: &str) -> Outcome {
    answer(200, format!(r#"{{"token_type":"Bearer","access_token":"{access}","expires_in":3600}}"#))
}

/// The drive of the signed-in user.
fn drive() -> GraphDrive {
    drive_with(DriveRef::Mine, None)
}

fn drive_of_kind(kind: AccountKind) -> GraphDrive {
    drive_with(DriveRef::Mine, Some(kind))
}

fn drive_with(drive: DriveRef, kind: Option<AccountKind>) -> GraphDrive {
    GraphDrive::new(client(), DriveLookup::new(ConfiguredDrive::Drive(drive), None), None, kind)
}

/// The drive of the signed-in user, over this client.
fn drive_over(client: Client) -> GraphDrive {
    let lookup = DriveLookup::new(ConfiguredDrive::Drive(DriveRef::Mine), None);
    GraphDrive::new(client, lookup, None, None)
}

fn at(path: &str) -> ItemRef {
    ItemRef::Path { base: root_id(None), path: path.into() }
}

fn target(folder: &str, name: &str) -> Target {
    Target { folder: at(folder), name: name.to_owned(), occupant: None }
}

/// Returns the line of a request for an item.
fn item_request(path: &str) -> String {
    format!("GET {API}{path}?$select={}", segment(ITEM_PROPERTIES))
}

fn page_request(path: &str) -> String {
    format!("{}&$top=1000", item_request(path))
}

fn ok(body: Value) -> Outcome {
    answer(200, body.to_string())
}

fn error_response(status: u16, code: &str) -> Outcome {
    let body = json!({"error": {"code": code, "message": format!("about {code}"),
        "innerError": {"date": "2025-02-13T10:17:05", "request-id": "r-1"}}});
    answer(status, body.to_string())
}

/// Returns the JSON of a file with the content `bytes`.
fn file(id: &str, name: &str, bytes: &[u8]) -> Value {
    let mut hash = super::QuickXor::new();
    hash.update(bytes);
    json!({
        "id": id, "name": name, "size": bytes.len(), "eTag": format!("\"{{{id}}},1\""),
        "parentReference": {"driveId": "D", "driveType": "business", "id": "P"},
        "file": {"hashes": {"quickXorHash": hash.to_base64()}},
        "fileSystemInfo": {"lastModifiedDateTime": "2014-03-02T01:00:00Z"},
        "@microsoft.graph.downloadUrl": format!("https://t/{id}"),
    })
}

fn folder(id: &str, name: &str, parent: &str) -> Value {
    json!({"id": id, "name": name, "folder": {"childCount": 0}, "parentReference": {"id": parent}})
}

/// Returns a file with a download URL, as the adapter knows it.
fn known(id: &str, download_url: &str) -> Item {
    Item {
        size: Some(10),
        etag: Some(format!("\"{{{id}}},1\"")),
        download_url: Some(DownloadUrl { url: download_url.into(), expires: None }),
        ..Item::new(id, "a", ItemKind::File)
    }
}
