//! Tests of the layer over scripted transports: logged fields, and absence of secrets.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Request;
use opendal::{
    Buffer, HttpTransporter, OperationContext, Operator,
    raw::{Layer, Operation, ServiceOperation, oio::ReadStream},
};
use tracing::{Event, Metadata, Subscriber, field, span};

use super::{HarFile, HttpStats, LoggingLayer, TARGET};
use crate::{
    layers::{Policy, RetryLayer},
    transport::scripted::{Outcome, Scripted, answer},
};

/// Captured events, one string each.
#[derive(Clone, Default)]
struct CapturedEvents(Arc<Mutex<Vec<String>>>);

impl CapturedEvents {
    fn contains(&self, text: &str) -> bool {
        self.0.lock().expect("no panic").iter().any(|event| event.contains(text))
    }
}

#[derive(Default)]
struct Text(String);

impl field::Visit for Text {
    fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").expect("writing to a string never fails");
    }
}

impl Subscriber for CapturedEvents {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.0.lock().expect("no panic").push(text.0);
    }

    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Returns a scripted transport with these layers.
fn over(scripted: &Scripted, layers: &[&dyn Layer]) -> HttpTransporter {
    let inner = OperationContext::new().with_http_transport(HttpTransporter::new(scripted.clone()));
    let operator = Operator::new(opendal::services::Memory::default()).expect("memory");
    let (_, service) = operator.into_parts();
    let layered = layers
        .iter()
        .fold(inner, |context, layer| layer.apply_context(Arc::clone(&service), context));
    layered.http_transport().clone()
}

fn signed(url: &str) -> Request<Buffer> {
    let request = Request::get(url).header("authorization", "Bearer hunter2");
    let mut request = request.body(Buffer::from("four")).expect("a request");
    request.extensions_mut().insert(Operation::Read);
    request.extensions_mut().insert(ServiceOperation("{item}/content"));
    request
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_one_event_with_all_fields() {
    let events = CapturedEvents::default();
    let _listening = tracing::subscriber::set_default(events.clone());
    let stats = HttpStats::default();
    let logging = LoggingLayer::new().with_stats(&stats);
    let retry = RetryLayer::new(Policy::default()).with_rng(|| 1.0);
    let scripted = Scripted::by({
        let mut first = true;
        move |_| match std::mem::take(&mut first) {
            true => answer(429, "no").header("retry-after", "3"),
            false => answer(200, "all of it").header("request-id", "id-7"),
        }
    });
    let transport = over(&scripted, &[&logging, &retry]);
    let url = "https://cloud.test/a/b?$top=1&token=hunter2";
    let reply = transport.send(signed(url)).await.expect("an answer");
    assert_eq!(reply.body().to_vec(), b"all of it");
    for text in [
        r#"operation="read" method="GET" url="https://cloud.test/a/b?$top=1&token=REDACTED" status=429 bytes_up=4 bytes_down=2"#,
        r#"status=200 bytes_up=4 bytes_down=9 first_byte=0.0 total=0.0 attempt=2 request_id="id-7" ending="complete""#,
    ] {
        assert!(events.contains(text), "{text}\n{:?}", events.0);
    }
    assert!(!events.contains("hunter2"));
    let total = stats.total();
    assert_eq!((total.requests, total.repeats, total.throttled, total.failed), (2, 1, 1, 0));
    assert_eq!((total.bytes_up, total.bytes_down), (8, 11));
    assert_eq!((stats.requests(), total.total.count()), (2, 2));
    let snapshot = stats.snapshot();
    let (operation, _) = snapshot.first_key_value().expect("one");
    assert_eq!((operation.operation, operation.template), ("read", "{item}/content"));
    stats.merge(&snapshot);
    assert_eq!((stats.requests(), stats.total().requests), (4, 4));
}

#[tokio::test]
async fn interrupted_requests_are_logged_and_errors_contain_no_url() {
    let events = CapturedEvents::default();
    let _listening = tracing::subscriber::set_default(events.clone());
    let layer = LoggingLayer::new();
    let url = "https://cloud.test/s1phunter2/name?tempauth=hunter2";
    let request = || {
        let mut request = signed(url);
        request.headers_mut().clear();
        request
    };
    let error = over(&Scripted::by(|_| Outcome::Reset), &[&layer]).send(request()).await;
    let error = error.expect_err("reset");
    assert!(error.is_temporary() && !format!("{error} {error:?}").contains("hunter2"), "{error:?}");

    let broken = Scripted::by(|_| answer(200, vec![0; 100]).broken_at(50));
    let transport = over(&broken, &[&layer]);
    transport.send(request()).await.expect_err("it breaks off");
    let mut reply = transport.fetch(request()).await.expect("it begins");
    reply.body_mut().read().await.expect("a piece");
    drop(reply);
    for text in [
        r#"url="https://cloud.test/{item}/content" bytes_up=4 bytes_down=0"#,
        r#"ending="no response""#,
        r#"status=200 bytes_up=4 bytes_down=50"#,
        r#"ending="interrupted""#,
        r#"bytes_down=7"#,
        r#"ending="cancelled""#,
    ] {
        assert!(events.contains(text), "{text}\n{:?}", events.0);
    }
    assert!(!events.contains("hunter2"));
    let total = layer.stats().total();
    assert_eq!((total.requests, total.interrupted, total.cancelled), (3, 2, 1));
    assert!(total.total.max() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_har_file_is_complete_after_each_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wire.har");
    let read = || {
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(!text.contains("hunter2"), "{text}");
        serde_json::from_str::<serde_json::Value>(&text).expect("whole")
    };
    let har = HarFile::create(&path).expect("made");
    assert_eq!(read()["log"]["entries"].as_array().map(Vec::len), Some(0));
    let layer = LoggingLayer::new().with_har(&har);
    let found = answer(200, "{}").header("location", "https://h/hunter2").header("etag", "\"1\"");
    let transport = over(&Scripted::by(move |_| found.clone()), &[&layer]);
    for count in 1..=3 {
        let url = "https://cloud.test/a?$top=1&token=hunter2";
        transport.send(signed(url)).await.expect("an answer");
        let log = &read()["log"];
        let entries = log["entries"].as_array().expect("a list");
        assert_eq!((log["version"].as_str(), entries.len()), (Some("1.2"), count));
    }
    let log = &read()["log"];
    let entry = &log["entries"][2];
    assert_eq!(entry["request"]["url"], "https://cloud.test/a?$top=1&token=REDACTED");
    assert_eq!(entry["request"]["queryString"][0]["name"], "$top");
    assert_eq!(
        (&entry["response"]["status"], &entry["request"]["bodySize"]),
        (&200.into(), &4.into())
    );
    let headers = entry["response"]["headers"].as_array().expect("a list");
    assert!(headers.iter().any(|header| header["name"] == "etag" && header["value"] == "\"1\""));
    for field in ["startedDateTime", "time", "cache", "timings"] {
        assert!(!entry[field].is_null(), "{field}");
    }
    har.check().expect("written");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_har_write_error_is_reported_and_does_not_fail_the_request() {
    let har = HarFile::create("/dev/full");
    // Some systems already fail here.
    let Ok(har) = har else { return };
    let layer = LoggingLayer::new().with_har(&har);
    let transport = over(&Scripted::by(|_| answer(200, "")), &[&layer]);
    transport.send(signed("https://cloud.test/a")).await.expect("an answer");
    har.check().expect_err("the disk is full");
}

#[tokio::test]
async fn the_origin_that_a_redirect_leads_to_is_logged_without_the_rest_of_its_url() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let target = format!("{origin}/s1phunter2/name");
    let server = tokio::spawn(async move {
        for status in [format!("302 Found\r\nlocation: {target}"), "200 OK".to_owned()] {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).await.expect("a request");
            let response =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            connection.write_all(response.as_bytes()).await.expect("a response");
        }
    });
    let events = CapturedEvents::default();
    let _listening = tracing::subscriber::set_default(events.clone());
    let network = HttpTransporter::new(crate::transport::Transport::default());
    let inner = OperationContext::new().with_http_transport(network);
    let (_, service) =
        Operator::new(opendal::services::Memory::default()).expect("memory").into_parts();
    let context = LoggingLayer::new().apply_context(service, inner);
    let request = Request::get(format!("{origin}/content")).header("authorization", "Bearer x");
    let request = request.body(Buffer::new()).expect("a request");
    context.http_transport().send(request).await.expect("a response");
    server.await.expect("both requests");
    assert!(events.contains(&format!("redirected_to=\"{origin}/REDACTED\"")), "{:?}", events.0);
    assert!(!events.contains("hunter2"));
}
