//! How an answer is written (live-connect#query-parameters): pretty or compact, as JSON or as a
//! script, errors with a status or without.

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use serde_json::json;

use super::{
    error::{LiveError, Result},
    query::Query,
};
use crate::protocol::OverBudget;

/// The response to a request beyond the budget (live-connect#error-throttled).
pub(super) const OVER_BUDGET: OverBudget =
    OverBudget { status: 420, retry_after: true, rate_limit_headers: false };

/// Returns an error response with a status.
pub(super) fn failure(status: StatusCode) -> Response {
    ResponseFormat::default().error(&LiveError::on_demand(status))
}

/// How an answer is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResponseFormat {
    /// `pretty`: indented, which is the default.
    pub pretty: bool,
    /// `callback`: a script that calls this function.
    pub callback: Option<String>,
    /// `suppress_response_codes`: errors are told with status 200.
    pub suppress: bool,
}

impl Default for ResponseFormat {
    fn default() -> Self {
        Self { pretty: true, callback: None, suppress: false }
    }
}

impl ResponseFormat {
    /// What the query asks for.
    pub(super) fn of(query: &Query, method: &Method) -> Result<Self> {
        let callback = match query.get("callback") {
            Some(name) if *method == Method::GET => {
                if !is_function(name) {
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
            suppress: query.flag("suppress_response_codes")?.unwrap_or(false),
        })
    }

    /// One value as the whole body.
    pub(super) fn json(&self, status: StatusCode, value: &impl Serialize) -> Response {
        let mut body = self.opening().into_bytes();
        body.extend(self.value(value, 0));
        body.extend(self.closing().as_bytes());
        self.body(status, Body::from(body))
    }

    /// An error: with status 200 where that was asked for, and always in a script, which would not
    /// get to see it otherwise.
    pub(super) fn failure(&self, status: StatusCode, value: &impl Serialize) -> Response {
        let quiet = self.suppress || self.callback.is_some();
        self.json(if quiet { StatusCode::OK } else { status }, value)
    }

    /// Returns an error response.
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

    /// A body of pieces, which begin with [`opening`](Self::opening) and end with
    /// [`closing`](Self::closing).
    pub(super) fn body(&self, status: StatusCode, body: Body) -> Response {
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

    /// What comes before the JSON.
    pub(super) fn opening(&self) -> String {
        self.callback.as_ref().map_or_else(String::new, |function| format!("{function}("))
    }

    /// What comes after the JSON.
    pub(super) fn closing(&self) -> &'static str {
        if self.callback.is_some() { ");" } else { "" }
    }

    /// A value, so many levels deep in the body.
    pub(super) fn value(&self, value: &impl Serialize, depth: usize) -> Vec<u8> {
        if !self.pretty {
            return serde_json::to_vec(value).expect("plain data");
        }
        let text = serde_json::to_string_pretty(value).expect("plain data");
        // A line feed inside of a string is escaped, so every one here begins a line.
        text.replace('\n', &format!("\n{}", "  ".repeat(depth))).into_bytes()
    }
}

/// Whether a text is names of JavaScript joined by dots, so that nothing else gets into the script.
fn is_function(text: &str) -> bool {
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
        assert_eq!(pretty.value(&value, 1), b"{\n    \"a\": \"1\\n2\"\n  }");
        let compact = ResponseFormat { pretty: false, ..pretty };
        assert_eq!(compact.value(&value, 1), br#"{"a":"1\n2"}"#);
    }

    #[test]
    fn only_names_of_functions_get_into_a_script() {
        for name in ["f", "_a.$b.c1"] {
            assert!(is_function(name), "{name}");
        }
        for name in ["", "1a", "a-b", "a(", "a..b", "alert(1);f", "a b"] {
            assert!(!is_function(name), "{name}");
        }
    }
}
