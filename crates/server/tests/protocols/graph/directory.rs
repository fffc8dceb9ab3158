//! A server with a directory: only its tenants, users and applications sign in.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drivedal_server::{AssertionReuse, Directory, RefreshReuse, SignInOptions};
use rcgen::{CertificateParams, PKCS_RSA_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::graph::harness::{GraphServer, TestResponse};

const CONTOSO: &str = "5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c";
const FABRIKAM: &str = "6d6e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c";

/// Returns the directory of the tests.
fn directory() -> Value {
    json!({
        "tenants": [
            {"id": CONTOSO, "domains": ["contoso.example"]},
            {"id": FABRIKAM, "domains": ["fabrikam.example"]},
        ],
        "users": [
            {"name": "anna", "kind": "business", "tenant": "contoso.example", "password": "pw",
             "id": "11111111-2222-3333-4444-555555555555", "display_name": "Anna A."},
            {"name": "finn", "kind": "business", "tenant": FABRIKAM},
            {"name": "bea", "kind": "personal", "quota": 1000},
        ],
        "applications": [
            {"id": "web", "name": "Web", "secrets": ["s1", "s2"],
             "redirect_uris": ["http://localhost:9/", "https://app.example/cb"],
             "scopes": ["Files.Read", "User.Read", "offline_access"],
             "roles": ["Files.Read.All"]},
            {"id": "desktop", "redirect_uris": ["http://localhost"], "public_client": true},
            {"id": "api", "secrets": ["s3"], "api_scopes": ["read"]},
            {"id": "nothing", "secrets": ["s4"], "roles": []},
        ],
    })
}

async fn server(options: SignInOptions) -> GraphServer {
    let directory = Directory::from_json(directory().to_string().as_bytes()).expect("valid");
    GraphServer::with(|builder| builder.directory(directory).sign_in(options)).await
}

impl GraphServer {
    async fn token(&self, tenant: &str, form: &str) -> TestResponse {
        let url = self.url(&format!("/{tenant}/oauth2/v2.0/token"));
        self.send("POST", &url).form(form).await
    }

    /// Sends the form of the consent page, and returns the response.
    async fn consent(&self, client: &str, options: &str, form: &str) -> TestResponse {
        let path = format!(
            "/common/oauth2/v2.0/authorize?client_id={client}&response_type=code\
             &redirect_uri=http://localhost:9/{options}"
        );
        self.send("POST", &self.url(&path)).form(form).await
    }

    /// Signs a user in, and returns the code.
    async fn code(&self, client: &str, scope: &str, account: &str) -> String {
        let options = format!("&scope={}", scope.replace(' ', "%20"));
        let form = format!("decision=allow&account={account}&password=pw");
        let response = self.consent(client, &options, &form).await;
        assert_eq!(response.status, 302, "{response:?}");
        parameter(&response, "code")
    }

    /// Signs a user in, and returns the tokens.
    async fn sign_in(&self, client: &str, scope: &str, account: &str) -> Value {
        let code = self.code(client, scope, account).await;
        self.token("common", &exchange(client, &code)).await.json_with_status(200)
    }

    async fn status(&self, tokens: &Value, path: &str) -> u16 {
        let token = tokens["access_token"].as_str().unwrap();
        self.send("GET", &self.url(path)).token(token).await.status
    }
}

fn exchange(client: &str, code: &str) -> String {
    let secret = if client == "web" { "&client_secret=s2" } else { "" };
    format!(
        "grant_type=authorization_code&client_id={client}{secret}&code={code}\
         &redirect_uri=http://localhost:9/"
    )
}

fn parameter(response: &TestResponse, name: &str) -> String {
    let url = reqwest::Url::parse(&response.location()).unwrap();
    let pair = url.query_pairs().find(|(key, _)| key == name);
    pair.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn refused(response: &TestResponse, error: &str, number: u32) {
    let body = response.json();
    assert_eq!((&body["error"], &body["error_codes"]), (&error.into(), &json!([number])), "{body}");
}

#[tokio::test]
async fn only_registered_applications_with_their_credentials_sign_in() {
    let cloud = server(SignInOptions::default()).await;
    let app = "grant_type=client_credentials&scope=https://graph.microsoft.com/.default";
    for (client, error, number) in [
        ("client_id=other&client_secret=x", "unauthorized_client", 700_016),
        ("client_id=web&client_secret=wrong", "invalid_client", 7_000_215),
        ("client_id=web", "invalid_client", 7_000_218),
        ("client_id=desktop&client_secret=x", "invalid_client", 700_025),
    ] {
        let response = cloud.token(CONTOSO, &format!("{app}&{client}")).await;
        refused(&response, error, number);
    }
    let unknown = cloud.token("nowhere.example", &format!("{app}&client_id=web")).await;
    refused(&unknown, "invalid_request", 90_002);
    let form = format!("{app}&client_id=web&client_secret=s1");
    let tokens = cloud.token("contoso.example", &form).await.json();
    assert_eq!(cloud.status(&tokens, "/v1.0/users/anna@contoso.example").await, 403);
    let url = "/common/oauth2/v2.0/authorize?response_type=code&client_id=";
    for rest in ["other&redirect_uri=http://localhost:9/", "web&redirect_uri=http://localhost:8/x"]
    {
        let page = cloud.send("GET", &cloud.url(&format!("{url}{rest}"))).await;
        assert!(page.status == 400 && page.text().contains("AADSTS"), "{page:?}");
    }
    let code = cloud.code("web", "Files.Read", "anna@contoso.example").await;
    let form = exchange("web", &code).replace("s2", "no");
    refused(&cloud.token("common", &form).await, "invalid_client", 7_000_215);
    let device = cloud.url("/common/oauth2/v2.0/devicecode");
    let form = "client_id=web&scope=Files.Read";
    refused(&cloud.send("POST", &device).form(form).await, "invalid_client", 7_000_218);
}

#[tokio::test]
async fn scopes_must_exist_and_be_allowed() {
    let cloud = server(SignInOptions::default()).await;
    for (scope, error, number) in [
        ("Files.Nonsense", "invalid_client", "AADSTS650053"),
        ("Files.ReadWrite", "invalid_grant", "AADSTS65001"),
        ("api://unknown/read", "invalid_resource", "AADSTS500011"),
        ("api://api/write", "invalid_client", "AADSTS650053"),
    ] {
        let response = cloud.consent("web", &format!("&scope={scope}"), "").await;
        assert_eq!(parameter(&response, "error"), error, "{scope}");
        let description = parameter(&response, "error_description");
        assert!(description.starts_with(number), "{description}");
    }
    let all = "https://graph.microsoft.com/.default";
    let tokens = cloud.sign_in("web", all, "anna@contoso.example").await;
    assert_eq!(cloud.status(&tokens, "/v1.0/me/drive").await, 200);
    let token = tokens["access_token"].as_str().unwrap();
    let write = cloud.send("DELETE", &cloud.url("/v1.0/me/drive/root:/a")).token(token);
    write.refused(403, "accessDenied").await;
}

#[tokio::test]
async fn a_user_signs_in_with_a_password_to_the_own_tenant() {
    let cloud = server(SignInOptions::default()).await;
    let page = cloud.consent("web", "&scope=Files.Read", "account=anna@contoso.example").await;
    assert_eq!(page.status, 403);
    let text = page.text();
    assert!(text.contains("AADSTS50126") && text.contains("type=password"), "{text}");
    for shown in ["<b>Web</b>", "<li>Files.Read</li>", "value=\"bea@drivedal.example\"", "Anna A."]
    {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    let stranger = cloud.consent("web", "&scope=Files.Read", "account=carl@contoso.example").await;
    assert!(stranger.text().contains("AADSTS50034"), "{stranger:?}");
    let path = format!(
        "/{CONTOSO}/oauth2/v2.0/authorize?client_id=web&response_type=code\
         &redirect_uri=http://localhost:9/&scope=Files.Read"
    );
    let url = cloud.url(&path);
    let foreign = cloud.send("POST", &url).form("account=finn@fabrikam.example").await;
    assert!(foreign.text().contains("AADSTS50020"), "{foreign:?}");
    assert!(!cloud.send("GET", &url).await.text().contains("fabrikam"));

    let tokens = cloud.sign_in("web", "openid profile User.Read", "anna@contoso.example").await;
    let payload = tokens["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!((&claims["tid"], &claims["name"]), (&CONTOSO.into(), &"Anna A.".into()));
    assert_eq!(claims["oid"], "11111111-2222-3333-4444-555555555555");
    let token = tokens["access_token"].as_str().unwrap();
    let me = cloud.send("GET", &cloud.url("/v1.0/me")).token(token).ok().await.json();
    assert_eq!((&me["id"], &me["displayName"]), (&claims["oid"], &claims["name"]));
    assert_eq!(me["userPrincipalName"], "anna@contoso.example");
    let bea = cloud.sign_in("desktop", "Files.Read", "bea@drivedal.example").await;
    let token = bea["access_token"].as_str().unwrap();
    let drive = cloud.send("GET", &cloud.url("/v1.0/me/drive")).token(token).ok().await.json();
    assert_eq!((&drive["driveType"], &drive["quota"]["total"]), (&"personal".into(), &1000.into()));
    let silent = cloud.consent("web", "&scope=Files.Read&prompt=none", "").await;
    assert_eq!(parameter(&silent, "error"), "login_required");
}

#[tokio::test]
async fn an_application_opens_the_drives_of_its_tenant() {
    let cloud = server(SignInOptions::default()).await;
    let form = |client: &str| {
        format!("grant_type=client_credentials&scope=https://graph.microsoft.com/.default&{client}")
    };
    let web = cloud.token(CONTOSO, &form("client_id=web&client_secret=s1")).await.json();
    let drive = |user: &str| format!("/v1.0/users/{user}/drive");
    assert_eq!(cloud.status(&web, &drive("anna@contoso.example")).await, 200);
    assert_eq!(cloud.status(&web, &drive("finn@fabrikam.example")).await, 403);
    assert_eq!(cloud.status(&web, &drive("carl@contoso.example")).await, 404);
    let token = web["access_token"].as_str().unwrap();
    let path = format!("{}/root:/a.txt:/content", drive("anna@contoso.example"));
    let write = cloud.send("PUT", &cloud.url(&path)).token(token).body("x");
    write.refused(403, "accessDenied").await;
    let nothing = cloud.token(CONTOSO, &form("client_id=nothing&client_secret=s4")).await.json();
    let token = nothing["access_token"].as_str().unwrap();
    let refused = cloud.send("GET", &cloud.url(&drive("anna@contoso.example"))).token(token);
    let refused = refused.refused(401, "InvalidAuthenticationToken").await;
    let text = "Either scp or roles claim need to be present in the token.";
    assert_eq!(refused["error"]["message"], text);
}

#[tokio::test]
async fn an_api_acts_on_behalf_of_its_user() {
    let cloud = server(SignInOptions::default()).await;
    let tokens = cloud.sign_in("web", "api://api/read", "anna@contoso.example").await;
    assert_eq!(cloud.status(&tokens, "/v1.0/me").await, 401, "it is for the API");
    let token = tokens["access_token"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["aud"], &claims["scp"]), (&"api".into(), &"read".into()));
    let exchange = |assertion: &str, client: &str| {
        format!(
            "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&requested_token_use=on_behalf_of\
             &scope=Files.Read%20offline_access&assertion={assertion}&{client}"
        )
    };
    let api = "client_id=api&client_secret=s3";
    let obo = cloud.token("common", &exchange(token, api)).await.json_with_status(200);
    assert_eq!(cloud.status(&obo, "/v1.0/me/drive").await, 200);
    assert!(obo["refresh_token"].is_string());
    let wrong = cloud.token("common", &exchange(token, "client_id=web&client_secret=s1")).await;
    refused(&wrong, "invalid_grant", 500_131);
    let none = cloud.token("common", &exchange(token, "client_id=api")).await;
    refused(&none, "invalid_client", 7_000_218);
    let other = cloud.sign_in("web", "Files.Read", "anna@contoso.example").await;
    let other =
        cloud.token("common", &exchange(other["access_token"].as_str().unwrap(), api)).await;
    refused(&other, "invalid_grant", 50_013);
}

/// A key with its certificate, which signs client assertions.
struct TestKey {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl TestKey {
    fn new() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let der = PrivatePkcs8KeyDer::from(der.as_ref());
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).unwrap();
        let parameters = CertificateParams::new(vec!["app.example".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&pair).unwrap();
        Self { key, certificate }
    }

    /// Returns a signed assertion of the client `cert`.
    fn assertion(&self, algorithm: &str, audience: &str, id: &str) -> String {
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(self.certificate.der()));
        let header = json!({"alg": algorithm, "typ": "JWT", "x5t#S256": thumbprint});
        let claims = json!({
            "iss": "cert", "sub": "cert", "aud": audience, "jti": id, "exp": 4_000_000_000_i64,
        });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let padding: &dyn RsaEncoding =
            if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(padding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn an_assertion_is_verified_with_the_registered_certificate() {
    let (key, other) = (TestKey::new(), TestKey::new());
    let directory = json!({
        "tenants": [{"id": CONTOSO}],
        "applications": [{"id": "cert", "certificates": [key.certificate.pem()]}],
    });
    let directory = Directory::from_json(directory.to_string().as_bytes()).expect("valid");
    let cloud = GraphServer::with(|builder| builder.directory(directory)).await;
    let audience = cloud.url(&format!("/{CONTOSO}/oauth2/v2.0/token"));
    let send = async |assertion: &str| {
        let form = format!(
            "client_id=cert&grant_type=client_credentials\
             &scope=https://graph.microsoft.com/.default&client_assertion={assertion}\
             &client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        cloud.token(CONTOSO, &form).await
    };
    for algorithm in ["RS256", "PS256"] {
        let assertion = key.assertion(algorithm, &audience, "1");
        send(&assertion).await.json_with_status(200);
        // MSAL sends an assertion until it expires.
        send(&assertion).await.json_with_status(200);
        refused(
            &send(&other.assertion(algorithm, &audience, "1")).await,
            "invalid_client",
            700_027,
        );
        let (signed, _) = assertion.rsplit_once('.').unwrap();
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 256]));
        refused(&send(&forged).await, "invalid_client", 700_027);
    }
    let elsewhere = key.assertion("RS256", "https://login.microsoftonline.com/x", "1");
    refused(&send(&elsewhere).await, "invalid_client", 50_027);
    refused(&send(&key.assertion("none", &audience, "1")).await, "invalid_client", 50_027);

    let strict = SignInOptions::default().with_assertion_reuse(AssertionReuse::Refuse);
    cloud.server.control().set_sign_in_options(strict);
    let assertion = key.assertion("RS256", &audience, "once");
    send(&assertion).await.json_with_status(200);
    refused(&send(&assertion).await, "invalid_client", 50_027);
    send(&key.assertion("RS256", &audience, "twice")).await.json_with_status(200);
}

#[tokio::test]
async fn a_code_that_is_used_twice_revokes_its_tokens() {
    let cloud = server(SignInOptions::default()).await;
    let code = cloud.code("desktop", "Files.Read offline_access", "bea@drivedal.example").await;
    let form = exchange("desktop", &code);
    let tokens = cloud.token("common", &form).await.json_with_status(200);
    assert_eq!(cloud.status(&tokens, "/v1.0/me/drive").await, 200);
    refused(&cloud.token("common", &form).await, "invalid_grant", 54_005);
    assert_eq!(cloud.status(&tokens, "/v1.0/me/drive").await, 401);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let refresh = format!("grant_type=refresh_token&client_id=desktop&refresh_token={refresh}");
    refused(&cloud.token("common", &refresh).await, "invalid_grant", 70_000);
}

#[tokio::test]
async fn a_replaced_refresh_token_revokes_its_sign_in_if_configured() {
    let refresh = |tokens: &Value| {
        let token = tokens["refresh_token"].as_str().unwrap();
        format!("grant_type=refresh_token&client_id=desktop&refresh_token={token}")
    };
    let strict = SignInOptions::default().with_refresh_reuse(RefreshReuse::Revoke);
    for (options, is_strict) in [(SignInOptions::default(), false), (strict, true)] {
        let cloud = server(options).await;
        let scope = "Files.Read offline_access";
        let first = cloud.sign_in("desktop", scope, "bea@drivedal.example").await;
        let second = cloud.token("common", &refresh(&first)).await.json_with_status(200);
        let again = cloud.token("common", &refresh(&first)).await;
        if !is_strict {
            again.json_with_status(200);
            cloud.token("common", &refresh(&second)).await.json_with_status(200);
            continue;
        }
        refused(&again, "invalid_grant", 70_000);
        refused(&cloud.token("common", &refresh(&second)).await, "invalid_grant", 70_000);
        assert_eq!(cloud.status(&second, "/v1.0/me/drive").await, 401);
        let other = cloud.sign_in("desktop", scope, "bea@drivedal.example").await;
        assert_eq!(cloud.status(&other, "/v1.0/me/drive").await, 200, "another sign-in");
    }
}

#[tokio::test]
async fn the_directory_changes_while_the_server_runs() {
    let cloud = server(SignInOptions::default()).await;
    let tokens = cloud.sign_in("desktop", "Files.Read", "bea@drivedal.example").await;
    let control = |method: &str, path: &str| cloud.send(method, &cloud.url(path));
    let shown = control("GET", "/_control/directory").ok().await;
    assert!(!shown.text().contains("s3") && !shown.text().contains("\"pw\""), "{shown:?}");
    assert_eq!(shown.json()["users"].as_array().unwrap().len(), 3);
    let added = json!({"users": [{"name": "carl", "kind": "personal"}]});
    control("POST", "/_control/directory/entries").json(&added).ok().await;
    let carl = cloud.sign_in("desktop", "Files.Read", "carl@drivedal.example").await;
    assert_eq!(cloud.status(&carl, "/v1.0/me/drive").await, 200);
    let bad = json!({"users": [{"name": "dora", "kind": "business", "tenant": "x.example"}]});
    let refused = control("POST", "/_control/directory/entries").json(&bad).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("users[4].tenant: no tenant has"), "{refused:?}");
    let known = json!({"users": [{"name": "eve", "kind": "business", "tenant": CONTOSO}]});
    control("POST", "/_control/directory/entries").json(&known).ok().await;
    let only = json!({"users": [{"name": "anna", "kind": "personal"}]});
    control("PUT", "/_control/directory").json(&only).ok().await;
    assert_eq!(cloud.status(&tokens, "/v1.0/me/drive").await, 401, "neither user nor client");
    control("DELETE", "/_control/directory").ok().await;
    assert_eq!(control("GET", "/_control/directory").ok().await.json(), Value::Null);
    assert_eq!(cloud.status(&tokens, "/v1.0/me/drive").await, 200);
}
