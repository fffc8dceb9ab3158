//! Uploads.

use bytes::Bytes;
use drivedal_server::FixtureItem;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{media, refused, rig::Rig};

const MIB: usize = 1 << 20;

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

/// Returns a form with one part for each name and content.
fn form(parts: &[(&str, &str)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(name, content)| {
            format!(
                "--AaB03x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
                 Content-Type: text/plain\r\n\r\n{content}\r\n"
            )
        })
        .collect();
    parts + "--AaB03x--\r\n"
}

const FORM: &str = "multipart/form-data; boundary=AaB03x";

#[tokio::test]
async fn a_file_is_uploaded_with_or_without_a_declared_length() {
    let rig = Rig::new().await;
    let plain = rig.live("PUT", "/me/skydrive/files/plain").body("some bytes").send().await;
    let chunks = ["some", " ", "bytes"].map(Bytes::from);
    let chunked = rig.live("PUT", "/me/skydrive/files/chunked").chunks(chunks).send().await;
    for (put, name) in [(plain, "plain"), (chunked, "chunked")] {
        assert_eq!(put.status, 201);
        let mut fields: Vec<String> =
            put.json().as_object().expect("an object").keys().cloned().collect();
        fields.sort();
        assert_eq!(fields, ["id", "name", "source"]);
        assert_eq!(put.member("name"), name);
        assert_eq!(put.header("location"), rig.url(&format!("/v5.0/{}", put.member("id"))));
        assert_eq!(rig.bare("GET", &put.member("source")).send().await.body, "some bytes");
    }
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let rig = Rig::new().await;
    for name in ["plain", "chunked"] {
        let put = rig.live("PUT", &format!("/me/skydrive/files/{name}"));
        let put = if name == "plain" { put.body("") } else { put.chunks([]) };
        let put = put.send().await;
        assert_eq!(put.status, 201);
        assert_eq!(rig.object(&put.member("id")).await["size"], 0);
        assert_eq!(rig.content(&put.member("id")).await, "");
    }
}

#[tokio::test]
async fn an_upload_location_is_put_to_with_and_without_a_slash_of_ones_own() {
    let rig = Rig::new().await;
    let folder = rig.folder("me/skydrive", "a").await;
    let location = folder["upload_location"].as_str().expect("a URL");
    for url in [format!("{location}b"), format!("{location}/c")] {
        let put =
            rig.bare("PUT", &format!("{url}?access_token=drivedal-dev")).body("x").send().await;
        assert_eq!(put.status, 201);
    }
    assert_eq!(rig.names(id(&folder), "").await, ["b", "c"]);
}

#[tokio::test]
async fn an_upload_overwrites_by_default() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a.txt", "one").await;
    for query in ["", "?overwrite=true", "?overwrite=TRUE"] {
        let path = format!("/me/skydrive/files/A.TXT{query}");
        let put = rig.live("PUT", &path).body(query).send().await;
        assert_eq!((put.status, put.member("id")), (200, id(&file).to_owned()), "{query}");
        assert_eq!(rig.content(id(&file)).await, query);
    }
    assert_eq!(rig.object(id(&file)).await["name"], "a.txt");
}

#[tokio::test]
async fn overwriting_may_be_forbidden_in_the_query_or_by_a_header() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a", "one").await;
    let path = "/me/skydrive/files/a";
    let query = rig.live("PUT", &format!("{path}?overwrite=False")).body("two").send().await;
    let header = rig.live("PUT", path).header("Overwrite", "false").body("two").send().await;
    for put in [query, header] {
        refused!(put, 409, "resource_already_exists");
    }
    assert_eq!(rig.content(id(&file)).await, "one");
    let free = rig.live("PUT", "/me/skydrive/files/b?overwrite=false").body("x").send().await;
    assert_eq!(free.status, 201);
}

#[tokio::test]
async fn the_server_may_choose_another_name() {
    let rig = Rig::new().await;
    rig.file("me/skydrive", "a.txt", "one").await;
    for (value, name) in [("ChooseNewName", "a 1.txt"), ("choosenewname", "a 2.txt")] {
        let path = format!("/me/skydrive/files/a.txt?overwrite={value}");
        let put = rig.live("PUT", &path).body("two").send().await;
        assert_eq!((put.status, put.member("name")), (201, name.to_owned()));
    }
    assert_eq!(rig.names("me/skydrive", "").await, ["a 1.txt", "a 2.txt", "a.txt"]);
    let bad = rig.live("PUT", "/me/skydrive/files/a.txt?overwrite=maybe").body("x").send().await;
    refused!(bad, 400, "request_parameter_invalid");
    let bad = "/me/skydrive/files/a.txt?downsize_photo_uploads=maybe";
    refused!(rig.live("PUT", bad).body("x").send().await, 400, "request_parameter_invalid");
}

#[tokio::test]
async fn a_photo_is_returned_unchanged() {
    let rig = Rig::new().await;
    let path = "/me/skydrive/files/a.jpg?downsize_photo_uploads=false";
    let put = rig.live("PUT", path).body("\u{ff}not really").send().await;
    assert_eq!(rig.content(&put.member("id")).await, "\u{ff}not really");
}

#[tokio::test]
async fn a_file_takes_no_folders_place() {
    let rig = Rig::new().await;
    rig.folder("me/skydrive", "a").await;
    let put = rig.live("PUT", "/me/skydrive/files/A").body("x").send().await;
    refused!(put, 409, "resource_already_exists");
}

#[tokio::test]
async fn a_files_content_is_put_under_its_id() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a", "one").await;
    let location = file["upload_location"].as_str().expect("a URL");
    let put = rig
        .bare("PUT", location)
        .header("authorization", "Bearer drivedal-dev")
        .body("other")
        .send()
        .await;
    assert_eq!(
        (put.status, put.member("id"), put.member("name")),
        (200, id(&file).into(), "a".into())
    );
    let after = rig.object(id(&file)).await;
    assert_eq!((&after["size"], &after["created_time"]), (&json!(5), &file["created_time"]));
    let folder = rig.folder("me/skydrive", "b").await;
    let path = format!("/{}/content", id(&folder));
    refused!(rig.live("PUT", &path).body("x").send().await, 400, "request_url_invalid");
    let missing = format!("/{}/content", id(&file).replace("!10", "!99"));
    refused!(rig.live("PUT", &missing).body("x").send().await, 404, "resource_not_found");
}

#[tokio::test]
async fn names_in_a_url_follow_the_rules_for_names() {
    let rig = Rig::new().await;
    for (path, name) in
        [("a%20b%23%25%26%2B'.txt", "a b#%&+'.txt"), ("%E5%90%8D", "名"), ("a+b", "a+b")]
    {
        let put = rig.live("PUT", &format!("/me/skydrive/files/{path}")).body("x").send().await;
        assert_eq!((put.status, put.member("name")), (201, name.to_owned()));
    }
    for path in ["a%2Fb", "a%3A", "a.", "con", "%20a", &"a".repeat(256)] {
        let put = rig.live("PUT", &format!("/me/skydrive/files/{path}")).body("x").send().await;
        refused!(put, 400, "request_parameter_invalid");
    }
    let put = rig.live("PUT", "/me/skydrive/files/%ff").body("x").send().await;
    refused!(put, 400, "request_url_invalid");
}

#[tokio::test]
async fn a_form_has_one_file_and_its_name() {
    let rig = Rig::new().await;
    for (path, name) in [
        ("/me/skydrive/files", "a.txt"),
        ("/me/skydrive/files/", "ä.txt"),
        ("/me/skydrive", "b.txt"),
    ] {
        let post = rig.live("POST", path).header("content-type", FORM);
        let post = post.body(form(&[(name, "some\r\nbytes")])).send().await;
        assert_eq!((post.status, post.member("name")), (201, name.to_owned()), "{path}");
        assert_eq!(post.header("location"), rig.url(&format!("/v5.0/{}", post.member("id"))));
        assert_eq!(rig.content(&post.member("id")).await, "some\r\nbytes");
    }
    let again = rig.live("POST", "/me/skydrive/files?overwrite=false").header("content-type", FORM);
    let again = again.body(form(&[("A.txt", "x")])).send().await;
    refused!(again, 409, "resource_already_exists");
}

#[tokio::test]
async fn forms_that_are_not_quite_one_file_leave_nothing() {
    let rig = Rig::new().await;
    let post = |content_type: &'static str, body: String| {
        rig.live("POST", "/me/skydrive/files")
            .header("content-type", content_type)
            .body(body)
            .send()
    };
    let two = form(&[("a", "1"), ("b", "2")]);
    refused!(post(FORM, two).await, 400, "request_body_invalid");
    refused!(post(FORM, form(&[])).await, 400, "request_body_invalid");
    refused!(post(FORM, form(&[("a", "1")])[..90].to_owned()).await, 400, "request_body_invalid");
    refused!(post(FORM, form(&[("a:b", "1")])).await, 400, "request_parameter_invalid");
    let unnamed =
        "--AaB03x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--AaB03x--\r\n";
    refused!(post(FORM, unnamed.to_owned()).await, 400, "request_parameter_missing");
    refused!(post("text/plain", form(&[("a", "1")])).await, 415, "request_body_invalid");
    refused!(post("multipart/form-data", form(&[("a", "1")])).await, 415, "request_body_invalid");
    assert_eq!(rig.names("me/skydrive", "").await, [""; 0]);
}

#[tokio::test]
async fn a_body_with_a_content_encoding_is_not_kept_as_it_is() {
    let rig = Rig::new().await;
    let put = rig.live("PUT", "/me/skydrive/files/a").header("content-encoding", "gzip");
    refused!(put.body("x").send().await, 415, "request_body_invalid");
    let put = rig.live("PUT", "/me/skydrive/files/a").header("content-encoding", "identity");
    assert_eq!(put.body("x").send().await.status, 201);
}

#[tokio::test]
async fn more_than_a_hundred_megabytes_are_refused_in_each_form() {
    let rig = Rig::new().await;
    let piece = Bytes::from(vec![7; MIB]);
    let chunks = || {
        (0..101)
            .map({
                let piece = piece.clone();
                move |_| piece.clone()
            })
            .collect::<Vec<_>>()
    };
    let told = rig.live("PUT", "/me/skydrive/files/a").chunks(chunks());
    let told = told.header("content-length", &(101 * MIB).to_string()).send().await;
    refused!(told, 413, "request_body_invalid");
    let untold = rig.live("PUT", "/me/skydrive/files/a").chunks(chunks()).send().await;
    refused!(untold, 413, "request_body_invalid");
    assert_eq!(rig.names("me/skydrive", "").await, [""; 0]);
}

#[tokio::test]
async fn exactly_a_hundred_megabytes_are_taken() {
    let rig = Rig::new().await;
    let piece = Bytes::from(vec![7; MIB]);
    let put = rig.live("PUT", "/me/skydrive/files/a").chunks((0..100).map(move |_| piece.clone()));
    let put = put.send().await;
    assert_eq!(put.status, 201);
    assert_eq!(rig.object(&put.member("id")).await["size"], 100 * MIB);
}

#[tokio::test]
async fn a_full_drive_takes_nothing_more() {
    let rig = Rig::with(|builder| builder.quota(2 * MIB as u64)).await;
    rig.file("me/skydrive", "a", vec![0; MIB]).await;
    for size in [MIB + 1, 3 * MIB] {
        let put = rig.live("PUT", "/me/skydrive/files/b").body(vec![0; size]).send().await;
        refused!(put, 507, "resource_quota_exceeded");
    }
    let post = rig.live("POST", "/me/skydrive/files").header("content-type", FORM);
    let post = post.body(form(&[("b", &"x".repeat(MIB + 1))])).send().await;
    refused!(post, 507, "resource_quota_exceeded");
    assert_eq!(rig.names("me/skydrive", "").await, ["a"]);
    assert_eq!(rig.live("PUT", "/me/skydrive/files/b").body(vec![0; MIB]).send().await.status, 201);
}

#[tokio::test]
async fn a_refusal_is_read_by_a_client_that_is_still_sending() {
    let rig = Rig::new().await;
    let piece = Bytes::from(vec![7; MIB]);
    for path in ["/v5.0/me/skydrive/files/a", "/v5.0/nothing/files/a"] {
        let piece = piece.clone();
        let put = rig.bare("PUT", path).chunks((0..50).map(move |_| piece.clone())).send().await;
        assert!(put.status == 401 || put.status == 400, "{put:?}");
    }
}

#[tokio::test]
async fn an_interrupted_upload_leaves_nothing() {
    let rig = Rig::new().await;
    let old = rig.file("me/skydrive", "old", "kept").await;
    for (name, head) in [
        ("new", "content-length: 5000000"),
        ("old", "content-length: 5000000"),
        ("chunked", "transfer-encoding: chunked"),
    ] {
        let mut connection = rig.connect().await;
        let head = format!(
            "PUT /v5.0/me/skydrive/files/{name} HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer drivedal-dev\r\n{head}\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.expect("sent");
        let body = format!("{:x}\r\n{}\r\n", MIB, "x".repeat(MIB));
        connection.write_all(body.as_bytes()).await.expect("sent");
        drop(connection);
    }
    // Requests are logged when the server has finished them.
    let ended = || {
        let records = rig.server.control().requests();
        records
            .iter()
            .filter(|one| one.operation == "live.files.put" && one.status != Some(201))
            .count()
    };
    while ended() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.names("me/skydrive", "").await, ["old"]);
    assert_eq!(rig.content(id(&old)).await, "kept");
    assert_eq!(rig.object("me/skydrive").await["size"], 4);
}

#[tokio::test]
async fn a_client_can_expect_100_continue() {
    let rig = Rig::new().await;
    let head = |token: &str| {
        format!(
            "PUT /v5.0/me/skydrive/files/a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
        )
    };
    let mut connection = rig.connect().await;
    connection.write_all(head("drivedal-dev").as_bytes()).await.expect("sent");
    let mut told = [0; 25];
    connection.read_exact(&mut told).await.expect("told");
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(b"body").await.expect("sent");
    let mut rest = String::new();
    connection.read_to_string(&mut rest).await.expect("an answer");
    assert!(rest.starts_with("HTTP/1.1 201"), "{rest}");
    let refused = rig.raw(head("nobody").as_bytes()).await.expect("an answer");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
}

#[tokio::test]
async fn a_file_is_put_only_into_a_folder() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a", "x").await;
    rig.server.control().add_fixtures([FixtureItem::notebook("n")]).await.expect("planted");
    let path = format!("/{}/files/b", id(&file));
    refused!(rig.live("PUT", &path).body("x").send().await, 400, "request_url_invalid");
    let missing = path.replace("file.", "folder.").replace("!10", "!99");
    refused!(rig.live("PUT", &missing).body("x").send().await, 404, "resource_not_found");
}

#[tokio::test]
async fn large_photos_are_reduced_unless_the_client_forbids_it() {
    let rig = Rig::new().await;
    let large = media::photo(4096, 1024);
    let photo = rig.file("me/skydrive", "a.jpg", large.clone()).await;
    assert_eq!((&photo["width"], &photo["height"]), (&json!(2048), &json!(512)));
    assert_eq!(
        (&photo["camera_make"], &photo["when_taken"]),
        (&json!("MyManufacturer"), &json!("2008-03-24T23:41:53+0000"))
    );
    let bytes = rig.content(photo["id"].as_str().unwrap()).await;
    assert_eq!(image::load_from_memory(&bytes).expect("a picture").width(), 2048);
    for (name, query) in [("b.jpg", "?downsize_photo_uploads=false"), ("c.dat", "")] {
        let put = rig
            .live("PUT", &format!("/me/skydrive/files/{name}{query}"))
            .body(large.clone())
            .send()
            .await;
        assert_eq!(rig.content(&put.member("id")).await, large, "{name}");
    }
    // A small file that declares an enormous size.
    let mut bomb = media::bare_photo(8, 8);
    let sof = bomb.windows(2).position(|two| two == [0xff, 0xc0]).expect("a size");
    bomb[sof + 5..sof + 9].copy_from_slice(&[0xff; 4]);
    let photo = rig.file("me/skydrive", "bomb.jpg", bomb.clone()).await;
    assert_eq!(rig.content(photo["id"].as_str().unwrap()).await, bomb);
    let refused = rig.bare("GET", photo["picture"].as_str().unwrap()).send().await;
    assert_eq!(refused.status, 400);
}
