//! Metadata and thumbnails of photos, audio files and videos.
//!
//! Metadata are read once, when a file's bytes have arrived, and stored with the bytes. The first bytes
//! show the kind of a file, so nothing more is read of other files. Parsers run on blocking threads and
//! read through [`Reading`], which limits the number of bytes. If a parser fails or panics, the file has
//! no metadata, and nothing is printed.

mod contained;
mod facts;
pub(super) mod picture;
mod reading;
mod stored;
mod thumbnails;

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use self::{
    reading::{Fetch, Reading},
    thumbnails::{ThumbnailSource, Thumbnails},
};

/// Number of bytes at the beginning of a file that show its kind.
pub(super) const HEAD_SIZE: usize = 16;

/// The metadata of a media file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// A photo or another picture.
    Photo(Photo),
    /// An audio file.
    Audio(Audio),
    /// A video.
    Video(Video),
}

/// The metadata of a photo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Photo {
    /// Width in pixels, after the rotation that the EXIF data demand.
    pub width: u32,
    /// Height in pixels, after the rotation.
    pub height: u32,
    /// When the photo was taken. If the camera recorded no zone, its clock counts as UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<Timestamp>,
    /// Where the photo was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The manufacturer of the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera_make: Option<String>,
    /// The model of the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera_model: Option<String>,
    /// The f-number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal_ratio: Option<f64>,
    /// The focal length in millimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal_length: Option<f64>,
    /// The exposure time in seconds, as numerator and denominator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<(f64, f64)>,
    /// Memory that decoding takes, in bytes. `None`: an earlier version stored the metadata, or the
    /// picture cannot be decoded here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded: Option<u64>,
}

/// A geographic position.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Degrees north of the equator.
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
    /// Metres above sea level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
}

/// The metadata of an audio file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audio {
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The performer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// The album.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    /// The artist of the album.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_artist: Option<String>,
    /// The genre.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    /// Duration in milliseconds.
    pub duration: u64,
}

/// The metadata of a video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Video {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Duration in milliseconds.
    pub duration: u64,
    /// Bits of the file per second of its duration.
    pub bitrate: u64,
}

/// The family of a media file, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// A picture that can be decoded.
    Picture,
    /// A picture of which only the EXIF data can be read.
    OtherPicture,
    Audio,
    Video,
}

impl Family {
    /// Returns the family of a file that starts with `head`, of which [`HEAD_SIZE`] bytes are
    /// enough; `None` for other files. The rest of the file may be malformed.
    fn from_head(head: &[u8]) -> Option<Self> {
        let at = |start: usize, magic: &[u8]| head.get(start..start + magic.len()) == Some(magic);
        let any = |start, magics: &[&[u8]]| magics.iter().any(|magic| at(start, magic));
        if any(0, &[b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM"]) {
            Some(Self::Picture)
        } else if any(0, &[b"II*\0", b"MM\0*"]) {
            Some(Self::OtherPicture)
        } else if at(4, b"ftyp") {
            Some(match head.get(8..12) {
                Some(b"heic" | b"heix" | b"mif1" | b"avif") => Self::OtherPicture,
                Some(b"M4A " | b"M4B " | b"M4P ") => Self::Audio,
                _ => Self::Video,
            })
        } else if at(0, b"\x1a\x45\xdf\xa3") {
            Some(Self::Video)
        } else if any(0, &[b"ID3", b"fLaC", b"OggS"])
            || at(0, b"RIFF") && at(8, b"WAVE")
            || at(0, b"FORM") && any(8, &[b"AIFF", b"AIFC"])
            || is_mpeg_frame(head)
        {
            Some(Self::Audio)
        } else {
            None
        }
    }
}

/// Returns whether a file starts with the header of an MPEG audio layer 3 frame.
fn is_mpeg_frame(head: &[u8]) -> bool {
    matches!(head, [0xff, second, third, ..]
        if second & 0xe6 == 0xe2 && third & 0xf0 != 0xf0 && third & 0x0c != 0x0c)
}

/// Returns whether a file that starts with `head` may contain metadata. `true` may be wrong: the
/// rest of the file is not read. `false` is right for all formats of [`Family`].
pub(super) fn is_media(head: &[u8]) -> bool {
    Family::from_head(head).is_some()
}

/// Reads the metadata of a file that starts with `head` and has `size` bytes; `fetch` reads other
/// parts of it. `None` if its format is unknown, it has none or is malformed, its bytes cannot be
/// read, or the parser panics.
pub(super) async fn read_media(head: &[u8], size: u64, fetch: Fetch) -> Option<Media> {
    let family = Family::from_head(head)?;
    let reading = Reading::new(size, fetch);
    let parse = move || contained::contained(|| facts::read(family, reading));
    let parsed =
        tokio::task::spawn_blocking(parse).await.unwrap_or_else(|error| Err(invalid(error)));
    parsed.inspect_err(|error| tracing::debug!(%error, ?family, "a file has no metadata")).ok()
}

/// Returns an error about the content of a file.
fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use drivedal_test_support::media::OPUS;

    use super::*;

    #[test]
    fn the_first_bytes_show_the_family() {
        for (head, family) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], Some(Family::Picture)),
            (b"\0\0\0\x20ftypisom", Some(Family::Video)),
            (b"\0\0\0\x20ftypM4A ", Some(Family::Audio)),
            (b"\0\0\0\x20ftypheic", Some(Family::OtherPicture)),
            (b"\x1a\x45\xdf\xa3\x01", Some(Family::Video)),
            (b"ID3\x03", Some(Family::Audio)),
            (b"\xff\xfb\x90\0", Some(Family::Audio)),
            (b"RIFF\0\0\0\0WAVE", Some(Family::Audio)),
            (b"RIFF\0\0\0\0AVI ", None),
            (b"hello", None),
            (b"\xff\xff\xff\xff", None),
            (b"", None),
        ] {
            assert_eq!(Family::from_head(head), family, "{head:?}");
        }
    }

    #[tokio::test]
    async fn malicious_files_have_no_metadata() {
        let boxes = |kind: &[u8; 4]| {
            let mut file = b"\0\0\0\x10ftypisom\0\0\0\0".to_vec();
            for depth in (1..100_000_u32).rev() {
                file.extend((depth * 8).to_be_bytes());
                file.extend(kind);
            }
            file
        };
        // Elements of unknown length, each in the one before.
        let elements = |id: &[u8]| {
            let mut file = b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff".to_vec();
            (0..100_000)
                .for_each(|_| file.extend([id, b"\x01\xff\xff\xff\xff\xff\xff\xff"].concat()));
            file
        };
        for panics in OPUS {
            let file = Bytes::from_static(panics);
            assert_eq!(
                read_media(&panics[..HEAD_SIZE], file.len() as u64, Fetch::from_bytes(file)).await,
                None
            );
        }
        for file in [
            boxes(b"moov"),
            boxes(b"meta"),
            boxes(b"udta"),
            boxes(b"trak"),
            elements(b"\x18\x53\x80\x67"),
            elements(b"\x16\x54\xae\x6b"),
        ] {
            let (head, size) = (file[..HEAD_SIZE].to_vec(), file.len() as u64);
            // Whatever is found, the stack does not overflow.
            let _ = read_media(&head, size, Fetch::from_bytes(file.into())).await;
        }
    }

    #[tokio::test]
    async fn malformed_media_files_have_no_metadata() {
        for head in [
            &b"\xff\xd8\xff\xe0"[..],
            b"BM",
            b"ID3\x03\0\0\x7f\x7f\x7f\x7f",
            b"\0\0\0\x20ftypisom",
            b"\x1a\x45\xdf\xa3",
        ] {
            let bytes = Bytes::from([head, &[0x5a; 5_000]].concat());
            let size = bytes.len() as u64;
            assert_eq!(read_media(head, size, Fetch::from_bytes(bytes)).await, None, "{head:?}");
        }
    }
}
