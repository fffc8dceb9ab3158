//! Kinds of OneDrive accounts.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kind of account that a drive belongs to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "&'static str")]
#[non_exhaustive]
pub enum AccountKind {
    /// `personal`: a Microsoft account.
    Personal,
    /// `personal-legacy`: a Microsoft account that has not been migrated to SharePoint.
    PersonalLegacy,
    /// `business`: a work or school account.
    Business,
    /// `library`: a SharePoint document library.
    Library,
}

impl AccountKind {
    /// Returns whether the drive belongs to a Microsoft account, migrated or not.
    pub fn is_personal(self) -> bool {
        matches!(self, Self::Personal | Self::PersonalLegacy)
    }
}

impl From<AccountKind> for &'static str {
    /// Returns the value of the option `account_kind`.
    fn from(kind: AccountKind) -> Self {
        match kind {
            AccountKind::Personal => "personal",
            AccountKind::PersonalLegacy => "personal-legacy",
            AccountKind::Business => "business",
            AccountKind::Library => "library",
        }
    }
}

impl FromStr for AccountKind {
    type Err = String;

    /// Parses the value of the option `account_kind`, in any case.
    ///
    /// # Errors
    /// A message that names the valid values.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match &*text.to_ascii_lowercase() {
            "personal" => Self::Personal,
            "personal-legacy" => Self::PersonalLegacy,
            "business" => Self::Business,
            "library" => Self::Library,
            _ => {
                return Err(format!(
                    "invalid account_kind {text:?}: expected personal, personal-legacy, business \
                     or library"
                ));
            }
        })
    }
}

impl TryFrom<String> for AccountKind {
    type Error = String;

    /// Parses a value of the configuration, like [`from_str`](Self::from_str).
    ///
    /// # Errors
    /// Those of [`from_str`](Self::from_str).
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
