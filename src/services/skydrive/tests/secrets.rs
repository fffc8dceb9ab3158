//! Nothing that is printed has a secret in it.

use futures::TryStreamExt;
use opendal::Buffer;

use super::*;
use crate::{
    drive::{
        Body, ByteRange, Conditions, CopyRequest, Cursor, DeleteTarget, DownloadRequest,
        DownloadUrl, Drive, ItemUpdate, ListRequest, WriteOptions,
    },
    services::{
        secret_words::{check, check_operator, headers, said, tokens},
        skydrive::SkyDrive,
    },
    transport::scripted::{Scripted, Sent},
};

/// How many texts [`every_request`] gives, at least.
const LEAST: usize = 13;

/// Every request that there is, once.
async fn every_request(transport: &Scripted) -> Vec<String> {
    let client =
        Client::new("https://apis.live.net/v5.0/", tokens()).unwrap().with_headers(headers());
    let drive = LiveDrive::new(client.clone(), false);
    let cx = transport.context();
    let none = Conditions::default();
    let download_url = DownloadUrl { url: "https://t/x?SECRET-ticket".into(), expires: None };
    let file =
        Item { download_url: Some(download_url), ..known(FILE, "a", FOLDER, ItemKind::File) };
    let other = place("folder.8c8ce076ca27823f.8C8CE076CA27823F!150");
    let change = ItemUpdate {
        name: Some("b".to_owned()),
        folder: Some(other.clone()),
        occupant: Some("file.8c8ce076ca27823f.8C8CE076CA27823F!9".into()),
        ..ItemUpdate::default()
    };
    let mut told = Vec::new();
    let mut tell = |what: String| told.push(what);

    tell(said(drive.account(&cx).await));
    tell(said(drive.quota(&cx).await));
    tell(said(drive.item(&cx, &place(FILE), &none).await));
    tell(said(drive.child(&cx, &place(FOLDER), "a", &mut |_| {}).await));
    tell(said(drive.list(&cx, ListRequest::new(&place(FOLDER))).await));
    for known in [None, Some(&file)] {
        let read = drive
            .download(
                &cx,
                DownloadRequest::new(&place(FILE))
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
    let body = || Body::Memory(Buffer::from("bytes"));
    let options = WriteOptions::default();
    tell(said(drive.upload(&cx, &target(FOLDER, "a"), body(), &options).await));
    let exact = super::super::UploadOptions::default();
    tell(said(client.post_file(&cx, FOLDER, "a", &body(), &exact).await));
    tell(said(client.put_content(&cx, FILE, &body(), &exact).await));
    tell(said(client.content(&cx, FILE, &ByteRange::Full).await));
    tell(said(drive.create_folder(&cx, &target(FOLDER, "b")).await));
    tell(said(drive.update(&cx, &place(FILE), Some(&file), &change).await));
    let to = target(FOLDER, "c");
    tell(said(drive.copy(&cx, CopyRequest::new(&place(FILE), &to).with_known(&file)).await));
    let removal = DeleteTarget { item: place(FILE), kind: None, parents: vec![], if_match: None };
    for result in drive.delete(&cx, &[removal]).await {
        tell(said(result));
    }
    tell(format!("{drive:?} {client:#?} {cx:?} {file:?} {:?}", Cursor("SECRET-ticket".into())));
    told
}

/// An error response that repeats the secrets of the request.
fn repeating(sent: &Sent, status: u16) -> Outcome {
    let token = sent.header("authorization").unwrap_or_default().replace("Bearer ", "");
    match &*sent.url {
        "https://login/token" => answer(
            status,
            r#"{"error":"invalid_grant","error_description":"SECRET-refresh of SECRET-client?"}"#,
        ),
        download_url if download_url.starts_with("https://t/") => {
            refusal(status, "request_token_invalid", "What is SECRET-ticket?")
        }
        _ => refusal(status, "request_token_invalid", &format!("What is {token}?")),
    }
}

#[tokio::test]
async fn however_a_request_fails_nothing_that_is_printed_has_a_secret_in_it() {
    type Script = fn(&Sent) -> Outcome;
    let object = || {
        format!(
            r#"{{"id":"{FILE}","name":"a","type":"file","size":7,"parent_id":"{FOLDER}",
                "source":"https://t/x?SECRET-ticket","link":"https://l/?SECRET-ticket",
                "quota":1,"available":1,"location":"https://t/x?SECRET-ticket",
                "data":[],"paging":{{"next":"x?offset=1&SECRET-ticket"}},
                "access_token":"SECRET-access","token_type":"bearer"}}"#
        )
    };
    let scripts: [(&str, Script); 9] = [
        ("cut", |_| Outcome::Reset),
        ("401", |sent| repeating(sent, 401)),
        ("400", |sent| repeating(sent, 400)),
        ("500", |sent| repeating(sent, 500)),
        ("html", |_| answer(502, "<html>SECRET-ticket</html>")),
        ("wrong", |_| {
            answer(
                200,
                r#"{"id":"SECRET-ticket","size":"SECRET-ticket","data":["SECRET-ticket"],"quota":"SECRET-ticket","location":7,"name":["SECRET-ticket"]}"#,
            )
        }),
        ("listed wrong", |_| {
            answer(
                200,
                r#"{"data":[{"id":7,"source":"SECRET-ticket"}],"location":"SECRET download_url\u0000 SECRET-ticket"}"#,
            )
        }),
        ("no url", |_| answer(200, r#"{"location":"SECRET-ticket"}"#)),
        ("broken", |_| answer(200, r#"{"id":"SECRET-ticket, SECRET-ticket"#).broken_at(20)),
    ];
    for (name, script) in scripts {
        check(name, &every_request(&Scripted::by(script)).await, LEAST);
    }
    // Everything works, and then is broken off within the bytes.
    let answers = object();
    let transport = Scripted::by(move |sent| match sent.url.starts_with("https://t/") {
        true => answer(200, "SECRETLY").broken_at(3),
        false => answer(200, answers.clone()),
    });
    check("works", &every_request(&transport).await, LEAST);
}

#[tokio::test]
async fn an_operators_errors_have_no_secret_in_them_either() {
    for fault in [Outcome::Reset, refusal(401, "request_token_expired", "SECRET-access")] {
        let builder = SkyDrive::default()
            .client_id("app")
            .client_secret("SECRET-client")
            .access_token("SECRET-access")
            .refresh_token("SECRET-refresh");
        check_operator(builder, fault).await;
    }
}
