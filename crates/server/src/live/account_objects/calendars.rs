//! Calendars (live-connect#calendar-object).

use axum::{
    body::Body,
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde_json::{Map, Value};

use super::{
    AccountObjectId, birthdays,
    calendar_access::{CalendarAccess, CalendarRole, accessible, role_of},
    created,
    events::zone,
    object_page_of, owner,
    structure::{
        FROM, Structure, StructureType,
        input::ValidationMode,
        output::{ShownObject, Viewer},
    },
    subscription::{self, FETCHED},
};
use crate::{
    account::Account,
    live::{
        error::{LiveError, Result},
        objects::time,
        request::LiveRequest,
        response_format::no_content,
    },
    state::ServerState,
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery, TreeError},
};

/// The users that a calendar is shared with, in a fixture.
const SHARED_WITH: &[Structure] = &[
    // The name of the account: empty, or missing, for the default account.
    Structure::read_only("account", StructureType::Text),
    Structure::read_only("permissions", StructureType::Choice(&CalendarRole::NAMES)).required(),
];

/// The structures of a calendar.
pub(super) const CALENDAR: &[Structure] = &[
    Structure::computed("id", StructureType::Text),
    Structure::writable("name", StructureType::Text).required(),
    Structure::writable("description", StructureType::Text),
    Structure::computed("created_time", StructureType::Time),
    Structure::computed("updated_time", StructureType::Time),
    Structure::read_only("from", StructureType::Object(FROM)),
    Structure::read_only("is_default", StructureType::Flag),
    Structure::writable("subscription_location", StructureType::Text),
    Structure::read_only("permissions", StructureType::Choice(&CalendarRole::NAMES)),
    // The reference's name of the description in requests.
    Structure::writable("summary", StructureType::Text).hidden(),
    // The time at which a subscribed calendar was fetched. A fixture may set it.
    Structure::read_only(FETCHED, StructureType::Time).hidden(),
    // Only fixtures share a calendar.
    Structure::read_only("shared_with", StructureType::Objects(SHARED_WITH)).hidden(),
];

/// Handles `GET {user}/calendars`: returns a page of the own calendars, or of those that another
/// user shares.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`](crate::live::listing::PageOptions) has an invalid
/// value; 403 if the token lacks the scope; 404 if the user does not exist; 507 if the disk of the
/// storage is full; 500 if the storage fails.
pub(super) async fn list(request: &LiveRequest) -> Result<Response> {
    let calendars = accessible(request).await?;
    object_page_of(request, "calendars", calendars, |access| shown(request, access))
}

/// Handles `GET {calendar}`: returns the calendar with this id.
///
/// # Errors
/// 404 if it does not exist, or if it is neither an own calendar nor shared; 403 if the token lacks
/// the scope; 500 if the storage fails.
pub(super) async fn get(request: &LiveRequest, id: &AccountObjectId) -> Result<Response> {
    let access = CalendarAccess::find(request, id.as_str()).await?;
    Ok(request.format.json(StatusCode::OK, &shown(request, &access)))
}

/// Handles `POST {user}/calendars`: creates a calendar, or subscribes to one with
/// `subscription_location`.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, the name is missing or empty, a member is read-only
/// or has another type, both `summary` and `description` are given, or the subscription is not a
/// URL or its calendar cannot be fetched; 413 for a body over 1 MiB; 507 if the disk of the storage is full; 500 if the storage
/// fails.
pub(super) async fn add(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let fields = request.accept(CALENDAR, ValidationMode::Create, parts, body).await?;
    let id = AccountObjectId::random(AccountObjectKind::Calendar);
    let mut calendar = new(id, fields)?;
    let zone = zone(request.state(), &request.objects.account).await?;
    let events = subscription::fetch_new(request, &mut calendar, &zone).await?;
    let access = CalendarAccess::own(request, calendar);
    request.store(access.calendar.clone()).await?;
    for event in events {
        request.store(event).await?;
    }
    Ok(created(request, &access.calendar.id, &shown(request, &access)))
}

/// Creates a calendar from validated members.
///
/// # Errors
/// 400 if the description is given twice, or if the subscription is not a URL.
pub(super) fn new(id: AccountObjectId, mut fields: Map<String, Value>) -> Result<AccountObject> {
    normalize(&mut fields)?;
    let calendar = AccountObject::new(AccountObjectKind::Calendar, id.as_str());
    Ok(AccountObject { fields, ..calendar })
}

/// Handles `PUT {calendar}`: changes the calendar with this id, and returns it. A null member
/// removes its value.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, nothing is changed, a member is read-only or has
/// another type, both `summary` and `description` are given, or `subscription_location` is set for
/// a calendar that is not subscribed; 403 if the token lacks the scope, or the user's role may not
/// change the calendar; 404 if it does not exist or is not shared; 413 for a body over 1 MiB; 507
/// if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn update(
    request: &LiveRequest,
    id: &AccountObjectId,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let mut changes = request.accept(CALENDAR, ValidationMode::Update, parts, body).await?;
    normalize(&mut changes)?;
    let mut access = CalendarAccess::find(request, id.as_str()).await?;
    access.require_changeable()?;
    if changes.contains_key("subscription_location") && !access.is_subscribed() {
        return Err(LiveError::parameter(
            "The parameter 'subscription_location' can't be set: the calendar isn't subscribed.",
        ));
    }
    access.calendar = request
        .change(&access.owner, id, move |calendar| {
            if changes.contains_key("subscription_location") {
                // The next request for events fetches the new calendar.
                calendar.fields.remove(FETCHED);
            }
            merge(&mut calendar.fields, changes);
            Ok(())
        })
        .await?;
    Ok(request.format.json(StatusCode::OK, &shown(request, &access)))
}

/// Handles `DELETE {calendar}`: removes the calendar and its events.
///
/// # Errors
/// 400 for the default calendar; 403 if the token lacks the scope, or the user's role may not
/// change the calendar; 404 if it does not exist or is not shared; 507 if the disk of the storage
/// is full; 500 if the storage fails.
pub(super) async fn delete(request: &LiveRequest, id: &AccountObjectId) -> Result<Response> {
    let access = CalendarAccess::find(request, id.as_str()).await?;
    access.require_changeable()?;
    if access.is_default() {
        return Err(LiveError::url("The default calendar can't be deleted."));
    }
    let tree = &request.state().tree;
    tree.remove_account_object(access.owner.drive, AccountObjectKind::Calendar, id.as_str())
        .await
        .map_err(|error| LiveError::tree(error, id))?;
    Ok(no_content())
}

/// Replaces `summary` by `description`, and checks the URL of a subscription.
///
/// # Errors
/// 400 if both are given, or if `subscription_location` is not a URL.
fn normalize(fields: &mut Map<String, Value>) -> Result<()> {
    if let Some(summary) = fields.remove("summary")
        && fields.insert("description".to_owned(), summary).is_some()
    {
        return Err(LiveError::parameter(
            "The parameters 'summary' and 'description' are the same: specify one of them.",
        ));
    }
    match fields.get("subscription_location") {
        None => Ok(()),
        Some(Value::String(location)) if is_calendar_url(location) => Ok(()),
        Some(location) => Err(LiveError::parameter(format!(
            "The value '{location}' of 'subscription_location' isn't the URL of an online calendar."
        ))),
    }
}

/// Returns whether a text is the URL of an online calendar: `http`, `https`, `webcal`, `webcals` or
/// no scheme, a host with a dot or `localhost`, and a path. The reference's sample has no scheme.
fn is_calendar_url(location: &str) -> bool {
    subscription::url_of(location).is_ok_and(|url| {
        let is_host =
            |host: &str| host.contains('.') || host == "localhost" || host.starts_with('[');
        url.host_str().is_some_and(is_host) && url.path().len() > 1
    })
}

/// Applies the changes of an update. A null value removes a structure.
pub(super) fn merge(fields: &mut Map<String, Value>, changes: Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
}

/// Returns the own calendars of an account, the birthday calendar last. It creates the default calendar
/// if it does not exist.
///
/// # Errors
/// 404 if the drive was removed meanwhile; 507 if the default calendar cannot be created because the disk of the storage is full; 500 if
/// the storage fails.
pub(super) async fn all(state: &ServerState, account: &Account) -> Result<Vec<AccountObject>> {
    let failed = |error: TreeError| LiveError::tree(error, &account.cid);
    let query = AccountObjectQuery::all(AccountObjectKind::Calendar);
    let mut calendars = state.tree.account_objects(account.drive, query).await.map_err(failed)?;
    if !calendars.iter().any(is_default) {
        let id = AccountObjectId::default_calendar(&account.cid);
        let mut calendar = AccountObject::new(AccountObjectKind::Calendar, id.as_str());
        let name = format!("{}'s calendar", account.display_name());
        calendar.fields.insert("name".to_owned(), name.into());
        calendar.fields.insert("is_default".to_owned(), true.into());
        state.tree.put_account_object(account.drive, calendar.clone()).await.map_err(failed)?;
        calendars.push(calendar);
    }
    calendars.push(birthdays::calendar(state, account).await?);
    Ok(calendars)
}

/// Returns the default calendar of an account. It is created if it does not exist.
///
/// # Errors
/// 404 if the drive was removed meanwhile; 507 if it cannot be created because the disk of the storage
/// is full; 500 if the storage fails.
pub(super) async fn default(state: &ServerState, account: &Account) -> Result<AccountObject> {
    let calendars = all(state, account).await?;
    calendars.into_iter().find(is_default).ok_or_else(LiveError::busy)
}

/// Returns whether a calendar is the default one.
pub(super) fn is_default(calendar: &AccountObject) -> bool {
    calendar.fields.get("is_default") == Some(&Value::Bool(true))
}

/// Returns a calendar as the user of the request sees it.
fn shown(request: &LiveRequest, access: &CalendarAccess) -> ShownObject {
    let calendar = &access.calendar;
    let mut values = calendar.fields.clone();
    values.insert("id".to_owned(), calendar.id.as_str().into());
    values.insert("created_time".to_owned(), time(calendar.created).into());
    values.insert("updated_time".to_owned(), time(calendar.modified).into());
    values.insert("is_default".to_owned(), access.is_default().into());
    values.insert("permissions".to_owned(), access.role.name().into());
    values.entry("from").or_insert_with(|| owner(&access.owner));
    ShownObject::new(CALENDAR, &values, Viewer::Owner(&request.scopes))
}

/// Checks the accounts that a fixture shares a calendar with.
///
/// # Errors
/// 400 if one of them is the owner.
pub(super) fn check_sharing(fields: &Map<String, Value>, account: &Account) -> Result<()> {
    match shares(fields).any(|(name, _)| name == account.name) {
        true => Err(LiveError::parameter("The calendar is shared with its own account.")),
        false => Ok(()),
    }
}

/// Returns the role that a calendar grants to the account named `account`; `None` if it is not
/// shared with it, or with an unknown role.
pub(super) fn shared_role(calendar: &AccountObject, account: &str) -> Option<CalendarRole> {
    shares(&calendar.fields).find(|(name, _)| *name == account)?.1
}

/// Returns the names of the accounts that a calendar is shared with, and their roles: `None` for an
/// unknown role.
fn shares(fields: &Map<String, Value>) -> impl Iterator<Item = (&str, Option<CalendarRole>)> {
    let shares = fields.get("shared_with").and_then(Value::as_array).into_iter().flatten();
    shares.map(|share| {
        let name = share.get("account").and_then(Value::as_str).unwrap_or_default();
        (name, share.get("permissions").and_then(role_of))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subscription_is_a_url_of_an_online_calendar() {
        for location in [
            "ical.sharedcalendars.com/98754auv",
            "http://ical.example.com/a.ics",
            "webcal://example.com/a.ics?b=c",
            "https://localhost:8080/a",
        ] {
            assert!(is_calendar_url(location), "{location}");
        }
        for location in
            ["", "calendar", "ftp://example.com/a.ics", "http://", "example.com", "a b/c"]
        {
            assert!(!is_calendar_url(location), "{location}");
        }
    }

    #[test]
    fn a_summary_is_a_description() {
        let normalized = |fields: Value| {
            let mut fields = fields.as_object().expect("fields").clone();
            normalize(&mut fields).map(|()| Value::from(fields))
        };
        assert_eq!(normalized(json!({"summary": "a"})), Ok(json!({"description": "a"})));
        assert!(normalized(json!({"summary": "a", "description": "b"})).is_err());
    }
}
