//! Amazon Cloud Drive on the drive server: request counts, and features that only this cloud has.

use std::{collections::BTreeSet, time::Duration};

use drivedal::{
    drive::{Body, ByteRange, Context, ItemId},
    services::amazon_drive::{
        AmazonDrive, Client, Deduplication, Filter, FilterDate, FilterField, ListQuery, NewNode,
        NodeKind, NodePatch, NodeStatus, ResumableDownload,
    },
    transport::Transport,
};
use drivedal_server::Server;
use futures::TryStreamExt;
use opendal::{Buffer, ErrorKind, HttpTransporter, OperationContext, Operator};

/// Connections belong to the runtime of their test.
fn own_transport() -> OperationContext {
    OperationContext::new().with_http_transport(HttpTransporter::new(Transport::default()))
}

/// A server, an operator on its default drive, and an independent client of the same account.
struct Cloud {
    server: Server,
    op: Operator,
    client: Client,
    cx: Context,
}

impl Cloud {
    async fn start() -> Self {
        Self::with(|drive| drive).await
    }

    async fn with(options: impl FnOnce(AmazonDrive) -> AmazonDrive) -> Self {
        let server = Server::builder().ephemeral().start().await.unwrap();
        let endpoint = format!("{}drive/v1/", server.url());
        let context = own_transport();
        let drive = AmazonDrive::default().endpoint(&endpoint).access_token("drivedal-dev");
        let op = Operator::new(options(drive)).unwrap().with_context(context.clone());
        let tokens = drivedal::auth::TokenSource::fixed("drivedal-dev".into());
        let client = Client::new(&endpoint, tokens).unwrap();
        Self { server, op, client, cx: Context::from(&context) }
    }

    /// Runs an operation. Returns its result and its requests.
    async fn counting<T>(
        &self,
        what: impl Future<Output = opendal::Result<T>>,
    ) -> (T, Vec<String>) {
        let before = self.server.control().requests().len();
        let value = what.await.unwrap();
        let requests = self.server.control().requests();
        (value, requests[before..].iter().map(|one| one.operation.clone()).collect())
    }

    async fn root(&self) -> ItemId {
        let query = ListQuery::with_filter(Filter::is_root());
        self.client.nodes(&self.cx, &query).await.unwrap().data[0].id.as_str().into()
    }

    async fn folder(&self, name: String, parent: &ItemId) -> ItemId {
        let new = NewNode::new(NodeKind::Folder, name, parent);
        self.client.create(&self.cx, &new).await.unwrap().id.into()
    }

    async fn id(&self, path: &str) -> ItemId {
        let mut at = self.root().await;
        for name in path.split('/') {
            let query = ListQuery::default();
            let children = self.client.children(&self.cx, at.as_str(), &query).await.unwrap().data;
            let child = children.into_iter().find(|node| node.name.as_deref() == Some(name));
            at = child.unwrap().id.into();
        }
        at
    }

    async fn paths(&self, folder: &str) -> BTreeSet<String> {
        let lister = self.op.lister_with(folder).recursive(true).await.unwrap();
        lister.map_ok(|entry| entry.path().to_owned()).try_collect().await.unwrap()
    }
}

#[tokio::test]
async fn the_server_accepts_every_request_of_the_client() {
    let cloud = Cloud::start().await;
    let (client, cx, root) = (&cloud.client, &cloud.cx, cloud.root().await);
    assert_eq!(client.account_info(cx).await.unwrap().status.as_deref(), Some("ACTIVE"));
    assert!(client.account_quota(cx).await.unwrap().available > 0);

    let folder = cloud.folder("a (1)".to_owned(), &root).await;
    let other = cloud.folder("b".to_owned(), &root).await;
    let new = NewNode::new(NodeKind::File, "f.txt", &folder);
    let body = |text: &'static str| Body::Memory(Buffer::from(text));
    let uploaded = client.upload(cx, &new, body("old"), Deduplication::Suppressed).await.unwrap();
    let file = uploaded.node.id.as_str();
    let new = client.overwrite(cx, file, "f.txt", body("new"), Deduplication::Suppressed).await;
    let content = new.unwrap().node.content_properties.unwrap();
    assert_eq!((content.size, content.content_type.as_deref()), (Some(3), Some("text/plain")));
    let download = client.download(cx, file, &ByteRange::Span(1..3), None).await.unwrap();
    let bytes: Vec<Buffer> = download.bytes.try_collect().await.unwrap();
    assert_eq!(bytes.into_iter().flatten().collect::<Buffer>().to_vec(), b"ew");
    assert_eq!(client.account_usage(cx).await.unwrap().doc.total.count, 1);

    let mut patch = NodePatch::default();
    patch.name = Some("g.txt".to_owned());
    assert_eq!(client.patch(cx, file, &patch).await.unwrap().name.as_deref(), Some("g.txt"));
    assert!(client.node(cx, file, true).await.unwrap().temp_link.is_some());
    let parents = |node: drivedal::services::amazon_drive::Node| node.parents.unwrap();
    let moved = client.move_child(cx, file, folder.as_str(), other.as_str()).await.unwrap();
    assert_eq!(parents(moved), [other.as_str()]);
    assert_eq!(parents(client.add_child(cx, folder.as_str(), file).await.unwrap()).len(), 2);
    let removed = client.remove_child(cx, other.as_str(), file).await.unwrap();
    assert_eq!(parents(removed), [folder.as_str()]);

    let mut query = ListQuery::with_filter(Filter::kind(NodeKind::Folder));
    query.sort = Some(r#"["name ASC"]"#.to_owned());
    query.limit = Some(1);
    let page = client.children(cx, root.as_str(), &query).await.unwrap();
    assert_eq!(page.data[0].name.as_deref(), Some("a (1)"));
    query.start_token = page.next_token;
    let page = client.children(cx, root.as_str(), &query).await.unwrap();
    assert_eq!(page.data[0].name.as_deref(), Some("b"));

    assert_eq!(client.trash(cx, file).await.unwrap().status, Some(NodeStatus::Trash));
    assert_eq!(client.trashed(cx, &ListQuery::default()).await.unwrap().data[0].id, file);
    client.restore(cx, file).await.unwrap();
    assert!(client.trashed(cx, &ListQuery::default()).await.unwrap().data.is_empty());
}

#[tokio::test]
async fn a_new_file_is_one_request_and_so_is_reading_it() {
    let cloud = Cloud::start().await;
    cloud.op.create_dir("d/").await.unwrap();
    let (_, put) = cloud.counting(cloud.op.write("d/f.txt", "hello")).await;
    assert_eq!(put, ["amazon.content.upload"]);
    let (bytes, get) = cloud.counting(cloud.op.read("d/f.txt")).await;
    assert_eq!((bytes.to_vec(), get), (b"hello".to_vec(), vec!["amazon.content.get".to_owned()]));
    let (_, again) = cloud.counting(cloud.op.write("d/f.txt", "newer")).await;
    assert_eq!(again, ["amazon.content.overwrite"], "who has the name is known");
    let (_, renamed) = cloud.counting(cloud.op.rename("d/f.txt", "d/g.txt")).await;
    assert_eq!(renamed.last().map(String::as_str), Some("amazon.node.patch"));
}

#[tokio::test]
async fn another_clients_file_is_overwritten_without_a_look() {
    let cloud = Cloud::start().await;
    cloud.op.write("f.txt", "old").await.unwrap();
    let endpoint = format!("{}drive/v1/", cloud.server.url());
    let builder = AmazonDrive::default().endpoint(endpoint).access_token("drivedal-dev");
    let context = own_transport();
    let op = Operator::new(builder).unwrap().with_context(context);
    let (_, put) = cloud.counting(op.write("f.txt", "new")).await;
    assert_eq!(put[put.len() - 2..], ["amazon.content.upload", "amazon.content.overwrite"]);
    assert_eq!(cloud.op.read("f.txt").await.unwrap().to_vec(), b"new");
}

#[tokio::test]
async fn a_tree_is_listed_200_nodes_at_a_time() {
    let cloud = Cloud::with(|drive| drive.index_ttl(Duration::ZERO)).await;
    let root = cloud.root().await;
    let mut expected = BTreeSet::from(["/".to_owned()]);
    for d in 0..40 {
        let folder = cloud.folder(format!("d{d:02}"), &root).await;
        expected.insert(format!("d{d:02}/"));
        let below = (0..10).map(|f| cloud.folder(format!("f{f}"), &folder));
        futures::future::join_all(below).await;
        expected.extend((0..10).map(|f| format!("d{d:02}/f{f}/")));
    }
    let (paths, requests) = cloud.counting(async { Ok(cloud.paths("").await) }).await;
    assert_eq!(paths, expected);
    // 441 nodes, including the root, whose id needs a request too.
    assert_eq!(requests[0], "amazon.account.endpoint");
    assert_eq!(requests[1..], ["amazon.node.list"; 4]);
}

#[tokio::test]
async fn items_below_a_trashed_folder_are_not_listed() {
    let cloud = Cloud::start().await;
    cloud.op.write("gone/below/f.txt", "x").await.unwrap();
    cloud.op.write("stays/f.txt", "x").await.unwrap();
    cloud.op.delete_with("gone").recursive(true).await.unwrap();
    let paths = cloud.paths("").await;
    assert!(
        paths.contains("stays/f.txt") && paths.iter().all(|path| !path.contains("below")),
        "{paths:?}"
    );
}

#[tokio::test]
async fn a_file_in_two_folders_is_removed_from_one_only() {
    let cloud = Cloud::with(|drive| drive.index_ttl(Duration::ZERO)).await;
    cloud.op.write("a/f.txt", "x").await.unwrap();
    cloud.op.create_dir("b/").await.unwrap();
    let (b, file) = (cloud.id("b").await, cloud.id("a/f.txt").await);
    cloud.client.add_child(&cloud.cx, b.as_str(), file.as_str()).await.unwrap();
    for path in ["a/f.txt", "b/f.txt"] {
        assert!(cloud.paths("").await.contains(path), "{path}");
        assert_eq!(cloud.op.read(path).await.unwrap().to_vec(), b"x");
    }
    let (_, requests) = cloud.counting(cloud.op.delete("a/f.txt")).await;
    assert_eq!(requests.last().map(String::as_str), Some("amazon.child.remove"));
    assert_eq!(cloud.op.stat("a/f.txt").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(cloud.op.read("b/f.txt").await.unwrap().to_vec(), b"x");
    cloud.op.delete("b/f.txt").await.unwrap();
    let node = cloud.client.node(&cloud.cx, file.as_str(), false).await.unwrap();
    assert_eq!(node.status, Some(NodeStatus::Trash));
}

#[tokio::test]
async fn replacing_a_file_that_two_folders_have_leaves_it_in_the_other() {
    let cloud = Cloud::with(|drive| drive.index_ttl(Duration::ZERO)).await;
    cloud.op.write("a/f.txt", "old").await.unwrap();
    cloud.op.write("new.txt", "new").await.unwrap();
    cloud.op.create_dir("b/").await.unwrap();
    let (b, file) = (cloud.id("b").await, cloud.id("a/f.txt").await);
    cloud.client.add_child(&cloud.cx, b.as_str(), file.as_str()).await.unwrap();
    cloud.op.rename("new.txt", "a/f.txt").await.unwrap();
    assert_eq!(cloud.op.read("a/f.txt").await.unwrap().to_vec(), b"new");
    assert_eq!(cloud.op.read("b/f.txt").await.unwrap().to_vec(), b"old");
    assert_eq!(cloud.op.stat("new.txt").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_wanted_deduplication_is_a_conflict_that_names_the_twin() {
    let cloud = Cloud::with(|drive| drive.deduplicate(true)).await;
    cloud.op.write("twin.txt", "same").await.unwrap();
    let error = cloud.op.write("other.txt", "same").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("twin.txt"), "{error}");
    cloud.op.write("empty", "").await.unwrap();
    cloud.op.write("empty too", "").await.unwrap();
}

#[tokio::test]
async fn a_file_on_disk_streams_and_its_hash_is_checked() {
    let cloud = Cloud::start().await;
    // More than the spool keeps in memory, so that it uses a file.
    let piece = vec![7_u8; 1 << 20];
    let mut writer = cloud.op.writer("large.bin").await.unwrap();
    for _ in 0..20 {
        writer.write(piece.clone()).await.unwrap();
    }
    writer.close().await.unwrap();
    assert_eq!(cloud.op.stat("large.bin").await.unwrap().content_length(), 20 << 20);
    let read = cloud.op.read("large.bin").await.unwrap();
    assert!(read.len() == 20 << 20 && read.to_vec().iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn properties_are_stored_with_a_node() {
    let cloud = Cloud::start().await;
    let (client, cx) = (&cloud.client, &cloud.cx);
    cloud.op.write("f.txt", "x").await.unwrap();
    let id = cloud.id("f.txt").await;
    let id = id.as_str();
    let owner = client.owner_id(cx).await.unwrap();
    let trashed = client.trashed(cx, &ListQuery::default()).await.unwrap().data;
    assert_eq!(trashed[0].created_by.as_deref(), Some(owner.as_str()));
    let set = client.set_property(cx, id, &owner, "a key/with %", "v 1").await.unwrap();
    assert_eq!((set.key.as_str(), set.value.as_str()), ("a key/with %", "v 1"));
    client.set_property(cx, id, &owner, "b", "2").await.unwrap();
    assert_eq!(client.property(cx, id, &owner, "a key/with %").await.unwrap().value, "v 1");
    let all = client.properties(cx, id, &owner).await.unwrap();
    assert_eq!(all.into_iter().collect::<Vec<_>>().len(), 2);
    assert!(client.properties(cx, id, "somebody").await.unwrap().is_empty());
    client.delete_property(cx, id, &owner, "b").await.unwrap();
    let missing = client.property(cx, id, &owner, "b").await.unwrap_err();
    assert_eq!(missing.kind(), drivedal::drive::ErrorKind::NotFound);
    client.delete_properties(cx, id, &owner).await.unwrap();
    assert!(client.properties(cx, id, &owner).await.unwrap().is_empty());
    let empty = client.set_property(cx, id, "", "k", "v").await.unwrap_err();
    assert_eq!(empty.kind(), drivedal::drive::ErrorKind::NotFound);
    let mut new = NewNode::new(NodeKind::Folder, "with properties", &cloud.root().await);
    new.properties = [(owner.clone(), [("k".to_owned(), "v".to_owned())].into())].into();
    let made = client.create(cx, &new).await.unwrap();
    assert_eq!(made.properties[&owner]["k"], "v");
}

#[tokio::test]
async fn pictures_have_thumbnails_assets_and_properties() {
    let cloud = Cloud::start().await;
    let (client, cx) = (&cloud.client, &cloud.cx);
    let photo = drivedal_test_support::media::photo(400, 300);
    cloud.op.write("photo.jpg", photo).await.unwrap();
    cloud.op.write("film.mp4", drivedal_test_support::media::film()).await.unwrap();
    let id = cloud.id("photo.jpg").await;
    let node = client.node_with_assets(cx, id.as_str()).await.unwrap();
    let image = node.content_properties.unwrap().image.unwrap();
    assert_eq!((image.width, image.height), (Some(400), Some(300)));
    assert_eq!(image.exposure_time.as_deref(), Some("1/15"));
    let [asset] = &node.assets[..] else { panic!("{:?}", node.assets) };
    assert_eq!((asset.kind, asset.parents.as_deref()), (NodeKind::Asset, Some(&[node.id][..])));
    let assets = client.nodes(cx, &ListQuery::with_filter(Filter::kind(NodeKind::Asset))).await;
    assert_eq!(assets.unwrap().data[0].id, asset.id);
    for (id, size) in [(id.as_str(), 64), (asset.id.as_str(), 100)] {
        let bytes: Vec<Buffer> =
            client.thumbnail(cx, id, size).await.unwrap().bytes.try_collect().await.unwrap();
        let bytes = bytes.into_iter().flatten().collect::<Buffer>().to_vec();
        assert_eq!(bytes[..3], [0xff, 0xd8, 0xff], "a JPEG");
    }
    let film = cloud.id("film.mp4").await;
    let node = client.node(cx, film.as_str(), false).await.unwrap();
    let video = node.content_properties.unwrap().video.unwrap();
    assert_eq!((video.width, video.duration), (Some(640), Some(12.5)));
    let none = client.thumbnail(cx, film.as_str(), 64).await.unwrap_err();
    assert_eq!(none.kind(), drivedal::drive::ErrorKind::InvalidInput);
    // An asset has no path.
    let mut paths = cloud.paths("/").await;
    paths.remove("/");
    assert_eq!(paths, BTreeSet::from(["film.mp4", "photo.jpg"].map(String::from)));
}

#[tokio::test]
async fn filters_with_or_ranges_and_wildcards_select_nodes() {
    let cloud = Cloud::start().await;
    for (name, size) in [("a (1).txt", 5), ("a 2.txt", 50), ("b.txt", 500)] {
        cloud.op.write(name, vec![0; size]).await.unwrap();
    }
    let names = async |filter: Filter| {
        let query = ListQuery::with_filter(filter);
        let found = cloud.client.nodes(&cloud.cx, &query).await.unwrap().data;
        let mut names: Vec<_> = found.into_iter().filter_map(|node| node.name).collect();
        names.sort();
        names
    };
    let name = |name| Filter::equals(FilterField::Name, name);
    assert_eq!(names(name("a (1).txt").or(name("B.TXT"))).await, ["a (1).txt", "b.txt"]);
    assert_eq!(names(Filter::starts_with(FilterField::Name, "a ")).await, ["a (1).txt", "a 2.txt"]);
    assert_eq!(names(Filter::size(6..=50)).await, ["a 2.txt"]);
    assert_eq!(names(Filter::size(500..)).await, ["b.txt"]);
    assert_eq!(names(Filter::size(..0)).await, Vec::<String>::new());
    let both = Filter::kind(NodeKind::File)
        .and(name("b.txt").or(Filter::starts_with(FilterField::Extension, "t")))
        .and(Filter::size(..100));
    assert_eq!(names(both).await, ["a (1).txt", "a 2.txt"]);
    let past = "2015-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    assert_eq!(names(name("b.txt").and(Filter::date(FilterDate::Created, past..))).await.len(), 1);
    assert_eq!(names(Filter::date(FilterDate::Modified, ..past)).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_node_is_purged_only_if_the_cloud_allows_it() {
    let cloud = Cloud::start().await;
    cloud.op.write("f.txt", "x").await.unwrap();
    let id = cloud.id("f.txt").await;
    let refused = cloud.client.purge(&cloud.cx, id.as_str()).await.unwrap_err();
    assert_eq!(refused.kind(), drivedal::drive::ErrorKind::PermissionDenied);
    let available = cloud.client.set_available(&cloud.cx, id.as_str()).await.unwrap();
    assert_eq!(available.status, Some(NodeStatus::Available));
    let server = Server::builder().ephemeral().allow_purge(true).start().await.unwrap();
    let tokens = drivedal::auth::TokenSource::fixed("drivedal-dev".into());
    let client = Client::new(&format!("{}drive/v1/", server.url()), tokens).unwrap();
    let root = client.nodes(&cloud.cx, &ListQuery::with_filter(Filter::is_root())).await.unwrap();
    let new = NewNode::new(NodeKind::Folder, "d", &root.data[0].id.as_str().into());
    let id = client.create(&cloud.cx, &new).await.unwrap().id;
    let purged = client.purge(&cloud.cx, &id).await.unwrap();
    assert_eq!(purged.status, Some(NodeStatus::Purged));
}

#[tokio::test]
async fn the_client_of_an_operator_is_reached_from_its_handle() {
    let server = Server::builder().ephemeral().start().await.unwrap();
    let endpoint = format!("{}drive/v1/", server.url());
    let builder = AmazonDrive::default().endpoint(&endpoint).oauth_endpoint(server.url().as_str());
    let (_, handle) = builder.access_token("drivedal-dev").build_with_handle().unwrap();
    let cx = Context::from(&own_transport());
    let client = Client::from_handle(&handle).expect("the client");
    assert_eq!(client.account_info(&cx).await.unwrap().status.as_deref(), Some("ACTIVE"));
    let builder = AmazonDrive::default().endpoint(&endpoint).oauth_endpoint(server.url().as_str());
    let (_, handle) = builder.access_token("Atza|hunter2").build_with_handle().unwrap();
    let client = Client::from_handle(&handle).expect("the client");
    let error = client.token_info(&cx).await.unwrap_err();
    assert_eq!(error.kind(), drivedal::drive::ErrorKind::InvalidInput);
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn an_issued_token_is_described() {
    let server = Server::builder().ephemeral().start().await.unwrap();
    let endpoint = format!("{}drive/v1/", server.url());
    let builder = AmazonDrive::default().endpoint(&endpoint).oauth_endpoint(server.url().as_str());
    let builder = builder.client_id("app").refresh_token("drivedal-dev-refresh");
    let (_, handle) = builder.build_with_handle().unwrap();
    let client = Client::from_handle(&handle).expect("the client");
    let info = client.token_info(&Context::from(&own_transport())).await.unwrap();
    assert!((3_500..=3_600).contains(&info.exp.unwrap()), "{info:?}");
    assert!(info.user_id.is_some() && info.iat.is_some(), "{info:?}");
}

#[tokio::test]
async fn endpoints_are_requested_once_by_all_processes_that_share_a_file() {
    let server = Server::builder().ephemeral().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("endpoints.json");
    let endpoint = format!("{}drive/v1/", server.url());
    let context = own_transport();
    for content in ["one", "two", "three"] {
        let drive = AmazonDrive::default().endpoint(&endpoint).access_token("drivedal-dev");
        let drive = drive.endpoint_file(file.to_str().unwrap());
        let op = Operator::new(drive).unwrap().with_context(context.clone());
        op.write("f.txt", content).await.unwrap();
    }
    assert_eq!(server.control().counters().count("amazon.account.endpoint"), 1);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("drivedal-dev") && text.contains("exp_time"), "{text}");
    // The file must not lead the token to a host that is not allowed.
    let other = text.replace("127.0.0.1", "attacker.example");
    let other = other.replacen("attacker.example", "127.0.0.1", 1);
    std::fs::write(&file, other).unwrap();
    let drive = AmazonDrive::default().endpoint(&endpoint).access_token("drivedal-dev");
    let drive = drive.endpoint_file(file.to_str().unwrap());
    let op = Operator::new(drive).unwrap().with_context(context);
    assert_eq!(op.read("f.txt").await.unwrap().to_vec(), b"three");
    assert_eq!(server.control().counters().count("amazon.account.endpoint"), 2);
}

#[tokio::test]
async fn a_download_to_a_file_is_resumed_and_checked() {
    let cloud = Cloud::start().await;
    let (client, cx) = (&cloud.client, &cloud.cx);
    let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n ^ n >> 9) as u8).collect();
    cloud.op.write("f.bin", bytes.clone()).await.unwrap();
    let id = cloud.id("f.bin").await;
    let folder = tempfile::tempdir().unwrap();
    let (path, part) = (folder.path().join("f.bin"), folder.path().join("f.bin.__incomplete"));
    let mut options = ResumableDownload::default();
    options.chunk_size = 100_000;
    let reads = || cloud.server.control().counters().count("amazon.content.get");
    // The first 131,072 bytes before the end are requested again.
    std::fs::write(&part, &bytes[..431_072]).unwrap();
    std::fs::write(&path, "an older file").unwrap();
    client.download_file(cx, id.as_str(), &path, options).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes && !part.exists());
    assert_eq!(reads(), 4, "300,000 to 700,000 in chunks of 100,000");
    // An incomplete file of other bytes is detected, and the next call starts again.
    std::fs::write(&part, vec![7; 400_000]).unwrap();
    let damaged = client.download_file(cx, id.as_str(), &path, options).await.unwrap_err();
    assert!(damaged.to_string().contains("MD5") && !part.exists(), "{damaged}");
    client.download_file(cx, id.as_str(), &path, options).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    // Without resuming, an incomplete file has no effect.
    std::fs::write(&part, vec![7; 400_000]).unwrap();
    options.resume = false;
    client.download_file(cx, id.as_str(), &path, options).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    let nowhere = folder.path().join("none/f.bin");
    let error = client.download_file(cx, id.as_str(), &nowhere, options).await.unwrap_err();
    assert!(error.to_string().contains("cannot download to"), "{error}");
    cloud.op.write("empty", "").await.unwrap();
    let empty = cloud.id("empty").await;
    client.download_file(cx, empty.as_str(), &path, options).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"");
}

#[tokio::test]
async fn a_recursive_listing_of_a_folder_in_itself_ends() {
    let cloud = Cloud::start().await;
    cloud.op.write("a/b/f.txt", "x").await.unwrap();
    let (a, b) = (cloud.id("a").await, cloud.id("a/b").await);
    cloud.client.add_child(&cloud.cx, b.as_str(), a.as_str()).await.unwrap();
    let all = cloud.paths("/").await;
    for path in ["a/", "a/b/", "a/b/f.txt"] {
        assert!(all.contains(path), "{all:?}");
    }
    assert!(all.len() < 10, "{all:?}");
    assert_eq!(cloud.op.read("a/b/f.txt").await.unwrap().to_vec(), b"x");
}
