//! The query parameters of a request (live-connect#query-parameters).

use std::borrow::Cow;

use super::error::{LiveError, Result};

/// The decoded parameters, in order. The first value of a repeated parameter counts.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveQuery(Vec<(String, String)>);

impl LiveQuery {
    /// Parses the query of a URL, percent-encoded and without the question mark. `None` is an empty
    /// query.
    pub(super) fn parse(text: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(text.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// Returns the value of a parameter, percent-decoded; `None` if it is missing or empty. `name`
    /// is in the case of the reference.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns a boolean parameter, `true` or `false` in any case; `None` if it is missing or
    /// empty.
    ///
    /// # Errors
    /// 400 for any other value.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.get(name)
            .map(|value| match value.to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(LiveError::parameter(format!(
                    "The value '{value}' of '{name}' isn't 'true' or 'false'."
                ))),
            })
            .transpose()
    }

    /// Returns a parameter that is a whole number from 0; `None` if it is missing or empty.
    ///
    /// # Errors
    /// 400 if it is not such a number, or needs more than 64 bits.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        self.get(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    LiveError::parameter(format!(
                        "The value '{value}' of '{name}' isn't a whole number."
                    ))
                })
            })
            .transpose()
    }

    /// Returns all parameters, for clients that send the members of a body in the query.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Percent-decodes a path segment.
///
/// # Errors
/// 400 if it is not UTF-8.
pub(super) fn decode_segment(segment: &str) -> Result<Cow<'_, str>> {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| LiveError::url("The URL has percent-encoded bytes that aren't UTF-8."))
}
