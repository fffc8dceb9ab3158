//! From text to a condition.

use std::{iter::Peekable, str::Chars};

use super::{Field, Filter, Value, moment};
use crate::amazon::error::{AmazonError, Result};

/// Maximum nesting of parentheses. The parser recurses once per level; inferred, clients nest twice.
const MAX_DEPTH: usize = 32;

/// Maximum number of conditions in a filter: each of them is compared with every node. Inferred.
const MAX_CONDITIONS: usize = 1_000;

/// The condition that a text says.
pub(super) fn filter(text: &str) -> Result<Filter> {
    let mut parser = Parser { rest: text.chars().peekable(), depth: 0, conditions: 0 };
    let filter = parser.any()?;
    parser.space();
    match parser.rest.next() {
        None => Ok(filter),
        Some(c) => Err(bad(&format!("unexpected '{c}'"))),
    }
}

fn bad(what: &str) -> AmazonError {
    AmazonError::bad(format!("Invalid filters: {what}"))
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    /// Number of parentheses that are open.
    depth: usize,
    /// Number of conditions so far.
    conditions: usize,
}

impl Parser<'_> {
    fn space(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
    }

    /// Conditions joined by `OR`.
    fn any(&mut self) -> Result<Filter> {
        let mut filters = vec![self.all()?];
        while self.word("OR") {
            filters.push(self.all()?);
        }
        Ok(one_or(filters, Filter::Any))
    }

    /// Conditions joined by `AND`.
    fn all(&mut self) -> Result<Filter> {
        let mut filters = vec![self.term()?];
        while self.word("AND") {
            filters.push(self.term()?);
        }
        Ok(one_or(filters, Filter::All))
    }

    fn term(&mut self) -> Result<Filter> {
        self.space();
        if self.rest.next_if_eq(&'(').is_some() {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(bad(&format!("parentheses are nested more than {MAX_DEPTH} deep")));
            }
            let filter = self.any()?;
            self.expect(')')?;
            self.depth -= 1;
            return Ok(filter);
        }
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '.') {
            name.push(c);
        }
        if name.is_empty() {
            return Err(bad(&self.found("a field")));
        }
        let field =
            Field::named(&name).ok_or_else(|| bad(&format!("there is no field '{name}'")))?;
        self.expect(':')?;
        self.space();
        match self.rest.peek() {
            Some('(') => self.several(field),
            Some('[') => self.range(field),
            _ => {
                self.count()?;
                Ok(Filter::Is(field, self.value(true)?))
            }
        }
    }

    /// Counts a condition.
    fn count(&mut self) -> Result<()> {
        self.conditions += 1;
        match self.conditions > MAX_CONDITIONS {
            true => Err(bad(&format!("there are more than {MAX_CONDITIONS} conditions"))),
            false => Ok(()),
        }
    }

    /// `(a OR b)`: one of several values.
    fn several(&mut self, field: Field) -> Result<Filter> {
        self.expect('(')?;
        let mut values = Vec::new();
        loop {
            self.space();
            self.count()?;
            values.push(Filter::Is(field, self.value(true)?));
            if !self.word("OR") {
                break;
            }
        }
        self.expect(')')?;
        Ok(one_or(values, Filter::Any))
    }

    /// `[a TO b]`.
    fn range(&mut self, field: Field) -> Result<Filter> {
        self.expect('[')?;
        self.count()?;
        let from = self.end()?;
        if !self.word("TO") {
            return Err(bad(&self.found("TO")));
        }
        let to = self.end()?;
        self.expect(']')?;
        for end in [&from, &to].into_iter().flatten() {
            let comparable = match field {
                Field::Size => end.parse::<u64>().is_ok(),
                Field::CreatedDate | Field::ModifiedDate => moment(end).is_some(),
                _ => true,
            };
            if !comparable {
                return Err(bad(&format!("'{end}' is no end of a range of such values")));
            }
        }
        Ok(Filter::Is(field, Value::Range(from, to)))
    }

    fn end(&mut self) -> Result<Option<String>> {
        self.space();
        match self.value(false)? {
            Value::Prefix(text) if text.is_empty() => Ok(None),
            Value::Exactly(text) => Ok(Some(text)),
            Value::Prefix(_) | Value::Range(..) => Err(bad("a range has no prefixes")),
        }
    }

    /// A bare or quoted value. In a bare one a colon is a mistake, but for times in ranges.
    fn value(&mut self, strict: bool) -> Result<Value> {
        let quote = self.rest.next_if(|c| *c == '"' || *c == '\'');
        let mut text = String::new();
        let mut prefix = false;
        loop {
            let Some(&c) = self.rest.peek() else {
                match quote {
                    Some(_) => return Err(bad("a quoted value has no end")),
                    None => break,
                }
            };
            if quote == Some(c) {
                self.rest.next();
                break;
            }
            if quote.is_none() && (c.is_whitespace() || c == ')' || c == ']') {
                break;
            }
            if prefix {
                return Err(bad("a '*' is only understood at a value's end"));
            }
            self.rest.next();
            match c {
                '\\' => {
                    text.push(self.rest.next().ok_or_else(|| bad("nothing is escaped"))?);
                }
                '*' => prefix = true,
                ':' | '(' | '[' | '{' | '}' | '?' | '~' | '^' if quote.is_none() && strict => {
                    return Err(bad(&format!("'{c}' must be escaped")));
                }
                c => text.push(c),
            }
        }
        if text.is_empty() && !prefix && quote.is_none() {
            return Err(bad(&self.found("a value")));
        }
        Ok(if prefix { Value::Prefix(text) } else { Value::Exactly(text) })
    }

    /// Takes a word of the grammar, if it is next.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let mut ahead = self.rest.clone();
        let found: String = ahead.by_ref().take(word.len()).collect();
        let ends = ahead.peek().is_none_or(|c| c.is_whitespace() || *c == '(');
        if found.eq_ignore_ascii_case(word) && ends {
            self.rest = ahead;
            return true;
        }
        false
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        self.space();
        match self.rest.next_if_eq(&wanted) {
            Some(_) => Ok(()),
            None => Err(bad(&self.found(&format!("'{wanted}'")))),
        }
    }

    fn found(&mut self, wanted: &str) -> String {
        match self.rest.peek() {
            Some(c) => format!("{wanted} was to come, not '{c}'"),
            None => format!("{wanted} was to come"),
        }
    }
}

fn one_or(mut filters: Vec<Filter>, several: fn(Vec<Filter>) -> Filter) -> Filter {
    if filters.len() == 1 { filters.remove(0) } else { several(filters) }
}
