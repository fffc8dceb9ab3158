//! OpenDAL's file system: a control, to test the tests.

use drivedal_conformance::{Backend, CaseResult, KnownDifference, TestContext, fail};
use futures::{FutureExt, future::BoxFuture};
use opendal::{Operator, services};

pub struct Fs;

impl Backend for Fs {
    fn name(&self) -> &str {
        "fs"
    }

    fn known_differences(&self) -> &[KnownDifference] {
        KNOWN
    }

    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        async move {
            // Not the system's folder for temporary files: it may not keep extended attributes.
            let folder = match tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")) {
                Ok(folder) => folder,
                Err(error) => return fail(format!("making a temporary folder: {error}")),
            };
            let (root, unfinished) = (folder.path().join("root"), folder.path().join("unfinished"));
            let context = TestContext::new(move |_| {
                Operator::new(
                    services::Fs::default()
                        .root(&root.to_string_lossy())
                        // Without it a write is seen before it is closed.
                        .atomic_write_dir(&unfinished.to_string_lossy()),
                )
            })?;
            Ok(context.with_extension(folder))
        }
        .boxed()
    }
}

pub const KNOWN: &[KnownDifference] = &[
    KnownDifference::always(
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
    KnownDifference::always(
        "a path names what is there, with a slash or without",
        &[
            "delete::an_empty_folder_without_its_slash_stays",
            "delete::an_empty_folder_without_its_slash_is_refused",
            "delete::a_file_with_a_slash_stays",
        ],
    ),
    KnownDifference::always("the system resolves `.`", &["names::a_dot_is_no_name"]),
    // Linux: other systems count characters, and take names that differ in case for one.
    #[cfg(target_os = "linux")]
    KnownDifference::always(
        "a name has at most 255 bytes",
        &["names::a_name_of_two_hundred_characters_beyond_ascii_is_taken"],
    ),
    #[cfg(target_os = "linux")]
    KnownDifference::always(
        "names that differ in case are two",
        &[
            "names::names_that_differ_in_case_are_one_file",
            "names::folders_that_differ_in_case_are_one_folder",
            "names::if_not_exists_sees_a_name_of_another_case",
            "names::a_file_is_removed_whatever_its_case",
        ],
    ),
    KnownDifference::intermittent(
        "looks whether the file exists, and makes it later",
        &["concurrency::one_of_many_writers_makes_a_file_that_was_missing"],
    ),
];

/// Without the option `atomic_write_dir`.
pub const NOT_ATOMIC: [KnownDifference; 2] = [
    KnownDifference::always(
        "a file is written in place",
        &[
            "write::nothing_is_seen_before_the_writer_is_closed",
            "write::an_aborted_write_leaves_nothing",
            "write::an_aborted_write_leaves_the_old_bytes",
            "write::a_writer_dropped_without_close_leaves_nothing",
            "write::a_writer_dropped_without_close_leaves_the_old_bytes",
        ],
    ),
    KnownDifference::intermittent(
        "a file is written in place, and others see it half written",
        &[
            "concurrency::every_one_of_many_writers_to_a_path_is_told_that_it_wrote",
            "concurrency::one_of_many_writers_to_a_path_wins_whole",
            "concurrency::one_of_many_clients_writing_to_a_path_wins_whole",
            "concurrency::a_file_that_is_overwritten_is_read_whole",
        ],
    ),
];
