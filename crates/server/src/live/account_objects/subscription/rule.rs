//! Recurrence rules of iCalendar (RFC 5545, section 3.8.5).

use jiff::{SignedDuration, Timestamp};
use rrule::RRuleSet;
use serde_json::{Map, Value};

use crate::live::account_objects::recurrence::overlaps;

/// The structure of an event that has the rule: the lines `DTSTART`, `RRULE`, `RDATE` and `EXDATE`.
pub(in crate::live::account_objects) const RULE: &str = "rule";

/// The maximum length of a rule with its dates, in bytes.
const MAX_LENGTH: usize = 16 << 10;

/// The maximum number of occurrences that are computed. With the shortest frequency, a day, these are
/// 270 years.
const MAX_OCCURRENCES: usize = 100_000;

/// The frequencies that are accepted, and their units. A shorter one has too many occurrences for a
/// list.
const FREQUENCIES: [(&str, &str); 4] =
    [("DAILY", "day"), ("WEEKLY", "week"), ("MONTHLY", "month"), ("YEARLY", "year")];

/// The weekdays of `BYDAY`.
const WEEKDAYS: [(&str, &str); 7] = [
    ("MO", "Monday"),
    ("TU", "Tuesday"),
    ("WE", "Wednesday"),
    ("TH", "Thursday"),
    ("FR", "Friday"),
    ("SA", "Saturday"),
    ("SU", "Sunday"),
];

/// The occurrences of an event of a subscribed calendar.
pub(in crate::live::account_objects) struct RecurrenceRule {
    set: RRuleSet,
    duration: SignedDuration,
}

impl RecurrenceRule {
    /// Parses the lines `DTSTART`, `RRULE`, `RDATE` and `EXDATE` of an event with a duration.
    ///
    /// # Errors
    /// A reason if they are malformed or too long, or the event repeats more often than daily.
    pub(super) fn parse(lines: &str, duration: SignedDuration) -> Result<Self, String> {
        if lines.len() > MAX_LENGTH {
            return Err(format!("its rule is longer than {MAX_LENGTH} bytes"));
        }
        for rule in lines.lines().filter_map(|line| line.strip_prefix("RRULE:")) {
            let frequency = part(rule, "FREQ").unwrap_or_default();
            if !FREQUENCIES.iter().any(|(name, _)| frequency.eq_ignore_ascii_case(name)) {
                return Err(format!("it repeats with the frequency '{frequency}'"));
            }
        }
        let set: RRuleSet =
            lines.parse().map_err(|error| format!("its rule is invalid: {error}"))?;
        Ok(Self { set: set.limit(), duration })
    }

    /// Returns the rule of an event's fields; `None` if the event has none.
    pub(in crate::live::account_objects) fn from_fields(
        fields: &Map<String, Value>,
    ) -> Option<Self> {
        let lines = fields.get(RULE)?.as_str()?;
        let time = |name| -> Option<Timestamp> { fields.get(name)?.as_str()?.parse().ok() };
        let duration = time("end_time")?.duration_since(time("start_time")?);
        Self::parse(lines, duration).ok()
    }

    /// Returns the start and the end of each occurrence, in order.
    fn occurrences(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let starts = (&self.set).into_iter().take(MAX_OCCURRENCES);
        starts.map_while(|start| {
            let start = Timestamp::from_second(start.timestamp()).ok()?;
            Some((start, start.checked_add(self.duration).ok()?))
        })
    }

    /// Returns the first occurrence; `None` if all are excluded.
    pub(in crate::live::account_objects) fn first(&self) -> Option<(Timestamp, Timestamp)> {
        self.occurrences().next()
    }

    /// Returns the end of the last occurrence. A rule without an end repeats for ever.
    pub(super) fn end(&self) -> Timestamp {
        let rules = self.set.get_rrule();
        match rules.iter().all(|rule| rule.get_count().is_some() || rule.get_until().is_some()) {
            true => self.occurrences().last().map_or(Timestamp::MIN, |(_, end)| end),
            false => LAST,
        }
    }

    /// Returns the start and the end of each occurrence that overlaps with a period, whose end is
    /// excluded.
    pub(in crate::live::account_objects) fn during(
        &self,
        period: (Timestamp, Timestamp),
    ) -> Vec<(Timestamp, Timestamp)> {
        let before_end = self.occurrences().take_while(|(start, _)| *start < period.1);
        before_end.filter(|occurrence| overlaps(*occurrence, period)).collect()
    }
}

/// The end of an event that repeats for ever: the last second of the year 9999.
const LAST: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// Returns a part of a rule, such as `FREQ`; `None` if the rule does not have it.
fn part<'a>(rule: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = rule.trim().split(';').filter_map(|part| part.split_once('='));
    parts.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Returns the description of a rule in the words of the reference: "Occurs every week on Tuesday".
/// `weekday` is that of the first occurrence.
pub(super) fn description(rule: &str, weekday: &str) -> String {
    let frequency = part(rule, "FREQ").unwrap_or_default();
    let unit = FREQUENCIES.iter().find(|(name, _)| frequency.eq_ignore_ascii_case(name));
    let unit = unit.map_or("day", |(_, unit)| unit);
    let every = match part(rule, "INTERVAL").filter(|every| *every != "1") {
        Some(every) => format!("{every} {unit}s"),
        None => unit.to_owned(),
    };
    let days: Vec<&str> = part(rule, "BYDAY")
        .into_iter()
        .flat_map(|days| days.split(','))
        .filter_map(|day| WEEKDAYS.iter().find(|(code, _)| day.ends_with(code)))
        .map(|(_, name)| *name)
        .collect();
    match (unit, &days[..]) {
        ("week", []) => format!("Occurs every {every} on {weekday}"),
        ("week", days) => format!("Occurs every {every} on {}", days.join(", ")),
        _ => format!("Occurs every {every}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn starts(lines: &str, from: &str, to: &str) -> Vec<String> {
        let rule = RecurrenceRule::parse(lines, SignedDuration::from_hours(1)).expect("a rule");
        let occurrences = rule.during((time(from), time(to)));
        occurrences.iter().map(|(start, _)| start.to_string()).collect()
    }

    #[test]
    fn occurrences_follow_the_rule_in_local_time_and_leave_out_excluded_ones() {
        let lines = "DTSTART;TZID=Europe/Berlin:20110324T090000\n\
                     RRULE:FREQ=WEEKLY;BYDAY=MO,TH\n\
                     EXDATE;TZID=Europe/Berlin:20110331T090000";
        assert_eq!(
            starts(lines, "2011-03-24T00:00:00Z", "2011-04-08T00:00:00Z"),
            [
                "2011-03-24T08:00:00Z",
                // Summer time began on 27 March.
                "2011-03-28T07:00:00Z",
                "2011-04-04T07:00:00Z",
                "2011-04-07T07:00:00Z",
            ]
        );
    }

    #[test]
    fn a_rule_ends_with_its_last_occurrence_or_never() {
        let end = |rule: &str| {
            let lines = format!("DTSTART:20110101T000000Z\nRRULE:{rule}");
            RecurrenceRule::parse(&lines, SignedDuration::from_hours(1)).expect("a rule").end()
        };
        assert_eq!(end("FREQ=DAILY;COUNT=3"), time("2011-01-03T01:00:00Z"));
        assert_eq!(end("FREQ=YEARLY"), LAST);
    }

    #[test]
    fn frequent_malformed_and_long_rules_are_rejected() {
        let parse = |rule: &str| {
            let lines = format!("DTSTART:20110101T000000Z\nRRULE:{rule}");
            RecurrenceRule::parse(&lines, SignedDuration::ZERO).map(drop)
        };
        let frequent = parse("FREQ=SECONDLY").expect_err("too frequent");
        assert!(frequent.contains("'SECONDLY'"), "{frequent}");
        for rule in
            ["", "FREQ=DAILY;BYDAY=XX", &format!("FREQ=DAILY;BYHOUR={}", "1,".repeat(9_000))]
        {
            assert!(parse(rule).is_err(), "{rule}");
        }
    }

    #[test]
    fn rules_are_described_in_the_words_of_the_reference() {
        for (rule, text) in [
            ("FREQ=WEEKLY", "Occurs every week on Tuesday"),
            ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", "Occurs every 2 weeks on Monday, Thursday"),
            ("FREQ=DAILY;INTERVAL=1", "Occurs every day"),
        ] {
            assert_eq!(description(rule, "Tuesday"), text);
        }
    }
}
