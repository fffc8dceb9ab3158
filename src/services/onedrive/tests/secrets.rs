//! No output contains a secret.

use futures::TryStreamExt;
use opendal::Buffer;

use super::*;
use crate::{
    drive::{
        Body, ByteRange, Conditions, CopyJob, CopyRequest, Cursor, DeleteTarget, Depth,
        DownloadRequest, Drive, ItemUpdate, ListRequest, UploadSession, WriteOptions,
    },
    services::{
        onedrive::OneDrive,
        secret_words::{check, check_operator, headers, said, tokens},
    },
    transport::scripted::{Scripted, Sent},
};

/// Minimum number of texts from [`every_request`].
const LEAST: usize = 19;

/// Sends every request of the client once, and returns the printed results.
async fn every_request(transport: &Scripted) -> Vec<String> {
    let client = Client::new(API, tokens()).unwrap().with_headers(headers());
    let lookup = DriveLookup::new(ConfiguredDrive::Drive(DriveRef::Mine), None);
    let drive = GraphDrive::new(client.clone(), lookup, None, None);
    let (cx, none) = (transport.context(), Conditions::default());
    let item = known("F", "https://t/x?tempauth=SECRET-ticket");
    let mut told = Vec::new();
    let mut tell = |what: String| told.push(what);

    tell(said(drive.account(&cx).await));
    tell(said(drive.quota(&cx).await));
    tell(said(client.site(&cx, "h", "p").await));
    tell(said(client.drives(&cx, &DriveRef::Mine, None).await));
    tell(said(drive.item(&cx, &at("a"), &none).await));
    for depth in [Depth::Children, Depth::Recursive] {
        let page = drive.list(&cx, ListRequest::new(&at("")).with_depth(depth)).await;
        let next = page.as_ref().ok().and_then(|page| page.next.clone());
        tell(said(page));
        if next.is_some() {
            tell(said(
                drive
                    .list(
                        &cx,
                        ListRequest::new(&at("")).with_depth(depth).with_cursor(next.as_ref()),
                    )
                    .await,
            ));
        }
    }
    for known in [None, Some(&item)] {
        let read = drive
            .download(
                &cx,
                DownloadRequest::new(&at("a"))
                    .with_known(known)
                    .with_range(ByteRange::From(1))
                    .with_conditions(&none),
            )
            .await;
        tell(format!("{read:?}"));
        if let Ok(read) = read {
            tell(said(read.bytes.try_collect::<Vec<Buffer>>().await));
        }
    }
    tell(said(client.content(&cx, &client_at("a"), &ByteRange::Full, None).await));
    let options = WriteOptions::default();
    let body = Body::Memory(Buffer::from("bytes"));
    tell(said(drive.upload(&cx, &target("", "a"), body, &options).await));
    tell(said(drive.open_session(&cx, &target("", "a"), 5, &options).await));
    let opened = Scripted::by(|_| ok(json!({"uploadUrl": "https://u/x?tempauth=SECRET-ticket"})));
    let to = target("", "a");
    let mut session =
        super::drive().open_session(&opened.context(), &to, 5, &options).await.unwrap();
    tell(said(drive.send_fragment(&cx, &mut session, 0, Buffer::from("bytes")).await));
    tell(said(drive.session_status(&cx, &session).await));
    tell(said(drive.commit_session(&cx, &session).await));
    tell(said(drive.cancel_session(&cx, &session).await));
    tell(said::<UploadSession>(Ok(session)));
    tell(said(drive.create_folder(&cx, &target("", "b")).await));
    let change = ItemUpdate { name: Some("b".to_owned()), ..ItemUpdate::default() };
    tell(said(drive.update(&cx, &at("a"), Some(&item), &change).await));
    tell(said(drive.copy(&cx, CopyRequest::new(&at("a"), &target("", "c"))).await));
    let begun = Scripted::by(|_| answer(202, "").header("location", "https://m/x?SECRET-ticket"));
    let copying = super::drive().copy(&begun.context(), CopyRequest::new(&at("a"), &to)).await;
    if let Ok(crate::drive::CopyStatus::Running { job, .. }) = copying {
        tell(said(drive.copy_status(&cx, &job).await));
        tell(said::<CopyJob>(Ok(job)));
    }
    let removal = DeleteTarget { item: at("a"), kind: None, parents: vec![], if_match: None };
    for result in drive.delete(&cx, &[removal]).await {
        tell(said(result));
    }
    tell(format!("{drive:?} {client:#?} {cx:?} {item:?} {:?}", Cursor("SECRET-ticket".into())));
    told
}

fn client_at(path: &str) -> super::super::Address {
    super::super::Address::root(DriveRef::Mine).below(path)
}

/// Returns the response of a cloud that repeats the secrets of the request.
fn repeating(sent: &Sent, status: u16) -> Outcome {
    let token = sent.header("authorization").unwrap_or_default().replace("Bearer ", "");
    let said = |what: &str| {
        answer(
            status,
            json!({"error": {"code": what, "message": format!("What is {what}?"),
                "innererror": {"code": format!("{what}!"), "request-id": what}}})
            .to_string(),
        )
    };
    match &*sent.url {
        "https://login/token" => answer(
            status,
            r#"{"error":"invalid_grant","error_description":"SECRET-refresh of SECRET-client?"}"#,
        ),
        url if !url.starts_with(API) => said("SECRET-ticket"),
        _ => said(&token),
    }
}

#[tokio::test]
async fn no_error_contains_a_secret() {
    type Script = fn(&Sent) -> Outcome;
    let scripts: [(&str, Script); 7] = [
        ("cut", |_| Outcome::Reset),
        ("401", |sent| repeating(sent, 401)),
        ("400", |sent| repeating(sent, 400)),
        ("500", |sent| repeating(sent, 500)),
        ("html", |_| answer(502, "<html>SECRET-ticket</html>")),
        ("wrong", |_| {
            ok(json!({"id": ["SECRET-ticket"], "size": "SECRET-ticket", "quota": "SECRET-ticket",
                "value": "SECRET-ticket", "uploadUrl": {"x": "SECRET-ticket"},
                "status": {"SECRET-ticket": 1}, "access_token": ["SECRET-access"]}))
        }),
        ("broken", |_| answer(200, r#"{"id":"SECRET-ticket, SECRET-ticket"#).broken_at(20)),
    ];
    for (name, script) in scripts {
        check(name, &every_request(&Scripted::by(script)).await, LEAST);
    }
    // Successful responses, with content that ends early.
    let page = json!({
        "id": "F", "name": "a", "size": 5, "file": {}, "root": {}, "status": "completed",
        "@microsoft.graph.downloadUrl": "https://t/x?SECRET-ticket",
        "uploadUrl": "https://u/x?SECRET-ticket", "nextExpectedRanges": ["0-"],
        "value": [{"id": "1", "name": "odd", "size": "SECRET-ticket",
            "@microsoft.graph.downloadUrl": "SECRET-ticket", "parentReference": {"id": "F"}}],
        "@odata.nextLink": format!("{API}/next?SECRET-ticket"),
        "access_token": "SECRET-access", "token_type": "bearer",
    });
    let transport = Scripted::by(move |sent| match sent.url.starts_with("https://t/") {
        true => answer(200, "SECRETLY").broken_at(3),
        false => ok(page.clone()).header("location", "https://m/x?SECRET-ticket"),
    });
    check("works", &every_request(&transport).await, LEAST);
}

#[tokio::test]
async fn no_error_of_an_operator_contains_a_secret() {
    for fault in [Outcome::Reset, error_response(401, "SECRET-access")] {
        let builder = OneDrive::default()
            .client_id("app")
            .client_secret("SECRET-client")
            .access_token("SECRET-access")
            .refresh_token("SECRET-refresh");
        check_operator(builder, fault).await;
    }
}
