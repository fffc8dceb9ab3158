//! The organization of a tenant.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::{EntityType, page};
use crate::{
    account::ADDRESS_DOMAIN,
    directory::ORGANIZATION as ONLY_TENANT,
    graph::{error::Result, owner::unknown, request::GraphRequest, response},
};

/// The type of organizations.
const ORGANIZATION: EntityType = EntityType {
    name: "organization",
    context: "organization",
    properties: &["displayName", "id", "tenantType", "verifiedDomains"],
    unimplemented: &[
        "assignedPlans",
        "branding",
        "businessPhones",
        "city",
        "country",
        "countryLetterCode",
        "createdDateTime",
        "defaultUsageLocation",
        "deletedDateTime",
        "isMultipleDataLocationsForServicesEnabled",
        "marketingNotificationEmails",
        "onPremisesLastSyncDateTime",
        "onPremisesSyncEnabled",
        "partnerTenantType",
        "postalCode",
        "preferredLanguage",
        "privacyProfile",
        "provisionedPlans",
        "securityComplianceNotificationMails",
        "securityComplianceNotificationPhones",
        "state",
        "street",
        "technicalNotificationMails",
    ],
    is_directory_object: false,
    page_size: (100, 999),
};

/// `GET /organization`: returns the organization of the tenant. All accounts of a server without a
/// directory have one organization.
///
/// # Errors
/// Those of [`GraphRequest::tenant`] and [`page`].
pub(super) async fn list(request: &GraphRequest) -> Result<Response> {
    page(request, &ORGANIZATION, organizations(request).await?)
}

/// `GET /organization/ID`: returns the organization with an id, in any case.
///
/// # Errors
/// Those of [`GraphRequest::tenant`]; 404 if the tenant has another id; 400 for an unknown property,
/// 501 for one that only the cloud has.
pub(super) async fn get(request: &GraphRequest, id: &str) -> Result<Response> {
    ORGANIZATION.check_select(request)?;
    let all = organizations(request).await?;
    let has_id = |one: &Value| one["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id));
    let mut found = all.into_iter().find(has_id).ok_or_else(|| unknown("organization", id))?;
    found["@odata.context"] = request.url("/$metadata#organization/$entity").into();
    Ok(response::json(StatusCode::OK, &request.selection.project_resource(found)))
}

/// Returns the organizations that the request's token belongs to.
///
/// # Errors
/// Those of [`GraphRequest::tenant`].
async fn organizations(request: &GraphRequest) -> Result<Vec<Value>> {
    let caller = request.tenant().await?.caller;
    let Some(directory) = request.state.accounts.directory() else {
        let domains = [ADDRESS_DOMAIN.to_owned()];
        return Ok(vec![describe(ONLY_TENANT, None, &domains)]);
    };
    let own = directory.tenants().iter().filter(|it| caller.is_of(&it.id.to_ascii_lowercase()));
    Ok(own.map(|it| describe(&it.id, it.display_name.as_deref(), &it.domains)).collect())
}

/// Returns the resource of an organization.
fn describe(id: &str, name: Option<&str>, domains: &[String]) -> Value {
    let verified = domains.iter().enumerate().map(|(at, name)| {
        json!({
            "name": name,
            "type": "Managed",
            "isDefault": at == 0,
            "isInitial": at == 0,
            "capabilities": "Email",
        })
    });
    json!({
        "id": id.to_ascii_lowercase(),
        "displayName": name.or(domains.first().map(String::as_str)).unwrap_or(id),
        "tenantType": "AAD",
        "verifiedDomains": verified.collect::<Vec<_>>(),
    })
}
