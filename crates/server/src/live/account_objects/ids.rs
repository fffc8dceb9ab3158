//! Ids of objects outside the drive (live-connect#id-formats).

use std::fmt;

use rand::RngCore;

use crate::{live::ids::is_cid, tree::AccountObjectKind};

/// The number of hexadecimal digits in the id of a contact, a calendar or an event.
const DIGITS: usize = 32;

/// The id of a contact, a calendar, an event or an application.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::live) struct AccountObjectId {
    pub kind: AccountObjectKind,
    /// The whole id, with lower-case digits.
    text: String,
}

impl AccountObjectId {
    /// Parses an id with its prefix; `None` if the prefix is unknown or the number of hexadecimal
    /// digits is wrong. Digits may have either case. The object may not exist.
    pub(in crate::live) fn parse(text: &str) -> Option<Self> {
        let (prefix, digits) = text.split_once('.')?;
        let is_long = |digits: &str| {
            digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let (kind, is_valid) = match prefix {
            "contact" => (AccountObjectKind::Contact, is_long(digits)),
            "calendar" => (AccountObjectKind::Calendar, is_long(digits)),
            "application" => (AccountObjectKind::Application, is_cid(digits)),
            "event" => {
                let (calendar, event) = digits.split_once('.')?;
                (AccountObjectKind::Event, is_long(calendar) && is_long(event))
            }
            _ => return None,
        };
        is_valid.then(|| Self { kind, text: text.to_ascii_lowercase() })
    }

    /// Creates the id of the application with a client id of 16 hexadecimal digits, which are not
    /// checked.
    pub(in crate::live) fn for_client(client_id: &str) -> Self {
        let text = format!("application.{}", client_id.to_ascii_lowercase());
        Self { kind: AccountObjectKind::Application, text }
    }

    /// Creates the id of the default calendar of the account with the id `cid`. It is always the
    /// same.
    pub(super) fn default_calendar(cid: &str) -> Self {
        // Derived from the account, so that two first requests create the same calendar.
        Self { kind: AccountObjectKind::Calendar, text: format!("calendar.{:0<16}{cid}", "") }
    }

    /// Creates the id of the birthday calendar of the account with the id `cid`. It is always the same.
    pub(super) fn birthday_calendar(cid: &str) -> Self {
        Self { kind: AccountObjectKind::Calendar, text: format!("calendar.{:0>16}{cid}", 1) }
    }

    /// Creates a new id of a contact or a calendar.
    pub(super) fn random(kind: AccountObjectKind) -> Self {
        let prefix = if kind == AccountObjectKind::Contact { "contact" } else { "calendar" };
        Self { kind, text: format!("{prefix}.{}", digits(DIGITS)) }
    }

    /// Creates a new id of an event in the calendar with the id `calendar`.
    pub(super) fn random_event(calendar: &str) -> Self {
        Self::for_event(calendar, &digits(DIGITS))
    }

    /// Creates the id of an event in the calendar with the id `calendar`. `event` has 32 hexadecimal
    /// digits, which are not checked.
    pub(super) fn for_event(calendar: &str, event: &str) -> Self {
        let calendar = calendar.trim_start_matches("calendar.");
        Self { kind: AccountObjectKind::Event, text: format!("event.{calendar}.{event}") }
    }

    /// Creates a new id of an application. The first digits are zeros, as in the reference.
    pub(super) fn random_application() -> Self {
        Self::for_client(&format!("0000{}", digits(12)))
    }

    /// Returns the id as text.
    pub(in crate::live) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the client id of an application: the part after the prefix.
    pub(super) fn client_id(&self) -> &str {
        self.text.split_once('.').map_or("", |(_, digits)| digits)
    }

    /// Returns the id of an event's calendar; `None` for other objects.
    pub(super) fn calendar(&self) -> Option<String> {
        let (calendar, _) = self.text.strip_prefix("event.")?.split_once('.')?;
        Some(format!("calendar.{calendar}"))
    }
}

impl fmt::Display for AccountObjectId {
    /// Writes the whole id, with lower-case digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns random hexadecimal digits. `count` is their number, which must be even.
fn digits(count: usize) -> String {
    let mut bytes = vec![0; count / 2];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_the_reference_are_parsed() {
        for (id, kind) in [
            ("contact.b4466224b2ca42798c3d4ea90c75aa56", AccountObjectKind::Contact),
            ("calendar.42d4dbc866f94c83849c88c6eb9985bc", AccountObjectKind::Calendar),
            ("application.000000004c043705", AccountObjectKind::Application),
            (
                "event.611afb17fa9448f28cdb8277e8ffeb77.e9f015000d0249ce847c5306a25d7d75",
                AccountObjectKind::Event,
            ),
        ] {
            let parsed = AccountObjectId::parse(id).expect("an id");
            assert_eq!((parsed.kind, parsed.as_str()), (kind, id));
        }
    }

    #[test]
    fn new_ids_have_the_formats_of_the_reference_and_are_different() {
        let calendar = AccountObjectId::random(AccountObjectKind::Calendar);
        let event = AccountObjectId::random_event(calendar.as_str());
        assert_eq!(event.calendar().as_deref(), Some(calendar.as_str()));
        for id in [
            AccountObjectId::random(AccountObjectKind::Contact),
            AccountObjectId::default_calendar("8c8ce076ca27823f"),
            AccountObjectId::birthday_calendar("8c8ce076ca27823f"),
            AccountObjectId::random_application(),
            calendar.clone(),
            event,
        ] {
            assert_eq!(AccountObjectId::parse(id.as_str()), Some(id));
        }
        assert_ne!(AccountObjectId::random(AccountObjectKind::Calendar), calendar);
    }

    #[test]
    fn invalid_ids_are_rejected() {
        for text in [
            "contact.",
            "contact.b4466224b2ca42798c3d4ea90c75aa5",
            "contact.b4466224b2ca42798c3d4ea90c75aa5g",
            "application.4c043705",
            "event.611afb17fa9448f28cdb8277e8ffeb77",
            "friend.b4466224b2ca42798c3d4ea90c75aa56",
        ] {
            assert_eq!(AccountObjectId::parse(text), None, "{text}");
        }
    }
}
