//! The layer over scripted transports: what it tells, and what it never does.

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

use super::{HarFile, LoggingLayer, TARGET, WireStats};
use crate::{
    layers::{Policy, RetryLayer},
    transport::scripted::{Outcome, Scripted, answer},
};

/// What was told, one text an event.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn of(&self, text: &str) -> bool {
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

impl Subscriber for Told {
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

/// What the layer makes of a scripted transport.
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
async fn every_try_is_an_event_with_all_that_may_be_told() {
    let told = Told::default();
    let _listening = tracing::subscriber::set_default(told.clone());
    let stats = WireStats::default();
    let logging = LoggingLayer::new().counting_into(&stats);
    let retry = RetryLayer::new(Policy::default()).with_dice(|| 1.0);
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
        assert!(told.of(text), "{text}\n{:?}", told.0);
    }
    assert!(!told.of("hunter2"));
    let total = stats.total();
    assert_eq!((total.requests, total.repeats, total.refused, total.failed), (2, 1, 1, 0));
    assert_eq!((total.bytes_up, total.bytes_down), (8, 11));
    assert_eq!((stats.requests(), total.total.count()), (2, 2));
    let snapshot = stats.snapshot();
    let (operation, _) = snapshot.first_key_value().expect("one");
    assert_eq!((operation.operation, operation.template), ("read", "{item}/content"));
    stats.merge(&snapshot);
    assert_eq!((stats.requests(), stats.total().requests), (4, 4));
}

#[tokio::test]
async fn what_ends_early_is_told_as_such_and_no_error_has_the_address() {
    let told = Told::default();
    let _listening = tracing::subscriber::set_default(told.clone());
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
        r#"ending="unanswered""#,
        r#"status=200 bytes_up=4 bytes_down=50"#,
        r#"ending="broken off""#,
        r#"bytes_down=7"#,
        r#"ending="given up""#,
    ] {
        assert!(told.of(text), "{text}\n{:?}", told.0);
    }
    assert!(!told.of("hunter2"));
    let total = layer.stats().total();
    assert_eq!((total.requests, total.broken, total.given_up), (3, 2, 1));
    assert!(total.total.longest() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_har_file_is_whole_after_each_request() {
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
async fn a_har_file_that_cannot_be_written_says_so_and_the_request_goes_on() {
    let har = HarFile::create("/dev/full");
    // Some systems tell at once.
    let Ok(har) = har else { return };
    let layer = LoggingLayer::new().with_har(&har);
    let transport = over(&Scripted::by(|_| answer(200, "")), &[&layer]);
    transport.send(signed("https://cloud.test/a")).await.expect("an answer");
    har.check().expect_err("the disk is full");
}
