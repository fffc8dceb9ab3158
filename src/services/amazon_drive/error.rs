//! What this cloud's errors mean (amazon-drive#errors).

use super::model::ErrorBody;
use crate::{
    drive::{Error, ErrorKind, Retry},
    transport::ApiResponse,
};

/// The code of the 409 that tells the node which has the name.
pub(super) const NAME_TAKEN: &str = "NAME_ALREADY_EXISTS";

/// The code of the 403 that a full account has been seen to give.
const NO_SUBSCRIPTION: &str = "NO_ACTIVE_SUBSCRIPTION_FOUND";

/// What the cloud says where a body did not come through whole.
const CUT_BODIES: [&str; 2] = ["Cannot read from request", "Cannot complete upload"];

/// The most of an answer that is not JSON which is told, in characters.
const TOLD_MAX: usize = 200;

/// The failure that an answer tells of.
pub(super) fn failure(reply: &ApiResponse) -> Error {
    let body: ErrorBody = serde_json::from_reader(reply.body.clone()).unwrap_or_default();
    let message = body.message.clone().unwrap_or_else(|| plain(reply));
    let error = classified(reply, &body, message);
    match body.code.filter(|code| !code.is_empty()) {
        Some(code) => error.with_code(code),
        None => error,
    }
}

fn classified(reply: &ApiResponse, body: &ErrorBody, message: String) -> Error {
    let says = |words: &str| message.to_ascii_lowercase().contains(words);
    let code = body.code.as_deref();
    match reply.status.as_u16() {
        403 if code == Some(NO_SUBSCRIPTION) || says("quota") || says("account allowance") => {
            reply.failure(message).with_kind(ErrorKind::QuotaExceeded)
        }
        409 => {
            let id = body.info.as_ref().and_then(|info| info.node_id.clone());
            let id = id.or_else(|| conflicting(&message).map(str::to_owned));
            let error = match code {
                Some(NAME_TAKEN) => reply.failure(message).with_kind(ErrorKind::AlreadyExists),
                _ => reply.failure(message),
            };
            match id {
                Some(id) => error.with_existing(id.into()),
                None => error,
            }
        }
        400 if CUT_BODIES.iter().any(|words| message.starts_with(words)) => reply
            .failure(message)
            .with_kind(ErrorKind::Unexpected)
            .with_retry(Retry::Again { after: None }),
        400 if says("next token is expired") => {
            reply.failure(message).with_kind(ErrorKind::Unexpected).with_note(
                "a page must be asked for within 10 minutes; the listing has to begin again",
            )
        }
        _ => with_logref(reply.failure(message), body),
    }
}

/// `logref` is the id that the cloud's support asks for, where the header does not tell one.
fn with_logref(error: Error, body: &ErrorBody) -> Error {
    match &body.logref {
        Some(id) if error.request_id().is_none() => error.with_request_id(id),
        _ => error,
    }
}

/// `… conflicting NodeId: X`.
fn conflicting(message: &str) -> Option<&str> {
    let (_, id) = message.rsplit_once("conflicting NodeId: ")?;
    Some(id.trim()).filter(|id| !id.is_empty())
}

/// What can be told of an answer that is not an error of this protocol: a proxy's page, XML.
fn plain(reply: &ApiResponse) -> String {
    let bytes = reply.body.slice(..reply.body.len().min(4 * TOLD_MAX)).to_vec();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() || text.contains("://") {
        return reply.status.canonical_reason().unwrap_or("no reason was given").to_owned();
    }
    text.chars().take(TOLD_MAX).collect()
}
