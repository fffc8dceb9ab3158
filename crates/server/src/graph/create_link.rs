//! `createLink`: creates sharing links (onedrive-graph#create-link).

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::{
    address::ItemAddress,
    contract::Payload,
    drive_context::DriveContext,
    error::{Error, Result},
    invitations::{Recipient, resolve_recipients},
    permissions::{change_permissions, end_inheritance, expiry},
    response,
};
use crate::{
    account_scope,
    permissions::{LinkType, NewLink, find_or_add, hash_password},
    tree::{LinkAudience, Permission},
};

/// The audience of a link on a business drive whose request names none: the default of the
/// organization (onedrive-graph#create-link-scope). Inferred: a new tenant's default is everyone with
/// the link.
const DEFAULT_AUDIENCE: LinkAudience = LinkAudience::Anonymous;

/// The body of `createLink`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LinkBody {
    r#type: String,
    scope: Option<String>,
    password: Option<String>,
    expiration_date_time: Option<String>,
    retain_inherited_permissions: Option<bool>,
    recipients: Vec<Recipient>,
}

impl LinkBody {
    /// Returns the type and the audience of the link.
    ///
    /// # Errors
    /// 400 for another type than `view`, `edit` and `embed`, `embed` on a business drive, an unknown
    /// scope, `organization` on a personal drive, recipients of a link for another scope than `users`,
    /// and a password on a business drive.
    fn check(&self, context: &DriveContext<'_>) -> Result<(LinkType, LinkAudience)> {
        let is_personal = context.kind.is_personal();
        let link_type = LinkType::parse(&self.r#type).ok_or_else(|| {
            Error::invalid(format!(
                "cannot create the link: type {:?} is not view, edit or embed",
                self.r#type
            ))
        })?;
        if link_type == LinkType::Embed && !is_personal {
            let message = "cannot create the link: only personal drives have links to embed";
            return Err(Error::invalid(message));
        }
        let audience = match self.scope.as_deref() {
            None | Some("") => DEFAULT_AUDIENCE,
            Some(scope) => LinkAudience::parse(scope).ok_or_else(|| {
                Error::invalid(format!(
                    "cannot create the link: scope {scope:?} is not anonymous, organization or users"
                ))
            })?,
        };
        if audience == LinkAudience::Organization && is_personal {
            return Err(Error::invalid(
                "cannot create the link: scope organization is for business accounts only",
            ));
        }
        if audience != LinkAudience::Users && !self.recipients.is_empty() {
            return Err(Error::invalid(
                "cannot create the link: only a link with scope users has recipients",
            ));
        }
        if self.password.as_ref().is_some_and(|password| !password.is_empty()) && !is_personal {
            return Err(Error::invalid(
                "cannot create the link: only links of personal drives have a password",
            ));
        }
        Ok((link_type, audience))
    }
}

/// `POST item/createLink`: returns the item's link of that type, and creates it if necessary.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a body with a member of another
/// type, as of [`LinkBody::check`], for an expiry that is no time in the future and for the root folder
/// of a personal drive; 403 if the caller may not change the item, or does not own it and ends the
/// inheritance; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn create_link(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: LinkBody = payload.parse()?;
    let (link_type, audience) = body.check(context)?;
    let expires = expiry(body.expiration_date_time.as_deref())?;
    let node = context.locate(address).await?.node;
    let retain = body.retain_inherited_permissions.unwrap_or(true);
    context.require_sharing(&node, retain).await?;
    let recipients = resolve_recipients(context, body.recipients).await?;
    let grantees = recipients.iter().map(|it| it.grantee.to_string()).collect();
    let password = match body.password.filter(|password| !password.is_empty()) {
        Some(password) => Some(hash_password(password).await),
        None => None,
    };
    let request = context.request;
    let application = request.valid_grant()?.client.clone();
    let new = NewLink { link_type, audience, grantees, expires, password, application };
    let mut new = new.into_permission(&request.state, &context.account, node.no);
    for recipient in recipients {
        new.details.names.insert(recipient.grantee.to_string(), recipient.given);
    }
    let of = node.clone();
    let change = move |all: &mut Vec<Permission>| {
        if !retain {
            end_inheritance(all, &of);
        }
        Ok(find_or_add(all, new, account_scope::now()))
    };
    let (link, is_new) = change_permissions(context, &node, change).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(response::json(status, &context.describe_permission(node.no, &link, true).await?))
}
