//! Recurring events (live-connect#event-rules). One stored object is the whole series; a list shows its
//! occurrences.
//!
//! The API neither creates nor changes recurring events, so the rule of a series is that of a fixture:
//! `{"unit": "week", "every": 2, "count": 10}`.

use jiff::{Span, Timestamp, Zoned, tz::TimeZone};
use serde_json::{Map, Value};

use super::{
    recurrence::overlaps,
    structure::{Structure, StructureType},
};
use crate::live::error::{LiveError, Result};

/// The maximum number of occurrences.
const MAX_COUNT: i64 = 1_000;

/// The units of a repetition.
const UNITS: &[&str] = &["day", "week", "month", "year"];

/// The structures of the rule of a series.
pub(super) const REPEAT: &[Structure] = &[
    Structure::read_only("unit", StructureType::Choice(UNITS)).required(),
    Structure::read_only("every", StructureType::Number(1, 1_000)),
    Structure::read_only("count", StructureType::Number(1, MAX_COUNT)).required(),
    // Set by the server: the time zone in which the event repeats.
    Structure::computed("time_zone", StructureType::Text),
];

/// A recurring event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// The first occurrence, in the time zone of the series: its local time is that of all.
    start: Zoned,
    /// The end of the first occurrence.
    end: Zoned,
    unit: String,
    every: i64,
    count: i64,
}

impl Series {
    /// Returns the series of an event's fields; `None` if the event does not repeat, or its rule or
    /// times are incomplete.
    pub(super) fn from_fields(fields: &Map<String, Value>) -> Option<Self> {
        let repeat = fields.get("repeat")?;
        let zone = repeat.get("time_zone").and_then(|name| TimeZone::get(name.as_str()?).ok());
        let zone = zone.unwrap_or(TimeZone::UTC);
        let time = |name| {
            let time: Timestamp = fields.get(name)?.as_str()?.parse().ok()?;
            Some(time.to_zoned(zone.clone()))
        };
        Some(Self {
            start: time("start_time")?,
            end: time("end_time")?,
            unit: repeat.get("unit")?.as_str()?.to_owned(),
            every: repeat.get("every").and_then(Value::as_i64).unwrap_or(1),
            count: repeat.get("count")?.as_i64()?,
        })
    }

    /// Sets `is_recurrent` and `recurrence` of a new event. Returns the time from the first occurrence
    /// to the last one; `None` for an event that does not repeat.
    ///
    /// # Errors
    /// 400 if `is_recurrent` or `recurrence` is set without a rule, the rule has no `unit` or
    /// `count`, or the last occurrence is beyond the last representable time.
    pub(super) fn complete(
        fields: &mut Map<String, Value>,
        span: (Timestamp, Timestamp),
        zone: &TimeZone,
    ) -> Result<Option<(Timestamp, Timestamp)>> {
        let is_recurrent = fields.get("is_recurrent") == Some(&Value::Bool(true));
        let Some(repeat) = fields.get_mut("repeat").and_then(Value::as_object_mut) else {
            return match is_recurrent || fields.contains_key("recurrence") {
                true => Err(LiveError::missing("repeat")),
                false => Ok(None),
            };
        };
        if let Some(name) = zone.iana_name() {
            repeat.insert("time_zone".to_owned(), name.into());
        }
        let Some(series) = Self::from_fields(fields) else {
            return Err(LiveError::missing("repeat.unit"));
        };
        let last = series.occurrence(series.count - 1).ok_or_else(|| {
            LiveError::parameter("The event repeats beyond the last representable time.")
        })?;
        fields.insert("is_recurrent".to_owned(), true.into());
        fields.entry("recurrence").or_insert_with(|| series.text().into());
        Ok(Some((span.0, last.1.max(span.1))))
    }

    /// Returns the start and the end of the first occurrence; `None` if they are not representable.
    pub(super) fn first(&self) -> Option<(Timestamp, Timestamp)> {
        self.occurrence(0)
    }

    /// Returns the start and the end of each occurrence that overlaps with a period, whose end is
    /// excluded.
    pub(super) fn during(&self, period: (Timestamp, Timestamp)) -> Vec<(Timestamp, Timestamp)> {
        let occurrences = (0..self.count).map_while(|index| self.occurrence(index));
        occurrences.filter(|occurrence| overlaps(*occurrence, period)).collect()
    }

    /// Returns the start and the end of the occurrence with an index, from 0; `None` beyond the
    /// last representable time. It is computed from the first one, so that a series on the 31st
    /// does not move to the 28th.
    fn occurrence(&self, index: i64) -> Option<(Timestamp, Timestamp)> {
        let steps = index.checked_mul(self.every)?;
        let span: Span = match self.unit.as_str() {
            "day" => Span::new().try_days(steps),
            "week" => Span::new().try_weeks(steps),
            "month" => Span::new().try_months(steps),
            _ => Span::new().try_years(steps),
        }
        .ok()?;
        let moved = |time: &Zoned| time.checked_add(span).ok().map(|time| time.timestamp());
        moved(&self.start).zip(moved(&self.end))
    }

    /// Returns the description of the pattern, in the words of the reference: "Occurs every week on
    /// Tuesday".
    fn text(&self) -> String {
        let every = match self.every {
            1 => self.unit.clone(),
            every => format!("{every} {}s", self.unit),
        };
        let day = match self.unit.as_str() {
            "week" => self.start.strftime(" on %A").to_string(),
            "month" => self.start.strftime(" on day %-d").to_string(),
            "year" => self.start.strftime(" on %B %-d").to_string(),
            _ => String::new(),
        };
        format!("Occurs every {every}{day}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the fields of an event that begins on Tuesday, 19 April 2011, at 01:00.
    fn fields(repeat: Value) -> Map<String, Value> {
        let event = json!({
            "start_time": "2011-04-19T01:00:00Z", "end_time": "2011-04-19T02:00:00Z", "repeat": repeat,
        });
        event.as_object().expect("fields").clone()
    }

    fn series(repeat: Value) -> Series {
        Series::from_fields(&fields(repeat)).expect("a series")
    }

    #[test]
    fn patterns_are_described_in_the_words_of_the_reference() {
        for (repeat, text) in [
            (json!({"unit": "week", "count": 3}), "Occurs every week on Tuesday"),
            (json!({"unit": "day", "every": 2, "count": 3}), "Occurs every 2 days"),
            (json!({"unit": "month", "count": 3}), "Occurs every month on day 19"),
            (json!({"unit": "year", "count": 3}), "Occurs every year on April 19"),
        ] {
            assert_eq!(series(repeat).text(), text);
        }
    }

    #[test]
    fn a_list_has_the_occurrences_of_its_period() {
        let weekly = series(json!({"unit": "week", "count": 4}));
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let starts = |from, to| -> Vec<String> {
            let occurrences = weekly.during((time(from), time(to)));
            occurrences.iter().map(|(start, _)| start.to_string()).collect()
        };
        assert_eq!(
            starts("2011-04-19T02:00:00Z", "2011-05-03T01:00:00Z"),
            ["2011-04-26T01:00:00Z"]
        );
        assert_eq!(starts("2011-01-01T00:00:00Z", "2012-01-01T00:00:00Z").len(), 4);
    }

    #[test]
    fn a_series_on_the_last_day_of_a_month_stays_there() {
        let mut fields = fields(json!({"unit": "month", "count": 3}));
        fields["start_time"] = json!("2011-01-31T01:00:00Z");
        fields["end_time"] = json!("2011-01-31T02:00:00Z");
        let series = Series::from_fields(&fields).expect("a series");
        let starts: Vec<String> = (0..3)
            .map(|index| series.occurrence(index).expect("an occurrence").0.to_string())
            .collect();
        assert_eq!(
            starts,
            ["2011-01-31T01:00:00Z", "2011-02-28T01:00:00Z", "2011-03-31T01:00:00Z"]
        );
    }

    #[test]
    fn occurrences_have_the_same_local_time() {
        let repeat = json!({"unit": "month", "every": 9, "count": 2, "time_zone": "Europe/Berlin"});
        let (start, _) = series(repeat).occurrence(1).expect("an occurrence");
        // Summer time began at UTC+2; winter time is UTC+1.
        assert_eq!(start.to_string(), "2012-01-19T02:00:00Z");
    }

    #[test]
    fn a_new_series_ends_with_its_last_occurrence() {
        let mut weekly = fields(json!({"unit": "week", "count": 3}));
        let first = series(json!({"unit": "week", "count": 3})).first().expect("an occurrence");
        let span = Series::complete(&mut weekly, first, &TimeZone::UTC).expect("a series");
        assert_eq!(span.expect("it repeats").1.to_string(), "2011-05-03T02:00:00Z");
        assert_eq!(weekly["is_recurrent"], true);
        let mut single = Map::new();
        single.insert("is_recurrent".to_owned(), true.into());
        assert!(Series::complete(&mut single, first, &TimeZone::UTC).is_err());
    }
}
