//! Runs the drive through the behaviour cases of `drivedal-conformance`.

use drivedal_conformance::{Backend, CaseResult, KnownDifference, TestContext, Verdict, groups};
use futures::future::BoxFuture;

use crate::{operator, server::FileServer};

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
];

/// A backend with a new file server for each case.
struct FileBackend;

impl Backend for FileBackend {
    fn name(&self) -> &str {
        "file-drive"
    }

    fn known_differences(&self) -> &[KnownDifference] {
        KNOWN
    }

    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        Box::pin(async {
            let server = FileServer::start().await.expect("a free port");
            TestContext::new(move |options| {
                let root = options.iter().find(|(name, _)| *name == "root");
                operator(server.url(), root.map_or("/", |(_, root)| root))
            })
        })
    }
}

/// Runs every case that the drive's capabilities allow.
///
/// # Panics
/// Panics if a case fails.
pub async fn run() {
    let (mut passed, mut skipped, mut failed) = (0, 0, Vec::new());
    for group in groups() {
        for case in &group.cases {
            match drivedal_conformance::run(&FileBackend, group.name, case).await {
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
