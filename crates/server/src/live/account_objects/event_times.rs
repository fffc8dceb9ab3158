//! The times of events (live-connect#event-rules), and the period that a list of events covers.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Map, Value};

use super::structure::input::parse_time;
use crate::live::{
    error::{LiveError, Result},
    request::LiveRequest,
};

/// The duration of an event without an end.
const DEFAULT_DURATION: SignedDuration = SignedDuration::from_mins(30);

/// The period of a list without other times: it begins now.
const DEFAULT_PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Returns the start and the end of the period that a list covers, of `start_time` and `end_time`
/// in the query. Times without an offset are in `zone`.
///
/// # Errors
/// 400 if one of them is not in ISO 8601 format, or the end is before the start.
pub(super) fn period(request: &LiveRequest, zone: &TimeZone) -> Result<(Timestamp, Timestamp)> {
    let parameter = |name: &str| match request.query.get(name) {
        Some(text) => {
            let time = parse_time(text, zone);
            time.map(Some).ok_or_else(|| LiveError::invalid_value(name, text))
        }
        None => Ok(None),
    };
    let from = parameter("start_time")?.unwrap_or_else(crate::account_scope::now);
    let to = match parameter("end_time")? {
        Some(to) => to,
        None => from.checked_add(DEFAULT_PERIOD).unwrap_or(Timestamp::MAX),
    };
    if from > to {
        return Err(LiveError::parameter("The value of 'end_time' is before 'start_time'."));
    }
    Ok((from, to))
}

/// Returns the times of an event. The end is set if it is missing.
///
/// # Errors
/// 400 if the start is missing, or if the event ends before it starts.
pub(super) fn span(fields: &mut Map<String, Value>) -> Result<(Timestamp, Timestamp)> {
    let time = |fields: &Map<String, Value>, name| -> Option<Timestamp> {
        fields.get(name)?.as_str()?.parse().ok()
    };
    let start = time(fields, "start_time").ok_or_else(|| LiveError::missing("start_time"))?;
    if !fields.contains_key("end_time") {
        set_end(fields, DEFAULT_DURATION);
    }
    match time(fields, "end_time") {
        Some(end) if start <= end => Ok((start, end)),
        _ => Err(LiveError::parameter("The value of 'end_time' is before 'start_time'.")),
    }
}

/// Sets the end of an event by its duration.
pub(super) fn set_end(fields: &mut Map<String, Value>, duration: SignedDuration) {
    let start = fields.get("start_time").and_then(|start| start.as_str()?.parse().ok());
    let end = start.and_then(|start: Timestamp| start.checked_add(duration).ok());
    let end = end.unwrap_or(Timestamp::MAX);
    fields.insert("end_time".to_owned(), end.to_string().into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spanned(fields: Value) -> Result<Value, String> {
        let mut fields = fields.as_object().expect("fields").clone();
        span(&mut fields).map_err(|error| error.message)?;
        Ok(fields["end_time"].clone())
    }

    #[test]
    fn an_event_lasts_30_minutes_unless_it_has_an_end() {
        let start = "2011-04-20T01:00:00Z";
        assert_eq!(spanned(json!({"start_time": start})), Ok(json!("2011-04-20T01:30:00Z")));
        let end = "2011-04-20T02:00:00Z";
        assert_eq!(spanned(json!({"start_time": start, "end_time": end})), Ok(json!(end)));
        assert_eq!(spanned(json!({"start_time": start, "end_time": start})), Ok(json!(start)));
        let error = spanned(json!({"start_time": end, "end_time": start})).expect_err("too early");
        assert!(error.contains("before 'start_time'"), "{error}");
        assert!(spanned(json!({})).is_err());
    }
}
