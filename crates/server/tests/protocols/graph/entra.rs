//! Sign-in of Entra: discovery, codes with PKCE, device codes, id tokens, applications.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::graph::harness::{GraphServer, TestResponse};

/// The tenant of Microsoft accounts.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The challenge of [`VERIFIER`] (RFC 7636, appendix B).
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn post(cloud: &GraphServer, path: &str, form: &str) -> TestResponse {
    let url = cloud.url(path);
    let request = cloud.send("POST", &url);
    request.header("content-type", "application/x-www-form-urlencoded").body(form).await
}

async fn token(cloud: &GraphServer, form: &str) -> TestResponse {
    post(cloud, "/common/oauth2/v2.0/token", form).await
}

async fn get(cloud: &GraphServer, path: &str) -> TestResponse {
    cloud.send("GET", &cloud.url(path)).await
}

/// Checks an error of the token endpoint.
fn refused(response: &TestResponse, error: &str, number: u32) {
    let body = response.json();
    assert_eq!(body["error"], error, "{body}");
    assert_eq!(body["error_codes"], json!([number]), "{body}");
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{number}: ")), "{description}");
    let status = if error == "invalid_client" { 401 } else { 400 };
    assert_eq!(response.status, status, "{body}");
}

/// Returns the parameters of a redirect, from its query or fragment.
fn parameters(response: &TestResponse) -> impl Fn(&str) -> String + use<> {
    assert_eq!(response.status, 302, "{response:?}");
    let target = reqwest::Url::parse(&response.location()).unwrap();
    let text = target.fragment().or(target.query()).unwrap_or_default().to_owned();
    move |wanted: &str| {
        let url = reqwest::Url::parse(&format!("http://localhost/?{text}")).unwrap();
        let pair = url.query_pairs().find(|(name, _)| name == wanted);
        pair.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }
}

fn claims(tokens: &Value) -> Value {
    let token = tokens["id_token"].as_str().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn authorize(options: &str) -> String {
    format!(
        "/common/oauth2/v2.0/authorize?client_id=app&response_type=code&state=s\
         &redirect_uri=http://localhost:9/&scope=Files.Read%20openid%20profile{options}"
    )
}

#[tokio::test]
async fn discovery_leads_to_all_endpoints() {
    let cloud = GraphServer::new().await;
    let path = "/common/v2.0/.well-known/openid-configuration";
    let common = get(&cloud, path).await.json();
    assert_eq!(common["issuer"], cloud.url("/{tenantid}/v2.0"));
    assert_eq!(common["token_endpoint"], cloud.url("/common/oauth2/v2.0/token"));
    let one = get(&cloud, "/consumers/v2.0/.well-known/openid-configuration").await.json();
    assert_eq!(one["issuer"], cloud.url(&format!("/{CONSUMERS}/v2.0")));
    let keys = cloud.send("GET", common["jwks_uri"].as_str().unwrap()).ok().await.json();
    assert_eq!(
        (&keys["keys"][0]["kty"], &keys["keys"][0]["alg"]),
        (&"RSA".into(), &"RS256".into())
    );
    assert_eq!(post(&cloud, path, "").await.status, 405);

    let known = |endpoint: &str| {
        format!("/common/discovery/instance?api-version=1.1&authorization_endpoint={endpoint}")
    };
    for host in [cloud.url(""), "https://login.microsoftonline.com".into()] {
        let host = host.trim_end_matches('/');
        let answer = get(&cloud, &known(&format!("{host}/a.example/oauth2/v2.0/authorize"))).await;
        let document = format!("{host}/a.example/v2.0/.well-known/openid-configuration");
        assert_eq!(answer.json()["tenant_discovery_endpoint"], document);
    }
    let unknown = get(&cloud, &known("https://evil.example/common/oauth2/authorize")).await;
    refused(&unknown, "invalid_instance", 50_049);
}

#[tokio::test]
async fn a_code_needs_the_verifier_of_its_challenge() {
    let cloud = GraphServer::new().await;
    let pkce = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256&nonce=n1");
    let code = parameters(&get(&cloud, &authorize(&pkce)).await)("code");
    let form = format!(
        "client_id=app&grant_type=authorization_code&redirect_uri=http://localhost:9/&code={code}"
    );
    refused(&token(&cloud, &form).await, "invalid_grant", 501_481);
    let wrong = format!("{form}&code_verifier={CHALLENGE}");
    refused(&token(&cloud, &wrong).await, "invalid_grant", 501_481);
    // The other token endpoints do not know the challenge either.
    assert_eq!(post(&cloud, "/oauth20_token.srf", &form).await.status, 400);
    let right = format!("{form}&code_verifier={VERIFIER}&client_info=1");
    let tokens = token(&cloud, &right).await.json_with_status(200);
    refused(&token(&cloud, &right).await, "invalid_grant", 54_005);

    assert!(tokens.get("refresh_token").is_none(), "offline_access was not requested");
    let claims = claims(&tokens);
    assert_eq!(claims["iss"], cloud.url(&format!("/{CONSUMERS}/v2.0")));
    assert_eq!((&claims["aud"], &claims["nonce"]), (&"app".into(), &"n1".into()));
    assert_eq!(claims["preferred_username"], "developer@drivedal.example");
    let info = URL_SAFE_NO_PAD.decode(tokens["client_info"].as_str().unwrap()).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info, json!({"uid": claims["oid"], "utid": claims["tid"]}));

    let plain = format!("&code_challenge={VERIFIER}");
    let code = parameters(&get(&cloud, &authorize(&plain)).await)("code");
    let form = format!(
        "client_id=app&grant_type=authorization_code&redirect_uri=http://localhost:9/&code={code}\
         &code_verifier={VERIFIER}"
    );
    token(&cloud, &form).await.json_with_status(200);
    let short = parameters(&get(&cloud, &authorize("&code_challenge=short")).await);
    assert_eq!(short("error"), "invalid_request");
}

#[tokio::test]
async fn the_response_mode_is_honoured() {
    let cloud = GraphServer::new().await;
    let fragment = get(&cloud, &authorize("&response_mode=fragment")).await;
    assert!(fragment.location().contains("/#code="), "{}", fragment.location());
    assert_eq!(parameters(&fragment)("state"), "s");
    let form = get(&cloud, &authorize("&response_mode=form_post")).await;
    assert_eq!(form.status, 200);
    assert!(form.text().contains("<form method=post action=\"http://localhost:9/\">"));
    assert!(form.text().contains("<input type=hidden name=\"code\""));
    let unknown = parameters(&get(&cloud, &authorize("&response_mode=web_message")).await);
    assert_eq!((unknown("error"), unknown("state")), ("invalid_request".into(), "s".into()));
}

#[tokio::test]
async fn a_page_lets_the_user_choose_the_account() {
    let cloud = GraphServer::new().await;
    let path = authorize("&prompt=select_account&login_hint=anna@drivedal.example&nonce=%3Cb%3E");
    let page = get(&cloud, &path).await;
    assert_eq!((page.status, page.header("x-frame-options")), (200, "DENY"));
    // A browser sends the origin of a page with its form unless the policy is `no-referrer`.
    assert_eq!(page.header("referrer-policy"), "same-origin");
    let radio = "value=\"anna@drivedal.example\" checked";
    assert!(page.text().contains(radio), "{}", page.text());
    let denied = parameters(&post(&cloud, &path, "decision=deny").await);
    assert_eq!(denied("error"), "access_denied");
    assert_eq!(post(&cloud, &path, "decision=allow&account=a%20b").await.status, 400);
    let code = parameters(&post(&cloud, &path, "decision=allow&new_account=bea").await)("code");
    let form = format!(
        "client_id=app&grant_type=authorization_code&redirect_uri=http://localhost:9/&code={code}"
    );
    let tokens = token(&cloud, &form).await.json_with_status(200);
    assert_eq!(claims(&tokens)["preferred_username"], "bea@drivedal.example");
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let url = cloud.url("/oidc/userinfo");
    let user = cloud.send("GET", &url).header("authorization", &bearer).ok().await.json();
    assert_eq!((&user["name"], &user["sub"]), (&"bea".into(), &claims(&tokens)["sub"]));
    assert_eq!(cloud.send("GET", &url).await.status, 401);
}

#[tokio::test]
async fn a_device_code_waits_for_the_user() {
    let cloud = GraphServer::new().await;
    let start = async || {
        let form = "client_id=app&scope=Files.Read%20openid%20offline_access";
        post(&cloud, "/common/oauth2/v2.0/devicecode", form).await.json_with_status(200)
    };
    let poll = async |codes: &Value, client: &str| {
        let form = format!(
            "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id={client}\
             &device_code={}",
            codes["device_code"].as_str().unwrap()
        );
        token(&cloud, &form).await
    };
    let codes = start().await;
    assert_eq!((&codes["expires_in"], &codes["interval"]), (&900.into(), &5.into()));
    refused(&poll(&codes, "other").await, "bad_verification_code", 70_018);
    refused(&poll(&codes, "app").await, "authorization_pending", 70_016);
    refused(&poll(&codes, "app").await, "slow_down", 70_016);
    let short = format!(
        "grant_type=device_code&client_id=app&device_code={}",
        codes["device_code"].as_str().unwrap()
    );
    refused(&token(&cloud, &short).await, "slow_down", 70_016);

    let page = "/common/oauth2/deviceauth";
    assert_eq!(codes["verification_uri"], cloud.url(page));
    assert!(get(&cloud, page).await.text().contains("<form method=post>"));
    assert_eq!(post(&cloud, page, "user_code=nonsense").await.status, 400);
    let codes = start().await;
    let form = format!("user_code={}&account=anna", codes["user_code"].as_str().unwrap());
    assert_eq!(post(&cloud, page, &form).await.status, 200);
    let tokens = poll(&codes, "app").await.json_with_status(200);
    assert_eq!(tokens["scope"], "Files.Read openid offline_access");
    refused(&poll(&codes, "app").await, "bad_verification_code", 70_018);

    let refresh = format!(
        "grant_type=refresh_token&refresh_token={}",
        tokens["refresh_token"].as_str().unwrap()
    );
    refused(&token(&cloud, &format!("{refresh}&client_id=other")).await, "invalid_grant", 70_000);
    let more = format!("{refresh}&client_id=app&scope=Files.ReadWrite");
    let no_consent = token(&cloud, &more).await;
    refused(&no_consent, "invalid_grant", 65_001);
    assert_eq!(no_consent.json()["suberror"], "consent_required");
    token(&cloud, &format!("{refresh}&client_id=app&scope=Files.Read")).await.json_with_status(200);

    let codes = start().await;
    let form = format!("user_code={}&decision=deny", codes["user_code"].as_str().unwrap());
    post(&cloud, page, &form).await;
    refused(&poll(&codes, "app").await, "authorization_declined", 70_000);
}

#[tokio::test]
async fn an_application_needs_a_tenant_a_credential_and_the_default_scope() {
    let cloud = GraphServer::new().await;
    let app = "client_id=app&grant_type=client_credentials";
    let scope = "&scope=https://graph.microsoft.com/.default";
    let url = "/contoso.example/oauth2/v2.0/token";
    refused(&post(&cloud, url, &format!("{app}{scope}")).await, "invalid_client", 7_000_218);
    let secret = format!("{app}&client_secret=s");
    refused(&token(&cloud, &format!("{secret}{scope}")).await, "invalid_request", 50_059);
    refused(&post(&cloud, url, &secret).await, "invalid_request", 900_144);
    let wrong = post(&cloud, url, &format!("{secret}&scope=Files.Read")).await;
    refused(&wrong, "invalid_scope", 1_002_012);
    let tokens = post(&cloud, url, &format!("{secret}{scope}")).await.json_with_status(200);
    assert!(tokens.get("id_token").is_none() && tokens.get("refresh_token").is_none());

    let assertion = |claims: Value| {
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        format!("{app}{scope}&client_assertion_type={kind}&client_assertion=e30.{claims}.AA")
    };
    let aud = cloud.url(url);
    let good = json!({"iss": "app", "sub": "app", "aud": aud, "exp": 4_000_000_000_i64});
    post(&cloud, url, &assertion(good)).await.json_with_status(200);
    let other = json!({"iss": "b", "sub": "b", "aud": aud, "exp": 4_000_000_000_i64});
    refused(&post(&cloud, url, &assertion(other)).await, "invalid_client", 50_027);
    let expired = json!({"iss": "app", "sub": "app", "aud": aud, "exp": 1});
    refused(&post(&cloud, url, &assertion(expired)).await, "invalid_client", 700_024);
}

#[tokio::test]
async fn logout_returns_to_programs_on_this_machine_only() {
    let cloud = GraphServer::new().await;
    let logout = "/common/oauth2/v2.0/logout?post_logout_redirect_uri=";
    let back = get(&cloud, &format!("{logout}http://localhost:9/out")).await;
    assert_eq!((back.status, back.location().as_str()), (302, "http://localhost:9/out"));
    assert_eq!(get(&cloud, &format!("{logout}https://evil.example/")).await.status, 200);
}
