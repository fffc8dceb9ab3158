//! Events of iCalendar files (RFC 5545).

use std::collections::HashMap;

use icalendar::parser::{Component, Property, read_calendar, unfold};
use jiff::{
    SignedDuration, Span, SpanRelativeTo, Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use serde_json::{Map, Value};

use super::rule::{RULE, RecurrenceRule, description};

/// The maximum nesting of components. A calendar has events, which have alarms.
const MAX_DEPTH: usize = 8;

/// The maximum number of events.
const MAX_EVENTS: usize = 5_000;

/// The maximum lengths of texts in characters (live-connect#event-rules). A longer text is truncated.
const MAX_TEXTS: [(&str, &str, usize); 3] = [
    ("SUMMARY", "name", 255),
    ("DESCRIPTION", "description", 32_768),
    ("LOCATION", "location", 1_000),
];

/// A calendar in a file.
#[derive(Debug, PartialEq)]
pub(super) struct CalendarFile {
    /// The description of the calendar. `None` if the file has none.
    pub description: Option<String>,
    pub events: Vec<FileEvent>,
}

/// An event in a file.
#[derive(Debug, PartialEq)]
pub(super) struct FileEvent {
    /// The id of the event in the file. The changed occurrence of a recurring event has its own.
    pub uid: String,
    /// The structures of the event, and [`RULE`] if it repeats.
    pub fields: Map<String, Value>,
    /// The time from the start of the first occurrence to the end of the last one.
    pub span: (Timestamp, Timestamp),
}

impl CalendarFile {
    /// Parses a file. Times without a zone are in `zone`. An event that cannot be read, such as one in
    /// a time zone of the file's own, is logged and left out; a cancelled one is left out.
    ///
    /// # Errors
    /// A reason if the file is no calendar, is nested too deeply, or has too many events.
    pub(super) fn parse(text: &str, zone: &TimeZone) -> Result<Self, String> {
        let text = unfold(text.trim_start_matches('\u{feff}'));
        check_depth(&text)?;
        let calendar = read_calendar(&text).map_err(|_| "it is no calendar in iCalendar format")?;
        let is_calendar = calendar.properties.iter().any(|it| it.name == "VERSION")
            || calendar.components.iter().any(|it| it.name == "VEVENT");
        if !is_calendar {
            return Err("it is no calendar in iCalendar format".to_owned());
        }
        let components = calendar.components.iter().filter(|it| it.name == "VEVENT");
        let components: Vec<&Component<'_>> = components.collect();
        if components.len() > MAX_EVENTS {
            return Err(format!("it has more than {MAX_EVENTS} events"));
        }
        let description = text_of(calendar.properties.iter().find(|it| it.name == "X-WR-CALDESC"));
        let overridden = overridden(&components);
        let mut events = Vec::with_capacity(components.len());
        for component in components {
            match event(component, zone, &overridden) {
                Ok(event) => events.extend(event),
                Err(reason) => {
                    let uid = text_of(component.find_prop("UID")).unwrap_or_default();
                    tracing::warn!(uid, reason, "cannot read an event of a subscribed calendar");
                }
            }
        }
        Ok(Self { description, events })
    }
}

/// Checks the nesting of components, because the parser is recursive.
///
/// # Errors
/// A reason if components are nested deeper than [`MAX_DEPTH`].
fn check_depth(text: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("BEGIN:") {
            depth += 1;
        } else if line.starts_with("END:") {
            depth = depth.saturating_sub(1);
        }
        if depth > MAX_DEPTH {
            return Err(format!("its components are nested deeper than {MAX_DEPTH}"));
        }
    }
    Ok(())
}

/// Returns the lines that exclude the changed occurrences of recurring events, by the ids of the events.
fn overridden(components: &[&Component<'_>]) -> HashMap<String, Vec<String>> {
    let mut lines: HashMap<String, Vec<String>> = HashMap::new();
    for component in components {
        let id = text_of(component.find_prop("UID")).unwrap_or_default();
        if let Some(changed) = component.find_prop("RECURRENCE-ID") {
            lines.entry(id).or_default().push(date_line("EXDATE", changed));
        }
    }
    lines
}

/// Converts an event; `None` if it is cancelled. `overridden` has the changed occurrences by their
/// events.
///
/// # Errors
/// A reason if it has no start or id, a time cannot be read, or its rule is not accepted.
fn event(
    component: &Component<'_>,
    zone: &TimeZone,
    overridden: &HashMap<String, Vec<String>>,
) -> Result<Option<FileEvent>, String> {
    let text = |name| text_of(component.find_prop(name));
    if text("STATUS").is_some_and(|status| status.eq_ignore_ascii_case("CANCELLED")) {
        return Ok(None);
    }
    let mut uid = text("UID").ok_or("it has no UID")?;
    let start = component.find_prop("DTSTART").ok_or("it has no DTSTART")?;
    let start = EventTime::parse(start, zone)?;
    let end = end(component, &start, zone)?;
    if end < start.time {
        return Err("it ends before it starts".to_owned());
    }
    let mut fields = Map::new();
    for (property, name, max) in MAX_TEXTS {
        let value: Option<String> = text(property).map(|text| text.chars().take(max).collect());
        // Name and description are required structures.
        let value = value.or_else(|| (name != "location").then(String::new));
        fields.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    fields.insert("start_time".to_owned(), start.time.to_string().into());
    fields.insert("end_time".to_owned(), end.to_string().into());
    fields.insert("is_all_day_event".to_owned(), start.is_date.into());
    let is_free = text("TRANSP").is_some_and(|value| value.eq_ignore_ascii_case("TRANSPARENT"));
    fields.insert("availability".to_owned(), if is_free { "free" } else { "busy" }.into());
    let is_public = text("CLASS").is_none_or(|value| value.eq_ignore_ascii_case("PUBLIC"));
    fields.insert("visibility".to_owned(), if is_public { "public" } else { "private" }.into());
    if let Some(minutes) = reminder(component) {
        fields.insert("reminder_time".to_owned(), minutes.into());
    }
    if let Some(organizer) = component.find_prop("ORGANIZER").and_then(|it| parameter(it, "CN")) {
        let from = serde_json::json!({ "name": organizer.trim_matches('"'), "id": null });
        fields.insert("from".to_owned(), from);
    }
    let mut span = (start.time, end);
    match (component.find_prop("RECURRENCE-ID"), component.find_prop("RRULE")) {
        (Some(changed), _) => uid = format!("{uid} {}", changed.val.as_str()),
        (None, Some(rule)) => {
            let lines = rule_lines(component, &start, rule, overridden.get(&uid));
            let parsed = RecurrenceRule::parse(&lines, end.duration_since(start.time))?;
            span.1 = span.1.max(parsed.end());
            let weekday = start.time.to_zoned(start.zone.clone()).strftime("%A").to_string();
            let text = description(rule.val.as_str(), &weekday);
            fields.insert("recurrence".to_owned(), text.into());
            fields.insert("is_recurrent".to_owned(), true.into());
            fields.insert(RULE.to_owned(), lines.into());
        }
        (None, None) => {}
    }
    Ok(Some(FileEvent { uid, fields, span }))
}

/// Returns the end of an event: `DTEND`, or the start and the duration. Without both, the event lasts
/// for a day if its start is a date, and has no duration otherwise.
///
/// # Errors
/// A reason if the end or the duration cannot be read.
fn end(component: &Component<'_>, start: &EventTime, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Some(end) = component.find_prop("DTEND") {
        return EventTime::parse(end, zone).map(|end| end.time);
    }
    let span = match text_of(component.find_prop("DURATION")) {
        Some(text) => {
            text.parse().map_err(|error| format!("cannot read its duration '{text}': {error}"))?
        }
        None if start.is_date => Span::new().days(1),
        None => Span::new(),
    };
    let end = start.time.to_zoned(start.zone.clone()).checked_add(span);
    end.map(|end| end.timestamp()).map_err(|error| format!("cannot compute its end: {error}"))
}

/// A time of an event.
struct EventTime {
    time: Timestamp,
    zone: TimeZone,
    /// Whether the file has only a date.
    is_date: bool,
}

impl EventTime {
    /// Parses the value of a property: a date, or a time in UTC, in a named zone or in `zone`.
    ///
    /// # Errors
    /// A reason if it is no date or time, or its time zone is unknown.
    fn parse(property: &Property<'_>, zone: &TimeZone) -> Result<Self, String> {
        let text = property.val.as_str().trim();
        let invalid = |error: jiff::Error| format!("cannot read its time '{text}': {error}");
        let zone = match parameter(property, "TZID") {
            _ if text.ends_with('Z') => TimeZone::UTC,
            Some(name) => TimeZone::get(name.trim_matches('"'))
                .map_err(|_| format!("its time zone '{name}' is unknown"))?,
            None => zone.clone(),
        };
        let is_date = text.len() == 8;
        let local = match is_date {
            true => Date::strptime("%Y%m%d", text).map_err(invalid)?.to_datetime(Time::midnight()),
            false => {
                DateTime::strptime("%Y%m%dT%H%M%S", text.trim_end_matches('Z')).map_err(invalid)?
            }
        };
        let time = local.to_zoned(zone.clone()).map_err(invalid)?.timestamp();
        Ok(Self { time, zone, is_date })
    }

    /// Returns the line `DTSTART` of a rule.
    fn line(&self) -> String {
        let local = self.time.to_zoned(self.zone.clone());
        match self.zone.iana_name().filter(|name| *name != "UTC") {
            Some(name) => format!("DTSTART;TZID={name}:{}", local.strftime("%Y%m%dT%H%M%S")),
            None => {
                let utc = self.time.to_zoned(TimeZone::UTC);
                format!("DTSTART:{}", utc.strftime("%Y%m%dT%H%M%SZ"))
            }
        }
    }
}

/// Returns the lines of a rule with the dates that it adds and excludes. `overridden` are the lines of
/// the changed occurrences.
fn rule_lines(
    component: &Component<'_>,
    start: &EventTime,
    rule: &Property<'_>,
    overridden: Option<&Vec<String>>,
) -> String {
    // The end of a rule may be a date, which the rule's start is not.
    let parts = rule.val.as_str().trim().split(';').map(|part| match part.split_once('=') {
        Some(("UNTIL", date)) if !date.ends_with('Z') => {
            format!("UNTIL={}T235959Z", &date[..date.len().min(8)])
        }
        _ => part.to_owned(),
    });
    let mut lines = vec![start.line(), format!("RRULE:{}", parts.collect::<Vec<_>>().join(";"))];
    for property in &component.properties {
        if property.name == "EXDATE" || property.name == "RDATE" {
            lines.push(date_line(property.name.as_str(), property));
        }
    }
    lines.extend(overridden.into_iter().flatten().cloned());
    lines.join("\n")
}

/// Returns the line `name` of a rule with the dates of a property. Dates without a time are at
/// midnight.
fn date_line(name: &str, property: &Property<'_>) -> String {
    let zone = parameter(property, "TZID").map(|zone| zone.trim_matches('"'));
    let dates = property.val.as_str().trim().split(',').map(|date| match date.len() {
        8 => format!("{date}T000000"),
        _ => date.to_owned(),
    });
    let dates = dates.collect::<Vec<_>>().join(",");
    match zone {
        Some(zone) if !dates.ends_with('Z') => format!("{name};TZID={zone}:{dates}"),
        None if !dates.ends_with('Z') => format!("{name}:{}Z", dates.replace(',', "Z,")),
        _ => format!("{name}:{dates}"),
    }
}

/// Returns the minutes from the first alarm to the start of an event; `None` without an alarm before
/// the start.
fn reminder(component: &Component<'_>) -> Option<i64> {
    let alarm = component.components.iter().find(|it| it.name == "VALARM")?;
    let before: Span = alarm.find_prop("TRIGGER")?.val.as_str().trim().parse().ok()?;
    let before = before.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    (before <= SignedDuration::ZERO).then(|| -before.as_mins())
}

/// Returns the text of a property; `None` if it is missing or empty.
fn text_of(property: Option<&Property<'_>>) -> Option<String> {
    let text = property?.val.as_str().trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the value of a parameter of a property; `None` if it is missing.
fn parameter<'a>(property: &'a Property<'_>, name: &str) -> Option<&'a str> {
    let parameter = property.params.iter().find(|parameter| parameter.key == name)?;
    parameter.val.as_ref().map(|value| value.as_str())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
