//! The SkyDrive client and service against the drive server, over HTTP.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use drivedal::{
    auth::{TokenClient, TokenFile, TokenSource},
    drive::{Body, ByteRange, Context, Download, ErrorKind, Secret},
    services::skydrive::{
        Client, ListFilter, ListQuery, ObjectProperties, Overwrite, ROOT, SkyDrive, SortBy,
        SortOrder, UploadOptions, model::ObjectKind,
    },
    transport::Transport,
};
use drivedal_server::{Fault, FixtureItem, Server, When};
use futures::TryStreamExt;
use opendal::{Buffer, HttpTransporter, OperationContext, Operator};

struct Setup {
    server: Server,
    context: OperationContext,
}

impl Setup {
    async fn new() -> Self {
        Self::with(Server::builder()).await
    }

    async fn with(server: drivedal_server::Builder) -> Self {
        let server = server.ephemeral().start().await.unwrap();
        // A separate transport, because connections belong to the runtime of their test.
        let transport = HttpTransporter::new(Transport::default());
        Self { server, context: OperationContext::new().with_http_transport(transport) }
    }

    fn cx(&self) -> Context {
        Context::from(&self.context)
    }

    fn endpoint(&self) -> String {
        self.server.url().join("v5.0/").unwrap().to_string()
    }

    fn client(&self) -> Client {
        Client::new(&self.endpoint(), TokenSource::fixed("drivedal-dev".into())).unwrap()
    }

    fn builder(&self) -> SkyDrive {
        SkyDrive::default().endpoint(self.endpoint()).access_token("drivedal-dev")
    }

    fn operator(&self) -> Operator {
        Operator::new(self.builder()).unwrap().with_context(self.context.clone())
    }

    /// Runs an operation. Returns its result and the number of its requests.
    async fn counted<T>(&self, operation: impl IntoFuture<Output = T>) -> (T, u64) {
        self.server.control().reset_counters();
        let result = operation.await;
        (result, self.server.control().counters().total)
    }
}

fn memory(text: &str) -> Body {
    Body::Memory(Buffer::from(text.to_owned()))
}

async fn text(download: Download) -> String {
    let pieces: Vec<Buffer> = download.bytes.try_collect().await.unwrap();
    String::from_utf8(pieces.iter().flat_map(|piece| piece.to_vec()).collect()).unwrap()
}

fn named(name: &str) -> ObjectProperties<'_> {
    ObjectProperties::with_name(name)
}

#[tokio::test]
async fn every_request_of_the_client_is_understood() {
    let setup = Setup::new().await;
    let (client, cx) = (setup.client(), setup.cx());
    let exact = UploadOptions::default();

    let user = client.me(&cx).await.unwrap();
    let root = client.object(&cx, ROOT).await.unwrap();
    assert_eq!(root.id, format!("folder.{}", user.id));
    assert_eq!((root.kind, root.parent_id), (ObjectKind::Folder, None));
    let quota = client.quota(&cx).await.unwrap();
    assert!(quota.available <= quota.quota && quota.quota > 0);

    let mut described = named("Üb er #1");
    described.description = Some("mine");
    let folder = client.create_folder(&cx, ROOT, &described).await.unwrap();
    assert_eq!((&*folder.name, folder.description.as_deref()), ("Üb er #1", Some("mine")));
    let taken = client.create_folder(&cx, ROOT, &named("üB ER #1")).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);

    let put = async |name: &str, text: &str, options: &UploadOptions| {
        client.put_file(&cx, &folder.id, name, &memory(text), options).await
    };
    let file = put("a+b&c%20é.txt", "0123456789", &exact).await.unwrap();
    assert_eq!(file.name.as_deref(), Some("a+b&c%20é.txt"));
    let no = UploadOptions::with_overwrite(Overwrite::No);
    let refused = put("A+B&C%20É.TXT", "x", &no).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let choose = UploadOptions::with_overwrite(Overwrite::ChooseNewName);
    let other = put("a+b&c%20é.txt", "", &choose).await.unwrap();
    assert!(other.name.is_some() && other.name != file.name, "{other:?}");
    let body = memory("in a form");
    let form = client.post_file(&cx, &folder.id, "form.txt", &body, &exact).await.unwrap();
    client.put_content(&cx, &other.id, &memory("replaced"), &exact).await.unwrap();

    let read = async |id: &str, range| text(client.content(&cx, id, &range).await.unwrap()).await;
    assert_eq!(read(&file.id, ByteRange::Full).await, "0123456789");
    assert_eq!(read(&file.id, ByteRange::Last(3)).await, "789");
    assert_eq!(read(&form.id, ByteRange::Full).await, "in a form");
    assert_eq!(read(&other.id, ByteRange::From(2)).await, "placed");
    let location = client.content_location(&cx, &file.id).await.unwrap();
    for source in [location, file.source.unwrap()] {
        let part = client.source(&cx, &source, &ByteRange::Span(3..6), None).await.unwrap();
        assert_eq!((part.total, part.range.clone(), &*text(part).await), (10, 3..6, "345"));
        let past = client.source(&cx, &source, &ByteRange::From(11), None).await;
        assert_eq!(past.unwrap_err().kind(), ErrorKind::RangeNotSatisfied);
    }

    let renamed = client.update(&cx, &form.id, &named("Form.TXT")).await.unwrap();
    assert_eq!(&*renamed.name, "Form.TXT");
    let moved = client.move_into(&cx, &form.id, &root.id).await.unwrap();
    assert_eq!((moved.id, moved.parent_id), (form.id.clone(), Some(root.id.clone())));
    let copied = client.copy_into(&cx, &form.id, &folder.id).await.unwrap();
    assert_eq!((&*copied.name, copied.size), ("Form.TXT", Some(9)));
    assert_ne!(copied.id, form.id);
    let taken = client.copy_into(&cx, &form.id, &folder.id).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);

    let listed = client.files(&cx, &folder.id, &ListQuery::default()).await.unwrap();
    assert_eq!(listed.data.len(), 3);
    assert!(listed.paging.is_none());
    client.delete(&cx, &folder.id).await.unwrap();
    let gone = client.object(&cx, &file.id).await.unwrap_err();
    assert_eq!((gone.kind(), gone.code()), (ErrorKind::NotFound, Some("resource_not_found")));
}

#[tokio::test]
async fn listings_are_cut_filtered_sorted_and_followed() {
    let setup = Setup::new().await;
    let (client, cx, control) = (setup.client(), setup.cx(), setup.server.control());
    for name in ["b.txt", "a.jpg", "c.txt"] {
        control.add_fixtures([FixtureItem::file(name, name.repeat(name.len()))]).await.unwrap();
    }
    control.add_fixtures([FixtureItem::folder("d"), FixtureItem::notebook("Notes")]).await.unwrap();
    let names = async |query: &ListQuery| {
        let page = client.files(&cx, ROOT, query).await.unwrap();
        let names: Vec<_> = page.data.into_iter().map(|object| object.name).collect();
        let next = page.paging.map(|paging| paging.next_page().unwrap());
        (names, next.flatten())
    };
    let mut query = ListQuery::default();
    query.sort_by = Some(SortBy::Name);
    query.sort_order = Some(SortOrder::Descending);
    let (all, _) = names(&query).await;
    assert_eq!(all.len(), 5);
    query.limit = Some(2);
    let mut followed = Vec::new();
    loop {
        let (names, next) = names(&query).await;
        followed.extend(names);
        let Some(next) = next else { break };
        (query.limit, query.offset) = (next.limit, next.offset);
    }
    assert_eq!(followed, all);
    let mut folders = ListQuery::default();
    folders.filter = vec![ListFilter::Folders];
    assert_eq!(names(&folders).await.0, ["d"]);
}

#[tokio::test]
async fn a_refresh_token_is_enough_and_its_successor_is_stored() {
    let setup = Setup::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    let oauth = setup.server.url().as_str();
    let builder = || {
        SkyDrive::default()
            .endpoint(setup.endpoint())
            .oauth_endpoint(oauth)
            .client_id("app")
            .token_file(path.to_str().unwrap())
    };
    let open =
        |builder: SkyDrive| Operator::new(builder).unwrap().with_context(setup.context.clone());
    let first = open(builder().refresh_token("drivedal-dev-refresh").access_token("expired"));
    let (written, _) = setup.counted(first.write("a", "text")).await;
    written.unwrap();
    assert_eq!(setup.server.control().counters().count("oauth.token"), 1);
    let kept = TokenFile::new(&path).read().unwrap().unwrap();
    assert!(kept.refresh_token.unwrap().expose() != "drivedal-dev-refresh");

    // Another process reads the token file, and does not refresh a valid token.
    let second = open(builder());
    let (read, _) = setup.counted(second.read("a")).await;
    assert_eq!(read.unwrap().to_vec(), b"text");
    assert_eq!(setup.server.control().counters().count("oauth.token"), 0);

    let refused = open(builder().token_file("").refresh_token("nobody's"));
    let error = refused.stat("a").await.unwrap_err();
    assert_eq!(error.kind(), opendal::ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("invalid_grant"), "{error}");
    assert!(!format!("{error:?}").contains("nobody's"), "{error:?}");
}

#[tokio::test]
async fn many_requests_at_once_share_one_refresh() {
    let setup = Setup::with(Server::builder().latency(Duration::from_millis(5))).await;
    let url = setup.server.url().join("oauth20_token.srf").unwrap();
    let endpoint = TokenClient::new(url.as_str(), "app").unwrap();
    let refresh = Some(Secret::from("drivedal-dev-refresh"));
    let tokens = TokenSource::refreshing(endpoint, refresh, Some("stale".into()));
    let client = Arc::new(Client::new(&setup.endpoint(), tokens).unwrap());
    let callers = (0..32).map(|_| {
        let (client, cx) = (Arc::clone(&client), setup.cx());
        async move { client.me(&cx).await }
    });
    for result in futures::future::join_all(callers).await {
        result.unwrap();
    }
    assert_eq!(setup.server.control().counters().count("oauth.token"), 1);
}

#[tokio::test]
async fn a_large_file_is_uploaded_from_disk_and_read_in_ranges() {
    let setup = Setup::new().await;
    let operator = setup.operator();
    let bytes: Vec<u8> =
        (0..30_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut writer = operator.writer("dir/large.bin").await.unwrap();
    for piece in bytes.chunks(999_983) {
        writer.write(piece.to_vec()).await.unwrap();
    }
    let metadata = writer.close().await.unwrap();
    assert_eq!(metadata.content_length(), 30_000_000);

    let (read, requests) = setup.counted(operator.read("dir/large.bin")).await;
    assert!(read.unwrap().to_vec() == bytes, "the bytes are others");
    assert!(requests <= 2, "{requests}");
    let part = operator.read_with("dir/large.bin").range(12_345_678..12_345_999).await.unwrap();
    assert_eq!(part.to_vec(), bytes[12_345_678..12_345_999]);
}

#[tokio::test]
async fn a_ticket_that_has_expired_costs_two_requests_more() {
    let setup = Setup::new().await;
    let operator = setup.operator();
    operator.write("a", "0123456789").await.unwrap();
    let (read, usual) = setup.counted(operator.read_with("a").range(2..4)).await;
    assert_eq!(read.unwrap().to_vec(), b"23");
    setup.server.control().add_faults([Fault::on("ticket.get").times(1).status(403)]).unwrap();
    let (read, expired) = setup.counted(operator.read_with("a").range(2..4)).await;
    assert_eq!(read.unwrap().to_vec(), b"23");
    assert_eq!(expired - usual, 2);
}

/// Returns every path of a drive, with the text of the files.
async fn picture(operator: &Operator) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in operator.list_with("/").recursive(true).await.unwrap() {
        let text = match entry.path().ends_with('/') {
            true => String::new(),
            false => {
                String::from_utf8(operator.read(entry.path()).await.unwrap().to_vec()).unwrap()
            }
        };
        found.insert(entry.path().to_owned(), text);
    }
    found
}

/// Sources and destinations.
const RENAMES: [(&str, &str); 7] = [
    ("a/x.txt", "a/y.txt"),
    ("a/x.txt", "a/X.TXT"),
    ("a/x.txt", "b/x.txt"),
    ("a/x.txt", "b/z.txt"),
    ("a/x.txt", "a/taken.txt"),
    ("a/x.txt", "b/taken.txt"),
    ("a/taken.txt", "b/taken.txt"),
];

async fn planted(setup: &Setup) -> Operator {
    setup.server.control().reset_state().await.unwrap();
    let plants = ["a/x.txt", "a/taken.txt", "b/taken.txt", "b/other.txt"];
    setup
        .server
        .control()
        .add_fixtures(plants.map(|path| FixtureItem::file(path, path)))
        .await
        .unwrap();
    // Without a cache, so that every case sends the same requests.
    Operator::new(setup.builder().index_ttl(Duration::ZERO))
        .unwrap()
        .with_context(setup.context.clone())
}

#[tokio::test]
async fn renames_succeed_after_any_lost_response() {
    let setup = Setup::new().await;
    for (from, to) in RENAMES {
        for operation in ["live.item.update", "live.item.move", "live.item.delete"] {
            for skip in 0..3 {
                let operator = planted(&setup).await;
                let mut wanted = picture(&operator).await;
                let moved = wanted.remove(from).unwrap();
                wanted.insert(to.to_owned(), moved);
                let lost = Fault::on(operation).skip(skip).times(1).reset(When::After);
                setup.server.control().clear_faults();
                setup.server.control().add_faults([lost]).unwrap();
                let what = format!("{from} to {to}, losing the answer of {operation} {skip}");
                operator.rename(from, to).await.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(picture(&operator).await, wanted, "{what}");
                if setup.server.control().faults()[0].struck == 0 {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn renames_that_fail_half_way_change_nothing() {
    let setup = Setup::new().await;
    for (from, to) in RENAMES {
        for operation in ["live.item.update", "live.item.move", "live.item.delete"] {
            for skip in 0..3 {
                let operator = planted(&setup).await;
                let before = picture(&operator).await;
                setup.server.control().clear_faults();
                let refused = Fault::on(operation).skip(skip).times(1).status(423);
                setup.server.control().add_faults([refused]).unwrap();
                let renamed = operator.rename(from, to).await;
                if setup.server.control().faults()[0].struck == 0 {
                    renamed.unwrap();
                    break;
                }
                let what = format!("{from} to {to}, refusing {operation} {skip}: {renamed:?}");
                assert!(renamed.is_err(), "{what}");
                assert_eq!(picture(&operator).await, before, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn files_are_copied_in_the_cloud_under_any_name_and_onto_others() {
    let setup = Setup::new().await;
    for (from, to) in RENAMES.into_iter().filter(|(from, to)| !from.eq_ignore_ascii_case(to)) {
        let operator = planted(&setup).await;
        let mut wanted = picture(&operator).await;
        wanted.insert(to.to_owned(), wanted[from].clone());
        operator.copy(from, to).await.unwrap();
        assert_eq!(picture(&operator).await, wanted, "{from} to {to}");
    }
    let operator = planted(&setup).await;
    let refused = operator.copy_with("a/x.txt", "b/taken.txt").if_not_exists(true).await;
    assert_eq!(refused.unwrap_err().kind(), opendal::ErrorKind::ConditionNotMatch);
}

#[tokio::test]
async fn a_write_is_complete_or_an_error() {
    let setup = Setup::new().await;
    let operator = setup.operator();
    let fault = |fault: Fault| {
        setup.server.control().clear_faults();
        setup.server.control().add_faults([fault]).unwrap();
    };
    fault(Fault::on("live.files.put").times(1).status(503).header("Retry-After", "1"));
    let busy = operator.write("a", "one").await.unwrap_err();
    assert!(busy.is_temporary() && busy.kind() == opendal::ErrorKind::RateLimited, "{busy:?}");
    fault(Fault::on("live.files.put").times(1).reset(When::After));
    assert!(operator.write("a", "two").await.unwrap_err().is_temporary());
    operator.write("a", "three").await.unwrap();
    fault(Fault::on("ticket.get").times(1).truncate(2));
    setup.server.control().reset_counters();
    // An interrupted read resumes without an error.
    assert_eq!(operator.read("a").await.unwrap().to_vec(), b"three");
    assert_eq!(setup.server.control().counters().operations["ticket.get"], 2);
}

#[tokio::test]
async fn a_full_drive_is_reported() {
    let setup = Setup::with(Server::builder().quota(1000)).await;
    let error = setup.operator().write("a", vec![0; 2000]).await.unwrap_err();
    assert!(error.to_string().contains("resource_quota_exceeded"), "{error}");
    assert!(!error.is_temporary());
}
