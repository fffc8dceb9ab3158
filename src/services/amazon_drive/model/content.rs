//! The content of files (amazon-drive#content-properties).

use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};

use crate::services::lenient;

/// Properties of a file's content (amazon-drive#content-properties).
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ContentProperties {
    /// Version of the content; grows with each change of it.
    pub version: Option<u64>,
    /// MD5 of the content, as 32 hexadecimal digits.
    pub md5: Option<String>,
    /// Size in bytes.
    #[serde(deserialize_with = "lenient::size")]
    pub size: Option<u64>,
    /// Media type.
    pub content_type: Option<String>,
    /// Extension of the file's name, without the dot.
    pub extension: Option<String>,
    /// When a photo was taken. `None` for other files.
    #[serde(deserialize_with = "optional")]
    pub content_date: Option<Timestamp>,
    /// Properties of a picture. `None` for other files.
    #[serde(deserialize_with = "optional")]
    pub image: Option<ImageProperties>,
    /// Properties of a video. `None` for other files.
    #[serde(deserialize_with = "optional")]
    pub video: Option<VideoProperties>,
    /// Properties of a document, as the cloud extracts them. `None` for other files.
    #[serde(deserialize_with = "optional")]
    pub document: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Decodes a value whose format is not fully documented; `None` if it has another one.
///
/// # Errors
/// Only those of a text that is not JSON.
fn optional<'de, D: serde::Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(deserializer)?).ok())
}

/// Properties of a picture. A property is `None` if the file does not contain it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ImageProperties {
    /// Width in pixels.
    #[serde(deserialize_with = "lenient::size")]
    pub width: Option<u64>,
    /// Height in pixels.
    #[serde(deserialize_with = "lenient::size")]
    pub height: Option<u64>,
    /// Manufacturer of the camera.
    pub make: Option<String>,
    /// Model of the camera.
    pub model: Option<String>,
    /// When the photo was taken.
    pub date_time_original: Option<Timestamp>,
    /// Exposure time in seconds, as a fraction such as `1/60`.
    pub exposure_time: Option<String>,
    /// The f-number, as a fraction.
    pub aperture_value: Option<String>,
    /// Focal length in millimetres, as a fraction.
    pub focal_length: Option<String>,
}

/// Properties of a video. A property is `None` if the file does not contain it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct VideoProperties {
    /// Width in pixels.
    #[serde(deserialize_with = "lenient::size")]
    pub width: Option<u64>,
    /// Height in pixels.
    #[serde(deserialize_with = "lenient::size")]
    pub height: Option<u64>,
    /// Duration in seconds.
    pub duration: Option<f64>,
    /// Bits per second.
    pub bitrate: Option<f64>,
}
