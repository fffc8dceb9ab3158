//! The `filters` parameter of lists (amazon-drive#filter-grammar).

use std::fmt;

/// A condition on nodes for [`ListQuery::filter`](super::ListQuery::filter).
///
/// ```
/// use drivedal::services::amazon_drive::Filter;
///
/// let filter =
///     Filter::equals("parents", "AbCdEfGhIjKlMnOpQr0123").and_equals("name", "my file (2).txt");
/// assert_eq!(
///     filter.to_string(),
///     r#"parents:"AbCdEfGhIjKlMnOpQr0123" AND name:"my\ file\ \(2\).txt""#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// Matches nodes whose `field` has the value. The cloud compares names without regard to case.
    pub fn equals(field: &str, value: &str) -> Self {
        Self(format!("{field}:\"{}\"", escape(value)))
    }

    /// Matches the nodes of this filter whose `field` has the value.
    pub fn and_equals(mut self, field: &str, value: &str) -> Self {
        self.0 = format!("{} AND {}", self.0, Self::equals(field, value).0);
        self
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts a backslash before each character with a meaning in a filter (amazon-drive#filter-escaping;
/// rclone and duplicati agree on this list).
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if "+-&|!(){}[]^'\"~*?:\\ ".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_with_a_meaning_in_a_filter_are_escaped() {
        assert_eq!(
            Filter::equals("name", r#"+-&|!(){}[]^'"~*?:\ é.x_#%"#).to_string(),
            r#"name:"\+\-\&\|\!\(\)\{\}\[\]\^\'\"\~\*\?\:\\\ é.x_#%""#
        );
    }
}
