//! Figures as text, with three significant digits.

/// Formats a duration in seconds: `950 µs`, `12.3 ms`, `4.56 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
        s if s < 0.999_5 => format!("{} ms", significant(s * 1e3)),
        s => format!("{} s", significant(s)),
    }
}

/// Formats a number of bytes: `512 B`, `12.3 KiB`, `4.56 MiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024.0 {
        return format!("{bytes:.0} B");
    }
    let mut value = bytes / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        // 1023.6 would be printed as 1024.
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    format!("{} {unit}", significant(value))
}

/// Formats a number with three significant digits, and without decimals from 100 on.
pub(crate) fn significant(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// Formats a ratio to the best: `1.00×`, `12.3×`.
pub(crate) fn ratio(ratio: f64) -> String {
    format!("{}×", significant(ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_the_next_unit_in_time() {
        assert_eq!(seconds(0.000_000_4), "0 µs");
        assert_eq!(seconds(0.000_950_4), "950 µs");
        assert_eq!(seconds(0.000_999_6), "1.00 ms");
        assert_eq!(seconds(0.012_34), "12.3 ms");
        assert_eq!(seconds(0.999_6), "1.00 s");
        assert_eq!(seconds(123.4), "123 s");
        assert_eq!(bytes(1023.0), "1023 B");
        assert_eq!(bytes(1536.0), "1.50 KiB");
        assert_eq!(bytes(1_048_570.0), "1.00 MiB");
        assert_eq!(ratio(1.0), "1.00×");
    }
}
