//! Paths as keys of the cache: a common form for all spellings, and relations between paths.

use std::borrow::Cow;

/// Returns whether the cache may use a path as a key: none of its names is `.` or `..`. A path with
/// such a name may denote the same item as another path.
pub(super) fn is_plain(path: &str) -> bool {
    path.split('/').all(|name| name != "." && name != "..")
}

/// Returns the folded form of a path, without slashes at its ends. If any service treats two paths
/// as the same item, their folded forms are equal.
pub(super) fn fold(path: &str) -> Cow<'_, str> {
    let path = path.trim_matches('/');
    if path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(path.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect())
}

/// Returns the parent folder of a [folded](fold) path, without a slash at its end; the empty path
/// for an item in the root. `None` for the root.
pub(super) fn parent(folded: &str) -> Option<&str> {
    match folded.rsplit_once('/') {
        Some((parent, _)) => Some(parent),
        None if folded.is_empty() => None,
        None => Some(""),
    }
}

/// Returns whether a path is the folder or an item below it. Both must be [folded](fold); the empty
/// folder is the root.
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
