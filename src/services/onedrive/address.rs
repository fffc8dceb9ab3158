//! Addresses of items in Microsoft Graph, and the URLs that express them
//! (onedrive-graph#addressing).

#[cfg(test)]
mod tests;

use std::{fmt::Write as _, sync::Arc};

use crate::{
    drive::{ItemId, ItemRef},
    transport::segment,
};

/// Alias of the root folder in Graph, which also serves as its [`ItemId`].
const ROOT: &str = "root";
/// Prefix of the ids of special folders, as in `special:approot`.
const SPECIAL: &str = "special:";
/// Separates the id of a drive from the id of an item in it. Graph's ids do not contain it.
const DRIVE_SEPARATOR: char = '#';
/// Separates the id of a shortcut from the id of its target.
const TARGET_SEPARATOR: char = '~';

/// Reference to a drive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DriveRef {
    /// The drive of the signed-in user: `/me/drive`.
    Mine,
    /// The drive with this id.
    Id(Arc<str>),
    /// The drive of a user, by id or user principal name.
    User(Arc<str>),
    /// The drive of a group, by the group's id.
    Group(Arc<str>),
    /// The default document library of a site, by the site's id.
    Site(Arc<str>),
}

impl DriveRef {
    /// Returns the path of the drive in Graph's URLs, such as `/me/drive` or `/drives/…`.
    pub(super) fn url_path(&self) -> String {
        match self {
            Self::Mine => "/me/drive".to_owned(),
            Self::Id(id) => format!("/drives/{}", segment(id)),
            Self::User(user) => format!("/users/{}/drive", segment(user)),
            Self::Group(group) => format!("/groups/{}/drive", segment(group)),
            Self::Site(site) => format!("/sites/{}/drive", segment(site)),
        }
    }
}

/// Returns whether two drive ids denote the same drive. Ids of personal drives vary in case and in
/// leading zeros (onedrive-graph#drive-id-inconsistencies).
pub(super) fn same_drive(one: &str, other: &str) -> bool {
    /// Returns the number in the id of a personal drive, or `None` for another id.
    fn personal(id: &str) -> Option<u64> {
        // Without the check for digits, `from_str_radix` would accept a sign.
        let hex = id.len() <= 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u64::from_str_radix(id, 16).ok()).flatten()
    }
    one == other
        || matches!((personal(one), personal(other)), (Some(one), Some(other)) if one == other)
}

/// An item that is addressed without a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum BaseItem {
    /// The root folder of the drive.
    Root,
    /// A special folder, by Graph's name.
    Special(Arc<str>),
    /// An item, by its id in the drive.
    Id(Arc<str>),
}

/// Address of an item: a drive, an item of the drive, and a path below that item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub(super) drive: DriveRef,
    pub(super) base: BaseItem,
    /// Segments joined by `/`, not encoded. Empty for the base item itself.
    pub(super) path: Arc<str>,
}

impl Address {
    /// Returns the address of a drive's root folder.
    pub fn root(drive: DriveRef) -> Self {
        Self { drive, base: BaseItem::Root, path: "".into() }
    }

    /// Returns the address of the special folder with Graph's name `name`: `approot`, `documents`,
    /// `photos`, … (onedrive-graph#special-folders).
    pub fn special(drive: DriveRef, name: &str) -> Self {
        Self { drive, base: BaseItem::Special(name.into()), path: "".into() }
    }

    /// Returns the address of the item with this id.
    pub fn id(drive: DriveRef, id: &str) -> Self {
        Self { drive, base: BaseItem::Id(id.into()), path: "".into() }
    }

    /// Returns the address of the item at a path relative to this one. Leading and trailing slashes
    /// are ignored.
    pub fn below(&self, path: &str) -> Self {
        let path = path.trim_matches('/');
        let path = match (&*self.path, path) {
            (_, "") => Arc::clone(&self.path),
            ("", path) => path.into(),
            (parent, path) => format!("{parent}/{path}").into(),
        };
        Self { drive: self.drive.clone(), base: self.base.clone(), path }
    }

    /// Returns whether this is the root folder or a special folder. Those cannot be deleted or
    /// renamed.
    pub(super) fn is_alias(&self) -> bool {
        self.path.is_empty() && !matches!(self.base, BaseItem::Id(_))
    }

    /// Returns the address of the parent folder; `None` if the address has no path.
    pub(super) fn parent(&self) -> Option<Self> {
        let parent = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        (!self.path.is_empty()).then(|| Self { path: parent.into(), ..self.clone() })
    }

    /// Returns the item's own id; `None` if the item is addressed by path or alias.
    pub(super) fn known_id(&self) -> Option<&str> {
        match &self.base {
            BaseItem::Id(id) if self.path.is_empty() => Some(id),
            _ => None,
        }
    }

    /// Returns the path of the item's URL, with the query that [`PathStyle::Parameter`] needs.
    /// `action` is empty or starts with a slash.
    pub(super) fn url_path(&self, style: PathStyle, action: &str) -> String {
        let mut url = self.drive.url_path();
        match &self.base {
            BaseItem::Root => url.push_str("/root"),
            BaseItem::Special(name) => {
                push_fmt(&mut url, format_args!("/special/{}", segment(name)));
            }
            BaseItem::Id(id) => push_fmt(&mut url, format_args!("/items/{}", segment(id))),
        }
        match (style, &*self.path) {
            // `root:/children` would address an item with that name.
            (_, "") => url.push_str(action),
            (PathStyle::Colons, path) => {
                url.push(':');
                for name in path.split('/') {
                    push_fmt(&mut url, format_args!("/{}", segment(name)));
                }
                if !action.is_empty() {
                    url.push(':');
                    url.push_str(action);
                }
            }
            (PathStyle::Parameter, path) => {
                let quoted = format!("'{}'", path.replace('\'', "''"));
                push_fmt(
                    &mut url,
                    format_args!("/children('@a1'){action}?@a1={}", segment(&quoted)),
                );
            }
        }
        url
    }

    /// Returns the path in the form of `parentReference.path`: `/drive/root:/a/b`, percent-encoded
    /// (onedrive-graph#parent-reference-path, onedrive-graph#update-item).
    ///
    /// `None` unless the item is addressed from the root, in the user's own drive or a drive named
    /// by id: other prefixes are not documented.
    pub(super) fn reference_path(&self) -> Option<String> {
        let mut path = match (&self.drive, &self.base) {
            (DriveRef::Mine, BaseItem::Root) => "/drive/root:".to_owned(),
            (DriveRef::Id(id), BaseItem::Root) => format!("/drives/{}/root:", segment(id)),
            _ => return None,
        };
        for name in self.path.split('/').filter(|name| !name.is_empty()) {
            push_fmt(&mut path, format_args!("/{}", segment(name)));
        }
        Some(path)
    }
}

/// Appends formatted text, which cannot fail for a `String`.
fn push_fmt(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a string never fails");
}

/// Syntax of paths in the URLs of a cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathStyle {
    /// `root:/a/b:/children`, the syntax of most clouds.
    #[default]
    Colons,
    /// `root/children('@a1')/children?@a1='a/b'`, the syntax of 21Vianet's cloud in China
    /// (onedrive-graph#china-addressing).
    Parameter,
}

/// The parts of an [`ItemId`] of this service.
///
/// For items of the service's own drive the text is Graph's id. Items of other drives need more:
///
/// | text | item |
/// |---|---|
/// | `root`, `special:approot` | folder by alias |
/// | `ID` | item of the service's own drive |
/// | `DRIVE#ID` | item of another drive |
/// | `ID~DRIVE#TARGET` | shortcut, and the item of another drive that it refers to |
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParsedId<'a> {
    /// The item itself.
    pub(super) item: IdInDrive<'a>,
    /// The target, if the item is a shortcut.
    pub(super) target: Option<IdInDrive<'a>>,
}

/// Id of an item, with the id of its drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdInDrive<'a> {
    /// `None` for the service's own drive.
    pub(super) drive: Option<&'a str>,
    /// Graph's id of the item, or an alias.
    pub(super) id: &'a str,
}

impl<'a> IdInDrive<'a> {
    /// Splits `DRIVE#ID` or `ID` into the drive and the item.
    fn parse(text: &'a str) -> Self {
        match text.split_once(DRIVE_SEPARATOR) {
            Some((drive, id)) => Self { drive: Some(drive), id },
            None => Self { drive: None, id: text },
        }
    }

    /// Returns the item's address. `own_drive` is the drive of an id that names none.
    fn address(&self, own_drive: &DriveRef) -> Address {
        let drive = match (self.drive, own_drive) {
            (None, own_drive) => own_drive.clone(),
            (Some(drive), DriveRef::Id(own)) if same_drive(drive, own) => own_drive.clone(),
            (Some(drive), _) => DriveRef::Id(drive.into()),
        };
        match self.id.strip_prefix(SPECIAL) {
            Some(name) => Address::special(drive, name),
            None if self.id == ROOT => Address::root(drive),
            None => Address::id(drive, self.id),
        }
    }

    /// Joins drive and item to an [`ItemId`].
    pub(super) fn to_id(self) -> ItemId {
        match self.drive {
            Some(drive) => format!("{drive}{DRIVE_SEPARATOR}{}", self.id).into(),
            None => self.id.into(),
        }
    }
}

impl<'a> ParsedId<'a> {
    /// Splits an [`ItemId`] of this service into its parts.
    pub(super) fn parse(id: &'a ItemId) -> Self {
        match id.as_str().split_once(TARGET_SEPARATOR) {
            Some((item, target)) => {
                Self { item: IdInDrive::parse(item), target: Some(IdInDrive::parse(target)) }
            }
            None => Self { item: IdInDrive::parse(id.as_str()), target: None },
        }
    }

    /// Joins the parts to an [`ItemId`].
    pub(super) fn to_id(&self) -> ItemId {
        match self.target {
            Some(target) => {
                format!("{}{TARGET_SEPARATOR}{}", self.item.to_id(), target.to_id()).into()
            }
            None => self.item.to_id(),
        }
    }

    /// Returns whether the item is a shortcut.
    pub(super) fn is_shortcut(&self) -> bool {
        self.target.is_some()
    }
}

/// Returns the id of the service's root folder: that of the special folder with this name, or with
/// `None` the drive's root.
pub(super) fn root_id(special_folder: Option<&str>) -> ItemId {
    match special_folder {
        Some(name) => format!("{SPECIAL}{name}").into(),
        None => ROOT.into(),
    }
}

/// Treatment of a shortcut in an [`ItemRef`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortcut {
    /// Address the shortcut itself, to rename, move or delete it.
    Keep,
    /// Address its target, to read, list or write there.
    Follow,
}

/// Returns the address of an item. `own_drive` is the drive of ids that name none, and `shortcut`
/// decides whether a shortcut or its target is addressed.
///
/// A path below a shortcut is always a path below its target.
pub(super) fn address_of(own_drive: &DriveRef, item: &ItemRef, shortcut: Shortcut) -> Address {
    let (id, path) = base_and_path(item);
    let parsed = ParsedId::parse(id);
    let base = match (parsed.target, shortcut, path) {
        (Some(target), Shortcut::Follow, _) => target,
        (Some(target), Shortcut::Keep, path) if !path.is_empty() => target,
        _ => parsed.item,
    };
    base.address(own_drive).below(path)
}

/// Returns whether a reference is the id of a shortcut, without a path. The shortcut and its target
/// then have different addresses.
pub(super) fn is_shortcut_id(item: &ItemRef) -> bool {
    let (id, path) = base_and_path(item);
    path.is_empty() && ParsedId::parse(id).is_shortcut()
}

/// Returns the id that a reference starts at, and the path below it, empty for the item itself.
fn base_and_path(item: &ItemRef) -> (&ItemId, &str) {
    match item {
        ItemRef::Item { id, .. } => (id, ""),
        ItemRef::Path { base, path } => (base, path),
    }
}
