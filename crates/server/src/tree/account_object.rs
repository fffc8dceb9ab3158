//! Objects of an account that are not items of its drive.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::account_scope;

/// An object of an account that is not an item of its drive, such as a contact or a calendar.
///
/// The tree stores and selects these objects; it does not interpret their fields.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountObject {
    /// The kind of object.
    pub kind: AccountObjectKind,
    /// The object's id, unique among the account's objects of this kind.
    pub id: String,
    /// The id of the object that contains this one, or another text to select by. Empty if there is
    /// neither.
    pub parent: String,
    /// When the object begins and ends. `None` for objects without a time.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Time of the creation.
    pub created: Timestamp,
    /// Time of the last change.
    pub modified: Timestamp,
    /// The protocol's data.
    pub fields: Map<String, Value>,
    /// A picture, if the object has one. Lists do not read it.
    pub data: Option<Bytes>,
}

impl AccountObject {
    /// Creates an object without a parent, a time, fields and data, as of now.
    pub fn new(kind: AccountObjectKind, id: impl Into<String>) -> Self {
        let now = account_scope::now();
        Self {
            kind,
            id: id.into(),
            parent: String::new(),
            span: None,
            created: now,
            modified: now,
            fields: Map::new(),
            data: None,
        }
    }
}

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountObjectKind {
    /// The account's owner. An account has at most one, with an empty id.
    Profile,
    /// A contact.
    Contact,
    /// A calendar.
    Calendar,
    /// An event. Its parent is its calendar.
    Event,
    /// An activity.
    Activity,
    /// A registered application.
    Application,
    /// A followed item of the drive. Its id is the key of the item.
    FollowedItem,
    /// A column that a client added to a document library. Its id is its name.
    Column,
    /// A bundle of items of the drive.
    Bundle,
    /// A site that the user follows. Its id is the GUID of the site.
    FollowedSite,
}

impl AccountObjectKind {
    /// All kinds. The index is the code in the database.
    const ALL: [Self; 10] = [
        Self::Profile,
        Self::Contact,
        Self::Calendar,
        Self::Event,
        Self::Activity,
        Self::Application,
        Self::FollowedItem,
        Self::Column,
        Self::Bundle,
        Self::FollowedSite,
    ];

    /// Returns the code in the database.
    pub(super) fn code(self) -> i64 {
        Self::ALL.iter().position(|kind| *kind == self).map_or(0, |index| index as i64)
    }

    /// Returns the kind of a code; `None` if no kind has it.
    pub(super) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

/// Selects objects of an account.
#[derive(Clone, Debug)]
pub struct AccountObjectQuery {
    /// The kind of objects.
    pub kind: AccountObjectKind,
    /// Only objects with this parent.
    pub parent: Option<String>,
    /// Only objects whose time overlaps with this one: those that end after its start and begin before
    /// its end, and those without a duration at its start.
    pub during: Option<(Timestamp, Timestamp)>,
    /// Number of objects to skip.
    pub offset: u64,
    /// Maximum number of objects.
    pub limit: Option<u64>,
}

impl AccountObjectQuery {
    /// Selects all objects of a kind, without an offset and a limit.
    pub fn all(kind: AccountObjectKind) -> Self {
        Self { kind, parent: None, during: None, offset: 0, limit: None }
    }
}
