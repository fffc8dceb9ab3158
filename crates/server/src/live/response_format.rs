//! The serialization of responses (live-connect#query-parameters): indented or compact, JSON or a
//! script, errors with or without their status.

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use serde_json::json;

use super::{
    error::{LiveError, Result},
    query::LiveQuery,
};
use crate::protocol::OverBudget;

/// The response to a request that exceeds the budget (live-connect#error-throttled).
pub(super) const OVER_BUDGET: OverBudget =
    OverBudget { status: 420, retry_after: true, rate_limit_headers: false };

/// Returns an error response with a status.
pub(super) fn failure(status: StatusCode) -> Response {
    ResponseFormat::default().error(&LiveError::for_status(status))
}

/// Returns a 204 response.
pub(super) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The serialization that the query of a request selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResponseFormat {
    /// `pretty`: indent the JSON. This is the default.
    pub pretty: bool,
    /// `callback`: a function that the response calls with the JSON, as a script.
    pub callback: Option<String>,
    /// `suppress_response_codes`: send errors with status 200.
    pub suppress_status: bool,
}

impl Default for ResponseFormat {
    /// Returns indented JSON with error statuses.
    fn default() -> Self {
        Self { pretty: true, callback: None, suppress_status: false }
    }
}

impl ResponseFormat {
    /// Parses the query. `callback` only applies to `GET`.
    ///
    /// # Errors
    /// 400 if `pretty` or `suppress_response_codes` is neither `true` nor `false`, or if `callback`
    /// of a `GET` is not a dotted sequence of JavaScript names.
    pub(super) fn from_query(query: &LiveQuery, method: &Method) -> Result<Self> {
        let callback = match query.get("callback") {
            Some(name) if *method == Method::GET => {
                if !is_function_name(name) {
                    return Err(LiveError::parameter(
                        "The value of 'callback' isn't the name of a function.",
                    ));
                }
                Some(name.to_owned())
            }
            _ => None,
        };
        Ok(Self {
            pretty: query.flag("pretty")?.unwrap_or(true),
            callback,
            suppress_status: query.flag("suppress_response_codes")?.unwrap_or(false),
        })
    }

    /// Returns a response whose body is one value.
    pub(super) fn json(&self, status: StatusCode, value: &impl Serialize) -> Response {
        let mut body = self.prefix().into_bytes();
        body.extend(self.serialize(value, 0));
        body.extend(self.suffix().as_bytes());
        self.with_body(status, Body::from(body))
    }

    /// Returns an error response. The status is 200 with `suppress_response_codes`, and in a
    /// script, because a browser does not run a script that has an error status.
    pub(super) fn failure(&self, status: StatusCode, value: &impl Serialize) -> Response {
        let is_hidden = self.suppress_status || self.callback.is_some();
        self.json(if is_hidden { StatusCode::OK } else { status }, value)
    }

    /// Returns the response of a [`LiveError`].
    pub(super) fn error(&self, error: &LiveError) -> Response {
        let body = json!({ "error": { "code": error.code, "message": error.message } });
        let mut response = self.failure(error.status, &body);
        if let Some(challenge) = error.challenge {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }

    /// Returns a response with a body that the caller has serialized. The body starts with
    /// [`prefix`](Self::prefix) and ends with [`suffix`](Self::suffix).
    pub(super) fn with_body(&self, status: StatusCode, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let media_type = match self.callback {
            Some(_) => "text/javascript; charset=UTF-8",
            None => "application/json; charset=UTF-8",
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    /// Returns the text before the JSON.
    pub(super) fn prefix(&self) -> String {
        self.callback.as_ref().map_or_else(String::new, |function| format!("{function}("))
    }

    /// Returns the text after the JSON.
    pub(super) fn suffix(&self) -> &'static str {
        if self.callback.is_some() { ");" } else { "" }
    }

    /// Serializes a value that is nested `depth` levels deep in the body. `value` must be
    /// serializable as JSON.
    pub(super) fn serialize(&self, value: &impl Serialize, depth: usize) -> Vec<u8> {
        if !self.pretty {
            return serde_json::to_vec(value).expect("plain data");
        }
        let text = serde_json::to_string_pretty(value).expect("plain data");
        // Strings contain no raw line feeds, so each line feed starts a line.
        text.replace('\n', &format!("\n{}", "  ".repeat(depth))).into_bytes()
    }
}

/// Returns whether `text` is a dotted sequence of JavaScript identifiers. Anything else could
/// inject code into the script.
fn is_function_name(text: &str) -> bool {
    let is_name = |name: &str| {
        let mut characters = name.chars();
        characters.next().is_some_and(|first| first.is_ascii_alphabetic() || "_$".contains(first))
            && characters.all(|next| next.is_ascii_alphanumeric() || "_$".contains(next))
    };
    text.len() <= 255 && text.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_indented_by_its_depth_and_strings_stay_as_they_are() {
        let value = json!({ "a": "1\n2" });
        let pretty = ResponseFormat::default();
        assert_eq!(pretty.serialize(&value, 1), b"{\n    \"a\": \"1\\n2\"\n  }");
        let compact = ResponseFormat { pretty: false, ..pretty };
        assert_eq!(compact.serialize(&value, 1), br#"{"a":"1\n2"}"#);
    }

    #[test]
    fn only_names_of_functions_get_into_a_script() {
        for name in ["f", "_a.$b.c1"] {
            assert!(is_function_name(name), "{name}");
        }
        for name in ["", "1a", "a-b", "a(", "a..b", "alert(1);f", "a b"] {
            assert!(!is_function_name(name), "{name}");
        }
    }
}
