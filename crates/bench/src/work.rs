//! The measured works.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A part of the benchmark that is measured separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Work {
    /// Writes the small files.
    PutSmall,
    /// Lists folders.
    List,
    /// Lists the tree of small files.
    ListRecursive,
    /// Requests the metadata of the small files.
    Stat,
    /// Reads the small files.
    GetSmall,
    /// Copies small files.
    Copy,
    /// Renames small files.
    Rename,
    /// Reads, stats, writes and lists.
    Mixed,
    /// Writes the large file.
    PutLarge,
    /// Reads the large file.
    GetLarge,
    /// Reads ranges of the large file.
    ReadRanges,
    /// Deletes the small files.
    Delete,
}

/// The figure that shows how fast a work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Throughput {
    /// Operations per second.
    #[default]
    Operations,
    /// Bytes per second.
    Bytes,
}

impl Work {
    /// All works, in the order in which they are performed.
    pub const ALL: [Self; 12] = [
        Self::PutSmall,
        Self::List,
        Self::ListRecursive,
        Self::Stat,
        Self::GetSmall,
        Self::Copy,
        Self::Rename,
        Self::Mixed,
        Self::PutLarge,
        Self::GetLarge,
        Self::ReadRanges,
        Self::Delete,
    ];

    /// Returns the name for arguments and JSON, such as `put-small`.
    pub fn id(self) -> &'static str {
        match self {
            Self::PutSmall => "put-small",
            Self::List => "list",
            Self::ListRecursive => "list-recursive",
            Self::Stat => "stat",
            Self::GetSmall => "get-small",
            Self::Copy => "copy",
            Self::Rename => "rename",
            Self::Mixed => "mixed",
            Self::PutLarge => "put-large",
            Self::GetLarge => "get-large",
            Self::ReadRanges => "read-ranges",
            Self::Delete => "delete",
        }
    }

    /// Returns the name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::PutSmall => "Upload small files",
            Self::List => "List folders",
            Self::ListRecursive => "List recursively",
            Self::Stat => "Stat",
            Self::GetSmall => "Download small files",
            Self::Copy => "Copy",
            Self::Rename => "Rename",
            Self::Mixed => "Mixed",
            Self::PutLarge => "Upload a large file",
            Self::GetLarge => "Download a large file",
            Self::ReadRanges => "Read ranges",
            Self::Delete => "Delete",
        }
    }

    /// Returns the sentence that describes the work.
    pub fn description(self) -> &'static str {
        match self {
            Self::PutSmall => "Writes each small file with one call, into five folders.",
            Self::List => "Lists single folders of small files, ten times.",
            Self::ListRecursive => "Lists the tree of all small files, three times.",
            Self::Stat => "Requests the metadata of each small file.",
            Self::GetSmall => "Reads each small file with one call and compares its bytes.",
            Self::Copy => "Copies up to 20 small files within the backend.",
            Self::Rename => "Renames up to 20 small files into another folder.",
            Self::Mixed => "40 % reads, 30 % stats, 20 % writes and 10 % listings of small files.",
            Self::PutLarge => "Writes one large file in chunks of 1 MiB.",
            Self::GetLarge => "Reads one large file as a stream and compares its bytes.",
            Self::ReadRanges => "Reads ranges at scattered offsets of the large file.",
            Self::Delete => "Deletes all small files, in batches where the backend has them.",
        }
    }

    /// Returns the figure that shows how fast the work is.
    pub fn throughput(self) -> Throughput {
        match self {
            Self::PutLarge | Self::GetLarge => Throughput::Bytes,
            _ => Throughput::Operations,
        }
    }

    /// Returns whether the work needs the small files.
    pub(crate) fn needs_small(self) -> bool {
        !matches!(self, Self::PutSmall | Self::PutLarge | Self::GetLarge | Self::ReadRanges)
    }

    /// Returns whether the work needs the large file.
    pub(crate) fn needs_large(self) -> bool {
        matches!(self, Self::GetLarge | Self::ReadRanges)
    }
}

impl fmt::Display for Work {
    /// Writes the [`id`](Self::id).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Work {
    type Err = String;

    /// Parses an [`id`](Work::id).
    ///
    /// # Errors
    /// A message for the user if no work has this id.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|work| work.id() == text).ok_or_else(|| {
            let ids = Self::ALL.map(Self::id).join(", ");
            format!("`{text}` is not a work: use {ids}")
        })
    }
}
