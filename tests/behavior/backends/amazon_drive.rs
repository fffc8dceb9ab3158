//! Amazon Cloud Drive: walked by id, asked for one name at a time.

use drivedal_conformance::{Expectations, KnownDifference};
use drivedal_server::AccountKind;

use super::{
    indexed,
    served::{Requests, Served},
};

pub fn amazon_drive() -> Served {
    Served {
        name: "amazon-drive",
        scheme: "amazon-drive",
        kind: AccountKind::Personal,
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
        "what is in the trash can still be read by its id, as long as the index knows it",
        &[
            "others::a_removed_file_is_gone",
            "others::a_file_made_again_is_read_at_once",
            "others::a_folder_made_again_is_listed_at_once",
        ],
    ),
    KnownDifference::always(
        "shows no notebooks",
        &["planted::a_notebook_breaks_no_listing", "planted::a_notebook_has_no_bytes"],
    ),
    KnownDifference::always(
        "tells when the cloud changed a file, not when its user did",
        &["planted::a_file_of_long_ago_tells_its_time"],
    ),
    KnownDifference::always(
        "what a rename replaces is put into the trash first, and told to be there",
        &["faults::a_replacing_move_survives_every_failure"],
    ),
];

pub const EXPECTATIONS: Expectations = indexed(&[]);

const REQUESTS: Requests = Requests {
    download: "amazon.content.get",
    steps_stay: false,
    instead: &[],
    most: &[
        // Where the account's endpoints are, which node is the root, and each name on the way.
        ("a_cold_look_three_folders_deep", 6),
        ("a_warm_look", 1),
        ("a_look_after_a_listing", 1),
        ("a_look_for_what_a_listing_did_not_show", 0),
        ("a_cold_listing_three_folders_deep", 6),
        ("a_warm_listing", 1),
        // Endpoints, root, the folder's name, and each folder once.
        ("a_tree_of_ten_folders", 13),
        ("a_cold_read_three_folders_deep", 7),
        ("a_warm_read", 1),
        ("a_read_after_a_listing", 1),
        ("ten_reads_after_a_listing_of_everything", 10),
        ("ten_ranges_of_a_file", 10),
        // The answer tells size and hash.
        ("a_cold_write_three_folders_deep", 6),
        ("a_warm_write", 1),
        ("a_write_checked_by_the_caller", 1),
        ("an_overwrite_after_a_listing", 1),
        // Endpoints, root, two names that are not there, three folders, ten files.
        ("ten_writes_into_two_new_folders", 17),
        ("a_cold_folder_below_three_that_are_there", 7),
        ("three_new_folders", 6),
        ("a_folder_that_is_known_to_be_there", 0),
        ("a_cold_removal_three_folders_deep", 7),
        ("a_removal_after_a_listing", 1),
        ("ten_removals_after_a_listing", 10),
        ("an_empty_folder_removed_after_a_listing", 2),
        ("a_tree_removed", 4),
        ("a_missing_file_removed_after_a_listing", 0),
        ("a_new_name_after_a_listing", 1),
        ("a_move_after_a_listing", 1),
        ("a_move_with_a_new_name_after_a_listing", 1),
        // A look at what is replaced, the trash for it, the new name.
        ("a_replacing_move_with_a_new_name_after_a_listing", 3),
        // Nothing has the new name; a folder that is gone answers alike, so the way is walked anew.
        ("a_cold_rename_three_folders_deep", 12),
    ],
};
