//! Versions of files: whether a file is still the one that was listed or sent.

use jiff::Timestamp;

use crate::entry::TreeEntry;

/// The properties that distinguish versions of a file. Each is `None` if it is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileVersion {
    /// The length in bytes.
    pub(crate) size: Option<u64>,
    /// The modification time.
    pub(crate) modified: Option<Timestamp>,
    /// The entity tag.
    pub(crate) etag: Option<String>,
}

impl FileVersion {
    /// Returns the version that a listing or another request returned.
    pub(crate) fn from_entry(entry: &TreeEntry) -> Self {
        Self { size: entry.size, modified: entry.modified, etag: entry.etag.clone() }
    }

    /// Returns a property in which a later state of the file differs. `None` if it is the same
    /// version as far as both are known.
    pub(crate) fn difference(&self, now: &TreeEntry) -> Option<&'static str> {
        fn differ<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
            matches!((one, other), (Some(one), Some(other)) if one != other)
        }
        if !now.is_file() {
            return Some("type");
        }
        if differ(&self.size, &now.size) {
            return Some("size");
        }
        match (&self.etag, &now.etag) {
            (Some(one), Some(other)) => (one != other).then_some("entity tag"),
            _ => match (self.modified, now.modified) {
                (Some(one), Some(other)) => (!is_same_time(one, other)).then_some("time"),
                _ => None,
            },
        }
    }
}

/// Returns whether two responses of a service may show the same time. S3, for example, lists
/// milliseconds, and responds to a request for one object with whole seconds.
fn is_same_time(one: Timestamp, other: Timestamp) -> bool {
    let is_whole = |time: Timestamp| time.subsec_nanosecond() == 0;
    match is_whole(one) || is_whole(other) {
        true => one.as_second() == other.as_second(),
        false => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryType;

    fn file(size: u64, time: f64, etag: Option<&str>) -> TreeEntry {
        let modified = Timestamp::from_nanosecond((time * 1e9) as i128).expect("a time");
        TreeEntry {
            size: Some(size),
            modified: Some(modified),
            etag: etag.map(str::to_owned),
            ..TreeEntry::new("a", EntryType::File)
        }
    }

    #[test]
    fn another_version_differs_in_a_known_property() {
        for (was, now, expected) in [
            (file(1, 5.0, None), file(1, 5.0, None), None),
            (file(1, 5.0, None), file(2, 5.0, None), Some("size")),
            (file(1, 5.0, None), file(1, 6.0, None), Some("time")),
            (file(1, 5.25, None), file(1, 5.5, None), Some("time")),
            (file(1, 5.25, None), file(1, 5.0, None), None),
            (file(1, 5.0, Some("x")), file(1, 5.0, Some("y")), Some("entity tag")),
            (file(1, 5.0, Some("x")), file(1, 6.0, Some("x")), None),
            (file(1, 5.0, Some("x")), file(1, 6.0, None), Some("time")),
            (file(1, 5.0, None), TreeEntry::new("a", EntryType::Folder), Some("type")),
        ] {
            assert_eq!(FileVersion::from_entry(&was).difference(&now), expected, "{was:?} {now:?}");
        }
    }
}
