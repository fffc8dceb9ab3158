//! Addresses: the resources that URL paths name (onedrive-graph#addressing-grammar).
//!
//! ```text
//! drive  = /me/drive | /drive | /drives/me | /drives/ID | /users/ID/drive | /groups/ID/drive
//!        | /sites/SITE/drive | /sites/SITE/drives/ID | /groups/ID/sites/root/drive
//! item   = drive/root | drive/items/ID | drive/special/NAME | /shares/TOKEN/driveItem
//! below  = item:/path[:]        a path relative to the item; the closing colon is optional
//!        | item/children/NAME   | item/children('NAME')
//! action = item/segment … | item:/path:/segment …
//! ```
//!
//! The path is decoded once, *before* it is split: `%2F` separates names, and `.` segments are
//! dropped. A path that begins with an encoded colon also ends with an encoded one. Between plain
//! colons, an encoded colon would be part of a name, and no name contains `:` or `/`. Everything
//! between two colons is names, so `root:/children` is the item named "children". Functions may
//! have parentheses and a namespace: `delta`, `delta()`, `microsoft.graph.delta(token='…')`.

mod parser;

use percent_encoding::percent_decode_str;

use self::parser::{AddressParser, ENCODED_COLON};
use super::{
    error::{Error, Result},
    query::QueryOptions,
};

/// The resource that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `/me`, `/users/ID`.
    User(Owner),
    /// The drives of a user, group or site.
    Drives(Owner),
    /// A site.
    Site(Site),
    /// `/sites?search=`.
    Sites,
    /// A collection of the tenant.
    Tenant(Collection),
    /// The organization with an id.
    Organization(String),
    /// A group, or another resource of a user, group or site: `memberOf`, `lists`. `segments` is
    /// empty for the group itself, and for the site of a group.
    OfOwner { owner: Owner, segments: Vec<PathSegment> },
    /// A drive. `segments` is empty for the drive itself.
    Drive { drive: DriveRef, segments: Vec<PathSegment> },
    /// A shared item by its sharing token, without the item itself.
    Share { token: String, segments: Vec<PathSegment> },
    /// The permissions of a site; `segments` are those after `permissions`.
    SitePermissions { site: Site, segments: Vec<PathSegment> },
    /// An item, or a resource or action of it.
    Item(ItemAddress),
    /// `/$batch`.
    Batch,
    /// `/search/query`.
    SearchQuery,
}

/// The address of an item, and the rest of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ItemAddress {
    pub(super) drive: DriveRef,
    pub(super) anchor: Anchor,
    /// Names of the path from the anchor to the item; empty if the anchor is the item.
    pub(super) path: Vec<String>,
    /// The segments after the item, such as `children` or `content`; empty for the item itself.
    pub(super) segments: Vec<PathSegment>,
}

/// A collection of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    Users,
    Groups,
    Organizations,
    /// `/sites/getAllSites`.
    AllSites,
}

/// The owner of a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Me,
    /// By id or address.
    User(String),
    /// By id.
    Group(String),
    /// The site of the group with an id: `/groups/ID/sites/root`.
    GroupSite(String),
    Site(Site),
}

/// A SharePoint site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// `root`, a host name, or `host,guid,guid`.
    pub(super) id: String,
    /// Names of the server-relative path after `:/`; empty if there is none.
    pub(super) path: Vec<String>,
}

/// A reference to a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DriveRef {
    /// The default drive of its owner.
    OwnedBy(Owner),
    /// A drive id; `site` if the address names the drive's site too.
    Id { id: String, site: Option<Site> },
    /// The drive of a sharing token.
    Share(String),
}

/// The item that a path is relative to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Root,
    Id(String),
    /// A special folder by its name: `approot`, `documents`, …
    Special(String),
    /// The item of a sharing token.
    Shared,
}

/// A segment of a URL path after a drive or item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathSegment {
    /// The name without its namespace.
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
}

/// An argument of a function. `name` is `None` for a positional argument; `value` is without
/// quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) value: String,
}

impl PathSegment {
    /// Returns the value, without quotes, of the first argument that is positional or has the name
    /// `name`; `None` if there is neither.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        let is_wanted =
            |argument: &&Argument| argument.name.as_deref().is_none_or(|given| given == name);
        self.arguments.iter().find(is_wanted).map(|argument| argument.value.as_str())
    }
}

impl Address {
    /// Parses a percent-encoded path without its base (`/v1.0`).
    ///
    /// # Errors
    /// 400 for a path that is not UTF-8, has a parenthesis without its end, more than 100
    /// arguments, `..`, a colon in a name or a segment that Graph does not have; 501 for a resource
    /// of Graph that this server does not serve.
    pub(super) fn parse(raw: &str, query: &QueryOptions) -> Result<Self> {
        let marked = raw.replace("%3A", ENCODED_COLON).replace("%3a", ENCODED_COLON);
        let decoded = percent_decode_str(&marked).decode_utf8().map_err(|_| {
            Error::invalid("cannot read the path of the URL: it is not UTF-8").inner("invalidPath")
        })?;
        AddressParser::new(&decoded, query).address()
    }
}

#[cfg(test)]
mod tests;
