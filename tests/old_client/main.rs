//! What the old client could do, done with ours: its README line by line, and its whole API.

#[path = "../server/made.rs"]
#[allow(dead_code)]
mod made;

mod client;
mod document;
