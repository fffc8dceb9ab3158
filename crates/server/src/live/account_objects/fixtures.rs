//! Fixtures: objects outside the drive that a test creates, also with values that no request can set.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    AccountObjectId, activities, applications, calendars, contacts, events, logos,
    structure::{
        Structure,
        input::{ValidationMode, Validator},
    },
    user,
};
use crate::{
    access::is_account_name,
    account::Account,
    live::error::LiveError,
    media::picture,
    state::ServerState,
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery, TreeError},
};

/// Minimum width and height of a user's picture: those of the smallest size, in pixels.
const MIN_PICTURE: u32 = 96;

/// An object of Live Connect outside the drive, for
/// [`Control::add_live_objects`](crate::Control::add_live_objects).
///
/// As JSON, the members of the object are beside the other ones: `{"account": "", "type": "contact",
/// "first_name": "Henrik", "is_friend": true, "user_id": "d09ea18fafc39a0c"}`. Only `type` is required.
/// The members are those of the Live Connect reference, also those that no request can set, but not
/// those that the server computes. Further members:
///
/// * of a user: `time_zone`, an IANA name (`Europe/Berlin`), in which the times of events are shown;
/// * of a calendar: `shared_with`, an array of `{"account": "anna", "permissions": "read"}`;
/// * of an event: `calendar_id`, without which it is in the default calendar; `repeat`, the rule of a
///   recurring event: `{"unit": "week", "every": 2, "count": 10}`;
/// * of a user or an application: `picture_base64`, a picture or a logo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LiveObject {
    /// The account's name; the default account's is empty.
    #[serde(default)]
    pub account: String,
    /// The type of the object.
    #[serde(rename = "type")]
    pub object_type: LiveObjectType,
    /// The id of the object. `None`: a new one. An object with this id is replaced. Users and
    /// activities have no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The other members.
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

/// The type of a [`LiveObject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LiveObjectType {
    /// The owner of the account.
    User,
    /// A contact. A friend is a contact with `is_friend`.
    Contact,
    /// A calendar.
    Calendar,
    /// An event, or a recurring event with all its occurrences.
    Event,
    /// An activity that the user shared.
    Activity,
    /// An application of a developer.
    Application,
}

impl LiveObjectType {
    /// Returns the kind under which the storage has objects of this type.
    fn kind(self) -> AccountObjectKind {
        match self {
            Self::User => AccountObjectKind::Profile,
            Self::Contact => AccountObjectKind::Contact,
            Self::Calendar => AccountObjectKind::Calendar,
            Self::Event => AccountObjectKind::Event,
            Self::Activity => AccountObjectKind::Activity,
            Self::Application => AccountObjectKind::Application,
        }
    }

    /// Returns the members that objects of this type can have.
    fn structures(self) -> &'static [Structure] {
        match self {
            Self::User => user::USER,
            Self::Contact => contacts::CONTACT,
            Self::Calendar => calendars::CALENDAR,
            Self::Event => events::EVENT,
            Self::Activity => activities::ACTIVITY,
            Self::Application => applications::APPLICATION,
        }
    }
}

impl LiveObject {
    /// Creates an object of the default account. `members` is a JSON object.
    pub fn new(object_type: LiveObjectType, members: Value) -> Self {
        let members = match members {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self { account: String::new(), object_type, id: None, members }
    }

    /// Sets the account.
    pub fn on_account(self, name: impl Into<String>) -> Self {
        Self { account: name.into(), ..self }
    }

    /// Sets the id.
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }
}

/// An object that could not be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot create object {number} ({object_type:?}): {reason}")]
#[non_exhaustive]
pub struct LiveObjectError {
    /// The position among the objects that were given together, from 1.
    pub number: usize,
    /// The type of the object.
    pub object_type: LiveObjectType,
    /// The reason.
    pub reason: String,
}

/// Creates objects in order, and returns them with their ids. Those before an invalid one remain.
///
/// # Errors
/// The first object that cannot be created: its account's name, id or a member is invalid, its
/// calendar does not exist, or the storage fails or its disk is full.
pub(crate) async fn add(
    state: &ServerState,
    objects: Vec<LiveObject>,
) -> Result<Vec<LiveObject>, LiveObjectError> {
    let mut added = Vec::with_capacity(objects.len());
    for (index, object) in objects.into_iter().enumerate() {
        let object_type = object.object_type;
        let one = add_one(state, object).await.map_err(|error| LiveObjectError {
            number: index + 1,
            object_type,
            reason: error.message,
        })?;
        added.push(one);
    }
    Ok(added)
}

/// Returns the stored objects of the account named `account`, of one type or of all (`None`). Their
/// pictures are omitted. The account's drive is created if it does not exist.
///
/// # Errors
/// `TreeError::Storage` if the storage fails; `NoRoom` if the drive cannot be created because the
/// disk is full.
pub(crate) async fn list(
    state: &ServerState,
    account: &str,
    object_type: Option<LiveObjectType>,
) -> Result<Vec<LiveObject>, TreeError> {
    use LiveObjectType as Type;
    let all =
        [Type::User, Type::Contact, Type::Calendar, Type::Event, Type::Activity, Type::Application];
    let drive = state.accounts.open(account).await?.drive;
    let mut objects = Vec::new();
    for listed in all.into_iter().filter(|listed| object_type.is_none_or(|only| only == *listed)) {
        let query = AccountObjectQuery::all(listed.kind());
        for object in state.tree.account_objects(drive, query).await? {
            objects.push(stored(account, listed, object));
        }
    }
    Ok(objects)
}

/// Converts a stored object.
fn stored(account: &str, object_type: LiveObjectType, object: AccountObject) -> LiveObject {
    let has_id = !matches!(object_type, LiveObjectType::User | LiveObjectType::Activity);
    let mut members = object.fields;
    if object_type == LiveObjectType::Event {
        members.insert("calendar_id".to_owned(), object.parent.into());
    }
    let id = has_id.then_some(object.id);
    LiveObject { account: account.to_owned(), object_type, id, members }
}

/// Stores an object of an account, and returns it with its id.
///
/// # Errors
/// 400 if the account's name, the id, the picture or a member is invalid; 404 if an event's
/// calendar does not exist; 507 if the disk of the storage is full; 500 if the storage fails.
async fn add_one(state: &ServerState, object: LiveObject) -> Result<LiveObject, LiveError> {
    let LiveObject { account: name, object_type, id, mut members } = object;
    if !(name.is_empty() || is_account_name(&name)) {
        return Err(LiveError::parameter(format!("`{name}` is no account name")));
    }
    let account = state.accounts.open(&name).await;
    let account = account.map_err(|error| LiveError::tree(error, &name))?;
    let picture = match members.remove("picture_base64") {
        Some(picture) => Some(decode_picture(object_type, &picture)?),
        None => None,
    };
    let calendar = members.remove("calendar_id");
    let times = ["created_time", "updated_time"].map(|name| members.remove(name));
    let zone = events::zone(state, &account).await?;
    let validator = Validator {
        structures: object_type.structures(),
        mode: ValidationMode::Fixture,
        zone: &zone,
    };
    let mut fields = validator.accept(&members)?;
    if let (LiveObjectType::Application, Some(picture)) = (object_type, &picture) {
        fields.insert("logo".to_owned(), logos::check(picture)?.media_type.into());
    }
    let new_id = NewId { id: id.as_deref(), kind: object_type.kind() };
    let mut object = match object_type {
        LiveObjectType::User => new_profile(new_id, fields)?,
        LiveObjectType::Activity => {
            new_id.forbid()?;
            activities::new(fields)?
        }
        LiveObjectType::Contact => contacts::new(new_id.or_random()?, fields)?,
        LiveObjectType::Application => applications::new(new_id.or_random()?, fields)?,
        LiveObjectType::Calendar => {
            calendars::check_sharing(&fields, &account)?;
            calendars::new(new_id.or_random()?, fields)?
        }
        LiveObjectType::Event => {
            let (id, calendar) = place_event(state, &account, new_id, calendar).await?;
            events::new(id, &calendar, fields, &zone)?
        }
    };
    let [created, updated] = times.map(|time| time.map(|time| timestamp(&time, &zone)));
    object.created = created.transpose()?.unwrap_or(object.created);
    object.modified = updated.transpose()?.unwrap_or(object.modified);
    object.data = picture;
    let put = state.tree.put_account_object(account.drive, object.clone()).await;
    put.map_err(|error| LiveError::tree(error, &object.id))?;
    if object_type == LiveObjectType::User {
        state.accounts.close(&name);
    }
    Ok(stored(&name, object_type, object))
}

/// The id of a new object.
#[derive(Clone, Copy)]
struct NewId<'a> {
    id: Option<&'a str>,
    kind: AccountObjectKind,
}

impl NewId<'_> {
    /// Checks that the fixture has no id.
    ///
    /// # Errors
    /// 400 if it has one.
    fn forbid(self) -> Result<(), LiveError> {
        match self.id {
            Some(id) => {
                Err(LiveError::parameter(format!("The parameter 'id' ('{id}') is unknown.")))
            }
            None => Ok(()),
        }
    }

    /// Parses the id; `None` without one.
    ///
    /// # Errors
    /// 400 if it has not the form of an id, or is that of another type.
    fn parse(self) -> Result<Option<AccountObjectId>, LiveError> {
        let Some(id) = self.id else { return Ok(None) };
        match AccountObjectId::parse(id).filter(|parsed| parsed.kind == self.kind) {
            Some(id) => Ok(Some(id)),
            None => Err(LiveError::invalid_value("id", id)),
        }
    }

    /// Returns the id, or a new one if the fixture has none.
    ///
    /// # Errors
    /// 400 if the id is malformed, or that of another type.
    fn or_random(self) -> Result<AccountObjectId, LiveError> {
        let id = self.parse()?;
        Ok(id.unwrap_or_else(|| match self.kind {
            AccountObjectKind::Application => AccountObjectId::random_application(),
            kind => AccountObjectId::random(kind),
        }))
    }
}

/// Creates the profile of an account from the members of a fixture.
///
/// # Errors
/// 400 if it has an id, or an unknown time zone.
fn new_profile(id: NewId<'_>, mut fields: Map<String, Value>) -> Result<AccountObject, LiveError> {
    id.forbid()?;
    if let Some(name) = fields.get("time_zone").and_then(Value::as_str)
        && TimeZone::get(name).is_err()
    {
        return Err(LiveError::invalid_value("time_zone", name));
    }
    if !fields.contains_key("name") {
        let names = ["first_name", "last_name"].into_iter();
        let names: Vec<&str> = names.filter_map(|name| fields.get(name)?.as_str()).collect();
        if !names.is_empty() {
            let name = names.join(" ");
            fields.insert("name".to_owned(), name.into());
        }
    }
    Ok(AccountObject { fields, ..AccountObject::new(AccountObjectKind::Profile, "") })
}

/// Returns the ids of a new event and of its calendar.
///
/// # Errors
/// 400 if the id is malformed, or the two ids name different calendars; 404 if the account has no
/// such calendar; 507 if the default calendar cannot be created because the disk is full; 500 if
/// the storage fails.
async fn place_event(
    state: &ServerState,
    account: &Account,
    id: NewId<'_>,
    calendar: Option<Value>,
) -> Result<(AccountObjectId, String), LiveError> {
    let id = id.parse()?;
    let calendar = match (calendar, id.as_ref().and_then(AccountObjectId::calendar)) {
        (None, None) => calendars::default(state, account).await?.id,
        (None, Some(calendar)) => calendar,
        (Some(given), implied) => match given.as_str().map(str::to_ascii_lowercase) {
            Some(given) if implied.is_none_or(|implied| implied == given) => given,
            _ => return Err(LiveError::invalid_value("calendar_id", &given.to_string())),
        },
    };
    let found =
        state.tree.account_object(account.drive, AccountObjectKind::Calendar, &calendar).await;
    found.map_err(|error| LiveError::tree(error, &calendar))?;
    Ok((id.unwrap_or_else(|| AccountObjectId::random_event(&calendar)), calendar))
}

/// Decodes the picture of a user or the logo of an application.
///
/// # Errors
/// 400 if it is not base64, no picture of the required format and size, or if objects of this type
/// have no picture.
fn decode_picture(object_type: LiveObjectType, picture: &Value) -> Result<Bytes, LiveError> {
    let invalid = |reason: &str| {
        LiveError::parameter(format!("The value of 'picture_base64' isn't valid: {reason}."))
    };
    let bytes = picture.as_str().and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.ok_or_else(|| invalid("it isn't base64"))?;
    match object_type {
        LiveObjectType::Application => {
            logos::check(&bytes)?;
        }
        LiveObjectType::User => {
            let side =
                picture::shorter_side(&bytes).map_err(|error| invalid(&error.to_string()))?;
            if side < MIN_PICTURE {
                return Err(invalid("it has fewer than 96 x 96 pixels"));
            }
        }
        _ => return Err(LiveError::parameter("The parameter 'picture_base64' is unknown.")),
    }
    Ok(bytes.into())
}

/// Parses a time of a fixture. Without an offset, it is local time of `zone`.
///
/// # Errors
/// 400 if it is not a text in ISO 8601 format.
fn timestamp(time: &Value, zone: &TimeZone) -> Result<Timestamp, LiveError> {
    let parsed = time.as_str().and_then(|text| super::structure::input::parse_time(text, zone));
    parsed.ok_or_else(|| LiveError::invalid_value("time", &json!(time).to_string()))
}
