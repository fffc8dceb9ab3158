//! Upload of one large local file to a cloud drive. The drive's adapter reads the file itself. If
//! the cloud accepts fragments, a later run can resume an interrupted upload.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use drivedal::{
    adapter::{DriveHandle, FileUpload, SavedUpload, UploadedFile},
    drive::UploadProgress,
};
use jiff::Timestamp;
use opendal::ErrorKind;
use serde::{Deserialize, Serialize};

use super::{
    fetch::{Amount, key},
    journal::{Journal, TransferClaim},
    local::blocking,
    send::{SentFile, WriteParams},
};
use crate::{
    failure::{Failure, Result},
    interrupt::Interrupt,
    output::Output,
    remote::RemotePath,
};

/// Receives the number of bytes that were sent since its last call.
pub(crate) type OnSent = Arc<dyn Fn(u64) + Send + Sync>;

/// Where the progress and the messages of an upload are shown.
pub(crate) struct UploadDisplay<'a> {
    pub(crate) output: &'a Output,
    pub(crate) on_sent: OnSent,
}

/// The journal entry of an upload.
#[derive(Deserialize, Serialize)]
struct SavedSession {
    /// The upload in the library's own format. It contains secrets.
    saved: String,
    /// The base URL of an embedded drive's server. URLs in `saved` begin with it, and it differs
    /// from run to run.
    server: Option<String>,
}

/// Uploads a file. Without a journal the upload cannot be resumed. After a failure the fragments
/// sent so far stay with the cloud for a while, and the same command resumes the upload.
///
/// # Errors
/// [`Failure::local`] if the file cannot be read; `Failed` if it changes meanwhile; the failure of
/// a request ([`Failure::from`]); `Interrupted` or `Terminated` after a signal.
pub(crate) async fn send(
    from: PathBuf,
    to: &RemotePath,
    handle: &DriveHandle,
    params: WriteParams,
    shown: UploadDisplay<'_>,
    interrupt: &Interrupt,
    journal: Option<&Journal>,
) -> Result<SentFile> {
    let path = to.file_path()?;
    let claim = match journal {
        Some(journal) => interrupt.cancellable(claim(journal, to, &from)).await?,
        None => None,
    };
    let server = to.remote.server.clone();
    let saved = claim.as_ref().and_then(|claim| saved(claim, server.as_deref(), &path));
    let mut sending = ResumableUpload {
        from,
        to,
        output: shown.output,
        on_sent: shown.on_sent,
        claim,
        server,
        saved,
        shown: Arc::default(),
        resume_reported: false,
    };
    let (mut failures, mut started) = (0, Instant::now());
    loop {
        let arrived = sending.arrived();
        if failures == 0 {
            started = Instant::now();
        }
        let sent = interrupt.cancellable(sending.attempt(handle, &path, params)).await;
        let error = match sent {
            Ok(Ok(sent)) => return Ok(sending.on_success(&sent)),
            Ok(Err(error)) => error,
            Err(failure) => {
                sending.report_arrived();
                return Err(failure);
            }
        };
        failures = if sending.arrived() > arrived { 1 } else { failures + 1 };
        let policy = &to.remote.policy;
        if error.is_temporary() && failures < policy.max_attempts {
            let wait = policy.delay(failures, fastrand::f64());
            to.remote.announce_wait(&error, started.elapsed(), wait);
            tokio::select! {
                () = interrupt.wait() => {}
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        sending.on_failure(&error);
        return Err(Failure::from(error).doing("write").about(to));
    }
}

/// Locks the journal entry of the upload. `None` if another process holds it, or if it cannot be
/// written.
///
/// # Errors
/// The failure of the request for the drive's root ([`Failure::from`]); [`Failure::local`] if the
/// path of the file cannot be resolved.
async fn claim(journal: &Journal, to: &RemotePath, from: &Path) -> Result<Option<TransferClaim>> {
    // The account is part of the key: an upload session of another account must not be resumed.
    let account = to.remote.root_id().await.map_err(|failure| failure.about(to))?.to_owned();
    let (journal, to, from) = (journal.clone(), to.clone(), from.to_owned());
    blocking(move || {
        let from =
            fs::canonicalize(&from).map_err(|error| Failure::local("read", &from, &error))?;
        let key = key("put", &to, account.as_bytes(), &from);
        Ok(journal.claim(key.iter().map(Vec::as_slice)))
    })
    .await
}

/// Returns the upload of an earlier run to the path on the server. `None` if it has another target
/// or has expired.
fn saved(claim: &TransferClaim, server: Option<&str>, path: &str) -> Option<SavedUpload> {
    let entry = claim.load::<SavedSession>()?;
    let saved = SavedUpload::from_json(&entry.saved).ok()?;
    let saved = match (&entry.server, server) {
        (Some(before), Some(now)) => saved.with_server(before, now),
        _ => saved,
    };
    let is_over = saved.expires().is_some_and(|expires| expires <= Timestamp::now());
    (saved.path() == path && !is_over).then_some(saved)
}

/// Counts progress up to `far` bytes of the file. `shown` is the number of bytes counted so far, so
/// that bytes that a retry sends again are counted once.
fn count_progress(on_sent: &OnSent, shown: &AtomicU64, far: u64) {
    let before = shown.fetch_max(far, Ordering::Relaxed);
    on_sent(far.saturating_sub(before));
}

struct ResumableUpload<'a> {
    from: PathBuf,
    to: &'a RemotePath,
    output: &'a Output,
    on_sent: OnSent,
    claim: Option<TransferClaim>,
    server: Option<String>,
    saved: Option<SavedUpload>,
    /// Number of bytes counted as progress.
    shown: Arc<AtomicU64>,
    /// The message about resuming was printed.
    resume_reported: bool,
}

impl ResumableUpload<'_> {
    /// Returns the number of bytes that the cloud has.
    fn arrived(&self) -> u64 {
        self.saved.as_ref().map_or(0, SavedUpload::arrived)
    }

    /// Sends the missing fragments to the remote file at `path`, once. The inner result is that of
    /// the upload, which may be retried.
    ///
    /// # Errors
    /// [`Failure::local`] if the local file cannot be opened. The inner error is that of the
    /// upload.
    async fn attempt(
        &mut self,
        handle: &DriveHandle,
        path: &str,
        params: WriteParams,
    ) -> Result<opendal::Result<UploadedFile>> {
        let from = self.from.clone();
        let (file, modified) = blocking(move || {
            let opened = fs::File::open(&from).and_then(|file| Ok((file.metadata()?, file)));
            let (found, file) = opened.map_err(|error| Failure::local("read", &from, &error))?;
            let modified = found.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
            Ok((file, modified))
        })
        .await?;
        let (on_sent, shown) = (Arc::clone(&self.on_sent), Arc::clone(&self.shown));
        let progress = UploadProgress::new(move |left| count_progress(&on_sent, &shown, left));
        let options = FileUpload::new()
            .with_local_path(&self.from)
            .with_if_not_exists(params.new_only)
            .with_modified(modified)
            .with_deferred_check(params.checked_later)
            .with_progress(progress);
        let resume = self.saved.clone();
        let is_resumed = resume.is_some();
        let (to, mut keep) =
            (self.to, |upload: &SavedUpload| self.save_progress(upload, is_resumed));
        Ok(handle.upload_file(to.operator(), path, file, &options, resume, &mut keep).await)
    }

    /// Stores the progress of an upload in the journal, if it has an entry. `is_resumed` is whether
    /// an earlier run began the upload. An entry has a few hundred bytes, so it is written on this
    /// thread.
    fn save_progress(&mut self, upload: &SavedUpload, is_resumed: bool) {
        let (arrived, of) = (upload.arrived(), upload.size());
        if is_resumed && !std::mem::replace(&mut self.resume_reported, true) {
            match arrived {
                0 => self.info("the cloud discarded the interrupted upload, starting again"),
                _ => {
                    self.info(format_args!("resuming at {}", Amount { len: arrived, of: Some(of) }))
                }
            }
        }
        self.resume_reported = true;
        count_progress(&self.on_sent, &self.shown, arrived);
        self.saved = Some(upload.clone());
        let entry = SavedSession { saved: upload.to_json(), server: self.server.clone() };
        if let Some(claim) = self.claim.take_if(|claim| !claim.save(entry, upload.expires(), None))
        {
            claim.forget();
        }
    }

    /// Removes the journal's entry of a complete upload. Returns the result.
    fn on_success(&mut self, sent: &UploadedFile) -> SentFile {
        if let Some(claim) = self.claim.take() {
            claim.forget();
        }
        if sent.sent == 0 && sent.resumed_at.is_some() {
            self.info("was already uploaded completely");
        }
        count_progress(&self.on_sent, &self.shown, sent.size);
        SentFile { size: sent.size, unchecked: sent.item.size.is_none() }
    }

    /// Handles the last failure, which is not retried: keeps the entry if the upload can be
    /// resumed.
    fn on_failure(&mut self, error: &opendal::Error) {
        use ErrorKind::{PermissionDenied, RateLimited, Unexpected};
        let goes_on = error.is_temporary()
            || matches!(error.kind(), PermissionDenied | RateLimited | Unexpected);
        match (goes_on, self.claim.take()) {
            // The library has cancelled the upload session.
            (false, Some(claim)) => claim.forget(),
            (true, Some(claim)) => {
                self.claim = Some(claim);
                self.report_arrived();
            }
            (_, None) => {}
        }
    }

    /// Prints how much of a resumable upload the cloud has, if it has anything.
    fn report_arrived(&self) {
        if let (Some(_), Some(saved)) = (&self.claim, &self.saved)
            && saved.arrived() > 0
        {
            let part = Amount { len: saved.arrived(), of: Some(saved.size()) };
            self.info(format_args!("{part} sent (run the same command again to resume)"));
        }
    }

    /// Prints a message about the file, unless `-q` suppresses it.
    fn info(&self, text: impl std::fmt::Display) {
        if !self.output.is_quiet() {
            self.output.notice(format_args!("{}: {text}", self.to));
        }
    }
}
