//! What a writer's caller can say beforehand.

use jiff::Timestamp;
use opendal::{Metadata, raw::OpWrite};

use crate::drive::{Error, ErrorKind, Result};

pub(super) const SIZE: &str = "drivedal-size";
/// The value of [`SIZE`] in metadata of a file whose size the cloud does not say.
pub(super) const UNKNOWN: &str = "unknown";
const MODIFIED: &str = "drivedal-modified";
/// What `close` answers about a size that the cloud did not tell.
pub(super) const CHECK: &str = "drivedal-check";
pub(super) const DEFERRED: &str = "deferred";
/// The key under which `stat` shows a modification time, taken back as it was shown.
pub(super) const MTIME: &str = "mtime";

/// What is known of a file before it is written, for
/// `user_metadata` of [`writer_with`](opendal::Operator::writer_with) on one of the drives.
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
/// With the size known, a large file leaves while the caller writes; without, it is collected and
/// leaves at `close`. Only for drivedal's services: others would store these words with the file.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Announce {
    size: Option<u64>,
    modified: Option<Timestamp>,
    deferred_check: bool,
}

/// Starts an [`Announce`].
pub fn announce() -> Announce {
    Announce::default()
}

impl Announce {
    /// How many bytes there will be. `close` fails, and nothing is at the path, if there are others.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// When the file was last changed; kept by drives that keep such a time.
    pub fn modified(mut self, time: Timestamp) -> Self {
        self.modified = Some(time);
        self
    }

    /// The caller compares sizes itself, by a listing, where
    /// [`left_to_check`](Self::left_to_check) says so. Without this, a write to a cloud whose
    /// answer tells no size (SkyDrive) ends with one look at what has arrived.
    pub fn deferred_check(mut self) -> Self {
        self.deferred_check = true;
        self
    }

    /// Whether a write that ended left its check to the caller: one with
    /// [`deferred_check`](Self::deferred_check), to a cloud whose answer told no size. `written` is
    /// what `close` answered.
    pub fn left_to_check(written: &Metadata) -> bool {
        written.user_metadata().is_some_and(|kept| kept.get(CHECK) == Some(DEFERRED))
    }

    /// What was announced with a write.
    pub(super) fn of(args: &OpWrite) -> Result<Announced> {
        let mut announced = Announced::default();
        for (key, value) in args.user_metadata().into_iter().flatten() {
            match key {
                SIZE if value == UNKNOWN => {}
                SIZE => {
                    announced.size = Some(value.parse().map_err(|_| not_understood(key, value))?);
                }
                MODIFIED | MTIME => {
                    announced.modified =
                        Some(value.parse().map_err(|_| not_understood(key, value))?);
                }
                CHECK if value == DEFERRED => announced.deferred_check = true,
                _ => return Err(not_understood(key, value)),
            }
        }
        Ok(announced)
    }
}

/// An [`Announce`] that has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Announced {
    pub(super) size: Option<u64>,
    pub(super) modified: Option<Timestamp>,
    pub(super) deferred_check: bool,
}

fn not_understood(key: &str, value: &str) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("user metadata {key}={value}: a drive keeps none but what announce() says"),
    )
}

impl IntoIterator for Announce {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<Self::Item>;

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
