//! The optional features of drives through their handles, over HTTP: sharing URLs, links, permissions,
//! search, the change feed, thumbnails, the recycle bin and check-outs.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use drivedal::{
    adapter::{ChangesSince, DriveHandle},
    drive::{Access, GrantRequest, ItemKind, LinkAudience, LinkKind, LinkRequest},
    remote::{Remote, RemoteSource},
};
use drivedal_server::{AccountKind, Fault, Server};
use futures::{StreamExt, TryStreamExt};
use http::{Request, header};
use opendal::{Buffer, ErrorKind, Operator};
use serde_json::{Value, json};

/// A remote of an account on a server.
struct Account {
    operator: Operator,
    handle: DriveHandle,
    token: String,
    endpoint: String,
}

impl Account {
    /// Opens the OneDrive of an account. `options` are added to those of the sign-in.
    fn open(server: &Server, name: &str, options: &[(&str, &str)]) -> Self {
        Self::open_service(server, ("onedrive", "v1.0"), name, options)
    }

    /// Opens the drive of an account. `service` is the scheme and the path of its API.
    fn open_service(
        server: &Server,
        (scheme, path): (&str, &str),
        name: &str,
        options: &[(&str, &str)],
    ) -> Self {
        let (token, endpoint) = (format!("drivedal-dev-{name}"), format!("{}{path}", server.url()));
        let source = RemoteSource::from_scheme(scheme)
            .option("endpoint", &endpoint)
            .option("access_token", &token);
        let source =
            options.iter().fold(source, |source, (key, value)| source.option(*key, *value));
        let Remote { operator, handle, .. } = source.open().expect("a remote");
        Self { operator, handle: handle.expect("a drive"), token, endpoint }
    }

    /// Sends a request of Graph with the account's token. Returns the JSON of a success.
    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Buffer::from(body.to_string()))
            .expect("a request");
        let transport = self.operator.context().http_transport();
        let response = transport.send(request).await.expect("a response");
        assert!(response.status().is_success(), "{method} {path}: {}", response.status());
        serde_json::from_slice(&response.into_body().to_vec()).expect("JSON")
    }

    /// Returns the e-mail address of the account.
    async fn address(&self) -> String {
        let user = self.send("GET", "/me", json!({})).await;
        user["userPrincipalName"].as_str().expect("an address").to_owned()
    }

    async fn read(&self, path: &str) -> String {
        let bytes = self.operator.read(path).await.expect("read").to_vec();
        String::from_utf8(bytes).expect("text")
    }

    async fn names(&self, folder: &str) -> Vec<String> {
        let entries = self.operator.list(folder).await.expect("listed");
        let below = entries.iter().filter(|entry| entry.path() != folder && entry.path() != "/");
        let mut names: Vec<_> = below.map(|entry| entry.path().to_owned()).collect();
        names.sort();
        names
    }

    /// Creates a link to an item, for everyone who has it.
    async fn link(&self, path: &str, kind: LinkKind) -> String {
        let item = self.handle.item_ref(&self.operator, path).await.expect("a reference");
        let mut request = LinkRequest::new(item, kind);
        request.audience = Some(LinkAudience::Anyone);
        let link = self.handle.create_link(&self.operator, &request).await.expect("a link");
        link.url.expect("a URL").expose().to_owned()
    }
}

async fn server(kind: AccountKind) -> Server {
    Server::builder().ephemeral().kind(kind).start().await.expect("a server")
}

const KINDS: [AccountKind; 2] = [AccountKind::Personal, AccountKind::Business];

#[tokio::test]
async fn a_sharing_url_is_a_remote() {
    for kind in KINDS {
        let server = server(kind).await;
        let anna = Account::open(&server, "anna", &[]);
        anna.operator.write("Plans/2030/draft", "draft").await.expect("written");
        anna.operator.write("secret", "secret").await.expect("written");
        let url = anna.link("Plans", LinkKind::Edit).await;
        let bea = Account::open(&server, "bea", &[("sharing_url", &url)]);
        assert_eq!(bea.names("/").await, ["2030/"], "{kind}");
        assert_eq!(bea.read("2030/draft").await, "draft");
        bea.operator.write("2030/new", "new").await.expect("written");
        bea.operator.rename("2030/new", "final").await.expect("renamed");
        assert_eq!(anna.read("Plans/final").await, "new", "{kind}");
        bea.operator.delete("final").await.expect("deleted");
        assert_eq!(anna.names("Plans/").await, ["Plans/2030/"]);
        let tree = bea.operator.lister_with("/").recursive(true).await.expect("listed");
        assert_eq!(tree.try_collect::<Vec<_>>().await.expect("listed").len(), 3, "{kind}");
        assert_eq!(bea.operator.stat("missing").await.unwrap_err().kind(), ErrorKind::NotFound);
        // The root is the shared folder, which cannot be deleted as an item.
        let root = bea.handle.drive().root(&DriveHandle::context(&bea.operator)).await;
        let root = drivedal::drive::ItemRef::from_id(&root.expect("an id"));
        let purged = bea.handle.drive().purge(&DriveHandle::context(&bea.operator), &root).await;
        assert_eq!(purged.unwrap_err().kind(), drivedal::drive::ErrorKind::Unsupported);
        assert!(!bea.handle.drive().capabilities().changes);
    }
}

#[tokio::test]
async fn a_sharing_url_of_a_file_or_of_nothing_names_the_reason_and_not_the_url() {
    let server = server(AccountKind::Personal).await;
    let anna = Account::open(&server, "anna", &[]);
    anna.operator.write("file", "text").await.expect("written");
    let file = anna.link("file", LinkKind::View).await;
    let missing = format!("{}!SECRET", server.url().as_str());
    for (url, reason) in [(file, "it leads to a file"), (missing, "cannot open the folder of the")]
    {
        let bea = Account::open(&server, "bea", &[("sharing_url", &url)]);
        let error = bea.operator.list("/").await.expect_err("not a folder");
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(!format!("{error:?}").contains(&url), "{error:?}");
    }
    for options in [
        &[("sharing_url", "ftp://x")][..],
        &[("sharing_url", "https://x"), ("drive_id", "1")],
        &[("sharing_url", "https://x"), ("special", "approot")],
    ] {
        let source = RemoteSource::from_scheme("onedrive").option("access_token", "t");
        let source =
            options.iter().fold(source, |source, (key, value)| source.option(*key, *value));
        assert_eq!(source.open().expect_err("invalid").kind(), ErrorKind::ConfigInvalid);
    }
}

#[tokio::test]
async fn items_that_others_share_are_listed_and_can_be_used() {
    for kind in KINDS {
        let server = server(kind).await;
        let (anna, bea) = (Account::open(&server, "anna", &[]), Account::open(&server, "bea", &[]));
        anna.operator.write("Plans/draft", "draft").await.expect("written");
        let item = anna.handle.item_ref(&anna.operator, "Plans").await.expect("a reference");
        let request = GrantRequest::new(item, vec![bea.address().await], Access::Write);
        let granted = anna.handle.grant(&anna.operator, &request).await.expect("granted");
        assert_eq!((granted.len(), granted[0].access), (1, Access::Write), "{kind}");
        let shared = bea.handle.shared_with_me(&bea.operator);
        let shared: Vec<_> = shared.try_collect().await.expect("listed");
        assert_eq!((shared.len(), &*shared[0].name), (1, "Plans"), "{kind}: {shared:?}");
        assert_eq!(shared[0].kind, ItemKind::Folder);
        // The id names the drive, so verbs of the drive accept it.
        let cx = DriveHandle::context(&bea.operator);
        let folder = drivedal::drive::ItemRef::from_id(&shared[0].id);
        let request = drivedal::drive::ListRequest::new(&folder);
        let page = bea.handle.drive().list(&cx, request).await.expect("listed");
        assert_eq!(page.items[0].name, "draft");
        anna.handle.revoke(&anna.operator, "Plans", &granted[0].id).await.expect("revoked");
        let left = bea.handle.shared_with_me(&bea.operator).try_collect::<Vec<_>>().await;
        assert_eq!(left.expect("listed").len(), 0, "{kind}");
    }
}

#[tokio::test]
async fn all_members_of_a_link_are_sent() {
    let server = server(AccountKind::Personal).await;
    let anna = Account::open(&server, "anna", &[]);
    anna.operator.write("a", "1").await.expect("written");
    let item = anna.handle.item_ref(&anna.operator, "a").await.expect("a reference");
    let mut request = LinkRequest::new(item, LinkKind::Edit);
    request.audience = Some(LinkAudience::Anyone);
    request.password = Some("hunter2".into());
    request.expires = Some("2099-01-31T00:00:00Z".parse().expect("a time"));
    request.keep_inherited = false;
    let created = anna.handle.create_link(&anna.operator, &request).await.expect("a link");
    let links = anna.handle.links(&anna.operator, "a").await.expect("links");
    assert_eq!(links, std::slice::from_ref(&created));
    assert!(created.has_password && created.expires == request.expires, "{created:?}");
    assert!(!format!("{created:?} {request:?}").contains("hunter2"));
    anna.handle.delete_link(&anna.operator, "a", &created.id).await.expect("deleted");
    anna.handle.delete_link(&anna.operator, "a", &created.id).await.expect("deleted already");
    assert_eq!(anna.handle.links(&anna.operator, "a").await.expect("links"), []);
    let error = anna.handle.delete_link(&anna.operator, "b", &created.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "of the item: {error}");
}

#[tokio::test]
async fn the_change_feed_is_a_stream_that_resumes_and_reports_a_reset() {
    let server = server(AccountKind::Business).await;
    let anna = Account::open(&server, "anna", &[("account_kind", "business")]);
    anna.operator.write("before", "1").await.expect("written");
    let now = anna.handle.changes(&anna.operator, ChangesSince::Now);
    let pages: Vec<_> = now.try_collect().await.expect("pages");
    assert!(pages.len() == 1 && pages[0].items.is_empty(), "{pages:?}");
    let since = ChangesSince::Position(pages[0].next.clone());
    for number in 0..30 {
        anna.operator.write(&format!("d/{number}"), "1").await.expect("written");
    }
    anna.operator.delete("before").await.expect("deleted");
    let changes = anna.handle.changes(&anna.operator, since.clone());
    let pages: Vec<_> = changes.try_collect().await.expect("pages");
    let files = pages.iter().flat_map(|page| &page.items);
    assert_eq!(files.filter(|item| item.kind == ItemKind::File).count(), 30);
    assert_eq!(pages.iter().map(|page| page.removed.len()).sum::<usize>(), 1);
    assert!(!pages.last().expect("a page").more);

    let time = "2020-01-01T00:00:00Z".parse().expect("a time");
    let all = anna.handle.changes(&anna.operator, ChangesSince::Time(time));
    let all: Vec<_> = all.try_collect().await.expect("pages");
    assert!(all.iter().any(|page| page.reset || !page.items.is_empty()), "{all:?}");

    let body = json!({"error": {"code": "resyncRequired", "message": "Resync required."}});
    let gone = Fault::on("graph.delta.list").times(1).status(410).body(body.to_string());
    server.control().add_faults([gone]).expect("a rule");
    let mut watch = anna.handle.watch(&anna.operator, since, Duration::from_millis(5));
    let page = watch.next().await.expect("a page").expect("no error");
    assert!(page.reset && page.items.is_empty(), "{page:?}");
    anna.operator.write("after", "1").await.expect("written");
    let found = async {
        loop {
            let page = watch.next().await.expect("a page").expect("no error");
            if page.items.iter().any(|item| item.name == "after") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("in time");
    let failure = Fault::on("graph.delta.list").times(1).status(500);
    server.control().add_faults([failure]).expect("a rule");
    assert!(watch.next().await.expect("an item").is_err(), "the failure");
    assert!(watch.next().await.expect("a page").is_ok(), "the stream continues");

    let sky = Account::open_service(&server, ("skydrive", "v5.0"), "anna", &[]);
    let error = sky.handle.changes(&sky.operator, ChangesSince::Now).try_next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn a_file_is_checked_out_and_in() {
    let server = server(AccountKind::Business).await;
    let anna = Account::open(&server, "anna", &[("account_kind", "business")]);
    let (operator, handle) = (&anna.operator, &anna.handle);
    operator.write("a", "1").await.expect("written");
    handle.check_out(operator, "a").await.expect("checked out");
    let error = handle.check_out(operator, "a").await.expect_err("checked out already");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    operator.write("a", "2").await.expect("written");
    handle.check_in(operator, "a", "the second one").await.expect("checked in");
    handle.check_out(operator, "a").await.expect("checked out");
    operator.write("a", "3").await.expect("written");
    handle.discard_check_out(operator, "a").await.expect("discarded");
    assert_eq!(anna.read("a").await, "2");
    let personal = Account::open(&server, "anna", &[("account_kind", "personal")]);
    let error = personal.handle.check_out(&personal.operator, "a").await.expect_err("personal");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn an_item_is_deleted_for_good() {
    for kind in KINDS {
        let server = server(kind).await;
        let anna = Account::open(&server, "anna", &[]);
        let (operator, handle) = (&anna.operator, &anna.handle);
        operator.write("d/a", "1").await.expect("written");
        let id = handle.item(operator, "d/a").await.expect("an item").id;
        handle.purge(operator, "d").await.expect("purged");
        assert!(!operator.exists("d/a").await.expect("a response"));
        let error = handle.restore_deleted(operator, &id, None).await.expect_err("purged");
        let expected = match kind {
            AccountKind::Personal => ErrorKind::NotFound,
            _ => ErrorKind::Unsupported,
        };
        assert_eq!(error.kind(), expected, "{kind}: {error}");
        assert_eq!(handle.purge(operator, "d").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(handle.purge(operator, "/").await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn a_restored_path_is_found_at_once() {
    let server = server(AccountKind::Personal).await;
    let anna = Account::open_service(&server, ("amazon-drive", "drive/v1/"), "anna", &[]);
    let (operator, handle) = (&anna.operator, &anna.handle);
    operator.write("d/a", "1").await.expect("written");
    operator.delete("d/a").await.expect("deleted");
    assert!(!operator.exists("d/a").await.expect("a response"), "the index says so now");
    let deleted: Vec<_> = handle.deleted_items(operator).try_collect().await.expect("listed");
    let restored = handle.restore_deleted(operator, &deleted[0].id, None).await.expect("restored");
    assert_eq!(restored.name, "a");
    assert_eq!(anna.read("d/a").await, "1");
    let mut changes = drivedal::drive::PropertyChanges::new();
    changes.insert("rating".to_owned(), Some("5".to_owned()));
    changes.insert("color".to_owned(), Some("red".to_owned()));
    handle.set_properties(operator, "d/a", &changes).await.expect("set");
    changes.insert("color".to_owned(), None);
    changes.insert("never".to_owned(), None);
    handle.set_properties(operator, "d/a", &changes).await.expect("set");
    let properties = handle.properties(operator, "d/a").await.expect("properties");
    assert_eq!(properties.into_iter().collect::<Vec<_>>(), [("rating".into(), "5".into())]);
}

#[tokio::test]
async fn found_items_have_paths_that_cost_a_request_a_folder() {
    let server = server(AccountKind::Personal).await;
    let anna = Account::open(&server, "anna", &[]);
    for number in 0..5 {
        anna.operator.write(&format!("a/b/c/plan {number}"), "1").await.expect("written");
    }
    let found = anna.handle.search(&anna.operator, "", "plan");
    let found: Vec<_> = found.try_collect().await.expect("found");
    assert_eq!(found.len(), 5);
    server.control().reset_counters();
    let mut paths = anna.handle.item_paths(&anna.operator);
    for item in &found {
        let path = paths.path(item).await.expect("a path").expect("below the root");
        assert_eq!(path, format!("a/b/c/{}", item.name));
    }
    // The root, c, b and a.
    assert_eq!(server.control().counters().total, 4);
    let below = Account::open(&server, "anna", &[("root", "a/b")]);
    let path = below.handle.item_paths(&below.operator).path(&found[0]).await.expect("a path");
    assert_eq!(path.expect("below the root"), format!("c/{}", found[0].name));
    let elsewhere = Account::open(&server, "anna", &[("root", "x")]);
    let path = elsewhere.handle.item_paths(&elsewhere.operator).path(&found[0]).await;
    assert_eq!(path.expect("no error"), None);
    let missing = anna.handle.search(&anna.operator, "nowhere", "plan").try_next().await;
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn thumbnails_have_urls_and_a_preview_has_a_page() {
    // A picture of 1 × 1 pixels.
    const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA\
                           WjR9awAAAABJRU5ErkJggg==";
    let picture = BASE64_STANDARD.decode(PICTURE).expect("base64");
    for (service, sizes) in [(("onedrive", "v1.0"), 3), (("skydrive", "v5.0"), 1)] {
        let server = server(AccountKind::Personal).await;
        let anna = Account::open_service(&server, service, "anna", &[]);
        let (operator, handle) = (&anna.operator, &anna.handle);
        operator.write("a.png", picture.clone()).await.expect("written");
        operator.write("b.txt", "text").await.expect("written");
        let urls = handle.thumbnail_urls(operator, "a.png").await.expect("thumbnails");
        assert!(urls.len() >= sizes, "{service:?}: {urls:?}");
        for thumbnail in &urls {
            let request = Request::get(thumbnail.url.expose()).body(Buffer::new());
            let transport = operator.context().http_transport();
            let response = transport.send(request.expect("a request")).await.expect("a response");
            assert_eq!(response.status(), 200, "without a token: {thumbnail:?}");
        }
        let none = handle.thumbnail_urls(operator, "b.txt").await.expect("no thumbnails");
        assert!(none.is_empty(), "{none:?}");
        let error = handle.thumbnail(operator, "c.png", 100).await.expect_err("missing");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        match service {
            ("onedrive", _) => {
                let page = handle.preview_url(operator, "a.png").await.expect("a preview");
                assert!(page.expose().starts_with("http"));
            }
            _ => {
                let error = handle.preview_url(operator, "a.png").await.expect_err("unsupported");
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            }
        }
    }
}
