//! Every option of every operation, for all three services: one that the service does not support is
//! `Unsupported`, and no request is sent.
//!
//! The operators have none of OpenDAL's layers, which would check many options themselves. They have an
//! endpoint that refuses connections, so a request that is sent is another error.

use std::{sync::Arc, time::Duration};

use drivedal::{
    adapter::DriveService,
    services::{amazon_drive::AmazonDrive, onedrive::OneDrive, skydrive::SkyDrive},
};
use opendal::{
    Capability, ErrorKind, OperationContext, Operator, Result,
    options::{
        CopyOptions, DeleteOptions, ListOptions, ReadOptions, RenameOptions, RestoreOptions,
        StatOptions, WriteOptions,
    },
    raw::Timestamp,
};

/// A port that no program listens on.
const NOWHERE: &str = "http://127.0.0.1:1/v1.0";

/// Returns the operators of all services, by name.
fn operators() -> [(&'static str, Operator); 3] {
    let operator =
        |service: DriveService| Operator::from_parts(OperationContext::new(), Arc::new(service));
    drivedal::register();
    let onedrive = OneDrive::default().endpoint(NOWHERE).access_token("t");
    let skydrive = SkyDrive::default().endpoint(NOWHERE).access_token("t");
    let amazon = AmazonDrive::default().endpoint(NOWHERE).access_token("t");
    [
        ("onedrive", operator(onedrive.build_with_handle().expect("a service").0)),
        ("skydrive", operator(skydrive.build_with_handle().expect("a service").0)),
        ("amazon-drive", operator(amazon.build_with_handle().expect("a service").0)),
    ]
}

/// Checks the result of an operation with one option: it is `Unsupported` exactly if the service does
/// not support the option.
#[track_caller]
fn check<T>(service: &str, option: &str, is_supported: bool, result: Result<T>) {
    let error = match result {
        Ok(_) => panic!("{service}, {option}: the operation succeeds without a server"),
        Err(error) => error,
    };
    let is_unsupported = error.kind() == ErrorKind::Unsupported;
    assert_eq!(is_supported, !is_unsupported, "{service}, {option}: {error}");
    if is_unsupported {
        let name = option.split_once(' ').map_or(option, |(_, name)| name);
        let text = error.to_string();
        assert!(text.contains(name), "the error of {service} does not name {name}: {text}");
    }
}

/// Calls an operation once for each option.
macro_rules! each_option {
    (
        $service:ident, $operation:literal, $capability:ident, $options:ident, $call:expr;
        $($option:ident: $value:expr => $flag:ident),+ $(,)?
    ) => {
        $({
            let mut options = $options::default();
            options.$option = $value;
            let name = concat!($operation, " ", stringify!($option));
            check($service, name, $capability.$flag, $call(options).await);
        })+
    };
}

fn text() -> Option<String> {
    Some("x".to_owned())
}

fn time() -> Option<Timestamp> {
    Some("2014-03-02T01:00:00Z".parse().expect("a time"))
}

#[tokio::test]
async fn stat_and_read_reject_each_unsupported_option() {
    for (service, op) in operators() {
        let has: Capability = op.info().capability();
        let stat = async |options| op.stat_options("f", options).await;
        each_option! {
            service, "stat", has, StatOptions, stat;
            version: text() => stat_with_version,
            if_match: text() => stat_with_if_match,
            if_none_match: text() => stat_with_if_none_match,
            if_version_match: text() => stat_with_if_version_match,
            if_version_not_match: text() => stat_with_if_version_not_match,
            if_modified_since: time() => stat_with_if_modified_since,
            if_unmodified_since: time() => stat_with_if_unmodified_since,
            override_content_type: text() => stat_with_override_content_type,
            override_cache_control: text() => stat_with_override_cache_control,
            override_content_disposition: text() => stat_with_override_content_disposition,
        }
        let read = async |options| op.read_options("f", options).await;
        each_option! {
            service, "read", has, ReadOptions, read;
            version: text() => read_with_version,
            if_match: text() => read_with_if_match,
            if_none_match: text() => read_with_if_none_match,
            if_version_match: text() => read_with_if_version_match,
            if_version_not_match: text() => read_with_if_version_not_match,
            if_modified_since: time() => read_with_if_modified_since,
            if_unmodified_since: time() => read_with_if_unmodified_since,
            override_content_type: text() => read_with_override_content_type,
            override_cache_control: text() => read_with_override_cache_control,
            override_content_disposition: text() => read_with_override_content_disposition,
        }
    }
}

#[tokio::test]
async fn write_rejects_each_unsupported_option() {
    for (service, op) in operators() {
        let has: Capability = op.info().capability();
        let write = async |options| op.write_options("f", "bytes", options).await;
        each_option! {
            service, "write", has, WriteOptions, write;
            append: true => write_can_append,
            content_type: text() => write_with_content_type,
            content_disposition: text() => write_with_content_disposition,
            content_encoding: text() => write_with_content_encoding,
            cache_control: text() => write_with_cache_control,
            if_match: text() => write_with_if_match,
            if_none_match: text() => write_with_if_none_match,
            if_version_match: text() => write_with_if_version_match,
            if_version_not_match: text() => write_with_if_version_not_match,
            if_not_exists: true => write_with_if_not_exists,
        }
        let user_metadata = Some([("place".to_owned(), "Bergen".to_owned())].into());
        let options = WriteOptions { user_metadata, ..WriteOptions::default() };
        check(service, "write place", has.write_with_user_metadata, write(options).await);
    }
}

#[tokio::test]
async fn list_and_delete_reject_each_unsupported_option() {
    for (service, op) in operators() {
        let has: Capability = op.info().capability();
        let list = async |options| op.list_options("d/", options).await;
        each_option! {
            service, "list", has, ListOptions, list;
            limit: Some(1) => list_with_limit,
            start_after: text() => list_with_start_after,
            recursive: true => list_with_recursive,
            versions: true => list_with_versions,
            deleted: true => list_with_deleted,
        }
        let delete = async |options| op.delete_options("f", options).await;
        each_option! {
            service, "delete", has, DeleteOptions, delete;
            version: text() => delete_with_version,
            recursive: true => delete_with_recursive,
            if_match: text() => delete_with_if_match,
            if_none_match: text() => delete_with_if_none_match,
            if_version_match: text() => delete_with_if_version_match,
            if_version_not_match: text() => delete_with_if_version_not_match,
        }
    }
}

#[tokio::test]
async fn copy_rename_and_restore_reject_each_unsupported_option() {
    for (service, op) in operators() {
        let has: Capability = op.info().capability();
        let copy = async |options| op.copy_options("f", "g", options).await;
        if has.copy {
            each_option! {
                service, "copy", has, CopyOptions, copy;
                if_not_exists: true => copy_with_if_not_exists,
                if_match: text() => copy_with_if_match,
                if_none_match: text() => copy_with_if_none_match,
                if_version_match: text() => copy_with_if_version_match,
                if_version_not_match: text() => copy_with_if_version_not_match,
                source_version: text() => copy_with_source_version,
            }
        } else {
            check(service, "copy", false, copy(CopyOptions::default()).await);
        }
        let rename = async |options| op.rename_options("f", "g", options).await;
        each_option! {
            service, "rename", has, RenameOptions, rename;
            if_not_exists: true => rename_with_if_not_exists,
        }
        for options in [
            RestoreOptions::default(),
            RestoreOptions { version: text(), ..RestoreOptions::default() },
            RestoreOptions { version: text(), if_not_exists: true },
        ] {
            check(service, "restore", has.restore, op.restore_options("f", options).await);
        }
    }
}

#[tokio::test]
async fn only_reads_of_the_clouds_validity_are_presigned() {
    let minute = Duration::from_secs(60);
    for (service, op) in operators() {
        let has: Capability = op.info().capability();
        check(service, "presign", has.presign_read, op.presign_read("f", minute).await);
        check(service, "presign", has.presign_stat, op.presign_stat("f", minute).await);
        check(service, "presign", has.presign_write, op.presign_write("f", minute).await);
        check(service, "presign", has.presign_delete, op.presign_delete("f", minute).await);
        check(service, "presign", false, op.presign_read("f", 100 * minute).await);
        let conditional = op.presign_read_with("f", minute).if_match("x").await;
        check(service, "presign", false, conditional);
    }
}
