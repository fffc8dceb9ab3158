//! Errors of a directory's text.

use std::fmt;

/// The reason why a [`Directory`](super::Directory) is invalid, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryError {
    line: Option<usize>,
    key: Option<String>,
    reason: String,
}

impl DirectoryError {
    /// Creates an error of a key, such as `users[0].tenant`.
    pub(super) fn at(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { line: None, key: Some(key.into()), reason: reason.into() }
    }

    /// Creates an error without a key, such as one of the syntax.
    pub(super) fn syntax(line: Option<usize>, reason: impl Into<String>) -> Self {
        Self { line, key: None, reason: reason.into() }
    }

    /// Sets the line.
    pub(super) fn on_line(self, line: Option<usize>) -> Self {
        Self { line, ..self }
    }

    /// Sets the key.
    pub(super) fn with_key(self, key: Option<String>) -> Self {
        Self { key, ..self }
    }

    /// Returns the number of the line, from 1; `None` if it is unknown.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// Returns the key, such as `users[0].tenant`; `None` for an error of the syntax.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns the reason and the key, without the line.
    pub fn reason(&self) -> String {
        match &self.key {
            Some(key) => format!("{key}: {}", self.reason),
            None => self.reason.clone(),
        }
    }
}

impl fmt::Display for DirectoryError {
    /// Writes the line, if it is known, the key and the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.reason())
    }
}

impl std::error::Error for DirectoryError {}
