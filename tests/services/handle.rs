//! The features of a drive's handle that OpenDAL has no operation for, over HTTP.

use drivedal::{
    adapter::DriveHandle,
    drive::ItemKind,
    remote::{Remote, RemoteSource},
};
use drivedal_server::{AccountKind, Server};
use futures::TryStreamExt;
use http::{HeaderName, HeaderValue, Method, Request};
use opendal::{Buffer, ErrorKind, Operator, options::DeleteOptions};

/// A drive server, and a remote on it.
async fn remote(scheme: &str, path: &str, kind: AccountKind) -> (Server, Operator, DriveHandle) {
    let server = Server::builder().ephemeral().kind(kind).start().await.expect("a server");
    let source = RemoteSource::from_scheme(scheme)
        .option("endpoint", format!("{}{path}", server.url()))
        .option("access_token", "drivedal-dev");
    let Remote { operator, handle, .. } = source.open().expect("a remote");
    (server, operator, handle.expect("a drive"))
}

async fn onedrive(kind: AccountKind) -> (Server, Operator, DriveHandle) {
    remote("onedrive", "v1.0", kind).await
}

async fn tree(operator: &Operator, path: &str) -> Vec<String> {
    let lister = operator.lister_with(path).recursive(true).await.expect("listed");
    let entries: Vec<_> = lister.try_collect().await.expect("listed");
    let mut paths: Vec<_> = entries.iter().map(|entry| entry.path().to_owned()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn the_cloud_copies_a_folder_with_its_contents() {
    for kind in [AccountKind::Personal, AccountKind::Business] {
        let (_server, operator, handle) = onedrive(kind).await;
        operator.write("d/a", "1").await.expect("written");
        operator.write("d/b/c", "22").await.expect("written");
        let copy = handle.copy_folder(&operator, "d/", "e/f/").await.expect("copied");
        assert_eq!((copy.kind, copy.name.as_str()), (ItemKind::Folder, "f"));
        assert_eq!(tree(&operator, "e/f/").await, ["e/f/", "e/f/a", "e/f/b/", "e/f/b/c"]);
        assert_eq!(operator.read("e/f/b/c").await.expect("read").to_vec(), b"22");
        assert_eq!(tree(&operator, "d/").await, ["d/", "d/a", "d/b/", "d/b/c"]);
        for (from, to, expected) in [
            ("d/", "e/f/", ErrorKind::AlreadyExists),
            ("d/", "d/b/x/", ErrorKind::Conflict),
            ("d/", "d/", ErrorKind::Conflict),
            ("d/a", "x/", ErrorKind::NotADirectory),
            ("missing/", "x/", ErrorKind::NotFound),
            ("/", "x/", ErrorKind::IsADirectory),
        ] {
            let error = handle.copy_folder(&operator, from, to).await.expect_err(to);
            assert_eq!(error.kind(), expected, "{kind}: {from} to {to}: {error}");
        }
        assert_eq!(tree(&operator, "e/").await, ["e/", "e/f/", "e/f/a", "e/f/b/", "e/f/b/c"]);
    }
}

#[tokio::test]
async fn a_cloud_that_copies_only_files_copies_no_folder() {
    let (_server, operator, handle) = remote("skydrive", "v5.0", AccountKind::Personal).await;
    operator.write("d/a", "1").await.expect("written");
    let error = handle.copy_folder(&operator, "d/", "e/").await.expect_err("unsupported");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn versions_of_a_path_are_listed() {
    let (_server, operator, handle) = onedrive(AccountKind::Business).await;
    operator.write("d/a", "12345").await.expect("written");
    let versions = handle.versions(&operator, "d/a").await.expect("versions");
    assert!(versions[0].is_current && versions[0].size == Some(5), "{versions:?}");
    let missing = handle.versions(&operator, "d/b").await.expect_err("missing");
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
}

/// Sends a request as another program would: without a token.
async fn send(operator: &Operator, request: Request<Buffer>) -> (u16, Vec<u8>) {
    let response = operator.context().http_transport().send(request).await.expect("a response");
    (response.status().as_u16(), response.into_body().to_vec())
}

#[tokio::test]
async fn another_program_writes_and_reads_a_file_by_urls() {
    let (_server, operator, handle) = onedrive(AccountKind::Business).await;
    let url = handle.upload_url(&operator, "new/file", 10).await.expect("a URL");
    assert_eq!(url.size, 10);
    let mut request = Request::new(Buffer::from("0123456789"));
    *request.method_mut() = Method::PUT;
    *request.uri_mut() = url.url.expose().parse().expect("a URL");
    request.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(10));
    for (name, value) in &url.headers {
        let name: HeaderName = name.parse().expect("a name");
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let (status, _) = send(&operator, request).await;
    assert_eq!(status, 201);
    assert_eq!(operator.read("new/file").await.expect("read").to_vec(), b"0123456789");

    for (scheme, path) in
        [("onedrive", "v1.0"), ("skydrive", "v5.0"), ("amazon-drive", "drive/v1/")]
    {
        let (_server, operator, handle) = remote(scheme, path, AccountKind::Personal).await;
        operator.write("d/a", "text").await.expect("written");
        let url = handle.download_url(&operator, "d/a").await.expect("a URL");
        let mut request = Request::new(Buffer::new());
        *request.uri_mut() = url.url.expose().parse().expect("a URL");
        assert_eq!(send(&operator, request).await, (200, b"text".to_vec()), "{scheme}");
        let error = handle.download_url(&operator, "d/").await.expect_err("a folder");
        assert_eq!(error.kind(), ErrorKind::IsADirectory, "{scheme}: {error}");
    }
}

#[tokio::test]
async fn a_restored_version_is_the_current_one_and_newer_ones_are_kept() {
    for kind in [AccountKind::Personal, AccountKind::Business] {
        let (_server, operator, handle) = onedrive(kind).await;
        operator.write("d/a", "old").await.expect("written");
        operator.write("d/a", "newer").await.expect("written");
        let versions = handle.versions(&operator, "d/a").await.expect("versions");
        assert_eq!(
            versions.iter().map(|version| version.size).collect::<Vec<_>>(),
            [Some(5), Some(3)]
        );
        handle.restore_version(&operator, "d/a", &versions[1].id).await.expect("restored");
        assert_eq!(operator.read("d/a").await.expect("read").to_vec(), b"old", "{kind}");
        let sizes: Vec<_> = handle
            .versions(&operator, "d/a")
            .await
            .expect("versions")
            .iter()
            .map(|version| version.size)
            .collect();
        assert_eq!(sizes, [Some(3), Some(5), Some(3)], "{kind}");
        let missing = handle.restore_version(&operator, "d/a", "999.0").await.expect_err("missing");
        assert_eq!(missing.kind(), ErrorKind::NotFound, "{kind}: {missing}");
        assert_eq!(operator.read("d/a").await.expect("read").to_vec(), b"old", "{kind}");
    }
}

#[tokio::test]
async fn an_item_is_deleted_only_in_the_required_state() {
    for kind in [AccountKind::Personal, AccountKind::Business] {
        let (_server, operator, _) = onedrive(kind).await;
        operator.write("a", "1").await.expect("written");
        let etag = operator.stat("a").await.expect("found").etag().map(str::to_owned);
        operator.write("a", "22").await.expect("written");
        let required = |if_match| DeleteOptions { if_match, ..DeleteOptions::default() };
        let error = operator.delete_options("a", required(etag)).await.expect_err("changed");
        assert_eq!(error.kind(), ErrorKind::ConditionNotMatch, "{kind}: {error}");
        assert_eq!(operator.read("a").await.expect("read").to_vec(), b"22");
        let etag = operator.stat("a").await.expect("found").etag().map(str::to_owned);
        operator.delete_options("a", required(etag)).await.expect("deleted");
        assert!(!operator.exists("a").await.expect("a response"), "{kind}");
    }
}
