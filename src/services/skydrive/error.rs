//! What Live Connect's error answers mean (live-connect#errors).

use std::time::Duration;

use super::model::{Failure, FailureDetail};
use crate::{
    drive::{Error, ErrorKind, Retry, Secret},
    transport::ApiResponse,
};

/// How long to leave a cloud alone that throttles and does not say for how long
/// (live-connect#error-throttled).
const THROTTLED: Duration = Duration::from_secs(10);
/// How long to leave a cloud alone that is busy (live-connect#error-server-busy).
const BUSY: Duration = Duration::from_secs(5);

/// The failure that an answer tells of. `token` is what the request was signed with: the cloud may
/// repeat it.
pub(super) fn refused(reply: &ApiResponse, token: Option<&Secret>) -> Error {
    let Ok(Failure { error: FailureDetail { code, message } }) =
        serde_json::from_reader(reply.body.clone())
    else {
        // The storage host, proxies, and bodies over 100 MB: no JSON.
        return unexplained(reply);
    };
    let message = token.map_or_else(|| message.as_str().into(), |token| token.redact_in(&message));
    let failure = reply.failure(message).with_code(&code);
    let (kind, wait) = match &*code {
        "resource_not_found" => (ErrorKind::NotFound, None),
        "resource_already_exists" => (ErrorKind::AlreadyExists, None),
        "resource_quota_exceeded" => (ErrorKind::QuotaExceeded, None),
        "request_method_invalid" => (ErrorKind::Unsupported, None),
        "request_url_invalid"
        | "request_body_invalid"
        | "request_parameter_invalid"
        | "request_parameter_missing" => (ErrorKind::InvalidInput, None),
        "request_throttled" => (ErrorKind::RateLimited, Some(THROTTLED)),
        "server_busy" => (ErrorKind::RateLimited, Some(BUSY)),
        code if code.starts_with("request_token_") => (ErrorKind::PermissionDenied, None),
        _ => return failure,
    };
    let retry = match (failure.retry(), wait) {
        // What the cloud said is better than what is usual, and what was in vain stays so.
        (told @ (Retry::Exhausted | Retry::Again { after: Some(_) }), _) | (told, None) => told,
        (_, wait) => Retry::Again { after: wait },
    };
    failure.with_kind(kind).with_retry(retry)
}

/// A failure of which nothing is known but its status.
pub(super) fn unexplained(reply: &ApiResponse) -> Error {
    reply.failure(reply.status.canonical_reason().unwrap_or("no reason was given"))
}
