//! Failures of a command: exit codes, and one wording for each failure.
//!
//! A failure is shown as `cannot <verb> <thing>: <reason> (<hint>)`. The verb is the command's
//! ([`Output`](crate::output::Output) knows it) unless the failure names its own
//! ([`Failure::doing`]). Reasons that several commands share are constructors of [`Failure`].

use std::{fmt, io, path::Path};

use drivedal::auth::SIGN_IN_REQUIRED;
use opendal::ErrorKind;
use serde::Serialize;

/// How a command ended. The number is the exit code of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exit {
    /// The command did everything it should do.
    Done = 0,
    /// The command failed for a reason that has no exit code of its own.
    Failed = 1,
    /// The arguments, the configuration or the options of a remote are invalid. Nothing was done.
    Usage = 2,
    /// The item does not exist.
    NotFound = 3,
    /// The account has no permission, or its token is no longer valid.
    Denied = 4,
    /// An item of that name exists, or a precondition does not hold.
    Exists = 5,
    /// Some of several items failed or were left out. The others are done.
    Partial = 6,
    /// No connection, a server error or a rate limit: a later attempt may succeed.
    TryLater = 7,
    /// The remote does not support the operation.
    Unsupported = 8,
    /// Nothing had to be transferred, and `--error-on-no-transfer` was given.
    NothingToDo = 9,
    /// A check found differences.
    Differences = 10,
    /// Nothing was deleted, because more files would be deleted than `--max-delete` allows.
    MaxDelete = 11,
    /// Ctrl-C.
    Interrupted = 130,
    /// The reader of standard output closed it.
    ClosedPipe = 141,
    /// SIGTERM.
    Terminated = 143,
}

/// A failure of one item or of the whole command.
///
/// As JSON: `{"kind": "not_found", "about": "work:a/b", "message": "…", "hint": "…"}`. `about` and
/// `hint` are optional.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    /// The exit code of a command that fails with nothing but this.
    #[serde(rename = "kind")]
    pub(crate) exit: Exit,
    /// The verb after "cannot". `None`: the verb of the running command.
    #[serde(skip)]
    action: Option<&'static str>,
    /// The item, path or remote. `None` if the failure is about the command as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<String>,
    /// The reason.
    pub(crate) message: String,
    /// The user's next step, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Whether the user must sign in again.
    #[serde(skip)]
    needs_sign_in: bool,
}

pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// Creates a failure with a reason.
    pub(crate) fn new(exit: Exit, reason: impl Into<String>) -> Self {
        Self {
            exit,
            action: None,
            about: None,
            message: reason.into(),
            hint: None,
            needs_sign_in: false,
        }
    }

    /// Creates a failure of the arguments or the configuration.
    pub(crate) fn usage(reason: impl Into<String>) -> Self {
        Self::new(Exit::Usage, reason)
    }

    /// Creates a failure of the local file system: `cannot <action> <path>: <error>`. Its exit code
    /// is `NotFound`, `Denied` or `Exists` by the kind of the error, otherwise `Failed`.
    pub(crate) fn local(action: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::from(error).doing(action).about(path.display())
    }

    /// Returns `Failed`: the item is a folder, and the command works on files.
    pub(crate) fn is_folder() -> Self {
        Self::new(Exit::Failed, "it is a folder")
    }

    /// Returns `Failed`: the item is a file, and the command works on folders.
    pub(crate) fn is_not_folder() -> Self {
        Self::new(Exit::Failed, "it is not a folder")
    }

    /// Returns `Exists`: an item of that name exists, and the command may not replace it.
    pub(crate) fn exists() -> Self {
        Self::new(Exit::Exists, "already exists")
    }

    /// Returns `Usage`: the root of a remote is named where a file is needed.
    pub(crate) fn root_is_not_file() -> Self {
        Self::usage("the root of a remote is not a file")
    }

    /// Returns `Failed`: the local item is a pipe, a socket or a device.
    pub(crate) fn is_special_file() -> Self {
        Self::new(Exit::Failed, "it is neither a file nor a folder (a pipe, a socket, a device)")
    }

    /// Returns `Failed`: the local name is not UTF-8.
    pub(crate) fn is_not_utf8() -> Self {
        Self::new(Exit::Failed, "the name is not UTF-8, which all drives require")
    }

    /// Returns `Usage`: the command names several sources and a target that is not a folder.
    pub(crate) fn several_sources() -> Self {
        Self::usage("several sources need a folder as target").hint("add a slash to the target")
    }

    /// Returns `Unsupported`: the remote's service does not have the feature.
    pub(crate) fn wrong_service(scheme: &str) -> Self {
        Self::new(Exit::Unsupported, format!("it is a {scheme} remote"))
    }

    /// Returns the reason for a file that has another length than announced; `expected` and
    /// `received` are in bytes.
    pub(crate) fn wrong_length(expected: u64, received: u64) -> String {
        format!("received {received} bytes, expected {expected}")
    }

    /// Replaces the exit code.
    pub(crate) fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// Sets the item, unless the failure names one already. A reason that begins with
    /// `cannot <verb> <item>: ` for this item is shortened: the failure itself says so.
    pub(crate) fn about(mut self, item: impl fmt::Display) -> Self {
        if self.about.is_none() {
            let item = item.to_string();
            if let Some(reason) = reason_for(&self.message, &item) {
                self.message = match self.exit {
                    Exit::NotFound => format!("not found: {reason}"),
                    _ => reason.to_owned(),
                };
            }
            self.about = Some(item);
        }
        self
    }

    /// Sets the verb after "cannot", unless the failure has one already.
    pub(crate) fn doing(mut self, action: &'static str) -> Self {
        self.action.get_or_insert(action);
        self
    }

    /// Sets the hint, unless the failure has one already.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Marks the failure as one of a missing sign-in.
    pub(crate) fn for_missing_sign_in(self) -> Self {
        Self { needs_sign_in: true, ..self }
    }

    /// Sets the command that signs in to the remote of the item as the hint, if the failure is
    /// about a sign-in that is missing, has ended or needs the user. `is_remote` returns whether a
    /// remote has a name.
    pub(crate) fn with_sign_in_hint(self, is_remote: impl Fn(&str) -> bool) -> Self {
        if !self.needs_sign_in {
            return self;
        }
        let about = self.about.clone().unwrap_or_default();
        let name = about.split_once(':').map_or(about.as_str(), |(name, _)| name);
        match is_remote(name) {
            true => self.hint(format!("run `drivedal login {name}`")),
            false => self.hint("sign in: `drivedal login NAME`"),
        }
    }

    /// Returns whether the reader of standard output closed it. Such a failure is not reported.
    pub(crate) fn is_silent(&self) -> bool {
        self.exit == Exit::ClosedPipe
    }
}

impl fmt::Display for Failure {
    /// Writes `cannot <action> <item>: <reason> (<hint>)`, as far as they are known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.action, &self.about) {
            (Some(action), Some(item)) => {
                // `work:` is a remote; its colon would stand beside the one before the reason.
                let item = item.strip_suffix(':').unwrap_or(item);
                write!(f, "cannot {action} {item}: ")?;
            }
            (None, Some(item)) => write!(f, "{item}: ")?,
            (_, None) => {}
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

impl From<&opendal::Error> for Failure {
    /// Takes the kind, the message and the sources of an error. OpenDAL's context is left out: it
    /// repeats the path and may contain a URL with a token.
    ///
    /// The exit code is `NotFound`, `Denied`, `Exists` (also for a failed precondition),
    /// `TryLater`, `Unsupported` or `Usage` by the kind of the error, otherwise `Failed`.
    fn from(error: &opendal::Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::PermissionDenied => Exit::Denied,
            ErrorKind::AlreadyExists | ErrorKind::ConditionNotMatch => Exit::Exists,
            ErrorKind::RateLimited => Exit::TryLater,
            ErrorKind::Unsupported => Exit::Unsupported,
            ErrorKind::ConfigInvalid | ErrorKind::IsSameFile => Exit::Usage,
            ErrorKind::Unexpected if !error.is_permanent() && is_transient(error) => Exit::TryLater,
            _ => Exit::Failed,
        };
        let mut message = match error.message().starts_with(CANNOT) {
            // A sentence of the library, with its own reason.
            true => String::new(),
            false => kind_name(error.kind()).to_owned(),
        };
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
            message.push_str("the service gave no reason");
        }
        Self { needs_sign_in: needs_sign_in(error), ..Self::new(exit, message) }
    }
}

/// The codes of a token endpoint for a sign-in that has ended or needs the user
/// (onedrive-graph#token-errors), and the library's code if no token is stored.
const SIGN_IN_CODES: [&str; 5] = [
    "consent_required",
    "interaction_required",
    "invalid_grant",
    "login_required",
    SIGN_IN_REQUIRED,
];

/// Returns whether an error is about a sign-in that is missing, has ended or needs the user.
fn needs_sign_in(error: &opendal::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<drivedal::drive::Error>()
            && cause.code().is_some_and(|code| SIGN_IN_CODES.contains(&code))
        {
            return true;
        }
        source = cause.source();
    }
    false
}

impl From<opendal::Error> for Failure {
    /// Takes the kind, the message and the sources of an error; see the conversion of a reference.
    fn from(error: opendal::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&io::Error> for Failure {
    /// Takes the text of an error. The exit code is `NotFound`, `Denied` or `Exists` by its kind,
    /// otherwise `Failed`.
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

/// The beginning of a sentence that names an operation, its item and the reason of the failure.
const CANNOT: &str = "cannot ";

/// Returns the reason in the sentence `cannot <verb> <item>: <reason>` of the library; `None` if
/// the text has another form or is about another item. `item` is the item as the command names it,
/// such as `work:a/b`.
fn reason_for<'t>(text: &'t str, item: &str) -> Option<&'t str> {
    let (operation, reason) = split_sentence(text.strip_prefix(CANNOT)?)?;
    let is_generic =
        ["the file", "the item", "the folder"].iter().any(|thing| operation.ends_with(thing));
    (is_generic || names_item(operation, item)).then_some(reason)
}

/// Splits a sentence at the first colon that is not in quotes; `None` if it has none.
fn split_sentence(text: &str) -> Option<(&str, &str)> {
    let (mut quote, mut is_escaped) = (None, false);
    let end = text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            _ if is_escaped => is_escaped = false,
            (Some('"'), '\\') => is_escaped = true,
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, ':') if text[at..].starts_with(": ") => return Some(at),
            _ => {}
        }
        None
    })?;
    Some((&text[..end], &text[end + 2..]))
}

/// Returns whether an operation, such as `read "b"`, has in quotes the path of an item, or the end
/// of the path from a slash or colon on. Slashes at the ends do not count; letter case does.
fn names_item(operation: &str, item: &str) -> bool {
    let quoted = operation.find(['"', '`']).and_then(|start| {
        let quote = operation[start..].chars().next()?;
        operation.get(start + 1..operation.rfind(quote)?)
    });
    let Some(quoted) = quoted.filter(|quoted| !quoted.is_empty()) else { return false };
    // The library quotes paths as Rust does.
    let item = format!("{:?}", item.trim_end_matches(['/', ':']));
    let before = item[1..item.len() - 1].strip_suffix(quoted.trim_end_matches('/'));
    before.is_some_and(|before| before.is_empty() || before.ends_with([':', '/']))
}

/// Returns whether a later attempt may succeed, because the error is one of the network. OpenDAL
/// marks every I/O error of a local disk as temporary; these do not count.
fn is_transient(error: &opendal::Error) -> bool {
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

/// Returns the text for an error kind; empty for kinds that add nothing to the error's message.
fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not found",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::AlreadyExists => "already exists",
        ErrorKind::ConditionNotMatch => "a precondition does not hold",
        ErrorKind::RateLimited => "too many requests",
        ErrorKind::Unsupported => "not supported",
        ErrorKind::ConfigInvalid => "invalid configuration",
        ErrorKind::IsADirectory => "it is a folder",
        ErrorKind::NotADirectory => "it is not a folder",
        ErrorKind::IsSameFile => "source and target are the same",
        ErrorKind::RangeNotSatisfied => "the range starts after the end of the file",
        ErrorKind::Conflict => "conflict",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_kind_message_and_source_but_no_context() {
        let error = opendal::Error::new(ErrorKind::NotFound, "no such item")
            .with_context("url", "https://example.invalid/?access_token=SECRET")
            .set_source(io::Error::other("the cloud's text"));
        let failure = Failure::from(error).about("work:a/b");
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(failure.to_string(), "work:a/b: not found: no such item: the cloud's text");
        let text = failure.doing("list").hint("check the path").to_string();
        assert_eq!(
            text,
            "cannot list work:a/b: not found: no such item: the cloud's text (check the path)"
        );
        let remote = Failure::usage("unknown remote").about("work:").doing("open");
        assert_eq!(remote.to_string(), "cannot open work: unknown remote");
    }

    #[test]
    fn an_operation_and_its_item_are_named_once() {
        let shown = |kind, message: &str, item: &str| {
            let failure = Failure::from(opendal::Error::new(kind, message)).about(item);
            failure.doing("move").to_string()
        };
        for (kind, message, item, expected) in [
            (
                ErrorKind::IsADirectory,
                "cannot read the item: it is a folder",
                "work:d",
                "cannot move work:d: it is a folder",
            ),
            (
                ErrorKind::Conflict,
                "cannot move \"a: b/d\": the target is below it",
                "work:a: b/d/",
                "cannot move work:a: b/d/: the target is below it",
            ),
            (
                ErrorKind::NotFound,
                "cannot find \"b\": the folder has no such item",
                "work:a/b",
                "cannot move work:a/b: not found: the folder has no such item",
            ),
            (
                ErrorKind::Unsupported,
                "cannot use the name \"a\\\"b\" in this cloud: a name cannot have \"",
                "work:d/a\"b",
                "cannot move work:d/a\"b: a name cannot have \"",
            ),
            // Another item, and other operations, are part of the reason.
            (
                ErrorKind::IsADirectory,
                "cannot replace \"d\": it is a folder",
                "work:a",
                "cannot move work:a: cannot replace \"d\": it is a folder",
            ),
            (
                ErrorKind::NotFound,
                "cannot find \"b\": the folder has no such item",
                "work:ab",
                "cannot move work:ab: cannot find \"b\": the folder has no such item",
            ),
            (
                ErrorKind::ConfigInvalid,
                "cannot sign in: client_id is missing",
                "work:",
                "cannot move work: cannot sign in: client_id is missing",
            ),
        ] {
            assert_eq!(shown(kind, message, item), expected);
        }
    }

    #[test]
    fn transient_errors_have_an_exit_code_of_their_own() {
        let reset = opendal::Error::new(ErrorKind::Unexpected, "connection reset").set_temporary();
        assert_eq!(Failure::from(reset).exit, Exit::TryLater);
        let disk = opendal::Error::new(ErrorKind::Unexpected, "writing")
            .set_temporary()
            .set_source(io::Error::from(io::ErrorKind::IsADirectory));
        assert_eq!(Failure::from(disk).exit, Exit::Failed);
        let broken = opendal::Error::new(ErrorKind::Unexpected, "broken response");
        assert_eq!(Failure::from(broken).exit, Exit::Failed);
    }
}
