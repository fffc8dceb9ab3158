//! Conversion of error responses (live-connect#errors).

use std::time::Duration;

use super::model::{ErrorBody, ErrorDetail};
use crate::{
    drive::{Error, ErrorKind, Retry, Secret},
    transport::ApiResponse,
};

/// Pause after `request_throttled` without a `Retry-After` header (live-connect#error-throttled).
const THROTTLED_PAUSE: Duration = Duration::from_secs(10);

/// Pause after `server_busy` without a `Retry-After` header (live-connect#error-server-busy).
const BUSY_PAUSE: Duration = Duration::from_secs(5);

/// Returns the error of a response whose status is not a success.
///
/// The cloud may repeat the request's `secret`, such as its token, in the message; it is removed.
pub(super) fn error_of(response: &ApiResponse, secret: Option<&Secret>) -> Error {
    let Ok(ErrorBody { error: ErrorDetail { code, message } }) =
        serde_json::from_reader(response.body.clone())
    else {
        // The storage host, proxies, and the response to a body over 100 MB have no JSON.
        return error_of_status(response);
    };
    let message =
        secret.map_or_else(|| message.as_str().into(), |secret| secret.redact_in(&message));
    let error = response.failure(message).with_code(&code);
    let (kind, pause) = match &*code {
        "resource_not_found" => (ErrorKind::NotFound, None),
        "resource_already_exists" => (ErrorKind::AlreadyExists, None),
        "resource_quota_exceeded" => (ErrorKind::QuotaExceeded, None),
        "request_method_invalid" => (ErrorKind::Unsupported, None),
        "request_url_invalid"
        | "request_body_invalid"
        | "request_parameter_invalid"
        | "request_parameter_missing" => (ErrorKind::InvalidInput, None),
        "request_throttled" => (ErrorKind::RateLimited, Some(THROTTLED_PAUSE)),
        "server_busy" => (ErrorKind::RateLimited, Some(BUSY_PAUSE)),
        code if code.starts_with("request_token_") => (ErrorKind::PermissionDenied, None),
        _ => return error,
    };
    let retry = match (error.retry(), pause) {
        // The response's own pause takes precedence, and exhausted retries remain exhausted.
        (known @ (Retry::Exhausted | Retry::Again { after: Some(_) }), _) | (known, None) => known,
        (_, pause) => Retry::Again { after: pause },
    };
    error.with_kind(kind).with_retry(retry)
}

/// Returns the error of a response of which only the status is known.
pub(super) fn error_of_status(response: &ApiResponse) -> Error {
    response.failure(response.status.canonical_reason().unwrap_or("the response has no reason"))
}
