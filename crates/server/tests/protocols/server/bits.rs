//! Uploads of large files with BITS.

use std::time::Duration;

use bytes::Bytes;
use drivedal_server::{Fault, Server};

use crate::server::rig::{Rig, TestRequest, TestResponse, client};

const GUID: &str = "{7df0354d-249b-430f-820d-3d2a9bef4931}";

const NOT_FOUND: &str = "0x8020001F";
const DENIED: &str = "0x80070005";
const INVALID: &str = "0x80070057";
const TOO_LARGE: &str = "0x80200020";
pub const FULL: &str = "0x80070112";

fn packet(rig: &Rig, path: &str, kind: &str) -> TestRequest {
    rig.bare("POST", path)
        .header("x-http-method-override", "BITS_POST")
        .header("bits-packet-type", kind)
}

fn signed(rig: &Rig, path: &str, kind: &str) -> TestRequest {
    packet(rig, path, kind).header("authorization", &format!("Bearer {}", rig.token))
}

/// Returns the account's id, and the path of a file in its root folder.
pub async fn in_root(rig: &Rig, name: &str) -> (String, String) {
    let root = rig.object("me/skydrive").await["id"].as_str().expect("an id").to_owned();
    let cid = root.strip_prefix("folder.").expect("a folder").to_owned();
    let path = format!("/users/0x{cid}/LiveFolders/{name}");
    (cid, path)
}

async fn create(rig: &Rig, path: &str) -> TestResponse {
    signed(rig, path, "Create-Session").header("bits-supported-protocols", GUID).send().await
}

/// Creates a BITS session, and returns its id.
pub async fn opened(rig: &Rig, path: &str) -> String {
    let reply = create(rig, path).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.header("bits-session-id").to_owned()
}

pub fn fragment(rig: &Rig, path: &str, session: &str, range: &str) -> TestRequest {
    packet(rig, path, "Fragment")
        .header("bits-session-id", session)
        .header("content-range", &format!("bytes {range}"))
}

async fn send(
    rig: &Rig,
    path: &str,
    session: &str,
    range: &str,
    bytes: &'static str,
) -> TestResponse {
    fragment(rig, path, session, range).body(bytes).send().await
}

pub async fn close(rig: &Rig, path: &str, session: &str) -> TestResponse {
    signed(rig, path, "Close-Session").header("bits-session-id", session).send().await
}

/// Asserts status and code of an error response, which has no body.
#[track_caller]
pub fn refused(reply: &TestResponse, status: u16, code: &str) {
    assert_eq!((reply.status, reply.header("bits-error")), (status, code), "{reply:?}");
    assert_eq!(reply.header("bits-error-context"), if code.is_empty() { "" } else { "0x5" });
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn a_file_is_uploaded_in_fragments_by_folder_id_or_path() {
    let rig = Rig::new().await;
    let (cid, root) = in_root(&rig, "a%20%23b%25.txt").await;
    let folder = rig.folder("me/skydrive", "Music").await["id"].as_str().expect("id").to_owned();
    let resource = folder.split('.').nth(2).expect("a resource id");
    let by_id = format!("/items/{resource}/a%20%23b%25.txt");
    let by_path = format!("/users/0x{cid}/LiveFolders/music/c.txt");
    for (path, name) in [(&root, "a #b%.txt"), (&by_id, "a #b%.txt"), (&by_path, "c.txt")] {
        let made = create(&rig, path).await;
        assert_eq!((made.status, made.header("bits-packet-type")), (201, "Ack"));
        assert_eq!((made.header("bits-protocol"), made.header("content-length")), (GUID, "0"));
        let session = made.header("bits-session-id").to_owned();
        let first = send(&rig, path, &session, "0-3/10", "0123").await;
        assert_eq!((first.status, first.header("bits-session-id")), (200, &*session));
        assert_eq!(first.header("bits-received-content-range"), "4");
        // Chunked and with the token in the query, like the old client.
        let query = format!("{path}?access_token={}", rig.token);
        let chunks = ["45", "6789"].map(Bytes::from);
        let last = fragment(&rig, &query, &session, "4-9/10").chunks(chunks).send().await;
        assert_eq!((last.status, last.header("bits-received-content-range")), (200, "10"));
        let closed = close(&rig, path, &session).await;
        assert_eq!((closed.status, closed.header("bits-packet-type")), (201, "Ack"));
        let id = format!("file.{cid}.{}", closed.header("x-resource-id"));
        let object = rig.object(&id).await;
        assert_eq!((object["name"].as_str(), object["size"].as_u64()), (Some(name), Some(10)));
        assert_eq!(rig.content(&id).await, "0123456789");
        // The session has ended.
        refused(&close(&rig, path, &session).await, 500, NOT_FOUND);
    }
}

#[tokio::test]
async fn a_video_uploaded_in_fragments_has_its_metadata() {
    let rig = Rig::new().await;
    let (cid, path) = in_root(&rig, "a.mp4").await;
    let session = opened(&rig, &path).await;
    let film = Bytes::from(crate::server::media::film());
    let (total, half) = (film.len(), 20_000);
    for range in [0..half, half..total] {
        let told = format!("{}-{}/{total}", range.start, range.end - 1);
        let sent = fragment(&rig, &path, &session, &told).body(film.slice(range)).send().await;
        assert_eq!(sent.status, 200, "{sent:?}");
    }
    let closed = close(&rig, &path, &session).await;
    let object = rig.object(&format!("file.{cid}.{}", closed.header("x-resource-id"))).await;
    let told = ["type", "width", "duration"].map(|name| object[name].to_string());
    assert_eq!(told, ["\"video\"", "640", "12500"]);
}

#[tokio::test]
async fn a_session_without_fragments_makes_nothing_and_a_file_of_the_name_is_replaced() {
    let rig = Rig::new().await;
    let (cid, path) = in_root(&rig, "file").await;
    let session = opened(&rig, &path).await;
    let refusal = close(&rig, &path, &session).await;
    refused(&refusal, 416, "0x0");
    assert_eq!(refusal.header("bits-received-content-range"), "0");
    assert!(rig.names("me/skydrive", "").await.is_empty());
    // The session continues.
    send(&rig, &path, &session, "0-2/3", "old").await;
    let made = close(&rig, &path, &session).await;
    assert_eq!(made.status, 201);
    let id = format!("file.{cid}.{}", made.header("x-resource-id"));
    let session = opened(&rig, &path).await;
    send(&rig, &path, &session, "0-2/3", "new").await;
    let replaced = close(&rig, &path, &session).await;
    assert_eq!(replaced.status, 200);
    assert_eq!(replaced.header("x-resource-id"), made.header("x-resource-id"));
    assert_eq!(rig.content(&id).await, "new");
    assert_eq!(rig.names("me/skydrive", "").await, ["file"]);
}

#[tokio::test]
async fn a_fragment_at_the_wrong_offset_gets_the_right_one() {
    let rig = Rig::new().await;
    let (_, path) = in_root(&rig, "file").await;
    let session = opened(&rig, &path).await;
    let early = send(&rig, &path, &session, "4-9/10", "456789").await;
    refused(&early, 416, "0x0");
    assert_eq!(early.header("bits-received-content-range"), "0");
    send(&rig, &path, &session, "0-3/10", "0123").await;
    for (range, bytes) in [("0-3/10", "0123"), ("2-5/10", "2345"), ("6-9/10", "6789")] {
        let reply = send(&rig, &path, &session, range, bytes).await;
        refused(&reply, 416, "0x0");
        assert_eq!(reply.header("bits-received-content-range"), "4", "{range}");
    }
    assert_eq!(send(&rig, &path, &session, "4-9/10", "456789").await.status, 200);
}

#[tokio::test]
async fn an_invalid_packet_is_an_invalid_argument() {
    let rig = Rig::new().await;
    let (cid, path) = in_root(&rig, "file").await;
    rig.folder("me/skydrive", "folder").await;
    let no_guid = signed(&rig, &path, "Create-Session").send().await;
    refused(&no_guid, 400, INVALID);
    let other = signed(&rig, &path, "Create-Session")
        .header("bits-supported-protocols", "{00000000-249b-430f-820d-3d2a9bef4931}");
    refused(&other.send().await, 400, INVALID);
    let both = signed(&rig, &path, "create-session").header(
        "bits-supported-protocols",
        "{00000000-249b-430f-820d-3d2a9bef4931} {7DF0354D-249B-430F-820D-3D2A9BEF4931}",
    );
    assert_eq!(both.send().await.status, 201);
    for name in ["folder", "a%2Fb", "a%3Ab", "CON"] {
        let path = format!("/users/0x{cid}/LiveFolders/{name}");
        refused(&create(&rig, &path).await, 400, INVALID);
    }
    let missing = format!("/users/0x{cid}/LiveFolders/nowhere/file");
    refused(&create(&rig, &missing).await, 404, "0x80070003");
    refused(&signed(&rig, &path, "Upload").send().await, 400, INVALID);
    let plain = rig.bare("POST", &path).header("bits-packet-type", "Ping").send().await;
    assert_eq!(plain.status, 405);

    let session = opened(&rig, &path).await;
    let unranged = packet(&rig, &path, "Fragment").header("bits-session-id", &session);
    refused(&unranged.body("0123").send().await, 400, INVALID);
    for range in ["3-0/10", "0-3", "0-10/10", "0-4/10", "0-2/10"] {
        refused(&send(&rig, &path, &session, range, "0123").await, 400, INVALID);
    }
    for text in ["012", "01234"] {
        let chunks = [Bytes::from_static(text.as_bytes())];
        let reply = fragment(&rig, &path, &session, "0-3/10").chunks(chunks).send().await;
        refused(&reply, 400, INVALID);
    }
    // None of the fragments was stored.
    assert_eq!(send(&rig, &path, &session, "0-3/10", "0123").await.status, 200);
    refused(&send(&rig, &path, &session, "4-7/11", "4567").await, 400, INVALID);
}

#[tokio::test]
async fn a_session_closed_too_early_or_cancelled_leaves_nothing() {
    let rig = Rig::new().await;
    let (_, path) = in_root(&rig, "file").await;
    let session = opened(&rig, &path).await;
    send(&rig, &path, &session, "0-3/10", "0123").await;
    refused(&close(&rig, &path, &session).await, 400, INVALID);
    refused(&send(&rig, &path, &session, "4-9/10", "456789").await, 500, NOT_FOUND);
    let session = opened(&rig, &path).await;
    let cancel = || packet(&rig, &path, "Cancel-Session").header("bits-session-id", &session);
    let cancelled = cancel().send().await;
    assert_eq!((cancelled.status, cancelled.header("bits-packet-type")), (200, "Ack"));
    refused(&cancel().send().await, 500, NOT_FOUND);
    assert!(rig.names("me/skydrive", "").await.is_empty());
    assert_eq!(packet(&rig, &path, "Ping").send().await.status, 200);
}

#[tokio::test]
async fn a_session_is_its_accounts_own() {
    let rig = Rig::new().await;
    let (_, path) = in_root(&rig, "file").await;
    let session = opened(&rig, &path).await;
    let others = Rig { token: "drivedal-dev-other", ..Rig { http: client(), ..rig } };
    refused(&create(&others, &path).await, 403, DENIED);
    for kind in ["Fragment", "Close-Session", "Cancel-Session"] {
        let reply = signed(&others, &path, kind)
            .header("bits-session-id", &session)
            .header("content-range", "bytes 0-0/1")
            .body("0")
            .send()
            .await;
        refused(&reply, 500, NOT_FOUND);
        assert_eq!(reply.header("x-clienterrorcode"), "UploadSessionNotFound");
    }
    let wrong = packet(&others, &path, "Fragment").header("authorization", "Bearer nonsense");
    let wrong = wrong.header("bits-session-id", &session).send().await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.header("www-authenticate").contains("invalid_token"));
    for kind in ["Create-Session", "Close-Session"] {
        let nobody = packet(&others, &path, kind).header("bits-session-id", &session);
        assert_eq!(nobody.send().await.status, 401);
    }
    let mine = Rig { token: "drivedal-dev", ..others };
    send(&mine, &path, &session, "0-0/1", "0").await;
    assert_eq!(close(&mine, &path, &session).await.status, 201);
}

#[tokio::test]
async fn an_expired_token_at_close_is_reported_and_a_new_one_closes() {
    let rig = Rig::with(|builder| builder.token_life(Duration::ZERO)).await;
    let (_, path) = in_root(&rig, "file").await;
    let session = opened(&rig, &path).await;
    send(&rig, &path, &session, "0-0/1", "0").await;
    let form = "grant_type=refresh_token&client_id=c&refresh_token=drivedal-dev-refresh\
                &redirect_uri=https%3A%2F%2Flogin.live.com%2Foauth20_desktop.srf";
    let token = rig.bare("POST", "/oauth20_token.srf").form(form).send().await;
    let old = format!("Bearer {}", token.member("access_token"));
    let asked = packet(&rig, &path, "Close-Session").header("bits-session-id", &session);
    let reply = asked.header("authorization", &old).send().await;
    refused(&reply, 500, "");
    assert!(reply.header("www-authenticate").contains("expired_token"), "{reply:?}");
    assert_eq!(close(&rig, &path, &session).await.status, 201);
}

#[tokio::test]
async fn too_much_is_refused_by_fragment_by_file_and_by_drive() {
    let rig = Rig::with(|builder| builder.quota(1000)).await;
    let (_, path) = in_root(&rig, "file").await;
    let session = opened(&rig, &path).await;
    refused(&send(&rig, &path, &session, "0-3/1001", "0123").await, 500, FULL);
    refused(&send(&rig, &path, &session, "0-3/10737418241", "0123").await, 500, TOO_LARGE);
    let chunks = [Bytes::from_static(b"0123")];
    let large = fragment(&rig, &path, &session, "0-62914560/70000000").chunks(chunks);
    refused(&large.send().await, 413, "");
    assert_eq!(send(&rig, &path, &session, "0-3/1000", "0123").await.status, 200);
}

#[tokio::test]
async fn a_session_survives_a_restart_of_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = async || {
        Server::builder()
            .data(folder.path())
            .durability(drivedal_server::Durability::Relaxed)
            .start()
            .await
            .expect("a server")
    };
    let rig = Rig::of(start().await);
    let (cid, path) = in_root(&rig, "file").await;
    let session = opened(&rig, &path).await;
    send(&rig, &path, &session, "0-3/10", "0123").await;
    rig.server.stop().await;
    let rig = Rig::of(start().await);
    let again = send(&rig, &path, &session, "0-3/10", "0123").await;
    assert_eq!(again.header("bits-received-content-range"), "4");
    send(&rig, &path, &session, "4-9/10", "456789").await;
    let closed = close(&rig, &path, &session).await;
    let id = format!("file.{cid}.{}", closed.header("x-resource-id"));
    assert_eq!(rig.content(&id).await, "0123456789");
}

#[tokio::test]
async fn requests_are_named_for_faults_which_speak_as_the_host_does() {
    let rig = Rig::new().await;
    let (_, path) = in_root(&rig, "file").await;
    let lost = Fault::on("live.bits.fragment")
        .drive("")
        .times(1)
        .status(500)
        .header("BITS-Error", NOT_FOUND);
    rig.server.control().add_faults([lost]).expect("a rule");
    let session = opened(&rig, &path).await;
    // The request has no token: the path names the account.
    let reply = send(&rig, &path, &session, "0-0/1", "0").await;
    assert_eq!((reply.status, reply.header("bits-error")), (500, NOT_FOUND));
    rig.server.control().add_faults([Fault::on("live.bits.*").status(501)]).expect("a rule");
    refused(&close(&rig, &path, &session).await, 501, DENIED);
}
