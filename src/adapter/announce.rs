//! Facts that a caller announces before it writes a file: size, modification time, and whether the
//! caller checks the result. OpenDAL has no arguments for them, so they travel as user metadata.

use jiff::Timestamp;
use opendal::{Metadata, raw::OpWrite};

use crate::drive::{Error, ErrorKind, Result};

/// The key of the announced size in bytes.
pub(super) const SIZE: &str = "drivedal-size";
/// The value of [`SIZE`] in the metadata of a file whose size the cloud does not report.
pub(super) const UNKNOWN: &str = "unknown";
/// The key of the announced modification time, in RFC 3339.
const MODIFIED: &str = "drivedal-modified";
/// The key that defers the size check to the caller. A write announces it, and the metadata that
/// `close` returns has it if the check was in fact deferred.
pub(super) const CHECK: &str = "drivedal-check";
/// The value of [`CHECK`].
pub(super) const DEFERRED: &str = "deferred";
/// The key under which `stat` returns a modification time. A write accepts it too, so that the
/// metadata of one file can be passed on to another.
pub(super) const MTIME: &str = "mtime";

/// The facts that are known about a file before it is written. Pass it as `user_metadata` to
/// [`writer_with`](opendal::Operator::writer_with) of a drive's operator.
///
/// ```
/// # async fn example(op: opendal::Operator, bytes: Vec<u8>) -> opendal::Result<()> {
/// let mut writer = op
///     .writer_with("reports/2014.bin")
///     .user_metadata(drivedal::announce().size(bytes.len() as u64))
///     .await?;
/// writer.write(bytes).await?;
/// writer.close().await?;
/// # Ok(())
/// # }
/// ```
///
/// If the size is announced, a large file is sent while the caller writes. Otherwise all its bytes
/// are collected first and sent at `close`. Use it with drivedal's services only: others would store
/// these entries with the file.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Announce {
    size: Option<u64>,
    modified: Option<Timestamp>,
    deferred_check: bool,
}

/// Returns an empty [`Announce`].
pub fn announce() -> Announce {
    Announce::default()
}

impl Announce {
    /// Announces the size of the file in bytes. If another number of bytes is written, `close` fails
    /// and writes nothing at the path.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Announces when the file was last modified. Drives that cannot store this time ignore it.
    pub fn modified(mut self, time: Timestamp) -> Self {
        self.modified = Some(time);
        self
    }

    /// Announces that the caller compares sizes itself, by a listing, if
    /// [`left_to_check`](Self::left_to_check) returns true. Without this, a write sends one more
    /// request for the size if the cloud's response contains none (SkyDrive).
    pub fn deferred_check(mut self) -> Self {
        self.deferred_check = true;
        self
    }

    /// Returns whether the caller has to check the size of a written file: the write announced
    /// [`deferred_check`](Self::deferred_check), and the cloud's response contained no size.
    /// `written` is the metadata that `close` returned.
    pub fn left_to_check(written: &Metadata) -> bool {
        written.user_metadata().is_some_and(|entries| entries.get(CHECK) == Some(DEFERRED))
    }
}

/// The parsed facts of an [`Announce`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Announced {
    /// The size of the file in bytes; `None` if it is not known yet.
    pub(super) size: Option<u64>,
    /// The modification time to store.
    pub(super) modified: Option<Timestamp>,
    /// The caller checks the size if the cloud's response contains none.
    pub(super) deferred_check: bool,
}

impl Announced {
    /// Parses the user metadata of a write.
    ///
    /// # Errors
    /// `InvalidInput` for any entry that is not one of an [`Announce`]: drives store no user
    /// metadata.
    pub(super) fn parse(args: &OpWrite) -> Result<Self> {
        let mut announced = Self::default();
        for (key, value) in args.user_metadata().into_iter().flatten() {
            match key {
                SIZE if value == UNKNOWN => {}
                SIZE => {
                    announced.size = Some(value.parse().map_err(|_| unknown_entry(key, value))?);
                }
                MODIFIED | MTIME => {
                    announced.modified =
                        Some(value.parse().map_err(|_| unknown_entry(key, value))?);
                }
                CHECK if value == DEFERRED => announced.deferred_check = true,
                _ => return Err(unknown_entry(key, value)),
            }
        }
        Ok(announced)
    }
}

/// Returns the `InvalidInput` error for an entry of user metadata that no [`Announce`] contains.
fn unknown_entry(key: &str, value: &str) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!(
            "cannot store the user metadata {key}={value}: \
             a drive accepts only the entries of drivedal::announce()"
        ),
    )
}

impl IntoIterator for Announce {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    /// Returns the announced facts as pairs of key and value: the user metadata of a write.
    fn into_iter(self) -> Self::IntoIter {
        [
            self.size.map(|size| (SIZE.to_owned(), size.to_string())),
            self.modified.map(|time| (MODIFIED.to_owned(), time.to_string())),
            self.deferred_check.then(|| (CHECK.to_owned(), DEFERRED.to_owned())),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .into_iter()
    }
}
