//! Tests of the adapter with a drive in memory, for cases that are hard to reach from outside.

mod file;
mod list;
mod names;
mod read;
mod walk;
mod writer;

use std::{sync::Arc, time::Duration};

use opendal::Operator;

use super::{DriveService, ServiceSettings};
use crate::{
    drive::{Error, ErrorKind, SessionLimits},
    testing::{MemoryDrive, Verb, VerbFault, temporary_error},
};

/// Returns an operator without OpenDAL's layers.
fn operator(drive: &MemoryDrive, index_ttl: Duration) -> Operator {
    let settings = ServiceSettings { index_ttl, ..ServiceSettings::new("memory-drive", "") };
    Operator::from_parts(
        opendal::OperationContext::new(),
        Arc::new(DriveService::new(Arc::new(drive.clone()), settings)),
    )
}

/// Returns a drive that is addressed by path. Files of 10 bytes and more are sent in fragments of 4.
fn with_small_sessions() -> MemoryDrive {
    let mut limits = SessionLimits::new(10, 4);
    limits.alignment = 4;
    MemoryDrive::by_path().with_sessions(limits)
}

/// Returns a drive that is addressed by path or by id, and sends each file in one request.
fn without_sessions(paths: bool) -> MemoryDrive {
    if paths { MemoryDrive::by_path().without_sessions() } else { MemoryDrive::by_id() }
}
