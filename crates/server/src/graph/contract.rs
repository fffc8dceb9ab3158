//! The contract of a route: which query options, preferences and body members it accepts. Every
//! request is checked before its handler runs, so that no part of a request is silently dropped.
//!
//! Each route in the [table](super::table) declares a [`Contract`]:
//!
//! | part of the request | response |
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
use bytes::Bytes;
use futures::TryStreamExt;
use http::HeaderMap;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    error::{Error, Result},
    query::{QueryOptions, SYSTEM_OPTIONS},
};
use crate::tree::Bytestream;

/// The query options, preferences and body that a route accepts.
#[derive(Debug)]
pub(super) struct Contract {
    /// OData options that the handler applies, without `$`.
    pub(super) odata: &'static [&'static str],
    /// OData options that the cloud refuses on this route, without `$`.
    pub(super) refused: &'static [&'static str],
    /// Other options that the handler applies.
    pub(super) plain: &'static [&'static str],
    /// Other options that Microsoft describes for this route and that are not implemented. An entry
    /// `name=value` accepts the value, which is the default.
    pub(super) unimplemented: &'static [&'static str],
    /// Preferences (`Prefer`) that Microsoft describes for this route and that are not
    /// implemented.
    pub(super) preferences: &'static [&'static str],
    /// Relations that `$expand` accepts; empty for those of a driveItem.
    pub(super) relations: &'static [&'static str],
    pub(super) body: BodyRule,
}

/// The body that a route reads.
#[derive(Debug)]
pub(super) enum BodyRule {
    /// The route has no body; a body is not read.
    None,
    /// A file's bytes.
    Bytes,
    /// A JSON object with these members.
    Json(Members),
    /// A form in `application/x-www-form-urlencoded`.
    Form,
}

/// Members of a JSON object. A nested member is written `outer.inner`, also if `outer` is an array
/// of objects.
#[derive(Debug)]
pub(super) struct Members {
    /// Members that the handler applies.
    pub(super) implemented: &'static [&'static str],
    /// Members that Microsoft describes and that are not implemented. An entry `name=value` accepts
    /// the value, which is the default.
    pub(super) unimplemented: &'static [&'static str],
    /// Read-only members of the resource. They are ignored: clients send whole resources back.
    pub(super) read_only: &'static [&'static str],
    pub(super) unknown: UnknownMembers,
    /// Maximum size of the body in bytes.
    pub(super) limit: usize,
}

/// How the route treats a member that Microsoft does not describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnknownMembers {
    Ignored,
    /// Refused with 400 and this code.
    Refused(&'static str),
    /// Checked by the handler.
    Handled,
}

/// A request's body that satisfies the contract of its route.
#[derive(Debug)]
pub(super) enum Payload {
    None,
    Bytes(Body),
    Json(Value),
    /// Names and values in their order.
    Form(Vec<(String, String)>),
}

impl Contract {
    /// Accepts no options and no body.
    pub(super) const NONE: Self = Self {
        odata: &[],
        refused: &[],
        plain: &[],
        unimplemented: &[],
        preferences: &[],
        relations: &[],
        body: BodyRule::None,
    };

    /// Checks the options of a query. Their values are not checked.
    ///
    /// # Errors
    /// 501 for one that is not implemented; 400 for one that the cloud refuses, one with `$` that
    /// is unknown, and one that is given twice.
    pub(super) fn check_query(&self, query: &QueryOptions) -> Result<()> {
        let mut given_before: Vec<&str> = Vec::new();
        for (given, name, value) in query.options() {
            if given.starts_with('@') {
                // An annotation, or the value of a parameter alias in the path.
                continue;
            }
            if is_unimplemented(self.unimplemented, name, &Value::from(value)) {
                return Err(unsupported_option(given));
            }
            if self.refused.contains(&name) {
                return Err(Error::invalid(format!(
                    "${name} is not supported on this API. Only URLs returned by the API can be \
                     used to page."
                )));
            }
            if self.odata.contains(&name) || (given == name && self.plain.contains(&name)) {
                if given_before.contains(&name) {
                    return Err(Error::bad_query(format!(
                        "Query option '{given}' was specified more than once, but it must be \
                         specified at most once."
                    )));
                }
                given_before.push(name);
            } else if is_json(name, value) && !self.has_file_format() {
                // Every response is JSON.
            } else if SYSTEM_OPTIONS.contains(&name) {
                return Err(unsupported_option(given));
            } else if given.starts_with('$') {
                return Err(Error::bad_query(format!(
                    "The query parameter '{given}' is not supported."
                )));
            }
        }
        Ok(())
    }

    /// Returns whether `format` on this route is the format of a file, not of the response.
    fn has_file_format(&self) -> bool {
        self.unimplemented.contains(&"format")
    }

    /// Checks the `Prefer` headers of a request. Unknown preferences are ignored (RFC 7240). Names
    /// have any case.
    ///
    /// # Errors
    /// 501 for one that is described and not implemented.
    pub(super) fn check_preferences(&self, headers: &HeaderMap) -> Result<()> {
        let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split(',')) {
            let name = preference.split(['=', ';']).next().unwrap_or_default().trim();
            if self.preferences.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                return Err(Error::unsupported(format_args!("apply the preference '{name}'")));
            }
        }
        Ok(())
    }

    /// Reads the body and checks its members.
    ///
    /// # Errors
    /// 400 for a body that ends early, is not JSON, or has a member that the cloud refuses; 413 for
    /// one over the limit of the route's members; 501 for a member that is not implemented.
    pub(super) async fn read_body(&self, body: Body) -> Result<Payload> {
        match &self.body {
            BodyRule::None => Ok(Payload::None),
            BodyRule::Bytes => Ok(Payload::Bytes(body)),
            BodyRule::Json(members) => {
                let value: Value = read_json(body, members.limit).await?;
                members.check("", &value)?;
                Ok(Payload::Json(value))
            }
            BodyRule::Form => {
                let bytes = read_bytes(body, FORM_LIMIT).await?;
                let form = url::form_urlencoded::parse(&bytes);
                Ok(Payload::Form(form.into_owned().collect()))
            }
        }
    }
}

/// Returns 501 for a query option that is described and not implemented. `given` is its name as
/// sent.
fn unsupported_option(given: &str) -> Error {
    Error::unsupported(format_args!("apply the query option '{given}'"))
}

/// Returns whether an option is `format` with the value JSON, which every response has.
fn is_json(name: &str, value: &str) -> bool {
    name == "format" && (value == "json" || value.starts_with("application/json"))
}

/// Returns whether a list of unimplemented names has this one. An entry `name=value` does not count
/// if the request has that value, which is the default.
fn is_unimplemented(list: &[&str], name: &str, value: &Value) -> bool {
    list.iter().any(|entry| match entry.split_once('=') {
        Some((known, default)) => {
            let is_default = *value == default
                || serde_json::from_str::<Value>(default).is_ok_and(|default| default == *value);
            known == name && !is_default
        }
        None => *entry == name,
    })
}

/// Returns the spelling that the table uses for an annotation. The drives' own hosts have another
/// one (onedrive-graph#annotation-spellings).
fn canonical(name: &str) -> &str {
    match name {
        "@name.conflictBehavior" => "@microsoft.graph.conflictBehavior",
        "@content.sourceUrl" => "@microsoft.graph.sourceUrl",
        other => other,
    }
}

impl Members {
    /// Has no members and ignores unknown ones.
    pub(super) const NONE: Self = Self {
        implemented: &[],
        unimplemented: &[],
        read_only: &[],
        unknown: UnknownMembers::Ignored,
        limit: 1 << 20,
    };

    /// Checks an object, or the objects of an array. `within` is the path of the member that has
    /// this value, empty for the body itself. Objects that the table does not describe are not
    /// checked.
    ///
    /// # Errors
    /// 501 for a member that is not implemented, 400 for an unknown one where the route refuses
    /// them.
    fn check(&self, within: &str, value: &Value) -> Result<()> {
        match value {
            Value::Object(object) => self.check_object(within, object),
            Value::Array(all) => {
                all.iter().filter(|one| one.is_object()).try_for_each(|one| self.check(within, one))
            }
            _ => Ok(()),
        }
    }

    /// Checks the members of one object of the request body; `within` is the path of the object in
    /// the body, with dots, empty for the body itself. Members that are null or empty count as
    /// absent.
    ///
    /// # Errors
    /// 501 for a member that is not implemented, 400 for an unknown one where the route refuses
    /// them.
    fn check_object(&self, within: &str, object: &Map<String, Value>) -> Result<()> {
        for (name, value) in object {
            if value.is_null() || *value == "" {
                continue;
            }
            let path = match within {
                "" => canonical(name).to_owned(),
                outer => format!("{outer}.{}", canonical(name)),
            };
            if is_unimplemented(self.unimplemented, &path, value) {
                return Err(Error::unsupported(format_args!(
                    "apply the member '{path}' of the request body"
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
            } else if let UnknownMembers::Refused(code) = self.unknown
                && !is_default
                && !name.contains('@')
                && !self.read_only.contains(&path.as_str())
            {
                let message =
                    format!("cannot read the request body: the member '{path}' is not a parameter");
                return Err(Error::new(http::StatusCode::BAD_REQUEST, code, message));
            }
        }
        Ok(())
    }

    /// Returns whether the table describes members of the member at `path`.
    fn has_inner(&self, path: &str) -> bool {
        let is_inner =
            |entry: &&str| entry.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        [self.implemented, self.unimplemented, self.read_only]
            .into_iter()
            .any(|list| list.iter().any(is_inner))
    }
}

impl Payload {
    /// Deserializes the JSON body. A request without a body gives the value of an empty object.
    ///
    /// # Errors
    /// 400 if a member has the wrong type or a required one is missing.
    pub(super) fn parse<T: DeserializeOwned>(self) -> Result<T> {
        let value = match self {
            Self::Json(value) => value,
            Self::None | Self::Bytes(_) | Self::Form(_) => Value::Object(Map::new()),
        };
        serde_json::from_value(value)
            .map_err(|error| Error::bad_query(format!("cannot read the request body: {error}")))
    }

    /// Returns the first value with a name in a form; `None` if it has none, or the body is no form.
    pub(super) fn form_value(&self, name: &str) -> Option<String> {
        let Self::Form(values) = self else { return None };
        values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Returns the file's bytes; no bytes if the route does not accept a file.
    pub(super) fn into_stream(self) -> Bytestream {
        let body = match self {
            Self::Bytes(body) => body,
            Self::None | Self::Json(_) | Self::Form(_) => Body::empty(),
        };
        Box::pin(TryStreamExt::map_err(body.into_data_stream(), std::io::Error::other))
    }
}

/// Maximum size of a form in bytes. A form has a password only.
const FORM_LIMIT: usize = 16 << 10;

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 for a larger body; 400 if the body ends early.
async fn read_bytes(body: Body, limit: usize) -> Result<Bytes> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::too_large(limit as u64)),
        Err(error) => Err(Error::invalid(format!("cannot read the request body: {error}"))),
    }
}

/// Parses JSON that is a part of a body, and checks its members.
///
/// # Errors
/// 400 if it is not JSON or has a member that the cloud refuses; 501 for a member that is not
/// implemented.
pub(super) fn parse_json(text: &[u8], members: &Members) -> Result<Value> {
    let value = json_from_slice(text)?;
    members.check("", &value)?;
    Ok(value)
}

/// Reads a JSON body of at most `limit` bytes; an empty body counts as `{}`.
///
/// # Errors
/// 413 for a larger body; 400 if the body ends early or is not JSON of the type.
async fn read_json<T: DeserializeOwned>(body: Body, limit: usize) -> Result<T> {
    let bytes = read_bytes(body, limit).await?;
    let text: &[u8] = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &bytes };
    json_from_slice(text)
}

/// Parses a JSON text.
///
/// # Errors
/// 400 if it is not JSON of the type.
fn json_from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T> {
    serde_json::from_slice(text).map_err(|error| {
        Error::bad_query(format!(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and \
             payload is of valid JSON format: {error}."
        ))
    })
}

#[cfg(test)]
mod tests;
