//! Times in responses.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::account_kind::AccountKind;

/// Formats a time with the precision of the account kind: milliseconds on personal drives, seconds
/// on business drives and libraries.
pub(super) fn format_time(kind: AccountKind, time: Timestamp) -> String {
    let millisecond = time.as_millisecond().rem_euclid(1000);
    let mut text = time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    if kind.is_personal() && millisecond != 0 {
        let digits = format!("{millisecond:03}");
        // Writing to a String cannot fail.
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_depends_on_the_account_kind() {
        let at = |text: &str| text.parse().unwrap();
        for (text, personal, business) in [
            ("2025-02-16T19:49:05Z", "2025-02-16T19:49:05Z", "2025-02-16T19:49:05Z"),
            ("2025-02-16T19:49:05.9137Z", "2025-02-16T19:49:05.913Z", "2025-02-16T19:49:05Z"),
            ("2025-02-16T19:49:05.72Z", "2025-02-16T19:49:05.72Z", "2025-02-16T19:49:05Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(format_time(AccountKind::Personal, at(text)), personal);
            assert_eq!(format_time(AccountKind::Business, at(text)), business);
        }
    }
}
