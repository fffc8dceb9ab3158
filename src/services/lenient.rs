//! Lenient decoding of JSON values whose format is not fully documented. One unexpected value must
//! not make a whole page unreadable.

use std::fmt;

#[cfg(any(test, feature = "services-amazon-drive", feature = "services-skydrive"))]
use serde::Deserialize;
use serde::{
    Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
#[cfg(any(feature = "services-amazon-drive", feature = "services-skydrive"))]
use serde_json::Value;

/// Decodes a size in bytes: a non-negative integer, or a text with one. Any other value is an
/// unknown size, `None`.
///
/// # Errors
/// Only those of a text that is not JSON.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    deserializer.deserialize_any(SizeVisitor)
}

/// Decodes a size. Any other value decodes to `None`, never to an error.
struct SizeVisitor;

impl<'de> Visitor<'de> for SizeVisitor {
    type Value = Option<u64>;

    /// Names a size, for error messages.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size in bytes")
    }

    /// Returns the number.
    fn visit_u64<E: Error>(self, size: u64) -> Result<Self::Value, E> {
        Ok(Some(size))
    }

    /// Returns the number, or `None` if it is negative.
    fn visit_i64<E: Error>(self, size: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(size).ok())
    }

    /// Ignores a number with a fraction: returns `None`.
    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    /// Ignores the value: returns `None`.
    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    /// Returns the number in the text, or `None` if the text is none.
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.parse().ok())
    }

    /// Returns `None` for `null`.
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    /// Returns `None` for an absent value.
    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    /// Skips the list and returns `None`.
    ///
    /// # Errors
    /// Those of a text that is not JSON.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// Skips the object and returns `None`.
    ///
    /// # Errors
    /// Those of a text that is not JSON.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// An entry of a page, or another JSON value in its place.
#[cfg(any(feature = "services-amazon-drive", feature = "services-skydrive"))]
#[derive(Deserialize)]
#[serde(untagged)]
enum LenientEntry<T> {
    Known(T),
    Other(Value),
}

/// Decodes the entries of a page. `fallback` converts a value that is not a valid entry.
///
/// # Errors
/// If the value is not a list.
#[cfg(any(feature = "services-amazon-drive", feature = "services-skydrive"))]
pub(super) fn entries<'de, D, T>(
    deserializer: D,
    fallback: fn(&Value) -> T,
) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let entries = Vec::<LenientEntry<T>>::deserialize(deserializer)?;
    let read = |entry| match entry {
        LenientEntry::Known(entry) => entry,
        LenientEntry::Other(value) => fallback(&value),
    };
    Ok(entries.into_iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_a_size_is_an_unknown_size() {
        #[derive(Deserialize)]
        struct File {
            #[serde(default, deserialize_with = "size")]
            size: Option<u64>,
        }
        for (text, expected) in [
            ("{}", None),
            (r#"{"size": 7}"#, Some(7)),
            (r#"{"size": "7"}"#, Some(7)),
            (r#"{"size": 0}"#, Some(0)),
            (r#"{"size": -1}"#, None),
            (r#"{"size": 1.5}"#, None),
            (r#"{"size": null}"#, None),
            (r#"{"size": "large"}"#, None),
            (r#"{"size": {"a": [1]}}"#, None),
            (r#"{"size": [1, {}]}"#, None),
        ] {
            assert_eq!(serde_json::from_str::<File>(text).unwrap().size, expected, "{text}");
        }
    }
}
