//! Objects: the files and folders of a drive, in all their kinds.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::{Person, or_default, secret, time};
use crate::{drive::Secret, services::lenient};

/// A file, folder, album, photo, video, audio file or notebook (live-connect#object-schemas).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Object {
    /// Id of the object: `file.{cid}.{CID}!{n}` or `folder.…` (live-connect#id-formats).
    pub id: String,
    /// Name with its extension.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Description that the user has set.
    #[serde(default)]
    pub description: Option<String>,
    /// Id of the folder that contains it. `None` for the root.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// Type of the object.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: ObjectKind,
    /// Size of a file in bytes.
    #[serde(default, deserialize_with = "lenient::size")]
    pub size: Option<u64>,
    /// Number of objects in a folder.
    #[serde(default)]
    pub count: Option<u64>,
    /// Pre-authenticated URL of a file's content; it expires (live-connect#source-url-lifetime).
    #[serde(default, deserialize_with = "secret")]
    pub source: Option<Secret>,
    /// URL of the object's web page. It may grant access.
    #[serde(default, deserialize_with = "secret")]
    pub link: Option<Secret>,
    /// URL for uploads of content.
    #[serde(default)]
    pub upload_location: Option<String>,
    /// Time of creation.
    #[serde(default, deserialize_with = "time")]
    pub created_time: Option<Timestamp>,
    /// Time of the last change, by the cloud's clock.
    #[serde(default, deserialize_with = "time")]
    pub updated_time: Option<Timestamp>,
    /// Time of the user's last change, if a client has set it.
    #[serde(default, deserialize_with = "time")]
    pub client_updated_time: Option<Timestamp>,
    /// The user who created it.
    #[serde(default)]
    pub from: Option<Person>,
    /// Who can see it.
    #[serde(default)]
    pub shared_with: Option<SharedWith>,
    /// Whether [`Client::link`](crate::services::skydrive::Client::link) returns HTML to embed it.
    #[serde(default)]
    pub is_embeddable: Option<bool>,
    /// Number of comments.
    #[serde(default)]
    pub comments_count: Option<u64>,
    /// Whether comments are allowed.
    #[serde(default)]
    pub comments_enabled: Option<bool>,
    /// Number of tags of a photo or video.
    #[serde(default)]
    pub tags_count: Option<u64>,
    /// Whether tags are allowed.
    #[serde(default)]
    pub tags_enabled: Option<bool>,
    /// Pre-authenticated URL of its picture; it expires.
    #[serde(default, deserialize_with = "secret")]
    pub picture: Option<Secret>,
    /// A photo in other sizes.
    #[serde(default, deserialize_with = "or_default")]
    pub images: Vec<Image>,
    /// When a photo was taken.
    #[serde(default, deserialize_with = "time")]
    pub when_taken: Option<Timestamp>,
    /// Where a photo was taken.
    #[serde(default)]
    pub location: Option<GeoLocation>,
    /// Height of a photo or video in pixels.
    #[serde(default)]
    pub height: Option<u32>,
    /// Width of a photo or video in pixels.
    #[serde(default)]
    pub width: Option<u32>,
    /// Manufacturer of a photo's camera.
    #[serde(default)]
    pub camera_make: Option<String>,
    /// Model of a photo's camera.
    #[serde(default)]
    pub camera_model: Option<String>,
    /// F-number of a photo. Here and in the next three fields, 0 means unknown.
    #[serde(default)]
    pub focal_ratio: Option<f64>,
    /// Focal length of a photo in millimetres.
    #[serde(default)]
    pub focal_length: Option<f64>,
    /// Numerator of a photo's exposure time in seconds.
    #[serde(default)]
    pub exposure_numerator: Option<f64>,
    /// Denominator of a photo's exposure time in seconds.
    #[serde(default)]
    pub exposure_denominator: Option<f64>,
    /// Title of an audio file.
    #[serde(default)]
    pub title: Option<String>,
    /// Artist of an audio file.
    #[serde(default)]
    pub artist: Option<String>,
    /// Album of an audio file.
    #[serde(default)]
    pub album: Option<String>,
    /// Artist of an audio file's album.
    #[serde(default)]
    pub album_artist: Option<String>,
    /// Genre of an audio file.
    #[serde(default)]
    pub genre: Option<String>,
    /// Duration of an audio file or video in milliseconds.
    #[serde(default)]
    pub duration: Option<u64>,
    /// Bit rate of a video in bits per second.
    #[serde(default)]
    pub bitrate: Option<u64>,
}

/// The access to an object.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
pub struct SharedWith {
    /// Description in the user's language, such as "Just me".
    pub access: String,
}

/// A photo in one size.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Image {
    /// Name of the size: `thumbnail`, `small`, `album`, `normal` or `full`.
    #[serde(rename = "type")]
    pub size: String,
    /// Height in pixels.
    pub height: u32,
    /// Width in pixels.
    pub width: u32,
    /// Pre-authenticated URL of the image; it expires.
    #[serde(deserialize_with = "secret")]
    pub source: Option<Secret>,
}

/// A geographical location.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[non_exhaustive]
pub struct GeoLocation {
    /// Degrees north of the equator.
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
    /// Metres above sea level.
    #[serde(default)]
    pub altitude: f64,
}

/// The type of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A folder.
    Folder,
    /// A folder of photos.
    Album,
    /// A file of no other kind.
    File,
    /// A file with a photo.
    Photo,
    /// A file with a video.
    Video,
    /// A file with sound.
    Audio,
    /// A OneNote notebook. The API gives access neither to its content nor to its children.
    Notebook,
    /// The response has no type.
    #[default]
    Unspecified,
    /// A type that this version of the crate does not know.
    Other(String),
}

impl<'de> Deserialize<'de> for ObjectKind {
    /// Decodes the name of a type; an unknown one is [`Other`](Self::Other).
    ///
    /// # Errors
    /// If the value is not a string.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match &*text {
            "folder" => Self::Folder,
            "album" => Self::Album,
            "file" => Self::File,
            "photo" => Self::Photo,
            "video" => Self::Video,
            "audio" => Self::Audio,
            "notebook" => Self::Notebook,
            _ => Self::Other(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_null_and_unknown_values_are_no_error() {
        let object: Object = serde_json::from_str(
            r#"{"id": "file.de57f4126ed7e411.DE57F4126ED7E411!128", "name": "Processed.docx",
                "from": {"name": "Nuno Bento", "id": "de57f4126ed7e411"}, "description": null,
                "parent_id": "folder.de57f4126ed7e411", "size": 12692, "comments_count": 0,
                "source": "https://x.livefilestore.com/y1abc?psid=1", "type": "file",
                "shared_with": {"access": "Everyone (public)"},
                "created_time": "2011-08-23T23:41:02+0000",
                "updated_time": "2011-08-23T23:41:02.5Z"}"#,
        )
        .unwrap();
        assert_eq!(object.kind, ObjectKind::File);
        assert_eq!((object.size, object.count, object.description), (Some(12692), None, None));
        assert_eq!(object.created_time.unwrap().to_string(), "2011-08-23T23:41:02Z");
        assert_eq!(object.updated_time.unwrap().to_string(), "2011-08-23T23:41:02.5Z");

        let bare: Object = serde_json::from_str(
            r#"{"id": "x", "name": null, "type": "hologram", "created_time": "yesterday"}"#,
        )
        .unwrap();
        assert_eq!((&*bare.name, bare.kind), ("", ObjectKind::Other("hologram".into())));
        assert_eq!((bare.created_time, bare.source), (None, None));
    }
}
