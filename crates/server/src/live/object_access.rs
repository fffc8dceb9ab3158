//! The access level of items: the member `shared_with`.

use crate::{
    account_scope,
    tree::{Node, SharingAudience, SharingSummary},
};

/// Who can see an item, in ascending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ObjectAccess {
    #[default]
    Owner,
    /// Users whom the owner selected.
    Selected,
    /// Everyone who has a sharing link.
    Link,
    Everyone,
}

impl ObjectAccess {
    /// Returns the access to an item. `above` is the access to its folder, which the item inherits
    /// unless its own permissions end that.
    pub(super) fn from_node(node: &Node, above: Self) -> Self {
        let Some(summary) = SharingSummary::from_node(node) else { return above };
        let own = match summary.audience(account_scope::now()) {
            None => Self::Owner,
            Some(SharingAudience::Users) => Self::Selected,
            Some(SharingAudience::Organization | SharingAudience::Anonymous) => Self::Link,
            Some(SharingAudience::Everyone) => Self::Everyone,
        };
        if summary.is_boundary { own } else { own.max(above) }
    }
}
