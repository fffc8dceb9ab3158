use drivedal_server::Server;
use drivedal_test_support::http::{TestRequest, client, exchange};
use serde_json::json;

use crate::amazon::cloud::AmazonServer;

#[tokio::test]
async fn endpoints_use_the_host_of_the_request() {
    let cloud = AmazonServer::of(Server::builder().stand_in()).await;
    let endpoint = cloud.get("account/endpoint").await;
    assert_eq!(
        endpoint,
        json!({
            "customerExists": true,
            "contentUrl": cloud.url("cdproxy/"),
            "metadataUrl": cloud.url("drive/v1/"),
        })
    );
    let request = cloud.request("GET", "drive/v1/account/endpoint");
    let response =
        cloud.send(request.header("host", "drive.amazonaws.com")).await.json_with_status(200);
    assert_eq!(response["metadataUrl"], "https://cdws.us-east-1.amazonaws.com/drive/v1/");
}

#[tokio::test]
async fn quota_and_usage_count_stored_bytes() {
    let cloud = AmazonServer::of(Server::builder().quota(1_000)).await;
    let root = cloud.root().await;
    cloud.file("a.txt", &root, "12345").await;
    cloud.file("b.jpg", &root, "1234567").await;
    let trashed = cloud.file("c.mp4", &root, "123").await;
    cloud.call("PUT", &format!("trash/{trashed}"), None).await.json_with_status(200);
    let quota = cloud.get("account/quota").await;
    assert_eq!((&quota["quota"], &quota["available"]), (&json!(1_000), &json!(988)));
    let usage = cloud.get("account/usage").await;
    // The form declared both as plain text; the server detects the type from the bytes.
    assert_eq!(usage["doc"]["total"], json!({"bytes": 12, "count": 2}));
    for sort in ["other", "photo", "video"] {
        assert_eq!(usage[sort]["billable"]["count"], 0, "{sort}");
    }
    assert_eq!(cloud.get("account/info").await["status"], "ACTIVE");
}

#[tokio::test]
async fn a_token_that_is_missing_wrong_or_old_is_refused() {
    let cloud = AmazonServer::of(Server::builder().token_life(std::time::Duration::ZERO)).await;
    let url = cloud.url("drive/v1/account/info");
    let missing = cloud.send(cloud.anonymous("GET", &url)).await;
    assert!(missing.amazon_error(401).contains("missing"));
    let wrong = cloud.send(cloud.anonymous("GET", &url).bearer_auth("Atza|x")).await;
    assert!(wrong.amazon_error(401).contains("invalid"));

    let form = "grant_type=refresh_token&refresh_token=drivedal-dev-refresh&client_id=c\
                &client_secret=s&redirect_uri=http%3A%2F%2Flocalhost";
    let token = cloud.anonymous("POST", &cloud.url("auth/o2/token")).body(form);
    let tokens = cloud.send(token).await.json_with_status(200);
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["refresh_token"], "drivedal-dev-refresh");
    let access = tokens["access_token"].as_str().unwrap();
    let old = cloud.send(cloud.anonymous("GET", &url).bearer_auth(access)).await;
    assert_eq!(old.amazon_error(401), "Token has expired");
}

#[tokio::test]
async fn codes_are_exchanged_for_tokens_and_errors_are_named() {
    let cloud = AmazonServer::start().await;
    let url =
        cloud.url("ap/oa?client_id=c&response_type=code&redirect_uri=http://localhost:1/&state=s");
    let location = TestRequest::new(&client(), "GET", &url).send().await.location();
    let location = url::Url::parse(&location).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let token_url = cloud.url("auth/o2/token");
    let exchange = format!(
        "grant_type=authorization_code&code={code}&client_id=c&redirect_uri=http://localhost:1/"
    );
    let asked = || cloud.send(cloud.anonymous("POST", &token_url).body(exchange.clone()));
    let tokens = asked().await.json_with_status(200);
    let access = tokens["access_token"].as_str().unwrap();
    let info = cloud.anonymous("GET", &cloud.url("drive/v1/account/info")).bearer_auth(access);
    cloud.send(info).await.json_with_status(200);
    assert_eq!(
        asked().await.json_with_status(400)["error"],
        "invalid_grant",
        "a code is good once"
    );
    for (form, status, error) in [
        ("grant_type=refresh_token&refresh_token=x&client_id=c", 400, "invalid_grant"),
        ("grant_type=refresh_token&refresh_token=drivedal-dev-refresh", 401, "invalid_client"),
        ("grant_type=password&client_id=c", 400, "unsupported_grant_type"),
        ("client_id=c", 400, "invalid_request"),
    ] {
        let response = cloud.send(cloud.anonymous("POST", &token_url).body(form)).await;
        assert_eq!(response.json_with_status(status)["error"], error, "{form}");
    }
}

#[tokio::test]
async fn an_unknown_operation_is_refused() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let unknown = cloud.call("PUT", &format!("nodes/{root}/properties//k"), None).await;
    assert_eq!((unknown.status, unknown.text()), (404, "<UnknownOperationException/>"));
    cloud.call("DELETE", "account/info", None).await.amazon_error(405);
    let request = cloud.request("GET", "drive/v1//account/info");
    let response = cloud.send(request).await;
    response.json_with_status(200);
    assert!(response.headers.contains_key("x-amzn-requestid"));
    let purge = cloud.call("DELETE", &format!("nodes/{root}"), None).await;
    assert_eq!(
        purge.amazon_error(403),
        "Insufficient permissions granted for operation: purgeNode"
    );
}

#[tokio::test]
async fn a_request_without_a_length_is_refused_with_411() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let request = format!(
        "PUT /drive/v1/trash/{root} HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer drivedal-dev\r\nConnection: close\r\n\r\n"
    );
    let response =
        exchange(cloud.server.address().expect("a port"), request.as_bytes()).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 411 "));
}
