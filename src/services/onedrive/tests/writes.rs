//! Uploads in one request.

use opendal::Buffer;

use super::*;
use crate::{
    drive::{Body, Conditions, CopyRequest, Drive, ErrorKind, IfExists, Result, WriteOptions},
    transport::scripted::Scripted,
};

const URL: &str = "https://graph.microsoft.com/v1.0/me/drive/root:/a%20b/50%25%20%231.txt:/content";

async fn upload(
    drive: &GraphDrive,
    transport: &Scripted,
    body: Body,
    options: &WriteOptions,
) -> Result<Item> {
    drive.upload(&transport.context(), &target("a b", "50% #1.txt"), body, options).await
}

fn bytes(text: &'static str) -> Body {
    Body::Memory(Buffer::from(text))
}

fn put(behavior: &str) -> String {
    format!("PUT {URL}?@microsoft.graph.conflictBehavior={behavior}")
}

fn created(bytes: &[u8]) -> Outcome {
    answer(201, file("F", "50% #1.txt", bytes).to_string())
}

fn condition(if_match: Option<&str>, if_none_match: Option<&str>) -> WriteOptions {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    WriteOptions {
        conditions: Conditions { if_match: owned(if_match), if_none_match: owned(if_none_match) },
        ..WriteOptions::default()
    }
}

#[tokio::test]
async fn the_conflict_behavior_is_in_the_url() {
    for (if_exists, behavior) in
        [(IfExists::Replace, "replace"), (IfExists::Fail, "fail"), (IfExists::Rename, "rename")]
    {
        let transport = Scripted::expecting([(&*put(behavior), created(b"x"))]);
        let options = WriteOptions { if_exists, ..WriteOptions::default() };
        upload(&drive(), &transport, bytes("x"), &options).await.unwrap();
    }
    let transport =
        Scripted::expecting([(&*put("fail"), error_response(409, "nameAlreadyExists"))]);
    let none = condition(None, Some("*"));
    let error = upload(&drive(), &transport, bytes("x"), &none).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(transport.sent()[0].header("if-none-match"), None);
}

#[tokio::test]
async fn a_response_with_other_content_is_an_error() {
    let transport = Scripted::by(|_| created(b"hellO"));
    let error = upload(&drive(), &transport, bytes("hello"), &WriteOptions::default()).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Unexpected, false));
    assert!(error.to_string().contains("quickXorHash of the cloud's copy differs"), "{error}");
    let transport = Scripted::by(|_| created(b"hell"));
    let error = upload(&drive(), &transport, bytes("hello"), &WriteOptions::default()).await;
    assert!(error.unwrap_err().to_string().contains("5 bytes were sent, the cloud has 4"));
    // Business accounts omit the hash for some time.
    let mut wire = file("F", "50% #1.txt", b"hello");
    wire["file"] = json!({});
    let transport = Scripted::by(move |_| ok(wire.clone()));
    upload(&drive(), &transport, bytes("hello"), &WriteOptions::default()).await.unwrap();
}

#[tokio::test]
async fn an_office_file_that_sharepoint_rewrites_is_accepted() {
    let rewritten = |kind: &str| {
        let mut wire = file("F", "r.docx", b"rewritten by the cloud");
        wire["parentReference"]["driveType"] = json!(kind);
        Scripted::by(move |_| ok(wire.clone()))
    };
    let upload = async |transport: &Scripted| {
        let options = WriteOptions::default();
        drive().upload(&transport.context(), &target("", "r.docx"), bytes("mine"), &options).await
    };
    for kind in ["business", "documentLibrary"] {
        assert_eq!(upload(&rewritten(kind)).await.unwrap().size, Some(22));
    }
    assert!(upload(&rewritten("personal")).await.is_err());
}

#[tokio::test]
async fn an_if_match_write_is_addressed_by_id() {
    let line = item_request("/me/drive/root:/a%20b/50%25%20%231.txt");
    let by_id =
        format!("PUT {API}/me/drive/items/F/content?@microsoft.graph.conflictBehavior=replace");
    let matching = condition(Some("\"{F},1\""), None);
    let there = || ok(file("F", "50% #1.txt", b"old"));
    let transport = Scripted::expecting([(&*line, there()), (&*by_id, created(b"x"))]);
    upload(&drive(), &transport, bytes("x"), &matching).await.unwrap();
    assert_eq!(transport.sent()[1].header("if-match"), Some("\"{F},1\""));
    // The id is known: no further request.
    let transport = Scripted::expecting([(&*by_id, error_response(412, "resourceModified"))]);
    let mut to = target("a b", "50% #1.txt");
    to.occupant = Some("F".into());
    let error = drive().upload(&transport.context(), &to, bytes("x"), &matching).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConditionNotMatch);

    let refused = async |steps: Scripted, options: &WriteOptions, requests: usize| {
        let error = upload(&drive(), &steps, bytes("x"), options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConditionNotMatch, "{error}");
        assert_eq!(steps.sent().len(), requests);
    };
    let other = condition(Some("\"{F},0\""), None);
    refused(Scripted::expecting([(&*line, there())]), &other, 1).await;
    // Graph itself would create a new file.
    let missing = || Scripted::by(|_| error_response(404, "itemNotFound"));
    refused(missing(), &matching, 1).await;
    refused(missing(), &condition(Some("*"), None), 1).await;
    let gone =
        Scripted::expecting([(&*line, there()), (&*by_id, error_response(404, "itemNotFound"))]);
    refused(gone, &matching, 2).await;
}

#[tokio::test]
async fn a_name_in_use_is_an_error_of_the_existing_items_kind() {
    let taken = async |there: Outcome| {
        let transport = Scripted::by(move |sent| match sent.method == "PUT" {
            true => error_response(409, "nameAlreadyExists"),
            false => there.clone(),
        });
        upload(&drive(), &transport, bytes("x"), &WriteOptions::default()).await.unwrap_err()
    };
    assert_eq!(taken(ok(folder("1", "a", "P"))).await.kind(), ErrorKind::IsAFolder);
    let notebook = taken(ok(json!({"id": "1", "name": "a", "package": {}}))).await;
    assert_eq!(notebook.kind(), ErrorKind::Conflict);
    assert!(notebook.to_string().contains("OneNote"), "{notebook}");
    assert_eq!(taken(ok(file("1", "a", b"x"))).await.kind(), ErrorKind::Conflict);
    assert_eq!(taken(answer(500, "")).await.kind(), ErrorKind::AlreadyExists, "as it was told");
    let busy = json!({"error": {"code": "nameAlreadyExists",
        "message": "A file with the same name is currently being uploaded"}});
    let transport = Scripted::by(move |_| answer(409, busy.to_string()));
    let error =
        upload(&drive(), &transport, bytes("x"), &WriteOptions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Conflict, true));
}

#[tokio::test]
async fn a_file_in_the_path_is_reported_at_any_depth() {
    let odd = json!({"error": {"code": "invalidRequest", "message": "The parent is no folder",
        "innerError": {"code": "invalidPath"}}});
    let cloud = move |sent: &crate::transport::scripted::Sent| match sent.url.split('?').next() {
        Some("https://graph.microsoft.com/v1.0/me/drive/root:/f/b") => {
            error_response(404, "itemNotFound")
        }
        Some("https://graph.microsoft.com/v1.0/me/drive/root:/f") => ok(file("1", "f", b"x")),
        _ => answer(400, odd.to_string()),
    };
    let transport = Scripted::by(cloud.clone());
    let (cx, options) = (transport.context(), WriteOptions::default());
    let written = drive().upload(&cx, &target("f/b", "c"), bytes("x"), &options).await;
    assert_eq!(written.unwrap_err().kind(), ErrorKind::NotAFolder);
    assert_eq!(transport.sent().len(), 3);
    let made = drive().create_folder(&cx, &target("f", "c")).await.unwrap_err();
    assert_eq!(made.kind(), ErrorKind::NotAFolder);
    let change = crate::drive::ItemUpdate { folder: Some(at("f")), ..Default::default() };
    let moved = drive().update(&cx, &at("x"), None, &change).await.unwrap_err();
    assert_eq!(moved.kind(), ErrorKind::NotAFolder);
    let copied = drive()
        .copy(&cx, CopyRequest::new(&at("x"), &target("f", "c")).with_if_exists(IfExists::Fail))
        .await;
    assert_eq!(copied.unwrap_err().kind(), ErrorKind::NotAFolder);
    // Another invalid path remains an invalid path.
    let made = drive().create_folder(&cx, &target("", "c")).await.unwrap_err();
    assert_eq!(made.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_time_of_an_empty_file_is_set_by_a_second_request() {
    let patch = format!("PATCH {API}/me/drive/items/F?@microsoft.graph.conflictBehavior=fail");
    let transport = Scripted::expecting([
        (&*put("replace"), created(b"")),
        (&*patch, ok(file("F", "50% #1.txt", b""))),
    ]);
    let modified = Some("2014-03-02T01:00:00Z".parse().unwrap());
    let options = WriteOptions { modified, ..WriteOptions::default() };
    let item = upload(&drive(), &transport, bytes(""), &options).await.unwrap();
    assert_eq!(item.modified, modified);
    let sent: Value = serde_json::from_str(transport.sent()[1].text()).unwrap();
    let expected = json!({"fileSystemInfo": {"lastModifiedDateTime": "2014-03-02T01:00:00Z"}});
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn another_drive_is_addressed_by_its_id() {
    let url = format!(
        "PUT {API}/drives/b%21x/items/P:/n.txt:/content?@microsoft.graph.conflictBehavior=replace"
    );
    let transport = Scripted::expecting([(&*url, created(b"x"))]);
    let to = Target { folder: ItemRef::from_id(&"P".into()), name: "n.txt".into(), occupant: None };
    let library = drive_with(DriveRef::Id("b!x".into()), Some(AccountKind::Library));
    library.upload(&transport.context(), &to, bytes("x"), &WriteOptions::default()).await.unwrap();
}
