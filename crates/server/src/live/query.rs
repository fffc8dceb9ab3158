//! A request's query parameters (live-connect#query-parameters).

use std::borrow::Cow;

use super::error::{LiveError, Result};

/// The parameters of a query, decoded. Of one that is given twice the first counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(text: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(text.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// A parameter's value; an empty one counts as none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(given, _)| given == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that is true or false.
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

    /// A parameter that is a whole number, not negative.
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

    /// The parameters as the fields of a body, for clients that can send none.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A segment of a path, decoded; an error if it is not UTF-8.
pub(super) fn decoded(segment: &str) -> Result<Cow<'_, str>> {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| LiveError::url("The URL has percent-encoded bytes that aren't UTF-8."))
}
