//! Upload sessions: fragments, resuming, conflicts, completion.

use std::time::Duration;

use drivedal_server::{AccountKind, RequestRecord};
use drivedal_test_support::http::connect;
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, TestRequest, id, names};

const UNIT: usize = 320 * 1024;

/// Creates a session for a path, and returns its URL.
async fn open(drive: &Drive<'_>, path: &str, item: Value) -> String {
    let path = format!("/me/drive/root:/{path}:/createUploadSession");
    let session = drive.request("POST", &path).json(json!({"item": item})).ok().await;
    assert_eq!(session.status, 200);
    let session = session.json();
    assert_eq!(session["nextExpectedRanges"], json!(["0-"]));
    assert!(session["expirationDateTime"].is_string());
    session["uploadUrl"].as_str().expect("a URL").to_owned()
}

/// Returns the request for a fragment. It has no token.
fn fragment(cloud: &GraphServer, url: &str, bytes: &[u8], at: usize, length: usize) -> TestRequest {
    let end = at + length;
    let range = format!("bytes {at}-{}/{}", end - 1, bytes.len());
    cloud.send("PUT", url).header("content-range", &range).body(&bytes[at..end])
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| b'a' + (i % 23) as u8).collect()
}

#[tokio::test]
async fn fragments_in_order_make_a_file_with_its_time() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        let content = bytes(2 * UNIT + 7);
        let info = json!({"fileSystemInfo": {"lastModifiedDateTime": "2019-03-04T05:06:07Z"}});
        let url = open(&drive, "new/folder/f.bin", info).await;
        assert!(url.contains('?'), "an upload URL has a query of its own: {url}");
        for (at, next) in [(0, "327680-655366"), (UNIT, "655360-655366")] {
            let response = fragment(&cloud, &url, &content, at, UNIT).await;
            assert_eq!(response.status, 202);
            assert_eq!(response.json()["nextExpectedRanges"], json!([next]));
            let status = cloud.send("GET", &url).ok().await;
            assert_eq!(status.json()["nextExpectedRanges"], json!([next]));
        }
        let last = fragment(&cloud, &url, &content, 2 * UNIT, 7).await;
        assert_eq!(last.status, 201);
        let item = last.json();
        assert_eq!(item["size"], content.len());
        assert_eq!(item["parentReference"]["path"], "/drive/root:/new/folder");
        assert_eq!(item["fileSystemInfo"]["lastModifiedDateTime"], "2019-03-04T05:06:07Z");
        assert_eq!(drive.read("new/folder/f.bin").await.into_bytes(), content);
        let put = drive.put("same", std::str::from_utf8(&content).unwrap()).await;
        assert_eq!(item["file"]["hashes"], put["file"]["hashes"], "hashes of the whole");
        cloud.send("GET", &url).refused(404, "itemNotFound").await;
    }
}

#[tokio::test]
async fn a_session_replaces_a_file_by_default() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let old = drive.put("f.txt", "old").await;
    let content = bytes(5);
    let url = open(&drive, "f.txt", json!({})).await;
    let response = fragment(&cloud, &url, &content, 0, 5).await;
    assert_eq!((response.status, id(&response.json())), (200, id(&old)));
    let item = response.json();
    assert!(item["fileSystemInfo"]["lastModifiedDateTime"].as_str().unwrap() > "2025");
    let url = open(&drive, "f.txt", json!({"@name.conflictBehavior": "rename"})).await;
    let response = fragment(&cloud, &url, &content, 0, 5).await;
    assert_eq!((response.status, &response.json()["name"]), (201, &"f 1.txt".into()));
    let failing = json!({"item": {"@microsoft.graph.conflictBehavior": "fail"}});
    let create = drive.request("POST", "/me/drive/root:/f.txt:/createUploadSession").json(failing);
    create.refused(409, "nameAlreadyExists").await;
    let by_id = format!("/me/drive/items/{}/createUploadSession", id(&old));
    let session = drive.request("POST", &by_id).ok().await.json();
    let url = session["uploadUrl"].as_str().unwrap();
    assert_eq!(fragment(&cloud, url, &content, 0, 5).await.status, 200);
    drive.mkdir("folder").await;
    let onto_folder = drive.request("POST", "/me/drive/root:/folder:/createUploadSession");
    onto_folder.json(json!({})).refused(409, "nameAlreadyExists").await;
}

/// onedrive-graph#session-members-beside-item
#[tokio::test]
async fn members_of_the_item_are_accepted_beside_it_and_others_are_not() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let create = || drive.request("POST", "/me/drive/root:/f.txt:/createUploadSession");
    create().json(json!({"item": {}, "deferCommit": false, "name": "f.txt"})).ok().await;
    let times = json!({"@odata.type": "microsoft.graph.fileSystemInfo"});
    let flat = json!({"@microsoft.graph.conflictBehavior": "rename", "fileSystemInfo": times, "name": "f.txt"});
    create().json(flat).ok().await;
    create().json(json!({"item": {}, "size": 5})).refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn a_fragment_at_the_wrong_offset_is_refused() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let content = bytes(3 * UNIT);
    let url = open(&drive, "f", json!({})).await;
    fragment(&cloud, &url, &content, 0, UNIT).ok().await;
    for (at, inner) in [(0, "fragmentOverlap"), (2 * UNIT, "fragmentOutOfOrder")] {
        let refusal = fragment(&cloud, &url, &content, at, UNIT).refused(416, "invalidRange").await;
        assert_eq!(refusal["error"]["innerError"]["code"], inner);
    }
    let other_total = cloud.send("PUT", &url).header("content-range", "bytes 327680-327689/327690");
    other_total.body(bytes(10)).refused(400, "invalidRequest").await;
    let wrong_length =
        cloud.send("PUT", &url).header("content-range", "bytes 327680-327689/983040");
    wrong_length.body(bytes(11)).refused(400, "invalidRequest").await;
    cloud.send("PUT", &url).body(bytes(10)).refused(400, "invalidRequest").await;
    let status = cloud.send("GET", &url).ok().await.json();
    assert_eq!(status["nextExpectedRanges"], json!(["327680-983039"]));
    // The cloud recommends multiples of the unit, but accepts other sizes.
    assert_eq!(fragment(&cloud, &url, &content, UNIT, UNIT + 1).await.status, 202);
    fragment(&cloud, &url, &content, 2 * UNIT + 1, UNIT - 1).ok().await;
    assert_eq!(drive.read("f").await.into_bytes(), content);
}

#[tokio::test]
async fn a_cancelled_or_expired_session_is_not_found() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let url = open(&drive, "f", json!({})).await;
    assert_eq!(cloud.send("DELETE", &url).await.status, 204);
    for method in ["GET", "DELETE"] {
        cloud.send(method, &url).refused(404, "itemNotFound").await;
    }
    fragment(&cloud, &url, b"x", 0, 1).refused(404, "itemNotFound").await;
    assert!(names(&drive.get("/me/drive/root/children").await).is_empty());
    let cloud = GraphServer::with(|builder| builder.session_life(Duration::ZERO)).await;
    let url = open(&cloud.drive(), "f", json!({})).await;
    cloud.send("GET", &url).refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn a_session_lives_on_with_every_fragment() {
    let cloud = GraphServer::new().await;
    let content = bytes(2 * UNIT);
    let url = open(&cloud.drive(), "f", json!({})).await;
    // Not compared as text: the number of decimals varies.
    let expires = |response: Value| {
        let time = response["expirationDateTime"].as_str().unwrap();
        time.parse::<jiff::Timestamp>().unwrap()
    };
    let before = expires(cloud.send("GET", &url).ok().await.json());
    let after = expires(fragment(&cloud, &url, &content, 0, UNIT).ok().await.json());
    assert!(after > before, "{after} {before}");
}

#[tokio::test]
async fn a_deferred_session_waits_for_its_commit() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let create = drive.request("POST", "/me/drive/root:/f:/createUploadSession");
    let session = create.json(json!({"item": {}, "deferCommit": true})).ok().await.json();
    let url = session["uploadUrl"].as_str().unwrap();
    cloud.send("POST", url).refused(400, "invalidRequest").await;
    let response = fragment(&cloud, url, b"hello", 0, 5).await;
    assert_eq!(response.status, 202);
    assert_eq!(response.json()["nextExpectedRanges"], json!([]));
    drive.request("GET", "/me/drive/root:/f").refused(404, "itemNotFound").await;
    assert_eq!(cloud.send("POST", url).await.status, 201);
    assert_eq!(drive.read("f").await, "hello");
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_keeps_the_bytes_for_another() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let url = open(&drive, "f", json!({"@microsoft.graph.conflictBehavior": "fail"})).await;
    drive.put("f", "first").await;
    fragment(&cloud, &url, b"second", 0, 6).refused(409, "nameAlreadyExists").await;
    let status = cloud.send("GET", &url).ok().await.json();
    assert_eq!(status["nextExpectedRanges"], json!([]));
    let body = json!({
        "name": "f",
        "@microsoft.graph.conflictBehavior": "rename",
        "@microsoft.graph.sourceUrl": url,
    });
    let item = drive.request("PUT", "/me/drive/root:/f").json(body).await;
    assert_eq!((item.status, &item.json()["name"]), (201, &"f 1".into()));
    assert_eq!(drive.read("f").await, "first");
    assert_eq!(drive.read("f 1").await, "second");
    cloud.send("GET", &url).refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn a_session_may_insist_on_a_version_to_its_end() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("f", "one").await;
    let etag = file["eTag"].as_str().unwrap();
    let create = |header: &str, tag: &str| {
        drive
            .request("POST", "/me/drive/root:/f:/createUploadSession")
            .header(header, tag)
            .json(json!({}))
    };
    create("if-match", "\"{nothing},1\"").refused(412, "resourceModified").await;
    create("if-none-match", etag).refused(412, "resourceModified").await;
    create("if-none-match", "*").refused(412, "resourceModified").await;
    let session = create("if-match", etag).ok().await.json();
    let url = session["uploadUrl"].as_str().unwrap();
    drive.put("f", "two").await;
    fragment(&cloud, url, b"three", 0, 5).refused(412, "resourceModified").await;
    assert_eq!(drive.read("f").await, "two");
}

#[tokio::test]
async fn a_file_that_has_no_room_gets_no_session() {
    let cloud = GraphServer::with(|builder| builder.quota(1000)).await;
    let drive = cloud.drive();
    drive.put("old", &"o".repeat(600)).await;
    let create = |path: &str, size: u64| {
        let path = format!("/me/drive/root:/{path}:/createUploadSession");
        drive.request("POST", &path).json(json!({"item": {"fileSize": size}}))
    };
    create("new", 401).refused(507, "quotaLimitReached").await;
    create("new", 400).ok().await;
    create("old", 1000).ok().await;
    create("new", 0).refused(400, "invalidRequest").await;
    create("new", 251_000_000_000).refused(413, "invalidRequest").await;
    let url = open(&drive, "new", json!({})).await;
    fragment(&cloud, &url, &bytes(500), 0, 500).refused(507, "quotaLimitReached").await;
}

#[tokio::test]
async fn the_name_in_the_body_is_the_one_in_the_url() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let create = |name: &str| {
        let body = json!({"item": {"name": name}});
        drive.request("POST", "/me/drive/root:/a/f.txt:/createUploadSession").json(body)
    };
    create("g.txt").refused(400, "invalidRequest").await;
    create("f.txt").ok().await;
    let bad = drive.request("POST", "/me/drive/root:/a%2A:/createUploadSession");
    bad.refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn a_session_belongs_to_its_account_in_log_and_counters() {
    let cloud = GraphServer::new().await;
    let drive = cloud.named("anna");
    let url = open(&drive, "f", json!({})).await;
    fragment(&cloud, &url, b"x", 0, 1).ok().await;
    let counters = cloud.server.control().counters();
    assert_eq!(counters.count("graph.session.create"), 1);
    assert_eq!(counters.count("graph.session.fragment"), 1);
    let requests = cloud.server.control().requests();
    let logged = requests.iter().find(|one| one.operation == "graph.session.fragment").unwrap();
    assert_eq!(logged.drive.as_deref(), Some("anna"));
    let secret = url.split("tempauth=").nth(1).unwrap().split('&').next().unwrap();
    assert!(!logged.path.contains(secret), "the log keeps no upload URL: {}", logged.path);
}

#[tokio::test]
async fn the_bytes_of_a_fragment_that_broke_off_are_dropped() {
    use tokio::io::AsyncWriteExt;

    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let content = bytes(UNIT + 7);
    let url = open(&drive, "f", json!({})).await;
    fragment(&cloud, &url, &content, 0, UNIT).ok().await;
    let address = cloud.server.address().expect("a port");
    let mut connection = connect(address).await;
    let path = url.split(&address.to_string()).nth(1).unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 7\r\n\
         Content-Range: bytes {UNIT}-{}/{}\r\n\r\nabc",
        UNIT + 6,
        UNIT + 7
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    // The server logs the request when it has noticed the end of the connection.
    let is_put = |one: &RequestRecord| one.method == "PUT";
    let noticed = async {
        while cloud.server.control().requests().iter().filter(|one| is_put(one)).count() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noticed).await.expect("it is noticed");
    let status = cloud.send("GET", &url).ok().await.json();
    assert_eq!(status["nextExpectedRanges"], json!([format!("{UNIT}-{}", UNIT + 6)]));
    fragment(&cloud, &url, &content, UNIT, 7).ok().await;
    assert_eq!(drive.read("f").await.into_bytes(), content);
}

#[tokio::test]
async fn a_session_and_a_feed_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = GraphServer::with(|builder| {
        builder.data(folder.path()).durability(drivedal_server::Durability::Relaxed)
    })
    .await;
    let drive = cloud.drive();
    drive.put("old", "x").await;
    let delta = drive.get("/me/drive/root/delta?token=latest").await;
    let content = bytes(UNIT + 7);
    let url = open(&drive, "f", json!({})).await;
    fragment(&cloud, &url, &content, 0, UNIT).ok().await;
    let before = cloud.server.url().to_string();
    cloud.stop().await;

    let cloud = GraphServer::with(|builder| {
        builder.data(folder.path()).durability(drivedal_server::Durability::Relaxed)
    })
    .await;
    let here = |url: &str| url.replace(&before, cloud.server.url().as_str());
    fragment(&cloud, &here(&url), &content, UNIT, 7).ok().await;
    let drive = cloud.drive();
    assert_eq!(drive.read("f").await.into_bytes(), content);
    let feed = drive.get(&here(delta["@odata.deltaLink"].as_str().unwrap())).await;
    assert_eq!(names(&feed), ["root", "f"]);
}

#[tokio::test]
async fn a_name_that_a_folder_took_during_a_session_keeps_the_bytes() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        let content = bytes(UNIT + 5);
        let url = open(&drive, "f.bin", json!({})).await;
        assert_eq!(fragment(&cloud, &url, &content, 0, UNIT).await.status, 202);
        let folder = drive.mkdir("f.bin").await;
        fragment(&cloud, &url, &content, UNIT, 5).refused(409, "nameAlreadyExists").await;
        let status = cloud.send("GET", &url).ok().await.json();
        assert_eq!(status["nextExpectedRanges"], json!([]), "the bytes are kept");
        cloud
            .send("POST", &url)
            .header("content-length", "0")
            .refused(409, "nameAlreadyExists")
            .await;
        // Under another name, chosen by the cloud.
        let body = json!({
            "name": "f.bin",
            "@microsoft.graph.conflictBehavior": "rename",
            "@microsoft.graph.sourceUrl": url,
        });
        let made = drive.request("PUT", "/me/drive/root:/f.bin").json(body).ok().await;
        assert_eq!((made.status, &made.json()["name"]), (201, &json!("f 1.bin")));
        assert_eq!(drive.read("f 1.bin").await.into_bytes(), content);
        assert_eq!(id(&drive.get("/me/drive/root:/f.bin").await), id(&folder));

        // In the same way, after the name is free again.
        let url = open(&drive, "g.bin", json!({})).await;
        fragment(&cloud, &url, &content, 0, UNIT).ok().await;
        let folder = drive.mkdir("g.bin").await;
        fragment(&cloud, &url, &content, UNIT, 5).refused(409, "nameAlreadyExists").await;
        let rename = drive.request("PATCH", &format!("/me/drive/items/{}", id(&folder)));
        rename.json(json!({"name": "other"})).ok().await;
        assert_eq!(cloud.send("POST", &url).header("content-length", "0").ok().await.status, 201);
        assert_eq!(drive.read("g.bin").await.into_bytes(), content);
    }
}

#[tokio::test]
async fn a_session_declares_the_source_of_its_file() {
    let cloud = GraphServer::new().await;
    let item = json!({
        "driveItemSource": {"application": "teams", "externalId": "id-1"},
        "mediaSource": {"contentCategory": "meeting"},
    });
    for (kind, is_stored) in [(AccountKind::Business, true), (AccountKind::Personal, false)] {
        let drive = cloud.of(kind);
        let url = open(&drive, "f.bin", item.clone()).await;
        fragment(&cloud, &url, b"abc", 0, 3).await.json_with_status(201);
        let in_v1 = drive.get("/me/drive/root:/f.bin").await;
        assert_eq!((&in_v1["source"], &in_v1["media"]), (&Value::Null, &Value::Null));
        let in_beta = cloud.of(kind).at("/beta").get("/me/drive/root:/f.bin").await;
        let expected = if is_stored { item.clone() } else { json!({}) };
        assert_eq!(in_beta["source"], expected["driveItemSource"], "{kind}");
        assert_eq!(in_beta["media"]["mediaSource"], expected["mediaSource"], "{kind}");
    }
    let drive = cloud.of(AccountKind::Business);
    let wrong = json!({"item": {"driveItemSource": {"application": 1}}});
    let path = "/me/drive/root:/g.bin:/createUploadSession";
    drive.request("POST", path).json(wrong).refused(400, "BadRequest").await;
}
