//! Permissions and links (onedrive-graph#sharing).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Identity, ItemReference, secret, time};
use crate::drive::Secret;

/// A permission of an item (onedrive-graph#permissions).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PermissionResource {
    /// Id of the permission, unique within its item.
    pub id: String,
    /// Roles: `read`, `write`, `owner`, or a role of SharePoint.
    pub roles: Vec<String>,
    /// The link that grants the access. Absent for a permission of users.
    pub link: Option<SharingLink>,
    /// Whether users of the link must enter a password.
    pub has_password: bool,
    /// When the permission expires.
    #[serde(deserialize_with = "time")]
    pub expiration_date_time: Option<Timestamp>,
    /// The user or group, on personal accounts.
    pub granted_to: Option<IdentitySet>,
    /// The user or group, on Business. Some responses have both members.
    pub granted_to_v2: Option<IdentitySet>,
    /// The users and groups of a link, on personal accounts.
    pub granted_to_identities: Vec<IdentitySet>,
    /// The users and groups of a link, on Business. Some responses have both members.
    pub granted_to_identities_v2: Vec<IdentitySet>,
    /// The invitation of a person without an account.
    pub invitation: Option<SharingInvitation>,
    /// The folder that the permission is inherited from. Absent on Business.
    pub inherited_from: Option<ItemReference>,
}

/// A link of a permission.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SharingLink {
    /// Type: `view`, `edit` or `embed`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Scope: `anonymous`, `organization` or `users`.
    pub scope: Option<String>,
    /// URL that opens the item in a browser. Absent if the user may not see it.
    #[serde(deserialize_with = "secret")]
    pub web_url: Option<Secret>,
    /// HTML that shows the item in a web page; only for `embed`.
    #[serde(deserialize_with = "secret")]
    pub web_html: Option<Secret>,
}

/// An invitation of a permission.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SharingInvitation {
    /// E-mail address of the invited person.
    pub email: Option<String>,
}

/// A user, group or application; one of the members is present.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct IdentitySet {
    /// A user.
    pub user: Option<Identity>,
    /// A group.
    pub group: Option<Identity>,
    /// An application.
    pub application: Option<Identity>,
    /// A user of a SharePoint site. Some responses have it beside `user`.
    pub site_user: Option<Identity>,
    /// A group of a SharePoint site.
    pub site_group: Option<Identity>,
}

/// One page of the permissions of an item.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct PermissionPage {
    /// The permissions.
    pub value: Vec<PermissionResource>,
    /// URL of the next page; `None` on the last page.
    #[serde(rename = "@odata.nextLink", default, deserialize_with = "secret")]
    pub next: Option<Secret>,
}

/// The body of the request for a link (onedrive-graph#create-link). Members that are `None` are not
/// sent.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LinkOptions {
    /// Type: `view`, `edit` or `embed`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Scope: `anonymous`, `organization` or `users`. `None` for the default of the organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'static str>,
    /// Password of the link. Only for paid personal accounts.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose")]
    pub password: Option<Secret>,
    /// When the link expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_date_time: Option<Timestamp>,
    /// Whether inherited permissions are kept when the item is shared for the first time
    /// (onedrive-graph#retain-inherited-permissions). `None` for the cloud's default, which is `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain_inherited_permissions: Option<bool>,
}

impl LinkOptions {
    /// Returns the body for a link of this type: `view`, `edit` or `embed`.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// The body of an invitation (onedrive-graph#invite). Members that are `None` are not sent.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Invitation {
    /// The users.
    pub recipients: Vec<Recipient>,
    /// Roles: `read` or `write`.
    pub roles: Vec<&'static str>,
    /// Whether the users must sign in.
    pub require_sign_in: bool,
    /// Whether the cloud sends an e-mail.
    pub send_invitation: bool,
    /// Text of the e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the permissions expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_date_time: Option<Timestamp>,
    /// As in [`LinkOptions::retain_inherited_permissions`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain_inherited_permissions: Option<bool>,
}

impl Invitation {
    /// Returns an invitation of the users with these e-mail addresses, in a role: `read` or `write`.
    /// They must sign in. The cloud sends no e-mail.
    pub fn new(addresses: impl IntoIterator<Item = String>, role: &'static str) -> Self {
        let recipients = addresses.into_iter().map(|email| Recipient { email }).collect();
        Self { recipients, roles: vec![role], require_sign_in: true, ..Self::default() }
    }
}

/// A recipient of an invitation.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Recipient {
    /// E-mail address.
    pub email: String,
}

/// Writes a secret as text.
///
/// # Errors
/// Those of the serializer.
fn expose<S: serde::Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}
