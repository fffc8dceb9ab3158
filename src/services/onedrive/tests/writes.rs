//! Files in one request.

use std::{io::Write, sync::Arc};

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
async fn a_file_goes_in_one_request_from_memory_or_from_disk() {
    let mut on_disk = tempfile::tempfile().unwrap();
    on_disk.write_all(b"hello and more").unwrap();
    for body in [bytes("hello"), Body::File { file: Arc::new(on_disk), len: 5 }] {
        let transport = Scripted::expecting([(&*put("replace"), created(b"hello"))]);
        let item = upload(&drive(), &transport, body, &WriteOptions::default()).await.unwrap();
        assert_eq!((item.id.as_str(), item.size), ("F", Some(5)));
        let sent = &transport.sent()[0];
        assert_eq!(sent.text(), "hello");
        assert_eq!(sent.header("content-type"), Some("application/octet-stream"));
        assert_eq!(sent.header("authorization"), Some("Bearer token"));
        assert_eq!(sent.header("if-match"), None);
    }
}

#[tokio::test]
async fn what_happens_to_a_taken_name_is_said_in_the_url() {
    for (if_exists, behavior) in
        [(IfExists::Replace, "replace"), (IfExists::Fail, "fail"), (IfExists::Rename, "rename")]
    {
        let transport = Scripted::expecting([(&*put(behavior), created(b"x"))]);
        let options = WriteOptions { if_exists, ..WriteOptions::default() };
        upload(&drive(), &transport, bytes("x"), &options).await.unwrap();
    }
    let transport = Scripted::expecting([(&*put("fail"), refusal(409, "nameAlreadyExists"))]);
    let none = condition(None, Some("*"));
    let error = upload(&drive(), &transport, bytes("x"), &none).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(transport.sent()[0].header("if-none-match"), None);
}

#[tokio::test]
async fn an_answer_with_other_bytes_is_an_error_whatever_the_hosts_status() {
    let transport = Scripted::by(|_| created(b"hellO"));
    let error = upload(&drive(), &transport, bytes("hello"), &WriteOptions::default()).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Unexpected, false));
    assert!(error.to_string().contains("quickXorHash of the cloud's copy differs"), "{error}");
    let transport = Scripted::by(|_| created(b"hell"));
    let error = upload(&drive(), &transport, bytes("hello"), &WriteOptions::default()).await;
    assert!(error.unwrap_err().to_string().contains("5 bytes were sent, the cloud has 4"));
    // Business tells no hash for a while.
    let mut wire = file("F", "50% #1.txt", b"hello");
    wire["file"] = json!({});
    let transport = Scripted::by(move |_| ok(wire.clone()));
    upload(&drive(), &transport, bytes("hello"), &WriteOptions::default()).await.unwrap();
}

#[tokio::test]
async fn an_office_file_that_sharepoint_rewrites_is_taken_as_it_is_told() {
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
async fn an_etag_that_must_match_is_compared_with_the_item_itself() {
    let look = look("/me/drive/root:/a%20b/50%25%20%231.txt");
    let by_id =
        format!("PUT {API}/me/drive/items/F/content?@microsoft.graph.conflictBehavior=replace");
    let matching = condition(Some("\"{F},1\""), None);
    let there = || ok(file("F", "50% #1.txt", b"old"));
    let transport = Scripted::expecting([(&*look, there()), (&*by_id, created(b"x"))]);
    upload(&drive(), &transport, bytes("x"), &matching).await.unwrap();
    assert_eq!(transport.sent()[1].header("if-match"), Some("\"{F},1\""));
    // Known beforehand: no look.
    let transport = Scripted::expecting([(&*by_id, refusal(412, "resourceModified"))]);
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
    refused(Scripted::expecting([(&*look, there())]), &other, 1).await;
    // Graph itself would make a new file.
    let missing = || Scripted::by(|_| refusal(404, "itemNotFound"));
    refused(missing(), &matching, 1).await;
    refused(missing(), &condition(Some("*"), None), 1).await;
    let gone = Scripted::expecting([(&*look, there()), (&*by_id, refusal(404, "itemNotFound"))]);
    refused(gone, &matching, 2).await;
}

#[tokio::test]
async fn a_name_taken_by_what_is_no_file_says_by_what() {
    let taken = async |there: Outcome| {
        let transport = Scripted::by(move |sent| match sent.method == "PUT" {
            true => refusal(409, "nameAlreadyExists"),
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
async fn a_file_where_a_folder_should_be_is_told_wherever_it_is_on_the_way() {
    let odd = json!({"error": {"code": "invalidRequest", "message": "The parent is no folder",
        "innerError": {"code": "invalidPath"}}});
    let cloud = move |sent: &crate::transport::scripted::Sent| match sent.url.split('?').next() {
        Some("https://graph.microsoft.com/v1.0/me/drive/root:/f/b") => refusal(404, "itemNotFound"),
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
    // A path that is refused for another reason stays that.
    let made = drive().create_folder(&cx, &target("", "c")).await.unwrap_err();
    assert_eq!(made.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn an_empty_file_is_given_its_time_afterwards() {
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
async fn a_drive_of_others_is_written_to_by_its_own_address() {
    let url = format!(
        "PUT {API}/drives/b%21x/items/P:/n.txt:/content?@microsoft.graph.conflictBehavior=replace"
    );
    let transport = Scripted::expecting([(&*url, created(b"x"))]);
    let to = Target { folder: ItemRef::from_id(&"P".into()), name: "n.txt".into(), occupant: None };
    let library = named(DriveRef::Id("b!x".into()), Some(AccountKind::Library));
    library.upload(&transport.context(), &to, bytes("x"), &WriteOptions::default()).await.unwrap();
}
