//! Versions of files, and URLs for other programs.

use futures::TryStreamExt;

use super::*;
use crate::{
    drive::{ByteRange, Drive, Error, ErrorKind, Result, UploadUrl, WriteOptions},
    transport::scripted::{Scripted, Sent},
};

const CURRENT: &[u8] = b"current bytes";
const OLD: &[u8] = b"old";

/// A drive with the file `a/f`, which has three versions, on two pages.
fn cloud(sent: &Sent) -> Outcome {
    let url = sent.url.as_str();
    let path = url.strip_prefix(API).unwrap_or(url).split('?').next().unwrap_or_default();
    let version = |id: &str, size: usize| json!({"id": id, "size": size, "lastModifiedDateTime": "2014-03-02T01:00:00Z"});
    match (sent.method.as_str(), path) {
        ("GET", "/me/drive/root:/a/f:/versions") => ok(json!({
            "value": [version("3.0", CURRENT.len()), version("2.0", OLD.len())],
            "@odata.nextLink": format!("{API}/me/drive/more")})),
        ("GET", "/me/drive/more") => ok(json!({"value": [version("1.0", 0)]})),
        ("GET", "/me/drive/root:/a/f") => ok(file("F", "f", CURRENT)),
        ("GET", "/me/drive/root:/a") => ok(folder("A", "a", "R")),
        ("GET", "https://t/F") => answer(200, CURRENT),
        ("GET", "/me/drive/root:/a/f:/versions/2.0/content") => {
            answer(302, "").header("location", "https://t/2")
        }
        ("GET", "/me/drive/root:/a/f:/versions/3.0/content") => {
            error_response(400, "invalidRequest")
        }
        ("GET", "/me/drive/root:/a:/versions") => error_response(400, "invalidRequest"),
        ("POST", "/me/drive/root:/a/f:/versions/2.0/restoreVersion") => answer(204, ""),
        ("DELETE", "/me/drive/root:/a/f:/versions/2.0") => answer(204, ""),
        ("POST", "/me/drive/root:/a/new:/createUploadSession") => {
            ok(json!({"uploadUrl": "https://up/1?tempauth=x",
                "expirationDateTime": "2030-01-29T09:21:55Z"}))
        }
        _ => error_response(404, "itemNotFound"),
    }
}

#[tokio::test]
async fn all_pages_of_versions_are_listed_and_the_first_version_is_current() {
    let transport = Scripted::by(cloud);
    let versions = drive().versions(&transport.context(), &at("a/f")).await.unwrap();
    let listed: Vec<_> =
        versions.iter().map(|it| (it.id.as_str(), it.size, it.is_current)).collect();
    assert_eq!(listed, [("3.0", Some(13), true), ("2.0", Some(3), false), ("1.0", Some(0), false)]);
    let error = drive().versions(&transport.context(), &at("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsAFolder, "{error}");
    let error = drive().versions(&transport.context(), &at("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

async fn read(transport: &Scripted, version: &str, range: ByteRange) -> Result<Vec<u8>> {
    let cx = transport.context();
    let download = drive().download_version(&cx, &at("a/f"), version, range).await?;
    let pieces: Vec<_> = download.bytes.try_collect().await?;
    Ok(pieces.into_iter().flat_map(|piece| piece.to_vec()).collect())
}

#[tokio::test]
async fn an_old_version_is_read_by_its_number_and_the_current_one_as_the_file() {
    // A transport follows the redirect; a tenant without pre-authenticated URLs has none.
    let transport = Scripted::by(|sent| match sent.url.ends_with("/versions/2.0/content") {
        true => answer(200, OLD),
        false => cloud(sent),
    });
    assert_eq!(read(&transport, "2.0", ByteRange::Full).await.unwrap(), OLD);
    assert_eq!(transport.sent().len(), 1);
    assert_eq!(read(&transport, "2.0", ByteRange::Last(2)).await.unwrap(), b"ld");
    assert_eq!(read(&transport, "3.0", ByteRange::Span(8..13)).await.unwrap(), b"bytes");
    let error = read(&transport, "9.0", ByteRange::Full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn versions_are_restored_and_deleted_but_not_deleted_in_personal_drives() {
    let transport = Scripted::by(cloud);
    let cx = transport.context();
    drive().restore_version(&cx, &at("a/f"), "2.0").await.unwrap();
    drive().delete_version(&cx, &at("a/f"), "2.0").await.unwrap();
    let missing: Vec<Error> = vec![
        drive().restore_version(&cx, &at("a/f"), "9.0").await.unwrap_err(),
        drive().delete_version(&cx, &at("a/f"), "9.0").await.unwrap_err(),
    ];
    assert!(missing.iter().all(|error| error.kind() == ErrorKind::NotFound), "{missing:?}");
    let personal = drive_of_kind(AccountKind::Personal);
    let error = personal.delete_version(&cx, &at("a/f"), "2.0").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(!personal.capabilities().extensions.delete_versions);
    assert!(drive_of_kind(AccountKind::Library).capabilities().extensions.delete_versions);
}

#[tokio::test]
async fn a_download_url_for_another_program_is_new_and_pre_authenticated() {
    let transport = Scripted::by(cloud);
    let url = drive().download_url(&transport.context(), &at("a/f")).await.unwrap();
    assert_eq!(url.url.expose(), "https://t/F");
    assert!(url.expires.is_some());
    let error = drive().download_url(&transport.context(), &at("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsAFolder);
    let transport = Scripted::by(|_| {
        let mut file = file("F", "f", CURRENT);
        let url = format!("{API}/drives/D/items/F/contentStream");
        file["@microsoft.graph.downloadUrl"] = url.into();
        ok(file)
    });
    let error = drive().download_url(&transport.context(), &at("a/f")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("needs a token"), "{error}");
}

async fn upload_url(transport: &Scripted, size: u64) -> Result<UploadUrl> {
    let options = WriteOptions::default();
    drive().upload_url(&transport.context(), &target("a", "new"), size, &options).await
}

#[tokio::test]
async fn an_upload_url_is_a_session_for_one_request() {
    let transport = Scripted::by(cloud);
    let url = upload_url(&transport, 10).await.unwrap();
    assert_eq!((url.url.expose(), url.size), ("https://up/1?tempauth=x", 10));
    assert_eq!(url.headers, [("Content-Range".to_owned(), "bytes 0-9/10".to_owned())]);
    assert_eq!(url.expires.unwrap().to_string(), "2030-01-29T09:21:55Z");
    for size in [0, 60 << 20] {
        let error = upload_url(&transport, size).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{size}");
    }
    assert_eq!(transport.sent().len(), 1);
    let host = "https://contoso.sharepoint.com/uploadSession?guid=1";
    let transport = Scripted::by(move |sent| match sent.method.as_str() {
        "POST" => ok(json!({"uploadUrl": host})),
        _ => error_response(401, "unauthenticated"),
    });
    let error = upload_url(&transport, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionsUnavailable, "{error}");
}
