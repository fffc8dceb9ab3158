use std::time::Duration;

use futures::TryStreamExt;

use super::*;
use crate::{
    auth::Endpoint,
    drive::{Conditions, Drive, Error, ErrorKind},
    services::amazon_drive::{
        ChangesQuery, Filter, ListQuery, NewNode, NodeKind, NodePatch, Status,
    },
};

#[tokio::test]
async fn the_endpoints_are_asked_for_once_however_many_want_them() {
    let transport = Scripted::by(|sent| match sent.url.as_str() {
        "http://drive/drive/v1/account/endpoint" => endpoints(),
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
async fn the_token_goes_to_no_host_that_is_neither_the_clouds_nor_allowed() {
    let named = |content: &str, metadata: &str| {
        let body = json!({"customerExists": true, "contentUrl": content, "metadataUrl": metadata});
        Scripted::by(move |sent| match sent.url.ends_with("account/endpoint") {
            true => json_answer(200, body.clone()),
            false => json_answer(200, json!({"quota": 10, "available": 3})),
        })
    };
    let token = || TokenSource::given("Atza|hunter2".into());
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
    // A server of one's own names itself, and nobody else: not even Amazon.
    let own = Client::new("http://127.0.0.1:8/drive/v1/", token()).unwrap();
    let transport = named("http://127.0.0.1:8/c/", "http://127.0.0.1:8/m/");
    own.account_quota(&transport.context()).await.expect("the endpoint's own host");
    let transport = named("http://127.0.0.1:9/c/", "http://127.0.0.1:9/m/");
    let error = Client::new("http://127.0.0.1:8/drive/v1/", token()).unwrap();
    error.account_quota(&transport.context()).await.expect_err("another port");
}

#[tokio::test]
async fn an_account_without_a_drive_is_told_so() {
    let transport = Scripted::by(|_| json_answer(200, json!({"customerExists": false})));
    let error = client().account_info(&transport.context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("no Amazon Drive"), "{error}");
}

#[tokio::test]
async fn every_request_of_the_metadata_endpoint_has_its_form() {
    let file = || json_answer(200, node("F", "x", "FILE", &["P"]));
    let transport = expecting([
        ("GET account/info", json_answer(200, json!({"termsOfUse": "1.0.0", "status": "ACTIVE"}))),
        (
            "GET account/usage",
            json_answer(200, json!({"doc": {"total": {"bytes": 7, "count": 1}}})),
        ),
        ("GET nodes/F?tempLink=true", file()),
        (
            "GET nodes?filters=kind%3A%22FILE%22&sort=%5B%22name%20ASC%22%5D&startToken=t&limit=200",
            json_answer(200, json!({"count": 0, "data": []})),
        ),
        ("GET trash", json_answer(200, json!({"count": 0, "data": []}))),
        ("POST nodes", json_answer(201, node("D", "d", "FOLDER", &["P"]))),
        ("PATCH nodes/F", file()),
        ("POST nodes/Q/children", file()),
        ("PUT nodes/Q/children/F", file()),
        ("DELETE nodes/Q/children/F", json_answer(202, node("F", "x", "FILE", &["P"]))),
        ("PUT trash/F", json_answer(200, with_status(node("F", "x", "FILE", &["P"]), "TRASH"))),
        ("POST trash/F/restore", file()),
    ]);
    let (client, cx) = (client(), transport.context());
    assert_eq!(client.account_info(&cx).await.unwrap().status.as_deref(), Some("ACTIVE"));
    assert_eq!(client.account_usage(&cx).await.unwrap().doc.total.bytes, 7);
    client.node(&cx, "F", true).await.unwrap();
    let query = ListQuery {
        filter: Some(Filter::is("kind", "FILE")),
        sort: Some(r#"["name ASC"]"#.to_owned()),
        start_token: Some("t".to_owned()),
        limit: Some(1_000),
        temp_link: false,
    };
    client.nodes(&cx, &query).await.unwrap();
    client.trashed(&cx, &ListQuery::default()).await.unwrap();
    let folder = NewNode::new(NodeKind::Folder, "d", &"P".into());
    client.create(&cx, &folder).await.unwrap();
    let patch = NodePatch { name: Some("y".to_owned()), ..NodePatch::default() };
    client.patch(&cx, "F", &patch).await.unwrap();
    client.move_child(&cx, "F", "P", "Q").await.unwrap();
    client.add_child(&cx, "Q", "F").await.unwrap();
    client.remove_child(&cx, "Q", "F").await.unwrap();
    assert_eq!(client.trash(&cx, "F").await.unwrap().status, Some(Status::Trash));
    client.restore(&cx, "F").await.unwrap();

    let sent = transport.sent();
    assert_eq!(sent[6].text(), r#"{"kind":"FOLDER","name":"d","parents":["P"]}"#);
    assert_eq!(sent[7].text(), r#"{"name":"y"}"#);
    assert_eq!(sent[8].text(), r#"{"childId":"F","fromParent":"P"}"#);
    for without_body in &sent[9..] {
        assert_eq!(without_body.header("content-length"), Some("0"), "{}", without_body.line());
    }
    for request in &sent {
        assert_eq!(request.header("authorization"), Some("Bearer Atza|hunter2"));
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let transport = Scripted::by(|sent| match sent.url.as_str() {
        "http://oauth/auth/o2/token" => json_answer(
            200,
            json!({"access_token": "new", "token_type": "bearer", "expires_in": 3600}),
        ),
        _ if sent.header("authorization") == Some("Bearer new") => match sent.url.as_str() {
            "http://drive/drive/v1/account/endpoint" => endpoints(),
            _ => json_answer(401, json!({"message": "Token has expired"})),
        },
        _ => json_answer(401, json!({"message": "Token has expired"})),
    });
    let endpoint = Endpoint::new("http://oauth/auth/o2/token", "id").unwrap();
    let tokens = TokenSource::refreshed(endpoint, Some("refresh".into()), Some("old".into()));
    let client = Client::new("http://drive/drive/v1/", tokens).unwrap();
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
async fn each_error_has_its_kind_and_the_clouds_words() {
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
async fn an_answer_that_is_not_json_is_told_in_short() {
    let error = error_of(answer(404, "<UnknownOperationException/>\n")).await;
    assert!(error.to_string().contains("404: <UnknownOperationException/>"), "{error}");
    let page = format!("<html>{}</html>", "x".repeat(10_000));
    assert!(error_of(answer(502, page)).await.to_string().len() < 400);
    let error = error_of(answer(403, "moved to https://h/?token=hunter2")).await;
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn no_error_and_no_debug_shows_a_token() {
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
async fn changes_come_set_by_set_until_their_end() {
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
    assert_eq!(sets[1].nodes[0].status, Some(Status::Purged));
}

#[tokio::test]
async fn changes_that_break_off_or_fail_are_errors() {
    let whole = json!({"checkpoint": "c1", "nodes": [], "statusCode": 200}).to_string();
    let failed = json!({"checkpoint": "c1", "nodes": [], "statusCode": 500}).to_string();
    let no_checkpoint = json!({"nodes": [], "statusCode": 200}).to_string();
    for (body, says) in [
        (whole, "broke off"),
        (failed, "500"),
        (no_checkpoint, "checkpoint"),
        ("{\"checkpoint\":\"hunter2\",".to_owned(), "not understood"),
    ] {
        let transport = expecting([("POST changes", answer(200, body))]);
        let stream =
            client().changes(&transport.context(), &ChangesQuery::default()).await.unwrap();
        let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
