//! Reads the metadata of media files, each kind with its own library.

use std::io::{BufReader, Cursor, Read as _};

use image::{ImageDecoder, ImageReader, Limits};
use jiff::{Timestamp, civil, tz::TimeZone};
use lofty::{
    config::ParseOptions,
    file::{AudioFile, TaggedFile, TaggedFileExt},
    probe::Probe,
    tag::ItemKey,
};
use nom_exif::{
    EntryValue, Exif, ExifDateTime, ExifTag, MediaParser, MediaSource, TrackInfo, TrackInfoTag,
};

use super::{
    Audio, Family, HEAD_SIZE, Media, Photo, Place, Reading, Sound, Video, asf, avi, invalid, mpeg,
    picture::{coefficients_per_pixel, memory},
    tags,
};

/// Reads the metadata of a file of a family.
///
/// # Errors
/// `InvalidData` if the file is of another family or malformed; otherwise the error of the read,
/// `FileTooLarge` after 64 MiB.
pub(super) fn read(family: Family, reading: Reading) -> std::io::Result<Media> {
    match family {
        Family::Picture => picture(reading).map(Media::Photo),
        Family::OtherPicture => other_picture(reading).map(Media::Photo),
        Family::Audio => audio(reading).map(Media::Audio),
        Family::Video => video(reading),
        Family::Asf => asf::read(reading),
        Family::Avi => avi::read(reading).map(Media::Video),
        Family::Mpeg => mpeg::read(reading).map(Media::Video),
    }
}

/// Number of bytes at the beginning of a picture in which its size is searched.
const HEADERS: u64 = 1 << 20;

/// Maximum memory for the decompressed headers of a picture, such as a colour profile.
const UNPACKED: u64 = 16 << 20;

/// Reads the size and the EXIF data of a picture that can be decoded.
///
/// # Errors
/// `InvalidData` if it is no picture, or its size is not in the first [`HEADERS`] bytes; otherwise
/// the error of the read.
fn picture(mut reading: Reading) -> std::io::Result<Photo> {
    // A JPEG decoder reads its whole input before it returns the size.
    let mut headers = Vec::new();
    (&mut reading).take(HEADERS).read_to_end(&mut headers)?;
    let coefficients = coefficients_per_pixel(&mut Cursor::new(&headers))?;
    let mut headers = ImageReader::new(Cursor::new(headers)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(UNPACKED);
    headers.limits(limits);
    let format = headers.format();
    let decoder = headers.into_decoder().map_err(invalid)?;
    let (width, height) = decoder.dimensions();
    let decoded = Some(memory(&decoder, format, coefficients));
    std::io::Seek::rewind(&mut reading)?;
    // Most pictures that are not photos have no EXIF data.
    let exif = exif(&mut reading).ok();
    let photo = exif.as_ref().map(taken).unwrap_or_default();
    Ok(Photo { decoded, ..sized(photo, width, height, exif.as_ref()) })
}

/// Reads the EXIF data of a picture that cannot be decoded. They must contain the size.
///
/// # Errors
/// `InvalidData` if the picture has no EXIF data or they have no size; otherwise the error of the
/// read.
fn other_picture(mut reading: Reading) -> std::io::Result<Photo> {
    let exif = exif(&mut reading)?;
    let number = |tags: [ExifTag; 2]| {
        tags.iter().find_map(|tag| u32::try_from(exif.get(*tag)?.try_as_integer()?).ok())
    };
    let width = number([ExifTag::ExifImageWidth, ExifTag::ImageWidth]);
    let height = number([ExifTag::ExifImageHeight, ExifTag::ImageHeight]);
    let (Some(width), Some(height)) = (width, height) else {
        return Err(invalid("the EXIF data contain no size"));
    };
    Ok(sized(taken(&exif), width, height, Some(&exif)))
}

/// Sets the size of a photo, after it is rotated as its EXIF data say.
fn sized(photo: Photo, width: u32, height: u32, exif: Option<&Exif>) -> Photo {
    let turned = exif
        .and_then(|exif| exif.get(ExifTag::Orientation)?.try_as_integer())
        // 5 to 8 rotate by 90 degrees (EXIF 2.32, 4.6.4 A).
        .is_some_and(|orientation| (5..=8).contains(&orientation));
    let (width, height) = if turned { (height, width) } else { (width, height) };
    Photo { width, height, is_turned: turned, ..photo }
}

/// Reads the EXIF data of a picture.
///
/// # Errors
/// `InvalidData` if it has none, they are malformed, or the bytes cannot be read.
fn exif(reading: &mut Reading) -> std::io::Result<Exif> {
    let source = MediaSource::seekable(reading).map_err(invalid)?;
    let found = MediaParser::new().parse_exif(source).map_err(invalid)?;
    Ok(found.into())
}

/// Reads camera, time and place from EXIF data.
fn taken(exif: &Exif) -> Photo {
    let text = |tag| {
        let text = exif.get(tag)?.as_str()?.trim_matches(['\0', ' ']);
        (!text.is_empty()).then(|| text.to_owned())
    };
    let number = |tag| exif.get(tag).and_then(number);
    let time = exif.get(ExifTag::DateTimeOriginal).or_else(|| exif.get(ExifTag::CreateDate));
    Photo {
        taken: time.and_then(EntryValue::as_datetime).and_then(timestamp),
        place: exif.gps_info().and_then(place),
        camera_make: text(ExifTag::Make),
        camera_model: text(ExifTag::Model),
        focal_ratio: number(ExifTag::FNumber),
        focal_length: number(ExifTag::FocalLength),
        exposure: exif.get(ExifTag::ExposureTime).and_then(|value| {
            let ratio = value.as_urational()?;
            Some((f64::from(ratio.numerator()), f64::from(ratio.denominator())))
        }),
        ..Photo::default()
    }
}

/// Converts an EXIF value to a finite number; `None` if it is none.
fn number(value: &EntryValue) -> Option<f64> {
    let number = match value.as_urational() {
        Some(ratio) => ratio.to_f64(),
        None => value.try_as_float(),
    };
    number.filter(|number| number.is_finite())
}

/// Converts a time; `None` if it is out of range. A time without zone counts as UTC.
fn timestamp(time: ExifDateTime) -> Option<Timestamp> {
    match time.aware() {
        Some(aware) => Timestamp::from_second(aware.timestamp()).ok(),
        None => {
            let local = time.into_naive().to_string().parse::<civil::DateTime>().ok()?;
            Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
        }
    }
}

/// Converts a position in degrees and metres; `None` if latitude or longitude is not a finite
/// number.
fn place(gps: &nom_exif::GPSInfo) -> Option<Place> {
    let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
    Some(Place {
        latitude: finite(gps.latitude_decimal())?,
        longitude: finite(gps.longitude_decimal())?,
        altitude: finite(gps.altitude_meters()),
    })
}

/// Reads the tags of an audio file or a video. `with_cover` is whether pictures are read too.
///
/// # Errors
/// `InvalidData` if the file is malformed or of an unknown type; otherwise the error of the read.
fn tagged(reading: Reading, with_cover: bool) -> std::io::Result<TaggedFile> {
    let mut options = ParseOptions::new();
    options.read_cover_art(with_cover);
    let probe = Probe::new(BufReader::new(reading)).options(options).guess_file_type()?;
    probe.read().map_err(invalid)
}

/// Returns the first picture in an audio file or a video; `None` if it has none.
///
/// # Errors
/// `InvalidData` if the file is malformed or of an unknown type; otherwise the error of the read.
pub(super) fn cover(mut reading: Reading) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    (&mut reading).take(HEAD_SIZE as u64).read_to_end(&mut head)?;
    std::io::Seek::rewind(&mut reading)?;
    if Family::from_head(&head) == Some(Family::Asf) {
        return asf::cover(reading);
    }
    let file = tagged(reading, true)?;
    let mut pictures = file.tags().iter().flat_map(|tag| tag.pictures());
    Ok(pictures.next().map(|picture| picture.data().to_vec()))
}

/// Reads the tags and the duration of an audio file.
///
/// # Errors
/// `InvalidData` if it is malformed, or has neither tags nor a duration; otherwise the error of the
/// read.
fn audio(reading: Reading) -> std::io::Result<Audio> {
    let file = tagged(reading, false)?;
    let duration = file.properties().duration().as_millis();
    if duration == 0 && file.tags().is_empty() {
        return Err(invalid("the file has neither tags nor frames"));
    }
    // The richest tag first; older ones may have values that it lacks.
    let sources: Vec<_> = file.primary_tag().into_iter().chain(file.tags()).collect();
    let raw = |key| sources.iter().find_map(|tag| tag.get_string(key));
    let text = |key| raw(key).and_then(tags::text);
    let number = |key| raw(key).and_then(tags::number);
    let bitrate = file.properties().audio_bitrate().filter(|bitrate| *bitrate > 0);
    Ok(Audio {
        title: text(ItemKey::TrackTitle),
        artist: text(ItemKey::TrackArtist),
        album: text(ItemKey::AlbumTitle),
        album_artist: text(ItemKey::AlbumArtist),
        genre: text(ItemKey::Genre),
        composer: text(ItemKey::Composer),
        copyright: text(ItemKey::CopyrightMessage),
        track: number(ItemKey::TrackNumber),
        track_count: number(ItemKey::TrackTotal),
        disc: number(ItemKey::DiscNumber),
        disc_count: number(ItemKey::DiscTotal),
        year: number(ItemKey::RecordingDate).or_else(|| number(ItemKey::Year)),
        // In kbit/s.
        bitrate: bitrate.map(|bitrate| u64::from(bitrate) * 1_000),
        duration: u64::try_from(duration).unwrap_or(u64::MAX),
    })
}

/// Reads the size and duration of a video, or the tags of a video file that contains only audio.
///
/// # Errors
/// `InvalidData` if it is malformed, or the bytes cannot be read; otherwise the error of a seek.
fn video(mut reading: Reading) -> std::io::Result<Media> {
    let size = reading.size();
    let source = MediaSource::seekable(&mut reading).map_err(invalid)?;
    let track = MediaParser::new().parse_track(source).map_err(invalid)?;
    let (width, height) = (count(&track, TrackInfoTag::Width), count(&track, TrackInfoTag::Height));
    let duration = count(&track, TrackInfoTag::DurationMs);
    if width == 0 {
        // A video container with audio only.
        std::io::Seek::rewind(&mut reading)?;
        let untagged = Audio { duration, ..Audio::default() };
        return Ok(Media::Audio(audio(reading).unwrap_or(untagged)));
    }
    std::io::Seek::rewind(&mut reading)?;
    Ok(Media::Video(Video {
        width: u32::try_from(width).unwrap_or(u32::MAX),
        height: u32::try_from(height).unwrap_or(u32::MAX),
        duration,
        bitrate: super::bitrate(size, duration),
        sound: sound(reading),
        ..Video::default()
    }))
}

/// Reads the format of the sound of a video; `None` if it has none or its container is not MP4.
fn sound(reading: Reading) -> Option<Sound> {
    let file = tagged(reading, false).ok()?;
    let properties = file.properties();
    Some(Sound {
        format: None,
        channels: properties.channels().map(u32::from),
        sample_rate: properties.sample_rate(),
        bits_per_sample: properties.bit_depth().map(u32::from),
    })
    .filter(|sound| *sound != Sound::default())
}

/// Returns a number of a track; 0 if it is missing.
fn count(track: &TrackInfo, tag: TrackInfoTag) -> u64 {
    let count = match track.get(tag) {
        Some(EntryValue::U64(count)) => Some(*count),
        Some(value) => value.try_as_integer().and_then(|count| u64::try_from(count).ok()),
        None => None,
    };
    count.unwrap_or(0)
}
