//! What Graph's error answers mean (onedrive-graph#errors).

use http::{HeaderName, StatusCode};
use serde_json::Value;

use crate::{
    drive::{Error, ErrorKind, Retry, Secret},
    transport::ApiResponse,
};

/// Set on answers that refuse harmful bytes (onedrive-graph#malware).
const VIRUS: HeaderName = HeaderName::from_static("x-virus-infected");

/// The most of the cloud's words that is repeated, in characters.
const WORDS_MAX: usize = 500;

/// From how many characters on a part of a URL may be what authenticates it.
const SECRET_MIN: usize = 8;

/// The most codes within each other that are followed.
const DEPTH_MAX: usize = 8;

/// The failure an answer tells of: kind and text by the cloud's own codes, the most exact first,
/// and by the status where they say nothing. `secret` is the token or the pre-authenticated URL
/// that was sent: the cloud may repeat it.
pub(super) fn failure(reply: &ApiResponse, secret: &Secret) -> Error {
    let words = serde_json::from_reader(reply.body.clone()).map(ErrorBody::of).unwrap_or_default();
    let words = words.without(secret);
    let status = reply.status;
    let message = match (&*words.message, words.codes.first()) {
        ("", _) if reply.headers.contains_key(VIRUS) => "the cloud holds these bytes to be harmful",
        ("", Some(code)) => code,
        ("", None) => status.canonical_reason().unwrap_or("the cloud gave no reason"),
        (message, _) => message,
    };
    let mut error = reply.failure(message);
    if !words.codes.is_empty() {
        error = error.with_code(words.codes.join("/"));
    }
    if let Some(id) = words.request_id
        && reply.headers.get("request-id").is_none()
    {
        error = error.with_request_id(id);
    }
    if let Some(kind) = words.codes.iter().rev().find_map(|code| kind_of(code, status)) {
        error = error.with_kind(kind);
    }
    match status.as_u16() {
        // Overloaded, also where no `Retry-After` is told; bandwidth used up
        // (onedrive-graph#error-codes, onedrive-graph#retry-after).
        503 | 509 => error = error.with_kind(ErrorKind::RateLimited),
        _ if error.kind() == ErrorKind::RateLimited && error.retry() == Retry::No => {
            error = error.with_retry(Retry::Again { after: None });
        }
        _ => {}
    }
    if words.codes.iter().any(|code| passes(code)) && error.retry() == Retry::No {
        error = error.with_retry(Retry::Again { after: None });
    }
    error
}

/// The failure that is told of in a body alone: how a copy ended (onedrive-graph#copy-monitor).
pub(super) fn failure_in(error: Option<Value>, code: Option<String>) -> Error {
    let mut words = ErrorBody::default();
    if let Some(error) = &error {
        words.take(error);
    }
    if let Some(code) = code {
        // `AccessDenied_…`: the part before the underscore is a code of the list.
        words.codes.push(code.split('_').next().unwrap_or_default().to_owned());
    }
    let kind = words
        .codes
        .iter()
        .rev()
        .find_map(|code| kind_of(code, StatusCode::OK))
        .unwrap_or(ErrorKind::Unexpected);
    let message = match &*words.message {
        "" => "the cloud gave no reason",
        message => message,
    };
    let error = Error::new(kind, message);
    match words.codes.is_empty() {
        true => error,
        false => error.with_code(words.codes.join("/")),
    }
}

/// Whether an error of ours carries one of Graph's codes.
pub(super) fn has_code(error: &Error, code: &str) -> bool {
    error.code().is_some_and(|codes| codes.split('/').any(|one| one.eq_ignore_ascii_case(code)))
}

/// What an error's body says.
#[derive(Default)]
struct ErrorBody {
    /// From the outermost to the innermost.
    codes: Vec<String>,
    message: String,
    request_id: Option<String>,
}

impl ErrorBody {
    fn of(body: Value) -> Self {
        let mut words = Self::default();
        match &body["error"] {
            error @ Value::Object(_) => words.take(error),
            // As token endpoints answer, and some upload hosts.
            Value::String(code) => {
                words.codes.push(code.clone());
                if let Some(text) = body["error_description"].as_str() {
                    words.message = shortened(text);
                }
            }
            _ => {}
        }
        words
    }

    /// The same without what is secret of a token or a URL, whole or in part.
    fn without(mut self, secret: &Secret) -> Self {
        let separators = ['/', '?', '&', '=', '#', ':', ' '];
        let pieces: Vec<_> = std::iter::once(secret.clone())
            .chain(secret.expose().split(separators).map(Secret::from))
            .filter(|piece| piece.expose().len() >= SECRET_MIN)
            .collect();
        let hide = |text: &mut String| {
            for piece in &pieces {
                *text = piece.redact_in(text).into_owned();
            }
        };
        self.codes.iter_mut().for_each(hide);
        hide(&mut self.message);
        self.request_id.iter_mut().for_each(hide);
        self
    }

    /// Walks down `innerError`, which Graph spells so and OneDrive's own hosts `innererror`.
    fn take(&mut self, error: &Value) {
        self.message = match &error["message"] {
            Value::String(text) => shortened(text),
            // SharePoint's: `{"lang": …, "value": …}`.
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
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a code means where the status does not say it, or says it less exactly.
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
        // After 412 it is said of etags, after 403 and 423 of the item's state.
        "notallowed" if status == StatusCode::LOCKED => ErrorKind::Conflict,
        _ => return None,
    })
}

/// Whether what a code says is over soon.
fn passes(code: &str) -> bool {
    ["resourceBeingProvisioned", "Directory_ConcurrencyViolation", "serviceNotAvailable"]
        .iter()
        .any(|passing| passing.eq_ignore_ascii_case(code))
}
