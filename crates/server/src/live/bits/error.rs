//! Error responses of BITS (live-connect#bits-errors): a status, codes in headers, no body.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    super::error::LiveError,
    response::{RECEIVED, ack},
};
use crate::{account::AuthError, tree::TreeError};

/// `BG_E_SESSION_NOT_FOUND`.
const NO_SESSION: &str = "0x8020001F";
/// `E_ACCESSDENIED`.
const DENIED: &str = "0x80070005";
/// `E_INVALIDARG`.
const INVALID: &str = "0x80070057";
/// `BG_E_TOO_LARGE`.
const TOO_LARGE: &str = "0x80200020";
/// The code of a full disk (MC-BUP).
const FULL: &str = "0x80070112";
/// `ERROR_PATH_NOT_FOUND`. Inferred.
const NO_PATH: &str = "0x80070003";

/// `BITS-Error-Context`: an error of the server.
const CONTEXT: &str = "0x5";

/// An error response.
#[derive(Debug)]
pub(super) struct BitsError {
    status: StatusCode,
    code: Option<&'static str>,
    /// `BITS-Received-Content-Range`: the offset of the next byte to send.
    received: Option<u64>,
    challenge: Option<&'static str>,
}

/// The result of a handler.
pub(super) type Result<T> = std::result::Result<T, BitsError>;

impl BitsError {
    /// Returns a response without an error code.
    pub(super) fn status(status: StatusCode) -> Self {
        Self { status, code: None, received: None, challenge: None }
    }

    /// Returns a response with an error code.
    fn coded(status: StatusCode, code: &'static str) -> Self {
        Self { code: Some(code), ..Self::status(status) }
    }

    /// Returns 400: the address, the packet type, a header or the name of the file is invalid.
    pub(super) fn invalid() -> Self {
        Self::coded(StatusCode::BAD_REQUEST, INVALID)
    }

    /// Returns 403: the token has no write access, or the drive is that of another account.
    pub(super) fn denied() -> Self {
        Self::coded(StatusCode::FORBIDDEN, DENIED)
    }

    /// Returns 404: the folder does not exist, or is a file.
    pub(super) fn no_path() -> Self {
        Self::coded(StatusCode::NOT_FOUND, NO_PATH)
    }

    /// Returns 500, as the cloud does: the session does not exist, or belongs to another account.
    pub(super) fn no_session() -> Self {
        Self::coded(StatusCode::INTERNAL_SERVER_ERROR, NO_SESSION)
    }

    /// Returns 500, as the cloud does: the file is larger than the maximum.
    pub(super) fn too_large() -> Self {
        Self::coded(StatusCode::INTERNAL_SERVER_ERROR, TOO_LARGE)
    }

    /// Returns 500, as the cloud does: the drive or the disk of the storage is full.
    pub(super) fn full() -> Self {
        Self::coded(StatusCode::INTERNAL_SERVER_ERROR, FULL)
    }

    /// Returns 416: the fragment does not start at `byte`, the next byte that the session expects.
    pub(super) fn resume_at(byte: u64) -> Self {
        Self { received: Some(byte), ..Self::coded(StatusCode::RANGE_NOT_SATISFIABLE, "0x0") }
    }

    /// Returns 500, as the cloud does: the token expired before Close-Session.
    pub(super) fn expired_at_close() -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, ..AuthError::Expired.into() }
    }

    /// Returns the response to a status that a fault rule injects.
    pub(super) fn for_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::invalid(),
            401 => AuthError::Invalid.into(),
            403 | 501 => Self::coded(status, DENIED),
            404 => Self::no_path(),
            507 => Self::full(),
            _ => Self::status(status),
        }
    }

    /// Returns the HTTP response.
    pub(super) fn response(&self) -> Response {
        let mut response = ack(self.status);
        let headers = response.headers_mut();
        if let Some(code) = self.code {
            let code = HeaderValue::from_static(code);
            // The name in the Win32 documentation.
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
    /// Converts the refusal of a token: 401 with the challenge of the reference.
    fn from(refusal: AuthError) -> Self {
        let challenge = LiveError::from(refusal).challenge;
        Self { challenge, ..Self::status(StatusCode::UNAUTHORIZED) }
    }
}

impl From<TreeError> for BitsError {
    /// Converts an error of the tree: 404 for the folder, 416 for a fragment out of order, 400 for
    /// other mistakes of the request. A full drive, an unknown session and a failure of the storage
    /// are 500; failures are logged.
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::NoSession => Self::no_session(),
            TreeError::OutOfOrder(byte) => Self::resume_at(byte),
            TreeError::NotFound | TreeError::NotAFolder(_) => Self::no_path(),
            TreeError::QuotaExceeded => Self::full(),
            error @ TreeError::NoRoom(_) => {
                tracing::error!(%error, "cannot serve a BITS request");
                Self::full()
            }
            TreeError::PastTheEnd(_)
            | TreeError::Body(_)
            | TreeError::BadName(_)
            | TreeError::NameTaken(_)
            | TreeError::NotAFile(_) => Self::invalid(),
            error @ (TreeError::Changed
            | TreeError::Locked(_)
            | TreeError::Denied
            | TreeError::IntoItself
            | TreeError::Root
            | TreeError::Storage(_)) => {
                tracing::error!(%error, "cannot serve a BITS request");
                Self::status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}
