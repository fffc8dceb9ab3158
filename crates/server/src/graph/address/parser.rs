//! Parses the path of a URL into an address.

use super::{
    Address, Anchor, Argument, Collection, DriveRef, ItemAddress, Owner, PathSegment, Site,
};
use crate::graph::{
    error::{Error, Result},
    query::{QueryOptions, unquote},
};

/// Replaces an encoded colon while a path is parsed. It is a noncharacter, which no name contains.
pub(super) const ENCODED_COLON: &str = "\u{FFFF}";

/// Maximum number of arguments in a path. An argument may be an alias and is then copied: without a
/// limit, a URL of 64 KiB would need hundreds of megabytes. Inferred: no function has more than two
/// arguments, but each `children('name')` of a path has one.
const MAX_ARGUMENTS: usize = 100;

/// A parser of the decoded path.
pub(super) struct AddressParser<'a> {
    /// The part of the path that is not consumed yet.
    rest: &'a str,
    /// The query, which has the values of parameter aliases.
    query: &'a QueryOptions,
    /// Whether the last colon was encoded. If so, encoded colons delimit, as in an id that is a
    /// path: `items/root%3A%2Fa.txt%3A/content`. Otherwise an encoded colon belongs to a name.
    encoded: bool,
    /// Number of arguments so far.
    arguments: usize,
}

/// A parsed segment.
struct RawSegment {
    name: String,
    arguments: Option<Vec<Argument>>,
    /// Whether a colon ended the segment, so that a path follows.
    colon: bool,
}

impl<'a> AddressParser<'a> {
    /// Creates a parser of `path`, in which percent-encoding is decoded. Aliases of arguments have
    /// their values in `query`.
    pub(super) fn new(path: &'a str, query: &'a QueryOptions) -> Self {
        Self { rest: path, query, encoded: false, arguments: 0 }
    }

    /// Parses the whole path.
    ///
    /// # Errors
    /// 400 for a parenthesis without its end, more than [`MAX_ARGUMENTS`] arguments, `..`, a colon
    /// in a name, and a first segment that Graph does not have; 501 for a resource that this server
    /// does not serve, and for `shares`, `items` and `special` without a key.
    pub(super) fn address(mut self) -> Result<Address> {
        let Some(first) = self.segment()? else { return Err(unknown("")) };
        match first.name.as_str() {
            "$batch" => Ok(Address::Batch),
            "search" => match self.segment()? {
                Some(segment) if segment.name == "query" && self.rest.is_empty() => {
                    Ok(Address::SearchQuery)
                }
                _ => Err(not_served("search")),
            },
            "me" => self.owner(Owner::Me),
            "users" => match self.optional_key(&first)? {
                None => Ok(Address::Tenant(Collection::Users)),
                Some((id, _)) if ["delta", "$count"].contains(&&*id) => Err(not_served(&id)),
                Some((id, _)) => self.owner(Owner::User(id)),
            },
            "groups" => match self.optional_key(&first)? {
                None => Ok(Address::Tenant(Collection::Groups)),
                Some((id, _)) if ["delta", "$count"].contains(&&*id) => Err(not_served(&id)),
                Some((id, _)) => self.owner(Owner::Group(id)),
            },
            "organization" => Ok(match self.optional_key(&first)? {
                None => Address::Tenant(Collection::Organizations),
                Some((id, _)) => {
                    self.end("organization")?;
                    Address::Organization(id)
                }
            }),
            "drive" => self.drive(DriveRef::OwnedBy(Owner::Me)),
            "drives" => match self.optional_key(&first)? {
                None => Ok(Address::Drives(Owner::Me)),
                // OneDrive's SDKs of 2015 use this spelling.
                Some((id, _)) if id == "me" => self.drive(DriveRef::OwnedBy(Owner::Me)),
                Some((id, _)) => self.drive(DriveRef::Id { id, site: None }),
            },
            "sites" => {
                let Some((id, colon)) = self.optional_key(&first)? else {
                    return Ok(Address::Sites);
                };
                match id.as_str() {
                    "getAllSites" | "microsoft.graph.getAllSites" => {
                        self.end("getAllSites")?;
                        return Ok(Address::Tenant(Collection::AllSites));
                    }
                    "delta" | "add" | "remove" => return Err(not_served(&id)),
                    _ => {}
                }
                let path = if colon { self.path()? } else { Vec::new() };
                self.owner(Owner::Site(Site { id, path }))
            }
            "shares" => {
                let token = self.key(&first)?.0;
                self.share(token)
            }
            other if OTHER_RESOURCES.contains(&other) => Err(not_served(other)),
            other => Err(unknown(other)),
        }
    }

    /// Checks that the path ends here. `resource` is the segment before.
    ///
    /// # Errors
    /// 400 as of [`Self::segment`], 501 for a further segment.
    fn end(&mut self, resource: &str) -> Result<()> {
        match self.segment()? {
            None => Ok(()),
            Some(segment) => Err(not_served(&format!("{resource}/{}", segment.name))),
        }
    }

    /// Parses the rest of the path after an owner: nothing, `drive`, `drives`, `drives/ID`, another
    /// site, or segments of the owner's other resources.
    ///
    /// # Errors
    /// 400 for a parenthesis without its end, too many arguments, `..`, and a colon in a name.
    fn owner(mut self, owner: Owner) -> Result<Address> {
        let Some(segment) = self.segment()? else {
            return Ok(match owner {
                Owner::Site(site) => Address::Site(site),
                owner @ (Owner::Group(_) | Owner::GroupSite(_)) => {
                    Address::OfOwner { owner, segments: Vec::new() }
                }
                owner @ (Owner::Me | Owner::User(_)) => Address::User(owner),
            });
        };
        match (segment.name.as_str(), &owner) {
            ("sites", Owner::Group(id)) => {
                let id = id.clone();
                return match self.key(&segment)? {
                    (root, _) if root == "root" => self.owner(Owner::GroupSite(id)),
                    (other, _) => Err(not_served(&format!("sites/{other}' of a group"))),
                };
            }
            ("sites", Owner::Site(_)) => {
                if let Some((id, colon)) = self.optional_key(&segment)? {
                    let path = if colon { self.path()? } else { Vec::new() };
                    return self.owner(Owner::Site(Site { id, path }));
                }
                return Ok(Address::OfOwner { owner, segments: vec![segment.into_path_segment()] });
            }
            ("getByPath" | "microsoft.graph.getByPath", Owner::Site(site)) => {
                let [argument] = segment.arguments.as_deref().unwrap_or_default() else {
                    return Err(Error::bad_query("getByPath needs the argument path='/sites/…'"));
                };
                let site = Site { id: site.id.clone(), path: names(&argument.value)? };
                return self.owner(Owner::Site(site));
            }
            _ => {}
        }
        match segment.name.as_str() {
            "drive" => self.drive(DriveRef::OwnedBy(owner)),
            "drives" => match self.optional_key(&segment)? {
                None => Ok(Address::Drives(owner)),
                Some((id, _)) => {
                    let site = if let Owner::Site(site) = owner { Some(site) } else { None };
                    self.drive(DriveRef::Id { id, site })
                }
            },
            "permissions" => match owner {
                Owner::Site(site) => {
                    Ok(Address::SitePermissions { site, segments: self.segments(None)? })
                }
                owner => Ok(Address::OfOwner { owner, segments: self.segments(Some(segment))? }),
            },
            _ => Ok(Address::OfOwner { owner, segments: self.segments(Some(segment))? }),
        }
    }

    /// Consumes the rest of the path as segments, after `first`.
    ///
    /// # Errors
    /// As of [`Self::segment`].
    fn segments(mut self, first: Option<RawSegment>) -> Result<Vec<PathSegment>> {
        let mut segments = Vec::from_iter(first.map(RawSegment::into_path_segment));
        while let Some(segment) = self.segment()? {
            segments.push(segment.into_path_segment());
        }
        Ok(segments)
    }

    /// Parses the rest of the path after a sharing token.
    ///
    /// # Errors
    /// 400 for a segment that a shared item does not have, and as of [`Self::item`]; 501 for `items`
    /// without a key.
    fn share(mut self, token: String) -> Result<Address> {
        let Some(segment) = self.segment()? else {
            return Ok(Address::Share { token, segments: Vec::new() });
        };
        match segment.name.as_str() {
            "driveItem" | "root" => {
                self.item(DriveRef::Share(token), Anchor::Shared, segment.colon)
            }
            "items" => self.items(DriveRef::Share(token), &segment),
            "permission" | "site" | "list" | "listItem" => {
                Ok(Address::Share { token, segments: self.segments(Some(segment))? })
            }
            other => Err(unknown(other)),
        }
    }

    /// Parses the rest of the path after a drive.
    ///
    /// # Errors
    /// 400 as of [`Self::item`]; 501 for `items` or `special` without a key.
    fn drive(mut self, drive: DriveRef) -> Result<Address> {
        let Some(segment) = self.segment()? else {
            return Ok(Address::Drive { drive, segments: Vec::new() });
        };
        match segment.name.as_str() {
            "root" if segment.arguments.is_none() => self.item(drive, Anchor::Root, segment.colon),
            "items" => self.items(drive, &segment),
            "following" if !self.rest.is_empty() => {
                let (id, colon) = self.key(&segment)?;
                self.item(drive, Anchor::Id(id), colon)
            }
            "special" => {
                let (name, colon) = self.key(&segment)?;
                self.item(drive, Anchor::Special(name), colon)
            }
            _ => Ok(Address::Drive { drive, segments: self.segments(Some(segment))? }),
        }
    }

    /// Parses the rest of the path after `items`. `segment` is the segment `items` itself, which
    /// may have the id as its argument.
    ///
    /// # Errors
    /// 400 as of [`Self::item`]; 501 without an id.
    fn items(mut self, drive: DriveRef, segment: &RawSegment) -> Result<Address> {
        let (id, colon) = self.key(segment)?;
        let anchor = if id == "root" { Anchor::Root } else { Anchor::Id(id) };
        self.item(drive, anchor, colon)
    }

    /// Parses the rest of the path after an item: a path if `colon` is true, children by name,
    /// other segments.
    ///
    /// # Errors
    /// 400 for a parenthesis without its end, more than [`MAX_ARGUMENTS`] arguments, `..`, and a
    /// colon in a name.
    fn item(mut self, drive: DriveRef, anchor: Anchor, colon: bool) -> Result<Address> {
        let mut path = if colon { self.path()? } else { Vec::new() };
        let mut segments = Vec::new();
        while let Some(segment) = self.segment()? {
            let by_name = segment.name == "children" && segments.is_empty();
            match segment.arguments.as_deref() {
                Some([name]) if by_name => path.extend(names(&name.value)?),
                None if by_name => match self.child_name() {
                    Some(name) => path.extend(names(name)?),
                    None => segments.push(segment.into_path_segment()),
                },
                _ => segments.push(segment.into_path_segment()),
            }
        }
        Ok(Address::Item(ItemAddress { drive, anchor, path, segments }))
    }

    /// Returns the key in a collection, `items/KEY` or `items('KEY')`, and whether a colon ended
    /// it.
    ///
    /// # Errors
    /// 400 as of [`Self::segment`]; 501 if the path ends without a key.
    fn key(&mut self, collection: &RawSegment) -> Result<(String, bool)> {
        self.optional_key(collection)?.ok_or_else(|| not_served(&collection.name))
    }

    /// Like [`Self::key`]; returns `None` if the path ends without a key.
    ///
    /// # Errors
    /// As of [`Self::segment`].
    fn optional_key(&mut self, collection: &RawSegment) -> Result<Option<(String, bool)>> {
        match collection.arguments.as_deref() {
            Some([only]) => Ok(Some((only.value.clone(), collection.colon))),
            _ => Ok(self.segment()?.map(|segment| (segment.name, segment.colon))),
        }
    }

    /// Consumes the next segment; returns `None` at the end of the path. Skips empty segments.
    ///
    /// # Errors
    /// 400 if the whole path has more than [`MAX_ARGUMENTS`] arguments, or a parenthesis is not
    /// closed.
    fn segment(&mut self) -> Result<Option<RawSegment>> {
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
        Ok(Some(RawSegment { name, arguments, colon: self.colon() }))
    }

    /// Consumes a child's name after `children/`, in which parentheses have no meaning. Returns
    /// `None` at the end of the path.
    fn child_name(&mut self) -> Option<&str> {
        let rest = self.rest.trim_start_matches('/');
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['/', ':']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        self.rest = rest.strip_prefix(':').unwrap_or(rest);
        Some(name)
    }

    /// Consumes a colon if it is next. Returns whether it was.
    fn colon(&mut self) -> bool {
        let encoded = self.rest.strip_prefix(ENCODED_COLON);
        let rest = encoded.or_else(|| self.rest.strip_prefix(':'));
        if let Some(rest) = rest {
            (self.rest, self.encoded) = (rest, encoded.is_some());
        }
        rest.is_some()
    }

    /// Consumes a path up to the colon that closes it or to the end. Returns its names.
    ///
    /// # Errors
    /// 400 for `..` and for a name with a colon.
    fn path(&mut self) -> Result<Vec<String>> {
        let end = match self.encoded {
            true => self.rest.find([':', '\u{FFFF}']),
            false => self.rest.find(':'),
        };
        let (path, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        // Only a slash or nothing may follow the closing colon.
        if self.colon() && !self.rest.is_empty() && !self.rest.starts_with('/') {
            return Err(colon_in_name());
        }
        names(path)
    }

    /// Consumes arguments and the closing parenthesis. The opening one is consumed already.
    ///
    /// # Errors
    /// 400 if the parenthesis is not closed, or the whole path has more than [`MAX_ARGUMENTS`]
    /// arguments.
    fn arguments(&mut self) -> Result<Vec<Argument>> {
        let mut arguments = Vec::new();
        loop {
            let end = end_of_argument(self.rest).ok_or_else(|| {
                Error::invalid("cannot read the path: a parenthesis is not closed")
            })?;
            let text = self.rest[..end].trim();
            let closed = self.rest[end..].starts_with(')');
            self.rest = &self.rest[end + 1..];
            if !text.is_empty() {
                self.arguments += 1;
                if self.arguments > MAX_ARGUMENTS {
                    let message =
                        format!("cannot read the path: it has more than {MAX_ARGUMENTS} arguments");
                    return Err(Error::bad_query(message));
                }
                arguments.push(self.argument(text));
            }
            if closed {
                return Ok(arguments);
            }
        }
    }

    /// Parses `value` or `name=value`, and replaces an alias with its value. Quotes are removed.
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
            // Some clients quote the alias: `children('@a1')`.
            Some(text) => alias(&text).flatten().unwrap_or(text),
            None => alias(value).flatten().unwrap_or_else(|| value.into()),
        };
        Argument { name, value }
    }
}

impl RawSegment {
    /// Converts the segment, without the namespace of a function's name.
    fn into_path_segment(self) -> PathSegment {
        let namespaces = ["microsoft.graph.", "oneDrive.", "action.", "view."];
        let name = namespaces.iter().find_map(|namespace| self.name.strip_prefix(namespace));
        PathSegment {
            name: name.unwrap_or(&self.name).to_owned(),
            arguments: self.arguments.unwrap_or_default(),
        }
    }
}

/// Returns the end of an argument, a comma or closing parenthesis outside of quotes; `None` if the
/// text has neither.
fn end_of_argument(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.find(|c: char| {
        // A doubled quote toggles twice, which has no effect.
        quoted ^= c == '\'';
        !quoted && matches!(c, ',' | ')')
    })
}

/// Splits a path, in which percent-encoding is decoded, into names. Empty names and `.` are
/// dropped.
///
/// # Errors
/// 400 for `..` and for a name that contains a colon.
fn names(path: &str) -> Result<Vec<String>> {
    path.split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .map(|name| match name {
            ".." => {
                Err(Error::invalid("cannot read the path: it contains '..'").inner("invalidPath"))
            }
            name if name.contains(ENCODED_COLON) => Err(colon_in_name()),
            name => Ok(name.to_owned()),
        })
        .collect()
}

/// Returns 400 for a name that contains a colon.
fn colon_in_name() -> Error {
    Error::invalid("cannot use a name in the path: it contains ':'")
        .inner("nameContainsInvalidCharacters")
}

/// Resources of Graph that this server does not serve, but that programs for drives may request.
const OTHER_RESOURCES: [&str; 7] = [
    "applications",
    "communications",
    "directoryObjects",
    "domains",
    "servicePrincipals",
    "storage",
    "subscriptions",
];

/// Returns 501 for a segment of a resource that this server does not serve.
fn not_served(segment: &str) -> Error {
    Error::unsupported(format_args!("serve '{segment}'"))
}

/// Returns 400 for a segment that Graph does not have.
fn unknown(segment: &str) -> Error {
    Error::bad_query(format!("Resource not found for the segment '{segment}'."))
}
