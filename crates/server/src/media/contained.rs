//! Runs third-party parsers on untrusted bytes without letting their failures reach the user.

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
    /// Whether this thread runs a parser whose panics are not to be printed.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs a parser. A panic in it becomes `InvalidData`; neither the panic's message nor an event that
/// the parser logs is printed: an upload is no reason to write to the user's screen.
///
/// # Errors
/// Those of `parse`, and `InvalidData` if it panics.
pub(super) fn contained<T>(parse: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !CONTAINED.get() {
                others(panic);
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

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_thread_goes_on() {
        let failed = contained::<()>(|| panic!("on {}", "purpose")).expect_err("an error");
        assert_eq!(failed.kind(), io::ErrorKind::InvalidData);
        assert!(failed.to_string().ends_with("on purpose"), "{failed}");
        assert!(!CONTAINED.get());
        assert_eq!(contained(|| Ok(1)).expect("a value"), 1);
    }
}
