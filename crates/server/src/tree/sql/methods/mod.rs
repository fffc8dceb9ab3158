//! The methods of [`Tree`](super::Tree): each is one transaction.

mod account_objects;
mod content;
mod drives;
mod permissions;
mod read;
mod search;
mod snapshots;
mod upload;
mod versions;
mod write;
