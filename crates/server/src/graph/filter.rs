//! Parses and evaluates `$filter`.
//!
//! ```text
//! expression = term [("and" | "or") expression] | "not" expression | "(" expression ")"
//! term       = property ("eq" | "ne" | "gt" | "ge" | "lt" | "le") literal
//!            | ("startswith" | "endswith" | "contains") "(" property "," text ")"
//! property   = name | facet | facet/name           literal = 'text' | null | number | time | truth
//! ```
//!
//! The reference describes filters only for some account kinds and properties
//! (onedrive-graph#orderby-filter). Clients rely on `name eq '…'`, `folder ne null` and `file ne
//! null`. This server filters by every property on every account kind (inferred), and refuses a
//! filter that it cannot parse. Strings are compared like names, without regard to case.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    error::{Error, Result},
    query::{QueryOptions, unquote},
    select,
};
use crate::tree::fold;

/// Maximum nesting depth of parentheses and `not`.
const MAX_DEPTH: usize = 16;

/// Maximum number of comparisons in a filter, because each is evaluated for every item. Inferred.
const MAX_TERMS: usize = 1_000;

/// A filter expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ODataFilter {
    Compare { property: Vec<String>, by: Comparison, with: Value },
    Text { property: Vec<String>, function: TextFunction, with: String },
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A function of two strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextFunction {
    StartsWith,
    EndsWith,
    Contains,
}

impl ODataFilter {
    /// Parses `$filter`. Returns `None` if the query has none.
    ///
    /// # Errors
    /// 400 if the filter cannot be parsed, has an unknown property, more than [`MAX_TERMS`]
    /// comparisons, or parentheses and `not` deeper than [`MAX_DEPTH`].
    pub(super) fn from_query(query: &QueryOptions) -> Result<Option<Self>> {
        let Some(text) = query.get("filter").filter(|text| !text.trim().is_empty()) else {
            return Ok(None);
        };
        Self::parse(text, &select::check_property).map(Some)
    }

    /// Parses a filter. `check_property` checks the first name of each property.
    ///
    /// # Errors
    /// 400 if the filter cannot be parsed, has more than [`MAX_TERMS`] comparisons, or parentheses
    /// and `not` deeper than [`MAX_DEPTH`]; those of `check_property`.
    pub(super) fn parse(text: &str, check_property: &dyn Fn(&str) -> Result<()>) -> Result<Self> {
        let mut parser = FilterParser { whole: text, rest: text, terms: 0, check_property };
        let filter = parser.disjunction(0)?;
        match parser.rest.trim_start() {
            "" => Ok(filter),
            _ => Err(parser.error()),
        }
    }

    /// Returns whether the filter or a part of it satisfies `is_wanted`.
    pub(super) fn any(&self, is_wanted: &dyn Fn(&Self) -> bool) -> bool {
        is_wanted(self)
            || match self {
                Self::Not(filter) => filter.any(is_wanted),
                Self::And(all) | Self::Or(all) => all.iter().any(|filter| filter.any(is_wanted)),
                Self::Compare { .. } | Self::Text { .. } => false,
            }
    }

    /// Returns whether an item's JSON satisfies the filter.
    pub(super) fn matches(&self, item: &Value) -> bool {
        match self {
            Self::Not(filter) => !filter.matches(item),
            Self::And(all) => all.iter().all(|filter| filter.matches(item)),
            Self::Or(all) => all.iter().any(|filter| filter.matches(item)),
            Self::Text { property, function, with } => {
                let Some(text) = find(item, property).as_str() else { return false };
                let (text, with) = (fold(text), fold(with));
                match function {
                    TextFunction::StartsWith => text.starts_with(&with),
                    TextFunction::EndsWith => text.ends_with(&with),
                    TextFunction::Contains => text.contains(&with),
                }
            }
            Self::Compare { property, by, with } => {
                let order = compare(find(item, property), with);
                match by {
                    Comparison::Equal => order == Some(Ordering::Equal),
                    Comparison::Unequal => order != Some(Ordering::Equal),
                    Comparison::Greater => order == Some(Ordering::Greater),
                    Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
                    Comparison::Less => order == Some(Ordering::Less),
                    Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
                }
            }
        }
    }
}

/// Returns a property of an item; null if the item does not have it.
fn find<'v>(item: &'v Value, property: &[String]) -> &'v Value {
    property.iter().fold(item, |value, name| &value[name.as_str()])
}

/// Compares two values. Texts that are times are compared as times, others without case. Returns
/// `None` for values of different types and for types without an order.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        (Value::String(left), Value::String(right)) => Some(match (time(left), time(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => fold(left).cmp(&fold(right)),
        }),
        _ => None,
    }
}

/// Parses a time; `None` if the text is not a time.
fn time(text: &str) -> Option<Timestamp> {
    crate::time::parse(text)
}

/// A recursive-descent parser. `whole` is the filter, `rest` the part that is not consumed yet.
struct FilterParser<'a> {
    whole: &'a str,
    rest: &'a str,
    /// Number of comparisons so far.
    terms: usize,
    /// Checks the first name of a property.
    check_property: &'a dyn Fn(&str) -> Result<()>,
}

impl<'a> FilterParser<'a> {
    /// Returns 400 for a filter that cannot be parsed at the current position.
    fn error(&self) -> Error {
        Error::bad_query(format!(
            "Invalid filter clause: cannot parse '{}' at '{}'.",
            self.whole,
            self.rest.trim_start()
        ))
    }

    /// Parses terms that `or` connects. `depth` is the nesting depth of parentheses and `not`.
    ///
    /// # Errors
    /// 400 if the filter cannot be parsed here, has more than [`MAX_TERMS`] comparisons, or is
    /// deeper than [`MAX_DEPTH`].
    fn disjunction(&mut self, depth: usize) -> Result<ODataFilter> {
        let mut all = vec![self.conjunction(depth)?];
        while self.take_word("or") {
            all.push(self.conjunction(depth)?);
        }
        Ok(single(all).unwrap_or_else(ODataFilter::Or))
    }

    /// Parses terms that `and` connects. `depth` is the nesting depth.
    ///
    /// # Errors
    /// 400 if the filter cannot be parsed here, has more than [`MAX_TERMS`] comparisons, or is
    /// deeper than [`MAX_DEPTH`].
    fn conjunction(&mut self, depth: usize) -> Result<ODataFilter> {
        let mut all = vec![self.term(depth)?];
        while self.take_word("and") {
            all.push(self.term(depth)?);
        }
        Ok(single(all).unwrap_or_else(ODataFilter::And))
    }

    /// Parses a comparison, a negation or an expression in parentheses. `depth` is the nesting
    /// depth.
    ///
    /// # Errors
    /// 400 if the term cannot be parsed, is deeper than [`MAX_DEPTH`], or is one of more than
    /// [`MAX_TERMS`].
    fn term(&mut self, depth: usize) -> Result<ODataFilter> {
        if depth > MAX_DEPTH {
            return Err(self.error());
        }
        if self.take_word("not") {
            return Ok(ODataFilter::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.take_sign('(') {
            let inner = self.disjunction(depth + 1)?;
            return if self.take_sign(')') { Ok(inner) } else { Err(self.error()) };
        }
        self.terms += 1;
        if self.terms > MAX_TERMS {
            let message =
                format!("Invalid filter clause: it has more than {MAX_TERMS} comparisons.");
            return Err(Error::bad_query(message));
        }
        let tests = [
            ("startswith", TextFunction::StartsWith),
            ("endswith", TextFunction::EndsWith),
            ("contains", TextFunction::Contains),
        ];
        match tests.into_iter().find(|(name, _)| self.take_word(name)) {
            Some((_, function)) => self.text_function(function),
            None => self.comparison(),
        }
    }

    /// Parses the arguments of a function: `(property,'text')`.
    ///
    /// # Errors
    /// 400 if they have another form, the second one is not a text, or the property is unknown.
    fn text_function(&mut self, function: TextFunction) -> Result<ODataFilter> {
        if !self.take_sign('(') {
            return Err(self.error());
        }
        let property = self.property()?;
        if !self.take_sign(',') {
            return Err(self.error());
        }
        let Value::String(with) = self.literal()? else { return Err(self.error()) };
        if !self.take_sign(')') {
            return Err(self.error());
        }
        Ok(ODataFilter::Text { property, function, with })
    }

    /// Parses a comparison: `property eq literal`.
    ///
    /// # Errors
    /// 400 if it has another form, an unknown operator, or an unknown property.
    fn comparison(&mut self) -> Result<ODataFilter> {
        let property = self.property()?;
        let known = [
            ("eq", Comparison::Equal),
            ("ne", Comparison::Unequal),
            ("gt", Comparison::Greater),
            ("ge", Comparison::GreaterOrEqual),
            ("lt", Comparison::Less),
            ("le", Comparison::LessOrEqual),
        ];
        let found = known.into_iter().find(|(name, _)| self.take_word(name));
        let (_, by) = found.ok_or_else(|| self.error())?;
        let with = self.literal()?;
        Ok(ODataFilter::Compare { property, by, with })
    }

    /// Parses the path of a property, such as `file/mimeType`. Returns its names. The names after
    /// the first one are not checked.
    ///
    /// # Errors
    /// 400 if the first name is not that of a property.
    fn property(&mut self) -> Result<Vec<String>> {
        let path: Vec<String> = self.take_token().split('/').map(str::to_owned).collect();
        match path.first().filter(|name| !name.is_empty()) {
            Some(name) => (self.check_property)(name).map(|()| path),
            None => Err(self.error()),
        }
    }

    /// Parses a quoted text, a number, a time, `true`, `false` or `null`.
    ///
    /// # Errors
    /// 400 for anything else. Nothing is consumed then.
    fn literal(&mut self) -> Result<Value> {
        let text = self.rest.trim_start();
        if text.starts_with('\'') {
            let end = end_of_text(text).ok_or_else(|| self.error())?;
            let (quoted, rest) = text.split_at(end);
            self.rest = rest;
            return unquote(quoted).map(Value::String).ok_or_else(|| self.error());
        }
        let (before, word) = (self.rest, self.take_token());
        let value = match word {
            "null" => Some(Value::Null),
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            word if time(word).is_some() => Some(word.into()),
            word => word.parse::<serde_json::Number>().ok().map(Value::Number),
        };
        self.rest = if value.is_some() { self.rest } else { before };
        value.ok_or_else(|| self.error())
    }

    /// Consumes the text up to the next space, comma or parenthesis.
    fn take_token(&mut self) -> &'a str {
        let text = self.rest.trim_start();
        let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')');
        let (token, rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
        self.rest = rest;
        token
    }

    /// Consumes a word if it is next. Returns whether it was.
    fn take_word(&mut self, word: &str) -> bool {
        let before = self.rest;
        let is = self.take_token() == word;
        if !is {
            self.rest = before;
        }
        is
    }

    /// Consumes a character if it is next. Returns whether it was.
    fn take_sign(&mut self, sign: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// Returns the end of a quoted string, after its closing quote; `None` if it is not closed. A
/// doubled quote is part of the string.
fn end_of_text(text: &str) -> Option<usize> {
    let mut quotes = text.match_indices('\'').map(|(at, _)| at).skip(1).peekable();
    while let Some(at) = quotes.next() {
        if quotes.peek() != Some(&(at + 1)) {
            return Some(at + 1);
        }
        quotes.next();
    }
    None
}

/// Returns the only element of a list.
///
/// # Errors
/// The list, if it has several elements or none.
fn single(mut all: Vec<ODataFilter>) -> Result<ODataFilter, Vec<ODataFilter>> {
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        (last, _) => {
            all.extend(last);
            Err(all)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Option<ODataFilter>> {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        ODataFilter::from_query(&QueryOptions::parse(Some(&format!("$filter={encoded}"))).unwrap())
    }

    #[test]
    fn a_filter_matches_items() {
        let item = json!({
            "name": "It's a Report.txt", "size": 7, "file": {"mimeType": "text/plain"},
            "lastModifiedDateTime": "2024-05-06T07:08:09.5Z",
        });
        for (filter, expected) in [
            ("name eq 'it''s a report.txt'", true),
            ("name eq 'report.txt'", false),
            ("name ne 'x'", true),
            ("startswith(name, 'it''s')", true),
            ("contains(name,'REPORT') and endswith(name,'.txt')", true),
            ("file ne null", true),
            ("folder ne null", false),
            ("folder eq null and image eq null", true),
            ("file/mimeType eq 'text/plain'", true),
            ("size gt 6 and size le 7", true),
            ("size lt 7 or name eq 'x'", false),
            ("not (size lt 7)", true),
            ("lastModifiedDateTime ge 2024-05-06T07:08:09Z", true),
            ("lastModifiedDateTime lt 2024-05-06T07:08:09.50Z", false),
            ("size eq 1 and size eq 2 or size eq 7", true),
            ("size eq 7 or size eq 1 and size eq 2", true),
            ("size gt 'a'", false),
        ] {
            let parsed = parse(filter).unwrap().unwrap();
            assert_eq!(parsed.matches(&item), expected, "{filter}");
        }
        assert_eq!(parse("").unwrap(), None);
    }

    #[test]
    fn an_invalid_filter_is_refused() {
        let deep = format!("{}size eq 1{}", "(".repeat(99), ")".repeat(99));
        let (deeper, negated) = ("(".repeat(20_000), "not ".repeat(15_000));
        let wide = vec!["size eq 1"; 1_001].join(" or ");
        for filter in [
            "name",
            "name eq",
            "name eq 'x",
            "name is 'x'",
            "colour eq 'red'",
            "name eq 'x' and",
            "name eq 'x')",
            "(name eq 'x'",
            "startswith(name)",
            "startswith(name, 1)",
            "name eq x",
            "children/any(c: c/name eq 'x')",
            &deep,
            &deeper,
            &negated,
            &wide,
        ] {
            let error = parse(filter).unwrap_err();
            assert_eq!(error.status, http::StatusCode::BAD_REQUEST, "{filter}");
        }
    }
}
