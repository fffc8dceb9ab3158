//! Which names the cloud accepts, and which names it considers equal (amazon-drive#node-names).

use std::borrow::Cow;

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// The longest name, in characters.
const NAME_MAX: usize = 256;

/// Returns the form in which two names of a folder are equal: without regard to case, with no
/// Unicode normalisation.
///
/// Each character is replaced by its lower case, as in the cloud's own messages. The cloud does not
/// document which characters have one.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let lower = |c: char| {
        let mut lower = c.to_lowercase();
        match (lower.next(), lower.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    };
    Cow::Owned(name.chars().map(lower).collect())
}

/// Returns a key that is equal for all names that may collide.
///
/// The key is coarser than [`fold`]: the drive server compares names as OneDrive does, with full
/// case folding and without regard to Unicode normalisation.
pub(super) fn collision_key(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return fold(name);
    }
    let decomposed: String = name.nfd().collect();
    Cow::Owned(UniCase::unicode(decomposed).to_folded_case().nfc().collect())
}

/// Returns the reason for which the cloud rejects a name, or `None` if it accepts the name.
pub(super) fn validate(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("a name cannot be empty");
    }
    (name.chars().count() > NAME_MAX).then_some("a name cannot have more than 256 characters")
}
