//! Conversion of error responses (amazon-drive#errors).
//!
//! Most error responses have a status and a message, but no code. Where one status has several
//! meanings, the cloud's message decides; these messages are part of the protocol.

use super::model::ErrorBody;
use crate::{
    drive::{Error, ErrorKind, Retry},
    transport::ApiResponse,
};

/// Code of a 409 response for a name in use (amazon-drive#error-name-conflict).
const NAME_TAKEN: &str = "NAME_ALREADY_EXISTS";

/// Code of a 403 response that has been seen for an account over its quota.
const NO_SUBSCRIPTION: &str = "NO_ACTIVE_SUBSCRIPTION_FOUND";

/// Starts of the messages of a 400 response for an incomplete request body
/// (amazon-drive#error-bad-request).
const INCOMPLETE_BODY: [&str; 2] = ["Cannot read from request", "Cannot complete upload"];

/// Maximum length of a message that is taken from a response without JSON, in characters.
const MESSAGE_MAX: usize = 200;

/// Returns the error of a response whose status is not a success.
pub(super) fn error_of(response: &ApiResponse) -> Error {
    let body: ErrorBody = serde_json::from_reader(response.body.clone()).unwrap_or_default();
    let message = body.message.clone().unwrap_or_else(|| plain_message(response));
    let error = classify(response, &body, message);
    match body.code.filter(|code| !code.is_empty()) {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// Returns whether the cloud rejected an upload because its content equals that of another file
/// (amazon-drive#deduplication). [`Error::existing`] is that file if the response names it.
pub(super) fn is_duplicate_content(error: &Error) -> bool {
    error.status() == Some(409) && error.code() != Some(NAME_TAKEN)
}

/// Returns the error of a response with its kind and, if the response names it, the item that is in
/// the way. `message` is that of the body, or another description.
fn classify(response: &ApiResponse, body: &ErrorBody, message: String) -> Error {
    let mentions = |words: &str| message.to_ascii_lowercase().contains(words);
    let code = body.code.as_deref();
    match response.status.as_u16() {
        403 if code == Some(NO_SUBSCRIPTION)
            || mentions("quota")
            || mentions("account allowance") =>
        {
            response.failure(message).with_kind(ErrorKind::QuotaExceeded)
        }
        409 => {
            let id = body.info.as_ref().and_then(|info| info.node_id.clone());
            let id = id.or_else(|| conflicting_id(&message).map(str::to_owned));
            let error = match code {
                Some(NAME_TAKEN) => response.failure(message).with_kind(ErrorKind::AlreadyExists),
                _ => response.failure(message),
            };
            match id {
                Some(id) => error.with_existing(id.into()),
                None => error,
            }
        }
        400 if INCOMPLETE_BODY.iter().any(|start| message.starts_with(start)) => response
            .failure(message)
            .with_kind(ErrorKind::Unexpected)
            .with_retry(Retry::Again { after: None }),
        400 if mentions("next token is expired") => response
            .failure(message)
            .with_kind(ErrorKind::Unexpected)
            .with_note("restart the listing; each page must be requested within 10 minutes"),
        _ => with_logref(response.failure(message), body),
    }
}

/// Adds `logref`, the id for the cloud's support, if no header had a request id.
fn with_logref(error: Error, body: &ErrorBody) -> Error {
    match &body.logref {
        Some(id) if error.request_id().is_none() => error.with_request_id(id),
        _ => error,
    }
}

/// Returns the id in a message that ends with `conflicting NodeId: ID`, or `None` if it does not.
fn conflicting_id(message: &str) -> Option<&str> {
    let (_, id) = message.rsplit_once("conflicting NodeId: ")?;
    Some(id.trim()).filter(|id| !id.is_empty())
}

/// Returns a message for a response without this protocol's JSON, such as the page of a proxy. A
/// text with a URL is not used: the URL may contain a secret.
fn plain_message(response: &ApiResponse) -> String {
    let bytes = response.body.slice(..response.body.len().min(4 * MESSAGE_MAX)).to_vec();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() || text.contains("://") {
        return response
            .status
            .canonical_reason()
            .unwrap_or("the response has no reason")
            .to_owned();
    }
    text.chars().take(MESSAGE_MAX).collect()
}
