//! The birthday calendar: a calendar that each account has, with the birthdays of the contacts
//! (live-connect#birthday-calendar). It is not stored.

use jiff::{ToSpan, civil, tz::TimeZone};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{AccountObjectId, contacts, series::Series};
use crate::{
    account::Account,
    live::error::{LiveError, Result},
    state::ServerState,
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery},
};

/// The name of the calendar, in the reference's sample.
const NAME: &str = "Birthday calendar";

/// The description of the calendar, in the reference's sample.
const DESCRIPTION: &str = "If you have birthdays listed for your contacts, they'll appear on this \
                           calendar. You can add more birthdays, but you can't add other types of \
                           events.";

/// The year of the first occurrence: the birth year of a contact is unknown. It is a leap year.
const FIRST_YEAR: i16 = 1904;

/// The number of occurrences.
const YEARS: i64 = 1_000;

/// Returns whether an id is that of the birthday calendar of an account.
pub(super) fn is_birthday_calendar(account: &Account, id: &str) -> bool {
    AccountObjectId::birthday_calendar(&account.cid).as_str() == id
}

/// Returns the birthday calendar of an account. Its times are those of the drive's creation.
///
/// # Errors
/// 404 if the drive was removed meanwhile; 500 if the storage fails.
pub(super) async fn calendar(state: &ServerState, account: &Account) -> Result<AccountObject> {
    let drive = state.tree.drive_info(account.drive).await;
    let created = drive.map_err(|error| LiveError::tree(error, &account.cid))?.created;
    let id = AccountObjectId::birthday_calendar(&account.cid);
    let fields = json!({
        "name": NAME,
        "description": DESCRIPTION,
        "from": { "name": null, "id": null },
        "permissions": "read",
    });
    let calendar = AccountObject::new(AccountObjectKind::Calendar, id.as_str());
    Ok(AccountObject { fields: members(fields), created, modified: created, ..calendar })
}

/// Returns the birthdays of the contacts of an account, as recurring events in its birthday calendar.
/// They last for a day in `zone`.
///
/// # Errors
/// 500 if the storage fails.
pub(super) async fn events(
    state: &ServerState,
    account: &Account,
    zone: &TimeZone,
) -> Result<Vec<AccountObject>> {
    let query = AccountObjectQuery::all(AccountObjectKind::Contact);
    let contacts = state.tree.account_objects(account.drive, query).await;
    let contacts = contacts.map_err(|error| LiveError::tree(error, &account.cid))?;
    let calendar = AccountObjectId::birthday_calendar(&account.cid);
    Ok(contacts.iter().filter_map(|contact| event(contact, calendar.as_str(), zone)).collect())
}

/// Returns the birthday of a contact; `None` if it is not specified or does not exist in the calendar.
fn event(contact: &AccountObject, calendar: &str, zone: &TimeZone) -> Option<AccountObject> {
    let number = |name| -> Option<i8> { contact.fields.get(name)?.as_i64()?.try_into().ok() };
    let day = civil::Date::new(FIRST_YEAR, number("birth_month")?, number("birth_day")?).ok()?;
    let start = day.to_zoned(zone.clone()).ok()?;
    let end = start.checked_add(1.day()).ok()?;
    let mut fields = members(json!({
        "name": format!("{}'s birthday", contacts::name(&contact.fields, "")),
        "description": "",
        "from": { "name": null, "id": null },
        "start_time": start.timestamp().to_string(),
        "end_time": end.timestamp().to_string(),
        "is_all_day_event": true,
        "availability": "free",
        "repeat": { "unit": "year", "count": YEARS },
    }));
    let first = (start.timestamp(), end.timestamp());
    let span = Series::complete(&mut fields, first, zone).ok()?;
    let digest = hex::encode(Sha256::digest(&contact.id));
    let id = AccountObjectId::for_event(calendar, &digest[..32]);
    let event = AccountObject::new(AccountObjectKind::Event, id.as_str());
    Some(AccountObject {
        parent: calendar.to_owned(),
        span,
        fields,
        created: contact.created,
        modified: contact.modified,
        ..event
    })
}

/// Returns the members of a JSON object.
fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthday_is_a_whole_day_of_every_year() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let mut contact = AccountObject::new(AccountObjectKind::Contact, "contact.1");
        contact.fields =
            members(json!({"first_name": "Henrik", "birth_day": 29, "birth_month": 2}));
        let birthday = event(&contact, "calendar.1", &zone).expect("a birthday");
        assert_eq!(birthday.fields["name"], "Henrik's birthday");
        assert_eq!(birthday.fields["recurrence"], "Occurs every year on February 29");
        let series = Series::from_fields(&birthday.fields).expect("a series");
        let time = |text: &str| text.parse().expect("a time");
        let period = (time("2011-02-01T00:00:00Z"), time("2011-04-01T00:00:00Z"));
        // The day before 1 March in a year without it.
        let occurrence = (time("2011-02-27T23:00:00Z"), time("2011-02-28T23:00:00Z"));
        assert_eq!(series.during(period), [occurrence]);
        contact.fields.remove("birth_day");
        assert_eq!(event(&contact, "calendar.1", &zone), None);
    }
}
