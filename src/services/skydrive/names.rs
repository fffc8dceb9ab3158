//! Which names SkyDrive accepts (live-connect#file-names; inferred from the rules of personal
//! OneDrive accounts), and temporary names.

pub(super) use crate::services::names::fold;
use crate::services::{multipart::random_hex, names};

/// Device names that Windows reserves, without the numbered ones.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// Maximum length of an extension that a temporary name keeps, in characters.
const EXTENSION_MAX: usize = 16;

/// Returns the reason for which the cloud rejects a name, or `None` if it accepts the name.
pub(super) fn validate(name: &str) -> Option<&'static str> {
    if is_device(name) {
        return Some("Windows reserves the name for a device");
    }
    names::validate_name(name)
}

/// Returns whether Windows reserves a name for a device, in any case.
fn is_device(name: &str) -> bool {
    let is_numbered = |prefix: &str| {
        name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && matches!(name.as_bytes()[3..], [b'1'..=b'9'])
    };
    DEVICES.iter().any(|device| device.eq_ignore_ascii_case(name))
        || is_numbered("COM")
        || is_numbered("LPT")
}

/// Returns a random name, with an extension if `name` has one: the cloud rejects the rename of a file
/// with an extension to a name without one (live-connect#rename-needs-extension).
pub(super) fn temporary(name: &str) -> String {
    let random = random_hex();
    match name.rsplit_once('.') {
        Some((stem, extension)) if stem.is_empty() || extension.is_empty() => {
            format!("drivedal-{random}")
        }
        Some((_, extension)) if extension.chars().count() <= EXTENSION_MAX => {
            format!("drivedal-{random}.{extension}")
        }
        Some(_) => format!("drivedal-{random}.tmp"),
        None => format!("drivedal-{random}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_names_of_devices_are_rejected() {
        for name in ["con", "NUL", "Com7", "lpt1"] {
            assert!(validate(name).is_some(), "{name:?}");
        }
        for name in ["con.txt", "com0", "com10", "COMé", "ö#%&+'~", "e"] {
            assert_eq!(validate(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn the_cloud_accepts_temporary_names(name in "[^/\\\\:*?\"<>|]{1,80}") {
            prop_assume!(validate(&name).is_none());
            let (one, other) = (temporary(&name), temporary(&name));
            prop_assert_eq!(validate(&one), None);
            prop_assert_eq!(
                one.contains('.'),
                name.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && !end.is_empty())
            );
            prop_assert_ne!(one, other);
        }
    }
}
