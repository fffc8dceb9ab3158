//! Metadata and thumbnails of photos, audio files and videos.
//!
//! Metadata are read once, when a file's bytes have arrived, and stored with the bytes. The first bytes
//! show the kind of a file, so nothing more is read of other files. Parsers run on blocking threads and
//! read through [`Reading`], which limits the number of bytes. If a parser fails or panics, the file has
//! no metadata, and nothing is printed.

mod asf;
mod avi;
mod contained;
mod facts;
mod header;
mod mpeg;
pub(super) mod picture;
mod reading;
mod stored;
mod tags;
#[cfg(test)]
mod tests;
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
    /// Whether the rotation exchanges width and height. `false`: it does not, or an earlier version
    /// stored the metadata.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_turned: bool,
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
    /// The composer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composer: Option<String>,
    /// The copyright notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copyright: Option<String>,
    /// The number of the track on its disc, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<u32>,
    /// The number of tracks on the disc.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track_count: Option<u32>,
    /// The number of the disc in its set, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc: Option<u32>,
    /// The number of discs in the set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc_count: Option<u32>,
    /// The year of the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<u32>,
    /// Bits of sound per second. `None`: unknown, or an earlier version stored the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u64>,
    /// Duration in milliseconds; 0 if it is unknown.
    pub duration: u64,
}

/// The metadata of a video.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Video {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Duration in milliseconds; 0 if it is unknown.
    pub duration: u64,
    /// Bits of the file per second of its duration; 0 if that is unknown.
    pub bitrate: u64,
    /// Frames per second. `None`: unknown, or an earlier version stored the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// The four-character code of the encoding, such as `WMV3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub four_cc: Option<String>,
    /// The sound. `None`: the video has none, its format is not read, or an earlier version stored the
    /// metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<Sound>,
}

/// The sound of a video.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sound {
    /// The name of the encoding, such as `WMA2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The number of channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// Samples per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Bits per sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_sample: Option<u32>,
}

/// Returns the bits of a file of `size` bytes per second of its duration, which is in milliseconds; 0
/// for a duration of 0.
fn bitrate(size: u64, duration: u64) -> u64 {
    size.saturating_mul(8_000).checked_div(duration).unwrap_or(0)
}

/// The family of a media file, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// A picture that can be decoded.
    Picture,
    /// A picture of which only the EXIF data can be read.
    OtherPicture,
    Audio,
    /// An MP4, QuickTime or Matroska file.
    Video,
    /// Video or audio in Microsoft's container.
    Asf,
    Avi,
    /// An MPEG program stream or video stream.
    Mpeg,
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
        } else if at(0, &asf::HEADER) {
            Some(Self::Asf)
        } else if at(0, b"RIFF") && at(8, b"AVI ") {
            Some(Self::Avi)
        } else if any(0, &[b"\0\0\x01\xba", b"\0\0\x01\xb3"]) {
            Some(Self::Mpeg)
        } else if any(0, &[b"ID3", b"fLaC", b"OggS"])
            || at(0, b"RIFF") && at(8, b"WAVE")
            || at(0, b"FORM") && any(8, &[b"AIFF", b"AIFC"])
            || is_mpeg_frame(head)
            || is_adts_frame(head)
        {
            Some(Self::Audio)
        } else {
            None
        }
    }
}

/// Returns whether a file starts with the header of an MPEG audio frame of layer 2 or 3.
fn is_mpeg_frame(head: &[u8]) -> bool {
    matches!(head, [0xff, second, third, ..]
        if matches!(second & 0xe6, 0xe2 | 0xe4) && third & 0xf0 != 0xf0 && third & 0x0c != 0x0c)
}

/// Returns whether a file starts with the header of an AAC frame in an ADTS stream (ISO/IEC 13818-7,
/// 6.2).
fn is_adts_frame(head: &[u8]) -> bool {
    // The rates 13 to 15 are reserved.
    matches!(head, [0xff, second, third, ..] if second & 0xf6 == 0xf0 && third >> 2 & 0x0f < 13)
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
