//! The actions on objects outside the drive: their names in counters, their scopes and their query
//! parameters (live-connect#non-storage-objects).

use crate::{
    parameters::{Parameter, Values},
    tree::AccountObjectKind,
};

/// An action on an object outside the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::live) enum AccountAction {
    ListContacts,
    AddContact,
    GetContact,
    ListFriends,
    ListCalendars,
    AddCalendar,
    GetCalendar,
    UpdateCalendar,
    DeleteCalendar,
    ListEvents,
    AddEvent,
    GetEvent,
    UpdateEvent,
    DeleteEvent,
    Share,
    ListApplications,
    AddApplication,
    GetApplication,
    UpdateApplication,
    DeleteApplication,
    GetLogo,
    PutLogo,
}

/// Read access to the calendars of the user.
pub(super) const CALENDARS: &str = "wl.calendars";
/// Write access to the calendars of the user. Includes `wl.calendars`.
pub(super) const CALENDARS_UPDATE: &str = "wl.calendars_update";
/// Read access to calendars that other users share.
pub(super) const OTHERS_CALENDARS: &str = "wl.contacts_calendars";
/// Creates events in the default calendar of the user.
pub(super) const EVENTS_CREATE: &str = "wl.events_create";

const PAGE: &[Parameter] =
    &[Parameter::new("limit", Values::Number), Parameter::new("offset", Values::Number)];

const EVENTS: &[Parameter] = &[
    Parameter::new("end_time", Values::Any),
    Parameter::new("limit", Values::Number),
    Parameter::new("offset", Values::Number),
    Parameter::new("start_time", Values::Any),
];

const PICTURE: &[Parameter] = &[Parameter::new("suppress_redirects", Values::Flag)];

impl AccountAction {
    /// Returns the operation name for counters, the request log and fault rules.
    pub(in crate::live) fn operation(self) -> &'static str {
        match self {
            Self::ListContacts => "live.contacts.list",
            Self::AddContact => "live.contact.create",
            Self::GetContact => "live.contact.get",
            Self::ListFriends => "live.friends.list",
            Self::ListCalendars => "live.calendars.list",
            Self::AddCalendar => "live.calendar.create",
            Self::GetCalendar => "live.calendar.get",
            Self::UpdateCalendar => "live.calendar.update",
            Self::DeleteCalendar => "live.calendar.delete",
            Self::ListEvents => "live.events.list",
            Self::AddEvent => "live.event.create",
            Self::GetEvent => "live.event.get",
            Self::UpdateEvent => "live.event.update",
            Self::DeleteEvent => "live.event.delete",
            Self::Share => "live.activity.create",
            Self::ListApplications => "live.applications.list",
            Self::AddApplication => "live.application.create",
            Self::GetApplication => "live.application.get",
            Self::UpdateApplication => "live.application.update",
            Self::DeleteApplication => "live.application.delete",
            Self::GetLogo => "live.application.picture",
            Self::PutLogo => "live.application.picture.put",
        }
    }

    /// Returns the scopes of which the token needs one. Checks that depend on the object follow after
    /// the lookup.
    pub(in crate::live) fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::ListContacts | Self::GetContact | Self::ListFriends => &["wl.basic"],
            Self::AddContact => &["wl.contacts_create"],
            Self::ListCalendars | Self::GetCalendar | Self::ListEvents | Self::GetEvent => {
                &[CALENDARS, OTHERS_CALENDARS]
            }
            Self::AddEvent => &[EVENTS_CREATE, CALENDARS_UPDATE],
            Self::AddCalendar
            | Self::UpdateCalendar
            | Self::DeleteCalendar
            | Self::UpdateEvent
            | Self::DeleteEvent => &[CALENDARS_UPDATE],
            Self::Share => &["wl.share"],
            Self::ListApplications | Self::GetApplication | Self::GetLogo => &["wl.applications"],
            // The reference has one scope for all changes.
            Self::AddApplication
            | Self::UpdateApplication
            | Self::DeleteApplication
            | Self::PutLogo => &["wl.applications_create"],
        }
    }

    /// Returns the parameters that the reference documents for this action, without those of every
    /// request.
    pub(in crate::live) fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::ListContacts
            | Self::ListFriends
            | Self::ListCalendars
            | Self::ListApplications => PAGE,
            Self::ListEvents => EVENTS,
            Self::GetLogo => PICTURE,
            _ => &[],
        }
    }

    /// Returns the action of a method on the collection `name` of a user. `None` if users have no such
    /// collection, `Some(None)` if it does not support the method.
    pub(in crate::live) fn on_collection(method: &str, name: &str) -> Option<Option<Self>> {
        Some(match (name, method) {
            ("contacts", "GET") => Some(Self::ListContacts),
            ("contacts", "POST") => Some(Self::AddContact),
            ("friends", "GET") => Some(Self::ListFriends),
            ("calendars", "GET") => Some(Self::ListCalendars),
            ("calendars", "POST") => Some(Self::AddCalendar),
            ("events", "GET") => Some(Self::ListEvents),
            ("events", "POST") => Some(Self::AddEvent),
            ("share", "POST") => Some(Self::Share),
            ("applications", "GET") => Some(Self::ListApplications),
            ("applications", "POST") => Some(Self::AddApplication),
            ("contacts" | "friends" | "calendars" | "events" | "share" | "applications", _) => None,
            _ => return None,
        })
    }

    /// Returns the action of a method on an object. `tail` are the path segments after its id. `None`
    /// if the object has no such path, `Some(None)` if the path does not support the method.
    pub(in crate::live) fn on_object(
        method: &str,
        kind: AccountObjectKind,
        tail: &[&str],
    ) -> Option<Option<Self>> {
        Some(match (kind, tail, method) {
            (AccountObjectKind::Contact, [], "GET") => Some(Self::GetContact),
            (AccountObjectKind::Calendar, [], "GET") => Some(Self::GetCalendar),
            (AccountObjectKind::Calendar, [], "PUT") => Some(Self::UpdateCalendar),
            (AccountObjectKind::Calendar, [], "DELETE") => Some(Self::DeleteCalendar),
            (AccountObjectKind::Calendar, ["events"], "GET") => Some(Self::ListEvents),
            (AccountObjectKind::Calendar, ["events"], "POST") => Some(Self::AddEvent),
            (AccountObjectKind::Event, [], "GET") => Some(Self::GetEvent),
            (AccountObjectKind::Event, [], "PUT") => Some(Self::UpdateEvent),
            (AccountObjectKind::Event, [], "DELETE") => Some(Self::DeleteEvent),
            (AccountObjectKind::Application, [], "GET") => Some(Self::GetApplication),
            (AccountObjectKind::Application, [], "PUT") => Some(Self::UpdateApplication),
            (AccountObjectKind::Application, [], "DELETE") => Some(Self::DeleteApplication),
            (AccountObjectKind::Application, ["picture"], "GET") => Some(Self::GetLogo),
            (AccountObjectKind::Application, ["picture"], "PUT" | "POST") => Some(Self::PutLogo),
            (_, [], _)
            | (AccountObjectKind::Calendar, ["events"], _)
            | (AccountObjectKind::Application, ["picture"], _) => None,
            _ => return None,
        })
    }
}
