//! Shared items by their sharing token: `/shares/TOKEN` (onedrive-graph#shares).
//!
//! The item itself and everything below it are [items](super::items) of a drive that the token
//! addresses; this module has the other relations.

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{
    address::DriveRef,
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    invitations,
    links::LinkTarget,
    owner::AccountIdentity,
    request::GraphRequest,
    response,
    sharing_actions::ShareAction,
    tenant,
};
use crate::tree::{ROOT, Role};

/// Serves `shares/TOKEN`, its `permission`, `permission/grant` and `site`.
///
/// # Errors
/// 400 and 404 for the token, as of [`LinkTarget::from_token`]; 401 if the access token is missing,
/// unknown, expired or for another resource; 403 if the token does not cover the item; 403 or 404 if the
/// link gives the caller no access; those of
/// [`invitations::grant`]; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn serve(
    request: &GraphRequest,
    token: String,
    action: ShareAction,
    payload: Payload,
) -> Result<Response> {
    let context = DriveContext::open(request, &DriveRef::Share(token.clone())).await?;
    let target = LinkTarget::from_token(request, &token).await?;
    context.check_covered(target.item).await?;
    context.require(target.item, Role::Read).await?;
    let node = context.tree().node(context.drive(), target.item).await?;
    match action {
        ShareAction::Get => {
            let identity = AccountIdentity::new(context.kind, &context.account);
            let name = if node.no == ROOT { "root" } else { &node.name };
            let share = json!({
                "@odata.context": request.url("/$metadata#shares/$entity"),
                "id": context.share_id(&target.link),
                "name": name,
                "owner": identity.owner(),
            });
            Ok(response::json(StatusCode::OK, &request.selection.project_resource(share)))
        }
        ShareAction::Permission => {
            let secrets = context.role(node.no).await? >= Some(Role::Write);
            let link = context.describe_permission(node.no, &target.link, secrets).await?;
            Ok(response::json(StatusCode::OK, &request.selection.project_resource(link)))
        }
        ShareAction::Grant => {
            let id = target.link.id.clone();
            invitations::grant(&context, &node, &id, payload).await
        }
        ShareAction::Site if context.kind.is_personal() => {
            Err(Error::invalid("This account has no SharePoint sites."))
        }
        ShareAction::Site => tenant::site_of_account(request, &context.account).await,
    }
}
