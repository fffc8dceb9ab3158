//! `$filter`: which items of a listing are wanted.
//!
//! ```text
//! expression = term [("and" | "or") expression] | "not" expression | "(" expression ")"
//! term       = property ("eq" | "ne" | "gt" | "ge" | "lt" | "le") literal
//!            | ("startswith" | "endswith" | "contains") "(" property "," text ")"
//! property   = name | facet | facet/name           literal = 'text' | null | number | time | truth
//! ```
//!
//! The reference knows filters for some kinds of account and some properties only
//! (onedrive-graph#orderby-filter); clients rely on `name eq '…'`, `folder ne null` and
//! `file ne null`. Here every kind filters by every property (inferred), and never leaves a
//! filter out: what is not understood is refused. Texts compare as names do, whatever their case.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    error::{Error, Result},
    query::{Query, unquote},
    select,
};
use crate::tree::fold;

/// How deep parentheses and `not` may nest.
const DEEPEST: usize = 16;

/// Maximum number of comparisons in a filter: each of them is evaluated for every item. Inferred.
const MAX_TERMS: usize = 1_000;

/// Which items are wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    Compare { property: Vec<String>, by: Comparison, with: Value },
    Text { property: Vec<String>, how: TextTest, with: String },
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

impl Filter {
    /// What a query asks for.
    pub(super) fn of(query: &Query) -> Result<Option<Self>> {
        let Some(text) = query.get("filter").filter(|text| !text.trim().is_empty()) else {
            return Ok(None);
        };
        let mut parser = Parser { whole: text, rest: text, terms: 0 };
        let filter = parser.either(0)?;
        match parser.rest.trim_start() {
            "" => Ok(Some(filter)),
            _ => Err(parser.refuse()),
        }
    }

    /// Whether an item, as it is told, is wanted.
    pub(super) fn admits(&self, item: &Value) -> bool {
        match self {
            Self::Not(filter) => !filter.admits(item),
            Self::And(all) => all.iter().all(|filter| filter.admits(item)),
            Self::Or(all) => all.iter().any(|filter| filter.admits(item)),
            Self::Text { property, how, with } => {
                let Some(text) = find(item, property).as_str() else { return false };
                let (text, with) = (fold(text), fold(with));
                match how {
                    TextTest::StartsWith => text.starts_with(&with),
                    TextTest::EndsWith => text.ends_with(&with),
                    TextTest::Contains => text.contains(&with),
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

/// A property of an item; null where it has none.
fn find<'v>(item: &'v Value, property: &[String]) -> &'v Value {
    property.iter().fold(item, |value, name| &value[name.as_str()])
}

/// How two values stand to each other; `None` where they have no order and are not the same.
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

fn time(text: &str) -> Option<Timestamp> {
    crate::time::parse(text)
}

struct Parser<'a> {
    whole: &'a str,
    rest: &'a str,
    /// Number of comparisons so far.
    terms: usize,
}

impl<'a> Parser<'a> {
    fn refuse(&self) -> Error {
        Error::bad_query(format!(
            "Invalid filter clause: '{}' is not understood at '{}'.",
            self.whole,
            self.rest.trim_start()
        ))
    }

    fn either(&mut self, depth: usize) -> Result<Filter> {
        let mut all = vec![self.both(depth)?];
        while self.word("or") {
            all.push(self.both(depth)?);
        }
        Ok(only(all).unwrap_or_else(Filter::Or))
    }

    fn both(&mut self, depth: usize) -> Result<Filter> {
        let mut all = vec![self.one(depth)?];
        while self.word("and") {
            all.push(self.one(depth)?);
        }
        Ok(only(all).unwrap_or_else(Filter::And))
    }

    fn one(&mut self, depth: usize) -> Result<Filter> {
        if depth > DEEPEST {
            return Err(self.refuse());
        }
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.sign('(') {
            let inner = self.either(depth + 1)?;
            return if self.sign(')') { Ok(inner) } else { Err(self.refuse()) };
        }
        self.terms += 1;
        if self.terms > MAX_TERMS {
            let why = format!("Invalid filter clause: it has more than {MAX_TERMS} comparisons.");
            return Err(Error::bad_query(why));
        }
        let tests = [
            ("startswith", TextTest::StartsWith),
            ("endswith", TextTest::EndsWith),
            ("contains", TextTest::Contains),
        ];
        match tests.into_iter().find(|(name, _)| self.word(name)) {
            Some((_, how)) => self.text_test(how),
            None => self.comparison(),
        }
    }

    fn text_test(&mut self, how: TextTest) -> Result<Filter> {
        if !self.sign('(') {
            return Err(self.refuse());
        }
        let property = self.property()?;
        if !self.sign(',') {
            return Err(self.refuse());
        }
        let Value::String(with) = self.literal()? else { return Err(self.refuse()) };
        if !self.sign(')') {
            return Err(self.refuse());
        }
        Ok(Filter::Text { property, how, with })
    }

    fn comparison(&mut self) -> Result<Filter> {
        let property = self.property()?;
        let known = [
            ("eq", Comparison::Equal),
            ("ne", Comparison::Unequal),
            ("gt", Comparison::Greater),
            ("ge", Comparison::GreaterOrEqual),
            ("lt", Comparison::Less),
            ("le", Comparison::LessOrEqual),
        ];
        let found = known.into_iter().find(|(name, _)| self.word(name));
        let (_, by) = found.ok_or_else(|| self.refuse())?;
        let with = self.literal()?;
        Ok(Filter::Compare { property, by, with })
    }

    fn property(&mut self) -> Result<Vec<String>> {
        let path: Vec<String> = self.token().split('/').map(str::to_owned).collect();
        match path.first().filter(|name| !name.is_empty()) {
            Some(name) => select::check_property(name).map(|()| path),
            None => Err(self.refuse()),
        }
    }

    fn literal(&mut self) -> Result<Value> {
        let text = self.rest.trim_start();
        if text.starts_with('\'') {
            let end = end_of_text(text).ok_or_else(|| self.refuse())?;
            let (quoted, rest) = text.split_at(end);
            self.rest = rest;
            return unquote(quoted).map(Value::String).ok_or_else(|| self.refuse());
        }
        let (before, word) = (self.rest, self.token());
        let value = match word {
            "null" => Some(Value::Null),
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            word if time(word).is_some() => Some(word.into()),
            word => word.parse::<serde_json::Number>().ok().map(Value::Number),
        };
        self.rest = if value.is_some() { self.rest } else { before };
        value.ok_or_else(|| self.refuse())
    }

    /// What stands before the next space, comma or parenthesis.
    fn token(&mut self) -> &'a str {
        let text = self.rest.trim_start();
        let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')');
        let (token, rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
        self.rest = rest;
        token
    }

    /// Takes a word, if it is the next.
    fn word(&mut self, word: &str) -> bool {
        let before = self.rest;
        let is = self.token() == word;
        if !is {
            self.rest = before;
        }
        is
    }

    /// Takes a sign, if it is the next.
    fn sign(&mut self, sign: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// Where a text in quotes ends, behind its closing one; doubled ones are inside.
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

fn only(mut all: Vec<Filter>) -> Result<Filter, Vec<Filter>> {
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

    fn parse(text: &str) -> Result<Option<Filter>> {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        Filter::of(&Query::parse(Some(&format!("$filter={encoded}"))).unwrap())
    }

    #[test]
    fn a_filter_admits_what_it_says() {
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
            assert_eq!(parsed.admits(&item), expected, "{filter}");
        }
        assert_eq!(parse("").unwrap(), None);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
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
