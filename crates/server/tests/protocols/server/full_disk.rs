//! A full disk: the next blobs of the data folder are links to a device that is always full.

use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::{Value, json};

use crate::server::{bits, refused, rig::Rig};

/// Size of a file that is not stored in its database row.
const LARGE: usize = 40_000;

/// Prepares a data folder so that the first blobs of the server's first run cannot be written.
fn fill(data: &Path) {
    let first = 1_i64 << 32;
    for number in first..first + 200 {
        let folder = data.join("blobs").join(format!("{:02x}", number & 0xff));
        fs::create_dir_all(&folder).expect("made");
        symlink("/dev/full", folder.join(format!("{number:016x}"))).expect("linked");
    }
}

/// Creates an upload session of Graph, and returns its URL.
async fn session(rig: &Rig, name: &str) -> String {
    let path = format!("/me/drive/root:/{name}:/createUploadSession");
    let made = rig.graph("POST", &path).json(json!({})).send().await;
    assert_eq!(made.status, 200, "{made:?}");
    made.member("uploadUrl")
}

async fn audit(rig: &Rig) -> Value {
    rig.bare("GET", "/_control/audit").send().await.json()
}

#[tokio::test]
async fn each_cloud_reports_a_full_drive_in_its_words_and_shows_no_part_of_the_file() {
    let data = tempfile::tempdir().expect("a folder");
    fill(data.path());
    let rig = Rig::with(|builder| {
        builder.data(data.path()).durability(drivedal_server::Durability::Relaxed)
    })
    .await;
    let large = "x".repeat(LARGE);
    let small = rig.file("me/skydrive", "small", "in its row").await;

    let full = (507, "quotaLimitReached".to_owned());
    let put = rig.graph("PUT", "/me/drive/root:/graph:/content").body(large.clone());
    assert_eq!(put.send().await.refusal(), full);
    let url = session(&rig, "session").await;
    let range = format!("bytes 0-{}/{LARGE}", LARGE - 1);
    let fragment = || rig.bare("PUT", &url).header("content-range", &range).body(large.clone());
    assert_eq!(fragment().send().await.refusal(), full);
    let left = rig.bare("GET", &url).send().await;
    assert_eq!(left.json()["nextExpectedRanges"], json!(["0-"]));

    let put = rig.live("PUT", "/me/skydrive/files/live").body(large.clone());
    refused!(put.send().await, 507, "resource_quota_exceeded");
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"form\"\r\n\r\n\
         {large}\r\n--b--\r\n"
    );
    let post = rig.live("POST", "/me/skydrive/files").body(form);
    let post = post.header("content-type", "multipart/form-data; boundary=b").send().await;
    refused!(post, 507, "resource_quota_exceeded");

    let (_, path) = bits::in_root(&rig, "bits").await;
    let bits_session = bits::opened(&rig, &path).await;
    let range = format!("0-{}/{LARGE}", LARGE - 1);
    let fragment = bits::fragment(&rig, &path, &bits_session, &range).body(large.clone());
    bits::refused(&fragment.send().await, 500, bits::FULL);

    let amazon = rig.amazon_file("amazon", &large).await;
    assert_eq!(
        (amazon.status, amazon.member("code")),
        (403, "NO_ACTIVE_SUBSCRIPTION_FOUND".into())
    );

    assert_eq!(rig.names("me/skydrive", "").await, ["small"]);
    assert_eq!(rig.content(small["id"].as_str().expect("an id")).await, "in its row");
    rig.server.stop().await;

    // The next run uses other blobs, which can be written. Uploads continue where they stopped.
    let rig = Rig::with(|builder| {
        builder.data(data.path()).durability(drivedal_server::Durability::Relaxed)
    })
    .await;
    let path_of =
        |url: &str| url.split('/').skip(3).fold(String::new(), |all, one| all + "/" + one);
    let range = format!("bytes 0-{}/{LARGE}", LARGE - 1);
    let fragment = rig.bare("PUT", &path_of(&url)).header("content-range", &range);
    assert_eq!(fragment.body(large.clone()).send().await.status, 201);
    let range = format!("0-{}/{LARGE}", LARGE - 1);
    let fragment = bits::fragment(&rig, &path, &bits_session, &range).body(large.clone());
    assert_eq!(fragment.send().await.status, 200);
    assert_eq!(bits::close(&rig, &path, &bits_session).await.status, 201);
    assert_eq!(rig.amazon_file("amazon", &large).await.status, 201);
    assert_eq!(rig.names("me/skydrive", "").await, ["amazon", "bits", "session", "small"]);
    // The second run began to remove the blobs that the first one could not remove.
    let cleared = async {
        while audit(&rig).await != json!({"blobs": 3, "orphans": 0, "missing": 0, "damaged": 0}) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), cleared).await.expect("in time");
    rig.server.stop().await;
}

#[tokio::test]
async fn a_failed_write_is_a_server_error_and_reads_still_work() {
    let data = tempfile::tempdir().expect("a folder");
    let rig = Rig::with(|builder| {
        builder.data(data.path()).durability(drivedal_server::Durability::Relaxed)
    })
    .await;
    let large = "x".repeat(LARGE);
    let small = rig.file("me/skydrive", "small", "in its row").await;
    let (_, path) = bits::in_root(&rig, "bits").await;
    let session = bits::opened(&rig, &path).await;
    // A folder cannot be created below a file.
    let blobs = data.path().join("blobs");
    fs::remove_dir_all(&blobs).expect("removed");
    fs::write(&blobs, "").expect("made");

    let put = || rig.graph("PUT", "/me/drive/root:/graph:/content").body(large.clone());
    assert_eq!(put().send().await.refusal(), (500, "generalException".into()));
    let live = rig.live("PUT", "/me/skydrive/files/live").body(large.clone());
    refused!(live.send().await, 500, "server_internal_error");
    let range = format!("0-{}/{LARGE}", LARGE - 1);
    let fragment = bits::fragment(&rig, &path, &session, &range).body(large.clone());
    bits::refused(&fragment.send().await, 500, "");
    let amazon = rig.amazon_file("amazon", &large).await;
    assert_eq!((amazon.status, amazon.member("message")), (500, "Internal failure".into()));
    assert_eq!(rig.names("me/skydrive", "").await, ["small"]);
    assert_eq!(rig.content(small["id"].as_str().expect("an id")).await, "in its row");

    fs::remove_file(&blobs).expect("removed");
    assert_eq!(put().send().await.status, 201);
    // Lost bytes result in a complete error response, not in a truncated one.
    fs::remove_dir_all(&blobs).expect("removed");
    let redirect = rig.graph("GET", "/me/drive/root:/graph:/content").send().await;
    let gone = rig.bare("GET", redirect.header("location")).send().await;
    refused!(gone, 500, "server_internal_error");
    assert_eq!(audit(&rig).await, json!({"blobs": 0, "orphans": 0, "missing": 1, "damaged": 0}));
    rig.server.stop().await;
}
