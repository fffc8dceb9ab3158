//! Values of tags, which are text in all formats.

/// Returns a text without white space around it; `None` if it is empty.
pub(super) fn text(text: &str) -> Option<String> {
    let text = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the number that a text starts with, such as the year of a date; `None` if it starts with
/// no digit, or the number is 0 or needs more than 32 bits.
pub(super) fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().filter(|number| *number > 0)
}

/// Sets a position and a count from a text such as `3` or `3/12`. Values that are set are kept.
pub(super) fn position(text: &str, position: &mut Option<u32>, count: &mut Option<u32>) {
    let (first, second) = text.split_once('/').unwrap_or((text, ""));
    *position = position.or_else(|| number(first));
    *count = count.or_else(|| number(second));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_and_numbers_end_at_other_characters() {
        assert_eq!(text(" a b \0"), Some("a b".to_owned()));
        assert_eq!(text(" \0"), None);
        assert_eq!(number("2011-04-20"), Some(2011));
        for none in ["", "0", "-1", "x", "99999999999"] {
            assert_eq!(number(none), None, "{none}");
        }
    }

    #[test]
    fn a_position_may_have_a_count() {
        let (mut track, mut count) = (None, None);
        position("3/12", &mut track, &mut count);
        assert_eq!((track, count), (Some(3), Some(12)));
        position("4", &mut track, &mut count);
        assert_eq!((track, count), (Some(3), Some(12)), "the first value counts");
    }
}
