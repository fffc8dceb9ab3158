//! Runs the drive, and an operator of it, through the cases of `drivedal-conformance`.

use std::sync::Arc;

use drivedal::drive::Drive;
use drivedal_conformance::{
    KnownDifference, Verdict,
    drive::{DriveBackend, group},
    groups,
};

use crate::{FileDrive, server::FileServer, with_layers};

const KNOWN: &[KnownDifference] = &[
    KnownDifference::always("the protocol has no times", &["stat::a_file_has_a_modification_time"]),
    KnownDifference::always(
        "names are compared exactly",
        &[
            "names::names_that_differ_in_case_are_one_file",
            "names::folders_that_differ_in_case_are_one_folder",
            "names::if_not_exists_sees_a_name_of_another_case",
            "names::a_file_is_removed_whatever_its_case",
        ],
    ),
    KnownDifference::always(
        "ids are paths, and missing parent folders are created",
        &[
            "drive::an_id_survives_a_rename_and_a_move",
            "drive::a_folder_is_not_created_in_a_deleted_folder",
            "drive::an_upload_into_a_deleted_folder_is_not_found",
        ],
    ),
];

/// Returns a backend with a new file server for each case.
fn backend() -> DriveBackend {
    let new_drive = async || {
        let server = FileServer::start().await.expect("a free port");
        let drive: Arc<dyn Drive> = Arc::new(FileDrive::new(server.url()));
        Ok(drive)
    };
    DriveBackend::new("file-drive", new_drive)
        .with_layers(with_layers)
        .with_known_differences(KNOWN.iter().copied())
}

/// Runs every case that the drive's capabilities allow.
///
/// # Panics
/// Panics if a case fails.
pub async fn run() {
    let backend = backend();
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for group in groups().into_iter().chain([group()]) {
        for case in &group.cases {
            match drivedal_conformance::run(&backend, group.name, case).await {
                Verdict::Passed => passed += 1,
                Verdict::Skipped(_) => skipped += 1,
                Verdict::Failed(reason) => {
                    failed.push(format!("{}::{}: {reason}", group.name, case.name));
                }
            }
        }
    }
    println!("{passed} cases passed, {skipped} do not apply");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
