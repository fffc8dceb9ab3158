//! Text that must never be printed.

use std::{borrow::Cow, fmt, sync::Arc};

/// A token, a download URL or another pre-authenticated URL.
///
/// It has no `Display`, and its [`Debug`](fmt::Debug) shows an ellipsis. Only
/// [`expose`](Self::expose) returns the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Returns the text, for a request or for the user's own file.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces each occurrence of this secret in `text` by an ellipsis. Error messages of a cloud
    /// may repeat the token or URL of the request.
    pub fn redact_in<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_empty() || !text.contains(&*self.0) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text.replace(&*self.0, "…"))
    }
}

impl<S: Into<Arc<str>>> From<S> for Secret {
    /// Wraps a text that must not be printed.
    fn from(text: S) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    /// Shows an ellipsis, never the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_contain_the_text() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("hunter2").count(), 0);
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn the_text_is_removed_from_a_message() {
        let secret = Secret::from("hunter2");
        assert_eq!(secret.redact_in("token 'hunter2' is unknown"), "token '…' is unknown");
        assert_eq!(Secret::from("").redact_in("unchanged"), "unchanged");
    }
}
