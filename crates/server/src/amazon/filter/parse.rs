//! The parser of filters.

use std::{iter::Peekable, str::Chars};

use super::condition::{Field, Filter, Value, parse_time};
use crate::amazon::error::{AmazonError, Result};

/// Maximum nesting of parentheses. The parser recurses once per level; inferred, clients nest twice.
const MAX_DEPTH: usize = 32;

/// Maximum number of conditions in a filter: each of them is compared with every node. Inferred.
const MAX_CONDITIONS: usize = 1_000;

impl Filter {
    /// Parses the query parameter `filters`, such as `kind:FILE AND name:a*`.
    ///
    /// # Errors
    /// 400 with the reason if the text cannot be parsed, has an unknown field or a bound that is no
    /// value of its field, or exceeds [`MAX_DEPTH`] or [`MAX_CONDITIONS`].
    pub(in crate::amazon) fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { rest: text.chars().peekable(), depth: 0, conditions: 0 };
        let filter = parser.disjunction()?;
        parser.skip_space();
        match parser.rest.next() {
            None => Ok(filter),
            Some(c) => Err(invalid(&format!("unexpected '{c}'"))),
        }
    }
}

/// Returns 400 for an invalid filter. `what` is the reason.
fn invalid(what: &str) -> AmazonError {
    AmazonError::invalid(format!("Invalid filters: {what}"))
}

/// A recursive descent parser.
struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    /// Number of open parentheses.
    depth: usize,
    /// Number of conditions parsed so far.
    conditions: usize,
}

impl Parser<'_> {
    /// Consumes white space.
    fn skip_space(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
    }

    /// Parses conditions joined by `OR`.
    ///
    /// # Errors
    /// 400 if the filter cannot be parsed here, has an unknown field, or exceeds [`MAX_DEPTH`] or
    /// [`MAX_CONDITIONS`].
    fn disjunction(&mut self) -> Result<Filter> {
        let mut filters = vec![self.conjunction()?];
        while self.word("OR") {
            filters.push(self.conjunction()?);
        }
        Ok(join(filters, Filter::Any))
    }

    /// Parses conditions joined by `AND`.
    ///
    /// # Errors
    /// 400 if the filter cannot be parsed here, has an unknown field, or exceeds [`MAX_DEPTH`] or
    /// [`MAX_CONDITIONS`].
    fn conjunction(&mut self) -> Result<Filter> {
        let mut filters = vec![self.term()?];
        while self.word("AND") {
            filters.push(self.term()?);
        }
        Ok(join(filters, Filter::All))
    }

    /// Parses one condition, or conditions in parentheses.
    ///
    /// # Errors
    /// 400 if the condition is malformed, has an unknown field, or exceeds [`MAX_DEPTH`] or
    /// [`MAX_CONDITIONS`].
    fn term(&mut self) -> Result<Filter> {
        self.skip_space();
        if self.rest.next_if_eq(&'(').is_some() {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(invalid(&format!("parentheses are nested more than {MAX_DEPTH} deep")));
            }
            let filter = self.disjunction()?;
            self.expect(')')?;
            self.depth -= 1;
            return Ok(filter);
        }
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '.') {
            name.push(c);
        }
        if name.is_empty() {
            return Err(invalid(&self.expected("a field")));
        }
        let field =
            Field::parse(&name).ok_or_else(|| invalid(&format!("unknown field '{name}'")))?;
        self.expect(':')?;
        self.skip_space();
        match self.rest.peek() {
            Some('(') => self.value_list(field),
            Some('[') => self.range(field),
            _ => {
                self.count()?;
                Ok(Filter::Is(field, self.value(true)?))
            }
        }
    }

    /// Counts a condition.
    ///
    /// # Errors
    /// 400 over [`MAX_CONDITIONS`].
    fn count(&mut self) -> Result<()> {
        self.conditions += 1;
        match self.conditions > MAX_CONDITIONS {
            true => Err(invalid(&format!("more than {MAX_CONDITIONS} conditions"))),
            false => Ok(()),
        }
    }

    /// Parses `(a OR b)`, the values of `field`.
    ///
    /// # Errors
    /// 400 if the list is malformed, or exceeds [`MAX_CONDITIONS`].
    fn value_list(&mut self, field: Field) -> Result<Filter> {
        self.expect('(')?;
        let mut values = Vec::new();
        loop {
            self.skip_space();
            self.count()?;
            values.push(Filter::Is(field, self.value(true)?));
            if !self.word("OR") {
                break;
            }
        }
        self.expect(')')?;
        Ok(join(values, Filter::Any))
    }

    /// Parses `[a TO b]`, a range of the values of `field`.
    ///
    /// # Errors
    /// 400 if the range is malformed, a bound is not a value of the field, or the filter exceeds
    /// [`MAX_CONDITIONS`].
    fn range(&mut self, field: Field) -> Result<Filter> {
        self.expect('[')?;
        self.count()?;
        let from = self.bound()?;
        if !self.word("TO") {
            return Err(invalid(&self.expected("TO")));
        }
        let to = self.bound()?;
        self.expect(']')?;
        for end in [&from, &to].into_iter().flatten() {
            let comparable = match field {
                Field::Size => end.parse::<u64>().is_ok(),
                Field::CreatedDate | Field::ModifiedDate | Field::ContentDate => {
                    parse_time(end).is_some()
                }
                _ => true,
            };
            if !comparable {
                return Err(invalid(&format!("'{end}' is not a valid bound for this field")));
            }
        }
        Ok(Filter::Is(field, Value::Range(from, to)))
    }

    /// Parses a bound of a range; `None` for `*`.
    ///
    /// # Errors
    /// 400 if it is malformed, or contains `*` and other characters.
    fn bound(&mut self) -> Result<Option<String>> {
        self.skip_space();
        match self.value(false)? {
            Value::Prefix(text) if text.is_empty() => Ok(None),
            Value::Exactly(text) => Ok(Some(text)),
            Value::Prefix(_) | Value::Range(..) => Err(invalid("a range bound cannot contain '*'")),
        }
    }

    /// Parses a bare or quoted value. With `strict`, a bare value must escape special characters;
    /// the bounds of ranges need not, because times contain colons.
    ///
    /// # Errors
    /// 400 if the value is missing or not terminated, or has an unescaped special character or a
    /// `*` before its end.
    fn value(&mut self, strict: bool) -> Result<Value> {
        let quote = self.rest.next_if(|c| *c == '"' || *c == '\'');
        let mut text = String::new();
        let mut prefix = false;
        loop {
            let Some(&c) = self.rest.peek() else {
                match quote {
                    Some(_) => return Err(invalid("a quoted value is not terminated")),
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
                return Err(invalid("'*' is only allowed at the end of a value"));
            }
            self.rest.next();
            match c {
                '\\' => {
                    text.push(
                        self.rest
                            .next()
                            .ok_or_else(|| invalid("a backslash is not followed by a character"))?,
                    );
                }
                '*' => prefix = true,
                ':' | '(' | '[' | '{' | '}' | '?' | '~' | '^' if quote.is_none() && strict => {
                    return Err(invalid(&format!("'{c}' must be escaped")));
                }
                c => text.push(c),
            }
        }
        if text.is_empty() && !prefix && quote.is_none() {
            return Err(invalid(&self.expected("a value")));
        }
        Ok(if prefix { Value::Prefix(text) } else { Value::Exactly(text) })
    }

    /// Consumes a keyword if it is next, ignoring case. Returns whether it was.
    fn word(&mut self, word: &str) -> bool {
        self.skip_space();
        let mut ahead = self.rest.clone();
        let found: String = ahead.by_ref().take(word.len()).collect();
        let is_whole_word = ahead.peek().is_none_or(|c| c.is_whitespace() || *c == '(');
        if found.eq_ignore_ascii_case(word) && is_whole_word {
            self.rest = ahead;
            return true;
        }
        false
    }

    /// Consumes a character, after white space.
    ///
    /// # Errors
    /// 400 if another one is next.
    fn expect(&mut self, wanted: char) -> Result<()> {
        self.skip_space();
        match self.rest.next_if_eq(&wanted) {
            Some(_) => Ok(()),
            None => Err(invalid(&self.expected(&format!("'{wanted}'")))),
        }
    }

    /// Returns the description of a mismatch at the current position: the expected text and the
    /// actual one.
    fn expected(&mut self, wanted: &str) -> String {
        match self.rest.peek() {
            Some(c) => format!("expected {wanted}, found '{c}'"),
            None => format!("expected {wanted}"),
        }
    }
}

/// Combines filters with `several`, unless there is only one.
fn join(mut filters: Vec<Filter>, several: fn(Vec<Filter>) -> Filter) -> Filter {
    if filters.len() == 1 { filters.remove(0) } else { several(filters) }
}
