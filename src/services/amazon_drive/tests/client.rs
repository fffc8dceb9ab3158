use std::time::Duration;

use futures::TryStreamExt;

use super::*;
use crate::{
    auth::TokenClient,
    drive::{Conditions, Drive, Error, ErrorKind},
    services::amazon_drive::{ChangesQuery, NodeStatus},
};

#[tokio::test]
async fn concurrent_callers_share_one_request_for_the_endpoints() {
    let transport = Scripted::by(|sent| match sent.url.as_str() {
        "https://drive/drive/v1/account/endpoint" => endpoints(),
        _ => json_answer(200, json!({"quota": 10, "available": 3})),
    });
    let (drive, cx) = (drive(), transport.context());
    let quotas = futures::future::join_all((0..5).map(|_| drive.quota(&cx))).await;
    for quota in quotas {
        let quota = quota.unwrap();
        assert_eq!((quota.total, quota.available), (10, 3));
    }
    let asked = transport.lines().iter().filter(|line| *line == ENDPOINT).count();
    assert_eq!((asked, transport.lines().len()), (1, 6));
}

#[tokio::test]
async fn the_token_is_sent_only_to_the_clouds_and_to_allowed_hosts() {
    let named = |content: &str, metadata: &str| {
        let body = json!({"customerExists": true, "contentUrl": content, "metadataUrl": metadata});
        Scripted::by(move |sent| match sent.url.ends_with("account/endpoint") {
            true => json_answer(200, body.clone()),
            false => json_answer(200, json!({"quota": 10, "available": 3})),
        })
    };
    let token = || TokenSource::fixed("Atza|hunter2".into());
    let amazons = || Client::new("https://drive.amazonaws.com/drive/v1/", token()).unwrap();
    let content = "https://content-na.drive.amazonaws.com/cdproxy/";
    let metadata = "https://cdws.us-east-1.amazonaws.com/drive/v1/";

    let transport = named(content, metadata);
    amazons().account_quota(&transport.context()).await.expect("Amazon's own hosts");
    assert_eq!(transport.lines()[1], format!("GET {metadata}account/quota"));

    for (content, metadata, host) in [
        (content, "https://evil.test/", "evil.test"),
        ("https://evil.test/", metadata, "evil.test"),
        (content, "https://bucket.s3.amazonaws.com/", "bucket.s3.amazonaws.com"),
        (content, "http://cdws.us-east-1.amazonaws.com/", "cdws.us-east-1.amazonaws.com"),
    ] {
        let transport = named(content, metadata);
        let error = amazons().account_quota(&transport.context()).await.unwrap_err();
        assert!(error.to_string().contains(host), "{error}");
        assert_eq!(transport.sent().len(), 1, "{host} got a request");
    }

    let transport = named("https://c.own.test/", "https://m.own.test/");
    let allowing = amazons().with_allowed_hosts("*.own.test").unwrap();
    allowing.account_quota(&transport.context()).await.expect("allowed");
    // Another server may name only itself as endpoint, not even Amazon.
    let own = Client::new("http://127.0.0.1:8/drive/v1/", token()).unwrap();
    let transport = named("http://127.0.0.1:8/c/", "http://127.0.0.1:8/m/");
    own.account_quota(&transport.context()).await.expect("the endpoint's own host");
    let transport = named("http://127.0.0.1:9/c/", "http://127.0.0.1:9/m/");
    let error = Client::new("http://127.0.0.1:8/drive/v1/", token()).unwrap();
    error.account_quota(&transport.context()).await.expect_err("another port");
}

#[tokio::test]
async fn an_account_without_a_drive_is_an_error() {
    let transport = Scripted::by(|_| json_answer(200, json!({"customerExists": false})));
    let error = client().account_info(&transport.context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("no Amazon Drive"), "{error}");
}

#[tokio::test]
async fn a_rejected_token_is_refreshed_once() {
    let transport = Scripted::by(|sent| match sent.url.as_str() {
        "https://oauth/auth/o2/token" => json_answer(
            200,
            json!({"access_token": "new", "token_type": "bearer", "expires_in": 3600}),
        ),
        _ if sent.header("authorization") == Some("Bearer new") => match sent.url.as_str() {
            "https://drive/drive/v1/account/endpoint" => endpoints(),
            _ => json_answer(401, json!({"message": "Token has expired"})),
        },
        _ => json_answer(401, json!({"message": "Token has expired"})),
    });
    let endpoint = TokenClient::new("https://oauth/auth/o2/token", "id").unwrap();
    let tokens = TokenSource::refreshing(endpoint, Some("refresh".into()), Some("old".into()));
    let client = Client::new("https://drive/drive/v1/", tokens).unwrap();
    let client = client.with_allowed_hosts("meta, content").unwrap();
    let cx = transport.context();
    client.endpoints(&cx).await.unwrap();
    let error = client.account_quota(&cx).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::PermissionDenied, Some(401)));
    let renewals = transport.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(renewals, 2, "once for each refusal: {:?}", transport.lines());
}

async fn error_of(outcome: Outcome) -> Error {
    let transport = expecting([("GET nodes/F", outcome)]);
    drive()
        .item(&transport.context(), &ItemRef::from_id(&"F".into()), &Conditions::default())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn each_error_has_its_kind_and_the_clouds_message() {
    let said = |message: &str| json!({"logref": "l", "message": message});
    let cases = [
        (400, said("bad input"), ErrorKind::InvalidInput, false),
        (400, said("Cannot read from request."), ErrorKind::Unexpected, true),
        (400, said("Cannot complete upload"), ErrorKind::Unexpected, true),
        (400, said("Next token is expired"), ErrorKind::Unexpected, false),
        (401, said("Token has expired"), ErrorKind::PermissionDenied, false),
        (
            403,
            said("Insufficient permissions granted for operation: purgeNode"),
            ErrorKind::PermissionDenied,
            false,
        ),
        (403, said("Account is over quota"), ErrorKind::QuotaExceeded, false),
        (
            403,
            json!({"message": "File size exceeds account allowance.", "code": "NO_ACTIVE_SUBSCRIPTION_FOUND"}),
            ErrorKind::QuotaExceeded,
            false,
        ),
        (404, said("Invalid nodeId"), ErrorKind::NotFound, false),
        (405, said("not allowed"), ErrorKind::Unsupported, false),
        (409, said("conflict"), ErrorKind::Conflict, false),
        (411, said("length"), ErrorKind::InvalidInput, false),
        (412, said("precondition"), ErrorKind::ConditionNotMatch, false),
        (429, said("Rate exceeded"), ErrorKind::RateLimited, true),
        (500, said("Internal failure"), ErrorKind::Unexpected, true),
        (502, said("bad gateway"), ErrorKind::Unexpected, true),
        (503, said("unavailable"), ErrorKind::Unexpected, true),
        (504, said("timeout"), ErrorKind::Unexpected, true),
    ];
    for (status, body, kind, temporary) in cases {
        let error = error_of(json_answer(status, body.clone())).await;
        assert_eq!((error.kind(), error.is_temporary()), (kind, temporary), "{error:?}");
        assert!(error.to_string().contains(body["message"].as_str().unwrap()), "{error}");
    }
    let error = error_of(name_taken("N")).await;
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.existing().unwrap().as_str(), "N");
    let limited = error_of(answer(429, "{}").header("retry-after", "7")).await;
    assert_eq!(limited.retry(), crate::drive::Retry::Again { after: Some(Duration::from_secs(7)) });
}

#[tokio::test]
async fn a_response_without_json_is_shortened() {
    let error = error_of(answer(404, "<UnknownOperationException/>\n")).await;
    assert!(error.to_string().contains("404: <UnknownOperationException/>"), "{error}");
    let page = format!("<html>{}</html>", "x".repeat(10_000));
    assert!(error_of(answer(502, page)).await.to_string().len() < 400);
    let error = error_of(answer(403, "moved to https://h/?token=hunter2")).await;
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn errors_and_debug_output_have_no_token() {
    for outcome in [Outcome::Reset, answer(500, ""), answer(200, "{").broken_at(1)] {
        let transport = expecting([("GET nodes/F?tempLink=true", outcome)]);
        let client = client();
        let error = client.node(&transport.context(), "F", true).await.unwrap_err();
        let shown = format!("{error} {error:?} {client:?} {:?}", drive());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("GET meta nodes/{id}"), "{shown}");
    }
}

#[tokio::test]
async fn changes_are_returned_set_by_set() {
    let stream = [
        json!({"checkpoint": "c1", "reset": true, "nodes": [node("A", "a", "FILE", &["R"])], "statusCode": 200}),
        json!({"checkpoint": "c2", "reset": false, "nodes": [with_status(node("B", "b", "FILE", &[]), "PURGED")], "statusCode": 200}),
        json!({"end": true}),
    ];
    let body = stream.map(|line| line.to_string()).join("\n");
    let transport = expecting([("POST changes", answer(200, body))]);
    let query = ChangesQuery {
        checkpoint: Some("c0".to_owned()),
        include_purged: true,
        ..ChangesQuery::default()
    };
    let sets: Vec<_> =
        client().changes(&transport.context(), &query).await.unwrap().try_collect().await.unwrap();
    assert_eq!(transport.sent()[1].text(), r#"{"checkpoint":"c0","includePurged":"true"}"#);
    assert_eq!(sets.len(), 2);
    assert!(sets[0].reset && sets[0].nodes[0].id == "A");
    assert_eq!(sets[1].checkpoint, "c2");
    assert_eq!(sets[1].nodes[0].status, Some(NodeStatus::Purged));
}

#[tokio::test]
async fn incomplete_and_failed_changes_are_errors() {
    let whole = json!({"checkpoint": "c1", "nodes": [], "statusCode": 200}).to_string();
    let failed = json!({"checkpoint": "c1", "nodes": [], "statusCode": 500}).to_string();
    let no_checkpoint = json!({"nodes": [], "statusCode": 200}).to_string();
    for (body, says) in [
        (whole, "end marker"),
        (failed, "500"),
        (no_checkpoint, "checkpoint"),
        ("{\"checkpoint\":\"hunter2\",".to_owned(), "cannot be decoded"),
    ] {
        let transport = expecting([("POST changes", answer(200, body))]);
        let stream =
            client().changes(&transport.context(), &ChangesQuery::default()).await.unwrap();
        let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
