//! Subscribed calendars, and the birthday calendar (live-connect#calendar-requests,
//! live-connect#birthday-calendar).

use std::sync::{Arc, Mutex};

use drivedal_server::{LiveObject, LiveObjectType};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{as_anna, each, own_cid, plant, plant_all};
use crate::server::{refused, rig::Rig};

/// The head of the events of April 2011, for the query of a list.
const APRIL: &str = "?start_time=2011-04-01T00:00:00Z&end_time=2011-05-01T00:00:00Z";

/// A web server with one calendar.
struct CalendarHost {
    /// The URL of the calendar.
    url: String,
    /// The status and the body of its responses, and the number of requests.
    response: Arc<Mutex<(u16, String, usize)>>,
}

impl CalendarHost {
    /// Starts a server on this machine, with a calendar of these lines.
    async fn new(lines: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/a.ics", listener.local_addr().expect("an address"));
        let response = Arc::new(Mutex::new((200, String::new(), 0)));
        let shared = Arc::clone(&response);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let _ = connection.read(&mut [0; 4096]).await;
                let text = {
                    let mut response = shared.lock().expect("no panic");
                    response.2 += 1;
                    let (status, body, _) = &*response;
                    let head = "content-type: text/calendar\r\nconnection: close";
                    format!(
                        "HTTP/1.1 {status} X\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    )
                };
                let _ = connection.write_all(text.as_bytes()).await;
            }
        });
        let host = Self { url, response };
        host.set(200, lines);
        host
    }

    /// Sets the status and the lines of the calendar.
    fn set(&self, status: u16, lines: &str) {
        let body = format!("BEGIN:VCALENDAR\nVERSION:2.0\n{lines}\nEND:VCALENDAR\n");
        let mut response = self.response.lock().expect("no panic");
        (response.0, response.1) = (status, body.replace('\n', "\r\n"));
    }

    /// Returns the number of requests.
    fn requests(&self) -> usize {
        self.response.lock().expect("no panic").2
    }
}

/// Returns the lines of an event on this day of April 2011, from 18:00.
fn game(uid: &str, name: &str, day: u8) -> String {
    format!(
        "BEGIN:VEVENT\nUID:{uid}\nSUMMARY:{name}\nDTSTART:201104{day:02}T180000Z\n\
         DURATION:PT2H\nEND:VEVENT"
    )
}

async fn april(rig: &Rig, calendar: &str) -> Value {
    rig.live("GET", &format!("/{calendar}/events{APRIL}")).send().await.json()
}

#[tokio::test]
async fn a_subscription_has_the_events_of_its_calendar() {
    let rig = Rig::new().await;
    let weekly = "X-WR-CALDESC:All games\nBEGIN:VEVENT\nUID:w\nSUMMARY:Training\n\
                  DTSTART:20110405T180000Z\nDTEND:20110405T190000Z\n\
                  RRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=3\nEND:VEVENT";
    let host = CalendarHost::new(&format!("{weekly}\n{}", game("g", "Final", 20))).await;
    let members = json!({ "name": "Soccer League", "subscription_location": host.url });
    let added = rig.live("POST", "/me/calendars").json(&members).send().await;
    assert_eq!((added.status, added.member("description")), (201, "All games".to_owned()));
    let id = added.member("id");
    let listed = april(&rig, &id).await;
    assert_eq!(each(&listed, "name"), ["Training", "Training", "Training", "Final"]);
    let training = &listed["data"][0];
    assert_eq!(training["recurrence"], "Occurs every week on Tuesday");
    assert_eq!(training["is_recurrent"], true);
    assert_eq!(listed["data"][1]["start_time"], "2011-04-12T18:00:00+0000");
    assert_eq!(listed["data"][3]["end_time"], "2011-04-20T20:00:00+0000");
    let event = rig.object(listed["data"][3]["id"].as_str().expect("an id")).await;
    assert_eq!(event, listed["data"][3]);
    // The events are read-only, and one fetch is enough for an hour.
    let path = format!("/{}", event["id"].as_str().expect("an id"));
    let refused = rig.live("DELETE", &path).send().await;
    refused!(refused, 403, "request_token_unauthorized");
    assert_eq!(host.requests(), 1);
}

#[tokio::test]
async fn an_old_subscription_is_fetched_again_and_a_failure_changes_nothing() {
    let rig = Rig::new().await;
    let host =
        CalendarHost::new(&format!("{}\n{}", game("1", "First", 1), game("2", "Second", 2))).await;
    let subscription = |time: &str| {
        let members = json!({
            "name": "League", "subscription_location": host.url, "fetched_time": time,
        });
        LiveObject::new(LiveObjectType::Calendar, members)
            .with_id("calendar.42d4dbc866f94c83849c88c6eb9985bc")
    };
    let id = plant_all(&rig, [subscription("2011-01-01T00:00:00Z")]).await.remove(0);
    let before = april(&rig, &id).await;
    assert_eq!(each(&before, "name"), ["First", "Second"]);

    host.set(200, &format!("{}\n{}", game("2", "Moved", 3), game("3", "Third", 4)));
    assert_eq!(april(&rig, &id).await, before, "the first fetch was just now");
    plant_all(&rig, [subscription("2011-01-01T00:00:00Z")]).await;
    let after = april(&rig, &id).await;
    assert_eq!(each(&after, "name"), ["Moved", "Third"]);
    assert_eq!(after["data"][0]["id"], before["data"][1]["id"]);

    host.set(500, "");
    plant_all(&rig, [subscription("2011-01-01T00:00:00Z")]).await;
    assert_eq!(april(&rig, &id).await, after);
    assert_eq!(host.requests(), 3);
}

#[tokio::test]
async fn a_location_without_a_calendar_cannot_be_subscribed_to() {
    let rig = Rig::new().await;
    let host = CalendarHost::new("").await;
    let subscribe = async |location: &str| {
        let members = json!({ "name": "League", "subscription_location": location });
        rig.live("POST", "/me/calendars").json(&members).send().await
    };
    host.set(404, "");
    let missing = subscribe(&host.url).await;
    refused!(missing, 400, "request_parameter_invalid");
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let unreachable = format!("http://{}/a", closed.local_addr().expect("an address"));
    drop(closed);
    let refused = subscribe(&unreachable).await;
    refused!(refused, 400, "request_parameter_invalid");
    // This server has no calendar, either.
    let page = subscribe(&rig.url("/v5.0/me")).await;
    refused!(page, 400, "request_parameter_invalid");
    // Another machine is not asked.
    let other = subscribe("ical.sharedcalendars.com/98754auv").await;
    assert_eq!(other.status, 201);
    assert_eq!(april(&rig, &other.member("id")).await, json!({ "data": [] }));
}

#[tokio::test]
async fn birthdays_of_contacts_are_in_a_calendar_of_their_own() {
    let rig = Rig::new().await;
    let members = json!({ "first_name": "Henrik", "birth_day": 29, "birth_month": 4 });
    plant(&rig, LiveObjectType::Contact, members).await;
    plant(&rig, LiveObjectType::Contact, json!({ "first_name": "Anna" })).await;
    let listed = rig.live("GET", "/me/calendars").send().await.json();
    let data = listed["data"].as_array().expect("a list");
    let calendar = data.iter().find(|it| it["name"] == "Birthday calendar").expect("a calendar");
    assert_eq!(calendar["from"], json!({ "name": null, "id": null }));
    assert_eq!(
        (&calendar["permissions"], &calendar["is_default"]),
        (&"read".into(), &false.into())
    );
    let id = calendar["id"].as_str().expect("an id");
    assert_eq!(&rig.object(id).await, calendar);

    let birthdays = april(&rig, id).await;
    assert_eq!(each(&birthdays, "name"), ["Henrik's birthday"]);
    let birthday = &birthdays["data"][0];
    assert_eq!(birthday["start_time"], "2011-04-29T00:00:00+0000");
    assert_eq!(birthday["is_all_day_event"], true);
    assert_eq!(birthday["recurrence"], "Occurs every year on April 29");
    assert_eq!(each(&april(&rig, "me").await, "name"), ["Henrik's birthday"]);
    let event = birthday["id"].as_str().expect("an id");
    assert_eq!(rig.object(event).await["name"], "Henrik's birthday");
    for path in [id, event] {
        for method in ["PUT", "DELETE"] {
            let request = rig.live(method, &format!("/{path}")).json(json!({ "name": "a" }));
            refused!(request.send().await, 403, "request_token_unauthorized");
        }
    }
    let own = own_cid(&rig).await;
    let others = as_anna(&rig, "GET", &format!("/{own}/calendars")).send().await.json();
    assert_eq!(others, json!({ "data": [] }), "it is not shared");
}
