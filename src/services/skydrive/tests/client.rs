//! The form of every request, what errors mean, and what happens to a token that is refused.

use std::{io::Write, sync::Arc, time::Duration};

use opendal::Buffer;

use super::*;
use crate::{
    drive::{Body, ByteRange, ErrorKind, Retry, Secret},
    services::skydrive::{
        Filter, Listing, Overwrite, Properties, ROOT, SortBy, SortOrder, UploadOptions,
    },
    transport::scripted::Scripted,
};

/// What is sent for one call: `METHOD path?query`, and the body.
async fn form_of<T>(
    outcome: Outcome,
    call: impl AsyncFnOnce(Client, crate::drive::Context) -> crate::drive::Result<T>,
) -> (String, String) {
    let transport = Scripted::by(move |_| outcome.clone());
    call(client(), transport.context()).await.unwrap();
    let sent = transport.sent().remove(0);
    assert_eq!(sent.header("authorization"), Some("Bearer token"));
    assert!(!sent.url.contains("token"), "{}", sent.url);
    let media = sent.header("content-type").unwrap_or("-").to_owned();
    (sent.line().replace(API, ""), format!("{media} {}", sent.text()))
}

fn object() -> Outcome {
    answer(200, format!(r#"{{"id":"{FILE}","name":"a.txt","type":"file"}}"#))
}

#[tokio::test]
async fn every_request_has_the_form_the_protocol_says() {
    let file = "/file.8c8ce076ca27823f.8C8CE076CA27823F%21128";
    let folder = "/folder.8c8ce076ca27823f.8C8CE076CA27823F%21142";
    let nothing = "- ".to_owned();
    let json = |text: &str| format!("application/json {text}");

    let user = answer(200, r#"{"id":"8c8ce076ca27823f","name":"Roberto Tamburello"}"#);
    let sent = form_of(user, async |client, cx| client.me(&cx).await).await;
    assert_eq!(sent, ("GET /me".into(), nothing.clone()));

    let quota = answer(200, r#"{"quota":26843545600,"available":26805000000}"#);
    let sent = form_of(quota, async |client, cx| client.quota(&cx).await).await;
    assert_eq!(sent, ("GET /me/skydrive/quota".into(), nothing.clone()));

    let sent = form_of(object(), async |client, cx| client.object(&cx, ROOT).await).await;
    assert_eq!(sent, ("GET /me/skydrive".into(), nothing.clone()));
    let sent = form_of(object(), async |client, cx| client.object(&cx, FILE).await).await;
    assert_eq!(sent, (format!("GET {file}"), nothing.clone()));

    let empty = || answer(200, r#"{"data":[]}"#);
    let sent =
        form_of(empty(), async |client, cx| client.files(&cx, ROOT, &Listing::default()).await);
    assert_eq!(sent.await, ("GET /me/skydrive/files".into(), nothing.clone()));
    let listing = Listing {
        limit: Some(2),
        offset: Some(4),
        filter: vec![Filter::Folders, Filter::Photos],
        sort_by: Some(SortBy::Updated),
        sort_order: Some(SortOrder::Descending),
    };
    let sent = form_of(empty(), async |client, cx| client.files(&cx, FOLDER, &listing).await).await;
    let query = "limit=2&offset=4&filter=folders%2Cphotos&sort_by=updated&sort_order=descending";
    assert_eq!(sent, (format!("GET {folder}/files?{query}"), nothing.clone()));

    let made =
        Properties { name: Some("a b"), description: Some("\"d\""), ..Properties::default() };
    let sent = form_of(object(), async |client, cx| client.create_folder(&cx, ROOT, &made).await);
    let body = json(r#"{"name":"a b","description":"\"d\""}"#);
    assert_eq!(sent.await, ("POST /me/skydrive".into(), body));

    let named = Properties { name: Some("b.txt"), ..Properties::default() };
    let sent = form_of(object(), async |client, cx| client.update(&cx, FILE, &named).await).await;
    assert_eq!(sent, (format!("PUT {file}"), json(r#"{"name":"b.txt"}"#)));

    let gone = answer(204, "");
    let sent = form_of(gone, async |client, cx| client.delete(&cx, FILE).await).await;
    assert_eq!(sent, (format!("DELETE {file}"), nothing.clone()));

    let to = json(&format!(r#"{{"destination":"{FOLDER}"}}"#));
    let sent = form_of(object(), async |client, cx| client.move_into(&cx, FILE, FOLDER).await);
    assert_eq!(sent.await, (format!("MOVE {file}"), to.clone()));
    let sent = form_of(object(), async |client, cx| client.copy_into(&cx, FILE, FOLDER).await);
    assert_eq!(sent.await, (format!("COPY {file}"), to));

    let location = answer(200, r#"{"location":"https://x.livefilestore.com/y?z"}"#);
    let sent = form_of(location, async |client, cx| client.content_location(&cx, FILE).await);
    assert_eq!(
        sent.await,
        (format!("GET {file}/content?suppress_redirects=true"), nothing.clone())
    );
    let bytes = answer(200, "bytes");
    let sent = form_of(bytes, async |client, cx| client.content(&cx, FILE, &ByteRange::Full).await);
    assert_eq!(sent.await, (format!("GET {file}/content"), nothing));
}

fn body(text: &str) -> Body {
    Body::Memory(Buffer::from(text.to_owned()))
}

#[tokio::test]
async fn every_upload_has_the_form_the_protocol_says() {
    let uploaded = || answer(201, format!(r#"{{"id":"{FILE}","name":"n","source":"https://s"}}"#));
    let file = "/file.8c8ce076ca27823f.8C8CE076CA27823F%21128";
    let exact = UploadOptions::default();

    let sent = form_of(uploaded(), async |client, cx| {
        client.put_file(&cx, FOLDER, "été #1%2F+&.txt", &body("héllo"), &exact).await
    });
    let path = "/folder.8c8ce076ca27823f.8C8CE076CA27823F%21142/files";
    let name = "%C3%A9t%C3%A9%20%231%252F%2B%26.txt";
    let query = "overwrite=true&downsize_photo_uploads=false";
    assert_eq!(sent.await, (format!("PUT {path}/{name}?{query}"), "- héllo".into()));

    let new = UploadOptions { overwrite: Overwrite::No, downsize_photos: true };
    let sent = form_of(uploaded(), async |client, cx| {
        client.put_file(&cx, ROOT, "a", &body("x"), &new).await
    });
    let query = "overwrite=false&downsize_photo_uploads=true";
    assert_eq!(sent.await, (format!("PUT /me/skydrive/files/a?{query}"), "- x".into()));

    let other = UploadOptions { overwrite: Overwrite::ChooseNewName, ..exact };
    let sent = form_of(uploaded(), async |client, cx| {
        client.put_content(&cx, FILE, &body("x"), &other).await
    });
    let query = "overwrite=ChooseNewName&downsize_photo_uploads=false";
    assert_eq!(sent.await, (format!("PUT {file}/content?{query}"), "- x".into()));

    let mut kept = tempfile::tempfile().unwrap();
    kept.write_all(b"from a file, not all of it").unwrap();
    let from_file = Body::File { file: Arc::new(kept), len: 11 };
    let (line, form) = form_of(uploaded(), async |client, cx| {
        client.post_file(&cx, ROOT, "a\"b.txt", &from_file, &exact).await
    })
    .await;
    let query = "overwrite=true&downsize_photo_uploads=false";
    assert_eq!(line, format!("POST /me/skydrive/files?{query}"));
    let (media, form) = form.split_once(' ').unwrap();
    assert_eq!(media, "multipart/form-data;");
    let (boundary, form) = form.split_once(' ').unwrap();
    let boundary = boundary.strip_prefix("boundary=").unwrap();
    assert_eq!(
        form,
        format!(
            "--{boundary}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a%22b.txt\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\
             from a file\r\n--{boundary}--\r\n"
        )
    );
}

#[tokio::test]
async fn an_empty_file_says_that_it_is_empty() {
    let transport = Scripted::by(|_| answer(201, format!(r#"{{"id":"{FILE}"}}"#)));
    let cx = transport.context();
    let options = UploadOptions::default();
    client().put_file(&cx, ROOT, "a", &body(""), &options).await.unwrap();
    assert_eq!(transport.sent()[0].header("content-length"), Some("0"));
}

#[tokio::test]
async fn a_pre_authenticated_address_is_sent_no_token_and_no_header_of_the_users() {
    let transport = Scripted::by(|_| answer(206, "456").header("content-range", "bytes 4-6/10"));
    let mut headers = http::HeaderMap::new();
    headers.insert("cookie", "mine".parse().unwrap());
    let client = client().with_headers(headers);
    let cx = transport.context();
    let download_url = Secret::from("https://x.livefilestore.com/y1abc?psid=1");
    let download = client.source(&cx, &download_url, &ByteRange::Span(4..7), None).await.unwrap();
    assert_eq!((download.total, download.range), (10, 4..7));
    let sent = &transport.sent()[0];
    assert_eq!(sent.line(), "GET https://x.livefilestore.com/y1abc?psid=1");
    assert_eq!(sent.header("range"), Some("bytes=4-6"));
    assert_eq!((sent.header("authorization"), sent.header("cookie")), (None, None));

    client.me(&cx).await.unwrap_err();
    assert_eq!(transport.sent()[1].header("cookie"), Some("mine"));
}

#[tokio::test]
async fn the_clouds_codes_decide_what_an_error_is() {
    let told = async |outcome: Outcome| {
        let transport = Scripted::by(move |_| outcome.clone());
        client().me(&transport.context()).await.unwrap_err()
    };
    for (status, code, kind) in [
        (401, "request_token_expired", ErrorKind::PermissionDenied),
        (401, "request_token_missing", ErrorKind::PermissionDenied),
        (401, "request_token_invalid", ErrorKind::PermissionDenied),
        (403, "request_token_unauthorized", ErrorKind::PermissionDenied),
        (405, "request_method_invalid", ErrorKind::Unsupported),
        (400, "request_url_invalid", ErrorKind::InvalidInput),
        (400, "request_parameter_invalid", ErrorKind::InvalidInput),
        (400, "request_parameter_missing", ErrorKind::InvalidInput),
        (400, "request_body_invalid", ErrorKind::InvalidInput),
        (404, "resource_not_found", ErrorKind::NotFound),
        (400, "resource_already_exists", ErrorKind::AlreadyExists),
        (409, "resource_already_exists", ErrorKind::AlreadyExists),
        (507, "resource_quota_exceeded", ErrorKind::QuotaExceeded),
        (409, "something_new", ErrorKind::Conflict),
    ] {
        let error = told(refusal(status, code, "The words.")).await;
        assert_eq!((error.kind(), error.retry()), (kind, Retry::No), "{code}");
        assert_eq!(error.to_string(), format!("GET apis.live.net me: {status} {code}: The words."));
    }

    let after = |seconds| Retry::Again { after: Some(Duration::from_secs(seconds)) };
    let throttled = told(refusal(420, "request_throttled", "").header("retry-after", "7")).await;
    assert_eq!((throttled.kind(), throttled.retry()), (ErrorKind::RateLimited, after(7)));
    let throttled = told(refusal(420, "request_throttled", "")).await;
    assert_eq!((throttled.kind(), throttled.retry()), (ErrorKind::RateLimited, after(10)));
    let busy = told(refusal(503, "server_busy", "")).await;
    assert_eq!((busy.kind(), busy.retry()), (ErrorKind::RateLimited, after(5)));
    let internal = told(refusal(500, "server_internal_error", "")).await;
    assert!(internal.is_temporary() && internal.kind() == ErrorKind::Unexpected);

    let large = told(answer(413, "<html>Request Entity Too Large</html>")).await;
    assert_eq!(large.to_string(), "GET apis.live.net me: 413: Payload Too Large");
    assert_eq!(large.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_request_repeated_once() {
    let me = answer(200, r#"{"id":"me"}"#);
    let expired =
        || refusal(401, "request_token_expired", "The provided access token has expired.");
    let transport = Scripted::expecting([
        (&*format!("GET {API}/me"), expired()),
        ("POST https://login/token", tokens("fresh")),
        (&*format!("GET {API}/me"), me.clone()),
        (&*format!("GET {API}/me"), me),
    ]);
    let (client, cx) = (renewing_client(), transport.context());
    client.me(&cx).await.unwrap();
    client.me(&cx).await.unwrap();
    let sent = transport.sent();
    let signed: Vec<_> = sent.iter().filter_map(|sent| sent.header("authorization")).collect();
    assert_eq!(signed, ["Bearer stale", "Bearer fresh", "Bearer fresh"]);

    let transport = Scripted::by(move |sent| match &*sent.url {
        "https://login/token" => tokens("refused too"),
        _ => expired(),
    });
    let error = renewing_client().me(&transport.context()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::PermissionDenied, Some("request_token_expired"))
    );
    assert_eq!(transport.sent().len(), 3);
}

#[tokio::test]
async fn an_upload_is_repeated_whole_after_a_renewal_and_a_given_token_is_not_renewed() {
    let transport = Scripted::by(|sent| match sent.header("authorization") {
        None => tokens("fresh"),
        Some("Bearer fresh") => answer(201, format!(r#"{{"id":"{FILE}"}}"#)),
        Some(_) => refusal(401, "request_token_expired", ""),
    });
    let cx = transport.context();
    let options = UploadOptions::default();
    renewing_client().put_file(&cx, ROOT, "a", &body("all of it"), &options).await.unwrap();
    let bodies: Vec<_> = transport.sent().iter().map(|sent| sent.text().to_owned()).collect();
    assert_eq!((&*bodies[0], &*bodies[2]), ("all of it", "all of it"));

    let error = client().me(&cx).await.unwrap_err();
    assert_eq!((error.kind(), transport.sent().len()), (ErrorKind::PermissionDenied, 4));
}

#[tokio::test]
async fn no_other_answer_is_asked_for_twice() {
    for outcome in [refusal(503, "server_busy", ""), answer(429, ""), Outcome::Reset] {
        let transport = Scripted::by(move |_| outcome.clone());
        let error = renewing_client().me(&transport.context()).await.unwrap_err();
        assert!(error.is_temporary());
        assert_eq!(transport.sent().len(), 1);
    }
}

#[tokio::test]
async fn bytes_are_not_fetched_without_tls() {
    let transport = Scripted::by(|_| answer(200, "bytes"));
    let (client, cx) = (client(), transport.context());
    let range = crate::drive::ByteRange::Full;
    let error = client.source(&cx, &"http://files.test/x?secret".into(), &range, None).await;
    let text = error.map(drop).unwrap_err().to_string();
    assert!(text.contains("files.test") && !text.contains("secret"), "{text}");
    assert!(transport.sent().is_empty());
}
