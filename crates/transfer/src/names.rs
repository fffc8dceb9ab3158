//! Names of the source as names of the target.
//!
//! A character that the target forbids is replaced by a similar one: `:` by the full-width `：`. A
//! replacement character of the source becomes the original one again if the source forbids the
//! original and the target allows it. So a tree that is copied to a cloud and back has its names
//! again.

use std::borrow::Cow;

use crate::features::EndpointFeatures;

/// Characters that some service or file system forbids, with their replacements.
const REPLACEMENTS: [(char, char); 12] = [
    ('"', '＂'),
    ('#', '＃'),
    ('%', '％'),
    ('*', '＊'),
    (':', '：'),
    ('<', '＜'),
    ('>', '＞'),
    ('?', '？'),
    ('\\', '＼'),
    ('|', '｜'),
    ('\u{7f}', '␡'),
    ('&', '＆'),
];

/// Maps the names of the source to names of the target.
#[derive(Debug, Default)]
pub(crate) struct NameMap {
    /// Characters of source names, and the characters of target names that replace them.
    replace: Vec<(char, char)>,
    /// The target forbids control characters, and the source does not.
    control: bool,
    /// The target forbids a dot at the end of a name.
    last_dot: bool,
    /// The target forbids a space at the end of a name.
    last_space: bool,
    /// The target forbids a space at the start of a name.
    first_space: bool,
}

impl NameMap {
    /// Returns the map between two services.
    pub(crate) fn new(source: &dyn EndpointFeatures, target: &dyn EndpointFeatures) -> Self {
        let only_target =
            |name: &str| target.reject_name(name).is_some() && source.reject_name(name).is_none();
        let only_source =
            |name: &str| source.reject_name(name).is_some() && target.reject_name(name).is_none();
        let mut replace = Vec::new();
        for (original, replacement) in REPLACEMENTS {
            let name = format!("a{original}a");
            if only_target(&name) {
                replace.push((original, replacement));
            } else if only_source(&name) {
                replace.push((replacement, original));
            }
        }
        Self {
            replace,
            control: only_target("a\u{1}a"),
            last_dot: only_target("a."),
            last_space: only_target("a "),
            first_space: only_target(" a"),
        }
    }

    /// Returns the name at the target of an item with the name `name` at the source. The target may
    /// still reject it.
    pub(crate) fn target_name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        let mut mapped = Cow::Borrowed(name);
        let replaced = |c: char| {
            let pair = self.replace.iter().find(|(from, _)| *from == c);
            match pair {
                Some((_, to)) => Some(*to),
                // The symbols for the control characters, U+2400 and following.
                None if self.control && c < ' ' => char::from_u32(0x2400 + u32::from(c)),
                None => None,
            }
        };
        if name.chars().any(|c| replaced(c).is_some()) {
            mapped = Cow::Owned(name.chars().map(|c| replaced(c).unwrap_or(c)).collect());
        }
        for (applies, last, replacement) in
            [(self.last_dot, '.', '．'), (self.last_space, ' ', '␠')]
        {
            if applies && let Some(rest) = mapped.strip_suffix(last) {
                mapped = Cow::Owned(format!("{rest}{replacement}"));
            }
        }
        if self.first_space
            && let Some(rest) = mapped.strip_prefix(' ')
        {
            mapped = Cow::Owned(format!("␠{rest}"));
        }
        mapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Cloud;

    impl EndpointFeatures for Cloud {
        fn reject_name(&self, name: &str) -> Option<&'static str> {
            let is_forbidden = name.contains([':', '*', '\u{1}'])
                || name.ends_with(['.', ' '])
                || name.starts_with(' ');
            is_forbidden.then_some("forbidden")
        }
    }

    #[derive(Debug)]
    struct Disk;

    impl EndpointFeatures for Disk {}

    #[test]
    fn forbidden_characters_are_replaced_and_restored() {
        let (up, down) = (NameMap::new(&Disk, &Cloud), NameMap::new(&Cloud, &Disk));
        for (disk, cloud) in [("a:b*", "a：b＊"), ("a|b", "a|b"), ("::", "：：")] {
            assert_eq!(up.target_name(disk), cloud);
            assert_eq!(down.target_name(cloud), disk);
        }
        for (disk, cloud) in [
            ("a.", "a．"),
            ("a ", "a␠"),
            (" a", "␠a"),
            ("a\u{1}b", "a\u{2401}b"),
            ("plain", "plain"),
        ] {
            assert_eq!(up.target_name(disk), cloud);
            assert_eq!(Cloud.reject_name(&up.target_name(disk)), None, "{disk:?}");
        }
    }

    #[test]
    fn services_with_the_same_rules_keep_names() {
        let map = NameMap::new(&Cloud, &Cloud);
        assert_eq!(map.target_name("a：b"), "a：b");
    }
}
