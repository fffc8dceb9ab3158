//! Drives in memory: they test the adapter without a protocol.
//!
//! There are two, for the two kinds of clouds, and a variant of the second. One is addressed by id, responds to uploads without
//! a size and has no upload sessions. The other is addressed by path and has upload sessions,
//! etags, conditions, times, recursive listings in pages, batch deletion, and copies.

use std::sync::Arc;

use drivedal::{
    adapter::{DriveHandle, DriveService, ServiceSettings},
    testing::MemoryDrive,
};
use drivedal_conformance::{
    Backend, CaseResult, KnownDifference, Requirement, TestContext, drive::DriveAccess,
};
use futures::{FutureExt, future::BoxFuture};

use super::{Announcements, SIZE_UNTOLD, index_age, indexed};
use crate::secrets;

/// Requirement: the faults of the drive can be planned.
#[allow(non_upper_case_globals, reason = "named as OpenDAL's capabilities are")]
pub const planned_faults: Requirement = Requirement {
    name: "planned faults",
    is_met: |test| test.extension::<MemoryDrive>().is_some(),
};

/// The number of items in a page. It is small, so that listings have several pages.
const PAGE: usize = 7;

/// Backend with a separate drive for each case. The case reads it as an extension.
pub struct MemoryDriveBackend {
    name: &'static str,
    new: fn() -> MemoryDrive,
    known: &'static [KnownDifference],
    keeps_times: bool,
}

/// Returns the backend of a drive that is addressed by id.
pub fn by_id() -> MemoryDriveBackend {
    MemoryDriveBackend {
        name: "memory-drive-by-id",
        new: || MemoryDrive::by_id().with_minimal_upload_response(),
        known: &[SIZE_UNTOLD],
        keeps_times: false,
    }
}

/// Returns the backend of a drive that is addressed by path.
pub fn by_path() -> MemoryDriveBackend {
    MemoryDriveBackend {
        name: "memory-drive-by-path",
        new: MemoryDrive::by_path,
        known: &[],
        keeps_times: true,
    }
}

/// Returns the backend of a drive that is addressed by path, needs a download URL for each download
/// and a commit for each upload session.
pub fn with_commits() -> MemoryDriveBackend {
    MemoryDriveBackend {
        name: "memory-drive-with-commits",
        new: || MemoryDrive::by_path().with_download_urls().with_explicit_commit(),
        known: &[],
        keeps_times: true,
    }
}

impl Backend for MemoryDriveBackend {
    fn name(&self) -> &str {
        self.name
    }

    fn known_differences(&self) -> &[KnownDifference] {
        self.known
    }

    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        async move {
            secrets::register(MemoryDrive::SECRET);
            let drive = (self.new)().with_page_size(PAGE);
            let opened = drive.clone();
            let context = TestContext::new(move |options| {
                let mut settings = ServiceSettings::new("memory-drive", "");
                if let Some(age) = index_age(options) {
                    settings.index_ttl = age;
                }
                DriveService::new(Arc::new(opened.clone()), settings).into_operator()
            })?;
            let access =
                DriveAccess::new(Arc::new(drive.clone()), DriveHandle::context(&context.op));
            Ok(context
                .with_extension(access)
                .with_expectations(indexed(&["a*b", "a:b", "dot."]))
                .with_extension(Announcements { keeps_times: self.keeps_times })
                .with_extension(drive))
        }
        .boxed()
    }
}
