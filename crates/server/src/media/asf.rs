//! Metadata of ASF files: `.wmv`, `.wma` and `.asf`. No maintained crate reads them.
//!
//! The format is Microsoft's *Advanced Systems Format (ASF) Specification*, revision 01.20.03. Sections
//! are cited by their numbers there.

use std::io::{self, Read, Seek, SeekFrom};

use super::{
    Audio, Media, Reading, Video,
    header::{HeaderReader, PictureFormat, SoundFormat},
    invalid, tags,
};

/// The bytes of a GUID, as they are stored.
type Guid = [u8; 16];

/// Header Object (3.1). A file begins with it.
pub(super) const HEADER: Guid =
    *b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
/// File Properties Object (3.2).
const FILE: Guid = *b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65";
/// Stream Properties Object (3.3).
const STREAM: Guid = *b"\x91\x07\xdc\xb7\xb7\xa9\xcf\x11\x8e\xe6\x00\xc0\x0c\x20\x53\x65";
/// Header Extension Object (3.4).
const EXTENSION: Guid = *b"\xb5\x03\xbf\x5f\x2e\xa9\xcf\x11\x8e\xe3\x00\xc0\x0c\x20\x53\x65";
/// Content Description Object (3.10).
const DESCRIPTION: Guid = *b"\x33\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c";
/// Extended Content Description Object (3.11).
const ATTRIBUTES: Guid = *b"\x40\xa4\xd0\xd2\x07\xe3\xd2\x11\x97\xf0\x00\xa0\xc9\x5e\xa8\x50";
/// Extended Stream Properties Object (4.1).
const EXTENDED_STREAM: Guid = *b"\xcb\xa5\xe6\x14\x72\xc6\x32\x43\x83\x99\xa9\x69\x52\x06\x5b\x5a";
/// Metadata Library Object (4.8).
const LIBRARY: Guid = *b"\x94\x1c\x23\x44\x98\x94\xd1\x49\xa1\x41\x1d\x13\x4e\x45\x70\x54";
/// The type of an audio stream (9.1).
const AUDIO: Guid = *b"\x40\x9e\x69\xf8\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";
/// The type of a video stream (9.2).
const VIDEO: Guid = *b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";

/// Number of bytes before the body of an object: its GUID and its size.
const OBJECT_HEAD: u64 = 24;

/// Number of bytes of a Header Extension Object before the objects in it.
const EXTENSION_HEAD: u64 = OBJECT_HEAD + 22;

/// Maximum number of objects of a header that are looked at. Files have about 20.
const MAX_OBJECTS: usize = 1_000;

/// Maximum size of an object with text, in bytes. A larger object is skipped.
const MAX_TEXT: u64 = 1 << 20;

/// Maximum size of an object with a cover picture, in bytes. A larger object is skipped.
const MAX_COVER: u64 = 16 << 20;

/// Number of 100-nanosecond units per millisecond.
const UNITS_PER_MILLISECOND: u64 = 10_000;

/// Reads the metadata of a file: a video if it has a video stream, else an audio file.
///
/// # Errors
/// `InvalidData` if the header is malformed or describes no stream; otherwise the error of the read.
pub(super) fn read(mut reading: Reading) -> io::Result<Media> {
    let size = reading.size();
    let mut header = Header::default();
    objects(&mut reading, MAX_TEXT, |guid, body| header.add(guid, body))?;
    header.into_media(size)
}

/// Returns the first picture in the tags of a file; `None` if it has none.
///
/// # Errors
/// `InvalidData` if the header is malformed; otherwise the error of the read.
pub(super) fn cover(mut reading: Reading) -> io::Result<Option<Vec<u8>>> {
    let mut cover = None;
    objects(&mut reading, MAX_COVER, |guid, body| {
        for attribute in attributes(guid, body)? {
            if cover.is_none() && attribute.name == "WM/Picture" {
                cover = Some(picture(attribute.value)?.to_vec());
            }
        }
        Ok(())
    })?;
    Ok(cover)
}

/// Calls `visit` with the GUID and the body of each known object of the header, also of those in its
/// extension. Objects over `max` bytes are skipped.
///
/// # Errors
/// `InvalidData` if the file does not begin with a header or an object is malformed; the error of
/// `visit`; otherwise the error of the read.
fn objects(
    reading: &mut Reading,
    max: u64,
    mut visit: impl FnMut(&Guid, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let (guid, size) = object_head(reading)?;
    if guid != HEADER {
        return Err(invalid("the file does not begin with an ASF header"));
    }
    let end = size.min(reading.size());
    // The number of objects, and two reserved bytes.
    let mut at = OBJECT_HEAD + 6;
    for _ in 0..MAX_OBJECTS {
        if at.saturating_add(OBJECT_HEAD) > end {
            break;
        }
        reading.seek(SeekFrom::Start(at))?;
        let (guid, size) = object_head(reading)?;
        let body = size
            .checked_sub(OBJECT_HEAD)
            .ok_or_else(|| invalid("an ASF object is smaller than its own header"))?;
        if guid == EXTENSION {
            at += EXTENSION_HEAD;
            continue;
        }
        let is_known =
            [FILE, STREAM, DESCRIPTION, ATTRIBUTES, EXTENDED_STREAM, LIBRARY].contains(&guid);
        if is_known && body <= max {
            let mut bytes = Vec::new();
            reading.take(body).read_to_end(&mut bytes)?;
            visit(&guid, &bytes)?;
        }
        at = at.saturating_add(size);
    }
    Ok(())
}

/// Reads the GUID and the size of an object.
///
/// # Errors
/// The error of the read; `UnexpectedEof` at the end of the file.
fn object_head(reading: &mut Reading) -> io::Result<(Guid, u64)> {
    let (mut guid, mut size) = ([0; 16], [0; 8]);
    reading.read_exact(&mut guid)?;
    reading.read_exact(&mut size)?;
    Ok((guid, u64::from_le_bytes(size)))
}

/// The parts of a header.
#[derive(Default)]
struct Header {
    /// Duration in milliseconds.
    duration: u64,
    sound: Option<SoundFormat>,
    picture: Option<PictureFormat>,
    /// Frames per second.
    frame_rate: Option<f64>,
    /// The tags.
    tags: Audio,
}

impl Header {
    /// Adds the data of an object.
    ///
    /// # Errors
    /// `InvalidData` if the object is malformed.
    fn add(&mut self, guid: &Guid, body: &[u8]) -> io::Result<()> {
        match *guid {
            FILE => self.duration = duration(body)?,
            STREAM => self.add_stream(body)?,
            EXTENDED_STREAM => self.frame_rate = frame_rate(body)?.or(self.frame_rate),
            DESCRIPTION => self.add_description(body)?,
            _ => {
                for attribute in attributes(guid, body)? {
                    self.add_attribute(&attribute);
                }
            }
        }
        Ok(())
    }

    /// Adds a stream (3.3). Only the first one of each type counts.
    ///
    /// # Errors
    /// `InvalidData` if the object is malformed.
    fn add_stream(&mut self, body: &[u8]) -> io::Result<()> {
        let mut object = HeaderReader::new(body);
        let kind: Guid = object.array()?;
        // The type of error correction, and the time offset.
        object.bytes(16 + 8)?;
        let length = object.u32()? as usize;
        // The length of error correction data, flags, and a reserved number.
        object.bytes(4 + 2 + 4)?;
        let format = object.bytes(length)?;
        if kind == AUDIO && self.sound.is_none() {
            self.sound = Some(SoundFormat::parse(format)?);
        } else if kind == VIDEO && self.picture.is_none() {
            // Width and height of the window, flags, and the length of the format.
            let format = format.get(4 + 4 + 1 + 2..).unwrap_or_default();
            self.picture = Some(PictureFormat::parse(format)?);
        }
        Ok(())
    }

    /// Adds title, author and copyright (3.10).
    ///
    /// # Errors
    /// `InvalidData` if the object is malformed.
    fn add_description(&mut self, body: &[u8]) -> io::Result<()> {
        let mut object = HeaderReader::new(body);
        let (title, author, copyright) = (object.u16()?, object.u16()?, object.u16()?);
        // The lengths of the description and the rating.
        object.bytes(4)?;
        for (member, length) in [
            (&mut self.tags.title, title),
            (&mut self.tags.artist, author),
            (&mut self.tags.copyright, copyright),
        ] {
            let text = utf16(object.bytes(length.into())?);
            *member = member.take().or_else(|| tags::text(&text));
        }
        Ok(())
    }

    /// Adds an attribute. The first value of an attribute counts.
    fn add_attribute(&mut self, attribute: &Attribute<'_>) {
        let Some(text) = attribute.text() else { return };
        let tags = &mut self.tags;
        let member = match attribute.name.as_str() {
            "WM/AlbumTitle" => &mut tags.album,
            "WM/AlbumArtist" => &mut tags.album_artist,
            "WM/Composer" => &mut tags.composer,
            "WM/Genre" => &mut tags.genre,
            "WM/Year" => return tags.year = tags.year.or_else(|| tags::number(&text)),
            "WM/TrackNumber" => {
                return tags::position(&text, &mut tags.track, &mut tags.track_count);
            }
            "WM/PartOfSet" => return tags::position(&text, &mut tags.disc, &mut tags.disc_count),
            _ => return,
        };
        *member = member.take().or_else(|| tags::text(&text));
    }

    /// Returns the metadata of a file of `size` bytes.
    ///
    /// # Errors
    /// `InvalidData` if the header describes no stream.
    fn into_media(self, size: u64) -> io::Result<Media> {
        let duration = self.duration;
        match (self.picture, self.sound) {
            (Some(picture), sound) => Ok(Media::Video(Video {
                width: picture.width,
                height: picture.height,
                duration,
                bitrate: super::bitrate(size, duration),
                frame_rate: self.frame_rate,
                four_cc: picture.four_cc,
                sound: sound.map(|format| format.sound),
            })),
            (None, Some(format)) => {
                let bitrate = (format.bitrate > 0).then_some(format.bitrate);
                Ok(Media::Audio(Audio { duration, bitrate, ..self.tags }))
            }
            (None, None) => Err(invalid("the ASF header describes no stream")),
        }
    }
}

/// Returns the duration in a File Properties Object (3.2), in milliseconds; 0 for a broadcast, whose
/// end was unknown.
///
/// # Errors
/// `InvalidData` if the object is malformed.
fn duration(body: &[u8]) -> io::Result<u64> {
    let mut object = HeaderReader::new(body);
    // The file's id, size, creation time and number of packets.
    object.bytes(16 + 8 + 8 + 8)?;
    let played = object.u64()? / UNITS_PER_MILLISECOND;
    let _sent = object.u64()?;
    let preroll = object.u64()?;
    let is_broadcast = object.u32()? & 1 == 1;
    Ok(if is_broadcast { 0 } else { played.saturating_sub(preroll) })
}

/// Returns the frames per second in an Extended Stream Properties Object (4.1); `None` if it has no
/// time per frame.
///
/// # Errors
/// `InvalidData` if the object is malformed.
fn frame_rate(body: &[u8]) -> io::Result<Option<f64>> {
    let mut object = HeaderReader::new(body);
    // Times, bit rates, buffers, flags, the stream's number and its language.
    object.bytes(52)?;
    let units_per_frame = object.u64()?;
    Ok((units_per_frame > 0)
        .then(|| (UNITS_PER_MILLISECOND * 1_000) as f64 / units_per_frame as f64))
}

/// A named value of the tags.
struct Attribute<'a> {
    name: String,
    /// The type of the value (3.11): 0 is text, 1 bytes, 2 a flag, 3 to 5 a number.
    kind: u16,
    value: &'a [u8],
}

impl Attribute<'_> {
    /// Returns the value as text; `None` for bytes and flags.
    fn text(&self) -> Option<String> {
        match self.kind {
            0 => Some(utf16(self.value)),
            3..=5 => {
                let mut bytes = [0; 8];
                let length = self.value.len().min(bytes.len());
                bytes[..length].copy_from_slice(&self.value[..length]);
                Some(u64::from_le_bytes(bytes).to_string())
            }
            _ => None,
        }
    }
}

/// Parses the attributes of an object; none for an object of another type.
///
/// # Errors
/// `InvalidData` if the object is malformed.
fn attributes<'a>(guid: &Guid, body: &'a [u8]) -> io::Result<Vec<Attribute<'a>>> {
    let is_library = *guid == LIBRARY;
    if !(is_library || *guid == ATTRIBUTES) {
        return Ok(Vec::new());
    }
    let mut object = HeaderReader::new(body);
    let count = object.u16()?;
    let mut attributes = Vec::new();
    for _ in 0..count {
        attributes.push(if is_library {
            // The language and the number of the stream.
            object.bytes(2 + 2)?;
            let (name, kind, length) = (object.u16()?, object.u16()?, object.u32()?);
            let name = utf16(object.bytes(name.into())?);
            Attribute { name, kind, value: object.bytes(length as usize)? }
        } else {
            let length = object.u16()?;
            let name = utf16(object.bytes(length.into())?);
            let (kind, length) = (object.u16()?, object.u16()?);
            Attribute { name, kind, value: object.bytes(length.into())? }
        });
    }
    Ok(attributes)
}

/// Returns the bytes of the picture in a value of `WM/Picture`: its kind, size, media type and
/// description are before them.
///
/// # Errors
/// `InvalidData` if the value is malformed.
fn picture(value: &[u8]) -> io::Result<&[u8]> {
    let mut picture = HeaderReader::new(value);
    let _kind = picture.bytes(1)?;
    let length = picture.u32()? as usize;
    for _ in ["media type", "description"] {
        while picture.u16()? != 0 {}
    }
    picture.bytes(length)
}

/// Decodes UTF-16 up to its first zero. Invalid units become U+FFFD.
fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let units = units.take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_duration_excludes_the_preroll_and_a_broadcast_has_none() {
        let body = |flags: u32| {
            let numbers = [50_000_000_u64, 0, 2_000].map(u64::to_le_bytes).concat();
            [&[0; 40][..], &numbers, &flags.to_le_bytes()].concat()
        };
        assert_eq!(duration(&body(2)).expect("a duration"), 3_000);
        assert_eq!(duration(&body(3)).expect("a duration"), 0);
        assert!(duration(&[0; 40]).is_err());
    }

    #[test]
    fn the_frame_rate_is_the_time_per_frame() {
        let body = [&[0; 52][..], &400_000_u64.to_le_bytes(), &[0; 4]].concat();
        assert_eq!(frame_rate(&body).expect("a rate"), Some(25.0));
        assert_eq!(frame_rate(&[0; 64]).expect("no rate"), None);
    }

    #[test]
    fn a_picture_has_its_type_and_description_before_it() {
        let value = b"\x03\x02\0\0\0i\0\0\0\0\0\xff\xd8\xff";
        assert_eq!(picture(value).expect("a picture"), b"\xff\xd8");
        assert!(picture(b"\x03\xff\0\0\0i\0\0\0\0\0\xff\xd8").is_err());
    }
}
