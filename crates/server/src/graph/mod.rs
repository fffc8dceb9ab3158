#![doc = include_str!("graph.md")]

mod address;
mod batch;
mod body;
mod child_page;
mod children;
mod content;
mod contract;
#[cfg(test)]
mod contract_tests;
mod copy;
mod cost;
mod delta;
mod dialect;
mod dispatch;
mod drive_context;
mod drive_item;
mod drive_owner;
mod drives;
mod error;
mod expand;
mod filter;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod ids;
mod invitations;
mod item_response;
mod items;
mod links;
mod media;
mod owner;
mod paging;
mod permissions;
mod query;
mod recent;
mod request;
mod response;
mod route;
mod scopes;
mod search;
mod select;
mod sessions;
mod special_folders;
mod stored_facets;
mod table;
mod thumbnails;
mod timestamp;
mod versions;

pub(super) use dispatch::Graph;
pub(super) use owner::AccountIdentity;
pub(super) use response::RequestIds;
pub(super) use scopes::is_known_permission;
