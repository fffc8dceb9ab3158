//! Download of one file.

use std::{fmt, path::Path};

use bytes::Bytes;
use futures::TryStreamExt;

use super::{
    CHUNK,
    checksum::{ActualHash, ExpectedHash},
    download::{FileDownload, TreeDownload},
    journal::transfer_name,
    local::blocking,
    partial::{DownloadOrigin, DownloadStart, PartialDownload, RemoteVersion},
};
use crate::{
    failure::{Exit, Failure, Result},
    remote::RemotePath,
    units::HumanSize,
};

/// Files of at least this many bytes can be resumed by a later run.
pub(super) const LARGE: u64 = 8 << 20;

/// Downloads a file and returns its length in bytes. The file replaces the target once it is
/// complete and its size and hash equal those that the remote lists. After a failure the target is
/// unchanged; the received part of a large file is kept for a later run.
///
/// # Errors
/// [`Failure::local`] if the file cannot be written; the failure of a request ([`Failure::from`]);
/// `Failed` if size or hash differ; `Interrupted` or `Terminated` after a signal.
pub(super) async fn fetch(file: &FileDownload, download: &TreeDownload) -> Result<u64> {
    let from = &file.from;
    let expected = expected(file);
    let (mut partial, start) = open(file, expected.as_ref(), download).await?;
    let part = |len| Amount { len, of: file.size() };
    match start {
        DownloadStart::New => {}
        DownloadStart::Resumed => {
            print_info(download, from, format_args!("resuming at {}", part(partial.len())))
        }
        DownloadStart::Adopted => {
            let at = part(partial.len());
            print_info(download, from, format_args!("resuming the download of acd_cli at {at}"));
        }
        DownloadStart::Changed => {
            print_info(
                download,
                from,
                "changed since the download was interrupted, starting again",
            );
        }
    }
    download.report.totals.moved(partial.len());
    loop {
        let received;
        (partial, received) = receive(file, partial, download).await?;
        let verified = match received {
            Ok(()) => verify(file, &mut partial, expected.as_ref(), download).await,
            Err(failure) => Err(failure),
        };
        match verified {
            Ok(None) => {
                let (modified, len) = (file.modified(), partial.len());
                return blocking(move || partial.finish(modified)).await.map(|()| len);
            }
            Ok(Some(why)) if partial.is_resumed() => {
                print_info(download, from, format_args!("{why}, starting again"));
                let expected = expected.clone();
                partial =
                    blocking(move || partial.restart(expected.as_ref()).map(|()| partial)).await?;
            }
            Ok(Some(why)) => {
                blocking(move || {
                    partial.discard();
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
                            partial.discard();
                            None
                        }
                        false => partial.suspend(),
                    })
                });
                if let Some(left) = left.await? {
                    let left = part(left);
                    let text =
                        format_args!("{left} received (run the same command again to resume)");
                    print_info(download, from, text);
                }
                return Err(failure);
            }
        }
    }
}

/// Prints a message about a file, unless `-q` suppresses it.
fn print_info(download: &TreeDownload, from: &RemotePath, text: impl fmt::Display) {
    download.report.info(format_args!("{from}: {text}"));
}

/// A number of bytes and the total, if it is known: `2.0 MiB of 9.0 MiB`.
pub(super) struct Amount {
    pub(super) len: u64,
    pub(super) of: Option<u64>,
}

impl fmt::Display for Amount {
    /// Writes `2.0 MiB of 9.0 MiB`, or only the first number if the total is unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Some(of) => write!(f, "{} of {}", HumanSize(self.len), HumanSize(of)),
            None => write!(f, "{}", HumanSize(self.len)),
        }
    }
}

/// Returns the hash that the remote lists for the file. `None` if it lists none.
fn expected(file: &FileDownload) -> Option<ExpectedHash> {
    let of_metadata = || ExpectedHash::from_metadata(&file.metadata);
    file.item.as_ref().and_then(ExpectedHash::from_item).or_else(of_metadata)
}

/// Opens the local file that receives the bytes: a resumable one for a large file, otherwise a
/// temporary one. `expected` is the hash that the remote lists, if it lists one. Returns how the
/// download starts too.
///
/// # Errors
/// [`Failure::local`] if no file can be created beside the target; `Interrupted` or `Terminated`
/// after a signal.
async fn open(
    file: &FileDownload,
    expected: Option<&ExpectedHash>,
    download: &TreeDownload,
) -> Result<(PartialDownload, DownloadStart)> {
    let (target, expected) = (file.to.clone(), expected.cloned());
    let large = file.size().is_some_and(|size| size >= LARGE);
    let version =
        file.size().and_then(|size| RemoteVersion::new(size, &file.metadata, file.item.as_ref()));
    let version = version.filter(|_| large);
    let (Some(version), Some(journal)) = (version, download.journal.clone()) else {
        let open = move || PartialDownload::temporary(target, expected.as_ref());
        return blocking(open).await.map(|partial| (partial, DownloadStart::New));
    };
    let (from, interrupt) = (file.from.clone(), download.interrupt.clone());
    let origin = origin(&from);
    blocking(move || {
        let here = std::path::absolute(&target)
            .map_err(|error| Failure::local("find", &target, &error))?;
        let expected = expected.as_ref();
        match journal.claim(key("get", &from, &[], &here).iter().map(Vec::as_slice)) {
            Some(claim) => {
                let acd_cli = from.operator().info().scheme() == "amazon-drive";
                PartialDownload::resumable(
                    target, claim, version, origin, expected, acd_cli, &interrupt,
                )
            }
            None => PartialDownload::temporary(target, expected)
                .map(|partial| (partial, DownloadStart::New)),
        }
    })
    .await
}

/// Returns the origin of a file, as the journal stores it.
pub(super) fn origin(from: &RemotePath) -> DownloadOrigin {
    let info = from.operator().info();
    let remote = &from.remote;
    let parts = [info.scheme(), &remote.identity, remote.display_name(), &info.root()];
    DownloadOrigin {
        remote: transfer_name(parts.into_iter().map(str::as_bytes)),
        path: from.path.as_str().to_owned(),
    }
}

/// Returns the key of a transfer in the journal: the command (`verb`), the remote and its identity,
/// the remote path and the local path. `account` is the id of the drive's root, and empty if the
/// remote's name is sufficient.
pub(super) fn key(verb: &str, at: &RemotePath, account: &[u8], here: &Path) -> Vec<Vec<u8>> {
    let info = at.operator().info();
    let remote = &at.remote;
    let name = if account.is_empty() { remote.display_name() } else { "" };
    let parts = [verb, info.scheme(), &remote.identity, name, &info.root(), at.path.as_str()];
    let parts = parts.into_iter().map(|part| part.as_bytes().to_vec());
    parts.chain([account.to_vec(), here.as_os_str().as_encoded_bytes().to_vec()]).collect()
}

/// Receives the missing bytes of a file. It stops only between two chunks, because a write owns the
/// file. The inner result is an error if the download stopped; the file then has the bytes received
/// so far.
///
/// # Errors
/// [`Failure::local`] if the file cannot be written: it is lost then. The inner error is the
/// failure of the request ([`Failure::from`]), or `Interrupted` or `Terminated` after a signal.
async fn receive(
    file: &FileDownload,
    mut partial: PartialDownload,
    download: &TreeDownload,
) -> Result<(PartialDownload, Result)> {
    let (from, interrupt) = (&file.from, &download.interrupt);
    let failed = |error| Failure::from(error).doing("read").about(from);
    let size = file.size();
    let at = partial.len();
    if at > 0 && Some(at) == size {
        return Ok((partial, Ok(())));
    }
    let opening = async {
        let path = from.file_path()?;
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
    let mut bytes = match interrupt.cancellable(opening).await {
        Ok(bytes) => bytes,
        Err(failure) => return Ok((partial, Err(failure))),
    };
    let (mut chunks, mut buffered) = (Vec::<Bytes>::new(), 0);
    loop {
        let next = interrupt.cancellable(async { bytes.try_next().await.map_err(failed) }).await;
        let ended = !matches!(next, Ok(Some(_)));
        let failure = match next {
            Ok(Some(piece)) => {
                buffered += piece.len();
                download.report.totals.moved(piece.len() as u64);
                Extend::extend(&mut chunks, piece);
                None
            }
            Ok(None) => None,
            Err(failure) => Some(failure),
        };
        // Bytes received before a failure are written too, so that a later run can resume after
        // them.
        if buffered >= CHUNK || (ended && buffered > 0) {
            let pieces = std::mem::take(&mut chunks);
            buffered = 0;
            let written;
            (partial, written) = blocking(move || {
                let written = partial.write(pieces);
                Ok((partial, written))
            })
            .await?;
            if written.is_err() {
                return Ok((partial, written));
            }
        }
        if ended {
            return Ok((partial, failure.map_or(Ok(()), Err)));
        }
    }
}

/// Compares a complete file with the remote. Returns the difference, or `None` if the file is
/// accepted. A difference is accepted if the user disabled the check, or if the cloud is known to
/// rewrite such files.
///
/// # Errors
/// The failure of the request for the remote's current metadata ([`Failure::from`]); `Interrupted`
/// or `Terminated` after a signal.
async fn verify(
    file: &FileDownload,
    partial: &mut PartialDownload,
    expected: Option<&ExpectedHash>,
    download: &TreeDownload,
) -> Result<Option<String>> {
    let (len, taken) = (partial.len(), partial.finish_hash());
    let skipped_checks = download.skipped_checks;
    let found = Received { len, hash: taken.as_ref() };
    let problem = found.problem(file.size(), expected, skipped_checks);
    let Some(problem) = problem else { return Ok(None) };
    // The file may have changed after it was listed.
    let now = item_now(&file.from, download).await?;
    if let Some(now) = &now {
        let hash = ExpectedHash::from_item(now);
        // If the remote no longer lists a hash, an earlier mismatch still counts.
        let is_checked = expected.is_none() || skipped_checks.checksum || hash.is_some();
        if is_checked && found.problem(now.size, hash.as_ref(), skipped_checks).is_none() {
            return Ok(None);
        }
    }
    let is_inexact = match (&file.from.remote.handle, &now) {
        (Some(handle), Some(now)) => handle.drive().may_rewrite_content(now),
        _ => false,
    };
    // The part of an earlier run may be of another version.
    if is_inexact && !partial.is_resumed() {
        let why = "SharePoint rewrites Office and HTML files, so this one cannot be verified";
        let text = format_args!("warning: {problem}: {why}");
        download.report.warn(format_args!("{}: {text}", file.from));
        return Ok(None);
    }
    Ok(Some(problem))
}

/// Checks that the user disabled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SkippedChecks {
    pub(crate) size: bool,
    pub(crate) checksum: bool,
}

/// Length and hash of the received bytes.
struct Received<'a> {
    len: u64,
    hash: Option<&'a ActualHash>,
}

impl Received<'_> {
    /// Returns the difference to the size and the hash that the remote lists. `None` if they are
    /// equal, or if the remote lists neither.
    fn problem(
        &self,
        size: Option<u64>,
        expected: Option<&ExpectedHash>,
        skipped_checks: SkippedChecks,
    ) -> Option<String> {
        let len = self.len;
        if let Some(size) = size.filter(|size| *size != len && !skipped_checks.size) {
            return Some(Failure::wrong_length(size, len));
        }
        let (Some(expected), Some(taken)) = (expected, self.hash) else { return None };
        (!skipped_checks.checksum && !expected.matches(taken)).then(|| {
            format!(
                "checksum mismatch, received {taken}, expected {expected}: damaged in transit, or the \
                 file changed during the download"
            )
        })
    }
}

/// Requests the drive's current record of the file. `None` if the service is not a cloud drive.
///
/// # Errors
/// `NotFound` if the file does not exist any more; the failure of the request ([`Failure::from`]);
/// `Interrupted` or `Terminated` after a signal.
async fn item_now(
    from: &RemotePath,
    download: &TreeDownload,
) -> Result<Option<drivedal::drive::Item>> {
    let Some(handle) = &from.remote.handle else { return Ok(None) };
    let path = from.file_path()?;
    let request = async {
        let item = handle.item(from.operator(), &path).await;
        item.map_err(|error| Failure::from(error).about(from))
    };
    download.interrupt.cancellable(request).await.map(Some)
}
