//! The naming rules of SkyDrive (live-connect#file-names; inferred from the rules of the consumer
//! OneDrive).

/// Characters that a name cannot contain.
const FORBIDDEN: &[char] = &['\\', '/', ':', '*', '?', '"', '<', '>', '|'];

/// Reserved device names of Windows, in any case.
const DEVICES: &[&str] = &[
    "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8",
    "COM9", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

/// Maximum length of a name, in UTF-16 code units.
const MAX_LENGTH: usize = 255;

/// Checks that Live Connect allows the name of an item, which is percent-decoded.
///
/// # Errors
/// The rule that the name breaks, as the end of a sentence.
pub(super) fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.encode_utf16().count() > MAX_LENGTH {
        return Err("it is longer than 255 characters");
    }
    if name.contains(FORBIDDEN) {
        return Err(r#"it has one of \ / : * ? " < > |"#);
    }
    if name.chars().any(|character| character < ' ') {
        return Err("it has a control character");
    }
    if name.starts_with(' ') || name.ends_with(' ') {
        return Err("it begins or ends with a space");
    }
    if name.ends_with('.') {
        return Err("it ends with a dot");
    }
    if DEVICES.iter().any(|device| name.eq_ignore_ascii_case(device)) {
        return Err("it is the name of a device");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_and_uncommon_names_are_taken() {
        let longest = "a".repeat(255);
        let surrogates = "\u{1F600}".repeat(127);
        for name in [
            "a.txt",
            ".hidden",
            "a b",
            "#%&+'=;,@$!~^()[]{}-_",
            "näme",
            "名前",
            "aux.rs",
            "com10",
            &longest,
            &surrogates,
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_windows_cannot_have_are_refused() {
        let long = "a".repeat(256);
        let surrogates = "\u{1F600}".repeat(128);
        for name in [
            "",
            ".",
            "..",
            "a.",
            " a",
            "a ",
            "a/b",
            r"a\b",
            "a:b",
            "a*",
            "a?",
            "a\"",
            "<",
            ">",
            "|",
            "a\nb",
            "\0",
            "CON",
            "con",
            "Lpt1",
            &long,
            &surrogates,
        ] {
            assert!(check(name).is_err(), "{name:?}");
        }
    }
}
