//! Complete requests to a running server: `METHOD TARGET`, header lines, an empty line, a body. A
//! panic or a status 500 is a failure, except for the refusals that have this status in BITS
//! (MC-BUP).
#![no_main]

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use drivedal_server::Server;
use libfuzzer_sys::Corpus;
use tokio::runtime::{Builder, Runtime};

/// Number of requests after which the server's drives are emptied.
const RESET: u32 = 500;

/// The runtime of the server.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
});

/// The server that receives the requests.
static SERVER: LazyLock<Server> =
    LazyLock::new(|| RUNTIME.block_on(Server::builder().ephemeral().start()).expect("a server"));

/// The number of requests so far.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Splits after the first line feed. Returns the line without it, and the rest.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// Returns whether a response shows a failure of the server.
fn is_failure(response: &[u8]) -> bool {
    let is_bits = || response.windows(15).any(|window| window == b"bits-error-code");
    response.starts_with(b"HTTP/1.1 500") && !is_bits()
}

/// Sends the request in `input`, and rejects inputs that are not one request.
fn run(input: &[u8]) -> Corpus {
    let (first, mut rest) = line(input);
    let Ok(first) = std::str::from_utf8(first) else { return Corpus::Reject };
    let Some((method, target)) = first.split_once(' ') else { return Corpus::Reject };
    // Fault rules would fail later requests.
    if target.contains("_control") || target.contains([' ', '\r']) {
        return Corpus::Reject;
    }
    let mut request =
        format!("{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", SERVER.address())
            .into_bytes();
    let mut authorized = false;
    loop {
        let (header, after) = line(rest);
        rest = after;
        if header.is_empty() {
            break;
        }
        // Replaced by the actual length of the body.
        let lower = header.to_ascii_lowercase();
        if [&b"content-length"[..], b"transfer-encoding", b"connection", b"upgrade", b"expect", b"host"]
            .iter()
            .any(|name| lower.starts_with(name))
        {
            return Corpus::Reject;
        }
        authorized |= lower.starts_with(b"authorization");
        request.extend_from_slice(header);
        request.extend_from_slice(b"\r\n");
    }
    if !authorized {
        request.extend_from_slice(b"authorization: Bearer drivedal-dev\r\n");
    }
    request.extend_from_slice(format!("content-length: {}\r\n\r\n", rest.len()).as_bytes());
    request.extend_from_slice(rest);
    let mut stream = TcpStream::connect(SERVER.address()).expect("a connection");
    let mut response = Vec::new();
    // The server may close the connection before it has read all of a bad request.
    let _ = stream.write_all(&request);
    let _ = stream.read_to_end(&mut response);
    assert!(!is_failure(&response), "{}", String::from_utf8_lossy(&response));
    if COUNT.fetch_add(1, Ordering::Relaxed) % RESET == RESET - 1 {
        RUNTIME.block_on(SERVER.control().reset_state()).expect("reset");
    }
    Corpus::Keep
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| -> Corpus { run(input) });
