//! OpenDAL's capabilities as requirements of cases.
#![allow(non_upper_case_globals, reason = "named as OpenDAL names them")]

use crate::Requirement;

macro_rules! capabilities {
    ($($flag:ident)+) => {
        $(
            #[doc = concat!("The capability `", stringify!($flag), "`.")]
            pub const $flag: Requirement = Requirement {
                name: stringify!($flag),
                is_met: |test| test.op.info().capability().$flag,
            };
        )+

        /// Every capability beyond the five operations that all cases need.
        pub(crate) const CAPABILITIES: &[Requirement] = &[$($flag),+];
    };
}

capabilities! {
    stat_with_if_match stat_with_if_none_match stat_with_if_version_match
    stat_with_if_version_not_match stat_with_if_modified_since stat_with_if_unmodified_since
    stat_with_override_cache_control stat_with_override_content_disposition
    stat_with_override_content_type stat_with_version
    read_with_if_match read_with_if_none_match read_with_if_version_match
    read_with_if_version_not_match read_with_if_modified_since read_with_if_unmodified_since
    read_with_override_cache_control read_with_override_content_disposition
    read_with_override_content_type read_with_version read_with_suffix
    write_can_multi write_can_empty write_can_append write_can_copy_from
    write_with_content_type write_with_content_disposition write_with_content_encoding
    write_with_cache_control write_with_if_match write_with_if_none_match
    write_with_if_version_match write_with_if_version_not_match write_with_if_not_exists
    write_with_user_metadata
    create_dir
    delete_with_version delete_with_recursive delete_with_if_match delete_with_if_none_match
    delete_with_if_version_match delete_with_if_version_not_match
    copy copy_with_if_not_exists copy_with_if_match copy_with_if_none_match
    copy_with_if_version_match copy_with_if_version_not_match copy_with_source_version
    copy_can_multi
    compose restore restore_with_version restore_with_if_not_exists
    rename rename_with_if_not_exists
    list_with_limit list_with_start_after list_with_recursive list_with_versions
    list_with_deleted
    presign presign_read presign_stat presign_write presign_delete
    shared
}

macro_rules! absent_capabilities {
    ($($name:ident: $flag:ident;)+) => {
        $(
            #[doc = concat!("The service does not have the capability `", stringify!($flag), "`.")]
            pub const $name: Requirement = Requirement {
                name: concat!("no ", stringify!($flag)),
                is_met: |test| !test.op.info().capability().$flag,
            };
        )+
    };
}

absent_capabilities! {
    no_copy: copy;
    no_copy_with_if_not_exists: copy_with_if_not_exists;
    no_delete_with_if_match: delete_with_if_match;
    no_delete_with_if_none_match: delete_with_if_none_match;
    no_delete_with_version: delete_with_version;
    no_presign_read: presign_read;
    no_presign_stat: presign_stat;
    no_presign_write: presign_write;
    no_read_with_if_match: read_with_if_match;
    no_read_with_if_modified_since: read_with_if_modified_since;
    no_read_with_if_none_match: read_with_if_none_match;
    no_read_with_if_unmodified_since: read_with_if_unmodified_since;
    no_read_with_version: read_with_version;
    no_rename: rename;
    no_rename_with_if_not_exists: rename_with_if_not_exists;
    no_restore: restore;
    no_stat_with_if_match: stat_with_if_match;
    no_stat_with_if_modified_since: stat_with_if_modified_since;
    no_stat_with_if_none_match: stat_with_if_none_match;
    no_stat_with_if_unmodified_since: stat_with_if_unmodified_since;
    no_stat_with_version: stat_with_version;
    no_write_can_append: write_can_append;
    no_write_with_if_match: write_with_if_match;
    no_write_with_if_none_match: write_with_if_none_match;
    no_write_with_if_not_exists: write_with_if_not_exists;
}
