//! A text that must not be printed.

use std::{fmt, sync::Arc};

/// A token or a pre-authenticated URL.
///
/// It cannot be printed by accident: [`Debug`](fmt::Debug) shows an ellipsis, `Display` is missing,
/// and only [`expose`](Self::expose) returns the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Returns the text, to be sent or to be written to a private file.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<S: Into<Arc<str>>> From<S> for Secret {
    /// Wraps a text.
    fn from(text: S) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    /// Writes an ellipsis.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let secret = Secret::from("hunter2");
        assert!(!format!("{secret:?} {:?}", Some(&secret)).contains("hunter2"));
        assert_eq!(secret.expose(), "hunter2");
    }
}
