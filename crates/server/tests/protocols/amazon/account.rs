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

#[tokio::test]
async fn a_token_is_described_and_a_profile_needs_its_scope() {
    let cloud = AmazonServer::start().await;
    let form = "grant_type=refresh_token&refresh_token=drivedal-dev-refresh&client_id=c";
    let token = cloud.anonymous("POST", &cloud.url("auth/o2/token")).body(form);
    let tokens = cloud.send(token).await.json_with_status(200);
    let access = tokens["access_token"].as_str().unwrap();
    let url = cloud.url(&format!("auth/o2/tokeninfo?access_token={access}"));
    let info = cloud.send(cloud.anonymous("GET", &url)).await.json_with_status(200);
    assert_eq!(info["iss"], "https://www.amazon.com");
    assert!((3500..=3600).contains(&info["exp"].as_i64().unwrap()), "{info}");
    assert!(info["iat"].is_i64() && info["app_id"].is_string(), "{info}");
    let profile = cloud.anonymous("GET", &cloud.url("user/profile")).bearer_auth(access);
    let profile = cloud.send(profile).await.json_with_status(200);
    assert_eq!(profile["user_id"], info["user_id"]);
    assert_eq!(profile["email"], "developer@drivedal.example");
    let url = cloud.url("auth/o2/tokeninfo?access_token=Atza");
    let invalid = cloud.send(cloud.anonymous("GET", &url)).await;
    assert_eq!(invalid.json_with_status(400)["error"], "invalid_token");
}

#[tokio::test]
async fn the_token_service_of_acd_cli_signs_in_and_refreshes() {
    let cloud = AmazonServer::of(Server::builder().stand_in()).await;
    let url = cloud.url("");
    let service = |method: &str| {
        cloud.anonymous(method, &url).header("host", "tensile-runway-92512.appspot.com")
    };
    let page = cloud.send(service("GET")).await;
    assert!(page.status == 200 && page.text().contains("<form method=post>"), "{page:?}");
    let data = cloud.send(service("POST").body("decision=allow&account=anna")).await;
    assert!(data.header("content-disposition").contains("oauth_data"), "{data:?}");
    let data = data.json_with_status(200);
    let refresh = data["refresh_token"].as_str().unwrap();
    let fresh = cloud.send(service("POST").body(format!("refresh_token={refresh}"))).await;
    let fresh = fresh.json_with_status(200);
    assert_eq!(fresh["refresh_token"], data["refresh_token"]);
    assert_ne!(fresh["access_token"], data["access_token"]);
    let info = cloud.anonymous("GET", &cloud.url("drive/v1/account/info"));
    let info = info.bearer_auth(fresh["access_token"].as_str().unwrap());
    cloud.send(info).await.json_with_status(200);
    let wrong = cloud.send(service("POST").body("refresh_token=x")).await;
    assert_eq!(wrong.json_with_status(400)["error"], "invalid_grant");
}

#[tokio::test]
async fn a_directory_restricts_login_with_amazon() {
    let directory = json!({
        "users": [{"name": "anna", "kind": "personal"}, {"name": "bea", "kind": "personal"}],
        "applications": [
            {"id": "app", "secrets": ["s"], "redirect_uris": ["http://localhost"],
             "scopes": ["clouddrive:read_all"]},
        ],
    });
    let directory = drivedal_server::Directory::from_json(directory.to_string().as_bytes());
    let cloud = AmazonServer::of(Server::builder().directory(directory.unwrap())).await;
    let authorize = |scope: &str| {
        cloud.url(&format!(
            "ap/oa?client_id=app&response_type=code&scope={scope}&redirect_uri=http://localhost"
        ))
    };
    let page = cloud.send(cloud.anonymous("GET", &authorize("clouddrive:read_all"))).await;
    assert!(page.text().contains("bea@drivedal.example"), "{page:?}");
    for scope in ["clouddrive:write", "clouddrive:nonsense"] {
        let refused = cloud.send(cloud.anonymous("GET", &authorize(scope))).await;
        assert!(refused.location().contains("error=invalid_scope"), "{refused:?}");
    }
    let consent = cloud.anonymous("POST", &authorize("clouddrive:read_all"));
    let consent = cloud.send(consent.body("decision=allow&account=bea@drivedal.example")).await;
    let code = consent.location().split("code=").nth(1).unwrap().to_owned();
    let exchange = |secret: &str| {
        let form = format!(
            "grant_type=authorization_code&client_id=app&client_secret={secret}&code={code}\
             &redirect_uri=http://localhost"
        );
        cloud.send(cloud.anonymous("POST", &cloud.url("auth/o2/token")).body(form))
    };
    assert_eq!(exchange("wrong").await.json_with_status(401)["error"], "invalid_client");
    let tokens = exchange("s").await.json_with_status(200);
    let info = cloud.anonymous("GET", &cloud.url("drive/v1/account/info"));
    let info = info.bearer_auth(tokens["access_token"].as_str().unwrap());
    cloud.send(info).await.json_with_status(200);
}
