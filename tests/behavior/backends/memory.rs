//! OpenDAL's memory service: a control that tests the cases themselves.

use drivedal_conformance::{Backend, CaseResult, KnownDifference, TestContext};
use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use opendal::{Operator, services};

pub struct Memory;

impl Backend for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn known_differences(&self) -> &[KnownDifference] {
        KNOWN
    }

    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        ready(TestContext::new(|_| Operator::new(services::Memory::default()))).boxed()
    }
}

pub const KNOWN: &[KnownDifference] = &[
    KnownDifference::always(
        "it stores keys, not a tree: a folder is a prefix of keys, or a key itself",
        &[
            "stat::a_folder_is_found_without_its_slash",
            "read::a_folder_has_no_bytes",
            "write::a_folder_is_not_replaced_by_a_file",
            "write::a_conflict_with_a_folder_has_the_exact_kind",
            "write::nothing_is_created_below_a_file",
            "write::a_conflict_with_a_file_has_the_exact_kind",
            "list::a_tree_has_folders_that_a_write_created",
            "list::a_tree_twenty_deep_is_shown_and_removed",
            "create_dir::missing_parent_folders_are_created",
            "create_dir::a_folder_created_concurrently_exists_once",
            "create_dir::a_file_is_not_replaced_by_a_folder",
            "create_dir::nothing_is_created_below_a_file",
            "create_dir::a_conflict_with_a_file_has_the_exact_kind",
            "delete::an_empty_folder_without_its_slash_is_refused",
            "delete::a_full_folder_is_refused",
            "delete::a_recreated_folder_is_empty",
            "delete::the_folder_of_a_removed_file_stays",
            "model::any_sequence_of_operations_matches_the_model",
        ],
    ),
    KnownDifference::always(
        "a recursive delete without a final slash removes all paths with that prefix",
        &[
            "delete::a_removal_of_a_tree_keeps_names_with_its_prefix",
            "delete::a_recursive_removal_of_a_file_keeps_names_with_its_prefix",
            "delete::a_prefix_of_names_is_not_a_tree",
        ],
    ),
    KnownDifference::always(
        "keys are not normalized",
        &[
            "names::a_dot_is_no_name",
            "names::two_dots_are_no_name",
            "names::names_that_differ_in_case_are_one_file",
            "names::folders_that_differ_in_case_are_one_folder",
            "names::if_not_exists_sees_a_name_of_another_case",
            "names::a_file_is_removed_whatever_its_case",
        ],
    ),
    KnownDifference::always("stores no times", &["stat::a_file_has_a_modification_time"]),
    KnownDifference::always(
        "OpenDAL's error for a missing folder names no path",
        &["stat::a_missing_item_is_not_found"],
    ),
    KnownDifference::always(
        "the root becomes an entry that makes OpenDAL panic, with debug assertions",
        if cfg!(debug_assertions) { &["create_dir::the_root_exists"] } else { &[] },
    ),
];
