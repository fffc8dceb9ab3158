//! One large file from here to a drive, read where it is. In fragments, if the drive takes them: then
//! what was stopped goes on.

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
    journal::{Claim, Journal},
    local::blocking,
    report::TransferReport,
    send::{SentFile, WriteParams},
};
use crate::{
    app::RemotePath,
    failure::{Failure, Result},
    interrupt::Interrupt,
    progress::TransferTotals,
};

/// What the journal keeps of an upload.
#[derive(Deserialize, Serialize)]
struct SavedSession {
    /// In the library's own words; it has secrets in it.
    saved: String,
    /// Where the drive server was whose URLs are in it, if that is elsewhere each time.
    server: Option<String>,
}

/// Sends a file; without a journal nothing goes on.
///
/// # Errors
/// When it cannot be read or written, when it changes meanwhile, when a signal comes. What has
/// arrived by then stays with the cloud for a while, and the same command goes on from there.
pub(super) async fn send(
    from: PathBuf,
    to: &RemotePath,
    handle: &DriveHandle,
    params: WriteParams,
    report: &TransferReport,
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
        report,
        claim,
        server,
        saved,
        shown: Arc::default(),
        resume_reported: false,
    };
    let (mut failures, mut began) = (0, Instant::now());
    loop {
        let arrived = sending.arrived();
        if failures == 0 {
            began = Instant::now();
        }
        let sent = interrupt.cancellable(sending.attempt(handle, &path, params)).await;
        let error = match sent {
            Ok(Ok(sent)) => return Ok(sending.done(&sent)),
            Ok(Err(error)) => error,
            Err(failure) => {
                sending.report_arrived();
                return Err(failure);
            }
        };
        failures = if sending.arrived() > arrived { 1 } else { failures + 1 };
        let policy = &to.remote.policy;
        if error.is_temporary() && failures < policy.attempts {
            let wait = policy.wait(failures, fastrand::f64());
            to.remote.announce_wait(&error, began.elapsed(), wait);
            tokio::select! {
                () = interrupt.wait() => {}
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        sending.ended(&error);
        return Err(Failure::from(error).doing("write").about(to));
    }
}

/// Takes the transfer on; `None` where another process is at it, or it cannot be remembered.
async fn claim(journal: &Journal, to: &RemotePath, from: &Path) -> Result<Option<Claim>> {
    // An upload that went on in another account would be lost.
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

/// What another run has begun.
fn saved(claim: &Claim, server: Option<&str>, path: &str) -> Option<SavedUpload> {
    let entry = claim.load::<SavedSession>()?;
    let saved = SavedUpload::from_json(&entry.saved).ok()?;
    let saved = match (&entry.server, server) {
        (Some(before), Some(now)) => saved.with_server(before, now),
        _ => saved,
    };
    let is_over = saved.expires().is_some_and(|expires| expires <= Timestamp::now());
    (saved.path() == path && !is_over).then_some(saved)
}

/// Shows that a file is so far, what is repeated of it only once.
fn show(totals: &TransferTotals, shown: &AtomicU64, far: u64) {
    let before = shown.fetch_max(far, Ordering::Relaxed);
    totals.moved(far.saturating_sub(before));
}

struct ResumableUpload<'a> {
    from: PathBuf,
    to: &'a RemotePath,
    report: &'a TransferReport,
    claim: Option<Claim>,
    server: Option<String>,
    saved: Option<SavedUpload>,
    /// Bytes that the user has been shown.
    shown: Arc<AtomicU64>,
    /// That it goes on was resume_reported.
    resume_reported: bool,
}

impl ResumableUpload<'_> {
    fn arrived(&self) -> u64 {
        self.saved.as_ref().map_or(0, SavedUpload::arrived)
    }

    /// Sends what is missing, until it is there or fails.
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
        let (totals, shown) = (Arc::clone(&self.report.totals), Arc::clone(&self.shown));
        let progress = UploadProgress::new(move |left| show(&totals, &shown, left));
        let options = FileUpload::new()
            .with_local_path(&self.from)
            .with_if_not_exists(params.new_only)
            .with_modified(modified)
            .with_deferred_check(params.checked_later)
            .with_progress(progress);
        let resume = self.saved.clone();
        let is_resumed = resume.is_some();
        let (to, mut keep) = (self.to, |upload: &SavedUpload| self.keep(upload, is_resumed));
        Ok(handle.upload_file(to.operator(), path, file, &options, resume, &mut keep).await)
    }

    /// Writes down how far it is: a few hundred bytes, which are not worth another thread.
    fn keep(&mut self, upload: &SavedUpload, is_resumed: bool) {
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
        show(&self.report.totals, &self.shown, arrived);
        self.saved = Some(upload.clone());
        let entry = SavedSession { saved: upload.to_json(), server: self.server.clone() };
        if let Some(claim) = self.claim.take_if(|claim| !claim.save(entry, upload.expires(), None))
        {
            claim.forget();
        }
    }

    fn done(&mut self, sent: &UploadedFile) -> SentFile {
        if let Some(claim) = self.claim.take() {
            claim.forget();
        }
        if sent.sent == 0 && sent.resumed_at.is_some() {
            self.info("was already uploaded completely");
        }
        show(&self.report.totals, &self.shown, sent.size);
        SentFile { size: sent.size, unchecked: sent.item.size.is_none() }
    }

    /// It has failed, and is not tried again.
    fn ended(&mut self, error: &opendal::Error) {
        use ErrorKind::{PermissionDenied, RateLimited, Unexpected};
        let goes_on = error.is_temporary()
            || matches!(error.kind(), PermissionDenied | RateLimited | Unexpected);
        match (goes_on, self.claim.take()) {
            // The library has cancelled it.
            (false, Some(claim)) => claim.forget(),
            (true, Some(claim)) => {
                self.claim = Some(claim);
                self.report_arrived();
            }
            (_, None) => {}
        }
    }

    fn report_arrived(&self) {
        if let (Some(_), Some(saved)) = (&self.claim, &self.saved)
            && saved.arrived() > 0
        {
            let part = Amount { len: saved.arrived(), of: Some(saved.size()) };
            self.info(format_args!("{part} sent (run the same command again to resume)"));
        }
    }

    fn info(&self, text: impl std::fmt::Display) {
        self.report.info(format_args!("{}: {text}", self.to));
    }
}
