//! Names as SkyDrive takes them (live-connect#file-names; inferred there from the rules of
//! OneDrive's personal accounts).

use crate::services::names;
pub(super) use crate::services::names::fold;

/// Names of devices, which Windows keeps for itself.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// Why the cloud refuses a name; `None` if it takes it.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    if is_device(name) {
        return Some("the name is one that Windows keeps for a device");
    }
    names::refusal(name)
}

fn is_device(name: &str) -> bool {
    let numbered = |prefix: &str| {
        name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && matches!(name.as_bytes()[3..], [b'1'..=b'9'])
    };
    DEVICES.iter().any(|device| device.eq_ignore_ascii_case(name))
        || numbered("COM")
        || numbered("LPT")
}

/// Returns a name that no other item has, with an extension if `name` has one: the cloud refuses to
/// rename a file that has an extension to a name without one (live-connect#rename-needs-extension).
pub(super) fn temporary(name: &str) -> String {
    let random = super::client::random();
    match name.rsplit_once('.') {
        Some((stem, extension)) if stem.is_empty() || extension.is_empty() => {
            format!("drivedal-{random}")
        }
        Some((_, extension)) if extension.chars().count() <= 16 => {
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
    fn names_of_devices_are_refused_and_no_others() {
        for name in ["con", "NUL", "Com7", "lpt1"] {
            assert!(refusal(name).is_some(), "{name:?}");
        }
        for name in ["con.txt", "com0", "com10", "COMé", "ö#%&+'~", "e"] {
            assert_eq!(refusal(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_temporary_name_is_one_the_cloud_takes(name in "[^/\\\\:*?\"<>|]{1,80}") {
            prop_assume!(refusal(&name).is_none());
            let (one, other) = (temporary(&name), temporary(&name));
            prop_assert_eq!(refusal(&one), None);
            prop_assert_eq!(
                one.contains('.'),
                name.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && !end.is_empty())
            );
            prop_assert_ne!(one, other);
        }
    }
}
