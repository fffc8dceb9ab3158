//! What files of photos, sound and films say of themselves, and pictures made of them.
//!
//! A content is looked at once, when it has arrived: which kind it is shows its first bytes, so that
//! of other files nothing more is read. What is found is kept with the content. Reading happens on
//! blocking threads, through [`Reading`], which gives a limited number of bytes. A parser that fails or
//! panics leaves the file without facts, and prints nothing.

mod contained;
mod facts;
pub(super) mod picture;
mod reading;
mod thumbnails;

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use self::{
    reading::{Fetch, Reading},
    thumbnails::{Source, Thumbnails},
};

/// How many first bytes tell what a file is.
pub(super) const HEAD: usize = 16;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// A picture.
    Photo(Photo),
    /// Sound.
    Audio(Audio),
    /// A film.
    Video(Video),
}

/// What a photo says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Photo {
    /// Pixels across, as it is looked at: turned as its EXIF says.
    pub width: u32,
    /// Pixels down, as it is looked at.
    pub height: u32,
    /// When it was taken. Where the camera tells no zone, its clock counts as UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<Timestamp>,
    /// Where it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Who made the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera_make: Option<String>,
    /// What the camera is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera_model: Option<String>,
    /// The f-number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal_ratio: Option<f64>,
    /// Millimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal_length: Option<f64>,
    /// Seconds, as numerator and denominator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<(f64, f64)>,
    /// Bytes of memory that decoding it takes; `None` where that was not determined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded: Option<u64>,
}

/// A place on Earth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Degrees, north of the equator.
    pub latitude: f64,
    /// Degrees, east of Greenwich.
    pub longitude: f64,
    /// Metres above the sea.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
}

/// What a file of sound says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audio {
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// On which album.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    /// Whose album that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_artist: Option<String>,
    /// What kind of music.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    /// How long it plays, in milliseconds.
    pub duration: u64,
}

/// What a film says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Video {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// How long it runs, in milliseconds.
    pub duration: u64,
    /// Bits of the file for a second of it.
    pub bitrate: u64,
}

/// What a file seems to be, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// A picture that can be decoded here.
    Picture,
    /// A picture of which only the EXIF can be read.
    OtherPicture,
    Sound,
    Film,
}

impl Family {
    fn of(head: &[u8]) -> Option<Self> {
        let at = |start: usize, magic: &[u8]| head.get(start..start + magic.len()) == Some(magic);
        let any = |start, magics: &[&[u8]]| magics.iter().any(|magic| at(start, magic));
        if any(0, &[b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM"]) {
            Some(Self::Picture)
        } else if any(0, &[b"II*\0", b"MM\0*"]) {
            Some(Self::OtherPicture)
        } else if at(4, b"ftyp") {
            Some(match head.get(8..12) {
                Some(b"heic" | b"heix" | b"mif1" | b"avif") => Self::OtherPicture,
                Some(b"M4A " | b"M4B " | b"M4P ") => Self::Sound,
                _ => Self::Film,
            })
        } else if at(0, b"\x1a\x45\xdf\xa3") {
            Some(Self::Film)
        } else if any(0, &[b"ID3", b"fLaC", b"OggS"])
            || at(0, b"RIFF") && at(8, b"WAVE")
            || at(0, b"FORM") && any(8, &[b"AIFF", b"AIFC"])
            || is_mpeg_frame(head)
        {
            Some(Self::Sound)
        } else {
            None
        }
    }
}

/// Whether a file begins with the header of a frame of MPEG audio, layer 3.
fn is_mpeg_frame(head: &[u8]) -> bool {
    matches!(head, [0xff, second, third, ..]
        if second & 0xe6 == 0xe2 && third & 0xf0 != 0xf0 && third & 0x0c != 0x0c)
}

/// Whether a file that begins so may have something to say.
pub(super) fn is_media(head: &[u8]) -> bool {
    Family::of(head).is_some()
}

/// What a file that begins so says of itself.
pub(super) async fn read_media(head: &[u8], size: u64, fetch: Fetch) -> Option<Media> {
    let family = Family::of(head)?;
    let reading = Reading::new(size, fetch);
    let parse = move || contained::contained(|| facts::read(family, reading));
    let parsed =
        tokio::task::spawn_blocking(parse).await.unwrap_or_else(|error| Err(invalid(error)));
    parsed.inspect_err(|error| tracing::debug!(%error, ?family, "a file has no media facts")).ok()
}

/// Something that no library should do with a file.
fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use drivedal_test_support::media::OPUS;

    use super::*;

    #[test]
    fn the_first_bytes_tell_what_is_worth_a_look() {
        for (head, family) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], Some(Family::Picture)),
            (b"\0\0\0\x20ftypisom", Some(Family::Film)),
            (b"\0\0\0\x20ftypM4A ", Some(Family::Sound)),
            (b"\0\0\0\x20ftypheic", Some(Family::OtherPicture)),
            (b"\x1a\x45\xdf\xa3\x01", Some(Family::Film)),
            (b"ID3\x03", Some(Family::Sound)),
            (b"\xff\xfb\x90\0", Some(Family::Sound)),
            (b"RIFF\0\0\0\0WAVE", Some(Family::Sound)),
            (b"RIFF\0\0\0\0AVI ", None),
            (b"hello", None),
            (b"\xff\xff\xff\xff", None),
            (b"", None),
        ] {
            assert_eq!(Family::of(head), family, "{head:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_makes_its_parser_panic_or_nests_deeply_does_no_harm() {
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
                read_media(&panics[..HEAD], file.len() as u64, Fetch::from_bytes(file)).await,
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
            let (head, size) = (file[..HEAD].to_vec(), file.len() as u64);
            // Whatever is found, the stack does not overflow.
            let _ = read_media(&head, size, Fetch::from_bytes(file.into())).await;
        }
    }

    #[tokio::test]
    async fn what_only_seems_to_be_media_has_no_facts() {
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
