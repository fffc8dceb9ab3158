//! Tests of the adapter with a drive in memory, for cases that are hard to reach from outside.

mod fake;
mod fake_verbs;
mod file;
mod list;
mod read;
mod walk;
mod writer;

use std::{sync::Arc, time::Duration};

use opendal::Operator;

use self::fake::FakeDrive;
use super::{DriveService, ServiceSettings};
use crate::drive::{Error, ErrorKind, Retry};

fn operator(drive: &Arc<FakeDrive>, index_ttl: Duration) -> Operator {
    let settings = ServiceSettings { index_ttl, ..ServiceSettings::new("fake", "") };
    let drive: Arc<dyn crate::drive::Drive> = Arc::clone(drive) as _;
    Operator::from_parts(
        opendal::OperationContext::new(),
        Arc::new(DriveService::new(drive, settings)),
    )
}

fn temporary() -> Error {
    Error::new(ErrorKind::Unexpected, "the line broke").with_retry(Retry::Again { after: None })
}
