#![doc = include_str!("graph.md")]

mod address;
mod batch;
mod body;
mod children;
mod content;
mod contract;
mod copy;
mod cost;
mod delta;
mod dialect;
mod dispatch;
mod drive_context;
mod drive_item;
mod drives;
mod error;
mod filter;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod ids;
mod invitations;
mod items;
mod media;
mod names;
mod owner;
mod permissions;
mod query;
mod recent;
mod reply;
mod request;
mod route;
mod search;
mod select;
mod sessions;
mod special_folders;
mod table;
mod thumbnails;
mod versions;
#[cfg(test)]
mod walk;

pub(super) use dispatch::Graph;
pub(super) use reply::RequestIds;
