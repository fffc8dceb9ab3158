//! The caller of a request: its account and its rights.

use std::sync::Arc;

use super::{
    account_objects::{action::AccountAction, ids::AccountObjectId},
    action::LiveAction,
    error::{LiveError, Result},
    route::{DriveOwner, LiveRoute, Subject},
    scopes::Scopes,
};
use crate::{
    account::{Account, AuthError},
    grant::{Audience, Grant},
    state::ServerState,
    tree::{AccountObjectKind, TreeError},
};

/// The account of a request, and the rights in it.
pub(super) struct Caller {
    /// The account of the token. If only public data may be shown, that of the user in the path.
    pub account: Arc<Account>,
    pub scopes: Scopes,
    /// The id of the client that the token was issued to; empty if it is valid for all.
    pub client_id: String,
    /// Whether only public data may be shown: the request has no token of the account.
    pub is_public: bool,
}

impl Caller {
    /// Identifies the caller of a request by `grant`, the token's grant or the reason why it is
    /// refused. A user and the picture of a user can be read without a token
    /// (live-connect#user-requests). The id of a user may also be the client id of an application.
    /// `route` then becomes that of the application.
    ///
    /// # Errors
    /// 401 if the token is missing where the path requires one, and if it is unknown, expired or
    /// for another audience; 404 if the path names neither a user nor an application of the token's
    /// account; 507 or 500 if the storage fails.
    pub(super) async fn identify(
        state: &ServerState,
        grant: Result<Grant, AuthError>,
        route: &mut LiveRoute,
    ) -> Result<Self> {
        let user = match (&route.subject, &route.action) {
            (
                Subject::User(DriveOwner::User(cid)),
                LiveAction::GetUser | LiveAction::GetUserPicture,
            ) => Some(cid.clone()),
            _ => None,
        };
        let grant = match (grant, user.is_some()) {
            (Ok(grant), _) => Some(grant),
            (Err(AuthError::Missing), true) => None,
            (Err(error), _) => return Err(error.into()),
        };
        if let Some(grant) = &grant {
            grant.check_audience(&Audience::Live)?;
        }
        let own = match &grant {
            Some(grant) => Some(open(state, &grant.account).await?),
            None => None,
        };
        if let Some(cid) = user.filter(|cid| own.as_ref().is_none_or(|own| own.cid != *cid)) {
            let found = state.accounts.find_cid(&cid).await;
            if let Some(account) = found.map_err(|error| LiveError::tree(error, &cid))? {
                let scopes = Scopes::none();
                return Ok(Self { account, scopes, client_id: String::new(), is_public: true });
            }
            match &own {
                Some(own) => become_application(state, own, &cid, route).await?,
                None => return Err(LiveError::not_found(cid)),
            }
        }
        let (Some(account), Some(grant)) = (own, grant) else {
            return Err(AuthError::Missing.into());
        };
        let scopes = Scopes::from_grant(&grant);
        Ok(Self { account, scopes, client_id: grant.client.unwrap_or_default(), is_public: false })
    }
}

/// Returns the account with a name. Its drive is created if it does not exist.
///
/// # Errors
/// 507 if the drive cannot be created because the disk of the storage is full; 500 if the storage
/// fails.
async fn open(state: &ServerState, name: &str) -> Result<Arc<Account>> {
    state.accounts.open(name).await.map_err(|error| LiveError::tree(error, name))
}

/// Changes the route of a user to that of the application with the client id.
///
/// # Errors
/// 404 if the account has no application with this client id; 500 if the storage fails.
async fn become_application(
    state: &ServerState,
    account: &Account,
    client_id: &str,
    route: &mut LiveRoute,
) -> Result<()> {
    let id = AccountObjectId::for_client(client_id);
    match state
        .tree
        .account_object(account.drive, AccountObjectKind::Application, id.as_str())
        .await
    {
        Ok(_) => {}
        Err(TreeError::NotFound) => return Err(LiveError::not_found(client_id)),
        Err(error) => return Err(LiveError::tree(error, client_id)),
    }
    let action = match route.action {
        LiveAction::GetUserPicture => AccountAction::GetLogo,
        _ => AccountAction::GetApplication,
    };
    *route = LiveRoute { subject: Subject::AccountObject(id), action: LiveAction::Account(action) };
    Ok(())
}
