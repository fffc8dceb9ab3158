//! Objects outside the drive: contacts, friends, calendars, events, activities and applications
//! (live-connect#non-storage-objects).

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use opendal::raw::Operation;
use serde::{Serialize, de::DeserializeOwned};

use super::{Client, path};
use crate::{
    drive::{Body, Context, Result, Secret},
    rate_limit::Repeat,
    services::skydrive::{
        model::{
            AccountObjectPage, Application, ApplicationProperties, Calendar, CalendarProperties,
            Contact, Event, EventProperties, Friend, LocationResponse, NewActivity, NewContact,
            SharedActivity, User,
        },
        options::ListQuery,
    },
};

impl Client {
    /// Returns a user by the id of the account. Another user has only public data
    /// (live-connect#user-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn user(&self, cx: &Context, id: &str) -> Result<User> {
        self.account_object(cx, id, "{user}").await
    }

    /// Lists the contacts (live-connect#contact-requests).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn contacts(
        &self,
        cx: &Context,
        query: &ListQuery,
    ) -> Result<AccountObjectPage<Contact>> {
        self.account_objects(cx, "me/contacts", "me/contacts", query, None).await
    }

    /// Returns a contact by its id (live-connect#contact-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn contact(&self, cx: &Context, id: &str) -> Result<Contact> {
        self.account_object(cx, id, "{contact}").await
    }

    /// Creates a contact (live-connect#contact-requests).
    ///
    /// # Errors
    /// `InvalidInput` for a contact without any name, address and employer. Otherwise `NotFound`,
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn add_contact(&self, cx: &Context, contact: &NewContact) -> Result<Contact> {
        self.add_account_object(cx, "me/contacts", "me/contacts", contact).await
    }

    /// Lists the friends (live-connect#friend-requests).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn friends(
        &self,
        cx: &Context,
        query: &ListQuery,
    ) -> Result<AccountObjectPage<Friend>> {
        self.account_objects(cx, "me/friends", "me/friends", query, None).await
    }

    /// Lists the calendars of a user: `me`, or the id of an account that shares calendars
    /// (live-connect#calendar-requests).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn calendars(
        &self,
        cx: &Context,
        user: &str,
        query: &ListQuery,
    ) -> Result<AccountObjectPage<Calendar>> {
        let path = format!("{}/calendars", path(user));
        self.account_objects(cx, &path, "{user}/calendars", query, None).await
    }

    /// Returns a calendar by its id (live-connect#calendar-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn calendar(&self, cx: &Context, id: &str) -> Result<Calendar> {
        self.account_object(cx, id, "{calendar}").await
    }

    /// Creates a calendar, or subscribes to one (live-connect#calendar-requests).
    ///
    /// # Errors
    /// `InvalidInput` without a name, or for an invalid subscription. Otherwise `NotFound`,
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn add_calendar(
        &self,
        cx: &Context,
        calendar: &CalendarProperties,
    ) -> Result<Calendar> {
        self.add_account_object(cx, "me/calendars", "me/calendars", calendar).await
    }

    /// Changes a calendar (live-connect#calendar-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn update_calendar(
        &self,
        cx: &Context,
        id: &str,
        changes: &CalendarProperties,
    ) -> Result<Calendar> {
        self.update_account_object(cx, id, "{calendar}", changes).await
    }

    /// Deletes a calendar with its events, or ends a subscription (live-connect#calendar-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn delete_calendar(&self, cx: &Context, id: &str) -> Result<()> {
        self.delete_account_object(cx, id, "{calendar}").await
    }

    /// Lists the events of `owner`, which is `me`, the id of a user or the id of a calendar
    /// (live-connect#event-requests). `period` is the start and the end of the list; `None` for the
    /// next 30 days.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn events(
        &self,
        cx: &Context,
        owner: &str,
        period: Option<(Timestamp, Timestamp)>,
        query: &ListQuery,
    ) -> Result<AccountObjectPage<Event>> {
        let path = format!("{}/events", path(owner));
        self.account_objects(cx, &path, "{owner}/events", query, period).await
    }

    /// Returns an event by its id (live-connect#event-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn event(&self, cx: &Context, id: &str) -> Result<Event> {
        self.account_object(cx, id, "{event}").await
    }

    /// Creates an event in a calendar; `owner` is `me` for the default calendar, or the id of a
    /// calendar (live-connect#event-requests).
    ///
    /// # Errors
    /// `InvalidInput` if a required property is missing, or if a name exceeds 255 characters, a
    /// description 32,768 or a location 1,000 (live-connect#event-rules). Otherwise `NotFound`,
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn add_event(
        &self,
        cx: &Context,
        owner: &str,
        event: &EventProperties,
    ) -> Result<Event> {
        let path = format!("{}/events", path(owner));
        self.add_account_object(cx, &path, "{owner}/events", event).await
    }

    /// Changes an event that is not recurring (live-connect#event-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn update_event(
        &self,
        cx: &Context,
        id: &str,
        changes: &EventProperties,
    ) -> Result<Event> {
        self.update_account_object(cx, id, "{event}", changes).await
    }

    /// Deletes an event. A recurring event is deleted with all its occurrences
    /// (live-connect#event-rules).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn delete_event(&self, cx: &Context, id: &str) -> Result<()> {
        self.delete_account_object(cx, id, "{event}").await
    }

    /// Shares an activity (live-connect#activity-requests).
    ///
    /// # Errors
    /// `InvalidInput` if a required member is missing, or if a URL exceeds the maximum length that
    /// the cloud documents. Otherwise `NotFound`, `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn share(&self, cx: &Context, activity: &NewActivity) -> Result<SharedActivity> {
        self.add_account_object(cx, "me/share", "me/share", activity).await
    }

    /// Lists the applications of the user (live-connect#application-requests).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn applications(
        &self,
        cx: &Context,
        query: &ListQuery,
    ) -> Result<AccountObjectPage<Application>> {
        self.account_objects(cx, "me/applications", "me/applications", query, None).await
    }

    /// Returns an application by its id (live-connect#application-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn application(&self, cx: &Context, id: &str) -> Result<Application> {
        self.account_object(cx, id, "{application}").await
    }

    /// Creates an application (live-connect#application-requests).
    ///
    /// # Errors
    /// `InvalidInput` without a name or a redirect URI. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn add_application(
        &self,
        cx: &Context,
        application: &ApplicationProperties,
    ) -> Result<Application> {
        self.add_account_object(cx, "me/applications", "me/applications", application).await
    }

    /// Changes an application (live-connect#application-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn update_application(
        &self,
        cx: &Context,
        id: &str,
        changes: &ApplicationProperties,
    ) -> Result<Application> {
        self.update_account_object(cx, id, "{application}", changes).await
    }

    /// Replaces the logo of the application with the id `id`: a PNG or GIF picture of 48 × 48 pixels
    /// (live-connect#application-logo).
    ///
    /// # Errors
    /// `InvalidInput` for another picture. Otherwise `NotFound`, `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn put_logo(&self, cx: &Context, id: &str, logo: Bytes) -> Result<()> {
        let path = format!("{}/picture", path(id));
        let body = Body::Memory(logo.into());
        let request = || {
            self.request(Operation::Write, Method::PUT, &path, "{application}/picture")
                .body(body.clone())
        };
        self.send(cx, request).await.map(drop)
    }

    /// Returns the pre-authenticated URL of the logo of the application with the id `id`
    /// (live-connect#application-logo). An application without a logo has a default picture.
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn logo_location(&self, cx: &Context, id: &str) -> Result<Secret> {
        let path = format!("{}/picture", path(id));
        let response: LocationResponse = self
            .send_json(cx, || {
                self.request(Operation::Read, Method::GET, &path, "{application}/picture")
                    .query("suppress_redirects", "true")
            })
            .await?;
        Ok(response.location.into())
    }

    /// Deletes an application (live-connect#application-requests).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn delete_application(&self, cx: &Context, id: &str) -> Result<()> {
        self.delete_account_object(cx, id, "{application}").await
    }

    /// Lists a collection.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    async fn account_objects<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        template: &'static str,
        query: &ListQuery,
        period: Option<(Timestamp, Timestamp)>,
    ) -> Result<AccountObjectPage<T>> {
        self.send_json(cx, || {
            let request = self.request(Operation::List, Method::GET, path, template);
            let request = query.add_to(request);
            match period {
                Some((start, end)) => request
                    .query("start_time", start.to_string())
                    .query("end_time", end.to_string()),
                None => request,
            }
        })
        .await
    }

    /// Returns an object by its id.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    async fn account_object<T: DeserializeOwned>(
        &self,
        cx: &Context,
        id: &str,
        template: &'static str,
    ) -> Result<T> {
        self.send_json(cx, || self.request(Operation::Stat, Method::GET, &path(id), template)).await
    }

    /// Adds an object to a collection.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    async fn add_account_object<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        template: &'static str,
        object: &(impl Serialize + Sync),
    ) -> Result<T> {
        self.send_json(cx, || {
            let request = self.request(Operation::Write, Method::POST, path, template);
            // After a lost response, a repeated request would add a second object.
            request.repeat(Repeat::IfRefused).json(object)
        })
        .await
    }

    /// Changes an object.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    async fn update_account_object<T: DeserializeOwned>(
        &self,
        cx: &Context,
        id: &str,
        template: &'static str,
        changes: &(impl Serialize + Sync),
    ) -> Result<T> {
        self.send_json(cx, || {
            self.request(Operation::Write, Method::PUT, &path(id), template).json(changes)
        })
        .await
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    async fn delete_account_object(
        &self,
        cx: &Context,
        id: &str,
        template: &'static str,
    ) -> Result<()> {
        let request = || self.request(Operation::Delete, Method::DELETE, &path(id), template);
        self.send(cx, request).await.map(drop)
    }
}
