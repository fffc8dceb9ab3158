//! Contacts and friends (live-connect#contact-object, live-connect#friend-object).

use axum::{
    body::Body,
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    AccountObjectId, created, object_page,
    structure::{
        Structure, StructureType,
        input::ValidationMode,
        output::{ShownObject, Viewer},
    },
    user::GENDERS,
};
use crate::{
    live::{
        error::{LiveError, Result},
        objects::time,
        request::LiveRequest,
    },
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery},
};

/// The kinds of e-mail addresses, in the order in which one replaces a missing name.
const EMAIL_KINDS: [&str; 4] = ["preferred", "personal", "business", "other"];

const EMAILS: &[Structure] = &[
    Structure::writable("preferred", StructureType::Text),
    Structure::writable("personal", StructureType::Text),
    Structure::writable("business", StructureType::Text),
    Structure::writable("other", StructureType::Text),
];

const EMPLOYER: &[Structure] = &[Structure::writable("name", StructureType::Text)];

const WORK: &[Structure] = &[Structure::writable("employer", StructureType::Object(EMPLOYER))];

/// The structures of a contact. The last two are those of a user that a request may set, and that are
/// not returned.
pub(super) const CONTACT: &[Structure] = &[
    Structure::computed("id", StructureType::Text),
    Structure::writable("first_name", StructureType::Text),
    Structure::writable("last_name", StructureType::Text),
    Structure::computed("name", StructureType::Text),
    Structure::writable("gender", StructureType::Choice(GENDERS)),
    Structure::read_only("is_friend", StructureType::Flag),
    Structure::writable("is_favorite", StructureType::Flag),
    Structure::read_only("user_id", StructureType::Text),
    Structure::read_only("email_hashes", StructureType::Texts),
    Structure::computed("updated_time", StructureType::Time),
    Structure::read_only("birth_day", StructureType::Number(1, 31)).scope("wl.contacts_birthday"),
    Structure::read_only("birth_month", StructureType::Number(1, 12)).scope("wl.contacts_birthday"),
    Structure::writable("emails", StructureType::Object(EMAILS)).hidden(),
    Structure::writable("work", StructureType::Objects(WORK)).hidden(),
];

/// The structures of a friend.
pub(super) const FRIEND: &[Structure] = &[
    Structure::read_only("id", StructureType::Text),
    Structure::read_only("name", StructureType::Text),
];

/// The parent of contacts that are friends, to select them by.
const FRIENDS: &str = "friends";

/// Handles `GET {user}/contacts`: returns a page of the user's contacts.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`](crate::live::listing::PageOptions) has an invalid
/// value; 500 if the storage fails.
pub(super) async fn list(request: &LiveRequest) -> Result<Response> {
    let query = AccountObjectQuery::all(AccountObjectKind::Contact);
    object_page(request, "contacts", query, |contact| shown(request, contact)).await
}

/// Handles `GET {user}/friends`: returns a page of the contacts that are friends, by their ids as
/// users.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`](crate::live::listing::PageOptions) has an invalid
/// value; 500 if the storage fails.
pub(super) async fn list_friends(request: &LiveRequest) -> Result<Response> {
    let query = AccountObjectQuery {
        parent: Some(FRIENDS.to_owned()),
        ..AccountObjectQuery::all(AccountObjectKind::Contact)
    };
    let friend = |contact: &AccountObject| {
        let mut values = Map::new();
        values.insert("id".to_owned(), contact.fields.get("user_id").cloned().unwrap_or_default());
        values.insert("name".to_owned(), name(&contact.fields, language(request)).into());
        ShownObject::new(FRIEND, &values, Viewer::Owner(&request.scopes))
    };
    object_page(request, "friends", query, friend).await
}

/// Handles `GET {contact}`: returns the contact with this id.
///
/// # Errors
/// 404 if it does not exist in the account; 500 if the storage fails.
pub(super) async fn get(request: &LiveRequest, id: &AccountObjectId) -> Result<Response> {
    let contact = request.account_object(id).await?;
    Ok(request.format.json(StatusCode::OK, &shown(request, &contact)))
}

/// Handles `POST {user}/contacts`: creates a contact, and returns it with its location.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, a member is read-only or has another type, or the
/// contact has no name, e-mail address and employer; 413 for a body over 1 MiB; 507 if the disk of
/// the storage is full; 500 if the storage fails.
pub(super) async fn add(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let fields = request.accept(CONTACT, ValidationMode::Create, parts, body).await?;
    let contact = new(AccountObjectId::random(AccountObjectKind::Contact), fields)?;
    request.store(contact.clone()).await?;
    Ok(created(request, &contact.id, &shown(request, &contact)))
}

/// Creates a contact from validated members.
///
/// # Errors
/// 400 for a contact without any name, e-mail address and employer, or for a friend without `user_id`.
pub(super) fn new(id: AccountObjectId, fields: Map<String, Value>) -> Result<AccountObject> {
    if name(&fields, "").is_empty() {
        return Err(LiveError::missing(
            "first_name, last_name, emails.preferred, emails.personal, emails.business, \
             emails.other or work[].employer.name",
        ));
    }
    let is_friend = fields.get("is_friend") == Some(&Value::Bool(true));
    if is_friend && !fields.contains_key("user_id") {
        return Err(LiveError::missing("user_id"));
    }
    let parent = if is_friend { FRIENDS } else { "" };
    let contact = AccountObject::new(AccountObjectKind::Contact, id.as_str());
    Ok(AccountObject { parent: parent.to_owned(), fields, ..contact })
}

/// Returns a contact as the owner of the token sees it.
fn shown(request: &LiveRequest, contact: &AccountObject) -> ShownObject {
    let fields = &contact.fields;
    let mut hashes: Vec<String> = Vec::new();
    for hash in emails(fields).map(|address| email_hash(address, &request.client_id)) {
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
    let mut values = fields.clone();
    values.insert("id".to_owned(), contact.id.as_str().into());
    values.insert("name".to_owned(), name(fields, language(request)).into());
    // A fixture may have hashes instead of addresses.
    values.entry("email_hashes").or_insert_with(|| hashes.into());
    values.insert("updated_time".to_owned(), time(contact.modified).into());
    for flag in ["is_friend", "is_favorite"] {
        values.entry(flag).or_insert(Value::Bool(false));
    }
    ShownObject::new(CONTACT, &values, Viewer::Owner(&request.scopes))
}

/// Returns the hash of an e-mail address for an application. The application compares it with the hashes
/// of its own users (live-connect#email-hashes). Without a client id, it is the hash of the address.
fn email_hash(address: &str, client_id: &str) -> String {
    let text = format!("{}{}", address.trim(), client_id.trim()).to_lowercase();
    hex::encode(Sha256::digest(text))
}

/// Returns the e-mail addresses of a contact.
fn emails(fields: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let emails = fields.get("emails");
    EMAIL_KINDS
        .into_iter()
        .filter_map(move |kind| emails?.get(kind)?.as_str())
        .filter(|address| !address.trim().is_empty())
}

/// Returns the language of the request's `locale` in lower case, or an empty text.
fn language(request: &LiveRequest) -> &str {
    request.query.get("locale").and_then(|name| name.split(['-', '_']).next()).unwrap_or_default()
}

/// Returns the full name of a contact in the order of a language; an e-mail address or the employer if
/// it has none. Empty if there is nothing of these.
///
/// Inferred: the family name is first in Chinese, Hungarian, Japanese and Korean.
pub(super) fn name(fields: &Map<String, Value>, language: &str) -> String {
    let text = |name| fields.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let (first, last) = (text("first_name"), text("last_name"));
    let names = match language.to_ascii_lowercase().as_str() {
        "hu" | "ja" | "ko" | "zh" => [last, first],
        _ => [first, last],
    };
    let full = names.join(" ").trim().to_owned();
    if !full.is_empty() {
        return full;
    }
    let work = fields.get("work").and_then(Value::as_array).into_iter().flatten();
    let mut employers = work.filter_map(|work| work.pointer("/employer/name")?.as_str());
    let company = employers.find(|name| !name.trim().is_empty());
    emails(fields).next().or(company).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_email_hash_depends_on_the_application_and_on_neither_case_nor_spaces() {
        // The example of live-connect#email-hashes.
        let expected = hex::encode(Sha256::digest("someone@example.org0000000603db0f"));
        assert_eq!(email_hash(" Someone@Example.org ", "0000000603DB0F "), expected);
        assert_ne!(email_hash("someone@example.org", ""), expected);
    }

    #[test]
    fn a_name_falls_back_to_an_address_and_to_the_company() {
        let name = |fields: Value, language| name(fields.as_object().expect("fields"), language);
        let both = json!({"first_name": "Henrik", "last_name": "Jensen"});
        assert_eq!(name(both.clone(), ""), "Henrik Jensen");
        assert_eq!(name(both, "HU"), "Jensen Henrik");
        assert_eq!(name(json!({"last_name": "Jensen", "emails": {"other": "a@b"}}), ""), "Jensen");
        let work = json!([{}, {"employer": {"name": "Contoso"}}]);
        let emails = json!({"personal": "", "business": "h@contoso.com"});
        assert_eq!(name(json!({"emails": emails, "work": work}), ""), "h@contoso.com");
        assert_eq!(name(json!({"work": work}), ""), "Contoso");
        assert_eq!(name(json!({"gender": "male"}), ""), "");
    }
}
