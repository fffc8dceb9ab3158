//! Links, pictures and previews without a token; access to shared items; scopes of tokens; lists of
//! items from several folders.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drivedal_server::FixtureItem;
use serde_json::{Value, json};

use crate::server::{
    media, refused,
    rig::{Rig, TestResponse, names},
};

const ACCESS: &str = "/shared_with/access";

async fn access(rig: &Rig, id: &str) -> String {
    let object = rig.object(id).await;
    object.pointer(ACCESS).and_then(Value::as_str).expect("told").to_owned()
}

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

async fn link(rig: &Rig, id: &str, kind: &str) -> String {
    let answer = rig.live("GET", &format!("/{id}/{kind}")).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    match kind {
        "embed" => {
            let html = answer.member("embed_html");
            assert!(
                html.ends_with(
                    r#" width="98" height="120" frameborder="0" scrolling="no"></iframe>"#
                )
            );
            let source = html.split('"').nth(1).expect("a source");
            source.replace("&amp;", "&")
        }
        _ => answer.member("link"),
    }
}

#[tokio::test]
async fn a_link_needs_no_token_and_dies_with_its_item() {
    let rig = Rig::new().await;
    let folder = rig.folder("me/skydrive", "Docs").await;
    let file = rig.file(id(&folder), "a.txt", "hello").await;
    assert_eq!(access(&rig, id(&file)).await, "Just me");
    let mut links = Vec::new();
    for kind in ["shared_read_link", "shared_edit_link", "embed"] {
        let url = link(&rig, id(&file), kind).await;
        assert_eq!(url, link(&rig, id(&file), kind).await, "an item's link is always the same");
        links.push(url);
    }
    let got = rig.bare("GET", &links[0]).send().await;
    assert_eq!(got.status, 302, "{got:?}");
    assert_eq!(rig.bare("GET", got.header("location")).send().await.body, "hello");
    let embedded = rig.bare("GET", &links[2]).send().await;
    assert!(String::from_utf8_lossy(&embedded.body).contains(">a.txt</a>"), "{embedded:?}");
    assert_eq!(access(&rig, id(&file)).await, "People with a link");
    assert_eq!(access(&rig, id(&folder)).await, "Just me");

    let changed = links[0].replace("authkey=!", "authkey=!A");
    refused!(rig.bare("GET", &changed).send().await, 404, "resource_not_found");
    rig.live("DELETE", &format!("/{}", id(&file))).send().await;
    for link in &links {
        refused!(rig.bare("GET", link).send().await, 404, "resource_not_found");
    }
}

#[tokio::test]
async fn descendants_of_a_shared_folder_are_shared() {
    let rig = Rig::new().await;
    let folder = rig.folder("me/skydrive", "Docs & more").await;
    let inner = rig.folder(id(&folder), "inner").await;
    let file = rig.file(id(&inner), "a.txt", "hello").await;
    let url = link(&rig, id(&folder), "shared_read_link").await;
    for one in [&folder, &inner, &file] {
        assert_eq!(access(&rig, id(one)).await, "People with a link");
    }
    let listed =
        rig.live("GET", &format!("/{}/files?locale=de-DE", id(&inner))).send().await.json();
    assert_eq!(listed["data"][0].pointer(ACCESS), Some(&json!("Personen mit einem Link")));
    refused!(
        rig.live("GET", "/me/skydrive?locale=%3Cx%3E").send().await,
        400,
        "request_parameter_invalid"
    );
    // Follows the pages without a token.
    let page = rig.bare("GET", &url).send().await;
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert!(text.contains("<title>Docs &amp; more</title>"), "{text}");
    let next =
        text.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
    let page = rig.bare("GET", &next.replace("&amp;", "&")).send().await;
    assert!(String::from_utf8_lossy(&page.body).contains("a.txt"), "{page:?}");
    // A copy in another account is not shared.
    let photos = rig.folder("me/skydrive", "to").await;
    let read = link(&rig, id(&file), "shared_read_link").await;
    assert!(!read.is_empty());
    let body = json!({ "destination": id(&photos) });
    let copy = rig.live("COPY", &format!("/{}", id(&file))).json(&body).send().await.json();
    assert_eq!(copy.pointer(ACCESS), Some(&json!("Just me")));
}

#[tokio::test]
async fn a_picture_has_every_size_and_a_link_needs_no_token() {
    let rig = Rig::new().await;
    let album = rig.live("POST", "/me/albums").json(json!({ "name": "Sea" })).send().await.json();
    let none = rig.live("GET", &format!("/{}/picture", id(&album))).send().await;
    refused!(none, 404, "resource_not_found");
    let photo = rig.file(id(&album), "a.jpg", media::photo(1000, 500)).await;
    let read = link(&rig, id(&photo), "shared_read_link").await;
    let read: String = url::form_urlencoded::byte_serialize(read.as_bytes()).collect();
    for (size, width) in [
        ("thumbnail", 96),
        ("small", 96),
        ("album", 176),
        ("normal", 800),
        ("full", 1000),
        ("", 800),
    ] {
        let query = if size.is_empty() { String::new() } else { format!("?type={size}") };
        for of in [&album, &photo] {
            let led = rig.live("GET", &format!("/{}/picture{query}", id(of))).send().await;
            assert_eq!(width_of(&rig, &led).await, width, "{size}");
        }
        if size != "full" {
            let and = query.replace('?', "&");
            let url = format!("/v5.0/skydrive/get_item_preview?url={read}{and}");
            let led = rig.bare("GET", &url).send().await;
            assert_eq!(width_of(&rig, &led).await, width, "{size}");
        }
    }
    let told =
        rig.live("GET", &format!("/{}/picture?suppress_redirects=true", id(&photo))).send().await;
    assert_eq!(rig.bare("GET", &told.member("location")).send().await.status, 200);
    let wrong = rig.live("GET", &format!("/{}/picture?type=huge", id(&photo))).send().await;
    refused!(wrong, 400, "request_parameter_invalid");
    let user = rig.live("GET", "/me/picture?type=medium").send().await;
    assert_eq!(width_of(&rig, &user).await, 180);
    // Other bytes have another picture.
    let old = photo["picture"].as_str().expect("a URL").to_owned();
    rig.file(id(&album), "a.jpg", media::photo(20, 20)).await;
    refused!(rig.bare("GET", &old).send().await, 404, "resource_not_found");
    let downloads =
        rig.live("GET", &format!("/{}/files?download=true", id(&album))).send().await.json();
    let url = downloads["data"][0]["images"][0]["source"].as_str().expect("a URL").to_owned();
    assert_eq!(rig.bare("GET", &url).send().await.header("content-disposition"), "attachment");
}

async fn width_of(rig: &Rig, led: &TestResponse) -> u32 {
    assert_eq!(led.status, 302, "{led:?}");
    let got = rig.bare("GET", led.header("location")).send().await;
    assert_eq!(got.status, 200, "{got:?}");
    image::load_from_memory(&got.body).expect("a picture").width()
}

#[tokio::test]
async fn well_known_folders_are_created_on_first_use() {
    let rig = Rig::new().await;
    let put = rig.live("PUT", "/me/skydrive/my_documents/files/a.txt").body("x").send().await;
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(rig.names("me/skydrive", "").await, ["Documents"]);
    assert_eq!(rig.names("me/skydrive/my_documents", "").await, ["a.txt"]);
    let camera = rig.object("me/skydrive/camera_roll").await;
    let photos = rig.object("me/skydrive/my_photos").await;
    assert_eq!((&camera["parent_id"], &photos["name"]), (&photos["id"], &json!("Pictures")));
    let public = rig.object("me/skydrive/public_documents").await;
    assert_eq!(public.pointer(ACCESS), Some(&json!("Everyone (public)")));
    // Neither as a destination.
    let file = id(&put.json()).to_owned();
    let body = json!({ "destination": "me/skydrive/my_photos" });
    let moved = rig.live("MOVE", &format!("/{file}")).json(&body).send().await;
    refused!(moved, 400, "request_parameter_invalid");
}

#[tokio::test]
async fn lists_that_are_no_folders_have_pages_and_filter_by_kind() {
    let rig = Rig::new().await;
    let deep = rig.folder("me/skydrive", "deep").await;
    for (folder, name) in [
        ("me/skydrive", "report.txt"),
        (id(&deep), "Report two.jpg"),
        (id(&deep), "song.mp3"),
        (id(&deep), "film.mp4"),
    ] {
        rig.file(folder, name, "x").await;
    }
    let found = rig.live("GET", "/me/skydrive/search?q=REPORT").send().await.json();
    assert_eq!(names(&found).len(), 2, "{found}");
    let first = rig.live("GET", "/me/skydrive/search?q=report&limit=1").send().await.json();
    let next = first["paging"]["next"].as_str().expect("more").to_owned();
    assert!(next.contains("limit=1&offset=1&q=report"), "{next}");
    let path = next.split("/v5.0").nth(1).expect("a path");
    let second = rig.live("GET", path).send().await.json();
    assert_eq!(second["paging"]["next"], Value::Null);
    assert_ne!(names(&first), names(&second));
    refused!(rig.live("GET", "/me/skydrive/search").send().await, 400, "request_parameter_missing");

    let recent = rig.live("GET", "/me/skydrive/recent_docs?limit=2").send().await.json();
    assert_eq!(names(&recent), ["film.mp4", "song.mp3"]);
    for (which, name) in [("photos", "Report two.jpg"), ("videos", "film.mp4")] {
        let listed = rig.live("GET", &format!("/{}/{which}", id(&deep))).send().await.json();
        assert_eq!(names(&listed), [name]);
    }
    assert_eq!(
        rig.names(id(&deep), "?filter=audio,videos&sort_by=name&sort_order=descending").await,
        ["song.mp3", "film.mp4"]
    );

    let theirs =
        ["theirs.txt", "theirs.jpg"].map(|name| FixtureItem::file(name, "x").owned_by("anna"));
    rig.server.control().add_fixtures(theirs).await.expect("planted");
    let shared = rig.live("GET", "/me/skydrive/shared").send().await.json();
    assert_eq!(names(&shared).len(), 2);
    assert_eq!(shared["data"][0]["from"]["name"], "anna");
    let photos = rig.live("GET", "/me/skydrive/shared/photos").send().await.json();
    assert_eq!(names(&photos), ["theirs.jpg"]);
}

/// Returns a token with these scopes.
async fn token(rig: &Rig, scope: &str) -> String {
    let scope = scope.replace(' ', "%20");
    let url = format!(
        "/oauth20_authorize.srf?client_id=c&response_type=token&scope={scope}&redirect_uri=http%3A%2F%2Flocalhost%2F"
    );
    let answer = rig.bare("GET", &url).send().await;
    let location = answer.header("location").to_owned();
    let fragment = location.split('#').nth(1).expect("a fragment");
    url::form_urlencoded::parse(fragment.as_bytes())
        .find(|(name, _)| name == "access_token")
        .map(|(_, token)| token.into_owned())
        .expect("a token")
}

#[tokio::test]
async fn a_token_allows_only_its_scopes() {
    let rig = Rig::new().await;
    let photo = rig.file("me/skydrive", "a.jpg", media::photo(20, 20)).await;
    let file = rig.file("me/skydrive", "a.txt", "x").await;
    let folder = rig.folder("me/skydrive", "folder").await;
    rig.live("POST", "/me/albums").json(json!({ "name": "album" })).send().await;
    let photos = token(&rig, "wl.photos").await;
    let read = token(&rig, "wl.skydrive").await;
    let write = token(&rig, "wl.skydrive_update").await;
    let basic = token(&rig, "wl.basic").await;
    let request = async |token: &str, method: &str, path: &str| {
        let request = rig.bare(method, &format!("/v5.0{path}"));
        request
            .header("authorization", &format!("Bearer {token}"))
            .json(json!({ "name": "n" }))
            .send()
            .await
    };
    let denied = |reply: &TestResponse, scopes: &str| {
        assert_eq!(reply.refusal(), (403, "request_token_unauthorized".to_owned()));
        let message = format!(
            "The provided access token does not have access to this resource. An access token with \
             one of the following scopes is required: {scopes}."
        );
        assert_eq!(reply.json()["error"]["message"], message);
    };
    assert_eq!(request(&basic, "GET", "/me").await.status, 200);
    denied(&request(&basic, "GET", "/me/skydrive/files").await, "'wl.skydrive', 'wl.photos'");
    denied(&request(&basic, "GET", "/me/skydrive/quota").await, "'wl.skydrive'");
    denied(&request(&read, "POST", "/me/skydrive").await, "'wl.skydrive_update'");
    denied(&request(&read, "DELETE", &format!("/{}", id(&file))).await, "'wl.skydrive_update'");
    denied(
        &request(&read, "GET", "/me/skydrive/shared").await,
        "'wl.contacts_skydrive', 'wl.contacts_photos'",
    );
    assert_eq!(request(&write, "GET", "/me/skydrive/shared").await.status, 200);
    assert_eq!(request(&write, "PUT", &format!("/{}", id(&folder))).await.status, 200);

    let seen = request(&photos, "GET", "/me/skydrive/files").await.json();
    assert_eq!(names(&seen), ["album", "a.jpg"]);
    for (object, name) in [
        (&seen["data"][0], "shared_with"),
        (&seen["data"][0], "upload_location"),
        (&seen["data"][1], "upload_location"),
    ] {
        assert_eq!(object.get(name), None, "{name}");
    }
    assert_eq!(request(&photos, "GET", &format!("/{}", id(&photo))).await.status, 200);
    denied(&request(&photos, "GET", &format!("/{}/content", id(&file))).await, "'wl.skydrive'");
    denied(&request(&photos, "GET", &format!("/{}/tags", id(&photo))).await, "'wl.skydrive'");
    denied(&request(&read, "GET", &format!("/{}/tags", id(&photo))).await, "'wl.photos'");
    assert_eq!(request(&read, "GET", &format!("/{}/comments", id(&photo))).await.status, 200);
    let told = request(&read, "GET", "/me/permissions").await.json();
    assert_eq!(told, json!({ "data": [{ "wl.skydrive": 1 }] }));
}

#[tokio::test]
async fn a_page_that_posts_a_file_is_redirected_with_the_response() {
    let rig = Rig::new().await;
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhi\r\n--x--\r\n";
    let post = async |query: &str| {
        let request = rig.live("POST", &format!("/me/skydrive/files?{query}"));
        request.header("content-type", "multipart/form-data; boundary=x").body(form).send().await
    };
    let back = "redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fcallback.htm%3C";
    let page = post(&format!("state=My%22State%3C&{back}")).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=UTF-8"));
    let text = String::from_utf8_lossy(&page.body).into_owned();
    let start = "<html><head><script type=\"text/javascript\">window.location = \"http://localhost:9/callback.htm%3C#state=My%22State%3C&result=%7B";
    assert!(text.starts_with(start), "{text}");
    let result = text.split("result=").nth(1).and_then(|rest| rest.split('"').next()).expect("one");
    let result = url::form_urlencoded::parse(format!("result={result}").as_bytes())
        .next()
        .expect("one")
        .1
        .into_owned();
    let made: Value = serde_json::from_str(&result).expect("JSON");
    assert_eq!(rig.content(id(&made)).await, "hi");
    let taken = post(&format!("overwrite=false&{back}")).await;
    assert!(String::from_utf8_lossy(&taken.body).contains("resource_already_exists"), "{taken:?}");
    refused!(
        post("redirect_uri=https%3A%2F%2Fevil.example%2F").await,
        400,
        "request_parameter_invalid"
    );
}

/// Returns the links on a folder's page, in their order.
async fn led_to(rig: &Rig, url: &str) -> Vec<String> {
    let page = rig.bare("GET", url).send().await;
    assert_eq!(page.status, 200, "{page:?}");
    let text = String::from_utf8_lossy(&page.body).replace("&amp;", "&");
    text.split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_link_is_the_same_permission_in_graph_and_is_revoked_there() {
    let rig = Rig::new().await;
    let folder = rig.folder("me/skydrive", "Docs").await;
    rig.file(id(&folder), "a.txt", "hello").await;
    let permissions = "/me/drive/root:/Docs:/permissions";
    let listed = async || {
        let all = rig.graph("GET", permissions).send().await.json();
        let ids = all["value"].as_array().expect("a list").iter().map(id).map(str::to_owned);
        ids.collect::<Vec<_>>()
    };
    let read = link(&rig, id(&folder), "shared_read_link").await;
    let edit = link(&rig, id(&folder), "shared_edit_link").await;
    let [inner] = &led_to(&rig, &read).await[..] else { panic!("one file") };
    assert_eq!(rig.bare("GET", inner).send().await.status, 302);
    let create = rig.graph("POST", "/me/drive/root:/Docs:/createLink");
    let graph = create.json(json!({"type": "view"})).send().await;
    assert_eq!(graph.status, 200, "Live Connect created it");
    let graph = graph.json();
    let before = listed().await;
    assert_eq!((before.len(), &*before[0]), (2, id(&graph)));
    // The link of Graph leads to the page of the folder.
    let url = graph["link"]["webUrl"].as_str().expect("a URL");
    let followed = rig.bare("GET", url).send().await;
    assert_eq!(followed.status, 302, "{followed:?}");
    assert_eq!(led_to(&rig, followed.header("location")).await.len(), 1);
    // Graph's requests for shared items accept the URL of Live Connect.
    let encoded = URL_SAFE_NO_PAD.encode(&read);
    let shared = rig.graph("GET", &format!("/shares/u!{encoded}/driveItem")).send().await;
    assert_eq!(shared.member("name"), "Docs");

    let one = format!("{permissions}/{}", id(&graph));
    assert_eq!(rig.graph("DELETE", &one).send().await.status, 204);
    // The items that it linked to are not accessible either.
    for url in [&read, inner] {
        refused!(rig.bare("GET", url).send().await, 404, "resource_not_found");
    }
    refused!(rig.bare("GET", url).send().await, 404, "itemNotFound");
    assert_eq!(rig.bare("GET", &edit).send().await.status, 200);
    let again = link(&rig, id(&folder), "shared_read_link").await;
    assert_ne!(again, read);
    refused!(rig.bare("GET", &read).send().await, 404, "resource_not_found");
    assert_eq!(listed().await.len(), 2);
}

#[tokio::test]
async fn a_folder_link_opens_only_its_descendants() {
    let rig = Rig::new().await;
    let shared = rig.folder("me/skydrive", "shared").await;
    let inner = rig.folder(id(&shared), "inner").await;
    let file = rig.file(id(&inner), "a.txt", "hello").await;
    let other = rig.file("me/skydrive", "secret.txt", "secret").await;
    let url = link(&rig, id(&shared), "shared_read_link").await;
    let [page] = &led_to(&rig, &url).await[..] else { panic!("one folder") };
    let [one] = &led_to(&rig, page).await[..] else { panic!("one file") };
    assert_eq!(rig.bare("GET", one).send().await.status, 302);
    let resource = |object: &Value| id(object).rsplit('.').next().expect("a resource").to_owned();
    let elsewhere = one.replace(&resource(&file), &resource(&other));
    assert_ne!(&elsewhere, one);
    refused!(rig.bare("GET", &elsewhere).send().await, 404, "resource_not_found");
    // After the move it is no longer shared.
    let body = json!({ "destination": rig.object("me/skydrive").await["id"] });
    rig.live("MOVE", &format!("/{}", id(&file))).json(&body).send().await;
    refused!(rig.bare("GET", one).send().await, 404, "resource_not_found");
    // A new item with the number of a shared one is not shared.
    rig.server.control().reset_state().await.expect("reset");
    let now = rig.folder("me/skydrive", "another").await;
    assert_eq!(id(&now), id(&shared));
    refused!(rig.bare("GET", &url).send().await, 404, "resource_not_found");
}
