//! Values that must never be printed.

use std::{fmt, sync::Arc};

/// A token, a ticket, a pre-authenticated URL. It has no way to be printed: [`Debug`](fmt::Debug)
/// shows dots, and the text is had only by saying [`expose`](Self::expose).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// The text itself, to be put on the wire or into a file of the user's own.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<S: Into<Arc<str>>> From<S> for Secret {
    fn from(text: S) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
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
