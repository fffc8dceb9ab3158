//! Support for tests with third-party clients.

use std::{env, fmt, fs, path::Path};

use libtest_mimic::{Failed, Trial};

/// The result of a trial.
pub type TrialResult<T = ()> = Result<T, Failed>;

/// Creates a trial with this name. `missing` is the reason why its client is absent, or `None`: the
/// trial is then ignored with the reason, or fails if `DRIVEDAL_REQUIRE_CLIENTS` is set.
pub fn trial(
    name: String,
    missing: Option<&str>,
    run: impl FnOnce() -> TrialResult + Send + 'static,
) -> Trial {
    match missing.map(str::to_owned) {
        None => Trial::test(name, run),
        Some(reason) if env::var_os("DRIVEDAL_REQUIRE_CLIENTS").is_some() => {
            Trial::test(name, move || Err(reason.into()))
        }
        Some(reason) => Trial::test(format!("{name} ({reason})"), run).with_ignored_flag(true),
    }
}

/// Fails with both values if they differ. `what` names them.
///
/// # Errors
/// Returns a failure if the values differ.
pub fn check<T: PartialEq + fmt::Debug>(what: &str, found: T, expected: T) -> TrialResult {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: found {found:?}, expected {expected:?}").into()),
    }
}

/// Names of the files in a test tree.
pub const TREE: [&str; 5] =
    ["small.txt", "empty.bin", "dir/inner/deep.txt", "dir/#%&+' ünïcode 日本.txt", "dir/large.bin"];

/// Creates that tree, and an empty folder in it. `large` is the size of the large file in bytes.
///
/// # Errors
/// Returns a failure if a file cannot be written.
pub fn make_tree(folder: &Path, large: u32) -> TrialResult {
    let large: Vec<u8> = (0..large).map(|i| (i ^ i >> 9) as u8).collect();
    for (name, bytes) in TREE.into_iter().zip([&b"hello world"[..], b"", b"deep", b"names", &large])
    {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().ok_or("no parent")?)?;
        fs::write(&path, bytes)?;
    }
    Ok(fs::create_dir_all(folder.join("empty folder"))?)
}
