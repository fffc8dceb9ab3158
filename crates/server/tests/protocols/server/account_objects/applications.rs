//! Applications and their logos (live-connect#application-object, live-connect#application-logo).

use std::io::Cursor;

use base64::{Engine, prelude::BASE64_STANDARD};
use drivedal_server::{LiveObject, LiveObjectType};
use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};

use super::{annas_cid, as_anna, as_scoped, lacks_scope, plant_all, token_of, without_times};
use crate::server::{
    refused,
    rig::{Rig, TestResponse},
};

/// The request of the reference.
fn pilot() -> Value {
    json!({
        "name": "Pilot Live Connect App",
        "uri": "http://www.contoso.com",
        "terms_of_service_link": "http://www.contoso.com/terms_of_service.php",
        "privacy_link": "http://www.contoso.com/privacy.php",
    })
}

/// Returns the bytes of a picture.
fn picture(side: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::new(side, side).write_to(&mut bytes, format).expect("a picture");
    bytes.into_inner()
}

/// A GIF picture of 48 x 48 pixels of one colour, in the smallest encoding.
const GIF: &[u8] = include_bytes!("logo.gif");

/// Creates an application by a request.
async fn add(rig: &Rig) -> TestResponse {
    let added = rig.live("POST", "/me/applications").json(pilot()).send().await;
    assert_eq!(added.status, 201, "{added:?}");
    added
}

#[tokio::test]
async fn the_application_of_the_reference_has_all_its_structures() {
    let rig = Rig::new().await;
    let mut members = pilot();
    members["client_secret"] = json!("O9L3tC4ecrCdLDaNsNC3m4mdiBm9gYi4");
    members["created_time"] = json!("2011-04-18T19:03:59+0000");
    members["updated_time"] = json!("2011-04-25T18:24:26+0000");
    members["picture_base64"] = json!(BASE64_STANDARD.encode(picture(48, ImageFormat::Png)));
    let application = LiveObject::new(LiveObjectType::Application, members)
        .with_id("application.000000004c043705");
    plant_all(&rig, [application]).await;
    let listed = rig.live("GET", "/me/applications").send().await.json();
    let application = &listed["data"][0];
    let picture = application["picture"].as_str().expect("a URL");
    assert_eq!(
        *application,
        json!({
            "id": "application.000000004c043705",
            "name": "Pilot Live Connect App",
            "client_id": "000000004c043705",
            "client_secret": "O9L3tC4ecrCdLDaNsNC3m4mdiBm9gYi4",
            "uris": [{ "uri": "http://www.contoso.com", "type": "web" }],
            "terms_of_service_link": "http://www.contoso.com/terms_of_service.php",
            "privacy_link": "http://www.contoso.com/privacy.php",
            "picture": picture,
            "upload_location": rig.url("/v5.0/application.000000004c043705/picture"),
            "created_time": "2011-04-18T19:03:59+0000",
            "updated_time": "2011-04-25T18:24:26+0000",
        })
    );
    assert_eq!(rig.bare("GET", picture).send().await.header("content-type"), "image/png");
    // The object has two ids: that of the object and that of the client.
    for id in ["application.000000004c043705", "000000004c043705", "000000004C043705"] {
        assert_eq!(without_times(&rig.object(id).await)["name"], "Pilot Live Connect App", "{id}");
    }
}

#[tokio::test]
async fn an_application_is_created_changed_and_deleted() {
    let rig = Rig::new().await;
    let added = add(&rig).await;
    let application = added.json();
    let (id, client_id) = (added.member("id"), added.member("client_id"));
    assert_eq!(id, format!("application.{client_id}"));
    assert_eq!(client_id.len(), 16);
    assert_eq!(added.header("location"), rig.url(&format!("/v5.0/{id}")));
    assert!(!added.member("client_secret").is_empty());
    assert_eq!(application["picture"], Value::Null);
    assert_eq!(application["uris"], json!([{ "uri": "http://www.contoso.com", "type": "web" }]));
    assert!(application.get("uri").is_none());
    let second = add(&rig).await;
    assert_ne!(second.member("client_id"), client_id);
    assert_ne!(second.member("client_secret"), added.member("client_secret"));

    let change = json!({ "name": "Renamed", "uri": "https://contoso.com/a", "privacy_link": null });
    // By the client id, too.
    let changed = rig.live("PUT", &format!("/{client_id}")).json(&change).send().await;
    assert_eq!((changed.status, changed.member("name")), (200, "Renamed".to_owned()));
    assert_eq!(changed.json()["uris"][0]["uri"], "https://contoso.com/a");
    assert_eq!(changed.json()["privacy_link"], Value::Null);
    assert_eq!(changed.member("client_secret"), added.member("client_secret"));
    assert_eq!(rig.object(&id).await, changed.json());
    assert_eq!(rig.live("DELETE", &format!("/{id}")).send().await.status, 204);
    refused!(rig.live("GET", &format!("/{id}")).send().await, 404, "resource_not_found");
    refused!(rig.live("GET", &format!("/{client_id}")).send().await, 404, "resource_not_found");
    for (members, code) in [
        (json!({ "name": "a" }), "request_parameter_missing"),
        (json!({ "uri": "http://contoso.com" }), "request_parameter_missing"),
        (json!({ "name": "a", "uri": "contoso" }), "request_parameter_invalid"),
        (
            json!({ "name": "a", "uri": "http://a.b", "privacy_link": "c" }),
            "request_parameter_invalid",
        ),
        (
            json!({ "name": "a", "uri": "http://a.b", "id": "application.000000004c043705" }),
            "request_parameter_invalid",
        ),
        (
            json!({ "name": "a", "uri": "http://a.b", "client_id": "000000004c043705" }),
            "request_parameter_invalid",
        ),
    ] {
        let refused = rig.live("POST", "/me/applications").json(&members).send().await;
        refused!(refused, 400, code);
    }
}

#[tokio::test]
async fn a_logo_is_uploaded_and_downloaded() {
    let rig = Rig::new().await;
    let id = add(&rig).await.member("id");
    let path = format!("/{id}/picture");
    // An application without a logo has a default picture.
    let redirect = rig.live("GET", &path).send().await;
    assert_eq!(redirect.status, 302);
    assert_eq!(rig.bare("GET", redirect.header("location")).send().await.status, 200);

    let png = picture(48, ImageFormat::Png);
    // The parameter `overwrite` is ignored.
    let put = rig.live("PUT", &format!("{path}?overwrite=false")).body(png.clone()).send().await;
    assert_eq!((put.status, put.header("location")), (201, &*rig.url(&format!("/v5.0{path}"))));
    let located = rig.live("GET", &format!("{path}?suppress_redirects=true")).send().await;
    let url = located.member("location");
    let logo = rig.bare("GET", &url).send().await;
    assert_eq!((&*logo.body, logo.header("content-type")), (&*png, "image/png"));

    // A form, and the signed URL.
    let mut form =
        b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.jpg\"\r\n\r\n"
            .to_vec();
    form.extend(GIF);
    form.extend(b"\r\n--b--\r\n");
    let media_type = "multipart/form-data; boundary=b";
    let post = rig.live("POST", &path).header("content-type", media_type).body(form).send().await;
    assert_eq!(post.status, 201, "{post:?}");
    let logo = rig.bare("GET", &url).send().await;
    assert_eq!((&*logo.body, logo.header("content-type")), (GIF, "image/gif"));
    let put = rig.bare("PUT", &url).token(rig.token).body(png.clone()).send().await;
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(*rig.bare("GET", &url).send().await.body, *png);
    refused!(rig.bare("PUT", &url).body(png.clone()).send().await, 401, "request_token_missing");
    refused!(
        rig.bare("PUT", &url).token("drivedal-dev-anna").body(png).send().await,
        404,
        "resource_not_found"
    );
    assert!(rig.object(&id).await["picture"].is_string());
}

#[tokio::test]
async fn only_png_and_gif_of_48_pixels_are_logos() {
    let rig = Rig::new().await;
    let id = add(&rig).await.member("id");
    let path = format!("/{id}/picture");
    let png = picture(48, ImageFormat::Png);
    for bytes in [
        picture(49, ImageFormat::Png),
        picture(48, ImageFormat::Jpeg),
        png[..40].to_vec(),
        b"no picture".to_vec(),
        Vec::new(),
    ] {
        let refused = rig.live("PUT", &path).body(bytes).send().await;
        refused!(refused, 400, "request_parameter_invalid");
    }
    let large = rig.live("PUT", &path).body(vec![0; (1 << 20) + 1]).send().await;
    refused!(large, 413, "request_body_invalid");
    assert_eq!(rig.object(&id).await["picture"], Value::Null);
    let missing = rig.live("PUT", "/application.000000004c043705/picture").body(png).send().await;
    refused!(missing, 404, "resource_not_found");
}

#[tokio::test]
async fn applications_belong_to_their_developer() {
    let rig = Rig::new().await;
    let added = add(&rig).await;
    let anna = annas_cid(&rig).await;
    let (id, client_id) = (added.member("id"), added.member("client_id"));
    for path in [format!("/{id}"), format!("/{client_id}"), format!("/{id}/picture")] {
        refused!(as_anna(&rig, "GET", &path).send().await, 404, "resource_not_found");
    }
    let listed = rig.live("GET", &format!("/{anna}/applications")).send().await;
    refused!(listed, 404, "resource_not_found");
    let read = as_scoped(&rig, "wl.applications", "GET", &format!("/{client_id}")).await;
    assert_eq!(read.send().await.status, 200);
    let create = as_scoped(&rig, "wl.applications_create", "GET", &format!("/{id}")).await;
    lacks_scope(&create.send().await, &["wl.applications"]);
}

#[tokio::test]
async fn the_page_of_an_upload_redirects_to_the_domain_of_its_application() {
    let rig = Rig::new().await;
    let client = add(&rig).await.member("client_id");
    let token = token_of(&rig, &client, "wl.skydrive_update").await;
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhi\r\n--x--\r\n";
    let post = async |redirect: &str| {
        let redirect =
            url::form_urlencoded::byte_serialize(redirect.as_bytes()).collect::<String>();
        let path = format!("/v5.0/me/skydrive/files?redirect_uri={redirect}");
        let request = rig.bare("POST", &path).token(&token);
        request.header("content-type", "multipart/form-data; boundary=x").body(form).send().await
    };
    let page = post("http://www.contoso.com/callback.htm").await;
    let text = String::from_utf8_lossy(&page.body);
    assert!(
        text.contains("window.location = \"http://www.contoso.com/callback.htm#result="),
        "{text}"
    );
    for other in ["http://contoso.com.evil.example/", "http://localhost:9/", "javascript:alert(1)"]
    {
        refused!(post(other).await, 400, "request_parameter_invalid");
    }
}
