//! One file from a remote to here.

use std::{fmt, path::Path};

use bytes::Bytes;
use futures::TryStreamExt;

use super::{
    PIECE,
    checksum::{Expected, Taken},
    download::{Download, File},
    journal::name_of,
    local::blocking,
    partial::{Begun, Origin, Sink, Version},
};
use crate::{
    app::Located,
    failure::{Exit, Failure, Result},
    units::Human,
};

/// From this size on what has come of a file is kept when the command is stopped, in bytes.
pub(super) const LARGE: u64 = 8 << 20;

/// Fetches a file, and returns its length in bytes. It takes its place when it is whole, and its
/// size and hash are those that the remote lists. When this fails there is none of it, but of a large one what a later run goes on
/// with.
///
/// # Errors
/// When it cannot be read or written, when it has another size or hash, when the command is
/// stopped.
pub(super) async fn fetch(file: &File, download: &Download) -> Result<u64> {
    let from = &file.from;
    let expected = expected(file);
    let (mut sink, begun) = open(file, expected.as_ref(), download).await?;
    let part = |len| Part { len, of: file.size() };
    match begun {
        Begun::Anew => {}
        Begun::Continued => tell(download, from, format_args!("goes on at {}", part(sink.len()))),
        Begun::Adopted => {
            let at = part(sink.len());
            tell(download, from, format_args!("goes on where acd_cli was stopped, at {at}"));
        }
        Begun::Changed => {
            tell(download, from, "has changed since it was begun to be fetched: begins anew");
        }
    }
    download.ledger.tally.moved(sink.len());
    loop {
        let poured;
        (sink, poured) = pour(file, sink, download).await?;
        let judged = match poured {
            Ok(()) => judge(file, &mut sink, expected.as_ref(), download).await,
            Err(failure) => Err(failure),
        };
        match judged {
            Ok(None) => {
                let (modified, len) = (file.modified(), sink.len());
                return blocking(move || sink.finish(modified)).await.map(|()| len);
            }
            Ok(Some(why)) if sink.is_continued() => {
                tell(download, from, format_args!("{why}: begins anew"));
                let expected = expected.clone();
                sink = blocking(move || sink.restart(expected.as_ref()).map(|()| sink)).await?;
            }
            Ok(Some(why)) => {
                blocking(move || {
                    sink.discard();
                    Ok(())
                })
                .await?;
                return Err(Failure::new(Exit::TryLater, why).about(from));
            }
            Err(failure) => {
                let is_gone = failure.exit == Exit::NotFound;
                let left = blocking(move || {
                    Ok(match is_gone {
                        true => {
                            sink.discard();
                            None
                        }
                        false => sink.leave(),
                    })
                });
                if let Some(left) = left.await? {
                    let left = part(left);
                    let text = format_args!("{left} are here; the same command goes on from there");
                    tell(download, from, text);
                }
                return Err(failure);
            }
        }
    }
}

fn tell(download: &Download, from: &Located, text: impl fmt::Display) {
    download.ledger.tell(format_args!("drivedal: {from}: {text}"));
}

/// A number of bytes, and of how many if that is known.
pub(super) struct Part {
    pub(super) len: u64,
    pub(super) of: Option<u64>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Some(of) => write!(f, "{} of {}", Human(self.len), Human(of)),
            None => write!(f, "{}", Human(self.len)),
        }
    }
}

/// The file's hash, as far as the listing or the look that found it told one.
fn expected(file: &File) -> Option<Expected> {
    let of_metadata = || Expected::of_metadata(&file.metadata);
    file.item.as_ref().and_then(Expected::of_item).or_else(of_metadata)
}

/// Where its bytes go.
async fn open(
    file: &File,
    expected: Option<&Expected>,
    download: &Download,
) -> Result<(Sink, Begun)> {
    let (target, expected) = (file.to.clone(), expected.cloned());
    let large = file.size().is_some_and(|size| size >= LARGE);
    let version =
        file.size().and_then(|size| Version::of(size, &file.metadata, file.item.as_ref()));
    let version = version.filter(|_| large);
    let (Some(version), Some(journal)) = (version, download.journal.clone()) else {
        let open = move || Sink::temporary(target, expected.as_ref());
        return blocking(open).await.map(|sink| (sink, Begun::Anew));
    };
    let (from, interrupt) = (file.from.clone(), download.interrupt.clone());
    let origin = origin(&from);
    blocking(move || {
        let here = std::path::absolute(&target).map_err(|error| Failure::local(&target, &error))?;
        let expected = expected.as_ref();
        match journal.claim(key("get", &from, &[], &here).iter().map(Vec::as_slice)) {
            Some(claim) => {
                let acd_cli = from.operator().info().scheme() == "amazon-drive";
                Sink::kept(target, claim, version, origin, expected, acd_cli, &interrupt)
            }
            None => Sink::temporary(target, expected).map(|sink| (sink, Begun::Anew)),
        }
    })
    .await
}

/// Where a file is fetched from, as the journal remembers it.
pub(super) fn origin(from: &Located) -> Origin {
    let info = from.operator().info();
    let remote = &from.remote;
    let parts = [info.scheme(), &remote.reached_at, remote.shown_name(), &info.root()];
    Origin {
        remote: name_of(parts.into_iter().map(str::as_bytes)),
        path: from.path.as_str().to_owned(),
    }
}

/// What tells a transfer from all others: the remote, what it is reached at, the path in it and the
/// one here. `account`: whose drive it is, where that must be certain.
pub(super) fn key(verb: &str, at: &Located, account: &[u8], here: &Path) -> Vec<Vec<u8>> {
    let info = at.operator().info();
    let remote = &at.remote;
    let name = if account.is_empty() { remote.shown_name() } else { "" };
    let parts = [verb, info.scheme(), &remote.reached_at, name, &info.root(), at.path.as_str()];
    let parts = parts.into_iter().map(|part| part.as_bytes().to_vec());
    parts.chain([account.to_vec(), here.as_os_str().as_encoded_bytes().to_vec()]).collect()
}

/// Has all that is missing flow into the file. Stops only between two pieces: a write that is under
/// way holds the file.
///
/// # Errors
/// Outside: the file is lost. Inside: it is as far as it came.
async fn pour(file: &File, mut sink: Sink, download: &Download) -> Result<(Sink, Result)> {
    let (from, interrupt) = (&file.from, &download.interrupt);
    let failed = |error| Failure::from(error).about(from);
    let size = file.size();
    let at = sink.len();
    if at > 0 && Some(at) == size {
        return Ok((sink, Ok(())));
    }
    let opening = async {
        let path = from.file()?;
        let mut reader = from.operator().reader_with(&path);
        if let Some(size) = size {
            reader = reader.content_length_hint(size);
        }
        let reader = reader.await.map_err(failed)?;
        let stream = match at {
            0 => reader.into_stream(..).await,
            at => reader.into_stream(at..).await,
        };
        stream.map_err(failed)
    };
    let mut bytes = match interrupt.or(opening).await {
        Ok(bytes) => bytes,
        Err(failure) => return Ok((sink, Err(failure))),
    };
    let (mut waiting, mut waits) = (Vec::<Bytes>::new(), 0);
    loop {
        let next = interrupt.or(async { bytes.try_next().await.map_err(failed) }).await;
        let ended = !matches!(next, Ok(Some(_)));
        let failure = match next {
            Ok(Some(piece)) => {
                waits += piece.len();
                download.ledger.tally.moved(piece.len() as u64);
                Extend::extend(&mut waiting, piece);
                None
            }
            Ok(None) => None,
            Err(failure) => Some(failure),
        };
        // What has come before a failure is worth keeping too.
        if waits >= PIECE || (ended && waits > 0) {
            let pieces = std::mem::take(&mut waiting);
            waits = 0;
            let written;
            (sink, written) = blocking(move || {
                let written = sink.write(pieces);
                Ok((sink, written))
            })
            .await?;
            if written.is_err() {
                return Ok((sink, written));
            }
        }
        if ended {
            return Ok((sink, failure.map_or(Ok(()), Err)));
        }
    }
}

/// What is wrong with a file that has come to its end; `None`: nothing, or nothing that the user or
/// the cloud's known habits do not excuse.
///
/// # Errors
/// When the remote has to be asked, and does not answer.
async fn judge(
    file: &File,
    sink: &mut Sink,
    expected: Option<&Expected>,
    download: &Download,
) -> Result<Option<String>> {
    let (came, taken) = (sink.len(), sink.taken());
    let ignored = download.ignored;
    let found = Found { len: came, hash: taken.as_ref() };
    let problem = found.problem(file.size(), expected, ignored);
    let Some(problem) = problem else { return Ok(None) };
    // The listing may be older than the bytes.
    let now = item_now(&file.from, download).await?;
    if let Some(now) = &now {
        let hash = Expected::of_item(now);
        // A hash that is gone does not excuse one that differed.
        let is_checked = expected.is_none() || ignored.checksum || hash.is_some();
        if is_checked && found.problem(now.size, hash.as_ref(), ignored).is_none() {
            return Ok(None);
        }
    }
    let is_inexact = match (&file.from.remote.handle, &now) {
        (Some(handle), Some(now)) => handle.drive().rewrites(now),
        _ => false,
    };
    // What another run has left may be of another version.
    if is_inexact && !sink.is_continued() {
        let why = "SharePoint rewrites Office and HTML files, so this one cannot be checked";
        let text = format_args!("warning: {problem}: {why}");
        download.ledger.warn(format_args!("drivedal: {}: {text}", file.from));
        return Ok(None);
    }
    Ok(Some(problem))
}

/// Which differences between a file and its listing the user wants to be ignored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ignored {
    pub(crate) size: bool,
    pub(crate) checksum: bool,
}

/// The bytes that came.
struct Found<'a> {
    len: u64,
    hash: Option<&'a Taken>,
}

impl Found<'_> {
    /// How they differ from what a remote lists, as far as it lists anything.
    fn problem(
        &self,
        size: Option<u64>,
        expected: Option<&Expected>,
        ignored: Ignored,
    ) -> Option<String> {
        let len = self.len;
        if let Some(size) = size.filter(|size| *size != len && !ignored.size) {
            return Some(format!("it has {size} bytes, but {len} came"));
        }
        let (Some(expected), Some(taken)) = (expected, self.hash) else { return None };
        (!ignored.checksum && !expected.is(taken)).then(|| {
            format!(
                "bytes with {taken} came of a file with {expected}: damaged on the way, or changed \
                 meanwhile"
            )
        })
    }
}

/// The item as the drive has it now; `None` where the remote is no drive of ours.
async fn item_now(from: &Located, download: &Download) -> Result<Option<drivedal::drive::Item>> {
    let Some(handle) = &from.remote.handle else { return Ok(None) };
    let path = from.file()?;
    let looking = async {
        let looked = handle.item(from.operator(), &path).await;
        looked.map_err(|error| Failure::from(error).about(from))
    };
    download.interrupt.or(looking).await.map(Some)
}
