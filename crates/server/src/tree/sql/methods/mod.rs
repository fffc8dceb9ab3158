//! The methods of [`Tree`](super::Tree): each is one transaction.

mod account_objects;
mod content;
mod drives;
mod permissions;
mod read;
mod upload;
mod write;
