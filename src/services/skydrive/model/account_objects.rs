//! Objects outside the drive (live-connect#non-storage-objects): the ones that responses contain, and the
//! ones that requests create.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use super::{Paging, Person, or_default, secret, time};
use crate::drive::Secret;

/// A page of a list of objects outside the drive.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct AccountObjectPage<T> {
    /// The objects, in the cloud's order.
    pub data: Vec<T>,
    /// URLs of the neighbouring pages. `None` if this page is the whole list.
    #[serde(default = "Option::default")]
    pub paging: Option<Paging>,
}

/// The employer and the position of a user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct WorkInfo {
    /// The employer.
    #[serde(deserialize_with = "or_default")]
    pub employer: NamedEntity,
    /// The position.
    #[serde(deserialize_with = "or_default")]
    pub position: NamedEntity,
}

/// An object that only has a name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NamedEntity {
    /// The name. `None` if the user did not specify it.
    pub name: Option<String>,
}

/// The e-mail addresses of a user. An address is `None` if the user did not specify it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UserEmails {
    /// The address that the user prefers.
    pub preferred: Option<String>,
    /// The address of the account.
    pub account: Option<String>,
    /// The personal address.
    pub personal: Option<String>,
    /// The address at work.
    pub business: Option<String>,
    /// A further address.
    pub other: Option<String>,
}

/// The postal addresses of a user.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UserAddresses {
    /// The personal address.
    #[serde(deserialize_with = "or_default")]
    pub personal: PostalAddress,
    /// The address at work.
    #[serde(deserialize_with = "or_default")]
    pub business: PostalAddress,
}

/// A postal address. A part is `None` if the user did not specify it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PostalAddress {
    /// Street and number.
    pub street: Option<String>,
    /// The second line of the street.
    pub street_2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Country or region.
    pub region: Option<String>,
}

/// The phone numbers of a user. A number is `None` if the user did not specify it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UserPhones {
    /// The personal number.
    pub personal: Option<String>,
    /// The number at work.
    pub business: Option<String>,
    /// The number of the mobile phone.
    pub mobile: Option<String>,
}

/// A contact (live-connect#contact-object).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Contact {
    /// Id of the contact: `contact.…`.
    pub id: String,
    /// Full name, or an e-mail address or a company.
    #[serde(default)]
    pub name: Option<String>,
    /// First name. `None` if it is not specified.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Last name. `None` if it is not specified.
    #[serde(default)]
    pub last_name: Option<String>,
    /// `male` or `female`. `None` if it is not specified.
    #[serde(default)]
    pub gender: Option<String>,
    /// Whether the contact is a friend of the user.
    #[serde(default, deserialize_with = "or_default")]
    pub is_friend: bool,
    /// Whether the contact is a favourite of the user.
    #[serde(default, deserialize_with = "or_default")]
    pub is_favorite: bool,
    /// Id of the contact's account. `None` for a contact without an account.
    #[serde(default)]
    pub user_id: Option<String>,
    /// Hashes of the e-mail addresses (live-connect#email-hashes).
    #[serde(default, deserialize_with = "or_default")]
    pub email_hashes: Vec<String>,
    /// Time of the last change.
    #[serde(default, deserialize_with = "time")]
    pub updated_time: Option<Timestamp>,
    /// Day of the birthday. `None` if it is not specified, or without the scope
    /// `wl.contacts_birthday`.
    #[serde(default)]
    pub birth_day: Option<u8>,
    /// Month of the birthday; `None` as [`birth_day`](Self::birth_day).
    #[serde(default)]
    pub birth_month: Option<u8>,
}

/// A contact to be created. At least one name, address or employer is required.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct NewContact {
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// E-mail addresses, which responses contain only as hashes.
    #[serde(skip_serializing_if = "NewContactEmails::is_empty")]
    pub emails: NewContactEmails,
    /// Names of employers.
    #[serde(rename = "work", skip_serializing_if = "Vec::is_empty", serialize_with = "as_work")]
    pub employers: Vec<String>,
}

/// Serializes names of employers as the structure `work`.
///
/// # Errors
/// Those of the serializer.
fn as_work<S: Serializer>(employers: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(employers.iter().map(|name| json!({ "employer": { "name": name } })))
}

/// The e-mail addresses of a [`NewContact`].
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct NewContactEmails {
    /// The preferred address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred: Option<String>,
    /// The personal address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal: Option<String>,
    /// The address at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business: Option<String>,
    /// A further address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

impl NewContactEmails {
    /// Returns whether there is no address.
    fn is_empty(&self) -> bool {
        let Self { preferred, personal, business, other } = self;
        [preferred, personal, business, other].into_iter().all(Option::is_none)
    }
}

/// A friend of the user (live-connect#friend-object).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Friend {
    /// Id of the friend's account.
    pub id: String,
    /// Full name.
    #[serde(default)]
    pub name: Option<String>,
}

/// A calendar (live-connect#calendar-object).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Calendar {
    /// Id of the calendar: `calendar.…`.
    pub id: String,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Description. `None` without one.
    #[serde(default)]
    pub description: Option<String>,
    /// The owner.
    #[serde(default, deserialize_with = "or_default")]
    pub from: Person,
    /// Whether this is the user's default calendar.
    #[serde(default, deserialize_with = "or_default")]
    pub is_default: bool,
    /// URL of the subscribed calendar. `None` for a calendar of the user.
    #[serde(default)]
    pub subscription_location: Option<String>,
    /// The user's role, such as `owner` or `read` (live-connect#shared-calendars).
    #[serde(default)]
    pub permissions: Option<String>,
    /// Time of creation.
    #[serde(default, deserialize_with = "time")]
    pub created_time: Option<Timestamp>,
    /// Time of the last change.
    #[serde(default, deserialize_with = "time")]
    pub updated_time: Option<Timestamp>,
}

/// The properties of a calendar to be created or changed. A property that is `None` is not sent.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct CalendarProperties {
    /// Name. Required for a new calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// URL of a public calendar, to subscribe to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_location: Option<String>,
}

/// An event, or an occurrence of a recurring event (live-connect#event-object).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// Id of the event: `event.…`. `None` in the cloud's response to its creation.
    #[serde(default)]
    pub id: Option<String>,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
    /// Id of the calendar.
    #[serde(default)]
    pub calendar_id: Option<String>,
    /// The organizer.
    #[serde(default, deserialize_with = "or_default")]
    pub from: Person,
    /// Start.
    #[serde(default, deserialize_with = "time")]
    pub start_time: Option<Timestamp>,
    /// End.
    #[serde(default, deserialize_with = "time")]
    pub end_time: Option<Timestamp>,
    /// Location. `None` without one.
    #[serde(default)]
    pub location: Option<String>,
    /// Whether the event lasts for whole days.
    #[serde(default, deserialize_with = "or_default")]
    pub is_all_day_event: bool,
    /// Whether the event is recurring.
    #[serde(default, deserialize_with = "or_default")]
    pub is_recurrent: bool,
    /// Description of the pattern of a recurring event. `None` for other events.
    #[serde(default)]
    pub recurrence: Option<String>,
    /// Time of the reminder, in minutes before the event. `None` without a reminder.
    #[serde(default)]
    pub reminder_time: Option<u32>,
    /// `free`, `busy`, `tentative` or `out_of_office`.
    #[serde(default)]
    pub availability: Option<String>,
    /// `public` or `private`.
    #[serde(default)]
    pub visibility: Option<String>,
    /// Time of creation.
    #[serde(default, deserialize_with = "time")]
    pub created_time: Option<Timestamp>,
    /// Time of the last change.
    #[serde(default, deserialize_with = "time")]
    pub updated_time: Option<Timestamp>,
}

/// The properties of an event to be created or changed. A property that is `None` is not sent. A new
/// event requires a name, a description and a start.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct EventProperties {
    /// Name, of at most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description, of at most 32,768 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// End. `None` for a new event: 30 minutes after the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// Location, of at most 1,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Whether the event lasts for whole days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_all_day_event: Option<bool>,
    /// Time of the reminder, in minutes before the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder_time: Option<u32>,
    /// `free`, `busy`, `tentative` or `out_of_office`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<String>,
    /// `public` or `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
}

/// An activity to be shared (live-connect#activity-types). Only `message` is required; a video also
/// requires `link`.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct NewActivity {
    /// Text.
    pub message: String,
    /// URL of the shared content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Description of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// URL of a picture of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Title of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// URL of a video's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// An activity that was shared (live-connect#activity-object). Texts may be truncated.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct SharedActivity {
    /// The user who shared it.
    #[serde(default, deserialize_with = "or_default")]
    pub from: Person,
    /// Text.
    #[serde(default)]
    pub message: Option<String>,
    /// URL of the shared content. `None` for a text.
    #[serde(default)]
    pub link: Option<String>,
    /// Description of the content. `None` without one.
    #[serde(default)]
    pub description: Option<String>,
    /// URL of a picture of the content. `None` without one.
    #[serde(default)]
    pub picture: Option<String>,
    /// Title of the content. `None` without one.
    #[serde(default)]
    pub name: Option<String>,
    /// URL of a video's file. `None` for other activities.
    #[serde(default)]
    pub source: Option<String>,
}

/// An application of a developer (live-connect#application-object).
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Application {
    /// Id of the application: `application.…`.
    pub id: String,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Client id.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Client secret.
    #[serde(default, deserialize_with = "secret")]
    pub client_secret: Option<Secret>,
    /// Redirect URIs.
    #[serde(default, deserialize_with = "or_default")]
    pub uris: Vec<RedirectUri>,
    /// URL of the terms of service. `None` without one.
    #[serde(default)]
    pub terms_of_service_link: Option<String>,
    /// URL of the privacy statement. `None` without one.
    #[serde(default)]
    pub privacy_link: Option<String>,
    /// Pre-authenticated URL of the logo. `None` without one.
    #[serde(default, deserialize_with = "secret")]
    pub picture: Option<Secret>,
    /// Time of creation.
    #[serde(default, deserialize_with = "time")]
    pub created_time: Option<Timestamp>,
    /// Time of the last change.
    #[serde(default, deserialize_with = "time")]
    pub updated_time: Option<Timestamp>,
}

/// A redirect URI of an application.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct RedirectUri {
    /// The URI.
    pub uri: String,
    /// The only type is `web`.
    #[serde(rename = "type", default)]
    pub uri_type: Option<String>,
}

/// The properties of an application to be created or changed. A property that is `None` is not sent. A
/// new application requires a name and a redirect URI.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ApplicationProperties {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Redirect URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// URL of the terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_of_service_link: Option<String>,
    /// URL of the privacy statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy_link: Option<String>,
}
