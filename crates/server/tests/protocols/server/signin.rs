//! Tokens: where requests carry them, which are valid, how clients get them.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::server::{
    refused,
    rig::{Rig, TestResponse},
};

async fn token(rig: &Rig, form: &str) -> TestResponse {
    rig.bare("POST", "/oauth20_token.srf").form(form).send().await
}

async fn refreshed(rig: &Rig, refresh_token: &str) -> TestResponse {
    let form = format!("grant_type=refresh_token&client_id=c&refresh_token={refresh_token}");
    token(rig, &form).await
}

/// Returns status and error name. The error is a string here, and an object in other responses.
fn refusal(reply: &TestResponse) -> (u16, String) {
    assert!(!reply.member("error_description").is_empty());
    (reply.status, reply.member("error"))
}

async fn me(rig: &Rig, token: &str) -> TestResponse {
    rig.bare("GET", "/v5.0/me").header("authorization", &format!("bearer {token}")).send().await
}

#[tokio::test]
async fn every_verb_takes_the_token_in_the_header_and_in_the_query() {
    let rig = Rig::new().await;
    for (place, name) in [("header", "a"), ("query", "b")] {
        let request = |method: &str, path: &str| match place {
            "header" => rig.live(method, path),
            _ => rig.bare(method, &format!("/v5.0{path}?access_token=drivedal-dev")),
        };
        let folder = request("POST", "/me/skydrive").form(&format!("name={name}")).send().await;
        assert_eq!(folder.status, 201, "{place}");
        let file = request("PUT", &format!("/me/skydrive/files/{name}.txt")).body("x").send().await;
        assert_eq!(file.status, 201, "{place}");
        let path = format!("/{}", file.member("id"));
        let destination = serde_json::json!({ "destination": folder.member("id") });
        for (method, status) in [("GET", 200), ("COPY", 201), ("DELETE", 204)] {
            let reply = request(method, &path).json(&destination).send().await;
            assert_eq!(reply.status, status, "{place} {method}");
        }
        let copy = rig.live("GET", &format!("/{}/files", folder.member("id"))).send().await.json();
        let copy = format!("/{}", copy["data"][0]["id"].as_str().expect("an id"));
        let root = serde_json::json!({ "destination": rig.object("me/skydrive").await["id"] });
        assert_eq!(request("MOVE", &copy).json(&root).send().await.status, 201, "{place}");
    }
}

#[tokio::test]
async fn a_refused_token_is_reported_with_the_reason() {
    let rig = Rig::new().await;
    for path in ["/v5.0/me", "/v5.0/me/skydrive/files", "/v5.0/me?access_token="] {
        let reply = rig.bare("GET", path).send().await;
        refused!(reply, 401, "request_token_missing");
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
    }
    for bad in [
        "x",
        "drivedal",
        "drivedal-dev-",
        "drivedal-dev-refresh",
        "drivedal-dev-a-refresh",
        "EwAAAA",
    ] {
        let reply = me(&rig, bad).await;
        refused!(reply, 401, "request_token_invalid");
        assert!(reply.header("www-authenticate").contains("invalid_token"));
    }
    let quiet = rig.bare("GET", "/v5.0/me?suppress_response_codes=true").send().await;
    refused!(quiet, 200, "request_token_missing");
}

#[tokio::test]
async fn an_access_token_ends_with_its_time() {
    let rig = Rig::with(|builder| builder.token_life(Duration::ZERO)).await;
    let tokens = refreshed(&rig, "drivedal-dev-refresh").await;
    let reply = me(&rig, &tokens.member("access_token")).await;
    refused!(reply, 401, "request_token_expired");
    assert!(reply.header("www-authenticate").contains("expired_token"));
    let tokens = refreshed(&rig, &tokens.member("refresh_token")).await;
    assert_eq!(tokens.status, 200);
}

#[tokio::test]
async fn a_named_token_opens_a_drive_of_its_own() {
    let rig = Rig::new().await;
    rig.file("me/skydrive", "mine", "x").await;
    let anna = Rig { token: "drivedal-dev-anna", ..rig };
    assert_eq!(anna.names("me/skydrive", "").await, [""; 0]);
    anna.file("me/skydrive", "hers", "x").await;
    let tokens = refreshed(&anna, "drivedal-dev-anna-refresh").await;
    assert_eq!(tokens.member("user_id"), anna.object("me").await["id"]);
    let listed = anna.bare("GET", "/v5.0/me/skydrive/files");
    let header = format!("Bearer {}", tokens.member("access_token"));
    let listed = listed.header("authorization", &header).send().await.json();
    assert_eq!(crate::server::rig::names(&listed), ["hers"]);
    let default = Rig { token: "drivedal-dev", ..anna };
    assert_eq!(default.names("me/skydrive", "").await, ["mine"]);
}

#[tokio::test]
async fn a_refresh_response_has_the_form_that_the_old_client_requires() {
    let rig = Rig::new().await;
    let reply = refreshed(&rig, "drivedal-dev-refresh").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), "no-store");
    let tokens = reply.json();
    let fields: Vec<&String> = tokens.as_object().expect("an object").keys().collect();
    assert_eq!(
        fields,
        ["access_token", "expires_in", "refresh_token", "scope", "token_type", "user_id"]
    );
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["scope"], "wl.skydrive wl.skydrive_update wl.offline_access");
    assert_eq!(tokens["user_id"], rig.object("me").await["id"]);
    assert_eq!(me(&rig, &reply.member("access_token")).await.status, 200);
}

#[tokio::test]
async fn refresh_tokens_are_new_each_time_and_the_old_ones_stay_good() {
    let rig = Rig::new().await;
    let first = refreshed(&rig, "drivedal-dev-refresh").await.member("refresh_token");
    let second = refreshed(&rig, &first).await.member("refresh_token");
    let again = refreshed(&rig, &first).await.member("refresh_token");
    assert!(first != second && second != again);
    assert_eq!(refreshed(&rig, &second).await.status, 200);
    assert_eq!(refreshed(&rig, "drivedal-dev-refresh").await.status, 200);
}

#[tokio::test]
async fn tokens_are_refused_in_the_words_of_oauth() {
    let rig = Rig::new().await;
    let access = refreshed(&rig, "drivedal-dev-refresh").await.member("access_token");
    for (form, error) in [
        ("", "invalid_request"),
        ("grant_type=refresh_token&client_id=c", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=drivedal-dev-refresh", "invalid_request"),
        ("grant_type=refresh_token&client_id=c&refresh_token=x", "invalid_grant"),
        ("grant_type=refresh_token&client_id=c&refresh_token=drivedal-dev", "invalid_grant"),
        (&format!("grant_type=refresh_token&client_id=c&refresh_token={access}"), "invalid_grant"),
        (
            "grant_type=authorization_code&client_id=c&redirect_uri=http://localhost&code=x",
            "invalid_grant",
        ),
        ("grant_type=password&client_id=c", "unsupported_grant_type"),
    ] {
        assert_eq!(refusal(&token(&rig, form).await), (400, error.into()), "{form}");
    }
}

/// Returns the redirect target of an authorization.
async fn authorized(rig: &Rig, query: &str) -> Url {
    let reply = rig.bare("GET", &format!("/oauth20_authorize.srf?{query}")).send().await;
    assert_eq!(reply.status, 302, "{reply:?}");
    Url::parse(reply.header("location")).expect("a URL")
}

fn parameter(pairs: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(pairs.as_bytes())
        .find(|(given, _)| given == name)
        .map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn a_code_is_had_without_a_user_and_exchanged_once() {
    let rig = Rig::new().await;
    let redirect = "redirect_uri=http%3A%2F%2Flocalhost%3A5000%2Fcb%3Fx%3D1";
    let scope = "scope=wl.skydrive%20wl.offline_access";
    let query = format!("client_id=c&response_type=code&state=s%20t&{scope}&{redirect}");
    let url = authorized(&rig, &query).await;
    assert!(url.as_str().starts_with("http://localhost:5000/cb?x=1&"), "{url}");
    let pairs = url.query().expect("parameters");
    assert_eq!(parameter(pairs, "state").as_deref(), Some("s t"));
    let code = parameter(pairs, "code").expect("a code");

    let exchange = format!("grant_type=authorization_code&code={code}");
    let stranger = token(&rig, &format!("{exchange}&client_id=other&{redirect}")).await;
    assert_eq!(refusal(&stranger), (400, "invalid_grant".into()));
    let elsewhere =
        token(&rig, &format!("{exchange}&client_id=c&redirect_uri=http://localhost")).await;
    assert_eq!(refusal(&elsewhere), (400, "invalid_grant".into()));
    let tokens = token(&rig, &format!("{exchange}&client_id=c&client_secret=any&{redirect}")).await;
    assert_eq!(tokens.member("scope"), "wl.skydrive wl.offline_access");
    assert_eq!(me(&rig, &tokens.member("access_token")).await.status, 200);
    let again = token(&rig, &format!("{exchange}&client_id=c&{redirect}")).await;
    assert_eq!(refusal(&again), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn without_offline_access_there_is_no_refresh_token() {
    let rig = Rig::new().await;
    let redirect = "redirect_uri=https%3A%2F%2Flogin.live.com%2Foauth20_desktop.srf";
    let query = format!("client_id=c&response_type=code&scope=wl.skydrive&{redirect}");
    let url = authorized(&rig, &query).await;
    assert_eq!(url.path(), "/oauth20_desktop.srf");
    assert_eq!(url.port(), rig.server.url().port());
    let page = rig.bare("GET", url.as_str()).send().await;
    assert!(page.header("content-type").starts_with("text/html"));
    let code = parameter(url.query().expect("parameters"), "code").expect("a code");
    let form = format!("grant_type=authorization_code&code={code}&client_id=c&{redirect}");
    let tokens = token(&rig, &form).await;
    assert_eq!((tokens.status, tokens.json().get("refresh_token").cloned()), (200, None::<Value>));
}

#[tokio::test]
async fn a_token_may_be_had_at_once_in_the_fragment() {
    let rig = Rig::new().await;
    let url = authorized(
        &rig,
        "client_id=c&response_type=token&state=s&redirect_uri=http://127.0.0.1/cb",
    )
    .await;
    let fragment = url.fragment().expect("a fragment");
    for (name, value) in [("token_type", "bearer"), ("expires_in", "3600"), ("state", "s")] {
        assert_eq!(parameter(fragment, name).as_deref(), Some(value), "{name}");
    }
    let token = parameter(fragment, "access_token").expect("a token");
    assert_eq!(me(&rig, &token).await.status, 200);
}

#[tokio::test]
async fn an_authorization_error_is_redirected_or_shown() {
    let rig = Rig::new().await;
    for (query, error) in [
        ("client_id=c&redirect_uri=http://localhost", "invalid_request"),
        ("response_type=code&redirect_uri=http://localhost", "invalid_request"),
        ("client_id=c&response_type=x&redirect_uri=http://localhost", "unsupported_response_type"),
    ] {
        let url = authorized(&rig, query).await;
        assert_eq!(parameter(url.query().expect("parameters"), "error").as_deref(), Some(error));
    }
    for redirect in ["", "&redirect_uri=https://evil.example/"] {
        let path = format!("/oauth20_authorize.srf?client_id=c&response_type=code{redirect}");
        assert_eq!(rig.bare("GET", &path).send().await.status, 400, "{redirect}");
    }
    assert_eq!(rig.bare("GET", "/oauth20_nothing.srf").send().await.status, 404);
}

#[tokio::test]
async fn unknown_scopes_are_refused() {
    let rig = Rig::new().await;
    let query = "client_id=c&response_type=code&redirect_uri=http://localhost&scope=wl.nonsense";
    let url = authorized(&rig, query).await;
    let pairs = url.query().expect("parameters");
    assert_eq!(parameter(pairs, "error").as_deref(), Some("invalid_scope"));
    assert!(parameter(pairs, "error_description").expect("a text").contains("'wl.nonsense'"));
}

#[tokio::test]
async fn an_authentication_token_is_signed_with_the_secret_of_the_client() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};

    let rig = Rig::new().await;
    let redirect = "redirect_uri=http://localhost";
    let query = format!("client_id=c&response_type=code&scope=wl.signin%20wl.basic&{redirect}");
    let url = authorized(&rig, &query).await;
    let code = parameter(url.query().expect("parameters"), "code").expect("a code");
    let form =
        format!("grant_type=authorization_code&code={code}&client_id=c&client_secret=s&{redirect}");
    let tokens = token(&rig, &form).await;
    let jwt = tokens.member("authentication_token");
    let (signed, tag) = jwt.rsplit_once('.').expect("a signature");
    let key = Sha256::digest("sJWTSig");
    let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).expect("a key");
    let tag = URL_SAFE_NO_PAD.decode(tag).expect("base64");
    keyed.chain_update(signed).verify_slice(&tag).expect("the signature is valid");
    let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).expect("claims"));
    let claims: Value = serde_json::from_slice(&claims.expect("base64")).expect("JSON");
    assert_eq!(
        (&claims["iss"], &claims["uid"]),
        (&"urn:windows:liveid".into(), &tokens.member("user_id").into(),)
    );
}

#[tokio::test]
async fn a_directory_restricts_the_sign_in_and_the_logout_returns_to_the_client() {
    let directory = serde_json::json!({
        "tenants": [{"id": "5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c"}],
        "users": [{"name": "anna", "kind": "personal"}, {"name": "work", "kind": "business"}],
        "applications": [
            {"id": "app", "redirect_uris": ["http://localhost/cb"], "public_client": true},
            {"id": "web", "redirect_uris": ["http://localhost/cb"], "secrets": ["s3cret"]},
        ],
    });
    let directory = drivedal_server::Directory::from_json(directory.to_string().as_bytes());
    let rig = Rig::with(|builder| builder.directory(directory.expect("valid"))).await;
    for (id, status) in [("app", 200), ("web", 400)] {
        let path = format!(
            "/oauth20_authorize.srf?client_id={id}&response_type=code&scope=wl.skydrive\
             &redirect_uri=https%3A%2F%2Flogin.live.com%2Foauth20_desktop.srf"
        );
        assert_eq!(rig.bare("GET", &path).send().await.status, status, "{id}");
    }
    let path = "/oauth20_authorize.srf?client_id=app&response_type=code&scope=wl.skydrive\
                &redirect_uri=http://localhost/cb";
    let page = rig.bare("GET", path).send().await;
    let text = page.text();
    assert!(text.contains("anna@drivedal.example") && !text.contains("work"), "{text}");
    let denied = rig.bare("POST", path).form("decision=deny").send().await;
    assert!(denied.location().contains("error=access_denied"), "{denied:?}");
    let allowed = rig.bare("POST", path).form("account=anna@drivedal.example").send().await;
    let code = allowed.location().split("code=").nth(1).expect("a code").to_owned();
    let form = format!(
        "grant_type=authorization_code&code={code}&client_id=app&redirect_uri=http://localhost/cb"
    );
    let tokens = token(&rig, &form).await;
    assert_eq!(me(&rig, &tokens.member("access_token")).await.status, 200);
    let other = path.replace("client_id=app", "client_id=other");
    assert_eq!(rig.bare("GET", &other).send().await.status, 400);
    let logout = "/oauth20_logout.srf?client_id=app&redirect_uri=http://localhost/cb";
    assert_eq!(rig.bare("GET", logout).send().await.location(), "http://localhost/cb");
    let elsewhere = rig.bare("GET", &logout.replace("cb", "other")).send().await;
    assert_eq!(elsewhere.status, 200);
}
