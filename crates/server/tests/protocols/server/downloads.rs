//! Downloads.

use std::time::Duration;

use crate::server::{refused, rig::Rig};

async fn file(rig: &Rig, bytes: &'static str) -> (String, String) {
    let file = rig.file("me/skydrive", "a b.txt", bytes).await;
    let text = |name: &str| file[name].as_str().expect("text").to_owned();
    (text("id"), text("source"))
}

#[tokio::test]
async fn content_is_a_redirect_to_a_download_url_or_the_url_itself() {
    let rig = Rig::new().await;
    let (id, _) = file(&rig, "0123456789").await;
    let redirect = rig.live("GET", &format!("/{id}/content")).send().await;
    assert_eq!((redirect.status, redirect.body.len()), (302, 0));
    let quiet = rig.live("GET", &format!("/{id}/content?suppress_redirects=true")).send().await;
    assert_eq!(quiet.status, 200);
    for ticket in [redirect.header("location").to_owned(), quiet.member("location")] {
        let got = rig.bare("GET", &ticket).send().await;
        assert_eq!((got.status, &got.body[..]), (200, &b"0123456789"[..]));
        assert_eq!(got.header("content-type"), "text/plain");
        assert_eq!(got.header("content-length"), "10");
        assert_eq!(got.header("accept-ranges"), "bytes");
        assert_eq!(got.header("content-disposition"), "");
    }
    let saved = rig.live("GET", &format!("/{id}/content?download=true")).send().await;
    let saved = rig.bare("GET", saved.header("location")).send().await;
    assert_eq!(saved.header("content-disposition"), "attachment; filename*=UTF-8''a%20b.txt");
}

#[tokio::test]
async fn only_files_have_content() {
    let rig = Rig::new().await;
    let folder = rig.folder("me/skydrive", "a").await;
    let path = format!("/{}/content", folder["id"].as_str().expect("an id"));
    refused!(rig.live("GET", &path).send().await, 400, "request_url_invalid");
    let missing = path.replace("folder", "file").replace("!10", "!99");
    refused!(rig.live("GET", &missing).send().await, 404, "resource_not_found");
}

#[tokio::test]
async fn every_form_of_a_range_is_served() {
    let rig = Rig::new().await;
    let (_, source) = file(&rig, "0123456789").await;
    for (range, status, told, bytes) in [
        ("bytes=0-0", 206, "bytes 0-0/10", "0"),
        ("bytes=2-5", 206, "bytes 2-5/10", "2345"),
        ("bytes=7-", 206, "bytes 7-9/10", "789"),
        ("bytes=-3", 206, "bytes 7-9/10", "789"),
        ("bytes=0-99", 206, "bytes 0-9/10", "0123456789"),
        ("bytes=10-", 416, "bytes */10", ""),
        ("bytes=-0", 416, "bytes */10", ""),
        ("bytes=-10", 206, "bytes 0-9/10", "0123456789"),
        ("bytes=-11", 416, "bytes */10", ""),
        ("bytes=0-1,4-5", 200, "", "0123456789"),
        ("nonsense", 200, "", "0123456789"),
    ] {
        let got = rig.bare("GET", &source).header("range", range).send().await;
        assert_eq!(got.status, status, "{range}");
        assert_eq!(got.header("content-range"), told, "{range}");
        assert_eq!(got.body, bytes, "{range}");
    }
}

#[tokio::test]
async fn an_empty_file_has_no_range() {
    let rig = Rig::new().await;
    let (_, source) = file(&rig, "").await;
    let got = rig.bare("GET", &source).header("range", "bytes=0-").send().await;
    assert_eq!((got.status, got.header("content-range")), (416, "bytes */0"));
    let got = rig.bare("GET", &source).send().await;
    assert_eq!((got.status, got.header("content-length")), (200, "0"));
}

#[tokio::test]
async fn heads_and_conditional_ranges_have_the_documented_status() {
    let rig = Rig::new().await;
    let (_, source) = file(&rig, "0123456789").await;
    let head = rig.bare("HEAD", &source).send().await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "10", 0));
    let etag = head.header("etag");
    let date = head.header("last-modified");
    for (condition, status) in [(etag, 206), (date, 206), ("\"other\"", 200)] {
        let got =
            rig.bare("GET", &source).header("range", "bytes=1-2").header("if-range", condition);
        assert_eq!(got.send().await.status, status, "{condition}");
    }
    for (condition, status) in [(etag, 304), ("*", 304), ("\"other\"", 200)] {
        let got = rig.bare("GET", &source).header("if-none-match", condition).send().await;
        assert_eq!(got.status, status, "{condition}");
    }
    let put = rig.bare("PUT", &source).body("x").send().await;
    refused!(put, 405, "request_method_invalid");
}

#[tokio::test]
async fn a_large_file_is_downloaded_whole_and_in_parts() {
    let rig = Rig::new().await;
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|at| (at ^ (at >> 8)) as u8).collect();
    let file = rig.file("me/skydrive", "large", bytes.clone()).await;
    assert!(rig.content(file["id"].as_str().expect("an id")).await == bytes);
    let source = file["source"].as_str().expect("a download URL");
    let got = rig.bare("GET", source).header("range", "bytes=999999-4000001").send().await;
    assert!(got.body == bytes[999_999..4_000_002]);
}

#[tokio::test]
async fn a_download_url_expires() {
    let rig = Rig::with(|builder| builder.download_url_life(Duration::ZERO)).await;
    let (_, source) = file(&rig, "x").await;
    let got = rig.bare("GET", &source).send().await;
    refused!(got, 401, "request_token_expired");
    assert!(got.header("www-authenticate").contains("error=\"expired_token\""));
}

#[tokio::test]
async fn a_modified_download_url_is_refused() {
    let rig = Rig::new().await;
    let (_, source) = file(&rig, "x").await;
    let (start, end) = source.split_at(source.find("/s1p").expect("a download URL") + 10);
    let first = if end.starts_with('A') { "B" } else { "A" };
    let got = rig.bare("GET", &format!("{start}{first}{}", &end[1..])).send().await;
    refused!(got, 401, "request_token_invalid");
}

#[tokio::test]
async fn a_download_url_is_invalid_after_the_content_changed() {
    let rig = Rig::new().await;
    let (id, source) = file(&rig, "one").await;
    let moved = serde_json::json!({ "name": "renamed" });
    rig.live("PUT", &format!("/{id}")).json(&moved).send().await;
    assert_eq!(rig.bare("GET", &source).send().await.body, "one");
    rig.live("PUT", &format!("/{id}/content")).body("two").send().await;
    refused!(rig.bare("GET", &source).send().await, 404, "resource_not_found");
    let source = rig.object(&id).await["source"].as_str().expect("a download URL").to_owned();
    assert_eq!(rig.bare("GET", &source).send().await.body, "two");
    rig.live("DELETE", &format!("/{id}")).send().await;
    refused!(rig.bare("GET", &source).send().await, 404, "resource_not_found");
}

#[tokio::test]
async fn uploaded_pages_do_not_run_in_the_servers_origin() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a.html", "<script>alert(1)</script>").await;
    let got = rig.bare("GET", file["source"].as_str().expect("a download URL")).send().await;
    assert_eq!(got.header("content-security-policy"), "sandbox");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
}
