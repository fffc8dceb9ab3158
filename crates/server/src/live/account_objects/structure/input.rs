//! Validates the members of a request body against the structures of an object.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};

use super::{Structure, StructureType, TextLimit};
use crate::live::error::{LiveError, Result};

/// The source of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::live) enum ValidationMode {
    /// A request that creates an object.
    Create,
    /// A request that changes an object.
    Update,
    /// A fixture, which may also set read-only structures.
    Fixture,
}

/// Validates members. `structures` describe the object, `zone` is the user's time zone.
#[derive(Clone, Debug)]
pub(in crate::live) struct Validator<'a> {
    pub structures: &'a [Structure],
    pub mode: ValidationMode,
    pub zone: &'a TimeZone,
}

impl Validator<'_> {
    /// Returns the members that are structures of the object. Times are in UTC. A null member is
    /// returned only for an update, where it removes the value.
    ///
    /// Other members are ignored, as in requests on items; a fixture must not have any.
    ///
    /// # Errors
    /// 400 if a required member is missing, if a member is read-only or has an invalid value, and if an
    /// update changes nothing.
    pub(in crate::live) fn accept(
        &self,
        members: &Map<String, Value>,
    ) -> Result<Map<String, Value>> {
        let accepted = self.object(self.structures, "", members)?;
        if self.mode == ValidationMode::Update && accepted.is_empty() {
            let first = self.structures.iter().find(|structure| structure.is_writable);
            return Err(LiveError::missing(first.map_or("name", |structure| structure.name)));
        }
        Ok(accepted)
    }

    /// Validates the members of an object, and returns those that are stored. `path` is the path of
    /// the object with a dot at its end, or empty.
    ///
    /// # Errors
    /// 400 for a required member that is missing or empty, one that is read-only, one that has
    /// another type, and in a fixture one that is unknown.
    fn object(
        &self,
        structures: &[Structure],
        path: &str,
        members: &Map<String, Value>,
    ) -> Result<Map<String, Value>> {
        let mut accepted = Map::new();
        for structure in structures {
            let path = format!("{path}{}", structure.name);
            let value = members.get(structure.name).filter(|value| !value.is_null());
            let is_null = value.is_none() && members.contains_key(structure.name);
            if let Some(value) = value {
                let is_allowed = structure.is_writable
                    || self.mode == ValidationMode::Fixture && !structure.is_computed;
                if !is_allowed {
                    return Err(LiveError::parameter(format!(
                        "The parameter '{path}' is read-only."
                    )));
                }
                let value = self.value(structure, &path, value)?;
                if structure.is_required && value == "" {
                    return Err(LiveError::missing(&path));
                }
                accepted.insert(structure.name.to_owned(), value);
            } else if structure.is_required && (is_null || self.mode != ValidationMode::Update) {
                return Err(LiveError::missing(&path));
            } else if is_null && self.mode == ValidationMode::Update && structure.is_writable {
                accepted.insert(structure.name.to_owned(), Value::Null);
            }
        }
        if self.mode == ValidationMode::Fixture {
            let is_known = |name: &str| structures.iter().any(|structure| structure.name == name);
            if let Some(name) = members.keys().find(|name| !is_known(name)) {
                return Err(LiveError::parameter(format!(
                    "The parameter '{path}{name}' is unknown."
                )));
            }
        }
        Ok(accepted)
    }

    /// Validates a value and returns it as it is stored. `path` is the path of the member, for
    /// messages.
    ///
    /// # Errors
    /// 400 if the value does not have the type of the structure.
    fn value(&self, structure: &Structure, path: &str, value: &Value) -> Result<Value> {
        let wrong = |expected: &str| {
            LiveError::parameter(format!("The value '{value}' of '{path}' isn't {expected}."))
        };
        match structure.shape {
            StructureType::Text => {
                let text = value.as_str().ok_or_else(|| wrong("a string"))?;
                limited(structure.limit, path, text).map(Value::from)
            }
            StructureType::Choice(choices) => choice(choices, value)
                .ok_or_else(|| wrong(&format!("one of '{}'", choices.join("', '")))),
            StructureType::Flag => flag(value).ok_or_else(|| wrong("true or false")),
            StructureType::Number(min, max) => number(value)
                .filter(|number| (min..=max).contains(number))
                .map(Value::from)
                .ok_or_else(|| wrong(&format!("a whole number from {min} to {max}"))),
            StructureType::Time => {
                let time = value.as_str().and_then(|text| parse_time(text, self.zone));
                let time = time.ok_or_else(|| wrong("a time in ISO 8601 format"))?;
                Ok(time.to_string().into())
            }
            StructureType::Texts => match value.as_array() {
                Some(texts) if texts.iter().all(Value::is_string) => Ok(value.clone()),
                _ => Err(wrong("an array of strings")),
            },
            StructureType::Object(structures) => {
                let members = value.as_object().ok_or_else(|| wrong("an object"))?;
                self.object(structures, &format!("{path}."), members).map(Value::from)
            }
            StructureType::Objects(structures) => {
                let objects = value.as_array().ok_or_else(|| wrong("an array of objects"))?;
                let object = |(index, object): (usize, &Value)| {
                    let path = format!("{path}[{index}]");
                    let members = object.as_object().ok_or_else(|| {
                        LiveError::parameter(format!("The value of '{path}' isn't an object."))
                    })?;
                    self.object(structures, &format!("{path}."), members).map(Value::from)
                };
                objects.iter().enumerate().map(object).collect::<Result<Vec<_>>>().map(Value::from)
            }
        }
    }
}

/// Applies the limit of a text: truncates it if the limit allows that. `path` is the path of the
/// member, for messages.
///
/// # Errors
/// 400 if the text has more characters than the limit and must not be truncated.
fn limited(limit: Option<TextLimit>, path: &str, text: &str) -> Result<String> {
    match limit {
        Some(TextLimit::Reject(most)) if text.chars().count() > most => Err(LiveError::parameter(
            format!("The value of '{path}' is longer than {most} characters."),
        )),
        Some(TextLimit::Truncate(most)) => Ok(text.chars().take(most).collect()),
        _ => Ok(text.to_owned()),
    }
}

/// Returns the choice that a value names, ignoring case; `None` if it names none.
fn choice(choices: &[&str], value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    choices.iter().find(|choice| choice.eq_ignore_ascii_case(text)).map(|&choice| choice.into())
}

/// Returns a boolean, which is a text in a form; `None` for any other value.
fn flag(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            _ => None,
        },
        _ => None,
    }
}

/// Returns a whole number, which is a text in a form; `None` for any other value.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_i64(),
    }
}

/// Parses a time in ISO 8601 format, and rounds it down to microseconds. Without an offset, it is
/// local time of `zone`. `None` for any other text.
pub(in crate::live) fn parse_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(local.to_zoned(zone.clone()).ok()?.timestamp())
    })?;
    // The precision of the storage.
    Timestamp::from_microsecond(time.as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INNER: &[Structure] = &[Structure::writable("street", StructureType::Text).at_most(3)];
    const OUTER: &[Structure] = &[
        Structure::read_only("id", StructureType::Text),
        Structure::writable("name", StructureType::Text).required().truncated(4),
        Structure::writable("starred", StructureType::Flag),
        Structure::writable("month", StructureType::Number(1, 12)),
        Structure::writable("start", StructureType::Time),
        Structure::writable("status", StructureType::Choice(&["free", "busy"])),
        Structure::writable("home", StructureType::Object(INNER)),
        Structure::writable("homes", StructureType::Objects(INNER)),
    ];

    fn accept(mode: ValidationMode, members: Value) -> Result<Value, String> {
        let zone = TimeZone::fixed(jiff::tz::offset(-7));
        let members = members.as_object().expect("an object");
        let validator = Validator { structures: OUTER, mode, zone: &zone };
        validator.accept(members).map(Value::from).map_err(|error| error.message)
    }

    #[test]
    fn values_are_normalized() {
        let accepted = accept(
            ValidationMode::Create,
            json!({
                "name": "äbcdef", "starred": "TRUE", "month": "4", "status": "Busy", "other": 1,
                "start": "2011-04-20T01:00:00", "home": {"street": "abc"}, "homes": [{}], "id": null,
            }),
        );
        let expected = json!({
            "name": "äbcd", "starred": true, "month": 4, "status": "busy",
            "start": "2011-04-20T08:00:00Z", "home": {"street": "abc"}, "homes": [{}],
        });
        assert_eq!(accepted, Ok(expected));
    }

    #[test]
    fn times_have_any_offset_of_iso_8601() {
        let zone = TimeZone::UTC;
        for same in [
            "2011-04-20T01:00:00-07:00",
            "2011-04-20T01:00:00-0700",
            "2011-04-20T08:00:00Z",
            "2011-04-20T08:00:00+0000",
            "2011-04-20T08:00:00.0000000Z",
            "2011-04-20T08:00:00",
            "2011-04-20T08:00",
        ] {
            let time = parse_time(same, &zone).unwrap_or_else(|| panic!("{same} isn't parsed"));
            assert_eq!(time.to_string(), "2011-04-20T08:00:00Z", "{same}");
        }
        for wrong in ["", "tomorrow", "2011-13-01T00:00:00Z", "08:00:00Z"] {
            assert_eq!(parse_time(wrong, &zone), None, "{wrong}");
        }
    }

    #[test]
    fn invalid_members_are_named() {
        let message = |members| accept(ValidationMode::Create, members).expect_err("invalid");
        assert!(message(json!({})).contains("'name'"));
        assert!(message(json!({"name": ""})).contains("'name'"));
        assert_eq!(message(json!({"name": "a", "id": "b"})), "The parameter 'id' is read-only.");
        assert!(message(json!({"name": 5})).contains("isn't a string"));
        assert!(message(json!({"name": "a", "month": 13})).contains("from 1 to 12"));
        assert!(message(json!({"name": "a", "status": "away"})).contains("'free', 'busy'"));
        assert!(message(json!({"name": "a", "home": {"street": "abcd"}})).contains("home.street"));
        assert!(message(json!({"name": "a", "homes": [{}, 5]})).contains("homes[1]"));
        assert!(message(json!({"name": "a", "start": "now"})).contains("ISO 8601"));
    }

    #[test]
    fn an_update_removes_null_values_and_changes_something() {
        let changed = accept(ValidationMode::Update, json!({"month": null, "starred": false}));
        assert_eq!(changed, Ok(json!({"month": null, "starred": false})));
        assert!(accept(ValidationMode::Update, json!({"name": null})).is_err());
        assert!(accept(ValidationMode::Update, json!({"other": 1})).is_err());
    }

    #[test]
    fn a_fixture_sets_read_only_structures_and_has_no_unknown_members() {
        let fixture = accept(ValidationMode::Fixture, json!({"name": "a", "id": "b"}));
        assert_eq!(fixture, Ok(json!({"name": "a", "id": "b"})));
        let unknown = accept(ValidationMode::Fixture, json!({"name": "a", "home": {"city": "b"}}));
        assert_eq!(unknown, Err("The parameter 'home.city' is unknown.".to_owned()));
    }
}
