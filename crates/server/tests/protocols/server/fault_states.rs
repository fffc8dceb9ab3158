//! Faults of the clouds' state: forgotten sessions and tokens, and changes that are not visible
//! yet.

use std::time::{Duration, Instant};

use drivedal_server::Fault;
use serde_json::json;

use crate::server::{
    refused,
    rig::{Rig, TestRequest, TestResponse},
};

#[tokio::test]
async fn a_token_is_too_old_in_the_words_of_each_protocol() {
    let rig = Rig::new().await;
    for (operation, request) in [
        ("live.user.get", rig.live("GET", "/me")),
        ("graph.drive.get", rig.graph("GET", "/me/drive")),
        ("amazon.account.quota", rig.amazon("GET", "/drive/v1/account/quota")),
    ] {
        rig.fault(Fault::on(operation).times(1).expire());
        let reply = request.send().await;
        assert_eq!(reply.status, 401, "{reply:?}");
        let text = String::from_utf8_lossy(&reply.body).to_ascii_lowercase();
        let challenge = reply.header("www-authenticate");
        assert!(text.contains("expired") || challenge.contains("expired_token"), "{reply:?}");
    }
    // The fault applied once.
    assert_eq!(rig.live("GET", "/me").send().await.status, 200);
    assert_eq!(rig.graph("GET", "/me/drive").send().await.status, 200);
    assert_eq!(rig.amazon("GET", "/drive/v1/account/quota").send().await.status, 200);
}

#[tokio::test]
async fn a_ticket_is_too_old() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a", "x").await;
    let by_live = file["source"].as_str().expect("a download URL").to_owned();
    let content = rig.graph("GET", "/me/drive/root:/a:/content").send().await;
    let by_graph = content.header("location").to_owned();
    for ticket in [by_live, by_graph] {
        rig.fault(Fault::on("ticket.get").times(1).expire());
        let reply = rig.bare("GET", &ticket).send().await;
        refused!(reply, 401, "request_token_expired");
        assert!(reply.header("www-authenticate").contains("expired_token"));
        assert_eq!(rig.bare("GET", &ticket).send().await.status, 200);
    }
}

fn packet(rig: &Rig, path: &str, kind: &str, session: &str) -> TestRequest {
    let guid = "{7df0354d-249b-430f-820d-3d2a9bef4931}";
    let request = rig
        .bare("POST", path)
        .header("authorization", &format!("Bearer {}", rig.token))
        .header("x-http-method-override", "BITS_POST")
        .header("bits-packet-type", kind)
        .header("bits-supported-protocols", guid);
    if session.is_empty() { request } else { request.header("bits-session-id", session) }
}

#[tokio::test]
async fn a_bits_session_is_lost_or_finds_its_token_too_old_at_close() {
    let rig = Rig::new().await;
    let root = rig.object("me/skydrive").await["id"].as_str().expect("an id").to_owned();
    let path = format!("/users/0x{}/LiveFolders/a", root.trim_start_matches("folder."));
    let open = async || {
        let made = packet(&rig, &path, "Create-Session", "").send().await;
        assert_eq!(made.status, 201, "{made:?}");
        made.header("bits-session-id").to_owned()
    };
    let send = async |session: &str, range: &str| -> TestResponse {
        let request = packet(&rig, &path, "Fragment", session).header("content-range", range);
        request.body("abc").send().await
    };
    let session = open().await;
    rig.fault(Fault::on("live.bits.fragment").skip(1).times(1).lose_session());
    assert_eq!(send(&session, "bytes 0-2/6").await.status, 200);
    for _ in 0..2 {
        let lost = send(&session, "bytes 3-5/6").await;
        assert_eq!((lost.status, lost.header("bits-error")), (500, "0x8020001F"));
    }
    let session = open().await;
    assert_eq!(send(&session, "bytes 0-2/3").await.status, 200);
    rig.fault(Fault::on("live.bits.close").times(1).expire());
    let close = packet(&rig, &path, "Close-Session", &session).send().await;
    assert_eq!(close.status, 500);
    assert!(close.header("www-authenticate").contains("expired"), "{close:?}");
    assert_eq!(packet(&rig, &path, "Close-Session", &session).send().await.status, 201);
}

#[tokio::test]
async fn a_graph_session_is_lost_with_its_bytes() {
    let rig = Rig::new().await;
    let path = "/me/drive/root:/a:/createUploadSession";
    let opened = rig.graph("POST", path).json(json!({})).send().await;
    let url = opened.member("uploadUrl");
    let send = async |range: &str, bytes: Vec<u8>| {
        rig.bare("PUT", &url).header("content-range", range).body(bytes).send().await
    };
    const UNIT: usize = 320 * 1024;
    rig.fault(Fault::on("graph.session.fragment").skip(1).times(1).lose_session());
    let range = format!("bytes 0-{}/{}", UNIT - 1, UNIT + 1);
    assert_eq!(send(&range, vec![7; UNIT]).await.status, 202);
    let range = format!("bytes {UNIT}-{UNIT}/{}", UNIT + 1);
    for _ in 0..2 {
        refused!(send(&range, vec![7]).await, 404, "itemNotFound");
    }
    refused!(rig.bare("GET", &url).send().await, 404, "itemNotFound");
    assert_eq!(rig.names("me/skydrive", "").await, [""; 0]);
}

/// How long a change is not visible.
const HIDDEN_FOR: Duration = Duration::from_millis(250);

/// Repeats a check until it succeeds, and returns the maximum time that this took.
async fn time_until(began: Instant, request: impl AsyncFn() -> bool) -> Duration {
    let visible = async {
        while !request().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), visible).await.expect("the item becomes visible");
    began.elapsed()
}

#[tokio::test]
async fn new_live_connect_items_are_visible_later_and_old_ones_at_once() {
    let rig = Rig::new().await;
    rig.file("me/skydrive", "old", "x").await;
    rig.fault(Fault::on("live.files.put").invisible(HIDDEN_FOR));
    let began = Instant::now();
    let put = rig.live("PUT", "/me/skydrive/files/new").body("new").send().await;
    assert_eq!(put.status, 201);
    let id = put.member("id");
    let over = rig.live("PUT", "/me/skydrive/files/old").body("newer").send().await;
    assert_eq!(over.status, 200);
    refused!(rig.live("GET", &format!("/{id}")).send().await, 404, "resource_not_found");
    assert_eq!(rig.names("me/skydrive", "").await, ["old"]);
    assert_eq!(rig.names("me/skydrive", "?offset=1&limit=1").await, [""; 0]);
    let took =
        time_until(began, async || rig.live("GET", &format!("/{id}")).send().await.status == 200);
    assert!(took.await >= HIDDEN_FOR);
    assert_eq!(rig.names("me/skydrive", "").await, ["new", "old"]);
    assert_eq!(rig.content(&id).await, "new");
}

#[tokio::test]
async fn new_graph_items_are_visible_later_except_in_the_feed() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("graph.c*").invisible(HIDDEN_FOR));
    let began = Instant::now();
    let put = rig.graph("PUT", "/me/drive/root:/a/b:/content").body("new").send().await;
    assert_eq!(put.status, 201, "{put:?}");
    refused!(rig.graph("GET", "/me/drive/root:/a/b").send().await, 404, "itemNotFound");
    let id = put.member("id");
    refused!(rig.graph("GET", &format!("/me/drive/items/{id}")).send().await, 404, "itemNotFound");
    let children = rig.graph("GET", "/me/drive/root/children").send().await.json();
    assert_eq!(children["value"], json!([]), "the folder that was made on the way too");
    let feed = rig.graph("GET", "/me/drive/root/delta").send().await.json();
    assert!(feed["value"].as_array().expect("a feed").iter().any(|item| item["name"] == "b"));
    let took = time_until(began, async || {
        rig.graph("GET", "/me/drive/root:/a/b").send().await.status == 200
    });
    assert!(took.await >= HIDDEN_FOR);
}

#[tokio::test]
async fn new_amazon_items_are_visible_later() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("amazon.content.upload").invisible(HIDDEN_FOR));
    let began = Instant::now();
    let put = rig.amazon_file("new", "new").await;
    assert_eq!(put.status, 201, "{put:?}");
    let path = format!("/drive/v1/nodes/{}", put.member("id"));
    let root = &put.json()["parents"][0];
    let children = format!("/drive/v1/nodes/{}/children", root.as_str().expect("an id"));
    assert_eq!(rig.amazon("GET", &path).send().await.status, 404);
    for list in ["/drive/v1/nodes?filters=kind:FILE", &children] {
        let listed = rig.amazon("GET", list).send().await.json();
        assert_eq!(listed["data"], json!([]), "{list}");
    }
    let took = time_until(began, async || rig.amazon("GET", &path).send().await.status == 200);
    assert!(took.await >= HIDDEN_FOR);
    for list in ["/drive/v1/nodes?filters=kind:FILE", &children] {
        let listed = rig.amazon("GET", list).send().await.json();
        assert_eq!(listed["data"][0]["name"], "new", "{list}");
    }
}

#[tokio::test]
async fn hashes_are_wrong_on_demand_and_bytes_are_right() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("graph.content.put").times(1).wrong_hash());
    let put = rig.graph("PUT", "/me/drive/root:/a:/content").body("new").send().await.json();
    let got = rig.graph("GET", "/me/drive/root:/a").send().await.json();
    assert_eq!((&put["id"], &put["size"]), (&got["id"], &got["size"]));
    for hash in ["quickXorHash", "sha1Hash"] {
        let (told, right) = (&put["file"]["hashes"][hash], &got["file"]["hashes"][hash]);
        let lengths = [told, right].map(|hash| hash.as_str().map(str::len));
        assert!(told != right && lengths[0] == lengths[1], "{hash}: {told} {right}");
    }
    rig.fault(Fault::on("amazon.content.upload").times(1).wrong_hash());
    let put = rig.amazon_file("b", "new").await;
    let got = rig.amazon("GET", &format!("/drive/v1/nodes/{}", put.member("id"))).send().await;
    let md5 = |reply: &TestResponse| reply.json()["contentProperties"]["md5"].clone();
    assert_eq!(md5(&got), "22af645d1859cb5ca6da0c484f1f37ea");
    assert_ne!(md5(&put), md5(&got));
    assert_eq!(md5(&put).as_str().map(str::len), Some(32));
}
