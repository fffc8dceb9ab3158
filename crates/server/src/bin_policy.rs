//! How long the recycle bins of a server keep deleted items.

use std::time::Duration;

use jiff::Timestamp;

use crate::{account_kind::AccountKind, tree::BinLimits};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long deleted items are kept in the recycle bin of a personal OneDrive:
/// <https://support.microsoft.com/office/949ada80-0026-4db3-a953-c99083e6a84f>.
const AGE_PERSONAL: Duration = DAY.saturating_mul(30);

/// The same for OneDrive for Business and SharePoint, both stages together:
/// <https://learn.microsoft.com/sharepoint/retention-and-deletion>.
const AGE_BUSINESS: Duration = DAY.saturating_mul(93);

/// The limits of all recycle bins.
#[derive(Clone, Copy, Debug)]
pub(super) struct BinPolicy {
    /// `None` for the age of the account's kind.
    pub age: Option<Duration>,
    /// Maximum number of bytes per drive; `None` for no limit.
    pub max_size: Option<u64>,
    /// The kind of accounts whose name does not contain one.
    pub kind: AccountKind,
}

impl BinPolicy {
    /// Returns the limits of an account's recycle bin at the time `now`.
    pub(super) fn limits(self, account: &str, now: Timestamp) -> BinLimits {
        let default_age = match AccountKind::from_account_name(account).unwrap_or(self.kind) {
            AccountKind::Personal | AccountKind::PersonalLegacy => AGE_PERSONAL,
            AccountKind::Business | AccountKind::Library => AGE_BUSINESS,
        };
        BinLimits { max_age: self.age.unwrap_or(default_age), max_size: self.max_size, now }
    }
}
