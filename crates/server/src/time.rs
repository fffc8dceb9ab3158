//! Parses times that clients send.

use jiff::{Timestamp, fmt::temporal::Pieces};

/// The first second of the year 1.
const EARLIEST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// The latest time that the server stores, `9999-12-30T22:00:00Z`. Later times of the year 9999 are
/// replaced by it, for example `9999-12-31T23:59:59Z`, which programs use for "never".
const LATEST: Timestamp = Timestamp::constant(253_402_207_200, 0);

/// Parses an ISO 8601 time with an offset in the years 1 to 9999, the range of the clouds' own
/// libraries. The last hours of 9999 become the latest time that the server stores. `None` for any
/// other text, also one without an offset.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return (time >= EARLIEST).then_some(time);
    }
    let pieces = Pieces::parse(text).ok()?;
    let is_latest = pieces.date().year() == 9999
        && pieces.time().is_some()
        && pieces.to_numeric_offset().is_some();
    is_latest.then_some(LATEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Option<String> {
        parse(text).map(|time| time.to_string())
    }

    #[test]
    fn every_time_of_the_years_1_to_9999_is_parsed() {
        for (text, expected) in [
            ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"),
            ("2024-05-06T07:08:09.1234567+02:00", "2024-05-06T05:08:09.1234567Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-30T22:00:00Z"),
            ("9999-12-31T23:59:59.9999999Z", "9999-12-30T22:00:00Z"),
            ("9999-12-31T23:59:59-12:00", "9999-12-30T22:00:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in [
            "",
            "never",
            "2024-05-06",
            "2024-05-06T07:08:09",
            "0000-01-01T00:00:00Z",
            "-000001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "10000-01-01T00:00:00Z",
            "9999-12-32T00:00:00Z",
            "9999-12-31T25:00:00Z",
            "9999-12-31",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in "[0-9+-]{0,6}-?[0-9]{0,3}-?[0-9]{0,3}T?[0-9:.+-]{0,24}Z?") {
            if let Some(time) = parse(&text) {
                prop_assert!(Timestamp::from_microsecond(time.as_microsecond()).is_ok());
            }
        }
    }
}
