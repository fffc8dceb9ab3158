//! The server's peak memory for large bodies. It runs in a child process, because the peak is one
//! of the whole process. The process contains both server and client.

use bytes::Bytes;
use drivedal_server::Server;
use drivedal_test_support::child::{in_child_process, peak_memory};
use futures::StreamExt;
use reqwest::{Client, Response};
use tokio::runtime::Runtime;

const MIB: u64 = 1 << 20;

/// Bytes that a body of any size may add to the peak, including the client's share.
const BOUND: u64 = 24 * MIB;

async fn put(http: &Client, server: &Server, name: &str, size: u64, told: bool) -> Response {
    let piece = Bytes::from(vec![7; 64 << 10]);
    let pieces = size / piece.len() as u64;
    let stream =
        futures::stream::iter(0..pieces).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
    let url = format!("{}v5.0/me/skydrive/files/{name}?access_token=drivedal-dev", server.url());
    let mut request = http.put(url).body(reqwest::Body::wrap_stream(stream));
    if told {
        request = request.header("content-length", size);
    }
    request.send().await.expect("an answer")
}

#[test]
fn large_bodies_pass_through_without_staying_in_memory() {
    in_child_process("memory::large_bodies_pass_through_without_staying_in_memory", || {
        Runtime::new().expect("a runtime").block_on(measure());
    });
}

async fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::builder()
        .data(folder.path())
        .durability(drivedal_server::Durability::Relaxed)
        .start()
        .await
        .expect("a server");
    // Follows the redirect to the bytes.
    let http = Client::builder().no_proxy().build().expect("a client");
    assert_eq!(put(&http, &server, "warm", MIB, true).await.status(), 201);

    let before = peak_memory();
    let put_90 = put(&http, &server, "large", 90 * MIB, true).await;
    assert_eq!(put_90.status(), 201);
    let after_put = peak_memory();
    for told in [true, false] {
        let refused = put(&http, &server, "too-large", 200 * MIB, told).await;
        assert_eq!(refused.status(), 413);
    }
    let after_refusal = peak_memory();
    let location = put_90.headers()["location"].to_str().expect("a URL");
    let content = format!("{location}/content?access_token=drivedal-dev");
    let mut content = http.get(content).send().await.expect("an answer").bytes_stream();
    let mut received = 0;
    while let Some(piece) = content.next().await {
        received += piece.expect("a piece").len() as u64;
    }
    assert_eq!(received, 90 * MIB);
    let after_get = peak_memory();

    // The system counts memory in batches, and may report slightly less than before.
    let mib = |from: u64, to: u64| to.saturating_sub(from) as f64 / MIB as f64;
    println!(
        "peak {:.0} MiB before; 90 MiB put adds {:.1}, 200 MiB refused twice {:.1}, 90 MiB got {:.1}",
        mib(0, before),
        mib(before, after_put),
        mib(after_put, after_refusal),
        mib(after_refusal, after_get),
    );
    assert!(after_get.saturating_sub(before) < BOUND, "{} MiB", mib(before, after_get));
    server.stop().await;
}
