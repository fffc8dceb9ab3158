//! JSON bodies that contain one value or a list of values.

use serde::de::DeserializeOwned;

/// An error of parsing a value or a list of values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// A value has an unknown, missing or wrong member.
    #[error("{kind} {number}: {source}")]
    Value {
        /// The kind of value, such as `rule`.
        kind: &'static str,
        /// The position in the list, from 1.
        number: usize,
        /// The reason.
        source: serde_json::Error,
    },
}

/// Parses a value or a list of values. `kind` is the name of a value in errors.
///
/// # Errors
/// [`JsonError::Syntax`] if the body is not JSON; [`JsonError::Value`] with the number, from 1, of
/// the first value with an unknown, missing or wrong member.
pub(crate) fn one_or_many<T: DeserializeOwned>(
    body: &[u8],
    kind: &'static str,
) -> Result<Vec<T>, JsonError> {
    let value: serde_json::Value = serde_json::from_slice(body).map_err(JsonError::Syntax)?;
    let values = match value {
        serde_json::Value::Array(values) => values,
        one => vec![one],
    };
    let parse = |(at, value)| {
        serde_json::from_value(value).map_err(|source| JsonError::Value {
            kind,
            number: at + 1,
            source,
        })
    };
    values.into_iter().enumerate().map(parse).collect()
}
