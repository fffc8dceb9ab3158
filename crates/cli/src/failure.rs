//! What went wrong, for a person, a program and the shell.

use std::{fmt, io, path::Path};

use opendal::ErrorKind;
use serde::Serialize;

/// How a command ended; the number is the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exit {
    /// Everything that was asked for is done.
    Done = 0,
    /// It failed, for a reason that has no code of its own.
    Failed = 1,
    /// The command line, the configuration or a remote's options are wrong; nothing was done.
    Usage = 2,
    /// There is no such item.
    NotFound = 3,
    /// The account may not, or its token is no longer accepted.
    Denied = 4,
    /// Something is there already, or is not what a condition wants.
    Exists = 5,
    /// Of several items some failed or were left out; the others are done.
    Partial = 6,
    /// No connection, a cloud in trouble or one that wants fewer requests: later it may work.
    TryLater = 7,
    /// The remote cannot do this.
    Unsupported = 8,
    /// Ctrl-C.
    Interrupted = 130,
    /// Whoever read the output no longer does.
    ClosedPipe = 141,
    /// SIGTERM.
    Terminated = 143,
}

/// A failure: how the command would end by it alone, what it is about, and why.
///
/// As JSON: `{"kind": "not_found", "about": "work:a/b", "message": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    #[serde(rename = "kind")]
    pub(crate) exit: Exit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<String>,
    pub(crate) message: String,
}

pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, about: None, message: message.into() }
    }

    /// The command line or the configuration is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Says which item it is about, unless that is already said.
    pub(crate) fn about(mut self, item: impl fmt::Display) -> Self {
        self.about.get_or_insert_with(|| item.to_string());
        self
    }

    /// A failure of the local file system, about that path.
    pub(crate) fn local(path: &Path, error: &io::Error) -> Self {
        Self::from(error).about(path.display())
    }

    /// Nobody reads the output any more: not worth a word.
    pub(crate) fn is_silent(&self) -> bool {
        self.exit == Exit::ClosedPipe
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.about {
            Some(item) => write!(f, "{item}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl From<&opendal::Error> for Failure {
    /// Kind, the cloud's words and their source; not OpenDAL's context, which repeats the path and
    /// may carry a URL.
    fn from(error: &opendal::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::PermissionDenied => Exit::Denied,
            ErrorKind::AlreadyExists | ErrorKind::ConditionNotMatch => Exit::Exists,
            ErrorKind::RateLimited => Exit::TryLater,
            ErrorKind::Unsupported => Exit::Unsupported,
            ErrorKind::ConfigInvalid | ErrorKind::IsSameFile => Exit::Usage,
            ErrorKind::Unexpected if !error.is_permanent() && may_pass(error) => Exit::TryLater,
            _ => Exit::Failed,
        };
        let mut message = kind_in_words(error.kind()).to_owned();
        let mut add = |text: &str| {
            if !text.is_empty() && !message.contains(text) {
                if !message.is_empty() {
                    message.push_str(": ");
                }
                message.push_str(text);
            }
        };
        add(error.message());
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            add(&cause.to_string());
            source = cause.source();
        }
        if message.is_empty() {
            message.push_str("it failed, and the service did not say why");
        }
        Self::new(exit, message)
    }
}

impl From<opendal::Error> for Failure {
    fn from(error: opendal::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            io::ErrorKind::PermissionDenied => Exit::Denied,
            io::ErrorKind::AlreadyExists => Exit::Exists,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

/// OpenDAL calls every trouble with a local disk temporary; that of a network is.
fn may_pass(error: &opendal::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        Interrupted, NetworkDown, NetworkUnreachable, NotConnected, ResourceBusy, TimedOut,
        UnexpectedEof, WouldBlock,
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                BrokenPipe
                    | ConnectionAborted
                    | ConnectionRefused
                    | ConnectionReset
                    | HostUnreachable
                    | Interrupted
                    | NetworkDown
                    | NetworkUnreachable
                    | NotConnected
                    | ResourceBusy
                    | TimedOut
                    | UnexpectedEof
                    | WouldBlock
            );
        }
        source = cause.source();
    }
    true
}

fn kind_in_words(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not found",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::AlreadyExists => "already exists",
        ErrorKind::ConditionNotMatch => "a condition does not hold",
        ErrorKind::RateLimited => "too many requests",
        ErrorKind::Unsupported => "not supported",
        ErrorKind::ConfigInvalid => "wrong configuration",
        ErrorKind::IsADirectory => "is a folder",
        ErrorKind::NotADirectory => "is not a folder",
        ErrorKind::IsSameFile => "source and target are the same",
        ErrorKind::RangeNotSatisfied => "the range lies behind the end",
        ErrorKind::Conflict => "conflict",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_kind_words_and_source_but_no_context() {
        let error = opendal::Error::new(ErrorKind::NotFound, "no such item")
            .with_context("url", "https://example.invalid/?access_token=SECRET")
            .set_source(io::Error::other("the cloud said so"));
        let failure = Failure::from(error).about("work:a/b");
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(failure.to_string(), "work:a/b: not found: no such item: the cloud said so");
    }

    #[test]
    fn trouble_that_may_pass_has_its_own_code() {
        let reset = opendal::Error::new(ErrorKind::Unexpected, "connection reset").set_temporary();
        assert_eq!(Failure::from(reset).exit, Exit::TryLater);
        let disk = opendal::Error::new(ErrorKind::Unexpected, "writing")
            .set_temporary()
            .set_source(io::Error::from(io::ErrorKind::IsADirectory));
        assert_eq!(Failure::from(disk).exit, Exit::Failed);
        let broken = opendal::Error::new(ErrorKind::Unexpected, "broken answer");
        assert_eq!(Failure::from(broken).exit, Exit::Failed);
    }
}
