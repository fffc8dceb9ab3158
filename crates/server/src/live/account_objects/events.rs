//! Events (live-connect#event-object, live-connect#event-rules).

use axum::{
    body::Body,
    http::{StatusCode, request::Parts},
    response::Response,
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value};

use super::{
    AccountObjectId,
    action::{CALENDARS_UPDATE, EVENTS_CREATE},
    birthdays,
    calendar_access::{CalendarAccess, CalendarRole, accessible},
    calendars::{self, merge},
    created,
    event_times::{period, set_end, span},
    object_page_of, owner,
    recurrence::Recurrence,
    series::{REPEAT, Series},
    structure::{
        FROM, Structure, StructureType,
        input::ValidationMode,
        output::{ShownObject, Viewer},
    },
    subscription, user,
};
use crate::{
    account::Account,
    live::{
        error::{LiveError, Result},
        objects::time,
        request::LiveRequest,
        response_format::no_content,
        route::Subject,
    },
    state::ServerState,
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery},
};

/// The values of `availability`. The first one is the default.
const AVAILABILITIES: &[&str] = &["free", "busy", "tentative", "out_of_office"];

/// The values of `visibility`. The first one is the default.
const VISIBILITIES: &[&str] = &["public", PRIVATE];
const PRIVATE: &str = "private";

/// The largest `reminder_time`: a year, in minutes. Inferred.
const MAX_REMINDER: i64 = 366 * 24 * 60;

/// The structures of an event.
pub(super) const EVENT: &[Structure] = &[
    Structure::computed("id", StructureType::Text),
    Structure::writable("name", StructureType::Text).required().at_most(255),
    Structure::writable("description", StructureType::Text).required().at_most(32_768),
    Structure::computed("calendar_id", StructureType::Text),
    Structure::read_only("from", StructureType::Object(FROM)),
    Structure::writable("start_time", StructureType::Time).required(),
    Structure::writable("end_time", StructureType::Time),
    Structure::writable("location", StructureType::Text).at_most(1_000),
    Structure::writable("is_all_day_event", StructureType::Flag),
    Structure::read_only("is_recurrent", StructureType::Flag),
    Structure::read_only("recurrence", StructureType::Text),
    Structure::writable("reminder_time", StructureType::Number(0, MAX_REMINDER)),
    Structure::writable("availability", StructureType::Choice(AVAILABILITIES)),
    Structure::writable("visibility", StructureType::Choice(VISIBILITIES)),
    Structure::computed("created_time", StructureType::Time),
    Structure::computed("updated_time", StructureType::Time),
    // Only fixtures create a series: the API creates no recurring events.
    Structure::read_only("repeat", StructureType::Object(REPEAT)).hidden(),
];

/// The structures that a user with the role `free_busy` does not see.
const DETAILS: [&str; 3] = ["name", "location", "recurrence"];

/// The structures that a user with the role `limited_details` does not see.
const FURTHER_DETAILS: [&str; 3] = ["description", "reminder_time", "from"];

/// Handles `GET {user}/events` and `GET {calendar}/events`: the events, and each occurrence of a
/// series, in the order of their times. The default is the next 30 days.
///
/// # Errors
/// 400 if `start_time` or `end_time` is no time in ISO 8601 format, the end is before the start,
/// `limit` or `offset` is not a whole number, or `limit` is 0; 403 if the token lacks the scope;
/// 404 if the user or the calendar does not exist or is not shared; 507 if the disk of the storage
/// is full; 500 if the storage fails.
pub(super) async fn list(request: &LiveRequest) -> Result<Response> {
    let calendars = match &request.subject {
        Subject::AccountObject(id) => vec![CalendarAccess::find(request, id.as_str()).await?],
        _ => accessible(request).await?,
    };
    let zone = zone(request.state(), &request.objects.account).await?;
    let period = period(request, &zone)?;
    let mut occurrences = Vec::new();
    for access in &calendars {
        for event in stored(request, access, period, &zone).await? {
            for span in spans(&event, period) {
                occurrences.push((access, AccountObject { span: Some(span), ..event.clone() }));
            }
        }
    }
    occurrences.sort_by_key(|(_, event)| event.span);
    object_page_of(request, "events", occurrences, |(access, event)| {
        shown(request, access, event, &zone)
    })
}

/// Returns the events of a calendar in a period. A subscribed calendar is fetched before, if it is due.
/// The birthday calendar has all its events.
///
/// # Errors
/// 507 if the disk of the storage is full; 500 if the storage fails.
async fn stored(
    request: &LiveRequest,
    access: &CalendarAccess,
    period: (Timestamp, Timestamp),
    zone: &TimeZone,
) -> Result<Vec<AccountObject>> {
    if birthdays::is_birthday_calendar(&access.owner, &access.calendar.id) {
        return birthdays::events(request.state(), &access.owner, zone).await;
    }
    subscription::refresh(request, access, zone).await?;
    let query = AccountObjectQuery {
        parent: Some(access.calendar.id.clone()),
        during: Some(period),
        ..AccountObjectQuery::all(AccountObjectKind::Event)
    };
    let events = request.state().tree.account_objects(access.owner.drive, query).await;
    events.map_err(|error| LiveError::tree(error, &access.calendar.id))
}

/// Returns the times of an event, or of the occurrences of a recurring one, in a period.
fn spans(event: &AccountObject, period: (Timestamp, Timestamp)) -> Vec<(Timestamp, Timestamp)> {
    match Recurrence::from_fields(&event.fields) {
        Some(recurrence) => recurrence.during(period),
        None => event.span.into_iter().collect(),
    }
}

/// Handles `GET {event}`: returns the event with this id. For a series, the times are those of the
/// first occurrence.
///
/// # Errors
/// 404 if it does not exist, 403 if the token lacks the scope for its calendar, 500 if the storage
/// fails.
pub(super) async fn get(request: &LiveRequest, id: &AccountObjectId) -> Result<Response> {
    let (access, event) = find(request, id).await?;
    respond(request, StatusCode::OK, &access, &event).await
}

/// Handles `POST {user}/events`, which uses the default calendar, and `POST {calendar}/events`.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, a required member is missing, a member is read-only
/// or has another type, or the event ends before it starts; 403 if the token lacks the scope, or
/// the user's role may not create events; 404 if the calendar does not exist or is not shared, or
/// the user is another one; 413 for a body over 1 MiB; 507 if the disk of the storage is full; 500
/// if the storage fails.
pub(super) async fn add(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let zone = zone(request.state(), &request.objects.account).await?;
    let fields = request.accept_in(EVENT, ValidationMode::Create, &zone, parts, body).await?;
    let default = calendars::default(request.state(), &request.objects.account).await?;
    let access = match &request.subject {
        // Inferred: an event is created only in the calendars of the token's user by this path.
        Subject::User(_) => {
            request.require_own()?;
            CalendarAccess::own(request, default)
        }
        Subject::AccountObject(id) if id.as_str() == default.id => {
            CalendarAccess::own(request, default)
        }
        _ => {
            request.scopes.require_one(&[CALENDARS_UPDATE])?;
            CalendarAccess::find(request, &request.subject_id()).await?
        }
    };
    request.scopes.require_one(&[EVENTS_CREATE, CALENDARS_UPDATE])?;
    access.require_writable_events()?;
    let id = AccountObjectId::random_event(&access.calendar.id);
    let event = new(id, &access.calendar.id, fields, &zone)?;
    let tree = &request.state().tree;
    tree.put_account_object(access.owner.drive, event.clone())
        .await
        .map_err(|error| LiveError::tree(error, &event.id))?;
    Ok(created(request, &event.id, &shown(request, &access, &event, &zone)))
}

/// Creates an event from validated members. `zone` is the time zone in which a series repeats.
///
/// # Errors
/// 400 if the start is missing, it ends before it starts, or its series is incomplete or repeats
/// beyond the last representable time.
pub(super) fn new(
    id: AccountObjectId,
    calendar: &str,
    mut fields: Map<String, Value>,
    zone: &TimeZone,
) -> Result<AccountObject> {
    let span = span(&mut fields)?;
    let span = Series::complete(&mut fields, span, zone)?.unwrap_or(span);
    let event = AccountObject::new(AccountObjectKind::Event, id.as_str());
    Ok(AccountObject { parent: calendar.to_owned(), span: Some(span), fields, ..event })
}

/// Handles `PUT {event}`: changes the event with this id, and returns it. An event that only gets
/// another start keeps its duration.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, nothing is changed, a member is read-only or has
/// another type, the event would end before it starts, or it is recurring; 403 if the token lacks
/// the scope, or the user's role may not change events; 404 if the event or its calendar does not
/// exist or is not shared; 413 for a body over 1 MiB; 507 if the disk of the storage is full; 500
/// if the storage fails.
pub(super) async fn update(
    request: &LiveRequest,
    id: &AccountObjectId,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let zone = zone(request.state(), &request.objects.account).await?;
    let changes = request.accept_in(EVENT, ValidationMode::Update, &zone, parts, body).await?;
    let (access, _) = find(request, id).await?;
    access.require_writable_events()?;
    let change = move |event: &mut AccountObject| {
        if Recurrence::from_fields(&event.fields).is_some() {
            return Err(LiveError::url("A recurring event can't be updated."));
        }
        let moves = changes.contains_key("start_time") && !changes.contains_key("end_time");
        let duration = event.span.map(|(from, to)| to.duration_since(from));
        merge(&mut event.fields, changes);
        if let (true, Some(duration)) = (moves, duration) {
            // An event that only gets another start keeps its duration.
            set_end(&mut event.fields, duration);
        }
        event.span = Some(span(&mut event.fields)?);
        Ok(())
    };
    let event = request.change(&access.owner, id, change).await?;
    respond(request, StatusCode::OK, &access, &event).await
}

/// Handles `DELETE {event}`: removes the event with this id, a recurring one with all its
/// occurrences.
///
/// # Errors
/// 403 if the token lacks the scope, or the user's role may not change events; 404 if the event or
/// its calendar does not exist or is not shared; 507 if the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn delete(request: &LiveRequest, id: &AccountObjectId) -> Result<Response> {
    let (access, _) = find(request, id).await?;
    access.require_writable_events()?;
    let tree = &request.state().tree;
    tree.remove_account_object(access.owner.drive, AccountObjectKind::Event, id.as_str())
        .await
        .map_err(|error| LiveError::tree(error, id))?;
    Ok(no_content())
}

/// Returns an event and the access to its calendar.
///
/// # Errors
/// 404 if the event or its calendar does not exist or is not shared; 403 if the token lacks the
/// scope for the calendar; 500 if the storage fails.
async fn find(
    request: &LiveRequest,
    id: &AccountObjectId,
) -> Result<(CalendarAccess, AccountObject)> {
    let calendar = id.calendar().ok_or_else(|| LiveError::not_found(id))?;
    let access = CalendarAccess::find(request, &calendar).await.map_err(|mut error| {
        if error.status == StatusCode::NOT_FOUND {
            error = LiveError::not_found(id);
        }
        error
    })?;
    if birthdays::is_birthday_calendar(&access.owner, &calendar) {
        let zone = zone(request.state(), &access.owner).await?;
        let birthdays = birthdays::events(request.state(), &access.owner, &zone).await?;
        let event = birthdays.into_iter().find(|event| event.id == id.as_str());
        return Ok((access, event.ok_or_else(|| LiveError::not_found(id))?));
    }
    let tree = &request.state().tree;
    let event =
        tree.account_object(access.owner.drive, AccountObjectKind::Event, id.as_str()).await;
    Ok((access, event.map_err(|error| LiveError::tree(error, id))?))
}

/// Returns the time zone of a user: that of the profile, else UTC.
///
/// # Errors
/// 500 if the storage fails.
pub(super) async fn zone(state: &ServerState, account: &Account) -> Result<TimeZone> {
    let profile = user::profile(state, account).await?;
    let name = profile.as_ref().and_then(|profile| profile.fields.get("time_zone")?.as_str());
    // Fixtures check the name.
    Ok(name.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC))
}

/// Returns a response with an event, in the time zone of the user. `status` is the response's;
/// `access` is that to the event's calendar.
///
/// # Errors
/// 500 if the storage fails.
async fn respond(
    request: &LiveRequest,
    status: StatusCode,
    access: &CalendarAccess,
    event: &AccountObject,
) -> Result<Response> {
    let zone = zone(request.state(), &request.objects.account).await?;
    let recurrence = Recurrence::from_fields(&event.fields);
    let span = recurrence.map_or(event.span, |recurrence| recurrence.first());
    let event = AccountObject { span, ..event.clone() };
    Ok(request.format.json(status, &shown(request, access, &event, &zone)))
}

/// Returns an event as the user of the request sees it. `zone` is the user's time zone.
fn shown(
    request: &LiveRequest,
    access: &CalendarAccess,
    event: &AccountObject,
    zone: &TimeZone,
) -> ShownObject {
    let mut values = event.fields.clone();
    values.insert("id".to_owned(), event.id.as_str().into());
    values.insert("calendar_id".to_owned(), access.calendar.id.as_str().into());
    values.insert("created_time".to_owned(), time(event.created).into());
    values.insert("updated_time".to_owned(), time(event.modified).into());
    values.entry("from").or_insert_with(|| owner(&access.owner));
    values.entry("availability").or_insert_with(|| AVAILABILITIES[0].into());
    values.entry("visibility").or_insert_with(|| VISIBILITIES[0].into());
    for flag in ["is_all_day_event", "is_recurrent"] {
        values.entry(flag).or_insert(Value::Bool(false));
    }
    if let Some((start, end)) = event.span {
        values.insert("start_time".to_owned(), local(start, zone).into());
        values.insert("end_time".to_owned(), local(end, zone).into());
    }
    // The owner sees everything, also in a read-only calendar.
    let is_private = values.get("visibility") == Some(&PRIVATE.into());
    let role = match access.is_own {
        true => CalendarRole::Owner,
        false if is_private && access.role < CalendarRole::ReadWrite => CalendarRole::FreeBusy,
        false => access.role,
    };
    let hidden = |name: &str| {
        role < CalendarRole::LimitedDetails && DETAILS.contains(&name)
            || role < CalendarRole::Read && FURTHER_DETAILS.contains(&name)
    };
    values.retain(|name, _| !hidden(name));
    ShownObject::new(EVENT, &values, Viewer::Owner(&request.scopes))
}

/// Formats a time as local time, with the offset without a colon.
fn local(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%z").to_string()
}
