//! Where an item is, in Graph's terms, and how that is written in a URL
//! (onedrive-graph#addressing).

use std::{fmt::Write as _, sync::Arc};

use crate::{
    drive::{ItemId, ItemRef},
    transport::segment,
};

/// The id under which the root folder is known, and Graph's own alias for it.
const ROOT: &str = "root";
/// How the ids of special folders begin: `special:approot`.
const SPECIAL: &str = "special:";
/// Between the id of a drive and that of an item in it; no id of Graph's contains it.
const IN_DRIVE: char = '#';
/// Between the id of a shortcut and that of what it stands for.
const STANDS_FOR: char = '~';

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DriveRef {
    /// The signed-in user's: `/me/drive`.
    Mine,
    /// The one of that id.
    Id(Arc<str>),
    /// A user's, by id or user principal name.
    User(Arc<str>),
    /// A group's.
    Group(Arc<str>),
    /// A site's own library, by the site's id.
    Site(Arc<str>),
}

impl DriveRef {
    /// `/me/drive`, `/drives/…`.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Mine => "/me/drive".to_owned(),
            Self::Id(id) => format!("/drives/{}", segment(id)),
            Self::User(user) => format!("/users/{}/drive", segment(user)),
            Self::Group(group) => format!("/groups/{}/drive", segment(group)),
            Self::Site(site) => format!("/sites/{}/drive", segment(site)),
        }
    }
}

/// Whether two drive ids are one: personal ones come in either case, and without a leading zero
/// (onedrive-graph#drive-id-inconsistencies).
pub(super) fn same_drive(one: &str, other: &str) -> bool {
    fn personal(id: &str) -> Option<u64> {
        // `from_str_radix` would take a sign.
        let hex = id.len() <= 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        hex.then(|| u64::from_str_radix(id, 16).ok()).flatten()
    }
    one == other
        || matches!((personal(one), personal(other)), (Some(one), Some(other)) if one == other)
}

/// An item that is addressed without a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum BaseItem {
    Root,
    Special(Arc<str>),
    Id(Arc<str>),
}

/// An item: a known one of a drive, or a path below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub(super) drive: DriveRef,
    pub(super) anchor: BaseItem,
    /// Segments joined by `/`, not encoded; empty: the anchor itself.
    pub(super) path: Arc<str>,
}

impl Address {
    /// A drive's root folder.
    pub fn root(drive: DriveRef) -> Self {
        Self { drive, anchor: BaseItem::Root, path: "".into() }
    }

    /// A special folder: `approot`, `documents`, `photos`, … (onedrive-graph#special-folders).
    pub fn special(drive: DriveRef, name: &str) -> Self {
        Self { drive, anchor: BaseItem::Special(name.into()), path: "".into() }
    }

    /// The item of that id.
    pub fn id(drive: DriveRef, id: &str) -> Self {
        Self { drive, anchor: BaseItem::Id(id.into()), path: "".into() }
    }

    /// What is at a path below this item. Slashes at its ends do not count.
    pub fn below(&self, path: &str) -> Self {
        let path = path.trim_matches('/');
        let path = match (&*self.path, path) {
            (_, "") => Arc::clone(&self.path),
            ("", path) => path.into(),
            (above, path) => format!("{above}/{path}").into(),
        };
        Self { drive: self.drive.clone(), anchor: self.anchor.clone(), path }
    }

    /// Whether it is the root folder or a special one: nothing that could be removed or renamed.
    pub(super) fn is_alias(&self) -> bool {
        self.path.is_empty() && !matches!(self.anchor, BaseItem::Id(_))
    }

    /// The folder it is in; `None` for what is addressed without a path.
    pub(super) fn parent(&self) -> Option<Self> {
        let above = self.path.rsplit_once('/').map_or("", |(above, _)| above);
        (!self.path.is_empty()).then(|| Self { path: above.into(), ..self.clone() })
    }

    /// Its own id, if that is what it is addressed by.
    pub(super) fn known_id(&self) -> Option<&str> {
        match &self.anchor {
            BaseItem::Id(id) if self.path.is_empty() => Some(id),
            _ => None,
        }
    }

    /// The URL's path and, in clouds that know no `:/path:`, its query. `action` is empty or begins
    /// with a slash.
    pub(super) fn resource(&self, paths: PathStyle, action: &str) -> String {
        let mut url = self.drive.path();
        match &self.anchor {
            BaseItem::Root => url.push_str("/root"),
            BaseItem::Special(name) => {
                write_to(&mut url, format_args!("/special/{}", segment(name)))
            }
            BaseItem::Id(id) => write_to(&mut url, format_args!("/items/{}", segment(id))),
        }
        match (paths, &*self.path) {
            // `root:/children` would be an item of that name.
            (_, "") => url.push_str(action),
            (PathStyle::Colons, path) => {
                url.push(':');
                for name in path.split('/') {
                    write_to(&mut url, format_args!("/{}", segment(name)));
                }
                if !action.is_empty() {
                    url.push(':');
                    url.push_str(action);
                }
            }
            (PathStyle::Parameter, path) => {
                let quoted = format!("'{}'", path.replace('\'', "''"));
                write_to(
                    &mut url,
                    format_args!("/children('@a1'){action}?@a1={}", segment(&quoted)),
                );
            }
        }
        url
    }

    /// The path as `parentReference.path` tells it: `/drive/root:/a/b`, percent-encoded
    /// (onedrive-graph#parent-reference-path, onedrive-graph#update-item). `None` for an item that
    /// is not addressed from the root of a drive named by id or of the user's own: what the cloud
    /// makes of other prefixes is not documented.
    pub(super) fn reference_path(&self) -> Option<String> {
        let mut path = match (&self.drive, &self.anchor) {
            (DriveRef::Mine, BaseItem::Root) => "/drive/root:".to_owned(),
            (DriveRef::Id(id), BaseItem::Root) => format!("/drives/{}/root:", segment(id)),
            _ => return None,
        };
        for name in self.path.split('/').filter(|name| !name.is_empty()) {
            write_to(&mut path, format_args!("/{}", segment(name)));
        }
        Some(path)
    }
}

fn write_to(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing to a string never fails");
}

/// How a cloud wants paths to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathStyle {
    /// `root:/a/b:/children`.
    #[default]
    Colons,
    /// `root/children('@a1')/children?@a1='a/b'`: 21Vianet's cloud in China
    /// (onedrive-graph#china-addressing).
    Parameter,
}

/// What an [`ItemId`] of ours says. Its text is Graph's own id for items of the drive itself, and
/// more where Graph's alone would not find the item:
///
/// | text | item |
/// |---|---|
/// | `root`, `special:approot` | a folder by its alias |
/// | `ID` | of the drive itself |
/// | `DRIVE#ID` | of another drive |
/// | `OWN~DRIVE#ID` | a shortcut `OWN`, and the item of another drive that it stands for |
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParsedId<'a> {
    /// The item itself.
    pub(super) own: IdInDrive<'a>,
    /// What it stands for, if it is a shortcut.
    pub(super) stands_for: Option<IdInDrive<'a>>,
}

/// An item's id, with the drive's if that is another than the service's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdInDrive<'a> {
    pub(super) drive: Option<&'a str>,
    pub(super) id: &'a str,
}

impl<'a> IdInDrive<'a> {
    fn parse(text: &'a str) -> Self {
        match text.split_once(IN_DRIVE) {
            Some((drive, id)) => Self { drive: Some(drive), id },
            None => Self { drive: None, id: text },
        }
    }

    fn address(&self, home: &DriveRef) -> Address {
        let drive = match (self.drive, home) {
            (None, home) => home.clone(),
            (Some(drive), DriveRef::Id(mine)) if same_drive(drive, mine) => home.clone(),
            (Some(drive), _) => DriveRef::Id(drive.into()),
        };
        match self.id.strip_prefix(SPECIAL) {
            Some(name) => Address::special(drive, name),
            None if self.id == ROOT => Address::root(drive),
            None => Address::id(drive, self.id),
        }
    }

    pub(super) fn to_id(self) -> ItemId {
        match self.drive {
            Some(drive) => format!("{drive}{IN_DRIVE}{}", self.id).into(),
            None => self.id.into(),
        }
    }
}

impl<'a> ParsedId<'a> {
    pub(super) fn parse(id: &'a ItemId) -> Self {
        match id.as_str().split_once(STANDS_FOR) {
            Some((own, stands_for)) => {
                Self { own: IdInDrive::parse(own), stands_for: Some(IdInDrive::parse(stands_for)) }
            }
            None => Self { own: IdInDrive::parse(id.as_str()), stands_for: None },
        }
    }

    pub(super) fn to_id(&self) -> ItemId {
        match self.stands_for {
            Some(far) => format!("{}{STANDS_FOR}{}", self.own.to_id(), far.to_id()).into(),
            None => self.own.to_id(),
        }
    }
}

/// The root folder's id.
pub(super) fn root_id(special: Option<&str>) -> ItemId {
    match special {
        Some(name) => format!("{SPECIAL}{name}").into(),
        None => ROOT.into(),
    }
}

/// Which of the two that a shortcut's id names is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The entry in its folder: what is renamed, moved, removed.
    Entry,
    /// What it stands for: what is read, listed, written below.
    Contents,
}

/// Where a place is.
pub(super) fn address_of(home: &DriveRef, place: &ItemRef, side: Side) -> Address {
    let (id, path) = match place {
        ItemRef::Item { id, .. } => (id, ""),
        ItemRef::Path { base, path } => (base, &**path),
    };
    let ids = ParsedId::parse(id);
    let item = match (ids.stands_for, side, path) {
        (Some(far), Side::Contents, _) => far,
        // What is below a shortcut is below what it stands for, whatever is done with it.
        (Some(far), Side::Entry, path) if !path.is_empty() => far,
        _ => ids.own,
    };
    item.address(home).below(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(path: &str) -> ItemRef {
        ItemRef::Path { base: root_id(None), path: path.into() }
    }

    fn resource(home: &DriveRef, place: &ItemRef, action: &str) -> String {
        address_of(home, place, Side::Contents).resource(PathStyle::Colons, action)
    }

    #[test]
    fn colons_stand_around_paths_and_nowhere_else() {
        let mine = &DriveRef::Mine;
        assert_eq!(resource(mine, &below(""), ""), "/me/drive/root");
        assert_eq!(resource(mine, &below(""), "/children"), "/me/drive/root/children");
        assert_eq!(resource(mine, &below("a/b"), ""), "/me/drive/root:/a/b");
        assert_eq!(resource(mine, &below("a/b"), "/content"), "/me/drive/root:/a/b:/content");
        assert_eq!(resource(mine, &below("children"), ""), "/me/drive/root:/children");
    }

    #[test]
    fn names_are_encoded_segment_by_segment_and_never_as_a_form() {
        assert_eq!(
            resource(&DriveRef::Mine, &below("50% + #1/ä b/'q'&=?"), "/children"),
            "/me/drive/root:/50%25%20%2B%20%231/%C3%A4%20b/%27q%27%26%3D%3F:/children"
        );
    }

    #[test]
    fn every_kind_of_drive_has_its_own_beginning() {
        for (drive, start) in [
            (DriveRef::Mine, "/me/drive"),
            (DriveRef::Id("b!x-Y_z".into()), "/drives/b%21x-Y_z"),
            (DriveRef::User("ann@contoso.com".into()), "/users/ann%40contoso.com/drive"),
            (DriveRef::Group("g-1".into()), "/groups/g-1/drive"),
            (DriveRef::Site("h.com,1,2".into()), "/sites/h.com%2C1%2C2/drive"),
        ] {
            assert_eq!(resource(&drive, &below("a"), ""), format!("{start}/root:/a"));
        }
    }

    #[test]
    fn china_gets_paths_as_a_parameter() {
        let address = address_of(&DriveRef::Mine, &below("a/it's"), Side::Contents);
        assert_eq!(
            address.resource(PathStyle::Parameter, "/content"),
            "/me/drive/root/children('@a1')/content?@a1=%27a%2Fit%27%27s%27"
        );
        let root = address_of(&DriveRef::Mine, &below(""), Side::Contents);
        assert_eq!(root.resource(PathStyle::Parameter, "/children"), "/me/drive/root/children");
    }

    #[test]
    fn ids_lead_to_items_of_this_drive_of_others_and_through_shortcuts() {
        let home = DriveRef::Id("00d53be8a5056eca".into());
        let at = |id: &str, side| {
            address_of(&home, &ItemRef::from_id(&id.into()), side).resource(PathStyle::Colons, "")
        };
        let items = "/drives/00d53be8a5056eca/items";
        assert_eq!(at("AB!1", Side::Contents), format!("{items}/AB%211"));
        assert_eq!(at("D2#X", Side::Contents), "/drives/D2/items/X");
        assert_eq!(at("AB!1~D2#X", Side::Contents), "/drives/D2/items/X");
        assert_eq!(at("AB!1~D2#X", Side::Entry), format!("{items}/AB%211"));
        assert_eq!(at("D5#S~D2#X", Side::Entry), "/drives/D5/items/S");
        assert_eq!(at("special:approot", Side::Entry), "/drives/00d53be8a5056eca/special/approot");
        // The drive's own id in another spelling.
        assert_eq!(at("D53BE8A5056ECA#X", Side::Contents), format!("{items}/X"));
        let inside = ItemRef::Path { base: "AB!1~D2#X".into(), path: "f".into() };
        let removed = address_of(&home, &inside, Side::Entry).resource(PathStyle::Colons, "");
        assert_eq!(removed, "/drives/D2/items/X:/f");
    }

    #[test]
    fn ids_are_written_as_they_are_read() {
        for id in ["root", "AB!1", "D2#X", "AB!1~D2#X", "D5#S~D2#X"] {
            let id = ItemId::from(id);
            assert_eq!(ParsedId::parse(&id).to_id(), id);
        }
    }

    #[test]
    fn personal_drive_ids_are_one_in_either_case_and_without_their_leading_zero() {
        assert!(same_drive("66D53BE8A5056ECA", "66d53be8a5056eca"));
        assert!(same_drive("06D53BE8A5056EC", "006d53be8a5056ec"));
        assert!(!same_drive("66D53BE8A5056ECA", "66D53BE8A5056ECB"));
        assert!(same_drive("b!aB", "b!aB") && !same_drive("b!aB", "b!Ab"));
        assert!(!same_drive("+1", "1"));
    }

    #[test]
    fn a_folder_is_referred_to_by_its_encoded_path_where_that_is_documented() {
        let path =
            |drive, place: &ItemRef| address_of(&drive, place, Side::Contents).reference_path();
        let mine = |place: &str| path(DriveRef::Mine, &below(place));
        assert_eq!(mine("").as_deref(), Some("/drive/root:"));
        assert_eq!(mine("my dir/100%").as_deref(), Some("/drive/root:/my%20dir/100%25"));
        assert_eq!(
            path(DriveRef::Id("D1".into()), &below("a")).as_deref(),
            Some("/drives/D1/root:/a")
        );
        assert_eq!(path(DriveRef::Group("g".into()), &below("a")), None);
        assert_eq!(path(DriveRef::Mine, &ItemRef::from_id(&"X".into())), None);
    }
}
