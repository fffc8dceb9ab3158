//! Objects outside the drive: users, contacts, friends, calendars, events, activities and applications
//! (live-connect#non-storage-objects).
//!
//! Each object has a table of its [`structure`]s and a module with its handlers. The tree stores the
//! objects as JSON, per account.

pub(super) mod action;
mod activities;
pub(super) mod applications;
mod birthdays;
mod calendar_access;
mod calendars;
mod contacts;
mod event_times;
mod events;
pub(crate) mod fixtures;
pub(super) mod ids;
pub(super) mod logos;
mod recurrence;
mod series;
pub(super) mod structure;
pub(super) mod subscription;
pub(super) mod user;

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::{
    action::AccountAction,
    ids::AccountObjectId,
    structure::{
        Structure,
        input::{ValidationMode, Validator},
        output::ShownObject,
    },
};
use super::{
    error::{LiveError, Result},
    fields::Fields,
    listing::{PageOptions, Paging},
    request::LiveRequest,
    route::{BASE, Subject},
};
use crate::{
    account::Account,
    tree::{AccountObject, AccountObjectQuery},
};

/// Runs the handler of an action.
///
/// # Errors
/// Those of the handler; 404 if the action needs an object and the path names none.
pub(super) async fn respond(
    request: &LiveRequest,
    action: AccountAction,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    use AccountAction as Action;
    match (action, &request.subject) {
        (Action::ListContacts, _) => contacts::list(request).await,
        (Action::AddContact, _) => contacts::add(request, parts, body).await,
        (Action::ListFriends, _) => contacts::list_friends(request).await,
        (Action::ListCalendars, _) => calendars::list(request).await,
        (Action::AddCalendar, _) => calendars::add(request, parts, body).await,
        (Action::ListEvents, _) => events::list(request).await,
        (Action::AddEvent, _) => events::add(request, parts, body).await,
        (Action::Share, _) => activities::share(request, parts, body).await,
        (Action::ListApplications, _) => applications::list(request).await,
        (Action::AddApplication, _) => applications::add(request, parts, body).await,
        (action, Subject::AccountObject(id)) => {
            respond_on_object(request, action, id, parts, body).await
        }
        (_, _) => Err(LiveError::not_found(request.subject_id())),
    }
}

/// Runs the handler of an action on one object, by its id.
///
/// # Errors
/// Those of the handler.
async fn respond_on_object(
    request: &LiveRequest,
    action: AccountAction,
    id: &AccountObjectId,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    use AccountAction as Action;
    match action {
        Action::GetContact => contacts::get(request, id).await,
        Action::GetCalendar => calendars::get(request, id).await,
        Action::UpdateCalendar => calendars::update(request, id, parts, body).await,
        Action::DeleteCalendar => calendars::delete(request, id).await,
        Action::GetEvent => events::get(request, id).await,
        Action::UpdateEvent => events::update(request, id, parts, body).await,
        Action::DeleteEvent => events::delete(request, id).await,
        Action::GetApplication => applications::get(request, id).await,
        Action::UpdateApplication => applications::update(request, id, parts, body).await,
        Action::DeleteApplication => applications::delete(request, id).await,
        Action::GetLogo => logos::get(request, id).await,
        Action::PutLogo => logos::put(request, id, parts, body).await,
        _ => Err(LiveError::not_found(id)),
    }
}

impl LiveRequest {
    /// Returns the object with the id `id` of the token's own account.
    ///
    /// # Errors
    /// 404 if it does not exist; 500 if the storage fails.
    async fn account_object(&self, id: &AccountObjectId) -> Result<AccountObject> {
        let object = self.state().tree.account_object(self.drive(), id.kind, id.as_str()).await;
        object.map_err(|error| LiveError::tree(error, id))
    }

    /// Stores a new object of the own account. An object with the same id is replaced.
    ///
    /// # Errors
    /// 507 if the disk of the storage is full; 500 if the storage fails.
    async fn store(&self, object: AccountObject) -> Result<()> {
        let stored = self.state().tree.put_account_object(self.drive(), object).await;
        stored.map_err(|error| LiveError::tree(error, self.subject_id()))
    }

    /// Changes an object of an account, and returns it.
    ///
    /// # Errors
    /// 404 if it does not exist; those of `change`, which leave it as it was; 507 if the disk of
    /// the storage is full; 500 if the storage fails.
    async fn change(
        &self,
        owner: &Account,
        id: &AccountObjectId,
        change: impl FnOnce(&mut AccountObject) -> Result<()> + Send + 'static,
    ) -> Result<AccountObject> {
        let tree = &self.state().tree;
        let changed = tree.change_account_object(owner.drive, id.kind, id.as_str(), change).await;
        changed.map_err(|error| LiveError::tree(error, id))?
    }

    /// Reads and validates the members of a request body. Times without an offset are in UTC.
    ///
    /// # Errors
    /// 413 for a body over 1 MiB; 400 if it ends early or is neither JSON nor a form, if a required
    /// member is missing, if a member is read-only or has an invalid value, and if an update
    /// changes nothing.
    async fn accept(
        &self,
        structures: &[Structure],
        mode: ValidationMode,
        parts: &Parts,
        body: Body,
    ) -> Result<Map<String, Value>> {
        self.accept_in(structures, mode, &TimeZone::UTC, parts, body).await
    }

    /// Reads and validates the members of a request body. Times without an offset are in `zone`.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    async fn accept_in(
        &self,
        structures: &[Structure],
        mode: ValidationMode,
        zone: &TimeZone,
        parts: &Parts,
        body: Body,
    ) -> Result<Map<String, Value>> {
        let fields = Fields::read(parts, body, &self.query).await?;
        Validator { structures, mode, zone }.accept(fields.members())
    }
}

/// A page of a list.
#[derive(Serialize)]
struct ObjectPage {
    data: Vec<ShownObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paging: Option<Paging>,
}

/// Responds with a page of the own objects that `query` selects. `list` is the last segment of the
/// list's path; `show` makes the response's objects of the stored ones.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`] has an invalid value; 500 if the storage fails.
async fn object_page(
    request: &LiveRequest,
    list: &str,
    query: AccountObjectQuery,
    show: impl Fn(&AccountObject) -> ShownObject,
) -> Result<Response> {
    let options = PageOptions::from_query(&request.query)?;
    let (offset, limit) = options.window();
    let query = AccountObjectQuery { offset, limit, ..query };
    let objects = request.state().tree.account_objects(request.drive(), query).await;
    let objects = objects.map_err(|error| LiveError::tree(error, request.subject_id()))?;
    let (objects, more) = options.truncate(objects);
    Ok(page(request, &options, list, objects.iter().map(show).collect(), more))
}

/// Responds with a page of a complete list. `list` is the last segment of the list's path; `show`
/// makes the response's objects of the entries.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`] has an invalid value.
fn object_page_of<T>(
    request: &LiveRequest,
    list: &str,
    all: Vec<T>,
    show: impl Fn(&T) -> ShownObject,
) -> Result<Response> {
    let options = PageOptions::from_query(&request.query)?;
    let (objects, more) = options.slice(all);
    Ok(page(request, &options, list, objects.iter().map(show).collect(), more))
}

/// Returns the response with one page of a list. `list` is the last segment of the list's path;
/// `more` is whether objects follow.
fn page(
    request: &LiveRequest,
    options: &PageOptions,
    list: &str,
    data: Vec<ShownObject>,
    more: bool,
) -> Response {
    let url = request.objects.base_url.url(&format!("{BASE}/{}/{list}", request.subject_id()));
    let paging = options.paging(&url, more);
    request.format.json(StatusCode::OK, &ObjectPage { data, paging })
}

/// Returns the response 201 to a request that created an object with the id `id`, with its
/// location.
fn created(request: &LiveRequest, id: &str, object: &ShownObject) -> Response {
    let response = request.format.json(StatusCode::CREATED, object);
    with_location(response, &request.objects.base_url.url(&format!("{BASE}/{id}")))
}

/// Adds the header `Location` with `url`, an absolute URL, to a response.
fn with_location(mut response: Response, url: &str) -> Response {
    // Scheme, host and ids contain no character that is invalid in a header.
    if let Ok(location) = HeaderValue::try_from(url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Returns the user that an object belongs to, as the value of `from`.
fn owner(account: &Account) -> Value {
    json!({ "name": account.display_name(), "id": account.cid })
}
