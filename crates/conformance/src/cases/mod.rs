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
mod read;
mod rename;
mod stat;
mod versions;
mod write;

use crate::Group;

/// Returns all cases of the suite.
pub fn groups() -> Vec<Group> {
    vec![
        Group { name: "stat", cases: stat::cases() },
        Group { name: "read", cases: read::cases() },
        Group { name: "write", cases: write::cases() },
        Group { name: "options", cases: options::cases() },
        Group { name: "list", cases: list::cases() },
        Group { name: "create_dir", cases: create_dir::cases() },
        Group { name: "delete", cases: delete::cases() },
        Group { name: "rename", cases: rename::cases() },
        Group { name: "copy", cases: copy::cases() },
        Group { name: "names", cases: names::cases() },
        Group { name: "concurrency", cases: concurrency::cases() },
        Group { name: "versions", cases: versions::cases() },
        Group { name: "others", cases: others::cases() },
        Group { name: "model", cases: model::cases() },
    ]
}
