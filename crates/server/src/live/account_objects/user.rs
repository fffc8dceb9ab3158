//! Users (live-connect#user-object): the profile of an account's owner.

use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use super::structure::{
    Structure, StructureType,
    output::{ShownObject, Viewer},
};
use crate::{
    account::Account,
    live::{
        error::{LiveError, Result},
        objects::time,
        request::LiveRequest,
    },
    state::ServerState,
    tree::{AccountObject, AccountObjectKind, TreeError},
};

/// The values of `gender`, of users and contacts.
pub(super) const GENDERS: &[&str] = &["male", "female"];

const NAME_OF_WORK: &[Structure] =
    &[Structure::writable("name", StructureType::Text).scope("wl.work_profile")];

const WORK: &[Structure] = &[
    Structure::writable("employer", StructureType::Object(NAME_OF_WORK)).scope("wl.work_profile"),
    Structure::writable("position", StructureType::Object(NAME_OF_WORK)).scope("wl.work_profile"),
];

const EMAILS: &[Structure] = &[
    Structure::writable("preferred", StructureType::Text).scope("wl.emails"),
    Structure::writable("account", StructureType::Text).scope("wl.emails"),
    Structure::writable("personal", StructureType::Text).scope("wl.emails"),
    Structure::writable("business", StructureType::Text).scope("wl.emails"),
    Structure::writable("other", StructureType::Text).scope("wl.emails"),
];

const ADDRESS: &[Structure] = &[
    Structure::writable("street", StructureType::Text).scope("wl.postal_addresses"),
    Structure::writable("street_2", StructureType::Text).scope("wl.postal_addresses"),
    Structure::writable("city", StructureType::Text).scope("wl.postal_addresses"),
    Structure::writable("state", StructureType::Text).scope("wl.postal_addresses"),
    Structure::writable("postal_code", StructureType::Text).scope("wl.postal_addresses"),
    Structure::writable("region", StructureType::Text).scope("wl.postal_addresses"),
];

const ADDRESSES: &[Structure] = &[
    Structure::writable("personal", StructureType::Object(ADDRESS)).scope("wl.postal_addresses"),
    Structure::writable("business", StructureType::Object(ADDRESS)).scope("wl.postal_addresses"),
];

const PHONES: &[Structure] = &[
    Structure::writable("personal", StructureType::Text).scope("wl.phone_numbers"),
    Structure::writable("business", StructureType::Text).scope("wl.phone_numbers"),
    Structure::writable("mobile", StructureType::Text).scope("wl.phone_numbers"),
];

/// The structures of a user. Only fixtures set them: the API cannot change users.
///
/// The reference names no scope for `birth_day`; this is the scope of the month and the year.
pub(super) const USER: &[Structure] = &[
    Structure::computed("id", StructureType::Text).public(),
    Structure::writable("name", StructureType::Text).public(),
    Structure::writable("first_name", StructureType::Text).public(),
    Structure::writable("last_name", StructureType::Text).public(),
    Structure::computed("link", StructureType::Text),
    Structure::writable("birth_day", StructureType::Number(1, 31)).scope("wl.birthday"),
    Structure::writable("birth_month", StructureType::Number(1, 12)).scope("wl.birthday"),
    Structure::writable("birth_year", StructureType::Number(1, 9999)).scope("wl.birthday"),
    Structure::writable("work", StructureType::Objects(WORK)),
    Structure::writable("gender", StructureType::Choice(GENDERS)).public(),
    Structure::writable("emails", StructureType::Object(EMAILS)),
    Structure::writable("addresses", StructureType::Object(ADDRESSES)),
    Structure::writable("phones", StructureType::Object(PHONES)),
    Structure::writable("locale", StructureType::Text).public(),
    Structure::computed("updated_time", StructureType::Time),
    // The user's time zone, an IANA name. Not in the reference, which only speaks of local time.
    Structure::writable("time_zone", StructureType::Text).hidden(),
];

/// Handles `GET {user}`: returns the own user with the structures that the scopes allow, any other
/// user with the public ones.
///
/// # Errors
/// 404 if the drive was removed meanwhile; 500 if the storage fails.
pub(in crate::live) async fn get(request: &LiveRequest) -> Result<Response> {
    let viewer = match request.is_public {
        true => Viewer::Public,
        false => Viewer::Owner(&request.scopes),
    };
    let values = values(request).await?;
    Ok(request.format.json(StatusCode::OK, &ShownObject::new(USER, &values, viewer)))
}

/// Returns the profile of an account; `None` if it has none.
///
/// # Errors
/// 500 if the storage fails.
pub(super) async fn profile(
    state: &ServerState,
    account: &Account,
) -> Result<Option<AccountObject>> {
    match state.tree.account_object(account.drive, AccountObjectKind::Profile, "").await {
        Ok(profile) => Ok(Some(profile)),
        Err(TreeError::NotFound) => Ok(None),
        Err(error) => Err(LiveError::tree(error, &account.cid)),
    }
}

/// Returns the values of all structures of the user, by their names.
///
/// # Errors
/// 404 if the drive was removed meanwhile; 500 if the storage fails.
async fn values(request: &LiveRequest) -> Result<Map<String, Value>> {
    let account = &request.objects.account;
    let profile = profile(request.state(), account).await?;
    let updated = match &profile {
        Some(profile) => profile.modified,
        None => {
            let drive = request.state().tree.drive_info(account.drive).await;
            drive.map_err(|error| LiveError::tree(error, &account.cid))?.created
        }
    };
    let mut values = profile.map(|profile| profile.fields).unwrap_or_default();
    let name = account.display_name();
    if !(values.contains_key("first_name") || values.contains_key("last_name")) {
        let (first, last) = match name.split_once(' ') {
            Some((first, last)) => (first, Some(last)),
            None => (name, None),
        };
        values.insert("first_name".to_owned(), first.into());
        values.insert("last_name".to_owned(), last.into());
    }
    let link = request.objects.base_url.url(&format!("/profile.aspx?cid={}", account.cid));
    values.insert("id".to_owned(), account.cid.as_str().into());
    values.insert("link".to_owned(), link.into());
    values.insert("name".to_owned(), name.into());
    values.insert("updated_time".to_owned(), time(updated).into());
    values.entry("locale").or_insert_with(|| "en_US".into());
    add_account_address(&mut values, &account.address());
    Ok(values)
}

/// Adds the sign-in name as the account's e-mail address, and as the preferred one, unless the profile
/// has others.
fn add_account_address(values: &mut Map<String, Value>, address: &str) {
    if let Some(emails) = values.entry("emails").or_insert_with(|| json!({})).as_object_mut() {
        let account = emails.entry("account").or_insert_with(|| address.into()).clone();
        emails.entry("preferred").or_insert(account);
    }
}
