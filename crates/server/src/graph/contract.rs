//! The rule for query options, preferences and body members. It is applied to every request
//! before its handler runs, so that no part of a request is dropped.
//!
//! Each route in the [table](super::table) declares a [`Contract`]. From it follows:
//!
//! | part of the request | answer |
//! |---|---|
//! | declared as implemented | the handler applies it |
//! | described by Microsoft, not implemented | 501 `notSupported`, with its name |
//! | an unknown option with `$`, or one that the cloud refuses | 400, with its name |
//! | an unknown option without `$` | ignored, as the cloud does |
//! | a read-only member | ignored, as the cloud does |
//! | an unknown member of an action | 400: the cloud reads actions by their parameters |
//! | an unknown member of a resource | ignored, as the cloud does |
//!
//! OData's options have the same meaning with and without `$`. `null` and an empty string in a
//! body are the same as absence.

use axum::body::Body;
use http::HeaderMap;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    error::{Error, Result},
    query::{Query, SYSTEM},
    select::{Selection, check_select},
};

/// What a route accepts.
#[derive(Debug)]
pub(super) struct Contract {
    /// Options of OData that the handler applies, without `$`.
    pub(super) odata: &'static [&'static str],
    /// Options of OData that the cloud refuses on this route.
    pub(super) refused: &'static [&'static str],
    /// Other options that the handler applies.
    pub(super) plain: &'static [&'static str],
    /// Other options that Microsoft describes for this route and that are not implemented;
    /// `name=value` where the value asks for the default.
    pub(super) unimplemented: &'static [&'static str],
    /// Preferences (`Prefer`) that Microsoft describes for this route and that are not
    /// implemented.
    pub(super) preferences: &'static [&'static str],
    pub(super) body: BodyRule,
}

/// The body that a route reads.
#[derive(Debug)]
pub(super) enum BodyRule {
    /// None; a body is not read.
    None,
    /// A file's bytes.
    Bytes,
    /// A JSON object with these members.
    Json(Members),
}

/// Members of a JSON object. Members of an object within are written `outer.inner`; those of the
/// objects in an array likewise.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) implemented: &'static [&'static str],
    /// Described by Microsoft and not implemented; `name=value` where the value asks for the
    /// default.
    pub(super) unimplemented: &'static [&'static str],
    /// Read-only in the resource: clients send back what they were given.
    pub(super) read_only: &'static [&'static str],
    pub(super) unknown: Unknown,
    /// Bytes of the body at most.
    pub(super) limit: usize,
}

/// What happens to a member that is not described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Ignored,
    /// 400 with this code.
    Refused(&'static str),
}

/// A body that has passed its route's contract.
#[derive(Debug)]
pub(super) enum Payload {
    None,
    Bytes(Body),
    Json(Value),
}

impl Contract {
    /// No options, no body.
    pub(super) const NONE: Self = Self {
        odata: &[],
        refused: &[],
        plain: &[],
        unimplemented: &[],
        preferences: &[],
        body: BodyRule::None,
    };

    /// Checks the options of a query.
    ///
    /// # Errors
    /// 501 for one that is not implemented, 400 for one that the cloud refuses.
    pub(super) fn check_query(&self, query: &Query) -> Result<()> {
        let mut seen: Vec<&str> = Vec::new();
        for (given, name, value) in query.options() {
            if given.starts_with('@') {
                // An annotation, or the value of a parameter in the path.
                continue;
            }
            if declared(self.unimplemented, name, &Value::from(value)) {
                return Err(unsupported_option(given));
            }
            if self.refused.contains(&name) {
                return Err(Error::invalid(format!(
                    "${name} is not supported on this API. Only URLs returned by the API can be \
                     used to page."
                )));
            }
            if self.odata.contains(&name) || (given == name && self.plain.contains(&name)) {
                if seen.contains(&name) {
                    return Err(Error::bad_query(format!(
                        "Query option '{given}' was specified more than once, but it must be \
                         specified at most once."
                    )));
                }
                seen.push(name);
            } else if is_json(name, value) && !self.names_format() {
                // Every response is JSON already.
            } else if SYSTEM.contains(&name) {
                return Err(unsupported_option(given));
            } else if given.starts_with('$') {
                return Err(Error::bad_query(format!(
                    "The query parameter '{given}' is not supported."
                )));
            }
        }
        if self.odata.contains(&"expand") {
            // Handlers read it again, some of them after they have changed something.
            Selection::of(query)?;
        }
        // Resources that have no relations are projected too.
        check_select(query.get("select"))?;
        Ok(())
    }

    /// Whether `format` on this route means the format of a file and not that of the response.
    fn names_format(&self) -> bool {
        self.unimplemented.contains(&"format")
    }

    /// Checks the preferences of a request. Unknown ones are ignored (RFC 7240).
    ///
    /// # Errors
    /// 501 for one that is described and not implemented.
    pub(super) fn check_preferences(&self, headers: &HeaderMap) -> Result<()> {
        let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split(',')) {
            let name = preference.split(['=', ';']).next().unwrap_or_default().trim();
            if self.preferences.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                return Err(Error::not_supported(format!(
                    "The preference '{name}' (Prefer) is not supported here."
                )));
            }
        }
        Ok(())
    }

    /// Reads and checks the body.
    ///
    /// # Errors
    /// 400 for a body that is not JSON or has a member that the cloud refuses, 413 for one that is
    /// too large, 501 for a member that is not implemented.
    pub(super) async fn take(&self, body: Body) -> Result<Payload> {
        match &self.body {
            BodyRule::None => Ok(Payload::None),
            BodyRule::Bytes => Ok(Payload::Bytes(body)),
            BodyRule::Json(members) => {
                let value: Value = read_json(body, members.limit).await?;
                members.check("", &value)?;
                Ok(Payload::Json(value))
            }
        }
    }
}

fn unsupported_option(given: &str) -> Error {
    Error::not_supported(format!("The query option '{given}' is not supported here."))
}

fn is_json(name: &str, value: &str) -> bool {
    name == "format" && (value == "json" || value.starts_with("application/json"))
}

/// Whether a list of names that are not implemented has this one, with a value that asks for
/// something else than the default.
fn declared(list: &[&str], name: &str, value: &Value) -> bool {
    list.iter().any(|entry| match entry.split_once('=') {
        Some((known, default)) => {
            let is_default = *value == default
                || serde_json::from_str::<Value>(default).is_ok_and(|default| default == *value);
            known == name && !is_default
        }
        None => *entry == name,
    })
}

/// An annotation in the spelling of the table: the drives' own hosts have another one
/// (onedrive-graph#annotation-spellings).
fn canonical(name: &str) -> &str {
    match name {
        "@name.conflictBehavior" => "@microsoft.graph.conflictBehavior",
        "@content.sourceUrl" => "@microsoft.graph.sourceUrl",
        other => other,
    }
}

impl Members {
    /// No members; unknown ones are ignored.
    pub(super) const NONE: Self = Self {
        implemented: &[],
        unimplemented: &[],
        read_only: &[],
        unknown: Unknown::Ignored,
        limit: 1 << 20,
    };

    /// Checks an object, or the objects of an array; `within` is the member that holds it. Goes
    /// no deeper than the names that the table has.
    fn check(&self, within: &str, value: &Value) -> Result<()> {
        match value {
            Value::Object(object) => self.check_object(within, object),
            Value::Array(all) => {
                all.iter().filter(|one| one.is_object()).try_for_each(|one| self.check(within, one))
            }
            _ => Ok(()),
        }
    }

    fn check_object(&self, within: &str, object: &Map<String, Value>) -> Result<()> {
        for (name, value) in object {
            if value.is_null() || *value == "" {
                continue;
            }
            let path = match within {
                "" => canonical(name).to_owned(),
                outer => format!("{outer}.{}", canonical(name)),
            };
            if declared(self.unimplemented, &path, value) {
                return Err(Error::not_supported(format!(
                    "The member '{path}' of the request body is not supported here."
                )));
            }
            let is_default = self
                .unimplemented
                .iter()
                .any(|entry| entry.split_once('=').is_some_and(|(known, _)| known == path));
            if self.implemented.contains(&path.as_str()) {
                if self.has_inner(&path) {
                    self.check(&path, value)?;
                }
            } else if let Unknown::Refused(code) = self.unknown
                && !is_default
                && !name.contains('@')
                && !self.read_only.contains(&path.as_str())
            {
                let message =
                    format!("The request body has the member '{path}', which is not a parameter.");
                return Err(Error::new(http::StatusCode::BAD_REQUEST, code, message));
            }
        }
        Ok(())
    }

    fn has_inner(&self, path: &str) -> bool {
        let is_inner =
            |entry: &&str| entry.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        [self.implemented, self.unimplemented, self.read_only]
            .into_iter()
            .any(|list| list.iter().any(is_inner))
    }
}

impl Payload {
    /// The members that a handler reads.
    ///
    /// # Errors
    /// 400 when a member has another type.
    pub(super) fn parse<T: DeserializeOwned>(self) -> Result<T> {
        let value = match self {
            Self::Json(value) => value,
            Self::None | Self::Bytes(_) => Value::Object(Map::new()),
        };
        serde_json::from_value(value)
            .map_err(|error| Error::bad_query(format!("The request body cannot be read: {error}.")))
    }

    /// The bytes of a file.
    pub(super) fn into_bytes(self) -> Body {
        match self {
            Self::Bytes(body) => body,
            Self::None | Self::Json(_) => Body::empty(),
        }
    }
}

/// Reads a body of JSON with at most `limit` bytes; an empty one is the same as `{}`. Handlers get
/// it from [`Contract::take`], which checks its members.
async fn read_json<T: DeserializeOwned>(body: Body, limit: usize) -> Result<T> {
    let bytes = match Limited::new(body, limit).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Error::too_large(limit as u64));
        }
        Err(error) => {
            return Err(Error::invalid(format!("The body could not be read: {error}.")));
        }
    };
    let text: &[u8] = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| {
        Error::bad_query(format!(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and \
             payload is of valid JSON format: {error}."
        ))
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    const MEMBERS: Members = Members {
        implemented: &["name", "item", "item.name", "list", "list.email"],
        unimplemented: &["password", "keep=true", "item.source"],
        read_only: &["id", "item.size"],
        unknown: Unknown::Refused("invalidRequest"),
        limit: 1 << 20,
    };

    const CONTRACT: Contract = Contract {
        odata: &["select"],
        refused: &["skip"],
        plain: &["token"],
        unimplemented: &["width", "original=false"],
        preferences: &["slow"],
        body: BodyRule::Json(MEMBERS),
    };

    fn query(text: &str) -> Option<u16> {
        let checked = CONTRACT.check_query(&Query::parse(Some(text)).unwrap());
        checked.err().map(|error| error.status.as_u16())
    }

    #[test]
    fn each_option_has_its_answer() {
        for (text, expected) in [
            ("$select=id&token=x&other=1&@a1='x'&$format=json", None),
            ("select=id&original=false&format=application%2Fjson", None),
            ("$top=1", Some(501)),
            ("search=x", Some(501)),
            ("$format=xml", Some(501)),
            ("width=1", Some(501)),
            ("original=true", Some(501)),
            ("skip=1", Some(400)),
            ("$other=1", Some(400)),
            ("$token=x", Some(400)),
            ("%24Select=id", Some(400)),
            ("$select=id&select=name", Some(400)),
        ] {
            assert_eq!(query(text), expected, "{text}");
        }
        assert_eq!(query(&format!("$select={}", vec!["id"; 201].join(","))), Some(400));
    }

    #[test]
    fn each_member_has_its_answer() {
        for (body, expected) in [
            (
                json!({"name": "a", "id": 1, "item": {"name": "b", "size": 1}, "@odata.type": "t"}),
                None,
            ),
            (json!({"keep": true, "password": null, "item": {"source": ""}}), None),
            (json!({"keep": false}), Some("keep")),
            (json!({"password": "x"}), Some("password")),
            (json!({"item": {"source": {}}}), Some("item.source")),
        ] {
            let checked = MEMBERS.check("", &body).err();
            assert_eq!(
                checked.as_ref().map(|error| error.status),
                expected.map(|_| StatusCode::NOT_IMPLEMENTED),
                "{body}"
            );
            let named = |error: Error| error.message.contains(&format!("'{}'", expected.unwrap()));
            assert!(checked.is_none_or(named), "{body}");
        }
        for unknown in [json!({"x": 1}), json!({"item": {"x": 1}}), json!({"list": [{"x": 1}]})] {
            let error = MEMBERS.check("", &unknown).unwrap_err();
            assert_eq!(error.status, StatusCode::BAD_REQUEST, "{unknown}");
            let lenient = Members { unknown: Unknown::Ignored, ..MEMBERS };
            assert!(lenient.check("", &unknown).is_ok(), "{unknown}");
        }
    }

    #[test]
    fn a_preference_is_refused_by_name_and_an_unknown_one_ignored() {
        let check = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", value.parse().unwrap());
            CONTRACT.check_preferences(&headers)
        };
        assert!(check("respond-async, return=minimal").is_ok());
        assert!(check("return=minimal, Slow=1").unwrap_err().message.contains("'Slow'"));
    }

    #[tokio::test]
    async fn an_empty_body_is_an_empty_object() {
        let value: serde_json::Value = read_json(Body::from(" \n"), 9).await.unwrap();
        assert_eq!(value, serde_json::json!({}));
        assert!(read_json::<serde_json::Value>(Body::from("{"), 9).await.is_err());
        let large = Body::from(vec![b' '; 10]);
        let error = read_json::<serde_json::Value>(large, 9).await.unwrap_err();
        assert_eq!(error.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
