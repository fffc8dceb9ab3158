//! The members of a small request body: JSON as documented, or a form as the old client sends it
//! (live-connect#request-bodies).

use axum::{
    body::Body,
    http::{header, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::{
    error::{LiveError, Result},
    query::LiveQuery,
};

/// Maximum length of a body that is not a file, in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// The members of a body, by name.
#[derive(Debug, PartialEq)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads the body of a request. With `?method=`, the query parameters are also members, unless
    /// the body has them: a client that cannot send the method cannot send a body with it either
    /// (inferred).
    ///
    /// # Errors
    /// 413 over [`MAX_LENGTH`] bytes; 400 if the body ends early, or is neither a JSON object nor a
    /// form.
    pub(super) async fn read(request: &Parts, body: Body, query: &LiveQuery) -> Result<Self> {
        let bytes = Limited::new(body, MAX_LENGTH)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    LiveError::too_large(MAX_LENGTH as u64)
                } else {
                    LiveError::unreadable_body(error)
                }
            })?
            .to_bytes();
        let content_type = request.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.map_or("", |value| value.to_str().unwrap_or_default());
        let mut fields = Self::parse(content_type, &bytes)?;
        if query.get("method").is_some() {
            for (name, value) in query.pairs() {
                fields.0.entry(name).or_insert_with(|| Value::String(value.to_owned()));
            }
        }
        Ok(fields)
    }

    /// Parses a body: a form if `content_type`, the header's value with its parameters, is that of
    /// a form, else JSON. An empty body has no members.
    ///
    /// # Errors
    /// 400 if the body is neither empty, a form nor a JSON object.
    fn parse(content_type: &str, bytes: &[u8]) -> Result<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let pairs = url::form_urlencoded::parse(bytes).into_owned();
            return Ok(Self(pairs.map(|(name, value)| (name, Value::String(value))).collect()));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(LiveError::body("The request entity body isn't a JSON object.")),
            Err(error) => {
                Err(LiveError::body(format!("The request entity body isn't valid JSON: {error}.")))
            }
        }
    }

    /// Returns all members.
    pub(super) fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Returns a text member, which may be empty; `None` if it is missing or null.
    ///
    /// # Errors
    /// 400 if the member is not a string.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(LiveError::body(format!("The parameter '{name}' isn't a string."))),
        }
    }

    /// Returns a required text member.
    ///
    /// # Errors
    /// 400 if it is missing, empty or not a string.
    pub(super) fn required(&self, name: &str) -> Result<&str> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| LiveError::missing(name))
    }

    /// Returns a text member that can be removed: `None` if it is missing, `Some(None)` if it is
    /// null.
    ///
    /// # Errors
    /// 400 if the member is not a string.
    pub(super) fn nullable(&self, name: &str) -> Result<Option<Option<&str>>> {
        if self.0.contains_key(name) { self.text(name).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn json_and_forms_have_the_same_fields() {
        let json = r#"{"name": "d e", "description": "ä"}"#.as_bytes();
        let json = Fields::parse("application/json; charset=utf-8", json);
        assert_eq!(json, Fields::parse(FORM, b"name=d+e&description=%C3%A4"));
        assert_eq!(json.expect("fields").text("name"), Ok(Some("d e")));
    }

    #[test]
    fn without_a_type_a_body_is_json() {
        let fields = Fields::parse("", br#"{"name": "a"}"#).expect("fields");
        assert_eq!(fields.required("name"), Ok("a"));
    }

    #[test]
    fn null_removes_and_absence_leaves() {
        let fields = Fields::parse("", br#"{"description": null}"#).expect("fields");
        assert_eq!(fields.nullable("description"), Ok(Some(None)));
        assert_eq!(fields.nullable("name"), Ok(None));
    }

    #[test]
    fn invalid_bodies_have_the_codes_of_the_reference() {
        let code = |bytes: &[u8]| Fields::parse("", bytes).map_err(|error| error.code);
        assert_eq!(code(b"{"), Err("request_body_invalid"));
        assert_eq!(code(b"[]"), Err("request_body_invalid"));
        let fields = Fields::parse("", br#"{"name": 5, "to": ""}"#).expect("fields");
        assert_eq!(fields.text("name").map_err(|error| error.code), Err("request_body_invalid"));
        assert_eq!(
            fields.required("to").map_err(|error| error.code),
            Err("request_parameter_missing")
        );
        assert_eq!(
            fields.required("x").map_err(|error| error.code),
            Err("request_parameter_missing")
        );
    }
}
