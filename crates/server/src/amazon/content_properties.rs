//! The member `contentProperties` of a file: size, hash and type of its content, and the metadata
//! that the content of a photo or a video has (amazon-drive#content-properties).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::node::{extension, time};
use crate::{
    media::{Media, Photo, Video},
    tree::{Content, Node},
};

/// Denominator of the fractions that decimal numbers of a photo are converted to.
const FRACTION_UNIT: f64 = 10_000.0;

/// Returns `contentProperties` of a file with the content `content`.
pub(super) fn content_properties(node: &Node, content: &Content) -> Value {
    let mut properties = json!({
        "version": node.content_version,
        "md5": hex::encode(content.hashes.md5),
        "size": content.size,
        "contentType": node.media_type,
        "extension": extension(&node.name).unwrap_or_default(),
    });
    match content.media.as_deref() {
        Some(Media::Photo(photo)) => properties["image"] = image(photo),
        Some(Media::Video(movie)) => properties["video"] = video(movie),
        Some(Media::Audio(_)) | None => {}
    }
    if let Some(taken) = taken(content) {
        properties["contentDate"] = time(taken).into();
    }
    properties
}

/// Returns when the photo in a file was taken; `None` for other files, and for photos without the
/// time.
fn taken(content: &Content) -> Option<Timestamp> {
    match content.media.as_deref()? {
        Media::Photo(photo) => photo.taken,
        Media::Audio(_) | Media::Video(_) => None,
    }
}

/// Returns the date by which filters and sort orders use `contentProperties.contentDate`: when the
/// photo was taken, and otherwise when the node was created.
pub(super) fn content_date(node: &Node) -> Timestamp {
    node.content.as_ref().and_then(taken).unwrap_or(node.created)
}

/// Returns the metadata of a picture. Members that the file does not have are left out. Numbers that
/// EXIF stores as fractions are fractions.
fn image(photo: &Photo) -> Value {
    let mut image = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            image.insert(name.to_owned(), value);
        }
    };
    let date = || photo.taken.map(|taken| time(taken).into());
    put("width", Some(photo.width.into()));
    put("height", Some(photo.height.into()));
    put("make", photo.camera_make.clone().map(Value::from));
    put("model", photo.camera_model.clone().map(Value::from));
    put("dateTime", date());
    put("dateTimeOriginal", date());
    put("exposureTime", photo.exposure.map(|(of, by)| format!("{of}/{by}").into()));
    put("apertureValue", photo.focal_ratio.and_then(fraction).map(Value::from));
    put("focalLength", photo.focal_length.and_then(fraction).map(Value::from));
    Value::Object(image)
}

/// Returns the metadata of a video. Members that the file does not have are left out. The duration is
/// in seconds, the bit rate per second, and the sample rate in Hz.
fn video(video: &Video) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    let known = |number: u64| (number > 0).then_some(number);
    put("width", Some(video.width.into()));
    put("height", Some(video.height.into()));
    put("duration", known(video.duration).map(|millis| (millis as f64 / 1_000.0).into()));
    put("bitrate", known(video.bitrate).map(Value::from));
    put("frameRate", video.frame_rate.map(Value::from));
    put("videoCodec", video.four_cc.clone().map(Value::from));
    if let Some(sound) = &video.sound {
        put("audioCodec", sound.format.clone().map(Value::from));
        put("audioChannels", sound.channels.map(Value::from));
        put("audioSampleRate", sound.sample_rate.map(Value::from));
    }
    Value::Object(members)
}

/// Returns a decimal number as a reduced fraction, such as `17/4`, exact to four digits; `None` if
/// it is negative, or too large for it.
fn fraction(number: f64) -> Option<String> {
    let scaled = (number * FRACTION_UNIT).round();
    if !(0.0..f64::from(u32::MAX)).contains(&scaled) {
        return None;
    }
    let (of, by) = (scaled as u64, FRACTION_UNIT as u64);
    let divisor = greatest_common_divisor(of, by);
    Some(format!("{}/{}", of / divisor, by / divisor))
}

/// Returns the greatest common divisor of two numbers, of which `b` is not 0.
fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_reduced_fractions() {
        for (number, text) in [
            (4.25, Some("17/4")),
            (2.8, Some("14/5")),
            (0.0, Some("0/1")),
            (50.0, Some("50/1")),
            (1.69594, Some("16959/10000")),
            (-1.0, None),
            (f64::NAN, None),
            (1e9, None),
        ] {
            assert_eq!(fraction(number).as_deref(), text, "{number}");
        }
    }
}
