//! Kinds of errors, and rejected tokens.

use std::time::Duration;

use opendal::Buffer;

use super::*;
use crate::{
    drive::{Body, Conditions, Drive, Error, ErrorKind, Retry, WriteOptions},
    transport::scripted::Scripted,
};

async fn error_of(outcome: Outcome) -> Error {
    let transport = Scripted::by(move |_| outcome.clone());
    drive().item(&transport.context(), &at("a"), &Conditions::default()).await.unwrap_err()
}

#[tokio::test]
async fn every_code_has_its_kind() {
    use ErrorKind::*;
    for (status, code, kind) in [
        (400, "invalidRequest", InvalidInput),
        (401, "InvalidAuthenticationToken", PermissionDenied),
        (403, "accessDenied", PermissionDenied),
        (403, "serviceReadOnly", PermissionDenied),
        (403, "malwareDetected", PermissionDenied),
        (403, "activityLimitReached", RateLimited),
        (404, "itemNotFound", NotFound),
        (400, "itemNotFound", NotFound),
        (409, "nameAlreadyExists", AlreadyExists),
        (409, "editConflict", Conflict),
        (409, "Directory_ConcurrencyViolation", Conflict),
        (410, "resyncRequired", NotFound),
        (412, "resourceModified", ConditionNotMatch),
        (412, "notAllowed", ConditionNotMatch),
        (416, "invalidRange", RangeNotSatisfied),
        (423, "resourceLocked", Conflict),
        (423, "notAllowed", Conflict),
        (429, "activityLimitReached", RateLimited),
        (429, "TooManyRequests", RateLimited),
        (500, "generalException", Unexpected),
        (501, "notSupported", Unsupported),
        (400, "notSupported", Unsupported),
        (503, "serviceNotAvailable", RateLimited),
        (507, "quotaLimitReached", QuotaExceeded),
        (509, "bandwidthLimitExceeded", RateLimited),
    ] {
        let error = error_of(error_response(status, code)).await;
        assert_eq!(error.kind(), kind, "{status} {code}");
        assert_eq!((error.status(), error.code()), (Some(status), Some(code)));
        assert!(error.to_string().contains(&format!("about {code}")), "{error}");
        assert!(error.to_string().contains("GET graph.microsoft.com {item}"), "{error}");
        assert!(error.to_string().contains("(request r-1)"), "{error}");
        let again = matches!(status, 429 | 500 | 503 | 509)
            || ["activityLimitReached", "Directory_ConcurrencyViolation"].contains(&code);
        assert_eq!(error.is_temporary(), again, "{status} {code}");
    }
}

#[tokio::test]
async fn rate_limits_have_the_delay_of_the_response() {
    for status in [429, 503] {
        let error = error_of(error_response(status, "x").header("retry-after", "120")).await;
        let after = Some(Duration::from_secs(120));
        assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::Again { after }));
        let error = error_of(answer(status, "")).await;
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::RateLimited, Retry::Again { after: None })
        );
    }
}

#[tokio::test]
async fn the_innermost_known_code_decides() {
    let nested = |outer: &str, inner: &str| {
        json!({"error": {"code": "invalidRequest", "message": "m",
            outer: {"code": "invalidPath", "request-id": "r-2", inner: {"code": "pathIsTooLong"}}}})
        .to_string()
    };
    for (outer, inner) in [("innerError", "innererror"), ("innererror", "innerError")] {
        let error = error_of(answer(400, nested(outer, inner))).await;
        assert_eq!(error.code(), Some("invalidRequest/invalidPath/pathIsTooLong"));
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("(request r-2)"), "{error}");
    }
    // The innermost known code decides.
    let body = json!({"error": {"code": "accessDenied", "innerError": {"code": "nameAlreadyExists",
        "innerError": {"code": "somethingNew"}}}});
    assert_eq!(error_of(answer(403, body.to_string())).await.kind(), ErrorKind::AlreadyExists);
    // Deep nesting is cut off, and both spellings may be present.
    let mut deep = json!({"code": "x"});
    for level in 0..100 {
        deep = json!({"code": format!("c{level}"), "innerError": deep.clone(), "innererror": {}});
    }
    error_of(answer(400, json!({"error": deep}).to_string())).await;
}

#[tokio::test]
async fn bodies_of_other_forms_are_read_as_far_as_possible() {
    let error = error_of(answer(404, "<html>not here https://t/x?tempauth=SECRET</html>")).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("Not Found"), "{error}");
    assert!(!error.to_string().contains("SECRET"), "{error}");
    let sharepoint = json!({"error": {"code": "-2147024809, System.ArgumentException",
        "message": {"lang": "en-US", "value": "Value does not fall."}}});
    let error = error_of(answer(400, sharepoint.to_string())).await;
    assert!(error.to_string().contains("Value does not fall."), "{error}");
    let oauth = json!({"error": "invalid_grant", "error_description": "AADSTS70000"});
    let error = error_of(answer(401, oauth.to_string())).await;
    assert_eq!((error.code(), error.message()), (Some("invalid_grant"), "AADSTS70000"));
    let long = json!({"error": {"code": "x", "message": "ä".repeat(5000)}});
    assert!(error_of(answer(400, long.to_string())).await.message().chars().count() <= 501);
    let error = error_of(ok(json!({"name": "no id"}))).await;
    assert!(error.to_string().contains("has no id"), "{error}");
    assert_eq!(error_of(answer(200, "{")).await.kind(), ErrorKind::Unexpected);
}

#[tokio::test]
async fn a_rejected_token_is_refreshed_once_and_the_body_sent_again() {
    let lookup = DriveLookup::new(ConfiguredDrive::Drive(DriveRef::Mine), None);
    let drive = GraphDrive::new(renewing_client(), lookup, None, None);
    let transport = Scripted::by(|sent| match (sent.url.as_str(), sent.header("authorization")) {
        ("https://login/token", _) => tokens("fresh"),
        (_, Some("Bearer fresh")) => ok(file("F", "a", b"hello")),
        _ => error_response(401, "InvalidAuthenticationToken"),
    });
    let body = Body::Memory(Buffer::from("hello"));
    let options = WriteOptions::default();
    let written = drive.upload(&transport.context(), &target("", "a"), body, &options).await;
    assert_eq!(written.unwrap().size, Some(5));
    let sent = transport.sent();
    assert_eq!((sent.len(), sent[0].text(), sent[2].text()), (3, "hello", "hello"));

    let lookup = DriveLookup::new(ConfiguredDrive::Drive(DriveRef::Mine), None);
    let drive = GraphDrive::new(renewing_client(), lookup, None, None);
    let transport = Scripted::by(|sent| match sent.url.as_str() {
        "https://login/token" => tokens("fresh"),
        _ => error_response(401, "unauthenticated"),
    });
    let error =
        drive.item(&transport.context(), &at("a"), &Conditions::default()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::PermissionDenied, Some("unauthenticated"))
    );
    assert_eq!(transport.sent().len(), 3, "once");
}

#[tokio::test]
async fn a_rejected_fixed_token_is_not_refreshed() {
    let transport = Scripted::by(|_| error_response(401, "InvalidAuthenticationToken"));
    let error =
        drive().item(&transport.context(), &at("a"), &Conditions::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::PermissionDenied, Some(401)));
    assert_eq!(transport.sent().len(), 1);
}
