//! Amazon Cloud Drive over its REST protocol v1.

mod api;
mod changes;
mod content;
mod drive;
mod error;
mod form;
mod md5;
mod model;
mod moves;
mod reading;

pub use self::{
    api::{Client, ListQuery, PAGE_MAX},
    changes::ChangesQuery,
    content::{Deduplication, Uploaded},
    drive::AmazonDrive,
    md5::Md5Sum,
    model::{
        AccountInfo, AccountQuota, AccountUsage, Amount, ChangeSet, ContentProperties, Endpoints,
        Filter, NewNode, Node, NodeKind, NodeList, NodePatch, Status, Usage,
    },
};
