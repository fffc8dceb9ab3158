//! The header `Content-Range` of an upload's fragment.

/// The value `bytes FIRST-LAST/TOTAL`. The positions are inclusive and within the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) total: u64,
}

impl ContentRange {
    /// Parses a header's value. Returns `None` for another form, also one with `*`, and for
    /// positions that are not within the total.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let range = Self { first: number(first)?, last: number(last)?, total: number(total)? };
        (range.first <= range.last && range.last < range.total).then_some(range)
    }

    /// Returns the number of bytes of the fragment.
    pub(super) fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_whole_or_nothing() {
        let range = ContentRange { first: 0, last: 25, total: 128 };
        assert_eq!(ContentRange::parse("bytes 0-25/128"), Some(range));
        let no = "bytes 0-25/*, bytes 25-0/128, bytes 0-128/128, 0-25/128, bytes */128, bytes, ";
        for text in no.split(", ") {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }
}
