//! Microsoft Graph's drives: OneDrive and SharePoint, as clients of Graph v1.0 know them.

// What answers requests comes next.
#![allow(dead_code)]

mod address;
mod error;
mod ids;
mod kind;
mod names;
mod query;
mod reply;
mod select;
mod task;

pub use kind::{AccountKind, UnknownKind};
