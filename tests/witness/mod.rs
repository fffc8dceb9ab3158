//! What the tests with other people's clients share.

use std::{env, fmt};

use libtest_mimic::{Failed, Trial};

pub type Outcome<T = ()> = Result<T, Failed>;

/// A test. Where its client is missing it says so and is ignored, or fails if
/// `DRIVEDAL_REQUIRE_CLIENTS` is set.
pub fn trial(
    name: String,
    missing: Option<&str>,
    run: impl FnOnce() -> Outcome + Send + 'static,
) -> Trial {
    match missing.map(str::to_owned) {
        None => Trial::test(name, run),
        Some(why) if env::var_os("DRIVEDAL_REQUIRE_CLIENTS").is_some() => {
            Trial::test(name, move || Err(why.into()))
        }
        Some(why) => Trial::test(format!("{name} ({why})"), run).with_ignored_flag(true),
    }
}

/// Compares, and says what differs.
#[allow(dead_code, reason = "not every client's tests compare")]
pub fn check<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: found {found:?}, expected {expected:?}").into()),
    }
}
