//! A server that stands in for the clouds: TLS in their names, and a proxy.

use drivedal_server::{AccountKind, Fault, Server, When};
use drivedal_test_support::http::{client as plain_client, exchange};
use reqwest::{Certificate, Client, ClientBuilder, Proxy, StatusCode, Version, header};
use serde_json::{Value, json};

const GRAPH: &str = "https://graph.microsoft.com/v1.0";

async fn server() -> Server {
    Server::builder().stand_in().start().await.expect("it starts")
}

/// Returns a client that trusts only the server's certificate authority.
fn trusting(server: &Server) -> ClientBuilder {
    let authority = server.authority().expect("an authority");
    let authority = Certificate::from_pem(authority.as_bytes()).expect("a certificate");
    Client::builder().tls_certs_only([authority]).no_proxy()
}

/// Returns a client with the server as its proxy and certificate authority.
fn deceived(server: &Server) -> Client {
    let proxy = Proxy::https(server.url().as_str()).expect("a proxy");
    let client = trusting(server).proxy(proxy).redirect(reqwest::redirect::Policy::none());
    client.build().expect("a client")
}

async fn json(client: &Client, url: &str) -> Value {
    let answer = client.get(url).bearer_auth("drivedal-dev").send().await.expect("an answer");
    let text = answer.error_for_status().expect(url).text().await.expect("a body");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn cloud_urls_and_urls_in_responses_reach_the_server() {
    let server = server().await;
    let client = deceived(&server);
    let put = client.put(format!("{GRAPH}/me/drive/root:/a.txt:/content")).body("hello");
    let put = put.bearer_auth("drivedal-dev").send().await.expect("an answer");
    assert_eq!((put.status(), put.version()), (StatusCode::CREATED, Version::HTTP_2));

    let item = json(&client, &format!("{GRAPH}/me/drive/root:/a.txt")).await;
    let url = item["@microsoft.graph.downloadUrl"].as_str().expect("a URL");
    // Content is on another host, to which clients do not send their token.
    assert!(url.starts_with("https://my.microsoftpersonalcontent.com/"), "{url}");
    let bytes = client.get(url).send().await.expect("an answer").text().await.expect("bytes");
    assert_eq!(bytes, "hello");
    let page = json(&client, &format!("{GRAPH}/me/drive/root/children?$top=1")).await;
    let context = page["@odata.context"].as_str().expect("a context");
    assert!(context.starts_with(GRAPH), "{context}");
    assert_eq!(server.control().counters().count("ticket.get"), 1);
}

#[tokio::test]
async fn every_cloud_and_its_sign_in_are_served() {
    let server = server().await;
    let client = deceived(&server);
    let file = "https://apis.live.net/v5.0/me/skydrive/files/a.txt?access_token=drivedal-dev";
    let put = client.put(file).body("hello").send().await.expect("an answer");
    assert_eq!(put.status(), StatusCode::CREATED);
    let sky: Value = serde_json::from_str(&put.text().await.expect("a body")).expect("JSON");
    let source = sky["source"].as_str().expect("a source");
    assert!(source.starts_with("https://public.livefilestore.com/"), "{source}");
    let bytes = client.get(source).send().await.expect("an answer").text().await.expect("bytes");
    assert_eq!(bytes, "hello");

    let amazon = json(&client, "https://drive.amazonaws.com/drive/v1/account/endpoint").await;
    let below = |url: &str, path: &str| format!("{}{path}", amazon[url].as_str().expect("a URL"));
    let nodes = json(&client, &below("metadataUrl", "nodes")).await;
    let file = nodes["data"].as_array().expect("nodes").iter().find(|node| node["kind"] == "FILE");
    let id = file.expect("what SkyDrive put")["id"].as_str().expect("an id");
    let content = client.get(below("contentUrl", &format!("nodes/{id}/content")));
    let content = content.bearer_auth("drivedal-dev").send().await.expect("an answer");
    assert_eq!(content.text().await.expect("bytes"), "hello");
    let form = "grant_type=refresh_token&refresh_token=drivedal-dev-refresh&client_id=app";
    for url in [
        "https://login.live.com/oauth20_token.srf",
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        "https://api.amazon.com/auth/o2/token",
    ] {
        let asked = client.post(url).body(form);
        let asked = asked.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = asked.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{url}");
    }
    // The sign-in page of Amazon is on the host of the shop.
    for host in ["amazon.com", "www.amazon.com"] {
        let page = format!(
            "https://{host}/ap/oa?client_id=app&response_type=code&redirect_uri=http://localhost"
        );
        let answer = client.get(&page).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FOUND, "{page}");
    }
}

#[tokio::test]
async fn a_head_response_has_no_body_in_any_protocol() {
    let server = server().await;
    let client = deceived(&server);
    let put = client.put(format!("{GRAPH}/me/drive/root:/a.txt:/content")).body("hello");
    put.bearer_auth("drivedal-dev").send().await.expect("an answer");
    let item = json(&client, &format!("{GRAPH}/me/drive/root:/a.txt")).await;
    let bytes = item["@microsoft.graph.downloadUrl"].as_str().expect("a URL");
    for (url, length) in [(bytes, Some("5")), ("https://login.microsoftonline.com/", None)] {
        let answer = client.head(url).send().await.expect("an answer");
        // Hosts that serve only content support only HTTP/1.1.
        let version = if length.is_some() { Version::HTTP_11 } else { Version::HTTP_2 };
        assert_eq!(answer.version(), version);
        let told = answer.headers().get(header::CONTENT_LENGTH).cloned();
        assert!(told.is_some(), "{url}");
        assert!(length.is_none_or(|length| told.is_some_and(|told| told == length)), "{url}");
        assert_eq!(answer.bytes().await.expect("no bytes").len(), 0);
    }
}

#[tokio::test]
async fn a_business_drive_has_its_tenant_s_host_and_a_copy_is_watched_without_tls() {
    let server = Server::builder().stand_in().kind(AccountKind::Business).start().await;
    let server = server.expect("it starts");
    let client = deceived(&server);
    let put = client.put(format!("{GRAPH}/me/drive/root:/a:/content")).body("hello");
    let put = put.bearer_auth("drivedal-dev").send().await.expect("an answer");
    let item: Value = serde_json::from_str(&put.text().await.expect("a body")).expect("JSON");
    let tenant = "https://drivedal-my.sharepoint.com/";
    for url in ["@microsoft.graph.downloadUrl", "webUrl"] {
        assert!(item[url].as_str().is_some_and(|url| url.starts_with(tenant)), "{item}");
    }
    let session = client.post(format!("{GRAPH}/me/drive/root:/b:/createUploadSession")).body("{}");
    let session = session.header(header::CONTENT_TYPE, "application/json");
    let session = session.bearer_auth("drivedal-dev").send().await.expect("an answer");
    let session: Value = serde_json::from_str(&session.text().await.expect("one")).expect("JSON");
    let upload = session["uploadUrl"].as_str().expect("a URL");
    assert!(upload.starts_with(tenant), "{upload}");
    let sent = client.put(upload).header(header::CONTENT_RANGE, "bytes 0-4/5").body("there");
    assert_eq!(sent.send().await.expect("an answer").status(), StatusCode::CREATED);

    let copy = client.post(format!("{GRAPH}/me/drive/root:/a:/copy"));
    let copy = copy.header(header::CONTENT_TYPE, "application/json");
    let copy = copy.body(json!({"name": "c"}).to_string()).bearer_auth("drivedal-dev");
    let copy = copy.send().await.expect("an answer");
    assert_eq!(copy.status(), StatusCode::ACCEPTED);
    let watched = copy.headers()[header::LOCATION].to_str().expect("text");
    assert!(watched.starts_with(server.url().as_str()), "{watched}");
    // A client that has neither the proxy nor the certificate authority.
    let plain = plain_client();
    assert!(plain.get(watched).send().await.expect("an answer").status().is_success());
}

#[tokio::test]
async fn the_same_port_serves_tls_by_address() {
    let server = server().await;
    let client = trusting(&server).build().expect("a client");
    for host in ["127.0.0.1", "localhost"] {
        let base = format!("https://{host}:{}/v1.0", server.address().expect("a port").port());
        let drive = json(&client, &format!("{base}/me/drive")).await;
        let context = drive["@odata.context"].as_str().expect("a context");
        assert!(context.starts_with(&base), "{context}");
    }
    let unknowing = plain_client();
    let refused = unknowing.get(server.url().as_str().replace("http", "https")).send().await;
    assert!(refused.is_err_and(|error| error.is_connect()));
}

#[tokio::test]
async fn the_proxy_connects_only_to_the_clouds() {
    let server = server().await;
    for target in [
        "example.com:443",
        "graph.microsoft.com:22",
        "notlive.com:443",
        "127.0.0.1:443",
        "graph.microsoft.com.example.com:443",
    ] {
        let asked =
            format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
        let answer = exchange(server.address().expect("a port"), asked.as_bytes())
            .await
            .expect("a response");
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains(target), "{answer}");
    }
    let get = "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n";
    let answer =
        exchange(server.address().expect("a port"), get.as_bytes()).await.expect("a response");
    assert!(answer.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn a_server_impersonates_the_clouds_only_if_configured() {
    let server = Server::builder().start().await.expect("it starts");
    assert_eq!(server.authority(), None);
    let target = "graph.microsoft.com:443";
    let asked = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    let answer =
        exchange(server.address().expect("a port"), asked.as_bytes()).await.expect("a response");
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[tokio::test]
async fn an_authority_outlives_its_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let begin = async || {
        let builder = Server::builder()
            .data(folder.path())
            .durability(drivedal_server::Durability::Relaxed)
            .stand_in();
        builder.start().await.expect("it starts")
    };
    let server = begin().await;
    let authority = server.authority().expect("one").to_owned();
    server.stop().await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = std::fs::metadata(folder.path().join("ca.key")).expect("a key");
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
    let server = begin().await;
    assert_eq!(server.authority(), Some(authority.as_str()));
    // The certificate authority of the first run validates the certificates of the second one.
    let drive = json(&deceived(&server), &format!("{GRAPH}/me/drive")).await;
    assert_eq!(drive["driveType"], "personal");
    server.stop().await;

    std::fs::write(folder.path().join("ca.key"), "nonsense").expect("written");
    let broken = Server::builder()
        .data(folder.path())
        .durability(drivedal_server::Durability::Relaxed)
        .stand_in()
        .start()
        .await;
    assert!(broken.is_err_and(|error| error.to_string().contains("ca.key")));
}

#[tokio::test]
async fn a_fault_resets_the_connection_inside_a_tunnel() {
    let server = server().await;
    let client = deceived(&server);
    let fault = Fault::on("graph.drive.get").times(1).reset(When::Before);
    server.control().add_faults([fault]).expect("a rule");
    let url = format!("{GRAPH}/me/drive");
    let broken = client.get(&url).bearer_auth("drivedal-dev").send().await;
    assert!(broken.is_err(), "{broken:?}");
    assert_eq!(json(&client, &url).await["driveType"], "personal");
    assert_eq!(server.control().counters().count("graph.drive.get"), 2);
}

#[tokio::test]
async fn a_server_stops_while_tunnels_are_open() {
    let server = server().await;
    let client = deceived(&server);
    json(&client, &format!("{GRAPH}/me/drive")).await;
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(5), server.stop()).await;
    assert!(stopped.is_ok(), "an idle tunnel holds nobody up");
}

#[tokio::test]
async fn urls_without_tls_are_returned_on_request() {
    let server = server().await;
    let client = deceived(&server);
    let base = "https://apis.live.net/v5.0";
    let put = format!("{base}/me/skydrive/files/a.txt?access_token=drivedal-dev");
    client.put(put).body("hello").send().await.expect("an answer");
    for (option, scheme) in [
        ("", "https"),
        ("?return_ssl_resources=true", "https"),
        ("?return_ssl_resources=false", "http"),
    ] {
        let list = json(&client, &format!("{base}/me/skydrive/files{option}")).await;
        let object = &list["data"][0];
        for (field, host) in [("source", "public.livefilestore.com"), ("link", "apis.live.net")] {
            let url = object[field].as_str().expect("a URL");
            assert!(url.starts_with(&format!("{scheme}://{host}/")), "{option} {field}: {url}");
        }
        let upload = object["upload_location"].as_str().expect("a URL");
        assert!(upload.starts_with("https://"), "tokens go there: {upload}");
    }
    // A request without TLS gets only URLs without TLS.
    let plain = plain_client();
    for option in ["", "?return_ssl_resources=true", "?return_ssl_resources=false"] {
        let list = json(&plain, &format!("{}v5.0/me/skydrive/files{option}", server.url())).await;
        let source = list["data"][0]["source"].as_str().expect("a URL");
        assert!(source.starts_with("http://127.0.0.1"), "{option}: {source}");
        let bytes = plain.get(source).send().await.expect("an answer");
        assert_eq!(bytes.text().await.expect("bytes"), "hello");
    }
}
