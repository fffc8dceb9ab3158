//! Subscribed calendars: the calendar at `subscription_location` is fetched, and its events are stored
//! as those of the subscription (live-connect#subscribed-calendars).
//!
//! A calendar is fetched when the user subscribes to it, and later by a request for its events if the
//! last fetch is older than [`INTERVAL`]. The server fetches only from this machine, unless
//! [`Builder::fetch_from_any_host`](crate::Builder::fetch_from_any_host) is set. A subscription to
//! another host has no events then.

mod calendar_file;
pub(super) mod rule;

use std::{collections::HashSet, net::IpAddr, time::Duration};

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use sha2::{Digest, Sha256};
use url::Url;

use self::calendar_file::{CalendarFile, FileEvent};
pub(super) use self::rule::RecurrenceRule;
use super::{AccountObjectId, calendar_access::CalendarAccess};
use crate::{
    account::Account,
    live::{
        error::{LiveError, Result},
        request::LiveRequest,
    },
    state::ServerState,
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery, TreeError},
};

/// The structure of a calendar that has the time of the last fetch, also of a failed one.
pub(super) const FETCHED: &str = "fetched_time";

/// The time after which a calendar is fetched again. The reference says "periodically".
const INTERVAL: SignedDuration = SignedDuration::from_hours(1);

/// Maximum time to fetch a calendar.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of a calendar in bytes.
const MAX_SIZE: usize = 4 << 20;

/// Parses a file of a subscribed calendar, and computes the occurrences of its events in a month, for a
/// fuzz target.
#[cfg(fuzzing)]
pub(in crate::live) fn fuzzing(text: &str) {
    let month = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + SignedDuration::from_hours(720));
    let file = CalendarFile::parse(text, &TimeZone::UTC);
    for event in file.into_iter().flat_map(|file| file.events) {
        if let Some(rule) = RecurrenceRule::from_fields(&event.fields) {
            let _ = rule.during(month);
        }
    }
}

/// Returns the URL of a calendar that a location names. A location without a scheme, as in the
/// reference, is an HTTP URL; `webcal` is another name of `http`.
///
/// # Errors
/// A reason if it is no URL with one of these schemes, or has a user name or password.
pub(super) fn url_of(location: &str) -> Result<Url, String> {
    let (scheme, rest) = location.split_once("://").unwrap_or(("http", location));
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "webcal" => "http",
        "https" | "webcals" => "https",
        _ => return Err(format!("the scheme '{scheme}' is not supported")),
    };
    let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|error| error.to_string())?;
    match url.username().is_empty() && url.password().is_none() {
        true => Ok(url),
        false => Err("it has a user name or password".to_owned()),
    }
}

/// Returns the scheme and the host of a location for a log. The rest may be secret: calendar services
/// protect calendars by addresses that cannot be guessed.
fn origin_of(location: &str) -> String {
    url_of(location)
        .map_or_else(|_| "an invalid URL".into(), |url| url.origin().ascii_serialization())
}

/// Returns whether a URL leads to this machine.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Fetches the calendar at a location. Times without a zone are in `zone`. `None` if the server may
/// not fetch from its host.
///
/// # Errors
/// A reason if there is no response with status 200, or it is no calendar.
async fn fetch(
    state: &ServerState,
    location: &str,
    zone: &TimeZone,
) -> Result<Option<CalendarFile>, String> {
    let url = url_of(location)?;
    if !(is_local(&url) || state.settings.fetches_from_any_host) {
        return Ok(None);
    }
    let text = tokio::time::timeout(TIMEOUT, download(url, state.settings.fetches_from_any_host));
    let text = text.await.map_err(|_| format!("no response within {} s", TIMEOUT.as_secs()))??;
    let zone = zone.clone();
    let parsed = tokio::task::spawn_blocking(move || CalendarFile::parse(&text, &zone)).await;
    parsed.unwrap_or_else(|error| Err(error.to_string())).map(Some)
}

/// Downloads a text. `follows_redirects` is whether a redirect may lead to another host.
///
/// # Errors
/// A reason if the connection fails, the status is not 200, or the body exceeds [`MAX_SIZE`] or is not
/// UTF-8.
async fn download(url: Url, follows_redirects: bool) -> Result<String, String> {
    let redirects = match follows_redirects {
        true => reqwest::redirect::Policy::limited(5),
        // A redirect could lead to another machine.
        false => reqwest::redirect::Policy::none(),
    };
    let client = reqwest::Client::builder().no_proxy().redirect(redirects);
    let client = client.build().map_err(|error| error.to_string())?;
    let response = client.get(url).send().await;
    let response = response.map_err(|error| error.without_url().to_string())?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("the status of its response is {}", response.status()));
    }
    let (mut body, mut bytes) = (response.bytes_stream(), Vec::new());
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| error.without_url().to_string())?);
        if bytes.len() > MAX_SIZE {
            return Err(format!("it is larger than {MAX_SIZE} bytes"));
        }
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// Fetches the events of a new subscription. Without a `subscription_location` nothing is fetched.
/// `calendar` is not stored yet; it gets the time of the fetch, and a description if it has none.
///
/// # Errors
/// 400 if the location cannot be fetched or is no calendar.
pub(super) async fn fetch_new(
    request: &LiveRequest,
    calendar: &mut AccountObject,
    zone: &TimeZone,
) -> Result<Vec<AccountObject>> {
    let location = calendar.fields.get("subscription_location").and_then(|it| it.as_str());
    let Some(location) = location else { return Ok(Vec::new()) };
    let file = fetch(request.state(), location, zone).await.map_err(|reason| {
        LiveError::parameter(format!(
            "The calendar '{location}' of 'subscription_location' can't be read: {reason}."
        ))
    })?;
    let Some(file) = file else {
        let origin = origin_of(location);
        tracing::warn!(origin, "a subscribed calendar is on another machine and is not fetched");
        return Ok(Vec::new());
    };
    if let Some(description) = file.description {
        calendar.fields.entry("description").or_insert_with(|| description.into());
    }
    calendar.fields.insert(FETCHED.to_owned(), crate::account_scope::now().to_string().into());
    Ok(events(&calendar.id, file.events))
}

/// Fetches the events of a subscription again if they are due. If that fails, the events remain as they
/// are.
///
/// # Errors
/// 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn refresh(
    request: &LiveRequest,
    access: &CalendarAccess,
    zone: &TimeZone,
) -> Result<()> {
    let (calendar, owner) = (&access.calendar, &access.owner);
    let location = calendar.fields.get("subscription_location").and_then(|it| it.as_str());
    let fetched =
        calendar.fields.get(FETCHED).and_then(|it| it.as_str()?.parse::<Timestamp>().ok());
    let is_due =
        fetched.is_none_or(|at| crate::account_scope::now().duration_since(at) >= INTERVAL);
    let (Some(location), true) = (location, is_due) else { return Ok(()) };
    match fetch(request.state(), location, zone).await {
        Ok(None) => return Ok(()),
        Ok(Some(file)) => replace(request.state(), owner, calendar, file.events).await?,
        Err(reason) => {
            let origin = origin_of(location);
            tracing::warn!(origin, reason, "cannot fetch a subscribed calendar");
        }
    }
    let now = crate::account_scope::now().to_string();
    let mark = move |calendar: &mut AccountObject| {
        calendar.fields.insert(FETCHED.to_owned(), now.into());
        Ok::<(), LiveError>(())
    };
    let tree = &request.state().tree;
    let kind = AccountObjectKind::Calendar;
    match tree.change_account_object(owner.drive, kind, &calendar.id, mark).await {
        // The user ended the subscription meanwhile.
        Err(TreeError::NotFound) => Ok(()),
        changed => changed.map(drop).map_err(|error| LiveError::tree(error, &calendar.id)),
    }
}

/// Replaces the events of a calendar.
///
/// # Errors
/// 507 if the disk of the storage is full; 500 if the storage fails.
async fn replace(
    state: &ServerState,
    owner: &Account,
    calendar: &AccountObject,
    fetched: Vec<FileEvent>,
) -> Result<()> {
    let failed = |error| LiveError::tree(error, &calendar.id);
    let query = AccountObjectQuery {
        parent: Some(calendar.id.clone()),
        ..AccountObjectQuery::all(AccountObjectKind::Event)
    };
    let old = state.tree.account_objects(owner.drive, query).await.map_err(failed)?;
    let new = events(&calendar.id, fetched);
    let kept: HashSet<&str> = new.iter().map(|event| &*event.id).collect();
    for event in old.iter().filter(|event| !kept.contains(&*event.id)) {
        let kind = AccountObjectKind::Event;
        match state.tree.remove_account_object(owner.drive, kind, &event.id).await {
            Ok(()) | Err(TreeError::NotFound) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    for mut event in new {
        let before = old.iter().find(|old| old.id == event.id);
        if before.is_some_and(|before| before.fields == event.fields) {
            continue;
        }
        event.created = before.map_or(event.created, |before| before.created);
        state.tree.put_account_object(owner.drive, event).await.map_err(failed)?;
    }
    Ok(())
}

/// Converts the events of a file to those of a calendar. The id of an event is the same in each fetch.
fn events(calendar: &str, events: Vec<FileEvent>) -> Vec<AccountObject> {
    let converted = events.into_iter().map(|FileEvent { uid, fields, span }| {
        let digest = hex::encode(Sha256::digest(uid));
        let id = AccountObjectId::for_event(calendar, &digest[..32]);
        let event = AccountObject::new(AccountObjectKind::Event, id.as_str());
        AccountObject { parent: calendar.to_owned(), span: Some(span), fields, ..event }
    });
    converted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_have_the_schemes_of_calendars() {
        for (location, url) in [
            ("ical.sharedcalendars.com/98754auv", "http://ical.sharedcalendars.com/98754auv"),
            ("webcal://localhost:80/a", "http://localhost/a"),
            ("WEBCALS://a.test/b", "https://a.test/b"),
        ] {
            assert_eq!(url_of(location).expect("a URL").as_str(), url);
        }
        assert!(url_of("file:///etc/passwd").is_err());
        for location in ["http://anna:secret@a.test/", "webcal://anna@a.test/", "anna:pw@a.test/"] {
            assert!(url_of(location).is_err(), "{location}");
        }
    }

    #[test]
    fn a_log_has_the_host_of_a_location_only() {
        assert_eq!(origin_of("webcals://a.test/private-key/basic.ics?k=1"), "https://a.test");
        assert_eq!(origin_of("http://u:secret@a.test/"), "an invalid URL");
    }

    #[test]
    fn only_loopback_names_and_addresses_are_this_machine() {
        let local = |url: &str| is_local(&Url::parse(url).expect("a URL"));
        for url in ["http://localhost/a", "http://127.0.0.2:81/a", "http://[::1]/a"] {
            assert!(local(url), "{url}");
        }
        for url in ["http://10.0.0.1/a", "http://localhost.test/a", "http://0.0.0.0/a"] {
            assert!(!local(url), "{url}");
        }
    }
}
