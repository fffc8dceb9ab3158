//! Headers of requests, conversion of errors, and rejected tokens.

use std::time::Duration;

use opendal::Buffer;

use super::*;
use crate::{
    drive::{Body, ByteRange, ErrorKind, Retry, Secret},
    services::skydrive::{ROOT, UploadOptions},
    transport::scripted::Scripted,
};

fn body(text: &str) -> Body {
    Body::Memory(Buffer::from(text.to_owned()))
}

#[tokio::test]
async fn an_empty_file_is_an_error_that_names_it() {
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
async fn no_other_response_is_requested_twice() {
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

#[tokio::test]
async fn lists_are_requested_page_by_page() {
    let first = r#"{"data":[{"id":"a"}],"paging":{"next":"me/contacts?limit=1&offset=1"}}"#;
    let transport = Scripted::expecting([
        (&*format!("GET {API}/me/contacts?x=y"), answer(200, first)),
        (
            &*format!("GET {API}/me/contacts?limit=1&offset=1&x=y"),
            answer(200, r#"{"data":[{"id":"b"}],"paging":{"previous":"me/contacts?limit=1"}}"#),
        ),
    ]);
    let cx = transport.context();
    let all = client().documents(&cx, "me/contacts", &[("x", "y")]).await.unwrap();
    assert_eq!(serde_json::Value::from(all), serde_json::json!([{"id": "a"}, {"id": "b"}]));

    let endless = Scripted::by(move |_| answer(200, first));
    let error = client().documents(&endless.context(), "me/contacts", &[]).await.unwrap_err();
    assert!(error.to_string().contains("repeats a page"), "{error}");

    let transport = Scripted::by(|sent| match sent.url.contains("offset=1") {
        true => answer(
            200,
            r#"{"data":[{"id":"2","message":"b","created_time":"2011-04-21T23:21:28+0000"}]}"#,
        ),
        false => answer(
            200,
            r#"{"data":[{"id":"1","message":"a","created_time":"2011-04-21T23:21:28+0000"}],
                "paging":{"next":"https://apis.live.net/v5.0/x/comments?offset=1"}}"#,
        ),
    });
    let comments = client().comments(&transport.context(), FILE).await.unwrap();
    assert_eq!(comments.iter().map(|comment| &*comment.id).collect::<Vec<_>>(), ["1", "2"]);
}
