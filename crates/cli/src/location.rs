//! Names of items on the command line: `REMOTE:PATH`, `REMOTE:ID`, or the URI of a remote.
//!
//! `REMOTE:https://…` is the folder behind a sharing URL, opened with the sign-in of the remote.
//!
//! `REMOTE:/a/b` and `REMOTE:a/b` are the same, `REMOTE:` is the root. A slash at the end marks a
//! folder; as a target it means "below this folder". A URI (`fs:///srv/data`) stands for the root
//! of the remote at that URI.

use std::{ffi::OsStr, fmt};

use drivedal::{adapter::path_name_from_local, remote::is_name};

use crate::failure::{Failure, Result};

/// A path on a remote, relative to its root. It has no empty segment, no `.` and no `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DrivePath {
    /// Segments joined by `/`. Empty for the root.
    joined: String,
    /// The argument ended with a slash.
    slash: bool,
}

impl DrivePath {
    /// Parses a path. Duplicate slashes, and slashes at the start, have no meaning.
    ///
    /// # Errors
    /// `Usage` if a segment is `.` or `..`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let segments: Vec<_> = text.split('/').filter(|segment| !segment.is_empty()).collect();
        if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
            return Err(Failure::usage("a path on a remote cannot contain `.` or `..`")
                .about(format_args!("{text:?}")));
        }
        Ok(Self { joined: segments.join("/"), slash: text.ends_with('/') || segments.is_empty() })
    }

    /// Returns whether the path is the root.
    pub(crate) fn is_root(&self) -> bool {
        self.joined.is_empty()
    }

    /// Returns whether the argument ended with a slash, or is the root.
    pub(crate) fn is_folder_path(&self) -> bool {
        self.slash
    }

    /// Returns the path without slashes at its ends.
    pub(crate) fn as_str(&self) -> &str {
        &self.joined
    }

    /// Returns the path with names that begin or end with white space in the form of a remote that maps
    /// names: OpenDAL would trim them.
    pub(crate) fn with_mapped_white_space(self) -> Self {
        let map = |name: &str| match name.trim_ascii() == name {
            true => name.to_owned(),
            false => path_name_from_local(OsStr::new(name)).unwrap_or_else(|| name.to_owned()),
        };
        let names: Vec<_> = self.joined.split('/').map(map).collect();
        Self { joined: names.join("/"), ..self }
    }

    /// Returns the path in the form that OpenDAL expects for folders: with a slash at the end.
    pub(crate) fn to_folder_arg(&self) -> String {
        // The leading slash keeps OpenDAL from trimming white space at the start of the name.
        if self.is_root() { "/".into() } else { format!("/{}/", self.joined) }
    }

    /// Returns the path in the form that OpenDAL expects for files, and for any item to rename:
    /// with a slash at the start and without one at the end.
    ///
    /// # Errors
    /// `Usage` for the root, and for a path that ends with white space, which OpenDAL would trim.
    pub(crate) fn to_file_arg(&self) -> Result<String> {
        if self.is_root() {
            return Err(Failure::root_is_not_file());
        }
        // `normalize_path` trims white space, so the path would name another item.
        if self.joined.trim_end() != self.joined {
            return Err(Failure::usage("names that end in white space are not supported"));
        }
        Ok(format!("/{}", self.joined))
    }

    /// Returns the last segment. `None` for the root.
    pub(crate) fn name(&self) -> Option<&str> {
        self.joined.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// Returns the parent folder. The parent of the root is the root.
    pub(crate) fn parent(&self) -> Self {
        let joined = self.joined.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        Self { joined, slash: true }
    }

    /// Returns the path of a child of this folder.
    pub(crate) fn join(&self, name: &str) -> Self {
        let joined = match self.joined.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        Self { joined, slash: false }
    }

    /// Returns the path `rest` below this folder. The trailing slash is that of `rest`.
    fn below(&self, rest: Self) -> Self {
        match (self.is_root(), rest.is_root()) {
            (true, _) => rest,
            (_, true) => Self { joined: self.joined.clone(), slash: true },
            _ => Self { joined: format!("{}/{}", self.joined, rest.joined), slash: rest.slash },
        }
    }
}

impl fmt::Display for DrivePath {
    /// Writes the path without slashes at its ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined)
    }
}

/// An argument that names an item on a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// Name or URI of the remote; of a sharing URL, `NAME:URL`.
    pub(crate) remote: String,
    /// The text after the colon: a path or an id.
    pub(crate) text: String,
}

impl Location {
    /// Parses an argument that must name an item on a remote.
    ///
    /// # Errors
    /// A message for the user if the argument names no remote.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::detect(text).ok_or_else(|| {
            format!("`{text}` names no remote: use REMOTE:PATH, such as local-skydrive:photos")
        })
    }

    /// Parses an argument that may name an item on a remote: a URI, or `REMOTE:TEXT` where `REMOTE`
    /// has the form of a remote's name. The remote need not exist. `None`: it is a local path.
    pub(crate) fn detect(text: &str) -> Option<Self> {
        if is_uri(text) {
            return Some(Self { remote: text.to_owned(), text: String::new() });
        }
        if split_sharing_url(text).is_some() {
            return Some(Self { remote: text.to_owned(), text: String::new() });
        }
        let (remote, text) = text.split_once(':')?;
        is_name(remote).then(|| Self { remote: remote.to_owned(), text: text.to_owned() })
    }

    /// Returns the remote's name for messages: of a URI only the scheme, because the rest may
    /// contain a token, and of a sharing URL only the remote.
    pub(crate) fn remote_name(&self) -> &str {
        if let Some((name, _)) = split_sharing_url(&self.remote) {
            return name;
        }
        self.remote.split_once("://").map_or(&self.remote, |(scheme, _)| scheme)
    }
}

impl fmt::Display for Location {
    /// Writes `REMOTE:TEXT`; of a URI only its scheme.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.remote_name(), self.text)
    }
}

/// Splits `NAME:URL` into the name of a remote and a sharing URL. `None` for any other text.
pub(crate) fn split_sharing_url(text: &str) -> Option<(&str, &str)> {
    let (name, url) = text.split_once(':')?;
    let is_url = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
    (is_url && is_name(name)).then_some((name, url))
}

/// Returns whether an argument is a URI: `scheme://…` with a scheme of at least two lower-case
/// letters, digits, `-` or `.`.
fn is_uri(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        is_name(scheme) && scheme.bytes().all(|b| !b.is_ascii_uppercase() && b != b'_')
    })
}

/// How to interpret the text after the colon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Addressing {
    /// An id if the text has the form of that drive's ids, otherwise a path.
    #[default]
    Auto,
    /// A path.
    Path,
    /// An id.
    Id,
}

/// The parsed text after the colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RemoteAddress {
    /// A path from the root.
    Path(DrivePath),
    /// The id of an item, and a path below that item.
    Id(String, DrivePath),
}

impl RemoteAddress {
    /// Parses the text after the colon. `scheme` is the service of the remote, which decides the
    /// form of ids.
    ///
    /// # Errors
    /// `Usage` if the path contains `.` or `..`, and if the id is empty.
    pub(crate) fn parse(text: &str, named: Addressing, scheme: &str) -> Result<Self> {
        let (first, rest) = text.split_once('/').map_or((text, ""), |(first, rest)| (first, rest));
        let by_id = match named {
            Addressing::Path => false,
            Addressing::Id => true,
            Addressing::Auto => looks_like_id(scheme, first),
        };
        if !by_id {
            return Ok(Self::Path(DrivePath::parse(text)?));
        }
        if first.is_empty() {
            return Err(Failure::usage("an id must follow the colon"));
        }
        let below = DrivePath::parse(rest)?;
        let slash = text.ends_with('/');
        Ok(Self::Id(first.to_owned(), DrivePath { slash, ..below }))
    }

    /// Returns the path from the root. `of_id` is the path of the item with the id; it must be
    /// `Some` for [`RemoteAddress::Id`].
    pub(crate) fn into_path(self, of_id: Option<DrivePath>) -> DrivePath {
        match (self, of_id) {
            (Self::Path(path), _) | (Self::Id(_, path), None) => path,
            (Self::Id(_, rest), Some(item)) if rest.is_root() => {
                DrivePath { slash: rest.slash || item.is_root(), ..item }
            }
            (Self::Id(_, rest), Some(item)) => item.below(rest),
        }
    }
}

/// Returns whether a word has the form of an id of that service.
fn looks_like_id(scheme: &str, word: &str) -> bool {
    match scheme {
        "skydrive" => looks_like_skydrive_id(word),
        _ => false,
    }
}

/// Returns whether a word has one of these forms: `folder.{cid}`, or `folder`, `album` or `file`
/// with `.{cid}.{RESID}!{n}`. `cid` is 16 lower-case hexadecimal digits. `RESID` is the same in
/// upper case, and its leading zeros may be missing (live-connect#id-leading-zeros).
fn looks_like_skydrive_id(word: &str) -> bool {
    let lower = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    let upper = |c: u8| c.is_ascii_digit() || (b'A'..=b'F').contains(&c);
    let mut parts = word.split('.');
    let (kind, cid, item, more) = (parts.next(), parts.next(), parts.next(), parts.next());
    let is_cid = |cid: &str| cid.len() == 16 && cid.bytes().all(lower);
    let is_item = |item: &str| {
        item.split_once('!').is_some_and(|(owner, number)| {
            (1..=16).contains(&owner.len())
                && owner.bytes().all(upper)
                && !number.is_empty()
                && number.bytes().all(|c| c.is_ascii_digit())
        })
    };
    match (kind, cid, item, more) {
        (Some("folder"), Some(cid), None, None) => is_cid(cid),
        (Some("folder" | "file" | "album"), Some(cid), Some(item), None) => {
            is_cid(cid) && is_item(item)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> DrivePath {
        DrivePath::parse(text).expect("a path")
    }

    #[test]
    fn slashes_at_the_start_and_doubled_ones_mean_nothing() {
        for text in ["a/b", "/a/b", "/a//b"] {
            let location = Location::parse(&format!("work:{text}")).expect("a remote");
            assert_eq!(location.remote, "work");
            assert_eq!(path(&location.text), path("a/b"));
        }
        assert!(path("a/b/").is_folder_path() && !path("a/b").is_folder_path());
        assert!(path("").is_root() && path("/").is_root() && path("").is_folder_path());
    }

    #[test]
    fn an_argument_names_a_remote_only_before_the_first_slash() {
        for local in ["a", "./a:b", "dir/x:y", "C:\\x", "c:x", ":x", "-a:b", "a b:c", "/x://y"] {
            assert_eq!(Location::detect(local), None, "{local}");
        }
        let uri = Location::detect("fs:///srv/data").expect("a remote");
        assert_eq!((uri.remote.as_str(), uri.text.as_str()), ("fs:///srv/data", ""));
        let colons = Location::detect("work:a:b").expect("a remote");
        assert_eq!(colons.text, "a:b");
    }

    #[test]
    fn a_sharing_url_belongs_to_the_remote_and_is_not_shown() {
        let shared = Location::detect("work:https://1drv.ms/f/c/SECRET").expect("a remote");
        assert_eq!((shared.to_string(), shared.text.as_str()), ("work:".to_owned(), ""));
        assert_eq!(split_sharing_url(&shared.remote), Some(("work", "https://1drv.ms/f/c/SECRET")));
        let path = Location::detect("work:a/https://x").expect("a remote");
        assert_eq!(path.remote, "work");
    }

    #[test]
    fn messages_show_only_the_scheme_of_a_uri() {
        let uri = Location::detect("skydrive://x/?access_token=SECRET").expect("a remote");
        assert_eq!(uri.to_string(), "skydrive:");
    }

    #[test]
    fn a_path_with_dots_is_refused() {
        for text in [".", "..", "a/../b", "a/.", "./a"] {
            assert!(DrivePath::parse(text).is_err(), "{text}");
        }
        assert!(DrivePath::parse("...").is_ok() && DrivePath::parse(".a/b..").is_ok());
    }

    #[test]
    fn a_file_name_that_opendal_would_trim_is_rejected() {
        assert!(path("a/b ").to_file_arg().is_err());
        assert_eq!(path("a/b ").to_folder_arg(), "/a/b /");
        assert_eq!(path(" a").to_file_arg(), Ok("/ a".into()));
        assert!(path("").to_file_arg().is_err());
    }

    #[test]
    fn an_id_is_detected_by_its_form_unless_a_flag_decides() {
        let id = "file.0bee3874468ef5b6.BEE3874468EF5B6!759";
        let by =
            |text: &str, named| RemoteAddress::parse(text, named, "skydrive").expect("an address");
        assert_eq!(by(id, Addressing::Auto), RemoteAddress::Id(id.into(), path("")).unslashed());
        assert_eq!(by(id, Addressing::Path), RemoteAddress::Path(path(id)));
        assert_eq!(by("x", Addressing::Id), RemoteAddress::Id("x".into(), path("")).unslashed());
        assert!(RemoteAddress::parse("", Addressing::Id, "skydrive").is_err());
        let other = RemoteAddress::parse(id, Addressing::Auto, "fs").expect("an address");
        assert_eq!(other, RemoteAddress::Path(path(id)));
    }

    impl RemoteAddress {
        fn unslashed(self) -> Self {
            match self {
                Self::Id(id, rest) => Self::Id(id, DrivePath { slash: false, ..rest }),
                path => path,
            }
        }
    }

    #[test]
    fn a_path_may_go_on_below_an_id() {
        let folder = "folder.8c8ce076ca27823f.8C8CE076CA27823F!142";
        let at = |text: &str| {
            let address =
                RemoteAddress::parse(text, Addressing::Auto, "skydrive").expect("an address");
            address.into_path(Some(path("docs/old")))
        };
        assert_eq!(at(folder), path("docs/old"));
        assert_eq!(at(&format!("{folder}/")), path("docs/old/"));
        assert_eq!(at(&format!("{folder}/x/y")), path("docs/old/x/y"));
        assert_eq!(at(&format!("{folder}/x/")), path("docs/old/x/"));
    }

    #[test]
    fn ids_of_skydrive_have_these_forms_and_no_others() {
        for id in [
            "folder.8c8ce076ca27823f",
            "folder.8c8ce076ca27823f.8C8CE076CA27823F!142",
            "album.8c8ce076ca27823f.8C8CE076CA27823F!126",
            "file.de57f4126ed7e411.DE57F4126ED7E411!128",
            "file.0bee3874468ef5b6.BEE3874468EF5B6!759",
        ] {
            assert!(looks_like_skydrive_id(id), "{id}");
        }
        for name in [
            "folder",
            "folder.8c8ce076ca27823",
            "folder.8C8CE076CA27823F",
            "file.8c8ce076ca27823f",
            "file.de57f4126ed7e411.de57f4126ed7e411!128",
            "file.de57f4126ed7e411.DE57F4126ED7E411!",
            "file.de57f4126ed7e411.DE57F4126ED7E411!1.txt",
            "file.de57f4126ed7e411.DE57F4126ED7E411-128",
            "document.de57f4126ed7e411.DE57F4126ED7E411!128",
        ] {
            assert!(!looks_like_skydrive_id(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_path_read_from_its_own_text_is_the_same(text in "[a-z /!.é]{0,24}") {
            if let Ok(path) = DrivePath::parse(&text) {
                let mut shown = path.as_str().to_owned();
                if path.is_folder_path() {
                    shown.push('/');
                }
                prop_assert_eq!(DrivePath::parse(&shown).expect("a path"), path);
            }
        }

        #[test]
        fn a_joined_path_is_a_child_of_its_parent(folder in "[a-z/]{0,12}", name in "[a-z ]{1,8}") {
            let folder = DrivePath::parse(&folder).expect("a path");
            let item = folder.join(&name);
            prop_assert_eq!(item.name(), Some(name.as_str()));
            let parent = item.parent();
            prop_assert_eq!(parent.as_str(), folder.as_str());
        }
    }
}
