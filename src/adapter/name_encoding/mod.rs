//! Names that a cloud forbids, as names that it accepts, and back.
//!
//! The mapping is that of rclone, so that both programs read each other's files: a forbidden
//! character is replaced by a similar one, such as `:` by the full-width `：`, and a character that
//! looks like a replacement is quoted. [`path_form`] has the names in an operator's paths.

mod codec;
mod path_form;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use self::codec::{CharSet, Codec};
pub(super) use self::path_form::{from_path_name, to_path_name};
pub use self::path_form::{local_name_from_path, path_name_from_local};

/// The position at which a rule applies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Anywhere,
    First,
    Last,
    /// The rule always applies.
    Always,
}

/// The rules by rclone's names for them, with their characters.
const RULES: [(&str, Position, CharSet); 28] = {
    use Position::{Always, Anywhere, First, Last};
    const fn set(text: &str) -> CharSet {
        CharSet::from_ascii(text)
    }
    [
        ("Slash", Always, set("")),
        ("LtGt", Anywhere, set("<>")),
        ("DoubleQuote", Anywhere, set("\"")),
        ("SingleQuote", Anywhere, set("'")),
        ("BackQuote", Anywhere, set("`")),
        ("Dollar", Anywhere, set("$")),
        ("Colon", Anywhere, set(":")),
        ("Question", Anywhere, set("?")),
        ("Asterisk", Anywhere, set("*")),
        ("Pipe", Anywhere, set("|")),
        ("Hash", Anywhere, set("#")),
        ("Percent", Anywhere, set("%")),
        ("BackSlash", Anywhere, set("\\")),
        ("CrLf", Anywhere, set("\r\n")),
        ("Del", Anywhere, set("\u{7f}")),
        ("Ctl", Anywhere, CharSet::controls()),
        ("LeftSpace", First, set(" ")),
        ("LeftPeriod", First, set(".")),
        ("LeftTilde", First, set("~")),
        ("LeftCrLfHtVt", First, set("\r\n\t\u{b}")),
        ("RightSpace", Last, set(" ")),
        ("RightPeriod", Last, set(".")),
        ("RightCrLfHtVt", Last, set("\r\n\t\u{b}")),
        ("InvalidUtf8", Always, set("")),
        ("Dot", Always, set("")),
        ("SquareBracket", Anywhere, set("[]")),
        ("Semicolon", Anywhere, set(";")),
        ("Exclamation", Anywhere, set("!")),
    ]
};

/// Name of the list without rules.
const NONE: &str = "None";

/// A reversible mapping of names to names that a cloud accepts, as rclone's `--encoding`.
///
/// A list of rules says which characters are replaced. Three rules always apply, because no path can
/// contain such names: a slash or NUL, the names `.` and `..`, and bytes that are not UTF-8, each of
/// which becomes `‛` (U+201B) and two hexadecimal digits.
///
/// ```
/// use drivedal::adapter::NameEncoding;
///
/// let encoding: NameEncoding = "Colon,RightPeriod".parse()?;
/// assert_eq!(encoding.encode("a:b."), "a：b．");
/// assert_eq!(encoding.encode("a：b"), "a‛：b");
/// assert_eq!(encoding.decode("a：b．"), b"a:b.");
/// # Ok::<(), drivedal::adapter::ParseEncodingError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameEncoding {
    /// A bit for each of [`RULES`].
    rules: u32,
    codec: Codec,
}

impl NameEncoding {
    /// Returns rclone's encoding for OneDrive, which also fits SkyDrive.
    pub fn onedrive() -> Self {
        Self::from_rules(&[
            "Slash",
            "LtGt",
            "DoubleQuote",
            "Colon",
            "Question",
            "Asterisk",
            "Pipe",
            "BackSlash",
            "Del",
            "Ctl",
            "LeftSpace",
            "LeftTilde",
            "RightSpace",
            "RightPeriod",
            "InvalidUtf8",
            "Dot",
        ])
    }

    /// Returns rclone's encoding for Amazon Cloud Drive, which accepts all characters but the slash.
    pub fn amazon_drive() -> Self {
        Self::from_rules(&["Slash", "InvalidUtf8", "Dot"])
    }

    /// Returns the encoding with the rules of these names. Other names are ignored.
    fn from_rules(names: &[&str]) -> Self {
        let bits = RULES.iter().enumerate().filter(|(_, (name, ..))| names.contains(name));
        Self::from_bits(bits.fold(0, |rules, (bit, _)| rules | 1 << bit))
    }

    /// Returns the encoding with a set of rules.
    fn from_bits(rules: u32) -> Self {
        let mut codec = Codec {
            anywhere: CharSet::from_ascii("/\0"),
            doubles_all_quotes: true,
            ..Codec::default()
        };
        for (bit, (_, position, chars)) in RULES.iter().enumerate() {
            if rules >> bit & 1 == 0 {
                continue;
            }
            match position {
                Position::Anywhere => codec.anywhere = codec.anywhere.union(*chars),
                Position::First => codec.first = codec.first.union(*chars),
                Position::Last => codec.last = codec.last.union(*chars),
                Position::Always => {}
            }
        }
        Self { rules, codec }
    }

    /// Returns the name in the cloud for a name, not a path. The name need not be UTF-8.
    pub fn encode(&self, name: impl AsRef<[u8]>) -> String {
        let name = name.as_ref();
        if let Some(dots) = encode_dots(name) {
            return dots.to_owned();
        }
        if let Ok(text) = str::from_utf8(name)
            && self.codec.is_plain(name)
        {
            return text.to_owned();
        }
        let encoded = self.codec.encode(name);
        match AMBIGUOUS_DOTS.iter().find(|(dots, _)| dots.as_bytes() == name) {
            Some((_, quoted)) if encoded == "．．" => (*quoted).to_owned(),
            _ => encoded,
        }
    }

    /// Returns the name for a name in the cloud. The result is not UTF-8 if the original name was
    /// not.
    ///
    /// A name that [`encode`](Self::encode) does not return, because another program chose it, is
    /// decoded as far as possible: encoding the result does not return the same name.
    pub fn decode(&self, encoded: &str) -> Vec<u8> {
        if encoded.is_ascii() {
            return encoded.into();
        }
        if let Some(dots) = decode_dots(encoded) {
            return dots.into();
        }
        match AMBIGUOUS_DOTS.iter().find(|(_, quoted)| *quoted == encoded) {
            Some((dots, _)) if self.codec.encode(dots.as_bytes()) == "．．" => (*dots).into(),
            _ => self.codec.decode(encoded),
        }
    }

    /// Returns the name in the cloud for a name in an operator's path.
    pub(super) fn drive_name(&self, path_name: &str) -> String {
        self.encode(from_path_name(path_name))
    }

    /// Returns the name in an operator's path for a name in the cloud.
    ///
    /// A name that no path name is encoded to is its own path name; [`is_raw`](Self::is_raw) is true
    /// for it. So each item has a path.
    pub(super) fn path_name(&self, drive_name: &str) -> String {
        if self.is_plain(drive_name) {
            return drive_name.to_owned();
        }
        let path_name = to_path_name(&self.decode(drive_name));
        match self.drive_name(&path_name) == drive_name {
            true => path_name,
            false => drive_name.to_owned(),
        }
    }

    /// Returns whether a name in the cloud is not in this encoding, because another program chose it:
    /// `~a` with a rule for the first tilde, which the cloud accepts nevertheless.
    pub(super) fn is_raw(&self, drive_name: &str) -> bool {
        !self.is_plain(drive_name)
            && self.drive_name(&to_path_name(&self.decode(drive_name))) != drive_name
    }

    /// Returns whether a name is the same in the cloud and in paths: it is ASCII, and no character is
    /// mapped.
    fn is_plain(&self, name: &str) -> bool {
        !matches!(name, "." | "..")
            && self.codec.is_plain(name.as_bytes())
            && path_form::is_plain(name)
    }
}

/// Names of two dots that only a rule for the first or for the last dot encodes like `..`, with the
/// encoded form that they get instead. rclone does not distinguish them.
const AMBIGUOUS_DOTS: [(&str, &str); 2] = [("．.", "‛．．"), (".．", "．‛．")];

/// Returns the encoded form of the names `.` and `..`, and of their own encoded forms.
fn encode_dots(name: &[u8]) -> Option<&'static str> {
    match str::from_utf8(name).ok()? {
        "." => Some("．"),
        ".." => Some("．．"),
        "．" => Some("‛．"),
        "．．" => Some("‛．‛．"),
        _ => None,
    }
}

/// Returns the name that [`encode_dots`] encodes to this text.
fn decode_dots(encoded: &str) -> Option<&'static str> {
    match encoded {
        "．" => Some("."),
        "．．" => Some(".."),
        "‛．" => Some("．"),
        "‛．‛．" => Some("．．"),
        _ => None,
    }
}

/// The error for a text that is not a list of rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown rule {rule:?} (expected Raw, {NONE}, or some of: {})", rule_names())]
pub struct ParseEncodingError {
    rule: String,
}

/// Returns the names of all rules, separated by commas.
fn rule_names() -> String {
    let names: Vec<_> = RULES.iter().map(|(name, ..)| *name).collect();
    names.join(", ")
}

impl FromStr for NameEncoding {
    type Err = ParseEncodingError;

    /// Parses names of rules, separated by commas, as rclone writes them: `Colon,RightSpace`. `None`
    /// is the list without rules.
    ///
    /// # Errors
    /// If a name is not that of a rule.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut rules = 0;
        for name in text.split(',').map(str::trim).filter(|name| *name != NONE) {
            let bit = RULES.iter().position(|(rule, ..)| *rule == name);
            let bit = bit.ok_or_else(|| ParseEncodingError { rule: name.to_owned() })?;
            rules |= 1 << bit;
        }
        Ok(Self::from_bits(rules))
    }
}

impl fmt::Display for NameEncoding {
    /// Writes the names of the rules, as [`from_str`](FromStr::from_str) parses them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = RULES.iter().enumerate().filter(|(bit, _)| self.rules >> bit & 1 == 1);
        let names: Vec<_> = rules.map(|(_, (name, ..))| *name).collect();
        f.write_str(if names.is_empty() { NONE.to_owned() } else { names.join(",") }.as_str())
    }
}
