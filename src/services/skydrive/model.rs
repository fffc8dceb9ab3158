//! What Live Connect answers (live-connect#storage-endpoints, live-connect#object-schemas).
//!
//! Fields that are not used here are left out, fields that a cloud leaves out are `None`.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::{
    drive::{Error, ErrorKind, Result, Secret},
    services::lenient,
};

/// A file, folder, album, photo, video, audio or notebook.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Object {
    /// Its id, `file.{cid}.{CID}!{n}` or `folder.…`.
    pub id: String,
    /// Its name with its extension.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// The user's words on it.
    #[serde(default)]
    pub description: Option<String>,
    /// The folder it is in; the root has none.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// What it is.
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: ObjectKind,
    /// Bytes of a file.
    #[serde(default, deserialize_with = "lenient::size")]
    pub size: Option<u64>,
    /// Items in a folder.
    #[serde(default)]
    pub count: Option<u64>,
    /// Pre-authenticated address of a file's bytes, good for some time.
    #[serde(default, deserialize_with = "secret")]
    pub source: Option<Secret>,
    /// Address of its page on the web; may let others in.
    #[serde(default, deserialize_with = "secret")]
    pub link: Option<Secret>,
    /// Where content is sent to.
    #[serde(default)]
    pub upload_location: Option<String>,
    /// When the cloud made it.
    #[serde(default, deserialize_with = "time")]
    pub created_time: Option<Timestamp>,
    /// When the cloud last changed it.
    #[serde(default, deserialize_with = "time")]
    pub updated_time: Option<Timestamp>,
    /// When the user last changed it, where a client said so.
    #[serde(default, deserialize_with = "time")]
    pub client_updated_time: Option<Timestamp>,
    /// Who made it.
    #[serde(default)]
    pub from: Option<Person>,
    /// Who can see it.
    #[serde(default)]
    pub shared_with: Option<SharedWith>,
    /// Whether [`Client::link`](super::Client::link) gives an embedded one.
    #[serde(default)]
    pub is_embeddable: Option<bool>,
    /// How many comments it has.
    #[serde(default)]
    pub comments_count: Option<u64>,
    /// Whether it can have comments.
    #[serde(default)]
    pub comments_enabled: Option<bool>,
    /// How many tags a photo or film has.
    #[serde(default)]
    pub tags_count: Option<u64>,
    /// Whether it can have tags.
    #[serde(default)]
    pub tags_enabled: Option<bool>,
    /// Pre-authenticated address of its picture, good for some time.
    #[serde(default, deserialize_with = "secret")]
    pub picture: Option<Secret>,
    /// A photo's pictures in other sizes.
    #[serde(default, deserialize_with = "or_default")]
    pub images: Vec<Image>,
    /// When a photo was taken.
    #[serde(default, deserialize_with = "time")]
    pub when_taken: Option<Timestamp>,
    /// Where a photo was taken.
    #[serde(default)]
    pub location: Option<Place>,
    /// Pixels down, of a photo or film.
    #[serde(default)]
    pub height: Option<u32>,
    /// Pixels across.
    #[serde(default)]
    pub width: Option<u32>,
    /// Who made a photo's camera.
    #[serde(default)]
    pub camera_make: Option<String>,
    /// What the camera is called.
    #[serde(default)]
    pub camera_model: Option<String>,
    /// The f-number; 0 where it is not known, as the three below.
    #[serde(default)]
    pub focal_ratio: Option<f64>,
    /// Millimetres.
    #[serde(default)]
    pub focal_length: Option<f64>,
    /// The exposure's numerator, in seconds.
    #[serde(default)]
    pub exposure_numerator: Option<f64>,
    /// The exposure's denominator.
    #[serde(default)]
    pub exposure_denominator: Option<f64>,
    /// A song's title.
    #[serde(default)]
    pub title: Option<String>,
    /// Who plays it.
    #[serde(default)]
    pub artist: Option<String>,
    /// On which album.
    #[serde(default)]
    pub album: Option<String>,
    /// Whose album that is.
    #[serde(default)]
    pub album_artist: Option<String>,
    /// What kind of music.
    #[serde(default)]
    pub genre: Option<String>,
    /// How long a song or film runs, in milliseconds.
    #[serde(default)]
    pub duration: Option<u64>,
    /// Bits for a second of a film.
    #[serde(default)]
    pub bitrate: Option<u64>,
}

/// Somebody with an account.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
pub struct Person {
    /// Full name.
    pub name: Option<String>,
    /// The account's id; somebody on a photo may have none.
    pub id: Option<String>,
}

/// Who can see an object.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
pub struct SharedWith {
    /// In words, in the user's language: "Just me".
    pub access: String,
}

/// A photo's picture in one size.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Image {
    /// Which size: `thumbnail`, `small`, `album`, `normal`, `full`.
    #[serde(rename = "type")]
    pub size: String,
    /// Pixels down.
    pub height: u32,
    /// Pixels across.
    pub width: u32,
    /// Pre-authenticated address, good for some time.
    #[serde(deserialize_with = "secret")]
    pub source: Option<Secret>,
}

/// A place on Earth.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[non_exhaustive]
pub struct Place {
    /// Degrees, north of the equator.
    pub latitude: f64,
    /// Degrees, east of Greenwich.
    pub longitude: f64,
    /// Metres above the sea.
    #[serde(default)]
    pub altitude: f64,
}

/// A comment on an object.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Comment {
    /// Its id, `comment.{cid}.…`.
    pub id: String,
    /// Who wrote it.
    #[serde(default)]
    pub from: Person,
    /// What it says.
    pub message: String,
    /// When it was written.
    #[serde(default, deserialize_with = "time")]
    pub created_time: Option<Timestamp>,
}

/// Somebody on a photo or in a film.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Tag {
    /// Its id, `tag.{cid}.…`.
    pub id: String,
    /// Who that is.
    #[serde(default)]
    pub user: Person,
    /// Percent from a photo's left edge.
    #[serde(default)]
    pub x: Option<f64>,
    /// Percent from a photo's top edge.
    #[serde(default)]
    pub y: Option<f64>,
    /// When it was made.
    #[serde(default, deserialize_with = "time")]
    pub created_time: Option<Timestamp>,
}

/// The answer that has a list in it.
#[derive(Deserialize)]
pub(super) struct Listed<T> {
    pub(super) data: Vec<T>,
}

/// The answer that has a link in it; some clients found it as `source`
/// (live-connect#op-sharing-links).
#[derive(Deserialize)]
pub(super) struct Linked {
    #[serde(alias = "source", alias = "embed_html")]
    pub(super) link: String,
}

/// What an object is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A folder.
    Folder,
    /// A folder of photos.
    Album,
    /// A file of no special kind.
    File,
    /// A file with a picture.
    Photo,
    /// A file with a film.
    Video,
    /// A file with sound.
    Audio,
    /// A OneNote notebook: has neither content nor children here.
    Notebook,
    /// The cloud did not say.
    #[default]
    Untold,
    /// Something newer than this client.
    Other(String),
}

impl<'de> Deserialize<'de> for ObjectKind {
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

fn objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Object>, D::Error> {
    lenient::entries(deserializer, |value| {
        let text = |key: &str| value[key].as_str().unwrap_or_default();
        let rest = json!({"id": text("id"), "name": text("name"), "type": "unknown"});
        serde_json::from_value(rest).expect("an object needs no more than an id")
    })
}

/// A part of a listing.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Collection {
    /// The objects, in the cloud's order. Of one that cannot be read only id and name are kept.
    #[serde(deserialize_with = "objects")]
    pub data: Vec<Object>,
    /// Where the parts before and after it are; absent when everything fits.
    #[serde(default)]
    pub paging: Option<Paging>,
}

/// Requests for other parts of a listing; of use in them are only `limit` and `offset`.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Paging {
    /// The part before.
    #[serde(default, deserialize_with = "secret")]
    pub previous: Option<Secret>,
    /// The part after.
    #[serde(default, deserialize_with = "secret")]
    pub next: Option<Secret>,
}

impl Paging {
    /// `limit` and `offset` of the part after, where there is one. The address itself is not used:
    /// it may be relative to anything (live-connect#paging).
    ///
    /// # Errors
    /// `Unexpected` if there is a part after, and no telling where.
    pub fn next_part(&self) -> Result<Option<(Option<u64>, u64)>> {
        let Some(next) = &self.next else { return Ok(None) };
        let query = next.expose().split_once('?').map_or("", |(_, query)| query);
        let number = |wanted: &str| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == wanted)
                .and_then(|(_, value)| value.parse().ok())
        };
        match number("offset") {
            Some(offset) => Ok(Some((number("limit"), offset))),
            None => Err(Error::new(
                ErrorKind::Unexpected,
                "the listing goes on, but its `paging.next` has no offset",
            )),
        }
    }
}

/// What an upload made.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Uploaded {
    /// The file's id.
    pub id: String,
    /// Its name; another than asked for where the cloud was to choose one.
    #[serde(default)]
    pub name: Option<String>,
    /// As [`Object::source`].
    #[serde(default, deserialize_with = "secret")]
    pub source: Option<Secret>,
}

/// How much a drive holds, in bytes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[non_exhaustive]
pub struct Quota {
    /// All of it.
    pub quota: u64,
    /// What is free.
    pub available: u64,
}

/// An account's owner.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// The id, 16 hexadecimal digits.
    pub id: String,
    /// Full name.
    #[serde(default)]
    pub name: Option<String>,
    /// First name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// Language and country, `en_US`.
    #[serde(default)]
    pub locale: Option<String>,
}

/// Where bytes are: the answer where redirects are suppressed.
#[derive(Deserialize)]
pub(super) struct Location {
    pub(super) location: String,
}

/// An error answer.
#[derive(Deserialize)]
pub(super) struct Failure {
    pub(super) error: FailureDetail,
}

#[derive(Deserialize)]
pub(super) struct FailureDetail {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) code: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) message: String,
}

fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
}

/// `2011-08-17T22:01:13+0000` (live-connect#timestamps). What is no time is as good as none: an
/// object is not lost for it.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| {
        Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", &text).or_else(|_| text.parse()).ok()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_with_what_is_there_and_without_what_is_not() {
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
