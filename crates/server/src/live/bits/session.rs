//! Lookup of the upload session that a packet belongs to.

use axum::http::request::Parts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    address::BitsAddress,
    error::{BitsError, Result},
    packet::{Packet, header_text},
    response::SESSION_ID,
};
use crate::{
    account::AuthError, account_scope, protocol::RequestContext, state::ServerState, tree::Session,
};

/// Data that this protocol stores in an upload session.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct BitsState {
    /// Name of the account. Sessions of other protocols do not have this member.
    pub bits_account: String,
}

/// Returns the upload session whose id is in the headers of a packet's request. It must belong to
/// the account of `address`, and to that of the token if there is one.
///
/// # Errors
/// 401 if the token is unknown, or missing for a Close-Session; 500 if the token expired before a
/// Close-Session, if the header is missing, if the storage fails, if if the session does not exist,
/// or if it belongs to another account or protocol.
pub(super) async fn find_session(
    state: &ServerState,
    context: &RequestContext,
    request: &Parts,
    packet: Packet,
    address: &BitsAddress,
) -> Result<Session> {
    match (&context.grant, packet) {
        (Ok(_), _) => {}
        (Err(AuthError::Expired), Packet::Close) => return Err(BitsError::expired_at_close()),
        (Err(AuthError::Missing | AuthError::Expired), Packet::Fragment | Packet::Cancel) => {}
        (Err(refusal), _) => return Err((*refusal).into()),
    }
    let id = header_text(request, &SESSION_ID).ok_or_else(BitsError::no_session)?;
    let session = state.tree.session(id.trim()).await?;
    let bits_state: BitsState =
        serde_json::from_value(session.state.clone()).map_err(|_| BitsError::no_session())?;
    let is_foreign =
        context.grant.as_ref().is_ok_and(|grant| grant.account != bits_state.bits_account);
    let account = state.accounts.open(&bits_state.bits_account).await?;
    if is_foreign || account.cid != address.cid {
        return Err(BitsError::no_session());
    }
    Ok(session)
}

/// Returns the new expiry time of a session that is used now.
pub(super) fn expiry(state: &ServerState) -> Timestamp {
    account_scope::now() + state.settings.session_life
}
