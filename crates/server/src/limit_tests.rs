//! Tests of the limits of connections and requests, with smaller limits than the system's.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use reqwest::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    RequestRecord, Server,
    limits::{Limits, MinRate},
};

const FOREVER: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(100);

/// Limits without timeouts.
fn patient(requests: usize) -> Limits {
    let rate = MinRate { grace: FOREVER, rate: 1024 };
    Limits {
        requests,
        spare: 4,
        head: FOREVER,
        idle: FOREVER,
        settle: Duration::from_millis(5),
        request_body: rate,
        response: rate,
    }
}

async fn server(limits: Limits) -> Server {
    Server::builder().limits(limits).start().await.expect("a server")
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address().expect("a port")).await.expect("a connection")
}

/// Sends the head of an upload and waits until the server requests its body.
async fn stalled_upload(server: &Server, path: &str) -> TcpStream {
    let mut stream = connect(server).await;
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer drivedal-dev\r\n\
         content-length: 1000\r\nexpect: 100-continue\r\n\r\n",
        server.address().expect("a port")
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut interim = vec![0; expected.len()];
    stream.read_exact(&mut interim).await.expect("an interim response");
    assert_eq!(interim, expected);
    stream.write_all(b"a few bytes").await.expect("sent");
    stream
}

const FILE: &str = "/v5.0/me/skydrive/files/f";

/// Sends a request on a connection that stays open, and returns the head of the response.
async fn get(server: &Server, stream: &mut TcpStream) -> String {
    let head = format!(
        "GET /_control/health HTTP/1.1\r\nhost: {}\r\n\r\n",
        server.address().expect("a port")
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut response = Vec::new();
    loop {
        let read = stream.read_buf(&mut response).await.expect("a response");
        let text = String::from_utf8_lossy(&response);
        assert_ne!(read, 0, "closed after {text:?}");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.and_then(|length| length.parse().ok()) == Some(body.len()) {
            return head.to_owned();
        }
    }
}

/// Reads until the server closes the connection.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset ends the connection too.
    let _ = stream.read_to_end(&mut rest).await;
    rest
}

#[tokio::test]
async fn a_request_body_below_the_minimum_rate_gets_408_and_the_connection_is_closed() {
    let request_body = MinRate { grace: SHORT, rate: 1024 };
    let server = server(Limits { request_body, ..patient(8) }).await;
    for path in [FILE, "/v1.0/me/drive/root:/f:/content", "/rup/x", "/_control/faults"] {
        let method = if path.starts_with("/_control") { "POST" } else { "PUT" };
        let mut stream = connect(&server).await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer drivedal-dev\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n[",
            server.address().expect("a port")
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let response = String::from_utf8(rest(stream).await).expect("text");
        // An unknown upload URL is rejected before the body is read.
        let status = if path == "/rup/x" { "HTTP/1.1 40" } else { "HTTP/1.1 408" };
        assert!(response.starts_with(status), "{path}: {response}");
        assert!(path == "/rup/x" || response.contains("connection: close"), "{path}: {response}");
    }
    let log = server.control().requests();
    assert_eq!(log[0].status, Some(408), "{log:?}");
}

#[tokio::test]
async fn a_request_beyond_the_limit_gets_503_before_its_body_is_read() {
    let server = server(patient(2)).await;
    let uploads = [stalled_upload(&server, FILE).await, stalled_upload(&server, FILE).await];
    let client = Client::builder().no_proxy().build().expect("a client");
    let url = |path: &str| format!("{}{}", server.url(), path.trim_start_matches('/'));
    for path in
        ["/v5.0/me?access_token=drivedal-dev", "/v1.0/me", "/drive/v1/nodes", "/_control/health"]
    {
        let response = client.get(url(path)).send().await.expect("a response");
        assert_eq!(response.status(), 503, "{path}");
        assert_eq!(response.headers()["retry-after"], "2", "{path}");
    }
    let refused = client.put(url(FILE)).body(vec![0; 300_000]).send().await;
    assert_eq!(refused.expect("a response").status(), 503);
    assert_eq!(server.control().counters().count("live.files.put"), 3);
    drop(uploads);
    // The server notices the end of the uploads with a delay.
    while client.get(url("/_control/health")).send().await.expect("a response").status() == 503 {}
}

#[tokio::test]
async fn streams_of_one_http2_connection_count_as_requests() {
    let server = server(patient(2)).await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let url = format!("{}v5.0/me/skydrive/files/f?access_token=drivedal-dev", server.url());
    let stalled = || {
        let (client, url) = (client.clone(), url.clone());
        let never = stream::pending::<Result<Bytes, Infallible>>();
        tokio::spawn(client.put(url).body(reqwest::Body::wrap_stream(never)).send())
    };
    let uploads = [stalled(), stalled()];
    while server.control().counters().count("live.files.put") < 2 {
        tokio::task::yield_now().await;
    }
    let me = format!("{}v1.0/me", server.url());
    let response = client.get(me).send().await.expect("a response");
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "2");
    for upload in uploads {
        upload.abort();
    }
}

#[tokio::test]
async fn idle_connections_are_closed_when_others_wait() {
    let server = server(patient(2)).await;
    // More silent and idle connections than the limit allows.
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(connect(&server).await);
    }
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&server).await;
        assert!(get(&server, &mut stream).await.starts_with("HTTP/1.1 200"));
        idle.push(stream);
    }
    for stream in silent {
        assert_eq!(rest(stream).await, b"");
    }
    // The youngest connection is kept.
    let mut youngest = idle.pop().expect("one");
    assert!(get(&server, &mut youngest).await.starts_with("HTTP/1.1 200"));
    drop(idle.remove(0));
}

#[tokio::test]
async fn half_a_head_and_an_idle_connection_are_closed_in_time() {
    let server = server(Limits { head: SHORT, ..patient(8) }).await;
    let mut slow = connect(&server).await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("sent");
    assert_eq!(rest(slow).await, b"");

    let server = self::server(Limits { idle: SHORT, ..patient(8) }).await;
    assert_eq!(rest(connect(&server).await).await, b"");
    let mut idle = connect(&server).await;
    get(&server, &mut idle).await;
    rest(idle).await;
    // HTTP/2 too: the connection is closed although its preface was sent.
    let mut idle = connect(&server).await;
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sent");
    rest(idle).await;
}

/// More bytes than the buffers of both sockets hold.
const LARGE: usize = 32 << 20;

async fn large_file(server: &Server) -> String {
    let client = Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}v1.0/me/drive/root:/large:/content", server.url());
    let put = client.put(&url).bearer_auth("drivedal-dev").body(vec![7; LARGE]).send().await;
    assert_eq!(put.expect("a response").status(), 201);
    url
}

#[tokio::test]
async fn a_response_that_is_not_read_ends_with_its_connection() {
    let response = MinRate { grace: SHORT, rate: 1024 };
    let server = server(Limits { response, ..patient(8) }).await;
    let url = large_file(&server).await;
    for http2 in [false, true] {
        let builder = Client::builder().no_proxy();
        let builder = if http2 { builder.http2_prior_knowledge() } else { builder };
        let client = builder.build().expect("a client");
        let response = client.get(&url).bearer_auth("drivedal-dev").send().await;
        let response = response.expect("a response");
        assert_eq!(response.status(), 200);
        // The client reads only after the server has closed the connection.
        let count = 1 + usize::from(http2);
        let control = server.control();
        let has_given_up = |requests: &[Arc<RequestRecord>]| {
            requests.iter().filter(|request| request.status == Some(200)).count() >= count
        };
        control.state.log.until(has_given_up).await;
        let body = response.bytes().await;
        assert!(body.is_err(), "{} bytes, HTTP/2: {http2}", body.map_or(0, |body| body.len()));
    }
}
