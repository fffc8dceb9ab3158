//! The sites of a tenant: by id and path, below another site, all of them, and by a search.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{EntityType, page};
use crate::{
    account::Account,
    directory::SiteProfile,
    graph::{
        address::{DriveRef, Owner},
        drive_context::DriveContext,
        error::{Error, Result},
        owner::AccountIdentity,
        request::GraphRequest,
        response,
        scopes::FileScope,
        timestamp::format_time,
    },
    tree::{ROOT, Role, fold},
};

/// Properties of a site that this server has.
const SITE_PROPERTIES: [&str; 10] = [
    "createdDateTime",
    "description",
    "displayName",
    "id",
    "isPersonalSite",
    "lastModifiedDateTime",
    "name",
    "root",
    "siteCollection",
    "webUrl",
];

/// The type of sites.
pub(super) const SITE: EntityType = EntityType {
    name: "site",
    context: "sites",
    properties: &SITE_PROPERTIES,
    unimplemented: &["eTag", "error", "lastModifiedBy", "parentReference", "sharepointIds"],
    is_directory_object: false,
    page_size: (200, 1000),
};

/// `GET /sites/ID`, `/sites/HOST:/PATH`, `/groups/ID/sites/root`: returns a site.
///
/// # Errors
/// Those of [`GraphRequest::site_of_owner`]; 403 for a site that the application has no permission
/// for; 507 or 500 if the storage fails.
pub(super) async fn site(request: &GraphRequest, owner: &Owner) -> Result<Response> {
    let account = request.account_of_drive(&DriveRef::OwnedBy(owner.clone())).await?;
    if request.files == FileScope::Selected {
        let context = DriveContext::for_caller(request, Arc::clone(&account)).await?;
        context.require(ROOT, Role::Read).await?;
    }
    site_of_account(request, &account).await
}

/// Returns the response with the site that has an account's drive.
///
/// # Errors
/// 507 if a drive cannot be created because the disk of the storage is full; 500 if the storage
/// fails.
pub(in crate::graph) async fn site_of_account(
    request: &GraphRequest,
    account: &Account,
) -> Result<Response> {
    let site = AccountIdentity::new(request.kind(account), account).site();
    let mut body = describe_site(request, &site).await?;
    body["@odata.context"] = request.url("/$metadata#sites/$entity").into();
    Ok(response::json(StatusCode::OK, &request.selection.project_resource(body)))
}

/// `GET /sites?search=TEXT`: returns the sites that the token opens and whose name, description or
/// URL contains the text, in any case; all for `*` and without the option.
///
/// # Errors
/// Those of [`GraphRequest::tenant`] and [`page`]; 507 or 500 if the storage fails.
pub(super) async fn search(request: &GraphRequest) -> Result<Response> {
    let text = fold(request.query.get("search").unwrap_or("*"));
    let text = text.trim_matches('"').trim_end_matches('*');
    let is_found = |site: &SiteProfile| {
        let texts = [Some(&site.display_name), Some(&site.name), Some(&site.path)];
        let mut texts = texts.into_iter().chain([site.description.as_ref()]).flatten();
        texts.any(|it| fold(it).contains(text))
    };
    respond(request, is_found).await
}

/// `GET /sites/getAllSites`: returns all sites of the tenant, those of users included.
///
/// # Errors
/// 403 for the token of a user: the reference allows applications only; those of
/// [`GraphRequest::tenant`] and [`page`]; 507 or 500 if the storage fails.
pub(super) async fn all(request: &GraphRequest) -> Result<Response> {
    if request.caller().await?.user.is_some() {
        return Err(Error::access_denied());
    }
    respond(request, |_| true).await
}

/// `GET /sites/ID/sites`: returns the sites directly below a site that the token opens.
///
/// # Errors
/// Those of [`GraphRequest::site_of_owner`], [`GraphRequest::tenant`] and [`page`]; 507 or 500 if
/// the storage fails.
pub(super) async fn below(request: &GraphRequest, owner: &Owner) -> Result<Response> {
    let parent = request.site_of_owner(owner).await?;
    let is_below = |site: &SiteProfile| {
        site.tenant == parent.tenant && site.parent_path() == Some(parent.path.as_str())
    };
    respond(request, is_below).await
}

/// Returns a page of the sites that the token opens and that satisfy `is_wanted`. A personal account
/// has none.
///
/// # Errors
/// Those of [`GraphRequest::tenant`] and [`page`]; 507 or 500 if the storage fails.
async fn respond(
    request: &GraphRequest,
    is_wanted: impl Fn(&SiteProfile) -> bool,
) -> Result<Response> {
    let caller = request.caller().await?;
    let is_personal = caller.user.is_some_and(|user| request.kind(&user).is_personal());
    let mut sites = Vec::new();
    if !is_personal {
        let tenant = request.tenant().await?;
        for site in tenant.sites.iter().filter(|site| is_wanted(site)) {
            if request.files == FileScope::Selected {
                let account = request.state.accounts.open(&site.default_library().account).await?;
                let context = DriveContext::for_caller(request, account).await?;
                if context.role(ROOT).await?.is_none() {
                    continue;
                }
            }
            sites.push(describe_site(request, site).await?);
        }
    }
    page(request, &SITE, sites)
}

/// Returns the resource of a site. Its times are those of its default library.
///
/// # Errors
/// 507 if the library's drive cannot be created because the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn describe_site(request: &GraphRequest, site: &SiteProfile) -> Result<Value> {
    let account = request.state.accounts.open(&site.default_library().account).await?;
    let drive = request.state.tree.drive_info(account.drive).await?;
    let root = request.state.tree.node(account.drive, ROOT).await?;
    let time = |at| format_time(request.kind(&account), at);
    let mut body = json!({
        "id": site.full_id(request),
        "name": site.name,
        "displayName": site.display_name,
        "description": site.description.as_deref().unwrap_or_default(),
        "createdDateTime": time(drive.created),
        "lastModifiedDateTime": time(root.modified),
        "webUrl": site.web_url(request),
        "isPersonalSite": site.is_personal(),
        "siteCollection": {"hostname": site.host(request)},
    });
    // Only the top site of a site collection has the facet.
    if site.parent_path().is_none() {
        body["root"] = json!({});
    }
    Ok(body)
}
