//! SkyDrive: walked by id, one listing per folder on a way that is not known yet.

use drivedal_conformance::{Expectations, KnownDifference};
use drivedal_server::AccountKind;

use super::{
    SIZE_UNTOLD, indexed,
    served::{Requests, Served},
};

pub fn skydrive() -> Served {
    Served {
        name: "skydrive",
        scheme: "skydrive",
        kind: AccountKind::Personal,
        options: |server, token| {
            vec![
                ("endpoint", format!("{server}v5.0/")),
                ("access_token", token.to_owned()),
                // Both ways of a file are gone: in one request, and in fragments.
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
        // A listing of each folder on the way, the root among them, finds an item.
        ("a_cold_look_three_folders_deep", 4),
        ("a_warm_look", 1),
        ("a_look_after_a_listing", 1),
        ("a_look_for_what_a_listing_did_not_show", 0),
        ("a_cold_listing_three_folders_deep", 4),
        ("a_warm_listing", 1),
        // The root, and each folder once.
        ("a_tree_of_ten_folders", 11),
        // The listing that found it brought the ticket too.
        ("a_cold_read_three_folders_deep", 5),
        ("a_warm_read", 1),
        ("a_read_after_a_listing", 1),
        ("ten_reads_after_a_listing_of_everything", 10),
        ("ten_ranges_of_a_file", 10),
        // The last is a look: the answer to an upload tells no size.
        ("a_cold_write_three_folders_deep", 5),
        ("a_warm_write", 2),
        ("a_write_checked_by_the_caller", 1),
        ("an_overwrite_after_a_listing", 2),
        // The root and `a` listed, three folders made.
        ("ten_writes_into_two_new_folders", 25),
        ("a_cold_folder_below_three_that_are_there", 5),
        ("three_new_folders", 4),
        ("a_folder_that_is_known_to_be_there", 0),
        ("a_cold_removal_three_folders_deep", 5),
        // What was seen longer than a second ago is looked at once more.
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
