//! BITS uploads on the storage host (live-connect#bits), under `/items` and `/users`. A file is
//! sent in fragments. Each request is a `POST` whose `BITS-Packet-Type` is the action.
//!
//! | packet | status | response headers |
//! |---|---|---|
//! | Create-Session | 201 | `BITS-Session-Id`, `BITS-Protocol` |
//! | Fragment | 200 | `BITS-Session-Id`, `BITS-Received-Content-Range`: the next byte |
//! | Close-Session | 201 new, 200 replaced | `X-Resource-Id` |
//! | Cancel-Session | 200 | |
//! | Ping | 200 | |
//!
//! A session is an upload session of the tree, so it survives a restart of the server. The result
//! is an ordinary item, which replaces a file of the same name. Close-Session without any fragment
//! is 416 and leaves the session open (python-onedrive#34): clients create empty files by `PUT`.
//!
//! # Inferred
//! No source documents the following. Each is in one place of the code:
//! * A session is bound to its account, not to the token that opened it: a client renewed its token
//!   before Close-Session and was accepted.
//! * Fragment and Cancel-Session rely on the session id. Their token may be missing or expired, but
//!   not invalid. Close-Session requires a token. An expired one is 500, as documented in
//!   live-connect#bits-error-expired-token.
//! * A missing folder in the path is 404 with the Windows error code for a missing path.
//! * Close-Session before the last byte is 400 and discards the session (MC-BUP).

mod address;
mod error;
mod fragment;
mod packet;
mod response;
mod session;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, request::Parts},
    response::Response,
};

use self::{
    address::{BitsAddress, PREFIXES},
    error::{BitsError, Result},
    packet::{Packet, UNKNOWN, header_text},
    response::{SESSION_ID, ack, set_session_id},
    session::{BitsState, expiry, find_session},
};
use super::{
    ids::LiveId,
    names,
    response_format::OVER_BUDGET,
    scopes::{Scopes, WRITE},
};
use crate::{
    account::Account,
    grant::Audience,
    protocol::{Declaration, Protocol, RequestContext, Routed},
    state::ServerState,
    tree::{NewItem, NodeKind, OnConflict, Precondition, Session, TreeError},
};

/// GUID of the only upload protocol.
const PROTOCOL: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";

const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// The method that a `POST` may override to.
const BITS_METHOD: &str = "BITS_POST";

/// The protocol of BITS uploads.
pub(crate) struct Bits;

/// Parses an address for fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn fuzzing(path: &str) {
    let _ = address::BitsAddress::parse(path);
}

/// A parsed request.
pub(crate) struct BitsCall {
    packet: Option<Packet>,
    address: Result<BitsAddress>,
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
        failure: |status| BitsError::for_status(status).response(),
    };

    /// Parses a request with one of this protocol's paths; `None` for any other path. Errors of the
    /// packet type and the address are kept in the call, for its response.
    fn route(state: &ServerState, parts: &Parts) -> Option<Routed<BitsCall>> {
        let path = parts.uri.path();
        if !PREFIXES.iter().any(|prefix| path.starts_with(prefix)) {
            return None;
        }
        let (packet, address) = (Packet::from_request(parts), BitsAddress::parse(path));
        let cid = address.as_ref().ok().map(|address| &address.cid);
        let account = cid.and_then(|cid| state.accounts.with_cid(cid));
        let account = account.map(|account| account.name.clone());
        let operation = packet.map_or(UNKNOWN, Packet::operation);
        let session = header_text(parts, &SESSION_ID).map(|id| id.trim().to_owned());
        let routed = Routed::new(operation, BitsCall { packet, address });
        Some(Routed { session, ..routed.cost(1).account(account) })
    }

    /// Serves a parsed request. An error becomes a response with its code in a header.
    async fn handle(call: BitsCall, context: RequestContext, parts: Parts, body: Body) -> Response {
        match respond(call, &context, &parts, body).await {
            Ok(response) => response,
            Err(error) => error.response(),
        }
    }
}

/// Handles a BITS packet (Ping, Create-Session, Fragment, Close-Session or Cancel-Session), and
/// returns its acknowledgment.
///
/// # Errors
/// 405 for another method than `BITS_POST`; 400 without a known packet type, or if the address has
/// neither form; those of the packet's handler; 500 if the session is unknown, or if the storage
/// fails.
async fn respond(
    call: BitsCall,
    context: &RequestContext,
    request: &Parts,
    body: Body,
) -> Result<Response> {
    let state = &*context.state;
    let method = header_text(request, &METHOD_OVERRIDE).unwrap_or(request.method.as_str());
    if !method.eq_ignore_ascii_case(BITS_METHOD) {
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
            let session = find_session(state, context, request, packet, &address).await?;
            match packet {
                Packet::Fragment => fragment::append(state, request, session, body).await,
                Packet::Close => close(state, &session, &address).await,
                _ => {
                    state.tree.cancel(&session.id).await?;
                    Ok(ack(StatusCode::OK))
                }
            }
        }
    }
}

/// Returns the account of the request's token, whose drive the address must be on.
///
/// # Errors
/// 401 if the token is missing, unknown, expired or for another audience; 403 if the address is on
/// another account's drive, or without write access; 500 if the storage fails or its disk is full.
async fn authorize(
    state: &ServerState,
    context: &RequestContext,
    address: &BitsAddress,
) -> Result<Arc<Account>> {
    let grant = context.grant.clone()?;
    grant.check_audience(&Audience::Live)?;
    let account = state.accounts.open(&grant.account).await?;
    if account.cid != address.cid || !Scopes::from_grant(&grant).has(WRITE) {
        return Err(BitsError::denied());
    }
    Ok(account)
}

/// Handles Create-Session: begins an upload session for the file at the address, and returns its id
/// in a header.
///
/// # Errors
/// 400 without support for [`PROTOCOL`], for a name that is not allowed, or if a folder has the
/// name; 401 if the token is missing, unknown, expired or for another audience; 403 for a drive
/// that the token may not write to; 404 if the folder does not exist; 500 if the storage fails or
/// its disk is full.
async fn create(
    state: &ServerState,
    context: &RequestContext,
    request: &Parts,
    address: &BitsAddress,
) -> Result<Response> {
    let account = authorize(state, context, address).await?;
    let protocols = request.headers.get("bits-supported-protocols");
    let protocols = protocols.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let separators = |c: char| c.is_whitespace() || c == ',';
    if !protocols.split(separators).any(|protocol| protocol.eq_ignore_ascii_case(PROTOCOL)) {
        return Err(BitsError::invalid());
    }
    names::check(&address.name).map_err(|_| BitsError::invalid())?;
    let parent = address.folder(state, account.drive).await?;
    match state.tree.child(account.drive, parent, &address.name).await {
        Ok(existing) if existing.kind != NodeKind::File => return Err(BitsError::invalid()),
        Ok(_) | Err(TreeError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    let session_state = BitsState { bits_account: account.name.clone() };
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
            state: serde_json::to_value(&session_state).unwrap_or_default(),
        })
        .await?;
    let mut response = ack(StatusCode::CREATED);
    response
        .headers_mut()
        .insert(HeaderName::from_static("bits-protocol"), HeaderValue::from_static(PROTOCOL));
    set_session_id(&mut response, &session);
    Ok(response)
}

/// Handles Close-Session: commits the file, and returns its id in a header. A file of the same name
/// is replaced. `session` is one that [`find_session`] returned.
///
/// # Errors
/// 416 without any fragment; 400 if bytes are missing, which also discards the session, and if a
/// folder has the name; 404 if the folder was deleted meanwhile; 500 if the session ended
/// meanwhile, the file does not fit into the drive's quota, or the storage fails or its disk is
/// full.
async fn close(state: &ServerState, session: &Session, address: &BitsAddress) -> Result<Response> {
    if session.received == 0 {
        return Err(BitsError::resume_at(0));
    }
    if session.total.is_some_and(|total| total != session.received) {
        state.tree.cancel(&session.id).await?;
        return Err(BitsError::invalid());
    }
    let written =
        state.tree.commit(&session.id, NewItem::default(), Precondition::Any, None).await?;
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = ack(status);
    let resource = LiveId::new(&address.cid, written.node.kind, written.node.no).resource_id();
    if let Ok(resource) = HeaderValue::try_from(resource) {
        response.headers_mut().insert(HeaderName::from_static("x-resource-id"), resource);
    }
    Ok(response)
}
