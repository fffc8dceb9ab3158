//! Refusals in the words of BITS (live-connect#bits-errors): a status and codes in headers, no
//! body.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{super::error::LiveError, RECEIVED, ack};
use crate::{account::AuthError, tree::TreeError};

/// `BG_E_SESSION_NOT_FOUND`.
const NO_SESSION: &str = "0x8020001F";
/// `E_ACCESSDENIED`.
const DENIED: &str = "0x80070005";
/// `E_INVALIDARG`.
const INVALID: &str = "0x80070057";
/// `BG_E_TOO_LARGE`.
const TOO_LARGE: &str = "0x80200020";
/// A full disk, in Windows' words (MC-BUP).
const FULL: &str = "0x80070112";
/// `ERROR_PATH_NOT_FOUND`. Inferred.
const NO_PATH: &str = "0x80070003";

/// Whose fault it is: the server's own.
const CONTEXT: &str = "0x5";

/// A refusal.
#[derive(Debug)]
pub(super) struct BitsError {
    status: StatusCode,
    code: Option<&'static str>,
    /// `BITS-Received-Content-Range`: where to go on.
    received: Option<u64>,
    challenge: Option<&'static str>,
}

pub(super) type Result<T> = std::result::Result<T, BitsError>;

impl BitsError {
    /// A refusal that has no code.
    pub(super) fn status(status: StatusCode) -> Self {
        Self { status, code: None, received: None, challenge: None }
    }

    fn coded(status: StatusCode, code: &'static str) -> Self {
        Self { code: Some(code), ..Self::status(status) }
    }

    /// The packet says what cannot be.
    pub(super) fn invalid() -> Self {
        Self::coded(StatusCode::BAD_REQUEST, INVALID)
    }

    /// Not this account's to write to.
    pub(super) fn denied() -> Self {
        Self::coded(StatusCode::FORBIDDEN, DENIED)
    }

    /// The folder is not there.
    pub(super) fn no_path() -> Self {
        Self::coded(StatusCode::NOT_FOUND, NO_PATH)
    }

    /// No such session, or another account's.
    pub(super) fn no_session() -> Self {
        Self::coded(StatusCode::INTERNAL_SERVER_ERROR, NO_SESSION)
    }

    /// The file is too large.
    pub(super) fn too_large() -> Self {
        Self::coded(StatusCode::INTERNAL_SERVER_ERROR, TOO_LARGE)
    }

    /// The drive is full.
    pub(super) fn full() -> Self {
        Self::coded(StatusCode::INTERNAL_SERVER_ERROR, FULL)
    }

    /// Bytes that are there already, or that others are missing before.
    pub(super) fn goes_on_at(byte: u64) -> Self {
        Self { received: Some(byte), ..Self::coded(StatusCode::RANGE_NOT_SATISFIABLE, "0x0") }
    }

    /// The token's hour was over when the session was to be closed.
    pub(super) fn expired_at_close() -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, ..AuthError::Expired.into() }
    }

    /// What the host says with a status that a fault rule asked for.
    pub(super) fn on_demand(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::invalid(),
            401 => AuthError::Invalid.into(),
            403 | 501 => Self::coded(status, DENIED),
            404 => Self::no_path(),
            507 => Self::full(),
            _ => Self::status(status),
        }
    }

    /// The answer.
    pub(super) fn response(&self) -> Response {
        let mut response = ack(self.status);
        let headers = response.headers_mut();
        if let Some(code) = self.code {
            let code = HeaderValue::from_static(code);
            // Win32's documentation calls it so.
            headers.insert(HeaderName::from_static("bits-error-code"), code.clone());
            headers.insert(HeaderName::from_static("bits-error"), code);
            headers.insert(
                HeaderName::from_static("bits-error-context"),
                HeaderValue::from_static(CONTEXT),
            );
        }
        if self.code == Some(NO_SESSION) {
            headers.insert(
                HeaderName::from_static("x-clienterrorcode"),
                HeaderValue::from_static("UploadSessionNotFound"),
            );
        }
        if let Some(byte) = self.received {
            headers.insert(RECEIVED, HeaderValue::from(byte));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

impl From<AuthError> for BitsError {
    fn from(refusal: AuthError) -> Self {
        let challenge = LiveError::from(refusal).challenge;
        Self { challenge, ..Self::status(StatusCode::UNAUTHORIZED) }
    }
}

impl From<TreeError> for BitsError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::NoSession => Self::no_session(),
            TreeError::OutOfOrder(byte) => Self::goes_on_at(byte),
            TreeError::NotFound | TreeError::NotAFolder(_) => Self::no_path(),
            TreeError::QuotaExceeded => Self::full(),
            error @ TreeError::NoRoom(_) => {
                tracing::error!(%error, "a BITS upload failed");
                Self::full()
            }
            TreeError::PastTheEnd(_)
            | TreeError::Body(_)
            | TreeError::BadName(_)
            | TreeError::NameTaken(_)
            | TreeError::NotAFile(_) => Self::invalid(),
            error @ (TreeError::Changed
            | TreeError::IntoItself
            | TreeError::Root
            | TreeError::Storage(_)) => {
                tracing::error!(%error, "a BITS upload failed");
                Self::status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}
