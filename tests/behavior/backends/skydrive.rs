//! SkyDrive: paths are resolved by id, with one listing for each folder that is not cached.

use drivedal_conformance::{Expectations, KnownDifference};
use drivedal_server::{AccountKind, CloudBehavior};

use super::{
    SIZE_UNTOLD, indexed,
    served::{Requests, Served},
};

pub fn skydrive() -> Served {
    Served {
        name: "skydrive",
        scheme: "skydrive",
        kind: AccountKind::Personal,
        behavior: CloudBehavior::default,
        options: |server, token| {
            vec![
                ("endpoint", format!("{server}v5.0/")),
                ("access_token", token.to_owned()),
                // A file is uploaded in one request or in fragments; both must be tested.
                ("bits_from", "150000".to_owned()),
                ("bits_fragment", "40000".to_owned()),
            ]
        },
        known: KNOWN,
        expectations: EXPECTATIONS,
        keeps_times: false,
        requests: &REQUESTS,
    }
}

pub const KNOWN: &[KnownDifference] = &[SIZE_UNTOLD];

pub const EXPECTATIONS: Expectations =
    indexed(&["a*b", "a:b", "a\\b", "what?", "<a>", "a|b", "dot.", " x", "CON", "lpt1"]);

const REQUESTS: Requests = Requests {
    download: "ticket.get",
    steps_stay: false,
    instead: &[],
    most: &[
        // One listing for each folder of the path, including the root.
        ("a_cold_stat_three_folders_deep", 4),
        ("a_warm_stat", 1),
        ("a_stat_after_a_listing", 1),
        ("a_stat_of_a_name_missing_in_a_listing", 0),
        ("a_cold_listing_three_folders_deep", 4),
        ("a_warm_listing", 1),
        // One listing for the root and each folder.
        ("a_tree_of_ten_folders", 11),
        // The listing also contains the download URL.
        ("a_cold_read_three_folders_deep", 5),
        ("a_warm_read", 1),
        ("a_read_after_a_listing", 1),
        ("ten_reads_after_a_listing_of_everything", 10),
        ("ten_ranges_of_a_file", 10),
        // The last request reads the metadata: the response to an upload has no size.
        ("a_cold_write_three_folders_deep", 5),
        ("a_warm_write", 2),
        ("a_write_checked_by_the_caller", 1),
        ("an_overwrite_after_a_listing", 2),
        // Listings of the root and `a`, and three created folders.
        ("ten_writes_into_two_new_folders", 25),
        ("a_cold_folder_below_three_existing_ones", 5),
        ("three_new_folders", 4),
        ("a_folder_that_is_known_to_exist", 0),
        ("a_cold_removal_three_folders_deep", 5),
        // Cached metadata older than a second is requested again.
        ("a_removal_after_a_listing", 1),
        ("ten_removals_after_a_listing", 10),
        ("an_empty_folder_removed_after_a_listing", 2),
        ("a_tree_removed", 2),
        ("a_missing_file_removed_after_a_listing", 0),
        ("a_new_name_after_a_listing", 1),
        ("a_move_after_a_listing", 1),
        ("a_move_with_a_new_name_after_a_listing", 2),
        ("a_replacing_move_with_a_new_name_after_a_listing", 4),
        ("a_cold_rename_three_folders_deep", 5),
    ],
};
