//! Tests of the client and the drive with scripted responses: states that are hard to reach with a
//! server.

mod bits;
mod client;
mod cloud;
mod files;
mod folders;
mod rename;
mod secrets;
mod service;

use super::{Client, state::LiveDrive};
use crate::{
    auth::{TokenClient, TokenSource},
    drive::{Item, ItemId, ItemKind, ItemRef, Target},
    transport::scripted::{Outcome, answer},
};

const API: &str = "https://apis.live.net/v5.0";
const FOLDER: &str = "folder.8c8ce076ca27823f.8C8CE076CA27823F!142";
const FILE: &str = "file.8c8ce076ca27823f.8C8CE076CA27823F!128";

fn client() -> Client {
    Client::new("https://apis.live.net/v5.0/", TokenSource::fixed("token".into())).unwrap()
}

/// A client that refreshes its token at `https://login/token`.
fn renewing_client() -> Client {
    let endpoint = TokenClient::new("https://login/token", "app").unwrap();
    let tokens = TokenSource::refreshing(endpoint, Some("refresh".into()), Some("stale".into()));
    Client::new("https://apis.live.net/v5.0/", tokens).unwrap()
}

fn drive() -> LiveDrive {
    LiveDrive::new(client(), false)
}

/// An error response.
fn refusal(status: u16, code: &str, message: &str) -> Outcome {
    answer(status, format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#))
}

fn tokens(access: &str) -> Outcome {
    answer(200, format!(r#"{{"token_type":"bearer","access_token":"{access}","expires_in":3600}}"#))
}

fn place(id: &str) -> ItemRef {
    ItemRef::from_id(&ItemId::from(id))
}

fn target(folder: &str, name: &str) -> Target {
    Target { folder: place(folder), name: name.to_owned(), occupant: None }
}

fn known(id: &str, name: &str, parent: &str, kind: ItemKind) -> Item {
    Item { parents: vec![parent.into()], ..Item::new(id, name, kind) }
}
