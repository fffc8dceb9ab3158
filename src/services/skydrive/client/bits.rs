//! Uploads in fragments by BITS, on the storage host (live-connect#bits): one method per packet.
//!
//! [`put_bits`](Client::put_bits) sends a whole file. Names are percent-encoded in URLs; the old
//! client did not encode them, so that `#`, `?` and `%` failed (live-connect#bits-url-quoting).

use std::fmt;

use http::{HeaderName, Method, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};
use opendal::raw::Operation;

use super::Client;
use crate::{
    drive::{Body, Context, Error, ErrorKind, Result, Retry, Secret},
    services::skydrive::error::error_of_status,
    transport::{ApiRequest, ApiResponse, segment},
};

/// Maximum size of a file in bytes: "10 GB" (live-connect#bits-max-file-size).
pub const BITS_FILE_MAX: u64 = 10 << 30;

/// Maximum size of a fragment in bytes: "60 MB" (live-connect#bits-fragment-size).
pub const BITS_FRAGMENT_MAX: u64 = 60_000_000;

/// Recommended size of a fragment in bytes (live-connect#bits-fragment-size).
pub const BITS_FRAGMENT: u64 = 10 << 20;

/// GUID of the protocol (live-connect#bits-create-session).
const PROTOCOL: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";

const PACKET_TYPE: HeaderName = HeaderName::from_static("bits-packet-type");
const SESSION_ID: HeaderName = HeaderName::from_static("bits-session-id");
const RECEIVED: HeaderName = HeaderName::from_static("bits-received-content-range");

/// URL of a file on the storage host (live-connect#bits-urls).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitsTarget {
    /// Id of the account, part of the host's name.
    cid: String,
    /// Percent-encoded path without a slash at its start.
    path: String,
}

impl BitsTarget {
    /// Creates the URL of the file `name` in a folder. `folder` is a real id; that of the root is
    /// `folder.{cid}`.
    ///
    /// # Errors
    /// `InvalidInput` if `folder` is not the id of a folder, such as the alias
    /// [`ROOT`](super::ROOT).
    pub fn new(folder: &str, name: &str) -> Result<Self> {
        let mut parts = folder.splitn(3, '.');
        let (kind, cid, resource) = (parts.next(), parts.next(), parts.next());
        // It becomes part of a host's name; the token must not be sent to another host.
        let cid = cid.filter(|cid| is_cid(cid));
        let (Some("folder" | "album"), Some(cid)) = (kind, cid) else {
            let text = format!("{folder:?} is not the id of a folder");
            return Err(Error::new(ErrorKind::InvalidInput, text));
        };
        let name = segment(name);
        let path = match resource {
            Some(resource) => format!("items/{}/{name}", segment(resource)),
            // The root has no other URL (live-connect#bits-root-folder).
            None => format!("users/0x{}/LiveFolders/{name}", segment(cid)),
        };
        Ok(Self { cid: cid.to_owned(), path })
    }

    /// Returns a text for [`from_text`](Self::from_text).
    pub(in crate::services::skydrive) fn to_text(&self) -> String {
        format!("{} {}", self.cid, self.path)
    }

    /// Parses the text of a stored upload session; returns `None` if it is not one of
    /// [`to_text`](Self::to_text).
    pub(in crate::services::skydrive) fn from_text(text: &str) -> Option<Self> {
        let (cid, path) = text.split_once(' ')?;
        let is_valid = is_cid(cid) && (path.starts_with("items/") || path.starts_with("users/"));
        is_valid.then(|| Self { cid: cid.to_owned(), path: path.to_owned() })
    }
}

/// Returns whether a text can be the id of an account: ASCII letters and digits.
fn is_cid(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl fmt::Display for BitsTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// An open upload session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BitsSession {
    /// Id of the session. It is enough to send fragments.
    pub id: Secret,
    /// When the session was opened, by the cloud's clock. `None` if the response has no date.
    pub opened: Option<Timestamp>,
}

/// Response to a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BitsAck {
    /// Offset of the next byte that the cloud expects.
    pub next: u64,
    /// Whether the cloud accepted the fragment. Otherwise its offset was not the expected one.
    pub is_accepted: bool,
}

impl Client {
    /// Create-Session: opens an upload session (live-connect#bits-create-session).
    ///
    /// # Errors
    /// `PermissionDenied` for another user's folder, `InvalidInput` for a name that the cloud
    /// rejects or that a folder has, `NotFound` for a missing folder. Otherwise `NotFound`,
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn bits_create(&self, cx: &Context, to: &BitsTarget) -> Result<BitsSession> {
        let response = self
            .send_signed_packet(cx, || {
                self.packet(to, "Create-Session")
                    .header(HeaderName::from_static("bits-supported-protocols"), PROTOCOL)
            })
            .await?;
        let Some(id) = response.header(SESSION_ID) else {
            return Err(incomplete(&response, "session id"));
        };
        let date = response.header(header::DATE).and_then(|date| rfc2822::parse(date).ok());
        Ok(BitsSession { id: id.into(), opened: date.map(|date| date.timestamp()) })
    }

    /// Fragment: sends the bytes from `offset` on, at most [`BITS_FRAGMENT_MAX`], of a file of
    /// `total` bytes (live-connect#bits-fragment). The request has no token; the session's id is
    /// enough.
    ///
    /// # Errors
    /// `NotFound` if the session does not exist, `QuotaExceeded` if the drive is full. Otherwise
    /// `NotFound`, `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    pub async fn bits_fragment(
        &self,
        cx: &Context,
        to: &BitsTarget,
        session: &Secret,
        offset: u64,
        total: u64,
        body: Body,
    ) -> Result<BitsAck> {
        let last = offset.saturating_add(body.len()).saturating_sub(1);
        let request = self
            .packet(to, "Fragment")
            .header(SESSION_ID, session.expose())
            .header(header::CONTENT_RANGE, format!("bytes {offset}-{last}/{total}"))
            .body(body);
        let response = self.http(cx).send(request).await?;
        let next = response.header(RECEIVED).and_then(|text| text.trim().parse().ok());
        match (response.status, next) {
            (status, Some(next)) if status.is_success() => Ok(BitsAck { next, is_accepted: true }),
            (status, None) if status.is_success() => Err(incomplete(&response, "next offset")),
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(next)) => {
                Ok(BitsAck { next, is_accepted: false })
            }
            _ => Err(packet_error(&response)),
        }
    }

    /// Close-Session: creates or overwrites the file, and returns its id
    /// (live-connect#bits-close-session). `session` is the session's id. An expired token is
    /// refreshed once, even if the host responds 500.
    ///
    /// # Errors
    /// `NotFound` if the session does not exist; a closed session does not exist any more.
    /// `InvalidInput` if bytes are missing. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn bits_close(
        &self,
        cx: &Context,
        to: &BitsTarget,
        session: &Secret,
    ) -> Result<String> {
        let close = || self.packet(to, "Close-Session").header(SESSION_ID, session.expose());
        let response = self.send_signed_packet(cx, close).await?;
        match response.header(HeaderName::from_static("x-resource-id")) {
            Some(resource) => Ok(format!("file.{}.{resource}", to.cid)),
            None => Err(incomplete(&response, "file id")),
        }
    }

    /// Cancel-Session: discards the session with the id `session` and its bytes
    /// (live-connect#bits-cancel-session).
    ///
    /// # Errors
    /// `NotFound` if the session does not exist. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn bits_cancel(&self, cx: &Context, to: &BitsTarget, session: &Secret) -> Result<()> {
        let request = self.packet(to, "Cancel-Session").header(SESSION_ID, session.expose());
        let response = self.http(cx).send(request).await?;
        if response.status.is_success() { Ok(()) } else { Err(packet_error(&response)) }
    }

    /// Returns an unsigned request for a packet of this type to the URL of a file.
    fn packet(&self, to: &BitsTarget, packet_type: &'static str) -> ApiRequest {
        let url = format!("{}/{}", self.storage.replace("{cid}", &to.cid), to.path);
        ApiRequest::new(Operation::Write, Method::POST, url, "{storage host}")
            .with_limiter(&self.limiter)
            .header(HeaderName::from_static("x-http-method-override"), "BITS_POST")
            .header(PACKET_TYPE, packet_type)
    }

    /// Sends a packet with an access token, and a second time if the token has expired. The storage
    /// host reports that as 401 or as 500 (live-connect#bits-error-expired-token). `request` builds
    /// the packet, once for each attempt.
    ///
    /// # Errors
    /// The error in the response, if its status is not a success: see [`packet_error`].
    /// `PermissionDenied` if no token can be obtained, `Unexpected` if no response arrives.
    async fn send_signed_packet(
        &self,
        cx: &Context,
        request: impl Fn() -> ApiRequest + Send + Sync,
    ) -> Result<ApiResponse> {
        let (response, token) = self.send_signed(cx, &request).await?;
        let mut response = response.read().await?;
        if response.status == StatusCode::INTERNAL_SERVER_ERROR
            && has_expired_token(&response)
            && self.tokens.is_renewable()
        {
            let token = self.tokens.renew(cx, &token).await?;
            let request = request().bearer(&token, &self.urls);
            response = self.http(cx).send(request).await?;
        }
        if response.status.is_success() { Ok(response) } else { Err(packet_error(&response)) }
    }
}

/// Returns whether a response says that the access token has expired.
fn has_expired_token(response: &ApiResponse) -> bool {
    response
        .header(header::WWW_AUTHENTICATE)
        .is_some_and(|challenge| challenge.contains("expired_token"))
}

/// Returns the `Unexpected` error for a successful response without a required header. `header`
/// names its content.
fn incomplete(response: &ApiResponse, header: &str) -> Error {
    response.failure(format!("the response has no {header}"))
}

/// Returns the error of a response, which has its details in headers (live-connect#bits-errors).
fn packet_error(response: &ApiResponse) -> Error {
    let code = [HeaderName::from_static("bits-error"), HeaderName::from_static("bits-error-code")]
        .into_iter()
        .find_map(|name| response.header(name));
    let client_code = response.header(HeaderName::from_static("x-clienterrorcode"));
    let lower = code.unwrap_or_default().to_ascii_lowercase();
    let known = match lower.as_str() {
        "0x8020001f" => Some((ErrorKind::NotFound, "the upload session does not exist")),
        _ if client_code == Some("UploadSessionNotFound") => {
            Some((ErrorKind::NotFound, "the upload session does not exist"))
        }
        "0x80070003" => Some((ErrorKind::NotFound, "the folder does not exist")),
        "0x80070005" => {
            Some((ErrorKind::PermissionDenied, "the account has no write access to the folder"))
        }
        "0x80070057" => Some((ErrorKind::InvalidInput, "the request is invalid")),
        "0x80200020" => Some((ErrorKind::InvalidInput, "the file is too large")),
        "0x80070112" => Some((ErrorKind::QuotaExceeded, "the drive is full")),
        _ if has_expired_token(response) => {
            Some((ErrorKind::PermissionDenied, "the access token has expired"))
        }
        _ => None,
    };
    let error = match known {
        Some((kind, message)) => response.failure(message).with_kind(kind).with_retry(Retry::No),
        None => error_of_status(response),
    };
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}
