//! Names in an operator's paths.
//!
//! A name can have characters that a path cannot: a slash, bytes that are not UTF-8, and white space
//! at its ends, which OpenDAL removes. In a path they are replaced, reversibly, as in rclone's
//! listings. The names of local files have fewer such characters.

use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
};

use super::{
    codec::{CharSet, Codec, QUOTE},
    decode_dots, encode_dots,
};

/// White space that OpenDAL removes from the ends of a path.
const WHITE_SPACE: CharSet = CharSet::from_ascii(" \t\n\u{b}\u{c}\r");

/// The names in paths.
const PATH: Codec = Codec {
    anywhere: CharSet::from_ascii("/\0"),
    first: WHITE_SPACE,
    last: WHITE_SPACE,
    doubles_all_quotes: false,
};

/// The names in paths that begin or end with a quoted dot.
const DOTS: Codec = Codec { doubles_all_quotes: true, ..PATH };

/// The names of local files, as names in paths. As with rclone, a local name with `／` means a slash.
const LOCAL: Codec = Codec { anywhere: CharSet::from_ascii(""), ..PATH };

/// Returns the codec of a name. Names that consist of full-width dots and quotes have all quotes
/// doubled, so that they differ from the encoded forms of `．` and `．．`.
fn codec(name: &[u8]) -> Codec {
    let text = str::from_utf8(name).unwrap_or_default();
    match text.contains('．') && text.chars().all(|c| matches!(c, '．' | QUOTE)) {
        true => DOTS,
        false => PATH,
    }
}

/// Returns whether a name is its own name in a path, because it is ASCII and has no special character.
pub(super) fn is_plain(name: &str) -> bool {
    PATH.is_plain(name.as_bytes())
}

/// Returns the name in a path for a name, which need not be UTF-8.
pub(in super::super) fn to_path_name(name: &[u8]) -> String {
    encode_dots(name).map_or_else(|| codec(name).encode(name), str::to_owned)
}

/// Returns the name for a name in a path.
pub(in super::super) fn from_path_name(path_name: &str) -> Vec<u8> {
    match decode_dots(path_name) {
        _ if path_name.is_ascii() => path_name.into(),
        Some(dots) => dots.into(),
        None => codec(path_name.as_bytes()).decode(path_name),
    }
}

/// Returns the name in an operator's path for the name of a local file, for an operator with a
/// [`NameEncoding`](super::NameEncoding). `None` if the name is not Unicode and this platform has no
/// names of bytes.
///
/// White space at the ends and bytes that are not UTF-8 cannot be part of a path: ` a` becomes `␠a`,
/// and the byte `0xFF` becomes `‛FF`.
pub fn path_name_from_local(name: &OsStr) -> Option<String> {
    let name = local_bytes(name)?;
    Some(match LOCAL.is_plain(&name) {
        true => String::from_utf8_lossy(&name).into_owned(),
        false => LOCAL.encode(&name),
    })
}

/// Returns the name of a local file for a name in the path of an operator with a
/// [`NameEncoding`](super::NameEncoding): the reverse of [`path_name_from_local`]. `None` if the name
/// is not Unicode and this platform has no names of bytes.
///
/// The result contains no slash that the name in the path does not contain.
pub fn local_name_from_path(path_name: &str) -> Option<OsString> {
    match path_name.is_ascii() {
        true => Some(path_name.into()),
        false => local_name(LOCAL.decode(path_name)),
    }
}

/// Returns the bytes of a local name. Always `Some`.
#[cfg(unix)]
fn local_bytes(name: &OsStr) -> Option<Cow<'_, [u8]>> {
    use std::os::unix::ffi::OsStrExt;
    Some(name.as_bytes().into())
}

/// Returns the UTF-8 bytes of a local name. `None` if it is not Unicode.
#[cfg(not(unix))]
fn local_bytes(name: &OsStr) -> Option<Cow<'_, [u8]>> {
    name.to_str().map(|name| name.as_bytes().into())
}

/// Returns the local name with these bytes. Always `Some`.
#[cfg(unix)]
fn local_name(bytes: Vec<u8>) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    Some(OsString::from_vec(bytes))
}

/// Returns the local name with these bytes. `None` if they are not UTF-8.
#[cfg(not(unix))]
fn local_name(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(OsString::from)
}
