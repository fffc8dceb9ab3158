//! What `type` says that an object is (A.8).

use serde::Serialize;

use super::extra::Extra;
use crate::tree::{Node, NodeKind};

/// Endings of the names of files that SkyDrive showed as photos, sound and films. A file is what
/// its name says, as it was there; which names those were is inferred.
const PHOTOS: &[&str] = &["bmp", "gif", "heic", "jfif", "jpe", "jpeg", "jpg", "png", "tif", "tiff"];
const AUDIO: &[&str] = &["aac", "aif", "aiff", "flac", "m4a", "mp3", "oga", "ogg", "wav", "wma"];
const VIDEOS: &[&str] =
    &["3g2", "3gp", "asf", "avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "webm", "wmv"];

/// What `type` says that an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ObjectType {
    Folder,
    Album,
    File,
    Photo,
    Video,
    Audio,
    Notebook,
}

impl ObjectType {
    pub(super) fn of(node: &Node) -> Self {
        match node.kind {
            NodeKind::Folder if Extra::is_album(node) => Self::Album,
            NodeKind::Folder => Self::Folder,
            NodeKind::File => Self::of_name(&node.name),
            NodeKind::Notebook => Self::Notebook,
        }
    }

    /// What a file of that name is.
    pub(super) fn of_name(name: &str) -> Self {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let among = |endings: &[&str]| endings.iter().any(|one| ending.eq_ignore_ascii_case(one));
        if among(PHOTOS) {
            Self::Photo
        } else if among(AUDIO) {
            Self::Audio
        } else if among(VIDEOS) {
            Self::Video
        } else {
            Self::File
        }
    }

    /// Its name as the reference writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Album => "album",
            Self::File => "file",
            Self::Photo => "photo",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Notebook => "notebook",
        }
    }

    /// Whether `wl.photos` is enough to read it (A.2).
    pub(super) fn is_visual(self) -> bool {
        matches!(self, Self::Album | Self::Photo | Self::Video)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_name_says() {
        for (name, kind) in [
            ("a.JPG", ObjectType::Photo),
            ("a.tar.png", ObjectType::Photo),
            ("song.mp3", ObjectType::Audio),
            ("film.mkv", ObjectType::Video),
            ("a.txt", ObjectType::File),
            ("jpg", ObjectType::File),
            ("a.", ObjectType::File),
        ] {
            assert_eq!(ObjectType::of_name(name), kind, "{name}");
        }
    }
}
