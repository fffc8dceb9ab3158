//! One file from a remote to here.

use std::{fmt, path::Path};

use bytes::Bytes;
use futures::TryStreamExt;

use super::{
    PIECE,
    checksum::Expected,
    download::{Download, File},
    local::blocking,
    partial::{Begun, Sink, Version},
};
use crate::cli::{
    app::Located,
    failure::{Exit, Failure, Result},
    units::Human,
};

/// From this size on what has come of a file is kept when the command is stopped, in bytes.
const LARGE: u64 = 8 << 20;

/// Fetches a file; it takes its place when it is whole, and its size and hash are those that the
/// remote tells. When this fails there is none of it, but of a large one what a later run goes on
/// with.
///
/// # Errors
/// When it cannot be read or written, when it has another size or hash, when the command is
/// stopped.
pub(super) async fn fetch(file: &File, download: &Download) -> Result {
    let from = &file.from;
    let expected = expected(file);
    let (mut sink, begun) = open(file, expected.as_ref(), download).await?;
    let part = |len| Part { len, of: file.metadata.content_length() };
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
                let modified = file.modified();
                return blocking(move || sink.finish(modified)).await;
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

/// So much of so much.
pub(super) struct Part {
    pub(super) len: u64,
    pub(super) of: u64,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", Human(self.len), Human(self.of))
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
    let large = file.metadata.content_length() >= LARGE;
    let version = Version::of(&file.metadata, file.item.as_ref()).filter(|_| large);
    let (Some(version), Some(journal)) = (version, download.journal.clone()) else {
        let open = move || Sink::temporary(target, expected.as_ref());
        return blocking(open).await.map(|sink| (sink, Begun::Anew));
    };
    let (from, interrupt) = (file.from.clone(), download.interrupt.clone());
    blocking(move || {
        let here = std::path::absolute(&target).map_err(|error| Failure::local(&target, &error))?;
        let expected = expected.as_ref();
        match journal.claim(key("get", &from, &[], &here).iter().map(Vec::as_slice)) {
            Some(claim) => {
                let acd_cli = from.operator().info().scheme() == "amazon-drive";
                Sink::kept(target, claim, version, expected, acd_cli, &interrupt)
            }
            None => Sink::temporary(target, expected).map(|sink| (sink, Begun::Anew)),
        }
    })
    .await
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
    let size = file.metadata.content_length();
    let at = sink.len();
    if at > 0 && at == size {
        return Ok((sink, Ok(())));
    }
    let opening = async {
        let path = from.file()?;
        let reader = from.operator().reader_with(&path).content_length_hint(size);
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

/// What is wrong with a file that has come to its end; `None`: nothing.
///
/// # Errors
/// When the remote has to be asked, and does not answer.
async fn judge(
    file: &File,
    sink: &mut Sink,
    expected: Option<&Expected>,
    download: &Download,
) -> Result<Option<String>> {
    let (size, came) = (file.metadata.content_length(), sink.len());
    if came != size {
        return Ok(Some(format!("it has {size} bytes, but {came} came")));
    }
    let (Some(expected), Some(taken)) = (expected, sink.taken()) else { return Ok(None) };
    if expected.is(&taken) {
        return Ok(None);
    }
    // What was known of it may be older than it.
    if is_by_now(&file.from, &taken, download).await? {
        return Ok(None);
    }
    Ok(Some(format!(
        "bytes with {taken} came of a file with {expected}: damaged on the way, or changed meanwhile"
    )))
}

async fn is_by_now(
    from: &Located,
    taken: &super::checksum::Taken,
    download: &Download,
) -> Result<bool> {
    let Some(handle) = &from.remote.handle else { return Ok(false) };
    let path = from.file()?;
    let looking = async {
        let looked = handle.item(from.operator(), &path).await;
        looked.map_err(|error| Failure::from(error).about(from))
    };
    let item = download.interrupt.or(looking).await?;
    Ok(Expected::of_item(&item).is_some_and(|now| now.is(taken)))
}
