//! Characters that must not reach a terminal or a line of output unchanged.

use std::borrow::Cow;

/// Escapes characters that would end the line, control the terminal or change the text direction.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => safe.extend(c.escape_default()),
            c if is_control(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Returns whether a character is a control character, a line or paragraph separator, or one of
/// Unicode's bidirectional controls (UAX #9, table 1 and 2.6).
pub(crate) fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_control_the_terminal_end_the_line_or_change_its_direction() {
        assert_eq!(escaped("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escaped("two\nlines\r\t"), "two\\nlines\\r\\t");
        assert_eq!(escaped("bidi\u{202e}txt\u{2069}"), "bidi\\u{202e}txt\\u{2069}");
        assert!(matches!(escaped("plain é 漢 שלום"), Cow::Borrowed(_)));
    }
}
