//! The kinds of account that the server has.

use std::{fmt, str::FromStr};

use crate::tree::NameFolding;

/// What kind of account a drive belongs to. The same drive answers with other ids, etags, hashes
/// and times, and leaves other things out, by kind (onedrive-graph#drive-ids,
/// onedrive-graph#item-id-formats, onedrive-graph#hash-availability).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// OneDrive for consumers as it is now, kept on SharePoint's storage.
    #[default]
    Personal,
    /// OneDrive for consumers before its move: `CID!n` ids, unquoted etags.
    PersonalLegacy,
    /// OneDrive of a work or school account.
    Business,
    /// A document library of a SharePoint site.
    Library,
}

impl AccountKind {
    /// Every kind.
    pub const ALL: [Self; 4] =
        [Self::Personal, Self::PersonalLegacy, Self::Business, Self::Library];

    /// Its name in flags and account names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::PersonalLegacy => "personal-legacy",
            Self::Business => "business",
            Self::Library => "library",
        }
    }

    /// The kind that an account's name carries: `NAME.business` is a business account whatever the
    /// server's default is, so that accounts of several kinds live on one server.
    pub fn from_account_name(name: &str) -> Option<Self> {
        name.rsplit_once('.').and_then(|(_, kind)| kind.parse().ok())
    }

    /// How the names of such a drive are compared, whatever protocol shows it.
    pub(crate) fn folding(self) -> NameFolding {
        match self {
            Self::Personal | Self::PersonalLegacy => NameFolding::Consumer,
            Self::Business | Self::Library => NameFolding::SharePoint,
        }
    }

    /// The folding of an account whose name carries its kind.
    pub(crate) fn folding_of_account(name: &str) -> Option<NameFolding> {
        Self::from_account_name(name).map(Self::folding)
    }

    /// `driveType` on the wire.
    pub(crate) fn drive_type(self) -> &'static str {
        match self {
            Self::Personal | Self::PersonalLegacy => "personal",
            Self::Business => "business",
            Self::Library => "documentLibrary",
        }
    }

    /// The cloud's host for such a drive's bytes and, but for consumers, its pages. The tenant's
    /// name is ours.
    pub(crate) fn content_host(self) -> &'static str {
        match self {
            Self::Personal => "my.microsoftpersonalcontent.com",
            Self::PersonalLegacy => "public.1drv.com",
            Self::Business => "drivedal-my.sharepoint.com",
            Self::Library => "drivedal.sharepoint.com",
        }
    }

    /// Whether this is a consumer's drive.
    pub(crate) fn is_personal(self) -> bool {
        matches!(self, Self::Personal | Self::PersonalLegacy)
    }
}

impl fmt::Display for AccountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AccountKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind(text.into()))
    }
}

/// A word that names no account kind.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0:?} is not an account kind: personal, personal-legacy, business or library")]
pub struct UnknownKind(String);

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
