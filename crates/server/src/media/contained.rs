//! Runs third-party parsers on untrusted bytes. Their panics and log messages are contained.

use std::{
    any::Any,
    cell::Cell,
    io,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use tracing::subscriber::NoSubscriber;

use super::invalid;

thread_local! {
    /// Whether this thread runs a parser whose panics must not be printed.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs a parser. A panic becomes [`io::ErrorKind::InvalidData`]. Neither the panic's message nor the
/// parser's log messages are printed: an upload must not write to the user's screen.
///
/// # Errors
/// The error of `parse`, or [`io::ErrorKind::InvalidData`] if it panics.
pub(super) fn contained<T>(parse: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !CONTAINED.get() {
                previous(panic);
            }
        }));
    });
    CONTAINED.set(true);
    let parsed = tracing::subscriber::with_default(NoSubscriber::default(), || {
        panic::catch_unwind(AssertUnwindSafe(parse))
    });
    CONTAINED.set(false);
    parsed
        .unwrap_or_else(|panic| Err(invalid(format!("the parser panicked: {}", message(&*panic)))))
}

/// Returns the message of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_thread_continues() {
        let failed = contained::<()>(|| panic!("on {}", "purpose")).expect_err("an error");
        assert_eq!(failed.kind(), io::ErrorKind::InvalidData);
        assert!(failed.to_string().ends_with("on purpose"), "{failed}");
        assert!(!CONTAINED.get());
        assert_eq!(contained(|| Ok(1)).expect("a value"), 1);
    }
}
