//! The cases: one file for each operation or subject.

mod concurrency;
mod copy;
mod create_dir;
mod delete;
mod list;
mod model;
mod names;
mod options;
mod others;
mod presign;
mod read;
mod refusals;
mod rename;
mod restore;
mod stat;
mod versions;
mod write;

use crate::Group;

/// Returns all cases of the suite.
pub fn groups() -> Vec<Group> {
    vec![
        Group::new("stat", "Metadata of a path.", stat::cases()),
        Group::new("read", "The bytes of a file, whole and in parts.", read::cases()),
        Group::new(
            "write",
            "A file is visible, and complete, when its writer is closed, and not before.",
            write::cases(),
        ),
        Group::new(
            "options",
            "Options that not every service has: stored headers, and conditions of `stat`, reads and writes.",
            options::cases(),
        ),
        Group::new(
            "list",
            "A folder's items, its whole tree, and the paths with a prefix.",
            list::cases(),
        ),
        Group::new(
            "create_dir",
            "Afterwards the folder exists, whether or not it existed before.",
            create_dir::cases(),
        ),
        Group::new("delete", "Removes the named item and nothing else.", delete::cases()),
        Group::new("rename", "Moves a whole item, or fails without any loss.", rename::cases()),
        Group::new("copy", "The same bytes at two paths.", copy::cases()),
        Group::new(
            "names",
            "Names are supported completely, or rejected with a permanent error that contains the name.",
            names::cases(),
        ),
        Group::new(
            "concurrency",
            "Concurrent calls: every result is one that a single caller could have had.",
            concurrency::cases(),
        ),
        Group::new("versions", "Versions of files.", versions::cases()),
        Group::new(
            "presign",
            "Requests that another program can send, without a token.",
            presign::cases(),
        ),
        Group::new("restore", "Deleted files that exist again.", restore::cases()),
        Group::new(
            "refusals",
            "Operations and options that a service does not have: each is refused, and changes nothing.",
            refusals::cases(),
        ),
        Group::new(
            "others",
            "Several clients of one drive: a result is never older than the service allows.",
            others::cases(),
        ),
        Group::new(
            "model",
            "Random sequences of operations have the results that a simple model of a tree predicts.",
            model::cases(),
        ),
    ]
}
