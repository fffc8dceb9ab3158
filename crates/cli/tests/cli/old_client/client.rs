//! Every method of the old client, against the drive server.

use drivedal::{
    auth::{StoredTokens, TokenFile, TokenSource},
    drive::{Body, ByteRange, Context, Download, ErrorKind},
    services::skydrive::{
        Client, LinkType, ListQuery, MY_DOCUMENTS, ObjectProperties, Overwrite, PictureSize, ROOT,
        SCOPES, SharedItems, SkyDrive, UploadOptions, model::ObjectKind,
    },
    transport::Transport,
};
use drivedal_server::{FixtureItem, Server};
use futures::TryStreamExt;
use opendal::{Buffer, HttpTransporter, OperationContext};
use serde_json::json;

use crate::old_client::media;

struct Setup {
    server: Server,
    context: OperationContext,
}

impl Setup {
    async fn new() -> Self {
        let server = Server::builder().ephemeral().start().await.expect("a server");
        let transport = HttpTransporter::new(Transport::default());
        Self { server, context: OperationContext::new().with_http_transport(transport) }
    }

    fn cx(&self) -> Context {
        Context::from(&self.context)
    }

    fn address(&self) -> String {
        self.server.url().as_str().trim_end_matches('/').to_owned()
    }

    fn client(&self) -> Client {
        let endpoint = format!("{}/v5.0/", self.address());
        Client::new(&endpoint, TokenSource::fixed("drivedal-dev".into())).expect("a client")
    }

    async fn put(&self, folder: &str, name: &str, bytes: Vec<u8>) -> String {
        let body = Body::Memory(Buffer::from(bytes));
        let options = UploadOptions::default();
        let put = self.client().put_file(&self.cx(), folder, name, &body, &options).await;
        put.expect("uploaded").id
    }
}

async fn bytes(download: Download) -> Vec<u8> {
    let pieces: Vec<Buffer> = download.bytes.try_collect().await.expect("bytes");
    pieces.iter().flat_map(Buffer::to_vec).collect()
}

fn all() -> ListQuery {
    ListQuery::default()
}

fn named(name: &str) -> ObjectProperties<'_> {
    ObjectProperties::with_name(name)
}

#[tokio::test]
async fn objects_have_the_fields_of_their_files() {
    let setup = Setup::new().await;
    let (client, cx) = (setup.client(), setup.cx());
    let photo = setup.put(ROOT, "a.jpg", media::photo(1600, 1200)).await;
    let photo = client.object(&cx, &photo).await.expect("a photo");
    assert_eq!(
        (photo.kind, photo.width, photo.height),
        (ObjectKind::Photo, Some(1600), Some(1200))
    );
    assert_eq!(photo.camera_make.as_deref(), Some("MyManufacturer"));
    assert_eq!(photo.when_taken.expect("told").to_string(), "2008-03-24T23:41:53Z");
    let place = photo.location.expect("told");
    assert!((place.latitude - 47.65316).abs() < 1e-6 && place.altitude == 43.0, "{place:?}");
    assert_eq!((photo.exposure_numerator, photo.exposure_denominator), (Some(1.0), Some(15.0)));
    assert_eq!(
        (photo.focal_ratio, photo.tags_count, photo.is_embeddable),
        (Some(2.8), Some(0), Some(true))
    );
    assert_eq!(photo.from.and_then(|from| from.name).as_deref(), Some("Drivedal Developer"));
    assert_eq!(photo.shared_with.expect("told").access, "Just me");
    let full = photo.images.iter().find(|image| image.size == "album").expect("an album's size");
    assert_eq!((full.width, full.height), (176, 132));
    let shown =
        client.source(&cx, full.source.as_ref().expect("told"), &ByteRange::Full, None).await;
    assert!(bytes(shown.expect("a picture")).await.starts_with(b"\xff\xd8"));

    let song = setup.put(ROOT, "a.mp3", media::song(None)).await;
    let mut changed = ObjectProperties::default();
    changed.title = Some("Tame");
    let song = client.update(&cx, &song, &changed).await.expect("a song");
    assert_eq!((song.title.as_deref(), song.artist.as_deref()), (Some("Tame"), Some("The Band")));
    let film = setup.put(ROOT, "a.mp4", media::film()).await;
    let film = client.object(&cx, &film).await.expect("a film");
    assert_eq!((film.duration, film.width), (Some(12_500), Some(640)));
    assert!(film.bitrate.expect("told") > 30_000);
}

#[tokio::test]
async fn collections_give_what_is_of_their_kind() {
    let setup = Setup::new().await;
    let (client, cx) = (setup.client(), setup.cx());
    let album = client.create_album(&cx, &named("Sea")).await.expect("an album");
    assert_eq!(album.kind, ObjectKind::Album);
    for (name, made) in [
        ("a.jpg", media::photo(40, 30)),
        ("b.mp4", media::film()),
        ("c.mp3", media::song(None)),
        ("d.txt", b"d".to_vec()),
    ] {
        setup.put(&album.id, name, made).await;
    }
    let id = album.id.as_str();
    let names =
        |collection: drivedal::drive::Result<drivedal::services::skydrive::model::Collection>| {
            let data = collection.expect("a collection").data;
            data.into_iter().map(|object| object.name).collect::<Vec<_>>()
        };
    assert_eq!(names(client.albums(&cx, &all()).await), ["Sea"]);
    assert_eq!(names(client.photos(&cx, id, &all()).await), ["a.jpg"]);
    assert_eq!(names(client.videos(&cx, id, &all()).await), ["b.mp4"]);
    assert_eq!(names(client.audio(&cx, id, &all()).await), ["c.mp3"]);
    let newest = ListQuery::with_range(0, 1);
    let recent = client.recent_docs(&cx, &newest).await;
    assert!(recent.as_ref().is_ok_and(|recent| recent.paging.is_some()));
    assert_eq!(names(recent), ["d.txt"]);
    assert_eq!(names(client.search(&cx, ROOT, "WILD", &all()).await), ["c.mp3"]);
    let theirs = FixtureItem::file("theirs.jpg", media::photo(4, 3)).owned_by("anna");
    setup.server.control().add_fixtures([theirs]).await.expect("planted");
    for which in [SharedItems::All, SharedItems::Files, SharedItems::Photos] {
        assert_eq!(names(client.shared(&cx, which, &all()).await), ["theirs.jpg"]);
    }
    for which in [SharedItems::Albums, SharedItems::Videos] {
        assert!(names(client.shared(&cx, which, &all()).await).is_empty());
    }
    let documents = client.object(&cx, MY_DOCUMENTS).await.expect("a folder");
    assert_eq!(documents.name, "Documents");
    let granted = client.permissions(&cx).await.expect("permissions");
    assert!(granted.iter().any(|scope| scope == "wl.skydrive_update"), "{granted:?}");
}

#[tokio::test]
async fn links_comments_tags_and_pictures() {
    let setup = Setup::new().await;
    let (client, cx) = (setup.client(), setup.cx());
    let mut plant = FixtureItem::file("a.jpg", media::photo(1000, 500));
    let tag = json!({ "tags": [{ "user": { "name": "Anna" }, "x": 25.5, "y": 50 }] });
    plant.facets.insert("live".into(), tag);
    let id = setup.server.control().add_fixtures([plant]).await.expect("planted").remove(0).live_id;

    let read = client.link(&cx, &id, LinkType::Read).await.expect("a link");
    assert!(
        read.expose().starts_with(&setup.address()) && !format!("{read:?}").contains("authkey")
    );
    client.link(&cx, &id, LinkType::Edit).await.expect("a link");
    let html = client.link(&cx, &id, LinkType::Embed).await.expect("a link");
    assert!(html.expose().starts_with("<iframe src=\""));

    let first = client.add_comment(&cx, &id, "nicé").await.expect("a comment");
    assert_eq!(client.comments(&cx, &id).await.expect("comments")[0].message, "nicé");
    assert_eq!(client.comment(&cx, &first.id).await.expect("a comment").id, first.id);
    client.delete_comment(&cx, &first.id).await.expect("removed");
    assert!(client.comments(&cx, &id).await.expect("comments").is_empty());
    let gone = client.comment(&cx, &first.id).await.expect_err("it is gone");
    assert_eq!(gone.kind(), ErrorKind::NotFound);

    let tags = client.tags(&cx, &id).await.expect("tags");
    assert_eq!((tags[0].user.name.as_deref(), tags[0].x), (Some("Anna"), Some(25.5)));
    assert_eq!(client.tag(&cx, &tags[0].id).await.expect("a tag").y, Some(50.0));

    for (size, width) in [
        (PictureSize::Thumbnail, 96),
        (PictureSize::Small, 96),
        (PictureSize::Album, 176),
        (PictureSize::Normal, 800),
        (PictureSize::Full, 1000),
    ] {
        let url = client.picture(&cx, &id, size).await.expect("an address");
        let picture = client.source(&cx, &url, &ByteRange::Full, None).await.expect("a picture");
        let picture = image::load_from_memory(&bytes(picture).await).expect("a picture");
        assert_eq!(picture.width(), width, "{size:?}");
    }
    let preview = client.preview(&cx, &read, PictureSize::Album).await.expect("a picture");
    let preview = image::load_from_memory(&bytes(preview).await).expect("a picture");
    assert_eq!(preview.width(), 176);
    assert!(client.picture(&cx, "me", PictureSize::Large).await.is_ok());
    client.delete(&cx, &id).await.expect("removed");
    let gone = client.preview(&cx, &read, PictureSize::Album).await.expect_err("its item is gone");
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(!gone.to_string().contains("authkey"), "{gone}");
}

#[tokio::test]
async fn paths_are_resolved_as_the_old_client_did() {
    let setup = Setup::new().await;
    let (client, cx) = (setup.client(), setup.cx());
    let folder = client.create_folder(&cx, ROOT, &named("Docs")).await.expect("a folder").id;
    let file = setup.put(&folder, "a b.txt", b"x".to_vec()).await;
    for path in ["Docs/a b.txt", "/Docs//a b.txt", "Docs\\a b.txt"] {
        assert_eq!(client.resolve(&cx, ROOT, path).await.expect("found"), file, "{path}");
    }
    assert_eq!(client.resolve(&cx, &folder, "a b.txt").await.expect("found"), file);
    assert_eq!(client.resolve(&cx, ROOT, "").await.expect("found"), ROOT);
    assert_eq!(client.resolve(&cx, ROOT, MY_DOCUMENTS).await.expect("an id"), MY_DOCUMENTS);
    assert_eq!(client.resolve_object(&cx, ROOT, "Docs").await.expect("found").id, folder);
    for (path, said) in [
        ("docs/x", "\"docs/x\" in the folder me/skydrive"),
        ("Docs/x/y", &format!("\"x/y\" in the folder {folder}")),
    ] {
        let missing = client.resolve(&cx, ROOT, path).await.expect_err("not there");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.to_string().contains(said), "{missing}");
    }
    // The folder has more than one page.
    for number in 0..501 {
        client.create_folder(&cx, &folder, &named(&format!("f{number:03}"))).await.expect("made");
    }
    assert!(client.resolve(&cx, ROOT, "Docs/f500").await.is_ok());
}

#[tokio::test]
async fn uploads_overwrite_in_three_ways_and_reduce_photos_on_request() {
    let setup = Setup::new().await;
    let (client, cx) = (setup.client(), setup.cx());
    let body = Body::Memory(Buffer::from(media::photo(2100, 100)));
    let put = async |overwrite, downsize_photos| {
        let mut options = UploadOptions::with_overwrite(overwrite);
        options.downsize_photos = downsize_photos;
        client.put_file(&cx, ROOT, "a.jpg", &body, &options).await
    };
    let first = put(Overwrite::Yes, false).await.expect("made").id;
    assert_eq!(client.object(&cx, &first).await.expect("there").width, Some(2100));
    assert_eq!(
        put(Overwrite::No, false).await.expect_err("taken").kind(),
        ErrorKind::AlreadyExists
    );
    let other = put(Overwrite::ChooseNewName, true).await.expect("made");
    assert_eq!(other.name.as_deref(), Some("a 1.jpg"));
    assert_eq!(client.object(&cx, &other.id).await.expect("there").width, Some(2048));
}

#[tokio::test]
async fn sign_in_with_the_last_url_of_the_browser() {
    let setup = Setup::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let lcrc = folder.path().join("lcrc");
    std::fs::write(&lcrc, "client:\n  id: 0000000062000012\n  secret: s\n").expect("written");
    let address = setup.address();
    let builder = SkyDrive::default()
        .endpoint(format!("{address}/v5.0/"))
        .oauth_endpoint(&address)
        .lcrc(lcrc.display().to_string());
    let source = drivedal::remote::RemoteSource::from_scheme("skydrive")
        .option("endpoint", format!("{address}/v5.0/"))
        .option("oauth_endpoint", &address)
        .option("lcrc", lcrc.display().to_string());
    let config = source.skydrive_config().expect("good options").expect("a SkyDrive");
    let sign_in = config.sign_in().expect("a sign-in");
    let url = sign_in.url(None);
    assert!(url.query().is_some_and(|query| query.contains("client_id=0000000062000012")));
    let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let answer = browser.build().expect("one").get(url).send().await.expect("an answer");
    let ended_at = answer.headers()["location"].to_str().expect("an address").to_owned();
    let code = sign_in.code(&ended_at).expect("a code");
    let tokens = sign_in.tokens(&setup.cx(), &code, true).await.expect("tokens");
    assert_eq!(tokens.scopes.len(), SCOPES.len());
    tokens.save_to(config.token_storage().expect("a file")).await.expect("kept");

    let (service, handle) = builder.build_with_handle().expect("a drive");
    drop(service);
    let client = Client::from_handle(&handle).expect("a SkyDrive");
    client.me(&setup.cx()).await.expect("the owner");
    let StoredTokens { access_token: before, .. } =
        TokenFile::lcrc(&lcrc).read().expect("read").expect("kept");
    client.renew_token(&setup.cx()).await.expect("renewed");
    let StoredTokens { access_token: after, .. } =
        TokenFile::lcrc(&lcrc).read().expect("read").expect("kept");
    assert!(before.is_some() && before != after);
    let text = std::fs::read_to_string(&lcrc).expect("read");
    assert!(text.contains("id: '0000000062000012'"), "{text}");

    // A second use of the code also revokes the tokens of the first.
    let again = sign_in.tokens(&setup.cx(), &code, true).await.expect_err("a code is good once");
    assert_eq!(again.kind(), ErrorKind::PermissionDenied);
    let revoked = client.renew_token(&setup.cx()).await.expect_err("a revoked token");
    assert_eq!(revoked.kind(), ErrorKind::PermissionDenied);
}
