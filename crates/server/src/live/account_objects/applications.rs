//! Applications of a developer (live-connect#application-object).

use axum::{
    body::Body,
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    AccountObjectId,
    calendars::merge,
    created, logos, object_page,
    structure::{
        Structure, StructureType,
        input::ValidationMode,
        output::{ShownObject, Viewer},
    },
};
use crate::{
    live::{
        error::{LiveError, Result},
        objects::time,
        request::LiveRequest,
        response_format::no_content,
        route::BASE,
    },
    sign_in::clients::Client,
    signed_token::random_name,
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery, TreeError},
};

/// The only type of a redirect URI.
const WEB: &str = "web";

const URIS: &[Structure] = &[
    Structure::read_only("uri", StructureType::Text),
    Structure::read_only("type", StructureType::Text),
];

/// The structures of an application.
pub(super) const APPLICATION: &[Structure] = &[
    Structure::computed("id", StructureType::Text),
    Structure::writable("name", StructureType::Text).required(),
    Structure::computed("client_id", StructureType::Text),
    Structure::read_only("client_secret", StructureType::Text),
    // A response has it in `uris`.
    Structure::writable("uri", StructureType::Text).required().hidden(),
    Structure::computed("uris", StructureType::Objects(URIS)),
    Structure::writable("terms_of_service_link", StructureType::Text),
    Structure::writable("privacy_link", StructureType::Text),
    Structure::computed("picture", StructureType::Text),
    Structure::computed("upload_location", StructureType::Text),
    Structure::computed("created_time", StructureType::Time),
    Structure::computed("updated_time", StructureType::Time),
];

/// The structures that are URLs of web pages.
const LINKS: [&str; 3] = ["uri", "terms_of_service_link", "privacy_link"];

/// Handles `GET {user}/applications`: returns a page of the user's applications.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`](crate::live::listing::PageOptions) has an invalid
/// value; 500 if the storage fails.
pub(super) async fn list(request: &LiveRequest) -> Result<Response> {
    let query = AccountObjectQuery::all(AccountObjectKind::Application);
    object_page(request, "applications", query, |application| shown(request, application)).await
}

/// Handles `GET {application}`: returns the application with this id.
///
/// # Errors
/// 404 if it does not exist in the account; 500 if the storage fails.
pub(super) async fn get(request: &LiveRequest, id: &AccountObjectId) -> Result<Response> {
    let application = request.account_object(id).await?;
    Ok(request.format.json(StatusCode::OK, &shown(request, &application)))
}

/// Handles `POST {user}/applications`: creates an application with a new client id, and returns it.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, the name or the redirect URI is missing or empty, a
/// member is read-only or has another type, or a link is not an `http` or `https` URL; 413 for a
/// body over 1 MiB; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn add(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let fields = request.accept(APPLICATION, ValidationMode::Create, parts, body).await?;
    let application = new(AccountObjectId::random_application(), fields)?;
    request.store(application.clone()).await?;
    Ok(created(request, &application.id, &shown(request, &application)))
}

/// Creates an application from validated members. The client secret is generated unless there is one.
///
/// # Errors
/// 400 if a link is not an `http` or `https` URL with a host.
pub(super) fn new(id: AccountObjectId, mut fields: Map<String, Value>) -> Result<AccountObject> {
    check_links(&fields)?;
    fields.entry("client_secret").or_insert_with(|| random_name().into());
    let application = AccountObject::new(AccountObjectKind::Application, id.as_str());
    Ok(AccountObject { fields, ..application })
}

/// Handles `PUT {application}`: changes the application with this id, and returns it. A null member
/// removes its value.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, nothing is changed, a required member is removed, a
/// member is read-only or has another type, or a link is not an `http` or `https` URL; 404 if the
/// application does not exist; 413 for a body over 1 MiB; 507 if the disk of the storage is full;
/// 500 if the storage fails.
pub(super) async fn update(
    request: &LiveRequest,
    id: &AccountObjectId,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let changes = request.accept(APPLICATION, ValidationMode::Update, parts, body).await?;
    check_links(&changes)?;
    let change = move |application: &mut AccountObject| {
        merge(&mut application.fields, changes);
        Ok(())
    };
    let application = request.change(&request.objects.account, id, change).await?;
    Ok(request.format.json(StatusCode::OK, &shown(request, &application)))
}

/// Handles `DELETE {application}`: removes the application with this id.
///
/// # Errors
/// 404 if it does not exist; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn delete(request: &LiveRequest, id: &AccountObjectId) -> Result<Response> {
    let tree = &request.state().tree;
    tree.remove_account_object(request.drive(), AccountObjectKind::Application, id.as_str())
        .await
        .map_err(|error| LiveError::tree(error, id))?;
    Ok(no_content())
}

/// Checks that the members that are links are URLs of web pages.
///
/// # Errors
/// 400 for the first that is not an `http` or `https` URL with a host.
fn check_links(fields: &Map<String, Value>) -> Result<()> {
    for name in LINKS {
        if let Some(link) = fields.get(name).and_then(Value::as_str) {
            let is_page = Url::parse(link)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !is_page {
                return Err(LiveError::invalid_value(name, link));
            }
        }
    }
    Ok(())
}

/// Returns the URL to which the page of an upload may redirect: one in a domain of the application's
/// redirect URIs, or on this machine if the application is not registered. `None` for any other URL.
///
/// # Errors
/// 500 if the storage fails.
pub(in crate::live) async fn redirect_target(
    request: &LiveRequest,
    redirect: &str,
) -> Result<Option<Url>> {
    let client = Client::find(request.state(), &request.client_id).ok();
    let mut registered: Vec<String> = client
        .and_then(|client| client.registered)
        .map(|application| application.redirect_uris.clone())
        .unwrap_or_default();
    let id = AccountObjectId::for_client(&request.client_id);
    let tree = &request.state().tree;
    match tree.account_object(request.drive(), id.kind, id.as_str()).await {
        Ok(application) => {
            let uri = application.fields.get("uri").and_then(Value::as_str);
            registered.extend(uri.map(str::to_owned));
        }
        Err(TreeError::NotFound) => {}
        Err(error) => return Err(LiveError::tree(error, &id)),
    }
    if registered.is_empty() {
        return Ok(request.objects.base_url.redirect_target(redirect));
    }
    let is_registered = |url: &Url| {
        registered.iter().any(|uri| Url::parse(uri).is_ok_and(|uri| uri.host() == url.host()))
    };
    let target = Url::parse(redirect).ok();
    Ok(target.filter(|url| matches!(url.scheme(), "http" | "https") && is_registered(url)))
}

/// Returns an application as its developer sees it.
fn shown(request: &LiveRequest, application: &AccountObject) -> ShownObject {
    let objects = &request.objects;
    let client_id = application.id.split_once('.').map_or("", |(_, client_id)| client_id);
    let mut values = application.fields.clone();
    let uri = values.get("uri").cloned().unwrap_or_default();
    values.insert("id".to_owned(), application.id.as_str().into());
    values.insert("client_id".to_owned(), client_id.into());
    values.insert("uris".to_owned(), json!([{ "uri": uri, "type": WEB }]));
    values.insert("picture".to_owned(), logos::url(request, application).into());
    let upload = format!("{BASE}/{}/picture", application.id);
    values.insert("upload_location".to_owned(), objects.base_url.url(&upload).into());
    values.insert("created_time".to_owned(), time(application.created).into());
    values.insert("updated_time".to_owned(), time(application.modified).into());
    ShownObject::new(APPLICATION, &values, Viewer::Owner(&request.scopes))
}
