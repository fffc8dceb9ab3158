//! JSON bodies of the control interface.

use serde::de::DeserializeOwned;

/// One value, or a list of them; an error says which one is wrong and how.
pub(crate) fn one_or_many<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<Vec<T>, String> {
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let values = match value {
        serde_json::Value::Array(values) => values,
        one => vec![one],
    };
    values
        .into_iter()
        .enumerate()
        .map(|(at, value)| {
            serde_json::from_value(value).map_err(|error| format!("{what} {}: {error}", at + 1))
        })
        .collect()
}
