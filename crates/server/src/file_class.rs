//! The class of a file, derived from its name.

/// File name extensions of photos. SkyDrive classified files by their names; the extensions are
/// inferred.
const PHOTOS: &[&str] = &["bmp", "gif", "heic", "jfif", "jpe", "jpeg", "jpg", "png", "tif", "tiff"];
/// File name extensions of audio files.
const AUDIO: &[&str] = &["aac", "aif", "aiff", "flac", "m4a", "mp3", "oga", "ogg", "wav", "wma"];
/// File name extensions of videos.
const VIDEOS: &[&str] =
    &["3g2", "3gp", "asf", "avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "webm", "wmv"];

/// The class of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileClass {
    Photo,
    Audio,
    Video,
    Other,
}

impl FileClass {
    /// Returns the class of a file by the extension of its name, in any case; `Other` without an
    /// extension.
    pub(crate) fn from_name(name: &str) -> Self {
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let among = |known: &[&str]| known.iter().any(|one| extension.eq_ignore_ascii_case(one));
        if among(PHOTOS) {
            Self::Photo
        } else if among(AUDIO) {
            Self::Audio
        } else if among(VIDEOS) {
            Self::Video
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_type_of_its_name() {
        for (name, kind) in [
            ("a.JPG", FileClass::Photo),
            ("a.tar.png", FileClass::Photo),
            ("song.mp3", FileClass::Audio),
            ("film.mkv", FileClass::Video),
            ("a.txt", FileClass::Other),
            ("jpg", FileClass::Other),
            ("a.", FileClass::Other),
        ] {
            assert_eq!(FileClass::from_name(name), kind, "{name}");
        }
    }
}
