//! The kinds of accounts.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tree::NameFolding;

/// The kind of account that a drive belongs to. It decides the form of ids, etags and times in Graph's
/// responses, which hashes they contain, and which properties are missing
/// (onedrive-graph#drive-ids, onedrive-graph#item-id-formats, onedrive-graph#hash-availability).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// OneDrive for consumers on SharePoint's storage, as it is today.
    #[default]
    Personal,
    /// OneDrive for consumers before its migration: `CID!n` ids, unquoted etags.
    PersonalLegacy,
    /// OneDrive of a work or school account.
    Business,
    /// A document library of a SharePoint site.
    Library,
}

impl AccountKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::Personal, Self::PersonalLegacy, Self::Business, Self::Library];

    /// Returns the name in command-line flags and account names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::PersonalLegacy => "personal-legacy",
            Self::Business => "business",
            Self::Library => "library",
        }
    }

    /// Returns the kind that an account's name ends in, after the last dot and in lower case:
    /// `NAME.business` is a business account, whatever the server's default. So one server can have
    /// accounts of several kinds. `None`: the name contains no kind.
    pub fn from_account_name(name: &str) -> Option<Self> {
        name.rsplit_once('.').and_then(|(_, kind)| kind.parse().ok())
    }

    /// Returns how the names in a drive of this kind are compared. It applies to all protocols.
    pub(crate) fn folding(self) -> NameFolding {
        match self {
            Self::Personal | Self::PersonalLegacy => NameFolding::Consumer,
            Self::Business | Self::Library => NameFolding::SharePoint,
        }
    }

    /// Returns how names are compared in the drive of an account whose name contains its kind;
    /// `None` for other names.
    pub(crate) fn folding_of_account(name: &str) -> Option<NameFolding> {
        Self::from_account_name(name).map(Self::folding)
    }

    /// Returns Graph's `driveType`.
    pub(crate) fn drive_type(self) -> &'static str {
        match self {
            Self::Personal | Self::PersonalLegacy => "personal",
            Self::Business => "business",
            Self::Library => "documentLibrary",
        }
    }

    /// Returns the cloud's host for the bytes of such a drive and, except for consumers, for its pages.
    /// The tenant's name is invented.
    pub(crate) fn content_host(self) -> &'static str {
        match self {
            Self::Personal => "my.microsoftpersonalcontent.com",
            Self::PersonalLegacy => "public.1drv.com",
            Self::Business => "drivedal-my.sharepoint.com",
            Self::Library => "drivedal.sharepoint.com",
        }
    }

    /// Returns whether the drive belongs to a consumer.
    pub(crate) fn is_personal(self) -> bool {
        matches!(self, Self::Personal | Self::PersonalLegacy)
    }
}

impl fmt::Display for AccountKind {
    /// Writes the kind's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AccountKind {
    type Err = UnknownAccountKind;

    /// Parses the name of a kind, in lower case, such as `business`.
    ///
    /// # Errors
    /// `UnknownAccountKind` for any other text.
    fn from_str(text: &str) -> Result<Self, UnknownAccountKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownAccountKind(text.into()))
    }
}

impl Serialize for AccountKind {
    /// Serializes the kind as its name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for AccountKind {
    /// Deserializes a kind from its name, in lower case.
    ///
    /// # Errors
    /// The deserializer's error for any other value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that names no [`AccountKind`].
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{0}` is no account kind (personal, personal-legacy, business, library)")]
pub struct UnknownAccountKind(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_name_may_carry_its_kind() {
        for kind in AccountKind::ALL {
            assert_eq!(AccountKind::from_account_name(&format!("ci.{kind}")), Some(kind));
        }
        assert_eq!(AccountKind::from_account_name("business"), None);
        assert_eq!(AccountKind::from_account_name("ci.example"), None);
    }
}
