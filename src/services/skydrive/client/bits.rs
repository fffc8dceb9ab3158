//! Large files in fragments: BITS, on the storage host (live-connect#bits).
//!
//! One method per packet; [`put_bits`](Client::put_bits) is a whole upload. The old client left
//! names as they were in these URLs, so `#`, `?` and `%` broke them; here they are quoted.

use std::fmt;

use http::{HeaderName, Method, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822};
use opendal::raw::Operation;

use super::Client;
use crate::{
    drive::{Body, Context, Error, ErrorKind, Result, Retry, Secret},
    services::skydrive::error::unexplained,
    transport::{self, ApiRequest, ApiResponse, segment},
};

/// The largest file, in bytes: "10 GB".
pub const BITS_FILE_MAX: u64 = 10 << 30;

/// The largest fragment, in bytes: "60 MB".
pub const BITS_FRAGMENT_MAX: u64 = 60_000_000;

/// The fragment that is recommended, in bytes.
pub const BITS_FRAGMENT: u64 = 10 << 20;

/// The protocol's GUID.
const PROTOCOL: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";

const PACKET_TYPE: HeaderName = HeaderName::from_static("bits-packet-type");
const SESSION_ID: HeaderName = HeaderName::from_static("bits-session-id");
const RECEIVED: HeaderName = HeaderName::from_static("bits-received-content-range");

/// Where a file goes by BITS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitsTarget {
    /// The account's id, which is part of the host's name.
    cid: String,
    /// The URL's path, encoded, without a slash at its start.
    path: String,
}

impl BitsTarget {
    /// The file `name` in a folder that is named by its real id, `folder.{cid}` for the root.
    ///
    /// # Errors
    /// `Invalid` for any other id; [`ROOT`](super::ROOT) is none.
    pub fn new(folder: &str, name: &str) -> Result<Self> {
        let mut parts = folder.splitn(3, '.');
        let (kind, cid, resource) = (parts.next(), parts.next(), parts.next());
        // The cloud names it, and it becomes part of a host's name.
        let cid = cid.filter(|cid| is_cid(cid));
        let (Some("folder" | "album"), Some(cid)) = (kind, cid) else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{folder:?} is no folder's id"),
            ));
        };
        let name = segment(name);
        let path = match resource {
            Some(resource) => format!("items/{}/{name}", segment(resource)),
            // The root has no other address.
            None => format!("users/0x{}/LiveFolders/{name}", segment(cid)),
        };
        Ok(Self { cid: cid.to_owned(), path })
    }

    pub(in crate::services::skydrive) fn to_text(&self) -> String {
        format!("{} {}", self.cid, self.path)
    }

    pub(in crate::services::skydrive) fn from_text(text: &str) -> Option<Self> {
        let (cid, path) = text.split_once(' ')?;
        let good = is_cid(cid) && (path.starts_with("items/") || path.starts_with("users/"));
        good.then(|| Self { cid: cid.to_owned(), path: path.to_owned() })
    }
}

fn is_cid(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// An upload session that was opened.
#[derive(Clone, Debug)]
pub struct BitsOpened {
    /// Its id. Whoever has it can add to the file.
    pub session: Secret,
    /// When that was, by the cloud's clock.
    pub time: Option<Timestamp>,
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitsReceived {
    /// Where the cloud wants to go on.
    pub next: u64,
    /// Whether it took the fragment; else it did not fit there.
    pub taken: bool,
}

impl fmt::Display for BitsTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl Client {
    /// Create-Session.
    ///
    /// # Errors
    /// `Denied` for a folder of somebody else's, `Invalid` for a name that is refused or a folder's,
    /// `NotFound` for a folder that is gone.
    pub async fn bits_create(&self, cx: &Context, to: &BitsTarget) -> Result<BitsOpened> {
        let reply = self
            .signed_bits(cx, || {
                self.bits(to, "Create-Session")
                    .header(HeaderName::from_static("bits-supported-protocols"), PROTOCOL)
            })
            .await?;
        let Some(session) = reply.header(SESSION_ID) else {
            return Err(reply.failure("the answer does not name the upload session"));
        };
        let time = reply.header(header::DATE).and_then(|date| rfc2822::parse(date).ok());
        Ok(BitsOpened { session: session.into(), time: time.map(|date| date.timestamp()) })
    }

    /// Fragment: the bytes from `offset` on, of `total`; at most [`BITS_FRAGMENT_MAX`]. Without a
    /// token: the session is enough.
    ///
    /// # Errors
    /// `NotFound`: the session is lost. `Quota`.
    pub async fn bits_fragment(
        &self,
        cx: &Context,
        to: &BitsTarget,
        session: &Secret,
        offset: u64,
        total: u64,
        body: Body,
    ) -> Result<BitsReceived> {
        let last = offset.saturating_add(body.len()).saturating_sub(1);
        let call = self
            .bits(to, "Fragment")
            .header(SESSION_ID, session.expose())
            .header(header::CONTENT_RANGE, format!("bytes {offset}-{last}/{total}"))
            .body(body);
        let reply = transport::Client::new(cx).send(call).await?;
        let next = reply.header(RECEIVED).and_then(|text| text.trim().parse().ok());
        match (reply.status, next) {
            (status, Some(next)) if status.is_success() => Ok(BitsReceived { next, taken: true }),
            (status, None) if status.is_success() => {
                Err(reply.failure("the answer does not tell where to go on"))
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(next)) => {
                Ok(BitsReceived { next, taken: false })
            }
            _ => Err(refused(&reply)),
        }
    }

    /// Close-Session: the id of the file that it makes, or whose bytes it replaces. A token whose
    /// hour is over is renewed once, also where the host says so with a 500.
    ///
    /// # Errors
    /// `NotFound`: the session is lost, or its file is there. `Invalid` if bytes are missing.
    pub async fn bits_close(
        &self,
        cx: &Context,
        to: &BitsTarget,
        session: &Secret,
    ) -> Result<String> {
        let close = || self.bits(to, "Close-Session").header(SESSION_ID, session.expose());
        let reply = self.signed_bits(cx, close).await?;
        match reply.header(HeaderName::from_static("x-resource-id")) {
            Some(resource) => Ok(format!("file.{}.{resource}", to.cid)),
            None => Err(reply.failure("the answer does not name the file")),
        }
    }

    /// Cancel-Session: the bytes are forgotten.
    ///
    /// # Errors
    /// `NotFound` if there is no such session.
    pub async fn bits_cancel(&self, cx: &Context, to: &BitsTarget, session: &Secret) -> Result<()> {
        let call = self.bits(to, "Cancel-Session").header(SESSION_ID, session.expose());
        let reply = transport::Client::new(cx).send(call).await?;
        if reply.status.is_success() { Ok(()) } else { Err(refused(&reply)) }
    }

    fn bits(&self, to: &BitsTarget, packet: &'static str) -> ApiRequest {
        let url = format!("{}/{}", self.storage.replace("{cid}", &to.cid), to.path);
        ApiRequest::new(Operation::Write, Method::POST, url, "{storage host}")
            .with_limiter(&self.limiter)
            .header(HeaderName::from_static("x-http-method-override"), "BITS_POST")
            .header(PACKET_TYPE, packet)
    }

    /// Sends a packet with an access token; with another one if that is refused.
    async fn signed_bits(
        &self,
        cx: &Context,
        call: impl Fn() -> ApiRequest + Send + Sync,
    ) -> Result<ApiResponse> {
        let (answer, token) = self.signed(cx, &call).await?;
        let mut reply = answer.read().await?;
        if reply.status == StatusCode::INTERNAL_SERVER_ERROR
            && has_expired(&reply)
            && self.tokens().is_renewable()
        {
            let token = self.tokens().renew(cx, &token).await?;
            reply = transport::Client::new(cx).send(call().bearer(&token, &self.urls)).await?;
        }
        if reply.status.is_success() { Ok(reply) } else { Err(refused(&reply)) }
    }
}

fn has_expired(reply: &ApiResponse) -> bool {
    reply.header(header::WWW_AUTHENTICATE).is_some_and(|said| said.contains("expired_token"))
}

/// The failure that an answer tells of: in headers, there is no body.
fn refused(reply: &ApiResponse) -> Error {
    let code = [HeaderName::from_static("bits-error"), HeaderName::from_static("bits-error-code")]
        .into_iter()
        .find_map(|name| reply.header(name));
    let client_code = reply.header(HeaderName::from_static("x-clienterrorcode"));
    let lower = code.unwrap_or_default().to_ascii_lowercase();
    let (kind, message) = match lower.as_str() {
        "0x8020001f" => (ErrorKind::NotFound, "the upload session is not known, or not any more"),
        _ if client_code == Some("UploadSessionNotFound") => {
            (ErrorKind::NotFound, "the upload session is not known, or not any more")
        }
        "0x80070003" => (ErrorKind::NotFound, "the folder is not there"),
        "0x80070005" => (ErrorKind::PermissionDenied, "the account may not upload there"),
        "0x80070057" => (ErrorKind::InvalidInput, "what was asked for cannot be"),
        "0x80200020" => (ErrorKind::InvalidInput, "the file is too large"),
        "0x80070112" => (ErrorKind::QuotaExceeded, "the drive is full"),
        _ if has_expired(reply) => (ErrorKind::PermissionDenied, "the access token has expired"),
        _ => {
            let error = unexplained(reply);
            return match code {
                Some(code) => error.with_code(code),
                None => error,
            };
        }
    };
    let error = reply.failure(message).with_kind(kind).with_retry(Retry::No);
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}
