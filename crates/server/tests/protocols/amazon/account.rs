use drivedal_server::Server;
use serde_json::json;

use crate::amazon::cloud::Cloud;

#[tokio::test]
async fn the_endpoints_are_where_the_question_came_to() {
    let cloud = Cloud::of(Server::builder().stand_in()).await;
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
    let answer = cloud.answer(request.header("host", "drive.amazonaws.com")).await.json(200);
    assert_eq!(answer["metadataUrl"], "https://cdws.us-east-1.amazonaws.com/drive/v1/");
}

#[tokio::test]
async fn quota_and_usage_count_what_is_there() {
    let cloud = Cloud::of(Server::builder().quota(1_000)).await;
    let root = cloud.root().await;
    cloud.file("a.txt", &root, "12345").await;
    cloud.file("b.jpg", &root, "1234567").await;
    let trashed = cloud.file("c.mp4", &root, "123").await;
    cloud.ask("PUT", &format!("trash/{trashed}"), None).await.json(200);
    let quota = cloud.get("account/quota").await;
    assert_eq!((&quota["quota"], &quota["available"]), (&json!(1_000), &json!(988)));
    let usage = cloud.get("account/usage").await;
    // The form called both plain text; what was told of the bytes is what counts.
    assert_eq!(usage["doc"]["total"], json!({"bytes": 12, "count": 2}));
    for sort in ["other", "photo", "video"] {
        assert_eq!(usage[sort]["billable"]["count"], 0, "{sort}");
    }
    assert_eq!(cloud.get("account/info").await["status"], "ACTIVE");
}

#[tokio::test]
async fn a_token_that_is_missing_wrong_or_old_is_refused() {
    let cloud = Cloud::of(Server::builder().token_life(std::time::Duration::ZERO)).await;
    let url = cloud.url("drive/v1/account/info");
    let missing = cloud.answer(cloud.anonymous("GET", &url)).await;
    assert!(missing.error(401).contains("missing"));
    let wrong = cloud.answer(cloud.anonymous("GET", &url).bearer_auth("Atza|x")).await;
    assert!(wrong.error(401).contains("invalid"));

    let form = "grant_type=refresh_token&refresh_token=drivedal-dev-refresh&client_id=c\
                &client_secret=s&redirect_uri=http%3A%2F%2Flocalhost";
    let token = cloud.anonymous("POST", &cloud.url("auth/o2/token")).body(form);
    let tokens = cloud.answer(token).await.json(200);
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["refresh_token"], "drivedal-dev-refresh");
    let access = tokens["access_token"].as_str().unwrap();
    let old = cloud.answer(cloud.anonymous("GET", &url).bearer_auth(access)).await;
    assert_eq!(old.error(401), "Token has expired");
}

#[tokio::test]
async fn tokens_are_given_for_codes_and_refused_in_words() {
    let cloud = Cloud::start().await;
    let url =
        cloud.url("ap/oa?client_id=c&response_type=code&redirect_uri=http://localhost:1/&state=s");
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let answer = client.build().unwrap().get(url).send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let location = url::Url::parse(&location).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let token_url = cloud.url("auth/o2/token");
    let exchange = format!(
        "grant_type=authorization_code&code={code}&client_id=c&redirect_uri=http://localhost:1/"
    );
    let asked = || cloud.answer(cloud.anonymous("POST", &token_url).body(exchange.clone()));
    let tokens = asked().await.json(200);
    let access = tokens["access_token"].as_str().unwrap();
    let info = cloud.anonymous("GET", &cloud.url("drive/v1/account/info")).bearer_auth(access);
    cloud.answer(info).await.json(200);
    assert_eq!(asked().await.json(400)["error"], "invalid_grant", "a code is good once");
    for (form, status, error) in [
        ("grant_type=refresh_token&refresh_token=x&client_id=c", 400, "invalid_grant"),
        ("grant_type=refresh_token&refresh_token=drivedal-dev-refresh", 401, "invalid_client"),
        ("grant_type=password&client_id=c", 400, "unsupported_grant_type"),
        ("client_id=c", 400, "invalid_request"),
    ] {
        let answer = cloud.answer(cloud.anonymous("POST", &token_url).body(form)).await;
        assert_eq!(answer.json(status)["error"], error, "{form}");
    }
}

#[tokio::test]
async fn what_is_no_operation_is_answered_as_such() {
    let cloud = Cloud::start().await;
    let root = cloud.root().await;
    let unknown = cloud.ask("PUT", &format!("nodes/{root}/properties//k"), None).await;
    assert_eq!((unknown.status, unknown.text.as_str()), (404, "<UnknownOperationException/>"));
    cloud.ask("DELETE", "account/info", None).await.error(405);
    let request = cloud.request("GET", "drive/v1//account/info");
    let answer = cloud.answer(request).await;
    answer.json(200);
    assert!(answer.headers.contains_key("x-amzn-requestid"));
    let purge = cloud.ask("DELETE", &format!("nodes/{root}"), None).await;
    assert_eq!(purge.error(403), "Insufficient permissions granted for operation: purgeNode");
}

#[tokio::test]
async fn a_request_that_tells_no_length_is_411() {
    use std::io::{Read, Write};
    let cloud = Cloud::start().await;
    let root = cloud.root().await;
    let address = cloud.server.address().expect("a port");
    let answer = tokio::task::spawn_blocking(move || {
        let mut line = std::net::TcpStream::connect(address).unwrap();
        write!(
            line,
            "PUT /drive/v1/trash/{root} HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer drivedal-dev\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 411 "));
}
