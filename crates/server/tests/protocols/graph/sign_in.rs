//! Tokens, and requests without a valid one.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use drivedal_server::{Builder, Fault};
use serde_json::Value;

use crate::graph::harness::{GraphServer, TestResponse};

async fn token(cloud: &GraphServer, form: &str) -> TestResponse {
    let url = cloud.url("/common/oauth2/v2.0/token");
    let request = cloud.send("POST", &url);
    request.header("content-type", "application/x-www-form-urlencoded").body(form).await
}

async fn opens(cloud: &GraphServer, tokens: &Value) -> u16 {
    let bearer = format!("bearer {}", tokens["access_token"].as_str().unwrap());
    let url = cloud.url("/v1.0/me/drive");
    cloud.send("GET", &url).header("authorization", &bearer).await.status
}

#[tokio::test]
async fn a_refresh_token_gives_an_access_token_and_another_refresh_token() {
    let cloud = GraphServer::new().await;
    let form = "client_id=c&client_secret=&grant_type=refresh_token\
                &refresh_token=drivedal-dev-refresh&redirect_uri=https://a.example/x y";
    let first = token(&cloud, form).await.json();
    assert_eq!(first["token_type"], "Bearer");
    assert_eq!(first["expires_in"], 3600);
    assert_eq!(opens(&cloud, &first).await, 200);
    let next = first["refresh_token"].as_str().unwrap();
    assert_ne!(next, "drivedal-dev-refresh");
    let form = format!("client_id=c&grant_type=refresh_token&refresh_token={next}");
    assert_eq!(opens(&cloud, &token(&cloud, &form).await.json()).await, 200);
}

#[tokio::test]
async fn a_client_may_name_itself_by_basic_authentication() {
    let cloud = GraphServer::new().await;
    let basic = format!("Basic {}", STANDARD.encode("client:secret"));
    let url = cloud.url("/9188040d-6c67-4c5b-b112-36a304b66dad/oauth2/v2.0/token");
    let form = "grant_type=refresh_token&refresh_token=drivedal-dev-anna-refresh";
    let tokens = cloud.send("POST", &url).header("authorization", &basic).body(form).ok().await;
    assert_eq!(opens(&cloud, &tokens.json()).await, 200);
}

#[tokio::test]
async fn an_application_signs_in_by_its_own_credentials() {
    let cloud = GraphServer::new().await;
    let form = "client_id=c&client_secret=s&grant_type=client_credentials\
                &scope=https://graph.microsoft.com/.default";
    // The tenant must be concrete.
    let refused = token(&cloud, form).await;
    assert_eq!(refused.status, 400);
    let url = cloud.url("/9188040d-6c67-4c5b-b112-36a304b66dad/oauth2/v2.0/token");
    let tokens = cloud.send("POST", &url).body(form).ok().await.json();
    assert!(tokens.get("refresh_token").is_none());
    let id = cloud.drive().id().await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let url = cloud.url(&format!("/v1.0/drives/{id}/root"));
    cloud.send("GET", &url).header("authorization", &bearer).ok().await;
}

#[tokio::test]
async fn a_code_is_exchanged_once() {
    let cloud = GraphServer::new().await;
    let authorize = cloud.url(
        "/common/oauth2/v2.0/authorize?client_id=c&response_type=code&state=s\
         &scope=Files.ReadWrite%20offline_access&redirect_uri=http%3A%2F%2Flocalhost%3A53682%2F",
    );
    let redirect = cloud.send("GET", &authorize).await;
    assert_eq!(redirect.status, 302);
    let target = reqwest::Url::parse(&redirect.location()).unwrap();
    assert_eq!(target.port(), Some(53682));
    let value = |name: &str| {
        let pair = target.query_pairs().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    assert_eq!(value("state"), "s");
    let form = format!(
        "client_id=c&grant_type=authorization_code&code={}&redirect_uri=http://localhost:53682/",
        value("code")
    );
    let tokens = token(&cloud, &form).await.json();
    assert_eq!(tokens["scope"], "Files.ReadWrite offline_access");
    assert!(tokens["refresh_token"].is_string());
    assert_eq!(opens(&cloud, &tokens).await, 200);
    let again = token(&cloud, &form).await;
    assert_eq!((again.status, &again.json()["error"]), (400, &"invalid_grant".into()));
}

#[tokio::test]
async fn a_bad_request_for_tokens_is_refused_in_words() {
    let cloud = GraphServer::new().await;
    for (form, error) in [
        ("client_id=c&grant_type=refresh_token&refresh_token=nonsense", "invalid_grant"),
        ("client_id=c&grant_type=refresh_token", "invalid_request"),
        ("client_id=c&grant_type=password", "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=drivedal-dev-refresh", "invalid_request"),
    ] {
        let response = token(&cloud, form).await;
        assert_eq!(response.status, 400, "{form}");
        assert_eq!(response.json()["error"], error, "{form}");
        let description = response.json()["error_description"].as_str().unwrap().to_owned();
        assert!(description.starts_with("AADSTS"), "{description}");
    }
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_challenged() {
    let cloud = GraphServer::with(|builder: Builder| builder.token_life(Duration::ZERO)).await;
    let url = cloud.url("/v1.0/me/drive");
    for authorization in ["", "Bearer nonsense", "Basic YTpi"] {
        let mut request = cloud.send("GET", &url);
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        let refusal = request.await;
        assert_eq!(refusal.status, 401, "{authorization}");
        assert_eq!(refusal.json()["error"]["code"], "InvalidAuthenticationToken");
        assert!(refusal.header("www-authenticate").starts_with("Bearer realm="));
    }
    let form = "client_id=c&grant_type=refresh_token&refresh_token=drivedal-dev-refresh";
    let tokens = token(&cloud, form).await.json();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let expired = cloud.send("GET", &url).header("authorization", &bearer).await;
    assert_eq!(expired.status, 401);
    assert!(expired.header("www-authenticate").contains("expired_token"));
}

#[tokio::test]
async fn a_fault_rule_speaks_graphs_words() {
    let cloud = GraphServer::new().await;
    let rules = [Fault::on("graph.item.get").times(1).status(429).header("retry-after", "7")];
    cloud.server.control().add_faults(rules).unwrap();
    let refusal = cloud.drive().request("GET", "/me/drive/root").await;
    assert_eq!((refusal.status, refusal.header("retry-after")), (429, "7"));
    assert_eq!(refusal.json()["error"]["code"], "activityLimitReached");
    cloud.drive().get("/me/drive/root").await;
}

#[tokio::test]
async fn unsupported_resources_are_refused_by_name() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    for path in [
        "/me/drive/root/workbook",
        "/me/drive/activities",
        "/me/messages",
        "/me/joinedTeams",
        "/directoryObjects",
    ] {
        let refusal = drive.request("GET", path).refused(501, "notSupported").await;
        let last = path.rsplit('/').next().unwrap();
        assert!(refusal["error"]["message"].as_str().unwrap().contains(last), "{path}: {refusal}");
    }
    drive.request("POST", "/subscriptions").refused(501, "notSupported").await;
    drive.request("GET", "/you").refused(400, "BadRequest").await;
    drive.request("POST", "/me/drive").refused(405, "Request_BadRequest").await;
}
