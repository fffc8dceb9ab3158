//! YAML in the form of the old command-line client (live-connect#cli-output-format), and the
//! templates of `-k`.

use std::borrow::Cow;

use serde_json::Value;
use serde_yaml_ng::{Mapping, Value as Yaml};

use crate::text::is_control;

/// A template of `-k`: one field, or a text with `{field}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<TemplatePart>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Text(String),
    /// Keys of nested objects, the outermost first.
    Keys(Vec<String>),
}

impl Template {
    /// Parses `FIELD`, `{FIELD} … {FIELD}` and the old client's `{0[FIELD]}`. `{{` and `}}` are
    /// literal braces.
    ///
    /// # Errors
    /// A message for the user if a brace is unmatched or a field is malformed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains(['{', '}']) {
            return Ok(Self(vec![TemplatePart::Keys(vec![text.to_owned()])]));
        }
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = behind;
                continue;
            }
            let alone =
                || format!("unmatched brace in {text:?}: use {{{{ or }}}} for a literal brace");
            let end = rest.find('}').filter(|_| brace == "{").ok_or_else(alone)?;
            if !plain.is_empty() {
                parts.push(TemplatePart::Text(std::mem::take(&mut plain)));
            }
            parts.push(TemplatePart::Keys(keys(&rest[..end]).ok_or_else(|| {
                format!("`{{{}}}` is not a field: use {{name}} or {{0[name]}}", &rest[..end])
            })?));
            rest = &rest[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(TemplatePart::Text(plain));
        }
        Ok(Self(parts))
    }

    /// Applies the template to an object, or to each object of a list. `None` if the object lacks a
    /// field.
    pub(crate) fn apply(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(all) => Some(all.iter().filter_map(|one| self.apply(one)).collect()),
            Value::Object(_) => {
                let mut text = String::new();
                for part in &self.0 {
                    match part {
                        TemplatePart::Text(plain) => text.push_str(plain),
                        TemplatePart::Keys(keys) => {
                            let found = keys.iter().try_fold(value, |at, key| at.get(key))?;
                            text.push_str(&scalar(found));
                        }
                    }
                }
                Some(text.into())
            }
            other => Some(other.clone()),
        }
    }
}

/// Parses `name`, `name[inner]` or `0[name][inner]`. Returns the keys from the outside in; `None`
/// for any other text.
fn keys(text: &str) -> Option<Vec<String>> {
    let (first, mut rest) = match text.find('[') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut keys = Vec::new();
    if first != "0" || rest.is_empty() {
        keys.push(first.to_owned());
    }
    while !rest.is_empty() {
        let (key, behind) = rest.strip_prefix('[')?.split_once(']')?;
        keys.push(key.to_owned());
        rest = behind;
    }
    keys.iter().all(|key| !key.is_empty()).then_some(keys)
}

/// Formats a value as YAML in the form of the old client: keys sorted, texts without quotes if YAML
/// parsers read the same text, other values as Python prints them. The text has no line feed at its
/// end. It is empty for an empty list.
pub(crate) fn yaml(value: &Value) -> String {
    let mut lines = Vec::new();
    add(value, "", None, &mut lines);
    lines.join("\n")
}

/// Appends the lines of a value. `first` replaces `indent` before the first line.
fn add(value: &Value, indent: &str, first: Option<&str>, lines: &mut Vec<String>) {
    let mut start = first.unwrap_or(indent).to_owned();
    match value {
        Value::Array(all) => {
            for one in all {
                let item = format!("{start}- ");
                match empty(one) {
                    Some(nothing) => lines.push(format!("{item}{nothing}")),
                    None => add(one, &format!("{indent}  "), Some(&item), lines),
                }
                start = indent.to_owned();
            }
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            for (key, field) in fields {
                let key = quoted(key, is_plain_key);
                match field {
                    Value::Array(_) | Value::Object(_) => {
                        lines.push(format!("{start}{key}:"));
                        add(field, &format!("{indent}  "), None, lines);
                    }
                    plain => lines.push(format!("{start}{key}: {}", value_text(plain))),
                }
                start = indent.to_owned();
            }
        }
        plain => lines.push(format!("{start}{}", value_text(plain))),
    }
}

/// Returns the notation of an empty list or object, which has no lines of its own; `None` for any
/// other value.
fn empty(value: &Value) -> Option<&'static str> {
    match value {
        Value::Array(all) if all.is_empty() => Some("[]"),
        Value::Object(fields) if fields.is_empty() => Some("{}"),
        _ => None,
    }
}

/// Returns a value as the text after a key or a dash, with quotes if a text needs them.
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text, is_plain_value).into_owned(),
        other => scalar(other),
    }
}

/// Returns a text in YAML: without quotes if a parser reads the same text.
fn quoted(text: &str, is_plain: impl Fn(&str) -> bool) -> Cow<'_, str> {
    if !text.contains(is_control) {
        if !is_not_string_in_yaml_1_1(text) && is_plain(text) {
            return Cow::Borrowed(text);
        }
        return Cow::Owned(format!("'{}'", text.replace('\'', "''")));
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' | '\r' | '\t' => quoted.extend(c.escape_default()),
            c if is_control(c) => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// Returns whether a YAML parser reads a key without quotes as the same text.
fn is_plain_key(text: &str) -> bool {
    let read = serde_yaml_ng::from_str::<Mapping>(&format!("{text}: x"));
    read.is_ok_and(|read| read.len() == 1 && read.contains_key(Yaml::from(text)))
}

/// Returns whether a YAML parser reads a value without quotes as the same text, in a list and in a
/// mapping.
fn is_plain_value(text: &str) -> bool {
    let listed = serde_yaml_ng::from_str::<Vec<Yaml>>(&format!("- {text}"));
    let field = serde_yaml_ng::from_str::<Mapping>(&format!("x: {text}"));
    let is = |value: Option<&Yaml>| value.and_then(Yaml::as_str) == Some(text);
    listed.is_ok_and(|all| all.len() == 1 && is(all.first()))
        && field.is_ok_and(|all| all.len() == 1 && is(all.get("x")))
}

/// Returns whether a parser of YAML 1.1 would not read the text as a string: a boolean, a number
/// with underscores or in base 60, a date. Many parsers implement YAML 1.1.
fn is_not_string_in_yaml_1_1(text: &str) -> bool {
    let words = ["yes", "no", "on", "off", "=", "<<"];
    let is_number_like = text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"_:.+-".contains(&byte));
    is_number_like || words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Formats a value as Python prints it, and a text unchanged.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_look_as_the_old_client_wrote_them() {
        let tree = json!({ "SkyDrive": {
            "Pics": { "image1.jpg": "photo" }, "Documents": { "README.txt": "file" }, "empty": {},
        } });
        assert_eq!(
            yaml(&tree),
            "SkyDrive:\n  Documents:\n    README.txt: file\n  Pics:\n    image1.jpg: photo\n  empty:"
        );
        let list = json!([{ "b": 1.5, "a": null }, "x", [true, ["y"]], { "c": ["z"] }]);
        assert_eq!(yaml(&list), "- a: None\n  b: 1.5\n- x\n- - True\n  - - y\n- c:\n    - z");
        assert_eq!(yaml(&json!([])), "");
        assert_eq!(yaml(&json!([{}, { "a": [] }, []])), "- {}\n- a:\n- []");
    }

    fn names() -> Vec<String> {
        let awkward = [
            "README",
            "Straße.txt",
            "a:b.txt",
            "x?.txt",
            "trail.",
            " lead.txt",
            "CON",
            "~$lock.docx",
            "#notes.txt",
            "true",
            "null",
            "~",
            "- dash.txt",
            "'quoted'.txt",
            "\"double\".txt",
            "key: value.txt",
            "@at.txt",
            "*star.txt",
            "&and",
            "!bang",
            "%25.txt",
            "+plus.txt",
            "(final).txt",
            "  two spaces.txt",
            "文.txt",
            "bidi\u{202e}.txt",
            "two\nlines",
            "tab\t",
            "1",
            "1.5",
            "0x1f",
            "1e3",
            ".inf",
            "[x]",
            "{x}",
            "a #b",
            "|",
            ">",
            "`",
            "yes",
            "1_000",
            "12:30",
            "2014-01-02",
            "\u{feff}bom",
            "back\\slash",
            "?",
            "-",
            "---",
            "...",
            "x:",
            ": x",
            "",
            "None",
            "end ",
            "\u{85}",
            "\u{7f}",
        ];
        awkward.map(str::to_owned).to_vec()
    }

    /// Parses the YAML of a value.
    fn read(value: &Value) -> Yaml {
        let text = yaml(value);
        serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn to_yaml(value: &Value) -> Yaml {
        serde_yaml_ng::to_value(value).expect("any value")
    }

    #[test]
    fn a_parser_reads_the_same_names_from_the_yaml() {
        let names = names();
        assert_eq!(read(&json!(names)), to_yaml(&json!(names)));
        let below: serde_json::Map<_, _> =
            names.iter().map(|name| (name.clone(), Value::from("file"))).collect();
        let tree = json!({ "a: b": below, "list": [below] });
        assert_eq!(read(&tree), to_yaml(&tree));
        for plain in
            ["README", "Straße.txt", "+plus.txt", "(final).txt", "文.txt", "None", "trail."]
        {
            assert_eq!(yaml(&json!([plain])), format!("- {plain}"), "the old form is valid");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_read_as_itself(name in "\\PC{0,8}", other in ".{0,4}") {
            for text in [name, other] {
                let tree = json!([text, { &text: { &text: [text] } }]);
                proptest::prop_assert_eq!(read(&tree), to_yaml(&tree));
            }
        }
    }

    #[test]
    fn a_template_is_a_key_or_a_text_with_keys_in_it() {
        let of =
            |text: &str, value: &Value| Template::parse(text).expect("a template").apply(value);
        let objects = json!([{ "id": 1, "from": { "name": "A" } }, { "name": "n" }, { "id": "x" }]);
        assert_eq!(of("id", &objects), Some(json!(["1", "x"])));
        assert_eq!(of("{0[id]}: {0[from][name]}", &objects), Some(json!(["1: A"])));
        assert_eq!(of("{{{id}}} {from[name]}", &objects[0]), Some(json!("{1} A")));
        assert_eq!(of("id", &objects[1]), None);
        for wrong in ["{", "a}b", "{}", "{0[}", "{a[]}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}
