//! Reversible replacement of characters: the algorithm behind [`NameEncoding`](super::NameEncoding)
//! and behind the names in paths.
//!
//! A special character is written as a similar one, its replacement. A replacement character of the
//! original text is written with a [`QUOTE`] before it, and quotes before a special character are
//! doubled. So the number of quotes before a replacement says whether it was one in the original
//! text: even if it replaces the special character, odd if not.

/// The character that quotes replacement characters (SINGLE HIGH-REVERSED-9 QUOTATION MARK), and
/// that begins the two hexadecimal digits of an invalid byte.
pub(super) const QUOTE: char = '\u{201b}';

/// Distance between a printable ASCII character and its full-width form.
const FULL_WIDTH: u32 = 0xfee0;

/// The symbol for NUL. The symbols of the other control characters and of the space follow it.
const SYMBOLS: u32 = 0x2400;

/// Returns the character that replaces an ASCII character: the symbol of a control character or of
/// the space, and the full-width form of a printable character.
fn replacement(c: char) -> char {
    let code = u32::from(c);
    let replaced = match code {
        0..=0x20 => SYMBOLS + code,
        0x7f => SYMBOLS + 0x21,
        _ => code + FULL_WIDTH,
    };
    char::from_u32(replaced).unwrap_or(c)
}

/// Returns the ASCII character that `c` replaces. `None` if it replaces none.
fn original(c: char) -> Option<char> {
    let code = u32::from(c);
    let original = match code {
        0x2400..=0x2420 => code - SYMBOLS,
        0x2421 => 0x7f,
        0xff01..=0xff5e => code - FULL_WIDTH,
        _ => return None,
    };
    char::from_u32(original)
}

/// A set of ASCII characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CharSet(u128);

impl CharSet {
    /// Returns the set of the characters of an ASCII text.
    pub(super) const fn from_ascii(text: &str) -> Self {
        let (bytes, mut set, mut at) = (text.as_bytes(), 0, 0);
        while at < bytes.len() {
            assert!(bytes[at].is_ascii());
            set |= 1 << bytes[at];
            at += 1;
        }
        Self(set)
    }

    /// Returns the set of the control characters `U+0001` to `U+001F`.
    pub(super) const fn controls() -> Self {
        Self(0xffff_fffe)
    }

    /// Returns the characters of both sets.
    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether the set has a character.
    fn contains(self, c: char) -> bool {
        c.is_ascii() && self.0 >> u32::from(c) & 1 == 1
    }
}

/// A part of a name: a character, or a byte that is not UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    Byte(u8),
}

/// The special characters of a reversible replacement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Codec {
    /// Special wherever they occur.
    pub(super) anywhere: CharSet,
    /// Special as the first character.
    pub(super) first: CharSet,
    /// Special as the last character.
    pub(super) last: CharSet,
    /// All quotes of the original text are doubled, not only those before a special character.
    pub(super) doubles_all_quotes: bool,
}

impl Codec {
    /// Returns whether a text is its own encoded form, because it is ASCII and has no special
    /// character.
    pub(super) fn is_plain(&self, text: &[u8]) -> bool {
        let is_special = |set: CharSet, byte: Option<&u8>| {
            byte.is_some_and(|byte| set.contains(char::from(*byte)))
        };
        text.is_ascii()
            && !text.iter().any(|byte| self.anywhere.contains(char::from(*byte)))
            && !is_special(self.first, text.first())
            && !is_special(self.last, text.last())
    }

    /// Returns whether the character after `quotes` quotes of the original text, which begin at the
    /// position `start`, is the first one. If only some quotes are doubled, a character after quotes is
    /// special too: one quote before the replacement of a first character always belongs to it.
    fn is_first(&self, start: usize, quotes: usize) -> bool {
        start == 0 && (quotes == 0 || !self.doubles_all_quotes)
    }

    /// Returns whether the ASCII character `c` is special at a position.
    fn is_special(&self, c: char, is_first: bool, is_last: bool) -> bool {
        self.anywhere.contains(c)
            || (is_first && self.first.contains(c))
            || (is_last && self.last.contains(c))
    }

    /// Returns the encoded form of a name. Bytes that are not UTF-8 become a quote and two
    /// hexadecimal digits.
    pub(super) fn encode(&self, name: &[u8]) -> String {
        let tokens = tokens(name);
        let mut encoded = String::with_capacity(name.len() + 8);
        let mut at = 0;
        while at < tokens.len() {
            let start = at;
            while tokens.get(at) == Some(&Token::Char(QUOTE)) {
                at += 1;
            }
            let quotes = at - start;
            let is_first = self.is_first(start, quotes);
            let is_last = at + 1 == tokens.len();
            match tokens.get(at) {
                Some(Token::Byte(byte)) => {
                    push_quotes(&mut encoded, 2 * quotes + 1);
                    encoded.push_str(&format!("{byte:02X}"));
                }
                Some(Token::Char(c)) if self.is_special(*c, is_first, is_last) => {
                    push_quotes(&mut encoded, 2 * quotes);
                    encoded.push(replacement(*c));
                }
                Some(Token::Char(c))
                    if original(*c).is_some_and(|c| self.is_special(c, is_first, is_last)) =>
                {
                    push_quotes(&mut encoded, 2 * quotes + 1);
                    encoded.push(*c);
                }
                other => {
                    let is_doubled = self.doubles_all_quotes || hex_byte(&tokens[at..]).is_some();
                    push_quotes(&mut encoded, if is_doubled { 2 * quotes } else { quotes });
                    if let Some(Token::Char(c)) = other {
                        encoded.push(*c);
                    }
                }
            }
            at += 1;
        }
        encoded
    }

    /// Returns the name with an encoded form. Another text is decoded as far as possible, and its
    /// result may have a different encoded form.
    pub(super) fn decode(&self, encoded: &str) -> Vec<u8> {
        let tokens = tokens(encoded.as_bytes());
        let mut name = Vec::with_capacity(encoded.len());
        let mut at = 0;
        while at < tokens.len() {
            let start = at;
            while tokens.get(at) == Some(&Token::Char(QUOTE)) {
                at += 1;
            }
            let (quotes, is_quoted) = ((at - start) / 2, (at - start) % 2 == 1);
            let is_first = self.is_first(start, quotes);
            let is_last = at + 1 == tokens.len();
            let Some(Token::Char(c)) = tokens.get(at).copied() else {
                self.push_plain_quotes(&mut name, at - start);
                break;
            };
            let special = original(c).filter(|c| self.is_special(*c, is_first, is_last));
            match (special, hex_byte(&tokens[at..])) {
                (Some(special), _) => {
                    push_bytes(&mut name, QUOTE, quotes);
                    push_bytes(&mut name, if is_quoted { c } else { special }, 1);
                }
                (None, Some(byte)) if is_quoted => {
                    push_bytes(&mut name, QUOTE, quotes);
                    name.push(byte);
                    at += 1;
                }
                (None, Some(_)) => {
                    push_bytes(&mut name, QUOTE, quotes);
                    push_bytes(&mut name, c, 1);
                }
                (None, None) => {
                    self.push_plain_quotes(&mut name, at - start);
                    push_bytes(&mut name, c, 1);
                }
            }
            at += 1;
        }
        name
    }

    /// Appends the original form of `count` quotes that are not before a special character.
    fn push_plain_quotes(&self, name: &mut Vec<u8>, count: usize) {
        let original = if self.doubles_all_quotes { count.div_ceil(2) } else { count };
        push_bytes(name, QUOTE, original);
    }
}

/// Splits a name into its characters and invalid bytes.
fn tokens(name: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        tokens.extend(chunk.valid().chars().map(Token::Char));
        tokens.extend(chunk.invalid().iter().copied().map(Token::Byte));
    }
    tokens
}

/// Returns the byte that the first two tokens denote, if they are its two upper-case hexadecimal
/// digits and the byte is not ASCII. Only such bytes are invalid in UTF-8.
fn hex_byte(tokens: &[Token]) -> Option<u8> {
    let digit = |token: &Token| match token {
        Token::Char(c) if !c.is_ascii_lowercase() => c.to_digit(16),
        _ => None,
    };
    let [high, low, ..] = tokens else { return None };
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    (!byte.is_ascii()).then_some(byte)
}

/// Appends `count` quotes.
fn push_quotes(text: &mut String, count: usize) {
    text.extend(std::iter::repeat_n(QUOTE, count));
}

/// Appends the UTF-8 bytes of a character `count` times.
fn push_bytes(name: &mut Vec<u8>, c: char, count: usize) {
    let mut buffer = [0; 4];
    let bytes = c.encode_utf8(&mut buffer).as_bytes();
    for _ in 0..count {
        name.extend_from_slice(bytes);
    }
}
