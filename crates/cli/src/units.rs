//! Sizes, durations and ranges in arguments and in output.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Span, Timestamp, Zoned, tz::TimeZone};

/// Units of a size: decimal with `B` (`10GB`), binary with `iB` or a letter alone (`10GiB`, `10G`).
const UNITS: [(&str, u128); 13] = [
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
    ("B", 1),
];

/// Parses a number of bytes: `4096`, `10GB` (decimal), `1.5GiB` or `1.5G` (binary). The unit has
/// any letter case; a fraction of a byte is cut off.
///
/// # Errors
/// A message for the user if the text is not a size, has more than 12 decimals, or exceeds `u64`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size: use 4096, 10GB (decimal) or 1.5GiB (binary)");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim_start().to_ascii_uppercase());
    let factor = match unit.as_str() {
        "" => 1,
        unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 12 {
        return Err(wrong());
    }
    let parse = |digits: &str| match digits {
        "" => Ok(0),
        digits => digits.parse::<u128>().map_err(|_| wrong()),
    };
    let places = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
    let scaled = parse(whole)?
        .checked_mul(places)
        .and_then(|whole| whole.checked_add(parse(fraction).ok()?))
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(wrong)?;
    u64::try_from(scaled / places).map_err(|_| wrong())
}

/// Parses a duration: `20ms`, `1.5s`, `2m`.
///
/// # Errors
/// A message for the user if the text is not a duration, has no unit, or is negative.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time span: use 20ms, 1.5s or 2m");
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    span.try_into().map_err(|_| wrong())
}

/// Parses a time, or a time from now on: `2026-01-31`, `2026-01-31T12:00:00Z`, `7d`, `1mo`. A date is
/// its start in UTC.
///
/// # Errors
/// A message for the user if the text is neither a time nor a time span, or the time is not
/// representable.
pub(crate) fn time_ahead(text: &str) -> Result<Timestamp, String> {
    time(text, Zoned::checked_add)
}

/// Parses a time, or a time before now, in the forms of [`time_ahead`].
///
/// # Errors
/// Those of [`time_ahead`].
pub(crate) fn time_ago(text: &str) -> Result<Timestamp, String> {
    time(text, Zoned::checked_sub)
}

/// Parses a time, or a time span that `shift` adds to the current time or subtracts from it.
///
/// # Errors
/// Those of [`time_ahead`].
fn time(
    text: &str,
    shift: impl Fn(&Zoned, Span) -> Result<Zoned, jiff::Error>,
) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is not a time: use 2026-01-31, 2026-01-31T12:00:00Z or 7d");
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        return Ok(date.to_zoned(TimeZone::UTC).map_err(|_| wrong())?.timestamp());
    }
    let span: Span = text.parse().map_err(|_| wrong())?;
    if span.is_negative() {
        return Err(wrong());
    }
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    shift(&now, span).map(|time| time.timestamp()).map_err(|_| wrong())
}

/// A range of bytes with inclusive ends, as in HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteSpan {
    /// `A-B`, or `A-` for all bytes from `A`.
    From(u64, Option<u64>),
    /// `-N`: the last `N` bytes.
    Last(u64),
}

impl ByteSpan {
    /// Parses `0-99` (positions from 0, both inclusive), `100-` or `-100` (the last 100 bytes).
    ///
    /// # Errors
    /// A message for the user if the text has another form, or if the range ends before it starts.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is not a range: use 0-99 (100 bytes), 100- or -100 (the last 100)")
        };
        let number = |digits: &str| match digits {
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse::<u64>().map_err(|_| wrong())
            }
            _ => Err(wrong()),
        };
        match text.split_once('-').ok_or_else(wrong)? {
            ("", last) => Ok(Self::Last(number(last)?)),
            (first, "") => Ok(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return Err(format!("the range `{text}` ends before it starts"));
                }
                Ok(Self::From(first, Some(last)))
            }
        }
    }

    /// Returns the selected bytes of a file of `size` bytes; the end of the result is exclusive and
    /// at most `size`. `None` if the first byte of the range is not in the file: it is `size` or
    /// more. A range from 0 of an empty file is an exception and returns `0..0`.
    ///
    /// [`Last`](Self::Last) always returns a range: the whole file if it is shorter.
    pub(crate) fn within(self, size: u64) -> Option<std::ops::Range<u64>> {
        match self {
            Self::Last(count) => Some(size.saturating_sub(count)..size),
            Self::From(first, _) if first > size || (first == size && size > 0) => None,
            Self::From(first, last) => {
                Some(first..last.map_or(size, |last| last.saturating_add(1).min(size)))
            }
        }
    }
}

/// Formats a size with one decimal and a binary unit (`24.9 GiB`), below 1 KiB in bytes.
pub(crate) struct HumanSize(pub(crate) u64);

impl fmt::Display for HumanSize {
    /// Writes the size with one decimal and a binary unit, below 1 KiB in bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        // Computed in tenths of the unit, so that rounding never shows 1024.0 of a unit.
        let mut unit: u128 = 1 << 10;
        let mut name = 0;
        while tenths(self.0, unit) >= 10_240 && name + 1 < NAMES.len() {
            unit <<= 10;
            name += 1;
        }
        let tenths = tenths(self.0, unit);
        f.pad(&format!("{}.{} {}", tenths / 10, tenths % 10, NAMES[name]))
    }
}

/// Returns a size in tenths of a unit, rounded.
fn tenths(size: u64, unit: u128) -> u128 {
    (u128::from(size) * 10 + unit / 2) / unit
}

/// Formats a time in UTC (RFC 3339) without fractions of a second.
pub(crate) fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// Formats a duration: `12 s`, `3 min 05 s`, `2 h 10 min`.
pub(crate) struct HumanDuration(pub(crate) Duration);

impl fmt::Display for HumanDuration {
    /// Writes `12 s`, `3 min 05 s` or `2 h 10 min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..60 => write!(f, "{seconds} s"),
            60..3600 => write!(f, "{} min {:02} s", seconds / 60, seconds % 60),
            _ => write!(f, "{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

/// A range of a list: the number of items to skip, and the maximum number to return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListRange {
    pub(crate) offset: Option<u64>,
    pub(crate) limit: Option<u64>,
}

impl ListRange {
    /// Parses `LIMIT`, `OFFSET-LIMIT` or `OFFSET:LIMIT`. Either number may be missing.
    ///
    /// # Errors
    /// A message for the user if the text has another form.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a range: use LIMIT, OFFSET-LIMIT or OFFSET:LIMIT");
        let number = |digits: &str| match digits {
            "" => Ok(None),
            digits => digits.parse().map(Some).map_err(|_| wrong()),
        };
        match text.split_once(['-', ':']) {
            Some(("", "")) => Err(wrong()),
            Some((offset, limit)) => Ok(Self { offset: number(offset)?, limit: number(limit)? }),
            None => Ok(Self { offset: None, limit: Some(number(text)?.ok_or_else(wrong)?) }),
        }
    }
}

/// Formats a size like the old SkyDrive client: in the largest unit that the size exceeds, so that
/// 1024 is `1024.0B`.
pub(crate) fn old_size(bytes: u64) -> String {
    let units = [("T", 40), ("G", 30), ("M", 20), ("K", 10), ("B", 0)];
    let found = units.into_iter().find(|(_, shift)| bytes > 1 << shift);
    let (unit, shift) = found.unwrap_or(("B", 0));
    format!("{:.1}{unit}", bytes as f64 / (1_u64 << shift) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_with_b_and_binary_with_ib_or_a_letter_alone() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("10GB", 10_000_000_000),
            ("10gb", 10_000_000_000),
            ("10GiB", 10 << 30),
            ("10 G", 10 << 30),
            ("1.5k", 1536),
            (".5MiB", 512 << 10),
            ("7B", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn an_invalid_size_is_rejected_and_the_message_quotes_it() {
        for text in ["", "GB", "10XB", "-1", "1e9", "1.2.3GB", "20000000000TB", "."] {
            assert!(
                size(text).is_err_and(|message| message.contains(&format!("`{text}`"))),
                "{text}"
            );
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for text in ["", "20", "-1s", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_absolute_or_relative_to_now() {
        let date = time_ahead("2026-01-31").expect("a date");
        assert_eq!(date.to_string(), "2026-01-31T00:00:00Z");
        assert_eq!(time_ago("2026-01-31T12:00:00+02:00").expect("a time").as_second() % 3600, 0);
        let now = Timestamp::now();
        assert!(time_ahead("7d").expect("a span") > now && time_ago("1mo").expect("a span") < now);
        for text in ["", "soon", "-7d", "2026-13-01"] {
            assert!(time_ahead(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_has_three_forms_and_both_ends_count() {
        assert_eq!(ByteSpan::parse("0-99"), Ok(ByteSpan::From(0, Some(99))));
        assert_eq!(ByteSpan::parse("100-"), Ok(ByteSpan::From(100, None)));
        assert_eq!(ByteSpan::parse("-100"), Ok(ByteSpan::Last(100)));
        for text in ["", "-", "5", "9-3", "a-b", "1-2-3", "0x1-2", "+1-2", "1-+2"] {
            assert!(ByteSpan::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_is_cut_at_the_end_of_the_file() {
        let within = |text: &str, size| ByteSpan::parse(text).expect("a range").within(size);
        assert_eq!(within("0-99", 1000), Some(0..100));
        assert_eq!(within("0-99", 10), Some(0..10));
        assert_eq!(within("4-", 10), Some(4..10));
        assert_eq!(within("-3", 10), Some(7..10));
        assert_eq!(within("-30", 10), Some(0..10));
        assert_eq!(within("0-", 0), Some(0..0));
        assert_eq!(within("10-", 10), None);
        assert_eq!(within("1-", 0), None);
        assert_eq!(within("0-18446744073709551615", 5), Some(0..5));
    }

    #[test]
    fn sizes_are_shown_in_the_unit_that_keeps_them_below_1024() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (26_736_000_000, "24.9 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(HumanSize(bytes).to_string(), shown);
        }
    }

    #[test]
    fn a_duration_has_at_most_two_units() {
        for (seconds, shown) in [(5, "5 s"), (65, "1 min 05 s"), (7_800, "2 h 10 min")] {
            assert_eq!(HumanDuration(Duration::from_secs(seconds)).to_string(), shown);
        }
    }

    #[test]
    fn a_part_of_a_list_has_either_number_or_both() {
        let part = |offset, limit| Ok(ListRange { offset, limit });
        assert_eq!(ListRange::parse("5"), part(None, Some(5)));
        assert_eq!(ListRange::parse("2-5"), part(Some(2), Some(5)));
        assert_eq!(ListRange::parse("2:5"), part(Some(2), Some(5)));
        assert_eq!(ListRange::parse("2-"), part(Some(2), None));
        assert_eq!(ListRange::parse("-5"), part(None, Some(5)));
        for wrong in ["", "-", "x", "1-2-3", "1.5"] {
            assert!(ListRange::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_the_form_of_the_old_client() {
        for (bytes, shown) in [
            (0, "0.0B"),
            (1, "1.0B"),
            (1024, "1024.0B"),
            (1025, "1.0K"),
            (26_843_545_600, "25.0G"),
            (26_736_147_988, "24.9G"),
        ] {
            assert_eq!(old_size(bytes), shown);
        }
    }
}
