//! Graph's addressing grammar: which thing a URL's path names (onedrive-graph#addressing-grammar).
//!
//! ```text
//! drive  = /me/drive | /drive | /drives/me | /drives/ID | /users/ID/drive | /groups/ID/drive
//!        | /sites/SITE/drive | /sites/SITE/drives/ID
//! item   = drive/root | drive/items/ID | drive/special/NAME | /shares/TOKEN/driveItem
//! below  = item:/path[:]        a path relative to the item; the closing colon is optional
//!        | item/children/NAME   | item/children('NAME')
//! call   = item/segment … | item:/path:/segment …
//! ```
//!
//! The path is decoded once, *before* it is split: `%2F` separates, `.` segments fall away. A path
//! that an encoded colon opens is closed by an encoded one too; between plain colons an encoded one
//! would be part of a name, and no name contains `:` or `/`. Between two colons there are names and
//! nothing else, hence `root:/children` is the item called "children". Functions may
//! have parentheses and a namespace: `delta`, `delta()`, `microsoft.graph.delta(token='…')`.

use percent_encoding::percent_decode_str;

use super::{
    error::{Error, Result},
    query::{Query, unquote},
};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `/me`, `/users/ID`.
    User(Owner),
    /// The drives of somebody.
    Drives(Owner),
    /// A site.
    Site(Site),
    /// `/sites?search=`.
    Sites,
    /// A drive, or something asked of it.
    Drive { drive: DriveRef, calls: Vec<Call> },
    /// An item, or something asked of it.
    Item(ItemAddress),
    /// `/$batch`.
    Batch,
}

/// An item's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ItemAddress {
    pub(super) drive: DriveRef,
    pub(super) anchor: Anchor,
    /// Names below the anchor.
    pub(super) path: Vec<String>,
    /// What is asked of it; empty: the item itself.
    pub(super) calls: Vec<Call>,
}

/// Whose drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Me,
    User(String),
    Group(String),
    Site(Site),
}

/// Which site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// `root`, a host's name, or `host,guid,guid`.
    pub(super) id: String,
    /// The server-relative path after `:/`.
    pub(super) path: Vec<String>,
}

/// Which drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DriveRef {
    /// The one drive of its owner.
    Of(Owner),
    /// By id; `within` a site, where it was addressed so.
    Id { id: String, within: Option<Site> },
    /// The one that a sharing token leads to.
    Share(String),
}

/// Where a path begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Root,
    Id(String),
    /// A special folder: `approot`, `documents`, …
    Special(String),
    /// The item that a sharing token leads to.
    Shared,
}

/// A segment after an item or drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Without its namespace.
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
}

/// An argument of a function; a name, where it has one, and a value without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) value: String,
}

impl Call {
    /// The value of an argument, by its name or as the only one.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        let is = |argument: &&Argument| argument.name.as_deref().is_none_or(|given| given == name);
        self.arguments.iter().find(is).map(|argument| argument.value.as_str())
    }
}

impl Address {
    /// Reads a raw, percent-encoded path, given from after the version on.
    pub(super) fn parse(raw: &str, query: &Query) -> Result<Self> {
        let marked = raw.replace("%3A", ENCODED_COLON).replace("%3a", ENCODED_COLON);
        let decoded = percent_decode_str(&marked)
            .decode_utf8()
            .map_err(|_| Error::invalid("The URL's path is not UTF-8.").inner("invalidPath"))?;
        Parser { rest: &decoded, query, encoded: false, arguments: 0 }.address()
    }
}

/// Stands for an encoded colon while a path is read. It is a noncharacter, and in no name.
const ENCODED_COLON: &str = "\u{FFFF}";

/// Maximum number of arguments in a path. Each of them may be an alias, and has a copy of its value
/// then: without a limit, a URL of 64 KiB takes hundreds of megabytes. Inferred; no function has more
/// than two, but each `children('name')` of a path has one.
const MAX_ARGUMENTS: usize = 100;

/// What the path still has.
struct Parser<'a> {
    rest: &'a str,
    query: &'a Query,
    /// Whether the last colon was encoded: then encoded ones delimit, as in an id that is a path,
    /// `items/root%3A%2Fa.txt%3A/content`. Else an encoded colon belongs to a name.
    encoded: bool,
    /// Number of arguments so far.
    arguments: usize,
}

/// A segment as it was read.
struct Segment {
    name: String,
    arguments: Option<Vec<Argument>>,
    /// A colon ended it: a path follows.
    colon: bool,
}

impl Parser<'_> {
    fn address(mut self) -> Result<Address> {
        let Some(first) = self.segment()? else { return Err(unknown("")) };
        match first.name.as_str() {
            "$batch" => Ok(Address::Batch),
            "me" => self.of(Owner::Me),
            "users" => {
                let id = self.key(&first)?.0;
                self.of(Owner::User(id))
            }
            "groups" => {
                let id = self.key(&first)?.0;
                self.of(Owner::Group(id))
            }
            "drive" => self.drive(DriveRef::Of(Owner::Me)),
            "drives" => match self.optional_key(&first)? {
                None => Ok(Address::Drives(Owner::Me)),
                // As OneDrive's own SDKs of 2015 spell it.
                Some((id, _)) if id == "me" => self.drive(DriveRef::Of(Owner::Me)),
                Some((id, _)) => self.drive(DriveRef::Id { id, within: None }),
            },
            "sites" => {
                let Some((id, colon)) = self.optional_key(&first)? else {
                    return Ok(Address::Sites);
                };
                let path = if colon { self.path()? } else { Vec::new() };
                self.of(Owner::Site(Site { id, path }))
            }
            "shares" => {
                let token = self.key(&first)?.0;
                self.share(token)
            }
            other if ELSEWHERE.contains(&other) => Err(not_served(other)),
            other => Err(unknown(other)),
        }
    }

    /// Somebody; `drive`, `drives` and `drives/ID` of somebody.
    fn of(mut self, owner: Owner) -> Result<Address> {
        let Some(segment) = self.segment()? else {
            return match owner {
                Owner::Site(site) => Ok(Address::Site(site)),
                Owner::Group(_) => {
                    Err(Error::not_supported("Of a group only its drives are served here."))
                }
                owner => Ok(Address::User(owner)),
            };
        };
        match segment.name.as_str() {
            "drive" => self.drive(DriveRef::Of(owner)),
            "drives" => match self.optional_key(&segment)? {
                None => Ok(Address::Drives(owner)),
                Some((id, _)) => {
                    let within = if let Owner::Site(site) = owner { Some(site) } else { None };
                    self.drive(DriveRef::Id { id, within })
                }
            },
            other => Err(not_served(other)),
        }
    }

    fn share(mut self, token: String) -> Result<Address> {
        let drive = DriveRef::Share(token);
        let Some(segment) = self.segment()? else { return self.item(drive, Anchor::Shared, false) };
        match segment.name.as_str() {
            "driveItem" | "root" => self.item(drive, Anchor::Shared, segment.colon),
            "items" => self.items(drive, &segment),
            other => Err(unknown(other)),
        }
    }

    fn drive(mut self, drive: DriveRef) -> Result<Address> {
        let Some(segment) = self.segment()? else {
            return Ok(Address::Drive { drive, calls: Vec::new() });
        };
        match segment.name.as_str() {
            "root" if segment.arguments.is_none() => self.item(drive, Anchor::Root, segment.colon),
            "items" => self.items(drive, &segment),
            "special" => {
                let (name, colon) = self.key(&segment)?;
                self.item(drive, Anchor::Special(name), colon)
            }
            _ => {
                let mut calls = vec![segment.call()];
                while let Some(segment) = self.segment()? {
                    calls.push(segment.call());
                }
                Ok(Address::Drive { drive, calls })
            }
        }
    }

    fn items(mut self, drive: DriveRef, segment: &Segment) -> Result<Address> {
        let (id, colon) = self.key(segment)?;
        let anchor = if id == "root" { Anchor::Root } else { Anchor::Id(id) };
        self.item(drive, anchor, colon)
    }

    /// What follows an item: a path if a colon ended it, then children by name, then calls.
    fn item(mut self, drive: DriveRef, anchor: Anchor, colon: bool) -> Result<Address> {
        let mut path = if colon { self.path()? } else { Vec::new() };
        let mut calls = Vec::new();
        while let Some(segment) = self.segment()? {
            let by_name = segment.name == "children" && calls.is_empty();
            match segment.arguments.as_deref() {
                Some([name]) if by_name => path.extend(names(&name.value)?),
                None if by_name => match self.name() {
                    Some(name) => path.extend(names(name)?),
                    None => calls.push(segment.call()),
                },
                _ => calls.push(segment.call()),
            }
        }
        Ok(Address::Item(ItemAddress { drive, anchor, path, calls }))
    }

    /// The key of a collection, `items/KEY` or `items('KEY')`, and whether a colon ended it.
    fn key(&mut self, of: &Segment) -> Result<(String, bool)> {
        self.optional_key(of)?.ok_or_else(|| not_served(&of.name))
    }

    fn optional_key(&mut self, of: &Segment) -> Result<Option<(String, bool)>> {
        match of.arguments.as_deref() {
            Some([only]) => Ok(Some((only.value.clone(), of.colon))),
            _ => Ok(self.segment()?.map(|segment| (segment.name, segment.colon))),
        }
    }

    /// The next segment; `None` at the end. Empty ones count for nothing.
    fn segment(&mut self) -> Result<Option<Segment>> {
        self.rest = self.rest.trim_start_matches('/');
        if self.rest.is_empty() {
            return Ok(None);
        }
        let end = self.rest.find(['/', ':', '\u{FFFF}', '(']).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let name = name.to_owned();
        self.rest = rest;
        let arguments = match self.rest.strip_prefix('(') {
            Some(rest) => {
                self.rest = rest;
                Some(self.arguments()?)
            }
            None => None,
        };
        Ok(Some(Segment { name, arguments, colon: self.colon() }))
    }

    /// A child's name after `children/`: no parentheses are meant in it.
    fn name(&mut self) -> Option<&str> {
        let rest = self.rest.trim_start_matches('/');
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['/', ':']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        self.rest = rest.strip_prefix(':').unwrap_or(rest);
        Some(name)
    }

    /// Takes a colon that comes next.
    fn colon(&mut self) -> bool {
        let encoded = self.rest.strip_prefix(ENCODED_COLON);
        let rest = encoded.or_else(|| self.rest.strip_prefix(':'));
        if let Some(rest) = rest {
            (self.rest, self.encoded) = (rest, encoded.is_some());
        }
        rest.is_some()
    }

    /// Takes the path that a colon opened, up to the colon that closes it or to the end.
    fn path(&mut self) -> Result<Vec<String>> {
        let end = match self.encoded {
            true => self.rest.find([':', '\u{FFFF}']),
            false => self.rest.find(':'),
        };
        let (path, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        // A colon that closes a path is followed by a slash, or by nothing.
        if self.colon() && !self.rest.is_empty() && !self.rest.starts_with('/') {
            return Err(colon_in_name());
        }
        names(path)
    }

    /// What stands between parentheses, the opening one taken.
    fn arguments(&mut self) -> Result<Vec<Argument>> {
        let mut arguments = Vec::new();
        loop {
            let end = end_of_argument(self.rest)
                .ok_or_else(|| Error::invalid("A parenthesis in the URL is not closed."))?;
            let text = self.rest[..end].trim();
            let closed = self.rest[end..].starts_with(')');
            self.rest = &self.rest[end + 1..];
            if !text.is_empty() {
                self.arguments += 1;
                if self.arguments > MAX_ARGUMENTS {
                    let why = format!("A path has {MAX_ARGUMENTS} arguments at most.");
                    return Err(Error::bad_query(why));
                }
                arguments.push(self.argument(text));
            }
            if closed {
                return Ok(arguments);
            }
        }
    }

    fn argument(&self, text: &str) -> Argument {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) if !name.starts_with('\'') => {
                (Some(name.trim().into()), value.trim())
            }
            _ => (None, text),
        };
        let alias = |literal: &str| literal.starts_with('@').then(|| self.query.alias(literal));
        let value = &value.replace(ENCODED_COLON, ":");
        let value = match unquote(value) {
            // Clients quote the alias too: `children('@a1')`.
            Some(text) => alias(&text).flatten().unwrap_or(text),
            None => alias(value).flatten().unwrap_or_else(|| value.into()),
        };
        Argument { name, value }
    }
}

impl Segment {
    fn call(self) -> Call {
        let namespaces = ["microsoft.graph.", "oneDrive.", "action.", "view."];
        let name = namespaces.iter().find_map(|namespace| self.name.strip_prefix(namespace));
        Call {
            name: name.unwrap_or(&self.name).to_owned(),
            arguments: self.arguments.unwrap_or_default(),
        }
    }
}

/// Where an argument ends: at a comma or the closing parenthesis, outside quotes.
fn end_of_argument(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.find(|c: char| {
        // A doubled quote opens and closes again, which is as good as staying inside.
        quoted ^= c == '\'';
        !quoted && matches!(c, ',' | ')')
    })
}

/// The names of a path.
pub(super) fn names(path: &str) -> Result<Vec<String>> {
    path.split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .map(|name| match name {
            ".." => Err(Error::invalid("A path cannot contain '..'.").inner("invalidPath")),
            name if name.contains(ENCODED_COLON) => Err(colon_in_name()),
            name => Ok(name.to_owned()),
        })
        .collect()
}

fn colon_in_name() -> Error {
    Error::invalid("A name in the path contains the character ':'.")
        .inner("nameContainsInvalidCharacters")
}

/// What Graph has and this server has not, from which programs that use drives may want something.
const ELSEWHERE: [&str; 8] = [
    "applications",
    "communications",
    "directoryObjects",
    "organization",
    "search",
    "servicePrincipals",
    "storage",
    "subscriptions",
];

fn not_served(segment: &str) -> Error {
    Error::not_supported(format!("'{segment}' is not served here."))
}

fn unknown(segment: &str) -> Error {
    Error::bad_query(format!("Resource not found for the segment '{segment}'."))
}

#[cfg(test)]
mod tests;
