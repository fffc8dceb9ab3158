//! The objects of Live Connect outside the drive: the SkyDrive client against the drive server.

use drivedal::{
    auth::TokenSource,
    drive::{Context, ErrorKind},
    services::skydrive::{
        Client, ListQuery,
        model::{
            ApplicationProperties, CalendarProperties, EventProperties, NewActivity, NewContact,
        },
    },
    transport::Transport,
};
use drivedal_server::{LiveObject, LiveObjectType, Server};
use jiff::{SignedDuration, Timestamp};
use opendal::{HttpTransporter, OperationContext};
use serde_json::json;

struct Setup {
    server: Server,
    client: Client,
    context: OperationContext,
}

impl Setup {
    async fn new() -> Self {
        let server = Server::builder().ephemeral().start().await.expect("a server");
        let endpoint = server.url().join("v5.0/").expect("a URL");
        let tokens = TokenSource::fixed("drivedal-dev".into());
        let client = Client::new(endpoint.as_str(), tokens).expect("a client");
        let transport = HttpTransporter::new(Transport::default());
        let context = OperationContext::new().with_http_transport(transport);
        Self { server, client, context }
    }

    fn cx(&self) -> Context {
        Context::from(&self.context)
    }
}

#[tokio::test]
async fn a_user_has_all_structures() {
    let setup = Setup::new().await;
    let members = json!({
        "name": "Roberto Tamburello", "birth_day": 20, "birth_year": 2010,
        "work": [{ "employer": { "name": "Microsoft Corporation" } }],
        "emails": { "business": "Robert@adatum.com" },
        "addresses": { "personal": { "city": "Redmond" } },
        "phones": { "mobile": "(555) 555-1212" },
    });
    let user = LiveObject::new(LiveObjectType::User, members);
    setup.server.control().add_live_objects([user]).await.expect("a good object");
    let user = setup.client.me(&setup.cx()).await.expect("a user");
    assert_eq!(user.name.as_deref(), Some("Roberto Tamburello"));
    assert_eq!((user.birth_day, user.birth_month, user.birth_year), (Some(20), None, Some(2010)));
    assert_eq!(user.work[0].employer.name.as_deref(), Some("Microsoft Corporation"));
    assert_eq!(user.work[0].position.name, None);
    assert_eq!(user.emails.business.as_deref(), Some("Robert@adatum.com"));
    assert_eq!(user.addresses.personal.city.as_deref(), Some("Redmond"));
    assert_eq!(user.phones.mobile.as_deref(), Some("(555) 555-1212"));
    assert!(user.link.is_some() && user.updated_time.is_some());
    assert_eq!(setup.client.user(&setup.cx(), &user.id).await.expect("a user").id, user.id);
}

#[tokio::test]
async fn contacts_are_created_listed_and_read() {
    let Setup { server, client, context } = Setup::new().await;
    let cx = Context::from(&context);
    let mut contact = NewContact::default();
    contact.emails.personal = Some("henrik@contoso.com".to_owned());
    contact.employers = vec!["Contoso".to_owned()];
    let added = client.add_contact(&cx, &contact).await.expect("a contact");
    assert_eq!(added.name.as_deref(), Some("henrik@contoso.com"));
    assert_eq!(added.email_hashes.len(), 1);
    let read = client.contact(&cx, &added.id).await.expect("a contact");
    assert_eq!((read.id, read.updated_time), (added.id, added.updated_time));
    let refused = client.add_contact(&cx, &NewContact::default()).await.expect_err("no name");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);

    let friend = json!({ "first_name": "Anna", "is_friend": true, "user_id": "d09ea18fafc39a0c" });
    let friend = LiveObject::new(LiveObjectType::Contact, friend);
    server.control().add_live_objects([friend]).await.expect("a good object");
    let friends = client.friends(&cx, &ListQuery::default()).await.expect("a list").data;
    assert_eq!((&*friends[0].id, friends[0].name.as_deref()), ("d09ea18fafc39a0c", Some("Anna")));
    let page = client.contacts(&cx, &ListQuery::with_range(0, 1)).await.expect("a page");
    assert_eq!(page.data.len(), 1);
    let next = page.paging.expect("pages").next_page().expect("a query").expect("a next page");
    let page = client.contacts(&cx, &next).await.expect("a page");
    assert!(page.data[0].is_friend);
}

#[tokio::test]
async fn calendars_and_events_are_created_changed_and_deleted() {
    let setup = Setup::new().await;
    let (client, cx) = (&setup.client, setup.cx());
    let mut properties = CalendarProperties::default();
    properties.name = Some("Summer Events".to_owned());
    let calendar = client.add_calendar(&cx, &properties).await.expect("a calendar");
    properties.name = Some("Fall Happenings".to_owned());
    client.update_calendar(&cx, &calendar.id, &properties).await.expect("changes");
    let changed = client.calendar(&cx, &calendar.id).await.expect("a calendar");
    assert_eq!(changed.name.as_deref(), Some("Fall Happenings"));
    assert_eq!(changed.permissions.as_deref(), Some("owner"));
    let listed = client.calendars(&cx, "me", &ListQuery::default()).await.expect("a list").data;
    assert_eq!(listed.iter().filter(|calendar| calendar.is_default).count(), 1);

    let start: Timestamp = "2011-04-20T08:00:00Z".parse().expect("a time");
    let mut event = EventProperties::default();
    event.name = Some("Meeting".to_owned());
    event.description = Some("Assess risks".to_owned());
    event.start_time = Some(start);
    let added = client.add_event(&cx, &calendar.id, &event).await.expect("an event");
    assert_eq!(added.start_time, Some(start));
    assert_eq!(added.end_time, Some(start + SignedDuration::from_mins(30)));
    assert_eq!(added.calendar_id.as_deref(), Some(&*calendar.id));
    let id = added.id.expect("an id");
    let mut changes = EventProperties::default();
    changes.reminder_time = Some(15);
    client.update_event(&cx, &id, &changes).await.expect("changes");
    assert_eq!(client.event(&cx, &id).await.expect("an event").reminder_time, Some(15));
    let query = ListQuery::default();
    let soon = client.events(&cx, "me", None, &query).await.expect("a list").data;
    assert!(soon.is_empty());
    let period = Some((start, start + SignedDuration::from_hours(1)));
    let listed = client.events(&cx, &calendar.id, period, &query).await.expect("a list").data;
    assert_eq!(listed.len(), 1);
    client.delete_event(&cx, &id).await.expect("deletes");
    assert_eq!(client.event(&cx, &id).await.expect_err("deleted").kind(), ErrorKind::NotFound);
    client.delete_calendar(&cx, &calendar.id).await.expect("deletes");
    let deleted = client.calendar(&cx, &calendar.id).await.expect_err("deleted");
    assert_eq!(deleted.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn activities_are_shared_and_applications_registered() {
    let setup = Setup::new().await;
    let (client, cx) = (&setup.client, setup.cx());
    let mut activity = NewActivity::default();
    activity.message = "ä".repeat(600);
    let shared = client.share(&cx, &activity).await.expect("an activity");
    assert_eq!(shared.message.map(|message| message.chars().count()), Some(512));
    assert_eq!(shared.from.name.as_deref(), Some("Drivedal Developer"));

    let mut properties = ApplicationProperties::default();
    properties.name = Some("Pilot".to_owned());
    properties.uri = Some("http://www.contoso.com".to_owned());
    let application = client.add_application(&cx, &properties).await.expect("an application");
    assert_eq!(application.uris[0].uri, "http://www.contoso.com");
    let secret = application.client_secret.expect("a secret");
    assert!(!format!("{secret:?}").contains(secret.expose()));
    properties.name = Some("Renamed".to_owned());
    client.update_application(&cx, &application.id, &properties).await.expect("changes");
    let read = client.application(&cx, &application.id).await.expect("an application");
    assert_eq!((read.name.as_deref(), read.picture.is_none()), (Some("Renamed"), true));
    client.delete_application(&cx, &application.id).await.expect("deletes");
    let listed = client.applications(&cx, &ListQuery::default()).await.expect("a list").data;
    assert!(listed.is_empty());
}
