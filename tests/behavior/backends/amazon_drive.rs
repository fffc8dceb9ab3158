//! Amazon Cloud Drive: paths are resolved by id, one name per request.

use drivedal_conformance::{Expectations, KnownDifference};
use drivedal_server::{AccountKind, CloudBehavior};

use super::{
    indexed,
    served::{Requests, Served},
};

pub fn amazon_drive() -> Served {
    Served {
        name: "amazon-drive",
        scheme: "amazon-drive",
        kind: AccountKind::Personal,
        behavior: CloudBehavior::default,
        options: |server, token| {
            vec![("endpoint", format!("{server}drive/v1/")), ("access_token", token.to_owned())]
        },
        known: KNOWN,
        expectations: EXPECTATIONS,
        keeps_times: false,
        requests: &REQUESTS,
    }
}

pub const KNOWN: &[KnownDifference] = &[
    KnownDifference::intermittent(
        "a trashed item can still be read by its id while the index has it",
        &[
            "others::a_removed_file_does_not_exist",
            "others::a_recreated_file_is_readable_at_once",
            "others::a_recreated_folder_is_listed_at_once",
        ],
    ),
    KnownDifference::always(
        "an item in the trash can be read by its id, and so can the items below a trashed folder",
        &[
            "drive::a_deleted_item_is_not_found_by_any_verb",
            "drive::a_folder_is_deleted_with_its_contents",
        ],
    ),
    KnownDifference::always(
        "the error for an item of the wrong kind has no code of its own",
        &["drive::a_file_has_no_children", "drive::a_folder_has_no_content"],
    ),
    KnownDifference::always(
        "has no notebooks",
        &["foreign_items::a_notebook_breaks_no_listing", "foreign_items::a_notebook_has_no_bytes"],
    ),
    KnownDifference::always(
        "the modification time is the time of the upload",
        &["foreign_items::a_very_old_file_has_its_time"],
    ),
    KnownDifference::always(
        "a rename first moves the replaced file to the trash, and the error reports it",
        &["faults::a_replacing_move_survives_every_failure"],
    ),
];

pub const EXPECTATIONS: Expectations = indexed(&[]);

const REQUESTS: Requests = Requests {
    download: "amazon.content.get",
    steps_stay: false,
    instead: &[],
    most: &[
        // The account's endpoints, the root node, and one request for each name of the path.
        ("a_cold_stat_three_folders_deep", 6),
        ("a_warm_stat", 1),
        ("a_stat_after_a_listing", 1),
        ("a_stat_of_a_name_missing_in_a_listing", 0),
        ("a_cold_listing_three_folders_deep", 6),
        ("a_warm_listing", 1),
        // Endpoints, root, the folder's name, and one listing per folder.
        ("a_tree_of_ten_folders", 13),
        ("a_cold_read_three_folders_deep", 7),
        ("a_warm_read", 1),
        ("a_read_after_a_listing", 1),
        ("ten_reads_after_a_listing_of_everything", 10),
        ("ten_ranges_of_a_file", 10),
        // The response to the upload has size and hash.
        ("a_cold_write_three_folders_deep", 6),
        ("a_warm_write", 1),
        ("a_write_checked_by_the_caller", 1),
        ("an_overwrite_after_a_listing", 1),
        // Endpoints, root, two names that do not exist, three folders, ten files.
        ("ten_writes_into_two_new_folders", 17),
        ("a_cold_folder_below_three_existing_ones", 7),
        ("three_new_folders", 6),
        ("a_folder_that_is_known_to_exist", 0),
        ("a_cold_removal_three_folders_deep", 7),
        ("a_removal_after_a_listing", 1),
        ("ten_removals_after_a_listing", 10),
        ("an_empty_folder_removed_after_a_listing", 2),
        ("a_tree_removed", 4),
        ("a_missing_file_removed_after_a_listing", 0),
        ("a_new_name_after_a_listing", 1),
        ("a_move_after_a_listing", 1),
        ("a_move_with_a_new_name_after_a_listing", 1),
        // The metadata of the replaced file, its move to the trash, the rename.
        ("a_replacing_move_with_a_new_name_after_a_listing", 3),
        // The new name does not exist. A deleted folder has the same response, so the path is
        // resolved again.
        ("a_cold_rename_three_folders_deep", 12),
    ],
};
