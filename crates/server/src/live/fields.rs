//! The fields of a small body: JSON as documented, or a form, as the old client sends it
//! (live-connect#request-bodies).

use axum::{
    body::Body,
    http::{header, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::{
    error::{LiveError, Result},
    query::Query,
};

/// The largest body that is no file, in bytes.
const LARGEST: usize = 1 << 20;

/// The fields of a body.
#[derive(Debug, PartialEq)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads the fields of a request. Where the method is given in the query, so are the fields
    /// that the body does not have: whoever cannot send the method cannot send a body with it.
    /// (Inferred.)
    pub(super) async fn of(request: &Parts, body: Body, query: &Query) -> Result<Self> {
        let bytes = Limited::new(body, LARGEST)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    LiveError::too_large(LARGEST as u64)
                } else {
                    LiveError::body(format!("The request entity body couldn't be read: {error}."))
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

    /// A field that is text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(LiveError::body(format!("The parameter '{name}' isn't a string."))),
        }
    }

    /// A field that is text and must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| LiveError::missing(name))
    }

    /// A field that is text, or null to have it removed; the outer `None`: it is not there.
    pub(super) fn nullable(&self, name: &str) -> Result<Option<Option<&str>>> {
        if self.0.contains_key(name) { self.text(name).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn json_and_forms_say_the_same() {
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
    fn what_is_no_field_is_refused_in_the_words_of_the_reference() {
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
