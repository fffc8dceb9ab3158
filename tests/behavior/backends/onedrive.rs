//! OneDrive: asked by path, personal and Business.

use drivedal::server::AccountKind;

use super::{
    Known, Promises,
    served::{Requests, Served},
};

pub fn personal() -> Served {
    Served {
        name: "onedrive-personal",
        scheme: "onedrive",
        kind: AccountKind::Personal,
        options: |server, token| {
            vec![
                ("endpoint", format!("{server}v1.0")),
                ("access_token", token.to_owned()),
                ("account_kind", "personal".to_owned()),
            ]
        },
        known: KNOWN_PERSONAL,
        promises: PROMISES,
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
            ]
        },
        known: KNOWN_BUSINESS,
        ..personal()
    }
}

const INVALID: Known = Known::always(
    "calls a path that leads through a file an invalid request",
    &[
        "write::a_file_in_the_way_is_told",
        "create_dir::a_file_in_the_way_is_told",
        "rename::what_is_in_the_way_is_told",
    ],
);

const KNOWN_PERSONAL: &[Known] = &[INVALID];

const KNOWN_BUSINESS: &[Known] = &[
    INVALID,
    Known::always(
        "a folder's name cannot begin with a tilde in SharePoint",
        &["names::names_that_begin_with_a_tilde_are_taken"],
    ),
];

/// Of an account whose kind nobody told.
pub const KNOWN: &[Known] = KNOWN_PERSONAL;

pub const PROMISES: Promises = Promises {
    keeps_times: true,
    refuses: &["a*b", "a:b", "a\\b", "what?", "<a>", "a|b", "dot.", " x", "bell\u{7}"],
    ..Promises::INDEXED
};

const REQUESTS: Requests = Requests { download: "ticket.get", steps_stay: true, most: &[] };
