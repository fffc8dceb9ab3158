//! The rights of a user in own and in shared calendars.

use std::sync::Arc;

use serde_json::Value;

use super::{
    action::{CALENDARS, OTHERS_CALENDARS},
    birthdays,
    calendars::{all, is_default, shared_role},
};
use crate::{
    account::Account,
    live::{
        error::{LiveError, Result},
        request::LiveRequest,
        route::{DriveOwner, Subject},
    },
    tree::{AccountObject, AccountObjectKind, TreeError},
};

/// The values of `permissions`, in ascending order (live-connect#calendar-object).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CalendarRole {
    /// Sees when events take place.
    FreeBusy,
    /// Also sees the names and the locations of events.
    LimitedDetails,
    /// Sees everything but private events.
    Read,
    /// Also creates, changes and removes events.
    ReadWrite,
    /// Also changes and removes the calendar.
    CoOwner,
    Owner,
}

impl CalendarRole {
    /// The names of the roles, in ascending order.
    pub(super) const NAMES: [&str; 6] =
        ["free_busy", "limited_details", "read", "read_write", "co_owner", "owner"];

    const ALL: [Self; 6] = [
        Self::FreeBusy,
        Self::LimitedDetails,
        Self::Read,
        Self::ReadWrite,
        Self::CoOwner,
        Self::Owner,
    ];

    /// Returns the value of `permissions`.
    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Returns the role that a value of `permissions` names; `None` for any other value.
pub(super) fn role_of(permissions: &Value) -> Option<CalendarRole> {
    let name = permissions.as_str()?;
    CalendarRole::ALL.into_iter().find(|role| role.name() == name)
}

/// A calendar, and the rights of the user in it.
#[derive(Clone, Debug)]
pub(super) struct CalendarAccess {
    pub owner: Arc<Account>,
    pub calendar: AccountObject,
    pub role: CalendarRole,
    /// Whether the user is the owner.
    pub is_own: bool,
}

impl CalendarAccess {
    /// Creates the access to an own calendar. A subscribed calendar can only be read, and a fixture may
    /// have other permissions.
    pub(super) fn own(request: &LiveRequest, calendar: AccountObject) -> Self {
        let role = match calendar.fields.get("permissions").and_then(role_of) {
            Some(role) => role,
            None if calendar.fields.contains_key("subscription_location") => CalendarRole::Read,
            None => CalendarRole::Owner,
        };
        Self { owner: Arc::clone(&request.objects.account), calendar, role, is_own: true }
    }

    /// Returns the access to the calendar with the id `id`, which may be shared by another account.
    /// A calendar of the token's own account has precedence.
    ///
    /// # Errors
    /// 404 if it does not exist, or if it is neither an own calendar nor shared; 403 if the token
    /// lacks the scope; 500 if the storage fails.
    pub(super) async fn find(request: &LiveRequest, id: &str) -> Result<Self> {
        let failed = |error| LiveError::tree(error, id);
        let account = &request.objects.account;
        let tree = &request.state().tree;
        if birthdays::is_birthday_calendar(account, id) {
            let calendar = birthdays::calendar(request.state(), account).await?;
            let access = Self::own(request, calendar);
            access.require_readable(request)?;
            return Ok(access);
        }
        match tree.account_object(account.drive, AccountObjectKind::Calendar, id).await {
            Ok(calendar) => {
                let access = Self::own(request, calendar);
                access.require_readable(request)?;
                return Ok(access);
            }
            Err(TreeError::NotFound) => {}
            Err(error) => return Err(failed(error)),
        }
        let owners =
            tree.account_object_owners(AccountObjectKind::Calendar, id).await.map_err(failed)?;
        for name in owners {
            let owner = request.state().accounts.open(&name).await.map_err(failed)?;
            let calendar = tree.account_object(owner.drive, AccountObjectKind::Calendar, id).await;
            let calendar = calendar.map_err(failed)?;
            if let Some(role) = shared_role(&calendar, &account.name) {
                let access = Self { owner, calendar, role, is_own: false };
                access.require_readable(request)?;
                return Ok(access);
            }
        }
        Err(LiveError::not_found(id))
    }

    /// Requires the scope to read the calendar. `wl.events_create` alone does not read the default
    /// calendar, but it creates events in it: its requests do not get here.
    ///
    /// # Errors
    /// 403 without the scope.
    fn require_readable(&self, request: &LiveRequest) -> Result<()> {
        request.scopes.require_one(&[if self.is_own { CALENDARS } else { OTHERS_CALENDARS }])
    }

    /// Returns whether the calendar is the user's default calendar.
    pub(super) fn is_default(&self) -> bool {
        is_default(&self.calendar)
    }

    /// Returns whether the calendar is a subscription.
    pub(super) fn is_subscribed(&self) -> bool {
        self.calendar.fields.contains_key("subscription_location")
    }

    /// Requires the right to change or remove the calendar itself. The owner of a subscription has it.
    ///
    /// # Errors
    /// 403 without it.
    pub(super) fn require_changeable(&self) -> Result<()> {
        match self.role >= CalendarRole::CoOwner || self.is_own && self.is_subscribed() {
            true => Ok(()),
            false => Err(self.forbidden()),
        }
    }

    /// Requires the right to create, change and remove events.
    ///
    /// # Errors
    /// 403 without it.
    pub(super) fn require_writable_events(&self) -> Result<()> {
        if self.role >= CalendarRole::ReadWrite { Ok(()) } else { Err(self.forbidden()) }
    }

    /// Returns 403: the user's role in the calendar does not allow the request.
    fn forbidden(&self) -> LiveError {
        LiveError::forbidden(format!(
            "The user's permissions for the calendar '{}' are only '{}'.",
            self.calendar.id,
            self.role.name()
        ))
    }
}

/// Returns the calendars of the user in the request's path that the user of the token may see.
///
/// # Errors
/// 403 if the token lacks the scope; 404 if the user does not exist; 507 if the default calendar
/// cannot be created because the disk of the storage is full; 500 if the storage fails.
pub(super) async fn accessible(request: &LiveRequest) -> Result<Vec<CalendarAccess>> {
    let account = &request.objects.account;
    let Some(owner) = other_user(request).await? else {
        request.scopes.require_one(&[CALENDARS])?;
        let calendars = all(request.state(), account).await?;
        return Ok(calendars.into_iter().map(|it| CalendarAccess::own(request, it)).collect());
    };
    request.scopes.require_one(&[OTHERS_CALENDARS])?;
    let shared = |calendar: AccountObject| {
        let role = shared_role(&calendar, &account.name)?;
        Some(CalendarAccess { owner: Arc::clone(&owner), calendar, role, is_own: false })
    };
    let calendars = all(request.state(), &owner).await?;
    Ok(calendars.into_iter().filter_map(shared).collect())
}

/// Returns the account of the user in the request's path; `None` if it is that of the token.
///
/// # Errors
/// 404 if no account has the id; 500 if the storage fails.
async fn other_user(request: &LiveRequest) -> Result<Option<Arc<Account>>> {
    let cid = match &request.subject {
        Subject::User(DriveOwner::User(cid)) if *cid != request.objects.account.cid => cid,
        _ => return Ok(None),
    };
    let found = request.state().accounts.find_cid(cid).await;
    let found = found.map_err(|error| LiveError::tree(error, cid))?;
    found.map(Some).ok_or_else(|| LiveError::not_found(cid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_as_their_names() {
        for (role, name) in CalendarRole::ALL.into_iter().zip(CalendarRole::NAMES) {
            assert_eq!((role.name(), role_of(&name.into())), (name, Some(role)));
        }
        assert!(CalendarRole::ALL.is_sorted() && role_of(&"none".into()).is_none());
    }
}
