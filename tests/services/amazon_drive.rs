//! Amazon Cloud Drive on the drive server: request counts, and features that only this cloud has.

use std::{collections::BTreeSet, time::Duration};

use drivedal::{
    drive::{Body, ByteRange, Context, ItemId},
    services::amazon_drive::{
        AmazonDrive, Client, Deduplication, Filter, ListQuery, NewNode, NodeKind, NodePatch,
        NodeStatus,
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
