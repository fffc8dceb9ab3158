//! The JSON bodies of Live Connect's responses (live-connect#storage-endpoints,
//! live-connect#object-schemas).
//!
//! A member that responses may omit is an `Option`, or empty by default. Members without a use in
//! this crate are missing; [`Client::document`](super::Client::document) returns whole documents.

mod account_objects;
mod object;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::json;

pub use self::{
    account_objects::{
        AccountObjectPage, Application, ApplicationProperties, Calendar, CalendarProperties,
        Contact, Event, EventProperties, Friend, NamedEntity, NewActivity, NewContact,
        NewContactEmails, PostalAddress, RedirectUri, SharedActivity, UserAddresses, UserEmails,
        UserPhones, WorkInfo,
    },
    object::{GeoLocation, Image, Object, ObjectKind, SharedWith},
};
use super::options::ListQuery;
use crate::{
    drive::{Error, ErrorKind, Result, Secret},
    services::lenient,
};

/// A person, with or without an account.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
pub struct Person {
    /// Full name.
    pub name: Option<String>,
    /// Id of the account. A person on a photo may have none.
    pub id: Option<String>,
}

/// A comment on an object (live-connect#comment-object).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Comment {
    /// Id of the comment: `comment.{cid}.…`.
    pub id: String,
    /// Author.
    #[serde(default)]
    pub from: Person,
    /// Text.
    pub message: String,
    /// Time of creation.
    #[serde(default, deserialize_with = "time")]
    pub created_time: Option<Timestamp>,
}

/// A person on a photo or in a video (live-connect#tag-object).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Tag {
    /// Id of the tag: `tag.{cid}.…`.
    pub id: String,
    /// The person.
    #[serde(default)]
    pub user: Person,
    /// Position on a photo, in percent of its width from the left.
    #[serde(default)]
    pub x: Option<f64>,
    /// Position on a photo, in percent of its height from the top.
    #[serde(default)]
    pub y: Option<f64>,
    /// Time of creation.
    #[serde(default, deserialize_with = "time")]
    pub created_time: Option<Timestamp>,
}

/// A page of a list.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Collection {
    /// The objects, in the cloud's order. Of an entry that cannot be decoded only id and name are
    /// set.
    #[serde(deserialize_with = "objects")]
    pub data: Vec<Object>,
    /// URLs of the neighbouring pages. `None` if this page is the whole list.
    #[serde(default)]
    pub paging: Option<Paging>,
}

/// Decodes the entries of a page. An entry that is not an object has only id and name.
///
/// # Errors
/// If the value is not a list.
fn objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Object>, D::Error> {
    lenient::entries(deserializer, |value| {
        let text = |key: &str| value[key].as_str().unwrap_or_default();
        let rest = json!({"id": text("id"), "name": text("name"), "type": "unknown"});
        serde_json::from_value(rest).expect("an object requires only an id")
    })
}

/// URLs of the neighbouring pages (live-connect#paging). Only their parameters `limit` and `offset`
/// are reliable.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Paging {
    /// URL of the preceding page. `None` on the first page.
    #[serde(default, deserialize_with = "secret")]
    pub previous: Option<Secret>,
    /// URL of the following page. `None` on the last page.
    #[serde(default, deserialize_with = "secret")]
    pub next: Option<Secret>,
}

impl Paging {
    /// Returns limit and offset of the following page, or `None` on the last page. The URL itself is
    /// not used: it may be relative to an unknown base (live-connect#paging).
    ///
    /// # Errors
    /// `Unexpected` if the URL of the following page has no offset.
    pub fn next_page(&self) -> Result<Option<ListQuery>> {
        let Some(next) = &self.next else { return Ok(None) };
        let query = next.expose().split_once('?').map_or("", |(_, query)| query);
        let number = |wanted: &str| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == wanted)
                .and_then(|(_, value)| value.parse().ok())
        };
        match number("offset") {
            Some(offset) => Ok(Some(ListQuery {
                limit: number("limit"),
                offset: Some(offset),
                ..ListQuery::default()
            })),
            None => Err(Error::new(
                ErrorKind::Unexpected,
                "cannot continue the list: `paging.next` in the response has no offset",
            )),
        }
    }
}

/// Response to an upload (live-connect#upload-response).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct UploadResponse {
    /// Id of the file.
    pub id: String,
    /// Name of the file. It differs from the requested one if the cloud has chosen a name.
    #[serde(default)]
    pub name: Option<String>,
    /// As [`Object::source`].
    #[serde(default, deserialize_with = "secret")]
    pub source: Option<Secret>,
}

/// Size of a drive in bytes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[non_exhaustive]
pub struct Quota {
    /// Capacity.
    pub quota: u64,
    /// Free space.
    pub available: u64,
}

/// The owner of an account (live-connect#user-object).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// Id of the account: 16 hexadecimal digits.
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
    /// URL of the profile page.
    #[serde(default)]
    pub link: Option<String>,
    /// Day of the birthday. `None` if it is not specified, or without the scope `wl.birthday`.
    #[serde(default)]
    pub birth_day: Option<u8>,
    /// Month of the birthday; `None` as [`birth_day`](Self::birth_day).
    #[serde(default)]
    pub birth_month: Option<u8>,
    /// Year of the birthday; `None` as [`birth_day`](Self::birth_day).
    #[serde(default)]
    pub birth_year: Option<u16>,
    /// Employers and positions. Empty without the scope `wl.work_profile`.
    #[serde(default, deserialize_with = "or_default")]
    pub work: Vec<WorkInfo>,
    /// `male` or `female`. `None` if it is not specified.
    #[serde(default)]
    pub gender: Option<String>,
    /// E-mail addresses. Empty without the scope `wl.emails`.
    #[serde(default, deserialize_with = "or_default")]
    pub emails: UserEmails,
    /// Postal addresses. Empty without the scope `wl.postal_addresses`.
    #[serde(default, deserialize_with = "or_default")]
    pub addresses: UserAddresses,
    /// Phone numbers. Empty without the scope `wl.phone_numbers`.
    #[serde(default, deserialize_with = "or_default")]
    pub phones: UserPhones,
    /// Language and country, such as `en_US`.
    #[serde(default)]
    pub locale: Option<String>,
    /// Time of the last change.
    #[serde(default, deserialize_with = "time")]
    pub updated_time: Option<Timestamp>,
}

/// A response with a list (live-connect#data-wrapper).
#[derive(Deserialize)]
pub(super) struct DataResponse<T> {
    pub(super) data: Vec<T>,
}

/// A response with a link. Some clients found it as `source` (live-connect#op-sharing-links).
#[derive(Deserialize)]
pub(super) struct LinkResponse {
    #[serde(alias = "source", alias = "embed_html")]
    pub(super) link: String,
}

/// A response with the URL of content, in place of a redirect.
#[derive(Deserialize)]
pub(super) struct LocationResponse {
    pub(super) location: String,
}

/// Body of an error response (live-connect#error-body).
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorDetail,
}

/// The cloud's code and message.
#[derive(Deserialize)]
pub(super) struct ErrorDetail {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) code: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) message: String,
}

/// Decodes `null` as the default.
///
/// # Errors
/// If another value is not a `T`.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Decodes a text as a secret; `None` for `null`.
///
/// # Errors
/// If the value is not a string.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
}

/// Decodes a time such as `2011-08-17T22:01:13+0000` (live-connect#timestamps). Returns `None` for
/// any other text: an object must not be lost because of it.
///
/// # Errors
/// If the value is not a string.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| {
        Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", &text).or_else(|_| text.parse()).ok()
    }))
}
