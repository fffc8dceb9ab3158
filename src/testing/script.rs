//! Planned faults of a [`MemoryDrive`](super::MemoryDrive), and the log of its calls.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use crate::drive::{Error, ErrorKind, Result, Retry};

/// A request of a [`MemoryDrive`](super::MemoryDrive): a verb of [`Drive`](crate::drive::Drive), or
/// one of the requests that a verb consists of. Its text is the name of the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// [`account`](crate::drive::Drive::account).
    Account,
    /// [`quota`](crate::drive::Drive::quota).
    Quota,
    /// [`item`](crate::drive::Drive::item).
    Item,
    /// [`child`](crate::drive::Drive::child).
    Child,
    /// [`list`](crate::drive::Drive::list): one page.
    List,
    /// [`download`](crate::drive::Drive::download).
    Download,
    /// The request for a download URL within [`download`](crate::drive::Drive::download). Only
    /// drives [with download URLs](super::MemoryDrive::with_download_urls) send it.
    DownloadUrl,
    /// [`upload`](crate::drive::Drive::upload).
    Upload,
    /// [`open_session`](crate::drive::Drive::open_session).
    OpenSession,
    /// [`send_fragment`](crate::drive::Drive::send_fragment).
    SendFragment,
    /// [`session_status`](crate::drive::Drive::session_status).
    SessionStatus,
    /// [`commit_session`](crate::drive::Drive::commit_session).
    CommitSession,
    /// [`cancel_session`](crate::drive::Drive::cancel_session).
    CancelSession,
    /// [`create_folder`](crate::drive::Drive::create_folder).
    CreateFolder,
    /// [`update`](crate::drive::Drive::update).
    Update,
    /// [`copy`](crate::drive::Drive::copy).
    Copy,
    /// [`copy_status`](crate::drive::Drive::copy_status).
    CopyStatus,
    /// [`delete`](crate::drive::Drive::delete) of one item. A batch is one call for each item.
    Delete,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Quota => "quota",
            Self::Item => "item",
            Self::Child => "child",
            Self::List => "list",
            Self::Download => "download",
            Self::DownloadUrl => "download_url",
            Self::Upload => "upload",
            Self::OpenSession => "open_session",
            Self::SendFragment => "send_fragment",
            Self::SessionStatus => "session_status",
            Self::CommitSession => "commit_session",
            Self::CancelSession => "cancel_session",
            Self::CreateFolder => "create_folder",
            Self::Update => "update",
            Self::Copy => "copy",
            Self::CopyStatus => "copy_status",
            Self::Delete => "delete",
        })
    }
}

/// A fault of one call of a verb.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VerbFault {
    /// The call has no fault. The next fault of the verb applies to the call after it.
    Pass,
    /// The call fails and changes nothing.
    Before(Error),
    /// The call has its effect and fails: its response is lost.
    After(Error),
    /// The call breaks off after half of its bytes: a download ends with the error, and a fragment
    /// fails after the cloud has stored the aligned part of its first half. Other verbs fail as with
    /// [`Before`](Self::Before).
    Halfway(Error),
    /// Like [`Halfway`](Self::Halfway), after this number of bytes.
    AfterBytes(usize, Error),
    /// The call begins after this delay.
    Slow(Duration),
}

/// Returns a temporary error with status 503, as a cloud returns it when it is overloaded.
pub fn temporary_error() -> Error {
    Error::new(ErrorKind::Unexpected, "planned failure, try again")
        .with_status(503)
        .with_retry(Retry::Again { after: None })
}

/// A call that a test holds. It continues when this is released or dropped.
#[derive(Debug)]
#[must_use = "the call continues when this is dropped"]
pub struct HeldCall {
    reached: watch::Receiver<bool>,
    release: watch::Sender<bool>,
}

impl HeldCall {
    /// Waits until the drive holds the call.
    pub async fn reached(&self) {
        // An error means that the plan was cleared: no call will ever be held.
        let _ = self.reached.clone().wait_for(|reached| *reached).await;
    }

    /// Lets the call continue, also one that has not begun.
    pub fn release(self) {
        self.release.send_replace(true);
    }
}

/// The drive's side of a [`HeldCall`].
#[derive(Debug)]
struct HoldPoint {
    reached: watch::Sender<bool>,
    release: watch::Receiver<bool>,
    /// Whether the call has had its effect before it waits.
    after_effect: bool,
}

impl HoldPoint {
    /// Reports that the call has reached this point, and waits until the test releases it.
    async fn wait(mut self) {
        self.reached.send_replace(true);
        // An error means that the test dropped its side, which releases the call.
        let _ = self.release.wait_for(|released| *released).await;
    }
}

/// A planned event of a call.
#[derive(Debug)]
enum Planned {
    Fault(VerbFault),
    Hold(HoldPoint),
}

/// The planned faults and the log of a drive.
#[derive(Debug, Default)]
pub(super) struct CallScript {
    state: Mutex<ScriptState>,
    /// Changes when a call begins and when it ends.
    activity: watch::Sender<u64>,
}

/// The planned events, in the order of their plan, and the calls, oldest first.
#[derive(Debug, Default)]
struct ScriptState {
    planned: VecDeque<(Verb, Planned)>,
    calls: Vec<LoggedCall>,
}

/// A call, and its text in the log.
#[derive(Debug)]
struct LoggedCall {
    verb: Verb,
    text: String,
}

impl CallScript {
    /// Locks the plan and the log. A panic of a test while they are locked does not matter.
    fn lock(&self) -> MutexGuard<'_, ScriptState> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Plans a fault for the next call of a verb for which nothing is planned.
    pub(super) fn plan(&self, verb: Verb, fault: VerbFault) {
        self.lock().planned.push_back((verb, Planned::Fault(fault)));
    }

    /// Plans that the next call of a verb for which nothing is planned waits: before its effect, or
    /// after it.
    pub(super) fn hold(&self, verb: Verb, after_effect: bool) -> HeldCall {
        let (reached_sender, reached) = watch::channel(false);
        let (release, release_receiver) = watch::channel(false);
        let point = HoldPoint { reached: reached_sender, release: release_receiver, after_effect };
        self.lock().planned.push_back((verb, Planned::Hold(point)));
        HeldCall { reached, release }
    }

    /// Returns the number of planned faults and holds that no call has met.
    pub(super) fn planned(&self) -> usize {
        self.lock().planned.len()
    }

    /// Removes all planned faults and holds.
    pub(super) fn clear(&self) {
        self.lock().planned.clear();
    }

    /// Returns the number of logged calls of a verb.
    pub(super) fn count(&self, verb: Verb) -> usize {
        self.lock().calls.iter().filter(|call| call.verb == verb).count()
    }

    /// Removes and returns the log.
    pub(super) fn take_calls(&self) -> Vec<String> {
        let calls = std::mem::take(&mut self.lock().calls);
        calls.into_iter().map(|call| call.text).collect()
    }

    /// Waits until a condition holds. It is checked at once, and when a call begins or ends.
    pub(super) async fn wait_until(&self, condition: impl Fn() -> bool) {
        let mut activity = self.activity.subscribe();
        while !condition() {
            // The sender exists as long as `self`.
            let _ = activity.changed().await;
        }
    }

    /// Logs a call and applies the part of its plan that precedes its effect.
    ///
    /// # Errors
    /// The error of [`VerbFault::Before`].
    pub(super) async fn begin(&self, verb: Verb, subject: &str) -> Result<ActiveCall<'_>> {
        let planned = {
            let mut state = self.lock();
            let text = format!("{verb} {subject}").trim_end().to_owned();
            state.calls.push(LoggedCall { verb, text });
            let at = state.planned.iter().position(|(planned, _)| *planned == verb);
            at.and_then(|at| state.planned.remove(at)).map(|(_, planned)| planned)
        };
        self.activity.send_modify(|count| *count += 1);
        let mut call = ActiveCall { script: self, verb, fault: None, hold: None };
        match planned {
            None | Some(Planned::Fault(VerbFault::Pass)) => {}
            Some(Planned::Fault(VerbFault::Before(error))) => {
                return Err(error.with_operation(verb.to_string()));
            }
            Some(Planned::Fault(VerbFault::Slow(delay))) => sleep(delay).await,
            Some(Planned::Fault(fault)) => call.fault = Some(fault),
            Some(Planned::Hold(point)) if point.after_effect => call.hold = Some(point),
            Some(Planned::Hold(point)) => point.wait().await,
        }
        Ok(call)
    }
}

/// A call that has begun.
pub(super) struct ActiveCall<'a> {
    script: &'a CallScript,
    verb: Verb,
    fault: Option<VerbFault>,
    hold: Option<HoldPoint>,
}

impl ActiveCall<'_> {
    /// Returns the number of bytes, of `len`, after which the call breaks off, and its error.
    /// `None` if the call is complete.
    pub(super) fn break_off(&self, len: usize) -> Option<(usize, Error)> {
        let (bytes, error) = match &self.fault {
            Some(VerbFault::Halfway(error)) => (len / 2, error),
            Some(VerbFault::AfterBytes(bytes, error)) => (*bytes, error),
            _ => return None,
        };
        Some((bytes.min(len), error.clone().with_operation(self.verb.to_string())))
    }

    /// Returns an error if a call without bytes has a fault that breaks it off. Called before its
    /// effect.
    ///
    /// # Errors
    /// The error of [`VerbFault::Halfway`] or [`VerbFault::AfterBytes`].
    pub(super) fn check(&self) -> Result<()> {
        self.break_off(0).map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Applies the part of the plan that follows the effect, and returns the call's result.
    ///
    /// # Errors
    /// The error of the result, or of [`VerbFault::After`] in its place.
    pub(super) async fn end<T>(mut self, result: Result<T>) -> Result<T> {
        if let Some(point) = self.hold.take() {
            point.wait().await;
        }
        let operation = self.verb.to_string();
        match self.fault.take() {
            Some(VerbFault::After(error)) => Err(error.with_operation(operation)),
            _ => result.map_err(|error| error.with_operation(operation)),
        }
    }
}

impl Drop for ActiveCall<'_> {
    fn drop(&mut self) {
        self.script.activity.send_modify(|count| *count += 1);
    }
}
