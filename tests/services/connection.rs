//! Options of connections: certificates, proxy and timeouts, also for requests of tokens.

use std::{fs, time::Duration};

use drivedal::{
    adapter::DriveHandle,
    auth::TokenFile,
    remote::{Remote, RemoteSource},
    transport::Transport,
};
use drivedal_server::{Fault, Server};
use http::{Request, Response};
use opendal::{
    Buffer, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext, Operator,
};

/// Returns the context of an operator with a transport of its own, because connections belong to the
/// runtime of their test.
fn context() -> OperationContext {
    OperationContext::new().with_http_transport(HttpTransporter::new(Transport::default()))
}

fn open(source: RemoteSource) -> (Operator, Option<DriveHandle>) {
    let Remote { operator, handle, .. } = source.open().expect("a remote");
    (operator.with_context(context()), handle)
}

/// A drive in the hosts of the clouds, behind the proxy of a server that stands in for them.
struct StandIn {
    server: Server,
    folder: tempfile::TempDir,
}

impl StandIn {
    async fn new() -> Self {
        let server = Server::builder().ephemeral().stand_in().start().await.expect("a server");
        let folder = tempfile::tempdir().expect("a folder");
        let authority = server.authority().expect("an authority");
        fs::write(folder.path().join("ca.pem"), authority).expect("written");
        Self { server, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("text").to_owned()
    }

    fn source(&self, scheme: &str) -> RemoteSource {
        RemoteSource::from_scheme(scheme)
            .option("proxy", self.server.url().as_str())
            .option("ca_cert", self.path("ca.pem"))
            .option("client_id", "app")
            .option("refresh_token", "drivedal-dev-refresh")
            .option("token_file", self.path("tokens.json"))
    }
}

#[tokio::test]
async fn a_drive_and_its_sign_in_use_the_certificate_and_the_proxy() {
    for scheme in ["onedrive", "skydrive", "amazon-drive"] {
        let stand_in = StandIn::new().await;
        let (operator, _) = open(stand_in.source(scheme));
        operator.write("a.txt", "hello").await.expect(scheme);
        assert_eq!(operator.read("a.txt").await.expect(scheme).to_vec(), b"hello");
        let tokens = TokenFile::new(stand_in.path("tokens.json")).read().expect("a file");
        assert!(tokens.expect("tokens").access_token.is_some(), "{scheme}");
    }
}

#[tokio::test]
async fn without_the_certificate_no_token_is_sent() {
    let stand_in = StandIn::new().await;
    fs::write(stand_in.path("other.pem"), other_authority()).expect("written");
    let source = stand_in.source("onedrive").option("ca_cert", stand_in.path("other.pem"));
    let (operator, _) = open(source);
    operator.stat("a.txt").await.expect_err("an unknown authority");
    let log = stand_in.server.control().requests();
    assert!(log.iter().all(|request| request.operation != "entra.token"), "{log:?}");
}

/// Returns the certificate of an authority that signs nothing.
fn other_authority() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).expect("a certificate").pem()
}

#[tokio::test]
async fn the_response_timeout_is_that_of_the_drive() {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    let source = |timeout: &str| {
        RemoteSource::from_scheme("onedrive")
            .option("endpoint", format!("{}v1.0", server.url()))
            .option("access_token", "drivedal-dev")
            .option("response_timeout", timeout)
    };
    let rule = Fault::on("graph.item.get").latency(Duration::from_secs(20));
    server.control().add_faults([rule]).expect("a rule");
    let (operator, _) = open(source("50ms"));
    let error = operator.stat("a.txt").await.expect_err("too slow");
    assert!(error.is_temporary() && error.to_string().contains("no progress"), "{error}");
    server.control().clear_faults();
    let (operator, _) = open(source("20s"));
    assert_eq!(operator.stat("a.txt").await.expect_err("no file").kind(), ErrorKind::NotFound);
}

/// A transport that knows no extension of this crate.
struct ForeignTransport;

impl HttpTransport for ForeignTransport {
    async fn fetch(&self, _: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        Err(opendal::Error::new(ErrorKind::Unexpected, "cannot send the request"))
    }
}

#[tokio::test]
async fn another_transport_is_an_error_instead_of_a_connection_without_the_options() {
    let source = RemoteSource::from_scheme("onedrive")
        .option("endpoint", "http://127.0.0.1:1/v1.0")
        .option("access_token", "drivedal-dev")
        .option("proxy", "none");
    let transport = HttpTransporter::new(ForeignTransport);
    let operator = source.open().expect("a remote").operator;
    let operator = operator.with_context(OperationContext::new().with_http_transport(transport));
    let error = operator.stat("a.txt").await.expect_err("unsupported");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("http_transport()"), "{error}");
}

#[tokio::test]
async fn tokens_need_tls_unless_the_host_is_allowed() {
    // Nothing listens there: a request would be an error of the connection.
    let endpoints = [
        ("onedrive", "http://drive.invalid/v1.0", "oauth_endpoint"),
        ("skydrive", "http://drive.invalid/v5.0/", "oauth_endpoint"),
        ("amazon-drive", "http://drive.invalid/drive/v1/", "oauth_endpoint"),
    ];
    for (scheme, endpoint, oauth) in endpoints {
        let plain = RemoteSource::from_scheme(scheme)
            .option("endpoint", endpoint)
            .option("proxy", "none")
            .option("access_token", "SECRET");
        let error = open(plain.clone()).0.stat("a.txt").await.expect_err("no TLS");
        assert!(error.to_string().contains("option allow_http"), "{scheme}: {error}");
        let allowed = plain.option("allow_http", "other.invalid, drive.invalid");
        let error = open(allowed).0.stat("a.txt").await.expect_err("no such host");
        assert!(error.to_string().contains("cannot connect to"), "{scheme}: {error}");

        let refreshed = RemoteSource::from_scheme(scheme)
            .option("endpoint", endpoint.replace("http:", "https:"))
            .option(oauth, "http://drive.invalid")
            .option("client_id", "app")
            .option("refresh_token", "SECRET");
        let error = open(refreshed).0.stat("a.txt").await.expect_err("no TLS");
        let text = format!("{error} {error:?}");
        assert!(text.contains("option allow_http") && !text.contains("SECRET"), "{text}");
    }
}

#[test]
fn an_invalid_option_is_named() {
    for (key, value, expected) in [
        ("ca_cert", "/no/such/ca.pem", "/no/such/ca.pem"),
        ("proxy", "nowhere", "option proxy"),
        ("allow_http", "http://h/", "option allow_http"),
        ("connect_timeout", "soon", "soon"),
    ] {
        for scheme in ["onedrive", "skydrive", "amazon-drive"] {
            let source = RemoteSource::from_scheme(scheme).option("access_token", "a");
            let error = source.option(key, value).open().expect_err(key);
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.to_string().contains(expected), "{scheme} {key}: {error}");
        }
    }
}

#[test]
fn a_refresh_token_has_one_source() {
    for scheme in ["onedrive", "skydrive", "amazon-drive"] {
        let source = RemoteSource::from_scheme(scheme)
            .option("client_id", "app")
            .option("refresh_token", "SECRET")
            .option("refresh_token_env", "DRIVEDAL_TEST_REFRESH_TOKEN");
        let error = source.open().expect_err("two sources");
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        let text = format!("{error} {error:?}");
        assert!(text.contains("both refresh_token and refresh_token_env"), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
    }
}
