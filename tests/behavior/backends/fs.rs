//! OpenDAL's file system: a control, to test the tests.

use std::time::Instant;

use futures::{FutureExt, future::BoxFuture};
use opendal::{Operator, services};

use super::{Backend, Known, Promises, Test};
use crate::harness::{Outcome, failed};

pub struct Fs;

impl Backend for Fs {
    fn name(&self) -> &str {
        "fs"
    }

    fn known(&self) -> &[Known] {
        KNOWN
    }

    fn lend(&self, case: &'static str) -> BoxFuture<'_, Outcome<Test>> {
        async move {
            // Not the system's folder for temporary files: it may not keep extended attributes.
            let folder = match tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")) {
                Ok(folder) => folder,
                Err(error) => return failed(format!("making a temporary folder: {error}")),
            };
            let (root, unfinished) = (folder.path().join("root"), folder.path().join("unfinished"));
            let open = move || {
                Operator::new(
                    services::Fs::default()
                        .root(&root.to_string_lossy())
                        // Without it a write is seen before it is closed.
                        .atomic_write_dir(&unfinished.to_string_lossy()),
                )
            };
            Ok(Test {
                case,
                begun: Instant::now(),
                op: open()?,
                promises: Promises::NONE,
                open: Box::new(move |_| open()),
                pretence: None,
                station: None,
                remove: None,
                _kept: Some(Box::new(folder)),
            })
        }
        .boxed()
    }
}

pub const KNOWN: &[Known] = &[
    Known::always(
        "what the system refuses is told as `Unexpected`, to be tried again",
        &[
            "stat::nothing_is_below_a_file",
            "read::a_folder_has_no_bytes",
            "write::a_folder_in_the_way_is_told",
            "write::a_file_in_the_way_is_told",
            "create_dir::a_file_in_the_way_is_told",
            "delete::a_full_folder_is_refused",
            "rename::what_is_in_the_way_is_told",
            "names::a_name_too_long_is_taken_whole_or_refused_clearly",
        ],
    ),
    Known::always(
        "a path names what is there, with a slash or without",
        &[
            "delete::an_empty_folder_without_its_slash_stays",
            "delete::an_empty_folder_without_its_slash_is_refused",
            "delete::a_file_with_a_slash_stays",
        ],
    ),
    Known::always("the system resolves `.`", &["names::a_dot_is_no_name"]),
    // Linux: other systems count characters, and take names that differ in case for one.
    #[cfg(target_os = "linux")]
    Known::always(
        "a name has at most 255 bytes",
        &["names::a_name_of_two_hundred_characters_beyond_ascii_is_taken"],
    ),
    #[cfg(target_os = "linux")]
    Known::always(
        "names that differ in case are two",
        &[
            "names::names_that_differ_in_case_are_one_file",
            "names::folders_that_differ_in_case_are_one_folder",
            "names::if_not_exists_sees_a_name_of_another_case",
            "names::a_file_is_removed_whatever_its_case",
        ],
    ),
    Known {
        because: "looks whether the file exists, and makes it later",
        sometimes: true,
        cases: &["concurrency::one_of_many_writers_makes_a_file_that_was_missing"],
    },
];
