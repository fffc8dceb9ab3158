//! The structures of the reference's objects (live-connect#object-schemas): each is present, has
//! the right type, and matches the uploaded file.

use serde_json::{Value, json};

use crate::server::{media, refused, rig::Rig};

/// The type of a structure.
#[derive(Clone, Copy, Debug)]
enum Is {
    Text,
    TextOrNull,
    Number,
    YesOrNo,
    Object,
    Array,
    Time,
    Url,
}

impl Is {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Text => value.as_str().is_some_and(|text| !text.is_empty()),
            Self::TextOrNull => value.is_string() || value.is_null(),
            Self::Number => value.is_number(),
            Self::YesOrNo => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::Time => value.as_str().is_some_and(|text| {
                jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text).is_ok()
                    && text.ends_with("+0000")
            }),
            Self::Url => value.as_str().is_some_and(|text| text.starts_with("http://")),
        }
    }
}

const COMMON: &[(&str, Is)] = &[
    ("id", Is::Text),
    ("from", Is::Object),
    ("from.name", Is::Text),
    ("from.id", Is::Text),
    ("name", Is::Text),
    ("description", Is::TextOrNull),
    ("parent_id", Is::Text),
    ("upload_location", Is::Url),
    ("is_embeddable", Is::YesOrNo),
    ("link", Is::Url),
    ("type", Is::Text),
    ("shared_with", Is::Object),
    ("shared_with.access", Is::Text),
    ("created_time", Is::Time),
    ("updated_time", Is::Time),
];
const FOLDERS: &[(&str, Is)] = &[("count", Is::Number)];
const FILES: &[(&str, Is)] = &[
    ("size", Is::Number),
    ("comments_count", Is::Number),
    ("comments_enabled", Is::YesOrNo),
    ("source", Is::Url),
];
const SEEN: &[(&str, Is)] = &[
    ("tags_count", Is::Number),
    ("tags_enabled", Is::YesOrNo),
    ("picture", Is::Url),
    ("height", Is::Number),
    ("width", Is::Number),
];
const PHOTO: &[(&str, Is)] = &[
    ("images", Is::Array),
    ("images.0.height", Is::Number),
    ("images.0.width", Is::Number),
    ("images.0.source", Is::Url),
    ("images.0.type", Is::Text),
    ("when_taken", Is::Time),
    ("location", Is::Object),
    ("location.latitude", Is::Number),
    ("location.longitude", Is::Number),
    ("location.altitude", Is::Number),
    ("camera_make", Is::Text),
    ("camera_model", Is::Text),
    ("focal_ratio", Is::Number),
    ("focal_length", Is::Number),
    ("exposure_numerator", Is::Number),
    ("exposure_denominator", Is::Number),
];
const AUDIO: &[(&str, Is)] = &[
    ("title", Is::Text),
    ("artist", Is::Text),
    ("album", Is::Text),
    ("album_artist", Is::Text),
    ("genre", Is::Text),
    ("duration", Is::Number),
    ("picture", Is::Url),
];
const VIDEO: &[(&str, Is)] = &[("duration", Is::Number), ("bitrate", Is::Number)];
const COMMENT: &[(&str, Is)] = &[
    ("id", Is::Text),
    ("from", Is::Object),
    ("from.name", Is::Text),
    ("from.id", Is::Text),
    ("message", Is::Text),
    ("created_time", Is::Time),
];
const TAG: &[(&str, Is)] = &[
    ("id", Is::Text),
    ("user", Is::Object),
    ("user.name", Is::Text),
    ("user.id", Is::TextOrNull),
    ("x", Is::Number),
    ("y", Is::Number),
    ("created_time", Is::Time),
];

fn complete(object: &Value, tables: &[&[(&str, Is)]]) {
    for (path, is) in tables.iter().copied().flatten() {
        let pointer = format!("/{}", path.replace('.', "/"));
        let value = object.pointer(&pointer).unwrap_or_else(|| panic!("no {path} in {object:#}"));
        assert!(is.holds(value), "{path} is {value}, and not {is:?}");
    }
}

fn near(value: &Value, expected: f64) {
    let number = value.as_f64().expect("a number");
    assert!((number - expected).abs() < 1e-6, "{number} is not {expected}");
}

/// Compares an item in the listing of the root with the item itself.
async fn listed(rig: &Rig, name: &str) -> Value {
    let listing = rig.live("GET", "/me/skydrive/files").send().await.json();
    let data = listing["data"].as_array().expect("a list");
    data.iter().find(|object| object["name"] == name).expect("it is listed").clone()
}

#[tokio::test]
async fn a_folder_and_an_album_have_all_that_the_reference_has() {
    let rig = Rig::new().await;
    let folder = rig.folder("me/skydrive", "Docs").await;
    complete(&folder, &[COMMON, FOLDERS]);
    assert_eq!((&folder["type"], &folder["count"]), (&json!("folder"), &json!(0)));

    let body = json!({ "name": "Holidays", "description": "2008" });
    let made = rig.live("POST", "/me/albums").json(&body).send().await;
    assert_eq!(made.status, 201);
    let album = made.json();
    complete(&album, &[COMMON, FOLDERS]);
    assert_eq!((&album["type"], &album["description"]), (&json!("album"), &json!("2008")));
    rig.file(album["id"].as_str().expect("an id"), "a.jpg", media::photo(40, 30)).await;
    let albums = rig.live("GET", "/me/albums").send().await.json();
    assert_eq!(
        (albums["data"][0]["count"].clone(), albums["data"].as_array().map(Vec::len)),
        (json!(1), Some(1))
    );
    let only = rig.names("me/skydrive", "?filter=albums").await;
    assert_eq!(only, ["Holidays"]);
}

#[tokio::test]
async fn a_file_and_a_notebook_have_all_that_the_reference_has() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a.txt", "hello").await;
    complete(&file, &[COMMON, FILES]);
    assert_eq!((&file["type"], &file["size"]), (&json!("file"), &json!(5)));
    let plant = drivedal_server::FixtureItem::notebook("Recipes");
    let planted = rig.server.control().add_fixtures([plant]).await.expect("planted");
    let notebook = rig.object(&planted[0].live_id).await;
    assert_eq!(notebook["type"], "notebook");
    for missing in ["source", "upload_location"] {
        assert_eq!(notebook.get(missing), None, "{missing}");
    }
    for path in ["content", "picture", "embed", "comments", "tags", "shared_read_link"] {
        let refused = rig.live("GET", &format!("/{}/{path}", planted[0].live_id)).send().await;
        assert_eq!(refused.status, 400);
        assert_eq!(
            refused.json()["error"],
            json!({
                "code": "request_url_invalid",
                "message": format!("Resource type 'notebook' doesn't support the path '{path}'."),
            })
        );
    }
}

#[tokio::test]
async fn a_photo_has_all_reference_fields_and_its_exif_values() {
    let rig = Rig::new().await;
    let bytes = media::photo(1600, 1200);
    let photo = rig.file("me/skydrive", "Maui.JPG", bytes.clone()).await;
    complete(&photo, &[COMMON, FILES, SEEN, PHOTO]);
    for (name, value) in [
        ("type", json!("photo")),
        ("size", json!(bytes.len())),
        ("width", json!(1600)),
        ("height", json!(1200)),
        ("when_taken", json!("2008-03-24T23:41:53+0000")),
        ("camera_make", json!("MyManufacturer")),
        ("camera_model", json!("MyModel")),
    ] {
        assert_eq!(photo[name], value, "{name}");
    }
    for (name, value) in [
        ("focal_ratio", 2.8),
        ("focal_length", 3.85),
        ("exposure_numerator", 1.0),
        ("exposure_denominator", 15.0),
    ] {
        near(&photo[name], value);
    }
    near(&photo["location"]["latitude"], 47.65316);
    near(&photo["location"]["longitude"], -122.135911);
    near(&photo["location"]["altitude"], 43.0);
    let images = photo["images"].as_array().expect("images");
    let sizes: Vec<_> =
        images.iter().map(|one| (&one["type"], &one["width"], &one["height"])).collect();
    for (kind, width, height) in [
        ("normal", 800, 600),
        ("album", 176, 132),
        ("thumbnail", 96, 72),
        ("small", 96, 72),
        ("full", 1600, 1200),
    ] {
        assert!(
            sizes.contains(&(&json!(kind), &json!(width), &json!(height))),
            "{kind}: {sizes:?}"
        );
    }
    for image in images {
        let got = rig.bare("GET", image["source"].as_str().expect("a URL")).send().await;
        assert_eq!((got.status, got.header("content-type")), (200, "image/jpeg"));
        let picture = image::load_from_memory(&got.body).expect("a picture");
        assert_eq!(
            (json!(picture.width()), json!(picture.height())),
            (image["width"].clone(), image["height"].clone())
        );
    }
    let again = listed(&rig, "Maui.JPG").await;
    for name in ["when_taken", "camera_make", "location", "focal_length"] {
        assert_eq!(again[name], photo[name], "{name}");
    }
    // A photo of another user does not contain its location.
    let mut plant = drivedal_server::FixtureItem::file("theirs.jpg", &bytes).owned_by("anna");
    plant.description = Some("shared".into());
    let planted = rig.server.control().add_fixtures([plant]).await.expect("planted");
    assert_eq!(rig.object(&planted[0].live_id).await.get("location"), None);
}

#[tokio::test]
async fn a_photo_without_exif_and_an_invalid_photo_have_null_and_zero() {
    let rig = Rig::new().await;
    let photo = rig.file("me/skydrive", "bare.jpg", media::bare_photo(30, 20)).await;
    assert_eq!(
        (&photo["width"], &photo["when_taken"], &photo["location"]),
        (&json!(30), &Value::Null, &Value::Null)
    );
    let none = rig.file("me/skydrive", "text.jpg", "no picture").await;
    assert_eq!(
        (&none["type"], &none["width"], &none["images"]),
        (&json!("photo"), &json!(0), &json!([]))
    );
    let refused =
        rig.live("GET", &format!("/{}/picture", none["id"].as_str().unwrap())).send().await;
    let refused = rig.bare("GET", refused.header("location")).send().await;
    refused!(refused, 400, "request_url_invalid");
    let turned = rig.file("me/skydrive", "turned.jpg", media::upright_photo(40, 30)).await;
    assert_eq!((&turned["width"], &turned["height"]), (&json!(30), &json!(40)));
    let got = rig.bare("GET", turned["picture"].as_str().unwrap()).send().await;
    let picture = image::load_from_memory(&got.body).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (30, 40));
}

#[tokio::test]
async fn a_song_has_all_reference_fields_and_its_tag_values() {
    let rig = Rig::new().await;
    let song =
        rig.file("me/skydrive", "a.mp3", media::song(Some(&media::bare_photo(50, 50)))).await;
    complete(&song, &[COMMON, FILES, AUDIO]);
    for (name, value) in [
        ("type", "audio"),
        ("title", "Wildlife"),
        ("artist", "The Band"),
        ("album", "First Album"),
        ("album_artist", "Various"),
        ("genre", "Jazz"),
    ] {
        assert_eq!(song[name], value, "{name}");
    }
    let duration = song["duration"].as_u64().expect("milliseconds");
    assert!((2_600..2_625).contains(&duration), "{duration}");
    let cover = rig.bare("GET", song["picture"].as_str().unwrap()).send().await;
    assert_eq!(image::load_from_memory(&cover.body).expect("a picture").width(), 50);

    let id = song["id"].as_str().expect("an id");
    let change = json!({ "title": "Tame", "genre": null });
    let changed = rig.live("PUT", &format!("/{id}")).json(&change).send().await.json();
    assert_eq!(
        (&changed["title"], &changed["genre"], &changed["artist"]),
        (&json!("Tame"), &Value::Null, &json!("The Band"))
    );
    rig.live("PUT", &format!("/{id}/content")).body(media::song(None)).send().await;
    assert_eq!(rig.object(id).await["title"], "Wildlife", "other bytes tell for themselves");
    let found = rig.live("GET", "/me/skydrive/search?q=wildLIFE").send().await.json();
    assert_eq!(found["data"][0]["id"], song["id"]);
}

#[tokio::test]
async fn songs_of_all_containers_have_their_tags() {
    let rig = Rig::new().await;
    let cover = media::bare_photo(50, 50);
    let song = rig.file("me/skydrive", "a.wma", media::windows_media_song(&cover)).await;
    complete(&song, &[COMMON, FILES, AUDIO]);
    for (name, value) in [
        ("title", json!("Wildlife")),
        ("artist", json!("The Band")),
        ("album", json!("First Album")),
        ("album_artist", json!("Various")),
        ("genre", json!("Jazz")),
        ("duration", json!(225_000)),
    ] {
        assert_eq!(song[name], value, "{name}");
    }
    let picture = rig.bare("GET", song["picture"].as_str().unwrap()).send().await;
    assert_eq!(image::load_from_memory(&picture.body).expect("a picture").width(), 50);
    let encoded = rig.file("me/skydrive", "b.wma", media::WMA.to_vec()).await;
    assert_eq!(
        (&encoded["title"], &encoded["album"], &encoded["duration"]),
        (&json!("Ein Lied"), &json!("Album"), &json!(1_024))
    );
    let aac = rig.file("me/skydrive", "c.aac", media::AAC.to_vec()).await;
    let duration = aac["duration"].as_u64().expect("milliseconds");
    assert!((1_900..2_300).contains(&duration), "{duration}");
}

#[tokio::test]
async fn videos_of_all_containers_have_their_size_and_duration() {
    let rig = Rig::new().await;
    for (name, bytes, duration) in [
        ("a.wmv", media::WMV, 1_024..1_065),
        ("a.avi", media::AVI, 1_100..1_101),
        ("a.mpg", media::MPEG_1, 2_000..2_001),
        ("b.MPEG", media::MPEG_2, 1_960..2_041),
        ("c.mpg", media::MPEG_VIDEO, 2_000..2_001),
    ] {
        let film = rig.file("me/skydrive", name, bytes.to_vec()).await;
        complete(&film, &[COMMON, FILES, SEEN, VIDEO]);
        assert_eq!((&film["width"], &film["height"]), (&json!(64), &json!(48)), "{name}");
        let shown = film["duration"].as_u64().expect("milliseconds");
        assert!(duration.contains(&shown), "{name}: {shown}");
        assert_eq!(film["bitrate"], bytes.len() as u64 * 8_000 / shown, "{name}");
    }
}

#[tokio::test]
async fn a_video_has_all_reference_fields_and_its_track_values() {
    let rig = Rig::new().await;
    let bytes = media::film();
    let film = rig.file("me/skydrive", "a.mp4", bytes.clone()).await;
    complete(&film, &[COMMON, FILES, SEEN, VIDEO]);
    for (name, value) in [
        ("width", 640),
        ("height", 360),
        ("duration", 12_500),
        ("bitrate", bytes.len() as u64 * 8_000 / 12_500),
    ] {
        assert_eq!(film[name], value, "{name}");
    }
    assert_eq!(film["type"], "video");
    let picture = rig.bare("GET", film["picture"].as_str().unwrap()).send().await;
    image::load_from_memory(&picture.body).expect("a picture");
    let other = rig.file("me/skydrive", "b.mkv", media::matroska()).await;
    assert_eq!(
        (&other["width"], &other["height"], &other["duration"]),
        (&json!(320), &json!(240), &json!(3_000))
    );
}

#[tokio::test]
async fn comments_and_tags_have_all_that_the_reference_has() {
    let rig = Rig::new().await;
    let photo = drivedal_server::FixtureItem::file("a.jpg", media::photo(40, 30));
    let tags = json!({ "tags": [
        { "user": { "name": "Anna", "id": null }, "x": 25.5, "y": 50.0, "created_time": "2011-04-22T00:36:30Z" },
        { "user": { "name": "Ben", "id": "22688711f5410e6c" }, "x": 1, "y": 2 },
    ] });
    let mut photo = photo;
    photo.facets.insert("live".into(), tags);
    let planted = rig.server.control().add_fixtures([photo]).await.expect("planted");
    let id = &planted[0].live_id;

    let said = rig
        .live("POST", &format!("/{id}/comments"))
        .json(json!({ "message": "nicé" }))
        .send()
        .await;
    assert_eq!(said.status, 201);
    let comment = said.json();
    complete(&comment, &[COMMENT]);
    let comment_id = comment["id"].as_str().expect("an id");
    assert!(said.header("location").ends_with(comment_id));
    let form = rig.live("POST", &format!("/{id}/comments")).form("message=second").send().await;
    assert_eq!(form.status, 201);
    let all = rig.live("GET", &format!("/{id}/comments")).send().await.json();
    assert_eq!((&all["data"][0], &all["data"][1]["message"]), (&comment, &json!("second")));
    assert_eq!(rig.live("GET", &format!("/{comment_id}")).send().await.json(), comment);
    assert_eq!(rig.object(id).await["comments_count"], 2);
    assert_eq!(rig.live("DELETE", &format!("/{comment_id}")).send().await.status, 204);
    assert_eq!(rig.live("GET", &format!("/{comment_id}")).send().await.status, 404);
    assert_eq!(rig.live("DELETE", &format!("/{comment_id}")).send().await.status, 404);
    assert_eq!(rig.object(id).await["comments_count"], 1);
    let long = json!({ "message": "x".repeat(10_001) });
    assert_eq!(rig.live("POST", &format!("/{id}/comments")).json(&long).send().await.status, 400);

    let tags = rig.live("GET", &format!("/{id}/tags")).send().await.json();
    let tag = &tags["data"][0];
    complete(tag, &[TAG]);
    assert_eq!(
        (&tag["x"], &tag["created_time"]),
        (&json!(25.5), &json!("2011-04-22T00:36:30+0000"))
    );
    assert_eq!(
        &rig.live("GET", &format!("/{}", tag["id"].as_str().unwrap())).send().await.json(),
        tag
    );
    assert_eq!(rig.object(id).await["tags_count"], 2);
    // A copy has the photo's bytes, but not its comments.
    let to = rig.folder("me/skydrive", "to").await;
    let copy = rig
        .live("COPY", &format!("/{id}"))
        .json(json!({ "destination": to["id"] }))
        .send()
        .await
        .json();
    assert_eq!((&copy["comments_count"], &copy["camera_model"]), (&json!(0), &json!("MyModel")));
}

#[tokio::test]
async fn an_error_has_all_that_the_reference_has() {
    let rig = Rig::new().await;
    let refused = rig.live("GET", "/file.8c8ce076ca27823f.8C8CE076CA27823F!1").send().await.json();
    complete(
        &refused,
        &[&[("error", Is::Object), ("error.code", Is::Text), ("error.message", Is::Text)]],
    );
}
