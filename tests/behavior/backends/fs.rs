//! OpenDAL's file system service: a control that tests the cases themselves.

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
            // Not the system's temporary folder, whose file system may not support extended
            // attributes.
            let folder = match tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")) {
                Ok(folder) => folder,
                Err(error) => return fail(format!("making a temporary folder: {error}")),
            };
            let (root, unfinished) = (folder.path().join("root"), folder.path().join("unfinished"));
            let context = TestContext::new(move |_| {
                Operator::new(
                    services::Fs::default()
                        .root(&root.to_string_lossy())
                        // Without it, a file is visible before it is closed.
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
        "refusals of the system are temporary `Unexpected` errors",
        &[
            "stat::nothing_is_below_a_file",
            "read::a_folder_has_no_bytes",
            "write::a_conflict_with_a_folder_has_the_exact_kind",
            "write::a_conflict_with_a_file_has_the_exact_kind",
            "create_dir::a_conflict_with_a_file_has_the_exact_kind",
            "delete::a_full_folder_is_refused",
            "rename::a_conflict_error_has_the_exact_kind",
            "names::a_long_name_is_stored_completely_or_rejected_clearly",
        ],
    ),
    KnownDifference::always(
        "a path denotes the item with or without a final slash",
        &[
            "delete::an_empty_folder_without_its_slash_stays",
            "delete::an_empty_folder_without_its_slash_is_refused",
            "delete::a_file_with_a_slash_stays",
        ],
    ),
    KnownDifference::always("the system resolves `.`", &["names::a_dot_is_no_name"]),
    // On Linux only: other systems count characters, and ignore the case of names.
    #[cfg(target_os = "linux")]
    KnownDifference::always(
        "a name has at most 255 bytes",
        &["names::a_name_of_two_hundred_characters_beyond_ascii_is_taken"],
    ),
    #[cfg(target_os = "linux")]
    KnownDifference::always(
        "names are case-sensitive",
        &[
            "names::names_that_differ_in_case_are_one_file",
            "names::folders_that_differ_in_case_are_one_folder",
            "names::if_not_exists_sees_a_name_of_another_case",
            "names::a_file_is_removed_whatever_its_case",
        ],
    ),
    KnownDifference::intermittent(
        "checks for the file before it creates it, not atomically",
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
        "a file is written in place, and is visible before it is complete",
        &[
            "concurrency::every_concurrent_writer_to_a_path_succeeds",
            "concurrency::one_of_many_concurrent_writers_wins_completely",
            "concurrency::one_of_many_concurrent_clients_wins_completely",
            "concurrency::a_read_of_an_overwritten_file_is_complete",
        ],
    ),
];
