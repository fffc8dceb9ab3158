//! OneDrive, addressed by path: personal and Business.

use drivedal_conformance::{Expectations, KnownDifference};
use drivedal_server::{AccountKind, CloudBehavior};

use super::{
    indexed,
    served::{Requests, Served},
};

pub fn personal() -> Served {
    Served {
        name: "onedrive-personal",
        scheme: "onedrive",
        kind: AccountKind::Personal,
        behavior: CloudBehavior::default,
        options: |server, token| {
            vec![
                ("endpoint", format!("{server}v1.0")),
                ("access_token", token.to_owned()),
                ("account_kind", "personal".to_owned()),
                ("upload_fragment", "327680".to_owned()),
            ]
        },
        known: KNOWN_PERSONAL,
        expectations: EXPECTATIONS,
        keeps_times: true,
        requests: &REQUESTS,
    }
}

pub fn business() -> Served {
    Served {
        name: "onedrive-business",
        kind: AccountKind::Business,
        options: |server, token| {
            vec![
                ("endpoint", format!("{server}v1.0")),
                ("access_token", token.to_owned()),
                ("account_kind", "business".to_owned()),
                ("upload_fragment", "327680".to_owned()),
            ]
        },
        known: KNOWN_BUSINESS,
        requests: &REQUESTS_OF_BUSINESS,
        ..personal()
    }
}

/// A Business drive in a tenant without pre-authenticated URLs, whose token cannot be exchanged for one
/// of SharePoint: files are sent in one request.
pub fn business_without_preauth() -> Served {
    Served {
        name: "onedrive-business-no-preauth",
        behavior: || CloudBehavior::default().without_pre_authenticated_urls(),
        options: |server, token| {
            vec![
                ("endpoint", format!("{server}v1.0")),
                ("access_token", token.to_owned()),
                ("sharepoint_audience", SHAREPOINT.to_owned()),
                ("account_kind", "business".to_owned()),
                ("upload_fragment", "327680".to_owned()),
            ]
        },
        known: KNOWN_WITHOUT_SESSIONS,
        requests: &REQUESTS_WITHOUT_PREAUTH,
        ..business()
    }
}

/// A document library in such a tenant. The sign-in also gives tokens for SharePoint.
pub fn library_without_preauth() -> Served {
    Served {
        name: "onedrive-library-no-preauth",
        kind: AccountKind::Library,
        options: |server, token| {
            vec![
                ("endpoint", format!("{server}v1.0")),
                ("oauth_endpoint", server.to_string()),
                ("client_id", "app".to_owned()),
                ("access_token", token.to_owned()),
                ("refresh_token", format!("{token}-refresh")),
                ("sharepoint_audience", SHAREPOINT.to_owned()),
                ("account_kind", "library".to_owned()),
                ("upload_fragment", "327680".to_owned()),
            ]
        },
        known: KNOWN_WITHOUT_PREAUTH,
        ..business_without_preauth()
    }
}

/// The audience of tokens for upload sessions on the server.
const SHAREPOINT: &str = "https://drivedal-my.sharepoint.com";

const KNOWN_PERSONAL: &[KnownDifference] = &[];

const KNOWN_BUSINESS: &[KnownDifference] = &[KnownDifference::always(
    "SharePoint rejects folder names with a leading tilde",
    &["names::names_with_a_leading_tilde_are_supported"],
)];

const RETIRED_URLS: KnownDifference = KnownDifference::always(
    "a tenant without pre-authenticated URLs has none for another program",
    &["presign::a_presigned_read_needs_no_token", "drive::claimed_verbs_are_supported"],
);

const KNOWN_WITHOUT_PREAUTH: &[KnownDifference] = &[KNOWN_BUSINESS[0], RETIRED_URLS];

const KNOWN_WITHOUT_SESSIONS: &[KnownDifference] = &[
    KNOWN_BUSINESS[0],
    RETIRED_URLS,
    KnownDifference::always(
        "the progress of the copy of a folder needs a token of SharePoint",
        &["drive::a_copy_of_a_folder_is_complete_or_unsupported"],
    ),
    KnownDifference::always(
        "upload sessions need a token of SharePoint; the adapter sends the file in one request instead",
        &[
            "drive::a_session_creates_the_file_with_its_last_fragment",
            "drive::a_session_replaces_a_file",
            "drive::a_session_reports_the_offset_that_it_expects",
            "drive::a_fragment_at_a_wrong_offset_changes_nothing",
            "drive::a_session_is_cancelled_once_and_again",
            "drive::a_commit_is_repeatable",
        ],
    ),
];

/// Known differences of an account of unknown kind.
pub const KNOWN: &[KnownDifference] = KNOWN_PERSONAL;

pub const EXPECTATIONS: Expectations =
    indexed(&["a*b", "a:b", "a\\b", "what?", "<a>", "a|b", "dot.", " x", "bell\u{7}"]);

const REQUESTS: Requests = Requests {
    download: "ticket.get",
    steps_stay: true,
    instead: &[],
    most: &[
        // A path is requested directly, whether or not it is cached.
        ("a_cold_stat_three_folders_deep", 1),
        ("a_warm_stat", 1),
        ("a_stat_after_a_listing", 1),
        ("a_stat_of_a_name_missing_in_a_listing", 1),
        ("a_cold_listing_three_folders_deep", 1),
        ("a_warm_listing", 1),
        // Below a folder of a personal drive, one response lists the whole tree, after a request
        // for the folder's id. Other kinds of drives need one listing per folder.
        ("a_tree_of_ten_folders", 2),
        // The metadata contains the download URL.
        ("a_cold_read_three_folders_deep", 2),
        ("a_warm_read", 1),
        ("a_read_after_a_listing", 1),
        ("ten_reads_after_a_listing_of_everything", 10),
        ("ten_ranges_of_a_file", 10),
        ("a_cold_write_three_folders_deep", 1),
        ("a_warm_write", 1),
        ("a_write_checked_by_the_caller", 1),
        ("an_overwrite_after_a_listing", 1),
        ("ten_writes_into_two_new_folders", 10),
        ("a_cold_folder_below_three_existing_ones", 1),
        ("three_new_folders", 1),
        // The creation fails because the name exists. A second request checks that it is a folder.
        ("a_folder_that_is_known_to_exist", 2),
        // The first request checks that the folder is empty: the cloud would delete its contents
        // too.
        ("a_cold_removal_three_folders_deep", 2),
        ("a_removal_after_a_listing", 1),
        ("ten_removals_after_a_listing", 10),
        ("an_empty_folder_removed_after_a_listing", 2),
        ("a_tree_removed", 1),
        ("a_missing_file_removed_after_a_listing", 1),
        ("a_new_name_after_a_listing", 1),
        ("a_move_after_a_listing", 1),
        ("a_move_with_a_new_name_after_a_listing", 1),
        ("a_replacing_move_with_a_new_name_after_a_listing", 1),
        ("a_cold_rename_three_folders_deep", 1),
    ],
};

/// Rows that differ for Business.
const REQUESTS_OF_BUSINESS: Requests =
    Requests { instead: &[("a_tree_of_ten_folders", 10)], ..REQUESTS };

/// Rows that differ in a tenant without pre-authenticated URLs.
const REQUESTS_WITHOUT_PREAUTH: Requests =
    Requests { download: "graph.content.get", ..REQUESTS_OF_BUSINESS };
