//! Every request that the REST reference describes, in its order, with the status of its response. The
//! other tests examine the responses.

use serde_json::json;

use crate::server::{media, rig::Rig};

/// The paths of a user that only `GET` supports, and their status.
const USER_PATHS: [(&str, u16); 25] = [
    ("", 200),
    ("/albums", 200),
    ("/applications", 200),
    ("/calendars", 200),
    ("/contacts", 200),
    ("/events", 200),
    ("/friends", 200),
    ("/permissions", 200),
    ("/picture", 302),
    ("/picture?type=large", 302),
    ("/picture?type=medium", 302),
    ("/picture?type=small", 302),
    ("/skydrive", 200),
    ("/skydrive/camera_roll", 200),
    ("/skydrive/files", 200),
    ("/skydrive/my_documents", 200),
    ("/skydrive/my_documents/files", 200),
    ("/skydrive/my_photos", 200),
    ("/skydrive/public_documents", 200),
    ("/skydrive/quota", 200),
    ("/skydrive/shared", 200),
    ("/skydrive/shared/albums", 200),
    ("/skydrive/shared/files", 200),
    ("/skydrive/shared/photos", 200),
    ("/skydrive/shared/videos", 200),
];

/// The body of a request.
#[derive(Clone)]
enum Payload {
    None,
    Json(serde_json::Value),
    /// The bytes of a file.
    File(Vec<u8>),
    /// A multipart form with a file of this name.
    Form(&'static str),
}

/// Sends a request, asserts the status of its response, and returns the JSON of the body; null for a
/// body that is not JSON.
async fn send(
    rig: &Rig,
    method: &str,
    path: &str,
    payload: Payload,
    status: u16,
) -> serde_json::Value {
    let request = rig.live(method, path);
    let request = match payload {
        Payload::None => request,
        Payload::Json(body) => request.json(body),
        Payload::File(bytes) => request.body(bytes),
        Payload::Form(name) => {
            let head =
                format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
            request.header("content-type", "multipart/form-data; boundary=AaB03x").body(format!(
                "--AaB03x\r\n{head}\r\nContent-Type: text/plain\r\n\r\nx\r\n--AaB03x--\r\n"
            ))
        }
    };
    let response = request.send().await;
    assert_eq!(response.status, status, "{method} {path}: {response:?}");
    serde_json::from_slice(&response.body).unwrap_or_default()
}

/// Returns the id of an object.
fn id(object: &serde_json::Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

/// Returns the path of the upload location of an object, below the base path of the API.
fn upload_location(object: &serde_json::Value) -> String {
    let url = object["upload_location"].as_str().expect("an upload location");
    url.split_once("/v5.0").expect("a URL of the API").1.to_owned()
}

#[tokio::test]
async fn requests_for_users_and_their_collections_are_served() {
    let rig = Rig::new().await;
    let cid = id(&send(&rig, "GET", "/me", Payload::None, 200).await);
    for user in ["me", &cid] {
        for (path, status) in USER_PATHS {
            send(&rig, "GET", &format!("/{user}{path}"), Payload::None, status).await;
        }
        for (collection, members) in [
            ("share", json!({ "message": "Explore" })),
            ("calendars", json!({ "name": "Summer Events", "summary": "This summer." })),
            ("calendars", json!({ "name": "League", "subscription_location": "ical.a.test/b" })),
            (
                "events",
                json!({ "name": "a", "description": "b", "start_time": "2011-04-20T01:00:00-07:00" }),
            ),
            ("contacts", json!({ "emails": { "preferred": "a@b" } })),
            ("applications", json!({ "name": "Pilot", "uri": "http://www.contoso.com" })),
            ("albums", json!({ "name": format!("Vacation {user}"), "description": "Photos" })),
        ] {
            let path = format!("/{user}/{collection}");
            send(&rig, "POST", &path, Payload::Json(members), 201).await;
        }
    }
    send(&rig, "GET", "/me/contacts?limit=2", Payload::None, 200).await;
    send(&rig, "GET", "/me/calendars?limit=2&offset=3", Payload::None, 200).await;
}

#[tokio::test]
async fn requests_for_folders_and_albums_are_served() {
    let rig = Rig::new().await;
    let folder = json!({ "name": "a", "description": "b" });
    let album = send(&rig, "POST", "/me/albums", Payload::Json(folder.clone()), 201).await;
    let parent = format!("/{}", id(&send(&rig, "GET", "/me/skydrive", Payload::None, 200).await));
    let folder = json!({ "name": "c", "description": folder["description"] });
    let folder = send(&rig, "POST", &parent, Payload::Json(folder), 201).await;
    for object in [album, folder] {
        let path = format!("/{}", id(&object));
        let uploads = upload_location(&object);
        for (suffix, status) in [
            ("", 200),
            ("/files", 200),
            ("/files?download=true", 200),
            ("/files?filter=albums", 200),
            ("/files?filter=videos,audio", 200),
            ("/photos", 200),
            ("/videos", 200),
        ] {
            send(&rig, "GET", &format!("{path}{suffix}"), Payload::None, status).await;
        }
        let file = || Payload::File(b"x".to_vec());
        send(&rig, "PUT", &format!("{path}/files/1.txt"), file(), 201).await;
        send(&rig, "PUT", &format!("{uploads}/2.txt"), file(), 201).await;
        send(&rig, "POST", &uploads, Payload::Form("3.txt"), 201).await;
        send(&rig, "POST", &format!("{path}/files"), Payload::Form("4.txt"), 201).await;
        send(&rig, "POST", &path, Payload::Form("5.jpg"), 201).await;
        // The cover is a photo of the folder.
        send(&rig, "GET", &format!("{path}/picture"), Payload::None, 302).await;
        let large = format!("{path}/files/6.jpg?downsize_photo_uploads=false");
        send(&rig, "PUT", &large, file(), 201).await;
        for (overwrite, status) in [("true", 200), ("false", 409), ("ChooseNewName", 201)] {
            let again = format!("{path}/files/1.txt?overwrite={overwrite}");
            send(&rig, "PUT", &again, file(), status).await;
            let again = format!("{path}/files?overwrite={overwrite}");
            let created = if overwrite == "true" { 201 } else { status };
            let name = if overwrite == "true" { "7.txt" } else { "4.txt" };
            send(&rig, "POST", &again, Payload::Form(name), created).await;
        }
        let sub = json!({ "name": "sub", "description": "d" });
        send(&rig, "POST", &path, Payload::Json(sub), 201).await;
        let changes = json!({ "name": format!("new {}", &id(&object)[..6]), "description": "e" });
        send(&rig, "PUT", &path, Payload::Json(changes), 200).await;
        send(&rig, "DELETE", &path, Payload::None, 204).await;
    }
}

#[tokio::test]
async fn requests_for_files_of_all_types_are_served() {
    let rig = Rig::new().await;
    let made = async |name: &str| {
        let folder = Payload::Json(json!({ "name": name }));
        id(&send(&rig, "POST", "/me/skydrive", folder, 201).await)
    };
    let (source, target) = (made("source").await, made("target").await);
    for (name, bytes) in [
        ("a.docx", b"text".to_vec()),
        ("a.mp3", media::song(None)),
        ("a.jpg", media::bare_photo(60, 40)),
        ("a.wmv", media::WMV.to_vec()),
    ] {
        let object = rig.file(&source, name, bytes).await;
        let path = format!("/{}", id(&object));
        for (suffix, status) in [
            ("", 200),
            ("/content", 302),
            ("/content?download=true", 302),
            ("/content?suppress_redirects=true", 200),
            ("/comments", 200),
        ] {
            send(&rig, "GET", &format!("{path}{suffix}"), Payload::None, status).await;
        }
        if name == "a.jpg" {
            for size in ["thumbnail", "small", "album", "normal", "full"] {
                let picture = format!("{path}/picture?type={size}");
                send(&rig, "GET", &picture, Payload::None, 302).await;
            }
            send(&rig, "GET", &format!("{path}/tags"), Payload::None, 200).await;
        }
        let comment = Payload::Json(json!({ "message": "well said" }));
        let comment = send(&rig, "POST", &format!("{path}/comments"), comment, 201).await;
        let comment = format!("/{}", id(&comment));
        send(&rig, "GET", &comment, Payload::None, 200).await;
        send(&rig, "DELETE", &comment, Payload::None, 204).await;
        for content in [format!("{path}/content"), upload_location(&object)] {
            send(&rig, "PUT", &content, Payload::File(b"new".to_vec()), 200).await;
        }
        let renamed = json!({ "name": name.replace('a', "b"), "description": "Holiday" });
        send(&rig, "PUT", &path, Payload::Json(renamed), 200).await;
        // The extension is required.
        send(&rig, "PUT", &path, Payload::Json(json!({ "name": "c" })), 400).await;
        let destination = || Payload::Json(json!({ "destination": target }));
        send(&rig, "COPY", &path, destination(), 201).await;
        send(&rig, "DELETE", &path, Payload::None, 204).await;
        let moved = rig.file(&source, name, "x").await;
        send(&rig, "MOVE", &format!("/{}", id(&moved)), destination(), 201).await;
    }
}

#[tokio::test]
async fn requests_for_objects_outside_the_drive_are_served() {
    let rig = Rig::new().await;
    let post = async |path: &str, members: serde_json::Value| {
        send(&rig, "POST", path, Payload::Json(members), 201).await
    };
    let event =
        || json!({ "name": "a", "description": "b", "start_time": "2011-04-20T01:00:00-07:00" });
    let calendar = post("/me/calendars", json!({ "name": "a" })).await;
    let calendar = format!("/{}", id(&calendar));
    send(&rig, "GET", &format!("{calendar}/events"), Payload::None, 200).await;
    let in_calendar = post(&format!("{calendar}/events"), event()).await;
    for path in [
        format!("/{}", id(&post("/me/events", event()).await)),
        format!("/{}", id(&in_calendar)),
        calendar,
    ] {
        send(&rig, "GET", &path, Payload::None, 200).await;
        send(&rig, "PUT", &path, Payload::Json(json!({ "name": "b" })), 200).await;
        send(&rig, "DELETE", &path, Payload::None, 204).await;
    }
    let contact = post("/me/contacts", json!({ "first_name": "a" })).await;
    send(&rig, "GET", &format!("/{}", id(&contact)), Payload::None, 200).await;

    let application =
        post("/me/applications", json!({ "name": "a", "uri": "http://a.test" })).await;
    let path = format!("/{}", id(&application));
    send(&rig, "GET", &path, Payload::None, 200).await;
    let by_client = format!("/{}", application["client_id"].as_str().expect("a client id"));
    send(&rig, "GET", &by_client, Payload::None, 200).await;
    send(&rig, "GET", &format!("{path}/picture"), Payload::None, 302).await;
    let location = format!("{path}/picture?suppress_redirects=true");
    assert!(send(&rig, "GET", &location, Payload::None, 200).await["location"].is_string());
    let mut logo = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::new(48, 48);
    picture.write_to(&mut logo, image::ImageFormat::Png).expect("a picture");
    for method in ["POST", "PUT"] {
        let file = Payload::File(logo.get_ref().clone());
        send(&rig, method, &format!("{path}/picture?overwrite=false"), file, 201).await;
    }
    send(&rig, "PUT", &path, Payload::Json(json!({ "name": "b" })), 200).await;
    send(&rig, "DELETE", &path, Payload::None, 204).await;
}

#[tokio::test]
async fn the_additional_parameters_of_the_reference_are_served() {
    let rig = Rig::new().await;
    let folder = json!({ "name": "target" });
    let target = id(&send(&rig, "POST", "/me/skydrive", Payload::Json(folder), 201).await);
    let file = id(&rig.file("me/skydrive", "a.txt", "x").await);
    for (path, status) in [
        ("/me/contacts?pretty=false".to_owned(), 200),
        ("/me/contacts?callback=f".to_owned(), 200),
        ("/nothing?callback=f".to_owned(), 200),
        ("/nothing?suppress_response_codes=true".to_owned(), 200),
        ("/nothing".to_owned(), 400),
        ("/me?locale=de-DE".to_owned(), 200),
        ("/me/skydrive/files?return_ssl_resources=false".to_owned(), 200),
        ("/me/skydrive?method=POST&name=sub".to_owned(), 201),
        (format!("/{file}?method=COPY&destination={target}"), 201),
        (format!("/{file}?method=PUT&name=b.txt"), 200),
        (format!("/{file}?method=DELETE"), 204),
    ] {
        send(&rig, "GET", &path, Payload::None, status).await;
    }
    assert_eq!(rig.bare("GET", "/v5.0/me").send().await.status, 401);
}
