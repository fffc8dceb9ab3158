//! BITS uploads on the storage host (live-connect#bits), under `/items` and `/users`: a file in
//! fragments, each a `POST` whose `BITS-Packet-Type` says what it is.
//!
//! | packet | done | answered |
//! |---|---|---|
//! | Create-Session | 201 | `BITS-Session-Id`, `BITS-Protocol` |
//! | Fragment | 200 | `BITS-Session-Id`, `BITS-Received-Content-Range`: the next byte |
//! | Close-Session | 201 new, 200 replaced | `X-Resource-Id` |
//! | Cancel-Session | 200 | |
//! | Ping | 200 | |
//!
//! A session is one of the tree's upload sessions, so it survives a restart of the server, and what
//! it makes is an item like any other. A file of that name is replaced. Close-Session without any
//! fragment is 416 and leaves the session open (python-onedrive#34): an empty file is made by `PUT`.
//!
//! # Inferred
//! What no source says, each in one place of the code:
//! * A session is bound to its account, not to the very token that it was opened with: a client that
//!   renewed its token before Close was let in.
//! * Fragments and Cancel-Session go by the session alone: a token may be missing or too old there,
//!   but not wrong. Close-Session needs one; too old is 500, as
//!   live-connect#bits-error-expired-token says.
//! * A folder on the way that is missing is 404 with Windows' code for a path that is not found.
//! * Close before all bytes are there is 400, and what was there is gone (MC-BUP).

mod address;
mod error;
mod fragment;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::{
    address::{Address, PREFIXES},
    error::{BitsError, Result},
};
use super::{
    ids::LiveId,
    names,
    response_format::OVER_BUDGET,
    scopes::{Scopes, WRITE},
};
use crate::{
    account::{Account, AuthError},
    protocol::{Declaration, Protocol, RequestContext, Routed},
    state::ServerState,
    tree::{NewItem, NodeKind, OnConflict, Precondition, Session, TreeError},
};

/// The only protocol there is: its GUID.
const PROTOCOL: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";

const PACKET_TYPE: HeaderName = HeaderName::from_static("bits-packet-type");
const SESSION_ID: HeaderName = HeaderName::from_static("bits-session-id");
const RECEIVED: HeaderName = HeaderName::from_static("bits-received-content-range");
const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// The method that a `POST` stands for.
const METHOD: &str = "BITS_POST";

/// Serves BITS uploads.
pub(crate) struct Bits;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packet {
    Create,
    Fragment,
    Close,
    Cancel,
    Ping,
}

const UNKNOWN: &str = "live.bits.unknown";

impl Packet {
    fn of(request: &Parts) -> Option<Self> {
        let name = text(request, &PACKET_TYPE)?.trim().to_ascii_lowercase();
        Some(match name.as_str() {
            "create-session" => Self::Create,
            "fragment" => Self::Fragment,
            "close-session" => Self::Close,
            "cancel-session" => Self::Cancel,
            "ping" => Self::Ping,
            _ => return None,
        })
    }

    fn operation(self) -> &'static str {
        match self {
            Self::Create => "live.bits.create",
            Self::Fragment => "live.bits.fragment",
            Self::Close => "live.bits.close",
            Self::Cancel => "live.bits.cancel",
            Self::Ping => "live.bits.ping",
        }
    }
}

/// Data that this protocol keeps with a session.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    /// The account's name, by which a session of another protocol's is told apart too.
    bits_account: String,
}

/// Parses an address, for fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn fuzzing(path: &str) {
    let _ = address::Address::of(path);
}

/// A request as it was parsed.
pub(crate) struct BitsCall {
    packet: Option<Packet>,
    address: Result<Address>,
}

impl Protocol for Bits {
    type Request = BitsCall;

    const DECLARATION: Declaration = Declaration {
        operations: || {
            &[
                "live.bits.create",
                "live.bits.fragment",
                "live.bits.close",
                "live.bits.cancel",
                "live.bits.ping",
                UNKNOWN,
            ]
        },
        secret_urls: &[],
        hash_members: &[],
        over_budget: OVER_BUDGET,
        failure: |status| BitsError::on_demand(status).response(),
    };

    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<BitsCall>> {
        let path = parts.uri.path();
        if !PREFIXES.iter().any(|prefix| path.starts_with(prefix)) {
            return None;
        }
        let (packet, address) = (Packet::of(parts), Address::of(path));
        let cid = address.as_ref().ok().map(|address| &address.cid);
        let account = cid.and_then(|cid| state.accounts.with_cid(cid));
        let account = account.map(|account| account.name.clone());
        let operation = packet.map_or(UNKNOWN, Packet::operation);
        let session = text(parts, &SESSION_ID).map(|id| id.trim().to_owned());
        let routed = Routed::new(operation, BitsCall { packet, address });
        Some(Routed { session, ..routed.cost(1).account(account) })
    }

    async fn handle(call: BitsCall, context: RequestContext, parts: Parts, body: Body) -> Response {
        match answer(call, &context, &parts, body).await {
            Ok(response) => response,
            Err(error) => error.response(),
        }
    }
}

async fn answer(
    call: BitsCall,
    context: &RequestContext,
    request: &Parts,
    body: Body,
) -> Result<Response> {
    let state = &*context.state;
    let meant = text(request, &OVERRIDE).unwrap_or(request.method.as_str());
    if !meant.eq_ignore_ascii_case(METHOD) {
        return Err(BitsError::status(StatusCode::METHOD_NOT_ALLOWED));
    }
    let packet = call.packet.ok_or_else(BitsError::invalid)?;
    if packet == Packet::Ping {
        return Ok(ack(StatusCode::OK));
    }
    let address = call.address?;
    match packet {
        Packet::Create => create(state, context, request, &address).await,
        _ => {
            let session = session(state, context, request, packet, &address).await?;
            match packet {
                Packet::Fragment => fragment::take(state, request, session, body).await,
                Packet::Close => close(state, &session, &address).await,
                _ => {
                    state.tree.cancel(&session.id).await?;
                    Ok(ack(StatusCode::OK))
                }
            }
        }
    }
}

/// The account of the token, whose drive the address must be on.
async fn owner(
    state: &ServerState,
    context: &RequestContext,
    address: &Address,
) -> Result<Arc<Account>> {
    let grant = context.grant.clone()?;
    let account = state.accounts.open(&grant.account).await?;
    if account.cid != address.cid || !Scopes::of(&grant).has(WRITE) {
        return Err(BitsError::denied());
    }
    Ok(account)
}

async fn create(
    state: &ServerState,
    context: &RequestContext,
    request: &Parts,
    address: &Address,
) -> Result<Response> {
    let account = owner(state, context, address).await?;
    let protocols = request.headers.get("bits-supported-protocols");
    let protocols = protocols.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let separators = |c: char| c.is_whitespace() || c == ',';
    if !protocols.split(separators).any(|protocol| protocol.eq_ignore_ascii_case(PROTOCOL)) {
        return Err(BitsError::invalid());
    }
    names::check(&address.name).map_err(|_| BitsError::invalid())?;
    let parent = address.folder(state, account.drive).await?;
    match state.tree.child(account.drive, parent, &address.name).await {
        Ok(there) if there.kind != NodeKind::File => return Err(BitsError::invalid()),
        Ok(_) | Err(TreeError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    let kept = Kept { bits_account: account.name.clone() };
    let session = state
        .tree
        .open_session(Session {
            id: String::new(),
            drive: account.drive,
            parent,
            folders: Vec::new(),
            name: address.name.clone(),
            total: None,
            received: 0,
            on_conflict: OnConflict::Replace,
            expires: expiry(state),
            state: serde_json::to_value(&kept).unwrap_or_default(),
        })
        .await?;
    let mut response = ack(StatusCode::CREATED);
    response
        .headers_mut()
        .insert(HeaderName::from_static("bits-protocol"), HeaderValue::from_static(PROTOCOL));
    named(&mut response, &session);
    Ok(response)
}

/// The session that a packet is about, if whoever sent it may.
async fn session(
    state: &ServerState,
    context: &RequestContext,
    request: &Parts,
    packet: Packet,
    address: &Address,
) -> Result<Session> {
    match (&context.grant, packet) {
        (Ok(_), _) => {}
        (Err(AuthError::Expired), Packet::Close) => return Err(BitsError::expired_at_close()),
        (Err(AuthError::Missing | AuthError::Expired), Packet::Fragment | Packet::Cancel) => {}
        (Err(refusal), _) => return Err((*refusal).into()),
    }
    let id = text(request, &SESSION_ID).ok_or_else(BitsError::no_session)?;
    let session = state.tree.session(id.trim()).await?;
    let kept: Kept =
        serde_json::from_value(session.state.clone()).map_err(|_| BitsError::no_session())?;
    let others = context.grant.as_ref().is_ok_and(|grant| grant.account != kept.bits_account);
    let account = state.accounts.open(&kept.bits_account).await?;
    if others || account.cid != address.cid {
        return Err(BitsError::no_session());
    }
    Ok(session)
}

async fn close(state: &ServerState, session: &Session, address: &Address) -> Result<Response> {
    if session.received == 0 {
        return Err(BitsError::goes_on_at(0));
    }
    if session.total.is_some_and(|total| total != session.received) {
        state.tree.cancel(&session.id).await?;
        return Err(BitsError::invalid());
    }
    let written =
        state.tree.commit(&session.id, NewItem::default(), Precondition::Any, None).await?;
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = ack(status);
    let resource = LiveId::new(&address.cid, written.node.kind, written.node.no).resource();
    if let Ok(resource) = HeaderValue::try_from(resource) {
        response.headers_mut().insert(HeaderName::from_static("x-resource-id"), resource);
    }
    Ok(response)
}

/// When a session that was touched now is forgotten.
fn expiry(state: &ServerState) -> Timestamp {
    Timestamp::now() + state.settings.session_life
}

/// An answer without a body, as all are.
fn ack(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(PACKET_TYPE, HeaderValue::from_static("Ack"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// Says which session an answer is about.
fn named(response: &mut Response, session: &Session) {
    if let Ok(id) = HeaderValue::try_from(&session.id) {
        response.headers_mut().insert(SESSION_ID, id);
    }
}

fn text<'a>(request: &'a Parts, name: &HeaderName) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}
