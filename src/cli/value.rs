//! Values as the old command-line client wrote them, and the parts of them that are asked for
//! (live-connect.md, B.3): YAML to look at, which not every text leaves YAML.

use serde_json::Value;

/// Which part of each object is shown: one key, or a text with `{key}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Keys down into an object.
    Keys(Vec<String>),
}

impl Template {
    /// Parses `KEY`, `{KEY} … {KEY}` and the old client's `{0[KEY]}`; `{{` and `}}` are braces.
    ///
    /// # Errors
    /// With a text for the user when a brace is left alone.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains(['{', '}']) {
            return Ok(Self(vec![Part::Keys(vec![text.to_owned()])]));
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
            let alone = || format!("a brace stands alone in {text:?}: two of them are one");
            let end = rest.find('}').filter(|_| brace == "{").ok_or_else(alone)?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Keys(keys(&rest[..end]).ok_or_else(|| {
                format!("`{{{}}}` is no key: write {{name}} or {{0[name]}}", &rest[..end])
            })?));
            rest = &rest[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// What is asked for: of an object its text, of a list each one's; `None`: the object has not
    /// all of it, and is left out.
    pub(crate) fn of(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(all) => Some(all.iter().filter_map(|one| self.of(one)).collect()),
            Value::Object(_) => {
                let mut text = String::new();
                for part in &self.0 {
                    match part {
                        Part::Text(plain) => text.push_str(plain),
                        Part::Keys(keys) => {
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

/// `name`, `name[inner]` or `0[name][inner]`.
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

/// A value in lines, as the old client wrote it: keys sorted, texts as they are, all else as Python
/// prints it. Without a line feed at its end; nothing at all of an empty list.
pub(crate) fn old_yaml(value: &Value) -> String {
    let mut lines = Vec::new();
    add(value, "", None, &mut lines);
    lines.join("\n")
}

/// `first`: what stands before the first line, if not `indent`.
fn add(value: &Value, indent: &str, first: Option<&str>, lines: &mut Vec<String>) {
    let mut start = first.unwrap_or(indent).to_owned();
    match value {
        Value::Array(all) => {
            for one in all {
                add(one, &format!("{indent}  "), Some(&format!("{start}- ")), lines);
                start = indent.to_owned();
            }
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            for (key, field) in fields {
                match field {
                    Value::Array(_) | Value::Object(_) => {
                        lines.push(format!("{start}{key}:"));
                        add(field, &format!("{indent}  "), None, lines);
                    }
                    plain => lines.push(format!("{start}{key}: {}", scalar(plain))),
                }
                start = indent.to_owned();
            }
        }
        plain => lines.push(format!("{start}{}", scalar(plain))),
    }
}

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
            old_yaml(&tree),
            "SkyDrive:\n  Documents:\n    README.txt: file\n  Pics:\n    image1.jpg: photo\n  empty:"
        );
        let list = json!([{ "b": 1.5, "a": null }, "x", [true, ["y"]], { "c": ["z"] }]);
        assert_eq!(old_yaml(&list), "- a: None\n  b: 1.5\n- x\n- - True\n  - - y\n- c:\n    - z");
        assert_eq!(old_yaml(&json!([])), "");
        assert_eq!(old_yaml(&json!("# as: it is")), "# as: it is");
    }

    #[test]
    fn a_template_is_a_key_or_a_text_with_keys_in_it() {
        let of = |text: &str, value: &Value| Template::parse(text).expect("a template").of(value);
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
