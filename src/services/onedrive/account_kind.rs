//! What kind of account.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What kind of account a drive belongs to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum AccountKind {
    /// `personal`: a Microsoft account's.
    Personal,
    /// `personal-legacy`: one that was not moved to SharePoint yet.
    PersonalLegacy,
    /// `business`: a work or school account's.
    Business,
    /// `library`: a SharePoint document library.
    Library,
}

impl AccountKind {
    /// Whether it is a Microsoft account's, moved or not.
    pub fn is_personal(self) -> bool {
        matches!(self, Self::Personal | Self::PersonalLegacy)
    }
}

impl From<AccountKind> for &'static str {
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

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match &*text.to_ascii_lowercase() {
            "personal" => Self::Personal,
            "personal-legacy" => Self::PersonalLegacy,
            "business" => Self::Business,
            "library" => Self::Library,
            _ => {
                return Err(format!(
                    "account_kind: {text:?} is none of personal, personal-legacy, business, library"
                ));
            }
        })
    }
}

impl TryFrom<String> for AccountKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
