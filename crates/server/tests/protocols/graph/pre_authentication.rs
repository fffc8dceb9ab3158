//! A server without pre-authenticated URLs (onedrive-graph#pre-auth-retirement).

use drivedal_server::{AccountKind, CloudBehavior};
use serde_json::{Value, json};

use crate::graph::{
    harness::{GraphServer, TestResponse, id},
    media,
};

const GRAPH: &str = "Files.ReadWrite";
const SHAREPOINT: &str = "https://drivedal-my.sharepoint.com/AllSites.Write";

async fn retired() -> GraphServer {
    let behavior = CloudBehavior::default().without_pre_authenticated_urls();
    GraphServer::with(|builder| builder.behavior(behavior)).await
}

impl GraphServer {
    /// Sends a request without a token, with a token of Graph and with one of SharePoint, and
    /// returns the three statuses.
    async fn statuses(&self, account: &str, method: &str, url: &str) -> [u16; 3] {
        let graph = self.token_of(account, GRAPH).await;
        let sharepoint = self.token_of(account, SHAREPOINT).await;
        [
            self.send(method, url).await.status,
            self.send(method, url).token(&graph).await.status,
            self.send(method, url).token(&sharepoint).await.status,
        ]
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

#[tokio::test]
async fn content_is_on_the_host_of_graph_and_needs_its_token() {
    let cloud = retired().await;
    for kind in [AccountKind::Business, AccountKind::Library] {
        let drive = cloud.of(kind);
        let file = drive.put("a/f.txt", "0123456789").await;
        let url = text(&file, "@microsoft.graph.downloadUrl");
        let expected = format!("/items/{}/contentStream", id(&file));
        assert!(url.starts_with(&cloud.url("/v1.0/drives/")) && url.ends_with(&expected), "{url}");
        assert_eq!(cloud.statuses(&format!("test.{kind}"), "GET", url).await, [401, 200, 401]);
        let listed = drive.get("/me/drive/root:/a:/children").await;
        assert_eq!(listed["value"][0]["@microsoft.graph.downloadUrl"], url);
        let content = "/me/drive/root:/a/f.txt:/content";
        let whole = drive.request("GET", content).await;
        assert_eq!((whole.status, whole.text()), (200, "0123456789"));
        for path in [content, url] {
            let part = drive.request("GET", path).header("range", "bytes=2-4").await;
            assert_eq!((part.status, part.text()), (206, "234"), "{path}");
            let tag = text(&file, "eTag");
            assert_eq!(drive.request("GET", path).header("if-none-match", tag).await.status, 304);
            assert_eq!(drive.request("HEAD", path).await.header("content-length"), "10");
        }
        drive
            .request("GET", "/me/drive/root:/a:/contentStream")
            .refused(400, "invalidRequest")
            .await;
    }
}

#[tokio::test]
async fn personal_drives_and_the_drives_own_hosts_keep_their_urls() {
    let cloud = retired().await;
    for drive in [
        cloud.of(AccountKind::Personal),
        cloud.of(AccountKind::PersonalLegacy),
        cloud.of(AccountKind::Business).at("/_api/v2.0"),
    ] {
        drive.request("PUT", "/drive/root:/f:/content").body("x").ok().await;
        let redirect = drive.request("GET", "/drive/root:/f:/content").await;
        assert_eq!(redirect.status, 302);
        cloud.send("GET", &redirect.location()).ok().await;
        let session = drive.request("POST", "/drive/root:/g:/createUploadSession").ok().await;
        cloud.send("GET", &session.member("uploadUrl")).ok().await;
    }
}

#[tokio::test]
async fn an_upload_session_needs_a_token_of_sharepoint() {
    let cloud = retired().await;
    let drive = cloud.of(AccountKind::Business);
    let create = drive.request("POST", "/me/drive/root:/d/f:/createUploadSession").ok().await;
    let url = create.member("uploadUrl");
    assert!(!url.contains("tempauth"), "{url}");
    assert_eq!(cloud.statuses("test.business", "GET", &url).await, [401, 401, 200]);
    // The name of the parameter does not decide.
    let renamed = url.replace("guid=", "tempauth=");
    assert_eq!(cloud.statuses("test.business", "GET", &renamed).await, [401, 401, 200]);
    let other = cloud.token_of("other.business", SHAREPOINT).await;
    assert_eq!(cloud.send("GET", &url).token(&other).await.status, 403);
    let token = cloud.token_of("test.business", SHAREPOINT).await;
    let fragment = |at: usize, bytes: &'static str| {
        let range = format!("bytes {at}-{}/4", at + bytes.len() - 1);
        cloud.send("PUT", &url).header("content-range", &range).body(bytes)
    };
    fragment(0, "ab").refused(401, "unauthenticated").await;
    assert_eq!(fragment(0, "ab").token(&token).await.status, 202);
    let created = fragment(2, "cd").token(&token).await;
    assert_eq!(created.status, 201);
    let url = text(&created.json(), "@microsoft.graph.downloadUrl").to_owned();
    assert!(url.contains("/v1.0/"), "the item is that of the request that created the session");
    assert_eq!(drive.request("GET", &url).await.text(), "abcd");
}

#[tokio::test]
async fn a_token_that_cannot_write_has_no_upload_session() {
    let cloud = retired().await;
    let drive = cloud.of(AccountKind::Business);
    let create = drive.request("POST", "/me/drive/root:/f:/createUploadSession").ok().await;
    let reader =
        cloud.token_of("test.business", "https://drivedal-my.sharepoint.com/AllSites.Read").await;
    let status = cloud.send("GET", &create.member("uploadUrl")).token(&reader);
    status.refused(403, "accessDenied").await;
}

#[tokio::test]
async fn monitors_and_previews_need_a_token_of_sharepoint() {
    let cloud = retired().await;
    let drive = cloud.of(AccountKind::Business);
    drive.put("f.txt", "look").await;
    let copy = drive.request("POST", "/me/drive/root:/f.txt:/copy").json(json!({"name": "g"}));
    let monitor = copy.ok().await.location();
    assert_eq!(cloud.statuses("test.business", "GET", &monitor).await, [401, 401, 200]);
    let preview = drive.request("POST", "/me/drive/root:/f.txt:/preview").ok().await;
    let url = preview.member("getUrl");
    assert_eq!(cloud.statuses("test.business", "GET", &url).await, [401, 401, 200]);
}

#[tokio::test]
async fn thumbnails_are_on_the_host_of_graph() {
    let cloud = retired().await;
    let drive = cloud.of(AccountKind::Business);
    let photo = media::photo(320, 200);
    drive.request("PUT", "/me/drive/root:/p.jpg:/content").body(photo).ok().await;
    let set = drive.get("/me/drive/root:/p.jpg:/thumbnails?select=small,c100x100_crop").await;
    for (size, width) in [("small", 96), ("c100x100_crop", 100)] {
        let url = text(&set["value"][0][size], "url");
        assert!(url.ends_with(&format!("/thumbnails/0/{size}/content")), "{url}");
        let picture: TestResponse = drive.request("GET", url).await;
        assert_eq!(picture.status, 200);
        assert_eq!(image::load_from_memory(&picture.body).expect("a picture").width(), width);
        assert_eq!(cloud.statuses("test.business", "GET", url).await, [401, 200, 401]);
    }
}
