//! Amazon Cloud Drive: walked by id, asked for one name at a time.

use drivedal::server::AccountKind;

use super::{
    Known, Promises,
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
        promises: PROMISES,
        requests: &REQUESTS,
    }
}

pub const KNOWN: &[Known] = &[
    Known {
        because: "what is in the trash can still be read by its id, as long as the index knows it",
        sometimes: true,
        cases: &[
            "others::a_removed_file_is_gone",
            "others::a_file_made_again_is_read_at_once",
            "others::a_folder_made_again_is_listed_at_once",
        ],
    },
    Known::always(
        "what a rename replaces is put into the trash first, and told to be there",
        &["faults::a_replacing_move_survives_every_failure"],
    ),
];

pub const PROMISES: Promises = Promises { ..Promises::INDEXED };

const REQUESTS: Requests =
    Requests { download: "amazon.content.get", steps_stay: false, most: &[] };
