//! Conversion of Graph's error responses into [`Error`]s (onedrive-graph#errors).

use http::{HeaderName, StatusCode};
use serde_json::Value;

use crate::{
    drive::{Error, ErrorKind, Retry, Secret},
    transport::ApiResponse,
};

/// Header of responses that reject content as malware (onedrive-graph#malware).
const VIRUS: HeaderName = HeaderName::from_static("x-virus-infected");

/// Maximum length of a repeated error message, in characters.
const MESSAGE_MAX: usize = 500;

/// Minimum length of a URL's part that is treated as a credential, in characters.
const SECRET_MIN: usize = 8;

/// Maximum nesting of error objects that is read.
const DEPTH_MAX: usize = 8;

/// Message of errors that the cloud does not explain.
const NO_REASON: &str = "the cloud gave no reason";

/// Text of the message if another upload to the same name is in progress. The code is the same as
/// for an existing file (onedrive-graph#session-name-in-use).
const UPLOAD_IN_PROGRESS: &str = "currently being uploaded";

/// Returns the error that a response describes.
///
/// Kind and message follow from the codes in the body, the innermost known code first, and from the
/// status if there is none. `secret` is the token or the pre-authenticated URL of the request, which
/// the response may repeat; it is removed from the error.
pub(super) fn response_error(response: &ApiResponse, secret: &Secret) -> Error {
    let body = serde_json::from_reader(response.body.clone());
    let details = body.map(ErrorDetails::parse).unwrap_or_default().redacted(secret);
    let status = response.status;
    let message = match (&*details.message, details.codes.first()) {
        ("", _) if response.headers.contains_key(VIRUS) => {
            "the cloud rejects this content as malware"
        }
        ("", Some(code)) => code,
        ("", None) => status.canonical_reason().unwrap_or(NO_REASON),
        (message, _) => message,
    };
    let mut error = response.failure(message);
    if !details.codes.is_empty() {
        error = error.with_code(details.codes.join("/"));
    }
    if let Some(id) = &details.request_id
        && response.headers.get("request-id").is_none()
    {
        error = error.with_request_id(id);
    }
    if let Some(kind) = details.kind(status) {
        error = error.with_kind(kind);
    }
    if error.kind() == ErrorKind::AlreadyExists && details.message.contains(UPLOAD_IN_PROGRESS) {
        return error.with_kind(ErrorKind::Conflict).with_retry(Retry::Again { after: None });
    }
    // 503: overloaded. 509: bandwidth limit exceeded (onedrive-graph#error-codes,
    // onedrive-graph#retry-after).
    if matches!(status.as_u16(), 503 | 509) {
        error = error.with_kind(ErrorKind::RateLimited);
    }
    let may_pass = error.kind() == ErrorKind::RateLimited
        || details.codes.iter().any(|code| is_transient(code));
    if may_pass && error.retry() == Retry::No {
        error = error.with_retry(Retry::Again { after: None });
    }
    error
}

/// Returns the error of a failed copy, which the body of a successful response describes
/// (onedrive-graph#copy-monitor): its error object, or its error code alone.
pub(super) fn copy_error(error: Option<Value>, code: Option<String>) -> Error {
    let mut details = ErrorDetails::default();
    if let Some(error) = &error {
        details.read(error);
    }
    if let Some(code) = code {
        // In `AccessDenied_…`, the text before the underscore is one of the documented codes.
        details.codes.push(code.split('_').next().unwrap_or_default().to_owned());
    }
    let kind = details.kind(StatusCode::OK).unwrap_or(ErrorKind::Unexpected);
    let message = match &*details.message {
        "" => NO_REASON,
        message => message,
    };
    let error = Error::new(kind, message);
    match details.codes.is_empty() {
        true => error,
        false => error.with_code(details.codes.join("/")),
    }
}

/// Returns whether an error has one of Graph's codes, in any case.
pub(super) fn has_code(error: &Error, code: &str) -> bool {
    error.code().is_some_and(|codes| codes.split('/').any(|one| one.eq_ignore_ascii_case(code)))
}

/// The content of an error response.
#[derive(Default)]
struct ErrorDetails {
    /// Codes from the outermost to the innermost error object.
    codes: Vec<String>,
    /// Message of the outermost error object; empty if it has none.
    message: String,
    /// Id of the request in the cloud's logs.
    request_id: Option<String>,
}

impl ErrorDetails {
    /// Reads the body of an error response. An unknown form gives empty details.
    fn parse(body: Value) -> Self {
        let mut details = Self::default();
        match &body["error"] {
            error @ Value::Object(_) => details.read(error),
            // The form of OAuth errors, which some upload hosts use too.
            Value::String(code) => {
                details.codes.push(code.clone());
                if let Some(text) = body["error_description"].as_str() {
                    details.message = shortened(text);
                }
            }
            _ => {}
        }
        details
    }

    /// Reads an error object and those nested in it. Graph names the nested object `innerError`,
    /// OneDrive's own hosts `innererror`.
    fn read(&mut self, error: &Value) {
        self.message = match &error["message"] {
            Value::String(text) => shortened(text),
            // SharePoint's form: `{"lang": …, "value": …}`.
            message => message["value"].as_str().map(shortened).unwrap_or_default(),
        };
        let mut level = Some(error);
        for _ in 0..DEPTH_MAX {
            let Some(error) = level else { break };
            if let Some(code) = error["code"].as_str()
                && !code.is_empty()
                && !self.codes.iter().any(|known| known == code)
            {
                self.codes.push(code.to_owned());
            }
            if let Some(id) = error["request-id"].as_str() {
                self.request_id = Some(id.to_owned());
            }
            level = ["innerError", "innererror"]
                .iter()
                .map(|name| &error[name])
                .find(|inner| inner.is_object());
        }
    }

    /// Returns the details without a token or URL, and without its longer parts.
    fn redacted(mut self, secret: &Secret) -> Self {
        let separators = ['/', '?', '&', '=', '#', ':', ' '];
        let parts: Vec<_> = std::iter::once(secret.clone())
            .chain(secret.expose().split(separators).map(Secret::from))
            .filter(|part| part.expose().len() >= SECRET_MIN)
            .collect();
        let redact = |text: &mut String| {
            for part in &parts {
                *text = part.redact_in(text).into_owned();
            }
        };
        self.codes.iter_mut().for_each(redact);
        redact(&mut self.message);
        self.request_id.iter_mut().for_each(redact);
        self
    }

    /// Returns the kind of the innermost code that has one; `None` if none has. `status` is that of
    /// the response.
    fn kind(&self, status: StatusCode) -> Option<ErrorKind> {
        self.codes.iter().rev().find_map(|code| kind_of(code, status))
    }
}

/// Returns a message with at most [`MESSAGE_MAX`] characters.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns the kind of an error code; `None` if the status of the response is more exact. `status`
/// is that of the response.
fn kind_of(code: &str, status: StatusCode) -> Option<ErrorKind> {
    Some(match &*code.to_ascii_lowercase() {
        "itemnotfound" | "uploadsessionnotfound" | "syncstatenotfound" => ErrorKind::NotFound,
        "namealreadyexists" | "upload_name_conflict" => ErrorKind::AlreadyExists,
        "resourcemodified" | "preconditionfailed" | "entitytagdoesnotmatch" => {
            ErrorKind::ConditionNotMatch
        }
        "resourcelocked"
        | "lockmismatch"
        | "lockownermismatch"
        | "editconflict"
        | "directory_concurrencyviolation"
        | "resourcebeingprovisioned" => ErrorKind::Conflict,
        "activitylimitreached" | "toomanyrequests" | "throttledrequest" => ErrorKind::RateLimited,
        "quotalimitreached" | "insufficientstorage" => ErrorKind::QuotaExceeded,
        "invalidrange" | "fragmentoverlap" | "fragmentoutoforder" => ErrorKind::RangeNotSatisfied,
        "malwaredetected"
        | "virussuspicious"
        | "accessdenied"
        | "accessrestricted"
        | "accountupgraderequired"
        | "servicereadonly"
        | "unauthenticated" => ErrorKind::PermissionDenied,
        "pathistoolong"
        | "pathtoodeep"
        | "invalidpath"
        | "namecontainsinvalidcharacters"
        | "fragmentlengthmismatch"
        | "maxfragmentlengthexceeded"
        | "maxfilesizeexceeded" => ErrorKind::InvalidInput,
        "notsupported" => ErrorKind::Unsupported,
        // With 412 the code means a failed etag condition; with 423, the state of the item.
        "notallowed" if status == StatusCode::LOCKED => ErrorKind::Conflict,
        _ => return None,
    })
}

/// Returns whether the condition that a code describes ends without intervention.
fn is_transient(code: &str) -> bool {
    ["resourceBeingProvisioned", "Directory_ConcurrencyViolation", "serviceNotAvailable"]
        .iter()
        .any(|transient| transient.eq_ignore_ascii_case(code))
}
