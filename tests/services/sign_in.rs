//! The sign-in flows against the drive server, over HTTP. The transport of the tests is the browser.

use drivedal::{
    auth::{
        ClientCertificate, SignInProvider, TokenSource, Tokens,
        flows::{AuthorizationCodeFlow, ClientCredentialsFlow, DeviceCodeFlow, PendingSignIn},
    },
    drive::{Body, Context, Error, ErrorKind, Secret},
    services::onedrive::{Address, Client, DriveRef},
    transport::{self, ApiRequest, ApiResponse, Transport},
};
use drivedal_server::{Fault, Server};
use http::{Method, StatusCode, header};
use opendal::{Buffer, HttpTransporter, OperationContext, raw::Operation};
use rcgen::{CertificateParams, PKCS_RSA_SHA256};

/// The id of the application.
const APPLICATION: &str = "11111111-2222-3333-4444-555555555555";

struct Setup {
    server: Server,
    cx: Context,
}

impl Setup {
    async fn new() -> Self {
        let server = Server::builder().ephemeral().start().await.expect("a server");
        // A separate transport, because connections belong to the runtime of their test.
        let transport = HttpTransporter::new(Transport::default());
        let cx = Context::from(&OperationContext::new().with_http_transport(transport));
        Self { server, cx }
    }

    fn base(&self) -> &str {
        self.server.url().as_str()
    }

    fn microsoft(&self, tenant: &str) -> SignInProvider {
        SignInProvider::microsoft_at(self.base(), tenant).expect("a provider")
    }

    /// Opens a page, and follows its redirects.
    async fn open(&self, url: &str) -> ApiResponse {
        let request = ApiRequest::new(Operation::Info, Method::GET, url, "page");
        transport::Client::new(&self.cx).send(request).await.expect("a page")
    }

    /// Sends the form of a page, without following a redirect.
    async fn submit(&self, url: &str, form: &str) -> ApiResponse {
        let request = ApiRequest::new(Operation::Info, Method::POST, url, "form")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::Memory(Buffer::from(form.to_owned())));
        transport::Client::new(&self.cx).send(request).await.expect("a page")
    }

    /// Sends the form of a page, and returns the URL that it redirects to.
    async fn redirect_of(&self, url: &str, form: &str) -> String {
        let response = self.submit(url, form).await;
        assert_eq!(response.status, StatusCode::FOUND);
        response.header(header::LOCATION).expect("a target").to_owned()
    }

    /// Signs in with the form of the page, while the flow waits for the redirect.
    async fn finish(&self, pending: &PendingSignIn, form: &str) -> (Result<Tokens, Error>, String) {
        let browser = async {
            let target = self.redirect_of(pending.url(), form).await;
            let page = self.open(&target).await;
            String::from_utf8(page.body.to_vec()).expect("text")
        };
        tokio::join!(pending.finish(&self.cx), browser)
    }

    /// Returns a client of Graph on this server.
    fn graph(&self, tokens: TokenSource) -> Client {
        Client::new(&format!("{}v1.0", self.base()), tokens).expect("a client")
    }

    fn count(&self, operation: &str) -> u64 {
        self.server.control().counters().count(operation)
    }
}

/// Checks that the tokens open the drive, and that they can be refreshed.
async fn use_tokens(setup: &Setup, provider: &SignInProvider, tokens: Tokens) {
    let client = provider.token_client(APPLICATION).expect("a client");
    let source = TokenSource::refreshing(client, tokens.refresh, Some(tokens.access));
    let graph = setup.graph(source.clone());
    graph.item(&setup.cx, &Address::root(DriveRef::Mine), None).await.expect("the root");
    let before = source.token(&setup.cx).await.expect("a token");
    let after = source.refresh_now(&setup.cx).await.expect("a new token");
    assert_ne!(before, after);
    assert!(source.expires_at().is_some());
    graph.item(&setup.cx, &Address::root(DriveRef::Mine), None).await.expect("the root");
}

#[tokio::test]
async fn a_browser_signs_in_through_the_loopback_redirect() {
    let setup = Setup::new().await;
    let provider = setup.microsoft("common");
    let flow = AuthorizationCodeFlow::new(provider.clone(), APPLICATION);
    let pending = flow.start().await.expect("a page");
    assert!(pending.is_listening());
    let (tokens, page) = tokio::join!(pending.finish(&setup.cx), setup.open(pending.url()));
    assert_eq!(page.status, StatusCode::OK);
    let page = String::from_utf8(page.body.to_vec()).expect("text");
    assert!(page.contains("You may close this window"), "{page}");
    use_tokens(&setup, &provider, tokens.expect("tokens")).await;
}

#[tokio::test]
async fn one_sign_in_has_tokens_for_two_audiences() {
    let setup = Setup::new().await;
    let provider = setup.microsoft("common");
    let pending = AuthorizationCodeFlow::new(provider.clone(), APPLICATION).start().await;
    let pending = pending.expect("a page");
    let (tokens, _) = tokio::join!(pending.finish(&setup.cx), setup.open(pending.url()));
    let client = provider.token_client(APPLICATION).expect("a client");
    let graph = TokenSource::refreshing(client, tokens.expect("tokens").refresh, None);
    let sites = graph.for_audience("https://contoso.sharepoint.com/.default");
    let root = Address::root(DriveRef::Mine);
    setup.graph(graph.clone()).item(&setup.cx, &root, None).await.expect("the root");
    let sites = sites.token(&setup.cx).await.expect("a token");
    assert_ne!(graph.token(&setup.cx).await.expect("a token"), sites);
    let refused = setup.graph(TokenSource::fixed(sites)).item(&setup.cx, &root, None).await;
    let refused = refused.expect_err("a token of another audience");
    assert_eq!(refused.code(), Some("InvalidAuthenticationToken"), "{refused}");
    // The refresh token that the second audience received renews the tokens of the first.
    graph.refresh_now(&setup.cx).await.expect("a token");
    setup.graph(graph).item(&setup.cx, &root, None).await.expect("the root");
}

#[tokio::test]
async fn the_consent_page_allows_and_denies() {
    let setup = Setup::new().await;
    let flow = AuthorizationCodeFlow::new(setup.microsoft("common"), APPLICATION).select_account();
    let pending = flow.start().await.expect("a page");
    let page = setup.open(pending.url()).await;
    assert!(String::from_utf8_lossy(&page.body.to_vec()).contains(APPLICATION));
    let (tokens, _) = setup.finish(&pending, "decision=allow&account=anna").await;
    tokens.expect("tokens");

    let pending = flow.start().await.expect("a page");
    let (denied, page) = setup.finish(&pending, "decision=deny").await;
    let error = denied.expect_err("denied");
    assert_eq!((error.kind(), error.code()), (ErrorKind::PermissionDenied, Some("access_denied")));
    assert!(error.to_string().contains("AADSTS65004"), "{error}");
    assert!(page.contains("AADSTS65004") && !page.contains("close this window"), "{page}");
}

#[tokio::test]
async fn a_code_is_bound_to_its_sign_in() {
    let setup = Setup::new().await;
    let flow = AuthorizationCodeFlow::new(setup.microsoft("common"), APPLICATION)
        .redirect_uri("http://localhost/")
        .without_listener();
    let (one, other) = (flow.start().await.expect("a page"), flow.start().await.expect("a page"));
    assert!(!one.is_listening());
    let redirected = setup.redirect_of(one.url(), "").await;
    let stolen = other.finish_with_redirect_url(&setup.cx, &redirected).await;
    assert_eq!(stolen.expect_err("another state").kind(), ErrorKind::InvalidInput);
    // Even with the right state, the code verifier differs.
    let state = |pending: &PendingSignIn| {
        let url = url::Url::parse(pending.url()).expect("a URL");
        url.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned()
    };
    let forged = redirected.replace(&state(&one), &state(&other));
    let error = other.finish_with_redirect_url(&setup.cx, &forged).await.expect_err("PKCE");
    assert_eq!(error.code(), Some("invalid_grant"));
    assert!(error.to_string().contains("start the sign-in again"), "{error}");
    let tokens = one.finish_with_redirect_url(&setup.cx, &redirected).await.expect("tokens");
    assert!(tokens.refresh.is_some());
    let used = one.finish_with_redirect_url(&setup.cx, &redirected).await.expect_err("used");
    assert!(used.to_string().contains("AADSTS54005"), "{used}");
    assert_eq!(
        one.finish(&setup.cx).await.expect_err("no listener").kind(),
        ErrorKind::InvalidInput
    );
}

#[tokio::test]
async fn a_pasted_url_signs_in_to_the_older_clouds() {
    let setup = Setup::new().await;
    let live = SignInProvider::live_at(setup.base()).expect("a provider");
    let amazon = SignInProvider::amazon_at(setup.base(), setup.base()).expect("a provider");
    for provider in [live, amazon] {
        let flow = AuthorizationCodeFlow::new(provider.clone(), "0000000044124E11");
        let pending = flow.start().await.expect("a page");
        assert!(!pending.is_listening());
        let redirected = setup.redirect_of(pending.url(), "").await;
        let tokens = pending.finish_with_redirect_url(&setup.cx, &redirected).await;
        let tokens = tokens.expect("tokens");
        let client = provider.token_client("0000000044124E11").expect("a client");
        let client = client.parameter("redirect_uri", pending.redirect_uri());
        client.refresh(&setup.cx, &tokens.refresh.expect("a token")).await.expect("refreshed");
    }
}

#[tokio::test]
async fn a_device_code_signs_in_from_another_browser() {
    let setup = Setup::new().await;
    let provider = setup.microsoft("common");
    let flow = DeviceCodeFlow::new(provider.clone(), APPLICATION);
    let (allowed, denied) = tokio::join!(flow.start(&setup.cx), flow.start(&setup.cx));
    let (allowed, denied) = (allowed.expect("codes"), denied.expect("codes"));
    assert!(allowed.message().is_some_and(|text| text.contains(allowed.user_code())));
    for (pending, decision) in [(&allowed, "allow"), (&denied, "deny")] {
        let form = format!("user_code={}&decision={decision}", pending.user_code());
        let page = setup.submit(pending.verification_uri(), &form).await;
        assert_eq!(page.status, StatusCode::OK);
    }
    // Each takes the interval of the server, 5 s.
    let (tokens, error) = tokio::join!(allowed.finish(&setup.cx), denied.finish(&setup.cx));
    use_tokens(&setup, &provider, tokens.expect("tokens")).await;
    let error = error.expect_err("denied");
    assert_eq!(error.code(), Some("authorization_declined"));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn an_application_signs_in_with_its_secret_and_with_its_certificate() {
    let setup = Setup::new().await;
    let key = rcgen::KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
    let certificate = CertificateParams::new(vec!["app.example".to_owned()]).expect("parameters");
    let certificate = certificate.self_signed(&key).expect("a certificate").pem();
    let pem = format!("{}{certificate}", key.serialize_pem());
    let certificate = ClientCertificate::from_pem(pem.as_bytes()).expect("a certificate");

    let provider =
        setup.microsoft("contoso.com").with_scopes(["https://graph.microsoft.com/.default"]);
    let flow = ClientCredentialsFlow::new(provider, APPLICATION);
    let error = flow.token_source().expect_err("no credentials");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    for flow in [flow.clone().client_secret("drivedal-dev"), flow.client_certificate(certificate)] {
        let tokens = flow.finish(&setup.cx).await.expect("tokens");
        assert!(tokens.refresh.is_none());
        let source = flow.token_source().expect("a source");
        let first = source.token(&setup.cx).await.expect("a token");
        assert_ne!(source.renew(&setup.cx, &first).await.expect("another token"), first);
    }
    let common = setup.microsoft("common").with_scopes(["https://graph.microsoft.com/.default"]);
    let flow = ClientCredentialsFlow::new(common, APPLICATION).client_secret("drivedal-dev");
    let error = flow.finish(&setup.cx).await.expect_err("no tenant");
    assert!(error.to_string().contains("check the tenant"), "{error}");
}

#[tokio::test]
async fn tokens_without_the_scope_have_no_refresh_token() {
    let setup = Setup::new().await;
    let provider = setup.microsoft("common").with_scopes(["Files.Read"]);
    let flow = AuthorizationCodeFlow::new(provider, APPLICATION);
    let pending = flow.start().await.expect("a page");
    let (tokens, _) = tokio::join!(pending.finish(&setup.cx), setup.open(pending.url()));
    assert!(tokens.expect("none was requested").refresh.is_none());
}

#[tokio::test]
async fn an_endpoint_that_fails_is_named_and_a_retry_may_help() {
    let setup = Setup::new().await;
    let rule = Fault::on("entra.device.code").times(1).status(503);
    setup.server.control().add_faults([rule]).expect("a rule");
    let flow = DeviceCodeFlow::new(setup.microsoft("common"), APPLICATION);
    let error = flow.start(&setup.cx).await.expect_err("503");
    assert!(error.is_temporary() && error.to_string().contains("devicecode"), "{error}");
    flow.start(&setup.cx).await.expect("codes");
    assert_eq!(setup.count("entra.device.code"), 2);
}

#[tokio::test]
async fn no_token_is_sent_without_tls_to_another_machine() {
    let setup = Setup::new().await;
    let provider = SignInProvider::microsoft_at("http://drive.test", "common").expect("a provider");
    let flow = AuthorizationCodeFlow::new(provider.clone(), APPLICATION);
    let error = flow.start().await.expect_err("no TLS");
    assert!(error.to_string().contains("allow_http"), "{error}");
    let error = DeviceCodeFlow::new(provider.clone(), APPLICATION).start(&setup.cx).await;
    let error = error.expect_err("no TLS");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let client = provider.token_client(APPLICATION).expect("a client");
    let error = client.refresh(&setup.cx, &Secret::from("r")).await.expect_err("no TLS");
    assert!(error.to_string().contains("drive.test"), "{error}");
}
