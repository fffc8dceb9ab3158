//! The occurrences of recurring events: a series of a fixture, or the rule of a subscribed calendar.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{series::Series, subscription::RecurrenceRule};

/// The recurrence of an event.
pub(super) enum Recurrence {
    /// A series of a fixture.
    Series(Series),
    /// A rule of a subscribed calendar.
    Rule(Box<RecurrenceRule>),
}

impl Recurrence {
    /// Returns the recurrence of an event's fields; `None` if the event does not repeat.
    pub(super) fn from_fields(fields: &Map<String, Value>) -> Option<Self> {
        match RecurrenceRule::from_fields(fields) {
            Some(rule) => Some(Self::Rule(Box::new(rule))),
            None => Series::from_fields(fields).map(Self::Series),
        }
    }

    /// Returns the start and the end of the first occurrence; `None` if they are not representable.
    pub(super) fn first(&self) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Series(series) => series.first(),
            Self::Rule(rule) => rule.first(),
        }
    }

    /// Returns the start and the end of each occurrence that overlaps with a period, whose end is
    /// excluded.
    pub(super) fn during(&self, period: (Timestamp, Timestamp)) -> Vec<(Timestamp, Timestamp)> {
        match self {
            Self::Series(series) => series.during(period),
            Self::Rule(rule) => rule.during(period),
        }
    }
}

/// Returns whether an occurrence overlaps with a period, whose end is excluded. An occurrence without a
/// duration is in the period if its start is.
pub(super) fn overlaps(
    (start, end): (Timestamp, Timestamp),
    (from, to): (Timestamp, Timestamp),
) -> bool {
    start < to && (end > from || end == start && start >= from)
}
