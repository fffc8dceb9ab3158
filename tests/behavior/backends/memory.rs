//! OpenDAL's map of keys in memory: a control, to test the tests.

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
        "keys, not a tree: a folder is what keys begin with, or a key of its own",
        &[
            "stat::a_folder_is_found_without_its_slash",
            "read::a_folder_has_no_bytes",
            "write::a_folder_is_not_replaced_by_a_file",
            "write::a_folder_in_the_way_is_told",
            "write::nothing_is_made_below_a_file",
            "write::a_file_in_the_way_is_told",
            "list::a_tree_shows_folders_that_were_made_on_the_way",
            "list::a_tree_twenty_deep_is_shown_and_removed",
            "create_dir::folders_above_it_are_made_too",
            "create_dir::a_folder_made_many_times_at_once_is_made_once",
            "create_dir::a_file_is_not_replaced_by_a_folder",
            "create_dir::nothing_is_made_below_a_file",
            "create_dir::a_file_in_the_way_is_told",
            "delete::an_empty_folder_without_its_slash_is_refused",
            "delete::a_full_folder_is_refused",
            "delete::a_folder_made_again_is_empty",
            "delete::the_folder_of_a_removed_file_stays",
            "model::any_sequence_of_operations_leaves_what_the_model_says",
        ],
    ),
    KnownDifference::always(
        "a recursive delete without a slash takes all that begins alike",
        &[
            "delete::a_tree_is_removed_but_nothing_whose_name_begins_alike",
            "delete::a_file_is_removed_recursively_but_nothing_whose_name_begins_alike",
            "delete::a_prefix_of_names_is_not_a_tree",
        ],
    ),
    KnownDifference::always(
        "keys are taken as they are",
        &[
            "names::a_dot_is_no_name",
            "names::two_dots_are_no_name",
            "names::names_that_differ_in_case_are_one_file",
            "names::folders_that_differ_in_case_are_one_folder",
            "names::if_not_exists_sees_a_name_of_another_case",
            "names::a_file_is_removed_whatever_its_case",
        ],
    ),
    KnownDifference::always("keeps no times", &["stat::a_file_tells_when_it_was_modified"]),
    KnownDifference::always(
        "OpenDAL's own answer for a folder that is not there names no path",
        &["stat::what_is_not_there_is_not_found"],
    ),
    KnownDifference::always(
        "the root becomes an entry that OpenDAL panics over",
        &["create_dir::the_root_is_there_already"],
    ),
];
