use serde_json::json;

use super::*;

/// Parses a calendar with these lines. Local time is that of Berlin.
fn parse(lines: &str) -> Result<CalendarFile, String> {
    let zone = TimeZone::get("Europe/Berlin").expect("a zone");
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{lines}\nEND:VCALENDAR\n");
    CalendarFile::parse(&text.replace('\n', "\r\n"), &zone)
}

/// Parses one event with these lines.
fn event(lines: &str) -> FileEvent {
    let text = format!("BEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT");
    parse(&text).expect("a calendar").events.remove(0)
}

#[test]
fn an_event_has_the_structures_of_the_reference() {
    let event = event(
        "SUMMARY:Final\\, second leg\nDESCRIPTION:Away\n  game\nLOCATION:Stadium\n\
         DTSTART:20110420T010000Z\nDTEND:20110420T020000Z\nTRANSP:OPAQUE\nCLASS:PRIVATE\n\
         ORGANIZER;CN=League:mailto:a@b\nBEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT15M\nEND:VALARM",
    );
    assert_eq!(event.uid, "1");
    assert_eq!(
        Value::from(event.fields),
        json!({
            "name": "Final, second leg",
            "description": "Away game",
            "location": "Stadium",
            "start_time": "2011-04-20T01:00:00Z",
            "end_time": "2011-04-20T02:00:00Z",
            "is_all_day_event": false,
            "availability": "busy",
            "visibility": "private",
            "reminder_time": 15,
            "from": {"name": "League", "id": null},
        })
    );
}

#[test]
fn times_are_in_utc_in_a_named_zone_or_local_and_dates_are_whole_days() {
    for (lines, start, end) in [
        ("DTSTART:20110420T010000", "2011-04-19T23:00:00Z", "2011-04-19T23:00:00Z"),
        (
            "DTSTART;TZID=America/New_York:20110420T010000\nDURATION:PT90M",
            "2011-04-20T05:00:00Z",
            "2011-04-20T06:30:00Z",
        ),
        ("DTSTART;VALUE=DATE:20110420", "2011-04-19T22:00:00Z", "2011-04-20T22:00:00Z"),
    ] {
        let event = event(lines);
        assert_eq!(event.span, (start.parse().unwrap(), end.parse().unwrap()), "{lines}");
    }
}

#[test]
fn a_changed_occurrence_replaces_that_of_the_series() {
    let file = parse(
        "BEGIN:VEVENT\nUID:1\nDTSTART:20110420T010000Z\nRRULE:FREQ=DAILY;UNTIL=20110422\n\
         EXDATE:20110422T010000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20110421T010000Z\nDTSTART:20110421T050000Z\nEND:VEVENT",
    );
    let [series, changed] = &file.expect("a calendar").events[..] else { panic!("two events") };
    let rule = RecurrenceRule::from_fields(&series.fields).expect("a rule");
    let day = "2011-04-20T01:00:00Z".parse().expect("a time");
    assert_eq!(rule.during((day, Timestamp::MAX)), [(day, day)]);
    assert_eq!(series.fields["recurrence"], "Occurs every day");
    assert_ne!(series.uid, changed.uid);
    assert_eq!(changed.span.0.to_string(), "2011-04-21T05:00:00Z");
}

#[test]
fn an_event_that_cannot_be_read_is_left_out() {
    let file = parse(
        "X-WR-CALDESC:Games\nBEGIN:VEVENT\nUID:1\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:2\nDTSTART;TZID=Nowhere:20110420T010000\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:3\nDTSTART:20110420T010000Z\nSTATUS:CANCELLED\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:4\nDTSTART:20110420T010000Z\nRRULE:FREQ=SECONDLY\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:5\nDTSTART:20110420T010000Z\nEND:VEVENT",
    )
    .expect("a calendar");
    assert_eq!(file.description.as_deref(), Some("Games"));
    let uids: Vec<&str> = file.events.iter().map(|event| &*event.uid).collect();
    assert_eq!(uids, ["5"]);
}

#[test]
fn other_files_and_deep_ones_are_no_calendars() {
    for text in ["", "<html></html>", "BEGIN:VCARD\r\nEND:VCARD\r\n", "BEGIN:VCALENDAR\r\n"] {
        assert!(CalendarFile::parse(text, &TimeZone::UTC).is_err(), "{text}");
    }
    let deep = "BEGIN:VEVENT\n".repeat(100_000);
    assert!(parse(&deep).expect_err("too deep").contains("nested"));
}
