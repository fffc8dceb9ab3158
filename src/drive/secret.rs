//! Values that must never be printed.

use std::{borrow::Cow, fmt, sync::Arc};

/// A token, a download URL, a pre-authenticated URL. It has no way to be printed: [`Debug`](fmt::Debug)
/// shows dots, and the text is had only by saying [`expose`](Self::expose).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// The text itself, to be put on the wire or into a file of the user's own.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without this secret: for words of a cloud's that may repeat what they were sent.
    pub fn hidden_in<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_empty() || !text.contains(&*self.0) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text.replace(&*self.0, "…"))
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
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("hunter2").count(), 0);
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_secret_is_cut_out_of_what_somebody_else_says() {
        let secret = Secret::from("hunter2");
        assert_eq!(secret.hidden_in("token 'hunter2' is unknown"), "token '…' is unknown");
        assert_eq!(Secret::from("").hidden_in("as it is"), "as it is");
    }
}
