//! Analytics of items, list items and sites on business drives and in libraries: the numbers of actions
//! and of those who performed them. Source: the reference's pages on `itemAnalytics` and
//! `getActivitiesByInterval`.
//!
//! The server counts downloads and changes by Graph since its start. The response of `allTime` is the
//! resource `itemActivityStat` itself, as in the metadata; the page of the reference has an example with
//! a member `allTime` around it.

use axum::response::Response;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp, ToSpan, civil, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    address::{Owner, PathSegment},
    drive_context::DriveContext,
    error::{Error, Result},
    request::GraphRequest,
    response,
    route::is_read,
    timestamp::format_time,
};
use crate::{
    account_kind::AccountKind,
    account_scope,
    item_activity::{ActivityCount, ItemActivity},
    time,
    tree::{DriveKey, ItemKey},
};

/// Maximum range of daily counts, in days.
const MAX_DAYS: i64 = 90;

/// Maximum number of intervals in a response. Inferred.
const MAX_INTERVALS: usize = 1000;

/// A request for analytics of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AnalyticsAction {
    /// `allTime` and `lastSevenDays`.
    Both,
    AllTime,
    LastSevenDays,
    /// `getActivitiesByInterval`, with its arguments as sent.
    ByInterval {
        start: String,
        end: String,
        interval: String,
    },
}

/// The items whose actions are counted, on the drives of a site: one item, or all if it is `None`.
struct CountedItems {
    drives: Vec<DriveKey>,
    item: Option<ItemKey>,
    kind: AccountKind,
}

impl ItemActivity {
    /// Returns the name in responses.
    fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Edit => "edit",
            Self::Move => "move",
        }
    }
}

impl AnalyticsAction {
    /// Takes the segments of a request for analytics from the end of a path; `None` for another path.
    pub(super) fn take(segments: &mut Vec<PathSegment>) -> Option<Self> {
        let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
        let (action, length) = match names.as_slice() {
            [.., "analytics"] => (Self::Both, 1),
            [.., "analytics", "allTime"] => (Self::AllTime, 2),
            [.., "analytics", "lastSevenDays"] => (Self::LastSevenDays, 2),
            [.., "getActivitiesByInterval"] => {
                let last = segments.last()?;
                let argument = |name: &str| {
                    let named = last.arguments.iter().find(|it| it.name.as_deref() == Some(name));
                    named.map(|it| it.value.clone()).unwrap_or_default()
                };
                let (start, end) = (argument("startDateTime"), argument("endDateTime"));
                (Self::ByInterval { start, end, interval: argument("interval") }, 1)
            }
            _ => return None,
        };
        segments.truncate(segments.len() - length);
        Some(action)
    }

    /// Returns the action if the method reads.
    ///
    /// # Errors
    /// 405 for another method.
    pub(super) fn read(self, method: &Method) -> Result<Self> {
        if is_read(method) { Ok(self) } else { Err(Error::method("GET")) }
    }
}

/// Serves a request for the analytics of an item.
///
/// # Errors
/// 501 on personal drives; 400 for invalid times or an unknown interval.
pub(super) fn of_item(
    context: &DriveContext<'_>,
    item: ItemKey,
    action: &AnalyticsAction,
) -> Result<Response> {
    if context.kind.is_personal() {
        return Err(Error::not_supported("analytics are not supported for this account."));
    }
    let (drives, kind) = (vec![context.drive()], context.kind);
    respond(context.request, &CountedItems { drives, item: Some(item), kind }, action)
}

/// Serves a request for the analytics of a site: those of all items in its libraries.
///
/// # Errors
/// Those of [`GraphRequest::site_of_owner`]; 400 for invalid times or an unknown interval; 507 or 500 if
/// the storage fails.
pub(super) async fn of_site(
    request: &GraphRequest,
    owner: &Owner,
    action: &AnalyticsAction,
) -> Result<Response> {
    let site = request.site_of_owner(owner).await?;
    let mut drives = Vec::with_capacity(site.libraries.len());
    let mut kind = AccountKind::Library;
    for library in &site.libraries {
        let account = request.state.accounts.open(&library.account).await?;
        kind = request.kind(&account);
        drives.push(account.drive);
    }
    respond(request, &CountedItems { drives, item: None, kind }, action)
}

/// Returns the response with the counts of items.
///
/// # Errors
/// 400 for invalid times or an unknown interval.
fn respond(
    request: &GraphRequest,
    items: &CountedItems,
    action: &AnalyticsAction,
) -> Result<Response> {
    let now = account_scope::now();
    // A count ends with the current hour.
    let end = now + SignedDuration::from_hours(1);
    let all_time = || items.describe(request, Timestamp::UNIX_EPOCH, end);
    let week = || items.describe(request, now - SignedDuration::from_hours(7 * 24), end);
    let mut body = match action {
        AnalyticsAction::Both => json!({"allTime": all_time(), "lastSevenDays": week()}),
        AnalyticsAction::AllTime => all_time(),
        AnalyticsAction::LastSevenDays => week(),
        AnalyticsAction::ByInterval { start, end, interval } => {
            let bounds = intervals(start, end, interval)?;
            let described = bounds.iter().zip(bounds.iter().skip(1));
            let described = described.map(|(start, end)| items.describe(request, *start, *end));
            let is_active =
                |stat: &Value| ItemActivity::ALL.iter().any(|it| stat[it.name()].is_object());
            json!({"value": described.filter(is_active).collect::<Vec<_>>()})
        }
    };
    let odata_context = match action {
        AnalyticsAction::Both => "/$metadata#microsoft.graph.itemAnalytics",
        AnalyticsAction::ByInterval { .. } => "/$metadata#Collection(itemActivityStat)",
        AnalyticsAction::AllTime | AnalyticsAction::LastSevenDays => {
            "/$metadata#microsoft.graph.itemActivityStat"
        }
    };
    body["@odata.context"] = request.url(odata_context).into();
    Ok(response::json(StatusCode::OK, &request.selection.project_resource(body)))
}

impl CountedItems {
    /// Returns the resource `itemActivityStat` of the actions from `start` to before `end`.
    fn describe(&self, request: &GraphRequest, start: Timestamp, end: Timestamp) -> Value {
        let activities = &request.state.item_activities;
        let since = activities.since;
        let mut stat = json!({
            "startDateTime": format_time(self.kind, start.max(since).min(end)),
            "endDateTime": format_time(self.kind, end),
            "incompleteData": {"missingDataBeforeDateTime": format_time(self.kind, since)},
        });
        if start > Timestamp::UNIX_EPOCH {
            stat["startDateTime"] = format_time(self.kind, start).into();
        }
        for drive in &self.drives {
            for (activity, count) in activities.count(*drive, self.item, start, end) {
                let ActivityCount { actions, actors } = count;
                let sum = &mut stat[activity.name()];
                let add = |sum: &Value, count: u64| sum.as_u64().unwrap_or_default() + count;
                *sum = json!({
                    "actionCount": add(&sum["actionCount"], actions),
                    "actorCount": add(&sum["actorCount"], actors),
                });
            }
        }
        stat
    }
}

/// Returns the bounds of the intervals from `start` to `end`: days, weeks or months.
///
/// # Errors
/// 400 for a text that is no date and no time, an end that is not after the start, another interval, a
/// range of days of [`MAX_DAYS`] or more, and more than [`MAX_INTERVALS`] intervals.
fn intervals(start: &str, end: &str, interval: &str) -> Result<Vec<Timestamp>> {
    let step = match interval {
        "day" => 1.day(),
        "week" => 1.week(),
        "month" => 1.month(),
        other => {
            let message = format!("Invalid interval: '{other}' is not day, week or month.");
            return Err(Error::bad_query(message));
        }
    };
    let (start, end) = (date_or_time("startDateTime", start)?, date_or_time("endDateTime", end)?);
    if start >= end {
        return Err(Error::bad_query("Invalid endDateTime: it is not after startDateTime."));
    }
    if interval == "day" && end.duration_since(start) >= SignedDuration::from_hours(MAX_DAYS * 24) {
        let message = format!("Invalid time range: daily counts have less than {MAX_DAYS} days.");
        return Err(Error::bad_query(message));
    }
    let mut bounds = vec![start];
    let mut at = start.to_zoned(TimeZone::UTC);
    while at.timestamp() < end {
        if bounds.len() > MAX_INTERVALS {
            let message =
                format!("Invalid time range: it has more than {MAX_INTERVALS} intervals.");
            return Err(Error::bad_query(message));
        }
        at = at.checked_add(step).map_err(|_| Error::bad_query("Invalid endDateTime."))?;
        bounds.push(at.timestamp().min(end));
    }
    Ok(bounds)
}

/// Parses an argument that is a date or a time with an offset. A date is its beginning in UTC.
///
/// # Errors
/// 400 for another text.
fn date_or_time(name: &str, text: &str) -> Result<Timestamp> {
    let begin =
        |date: civil::Date| date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let date = text.parse::<civil::Date>().ok().filter(|_| !text.contains('T')).and_then(begin);
    date.or_else(|| time::parse(text)).ok_or_else(|| {
        Error::bad_query(format!("Invalid {name}: '{text}' is not a date or a time."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_divided_into_intervals() {
        let bounds = |start, end, interval| {
            let bounds = intervals(start, end, interval).expect("intervals");
            bounds.iter().map(|at| at.to_string()[..10].to_owned()).collect::<Vec<_>>()
        };
        let days = bounds("2024-02-28", "2024-03-01", "day");
        assert_eq!(days, ["2024-02-28", "2024-02-29", "2024-03-01"]);
        let weeks = bounds("2024-02-01T00:00:00Z", "2024-02-12", "week");
        assert_eq!(weeks, ["2024-02-01", "2024-02-08", "2024-02-12"]);
        let months = bounds("2024-01-31", "2024-04-01", "month");
        assert_eq!(months.first().map(String::as_str), Some("2024-01-31"));
        assert_eq!(months.last().map(String::as_str), Some("2024-04-01"));
        for (start, end, interval) in [
            ("2024-01-01", "2024-04-01", "day"),
            ("2024-01-02", "2024-01-01", "day"),
            ("2024-01-01", "2024-01-01", "week"),
            ("x", "2024-01-01", "week"),
            ("2024-01-01", "2024-01-02", "hour"),
            ("1024-01-01", "2024-01-02", "week"),
        ] {
            let error = intervals(start, end, interval).expect_err("an error");
            assert_eq!(error.status, StatusCode::BAD_REQUEST, "{start} {end} {interval}");
        }
    }
}
