//! Tests of the retry layer with our drives: retried operations and resumed reads.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use opendal::{
    HttpTransporter, OperationContext, Operator,
    raw::{Operation, Service},
};
use tokio::time::Instant;

use super::{in_sequence, layer, over, policy, request};
use crate::{
    adapter::{DriveHandle, DriveService},
    drive::Context,
    layers::retry::{Policy, RetryEvent},
    services::{amazon_drive::AmazonDrive, onedrive::OneDrive, skydrive::SkyDrive},
    transport::{
        ApiRequest, Client,
        scripted::{Outcome, Scripted, answer},
    },
};

/// OneDrive over a scripted cloud.
fn drive(scripted: &Scripted) -> Operator {
    let onedrive = OneDrive::default().endpoint("https://graph.test/v1.0").access_token("hunter2");
    over_scripted(scripted, onedrive.build_with_handle())
}

/// One drive of each service.
fn drives(scripted: &Scripted) -> [Operator; 3] {
    let sky = SkyDrive::default().endpoint("https://live.test/v5.0/").access_token("hunter2");
    let amazon = AmazonDrive::default().endpoint("https://drive.test/v1/").access_token("hunter2");
    [
        drive(scripted),
        over_scripted(scripted, sky.build_with_handle()),
        over_scripted(scripted, amazon.build_with_handle()),
    ]
}

fn over_scripted(
    scripted: &Scripted,
    built: opendal::Result<(DriveService, DriveHandle)>,
) -> Operator {
    let (service, _) = built.expect("a drive");
    let context =
        OperationContext::new().with_http_transport(HttpTransporter::new(scripted.clone()));
    Operator::from_parts(context, Arc::new(service))
}

/// OpenDAL's own retry layer, almost without delay.
fn opendal_retry() -> opendal::layers::RetryLayer {
    opendal::layers::RetryLayer::new().with_max_times(3).with_min_delay(Duration::from_millis(1))
}

/// Returns the number of requests that a failing `stat` sends, for each drive.
async fn requests_per_drive(outcome: &Outcome, stack: impl Fn(Operator) -> Operator) -> [usize; 3] {
    let mut sent = [0; 3];
    for (at, sent) in sent.iter_mut().enumerate() {
        let outcome = outcome.clone();
        let scripted = Scripted::by(move |_| outcome.clone());
        let drive = drives(&scripted)[at].clone();
        let error = stack(drive).stat("x").await.expect_err("it goes wrong");
        assert!(error.is_persistent() && !format!("{error:?}").contains("hunter2"), "{error:?}");
        *sent = scripted.sent().len();
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn opendals_retry_layer_does_not_multiply_the_attempts() {
    let throttled = r#"{"error": {"code": "request_throttled", "message": "Please wait."}}"#;
    for outcome in [
        answer(503, ""),
        Outcome::Reset,
        answer(429, "").header("retry-after", "1"),
        answer(420, throttled),
        answer(509, ""),
        answer(408, ""),
    ] {
        let ours = || layer(policy());
        assert_eq!(requests_per_drive(&outcome, |drive| drive.layer(ours())).await, [5; 3]);
        assert_eq!(
            requests_per_drive(&outcome, |drive| drive.layer(ours()).layer(opendal_retry())).await,
            [5; 3]
        );
        assert_eq!(
            requests_per_drive(&outcome, |drive| drive.layer(opendal_retry()).layer(ours())).await,
            [5; 3]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_retried_if_its_request_cannot_be() {
    let made = r#"{"id":"1","name":"x","folder":{}}"#;
    let scripted = in_sequence(vec![Outcome::Reset, answer(500, ""), answer(201, made)]);
    drive(&scripted).layer(layer(policy())).create_dir("x/").await.expect("made");
    assert_eq!(scripted.sent().len(), 3);
    let scripted = Scripted::by(|_| Outcome::Reset);
    let made = drive(&scripted).layer(layer(policy())).create_dir("x/").await;
    assert!(made.expect_err("reset").is_persistent());
    assert_eq!(scripted.sent().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn gateway_errors_are_retried_by_the_operation() {
    let made = r#"{"id":"1","name":"x","folder":{}}"#;
    for status in [408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 527, 530, 598, 599] {
        let scripted = in_sequence(vec![answer(status, ""), answer(201, made)]);
        let created = drive(&scripted).layer(layer(policy())).create_dir("x/").await;
        created.unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!(scripted.sent().len(), 2, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_host_without_any_response_is_reported_at_once() {
    let impatient = || Policy { retry_first_contact: false, ..policy() };
    let scripted = Scripted::by(|_| Outcome::Refused);
    let begun = Instant::now();
    let error = drive(&scripted).layer(layer(impatient())).stat("x").await.expect_err("refused");
    assert!(error.is_persistent(), "{error:?}");
    assert_eq!((scripted.sent().len(), begun.elapsed()), (1, Duration::ZERO));

    // By default, and for a host that has responded before, it is retried: it may be restarting.
    let scripted = in_sequence(vec![Outcome::Refused, answer(404, "")]);
    let missing = drive(&scripted).layer(layer(policy())).stat("x").await.expect_err("missing");
    assert_eq!(missing.kind(), opendal::ErrorKind::NotFound);
    let scripted = in_sequence(vec![answer(404, ""), Outcome::Refused, answer(404, "")]);
    let operator = drive(&scripted).layer(layer(impatient()));
    for _ in 0..2 {
        let missing = operator.stat("x").await.expect_err("missing");
        assert_eq!(missing.kind(), opendal::ErrorKind::NotFound);
    }
    assert_eq!(scripted.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn waiting_events_have_host_reason_and_end() {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let begun = Instant::now();
    let observed = layer(policy()).with_observer({
        let waits = Arc::clone(&waits);
        move |event: &RetryEvent<'_>| {
            if let RetryEvent::Waiting { host, reason, elapsed, until } = *event {
                let until = until.duration_since(begun.into_std()).as_secs();
                let wait = (host.to_owned(), reason.to_owned(), elapsed.as_secs(), until);
                waits.lock().expect("no panic").push(wait);
            }
        }
    });
    let paused = answer(503, "").header("retry-after", "9");
    let scripted = in_sequence(vec![answer(502, ""), Outcome::Refused, paused, answer(200, "")]);
    over(&scripted, &observed).send(request("GET")).await.expect("a response");
    let wait =
        |reason: &str, elapsed, until| ("cloud.test".to_owned(), reason.to_owned(), elapsed, until);
    let expected =
        [wait("502", 0, 1), wait("cannot connect: connection refused", 1, 3), wait("503", 3, 12)];
    assert_eq!(*waits.lock().expect("no panic"), expected);
}

#[tokio::test(start_paused = true)]
async fn an_error_states_the_attempts_and_their_time() {
    let scripted = Scripted::by(|_| answer(503, ""));
    let error = drive(&scripted).layer(layer(policy())).stat("x").await.expect_err("down");
    assert!(error.to_string().contains("tried 5 times in 15.0 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_file_body_is_sent_completely_on_each_attempt() {
    use std::io::Write as _;
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"all of it").expect("written");
    let body = crate::drive::Body::File { file: Arc::new(file), len: 9 };
    let scripted = in_sequence(vec![answer(500, ""), answer(200, "")]);
    let context = OperationContext::new().with_http_transport(over(&scripted, &layer(policy())));
    let call = ApiRequest::new(Operation::Write, Method::PUT, "http://h/x", "{x}").body(body);
    Client::new(&Context::from(&context)).send(call).await.expect("an answer");
    let bodies: Vec<_> = scripted.sent().into_iter().map(|sent| sent.body).collect();
    assert_eq!(bodies, [b"all of it", b"all of it"]);
}

/// The stream of the file is interrupted several times.
#[tokio::test(start_paused = true)]
async fn an_interrupted_read_resumes_at_its_offset() {
    let bytes: Vec<u8> = (0..100).collect();
    let scripted = Scripted::by({
        let bytes = bytes.clone();
        move |sent| {
            if !sent.url.contains("/content") {
                let item = r#"{"id":"1","name":"f","size":100,"file":{},"eTag":"e"}"#;
                return answer(200, item);
            }
            let range = sent.header("range").and_then(|range| range.strip_prefix("bytes="));
            let from = range.and_then(|range| range.split('-').next()?.parse().ok()).unwrap_or(0);
            let part = answer(if from == 0 { 200 } else { 206 }, &bytes[from..])
                .header("content-range", format!("bytes {from}-99/100"));
            // Interrupt it while more than a quarter of the file is left.
            if from < 75 { part.broken_at(26) } else { part }
        }
    });
    let read = drive(&scripted).layer(layer(policy())).read("f").await.expect("all of it");
    assert_eq!(read.to_vec(), bytes);
}

/// The bytes are read from a download URL without an etag; only `stat` reports one.
#[tokio::test(start_paused = true)]
async fn a_read_resumes_only_with_the_same_version() {
    for etags in [["e", "e"], ["e", "f"]] {
        let bytes: Vec<u8> = (0..100).collect();
        let mut looks = etags.into_iter().cycle();
        let scripted = Scripted::by({
            let bytes = bytes.clone();
            move |sent| {
                if !sent.url.contains("files.test") {
                    let etag = looks.next().unwrap_or_default();
                    let ticket = r#""@microsoft.graph.downloadUrl":"https://files.test/t""#;
                    let item = format!(
                        r#"{{"id":"1","name":"f","size":100,"file":{{}},"eTag":"{etag}",{ticket}}}"#
                    );
                    return answer(200, item);
                }
                match sent.header("range") {
                    None => answer(200, &*bytes).broken_at(50),
                    Some("bytes=50-99" | "bytes=50-") => {
                        answer(206, &bytes[50..]).header("content-range", "bytes 50-99/100")
                    }
                    other => answer(400, format!("{other:?}")),
                }
            }
        });
        let read = drive(&scripted).layer(layer(policy())).read("f").await;
        match etags[0] == etags[1] {
            true => assert_eq!(read.expect("all of it").to_vec(), bytes),
            false => {
                let error = read.expect_err("it changed");
                assert_eq!(error.kind(), opendal::ErrorKind::ConditionNotMatch, "{error}");
            }
        }
    }
}

#[test]
fn the_layer_preserves_info_and_capability() {
    let (_, service) = drive(&Scripted::by(|_| answer(500, ""))).into_parts();
    let wrapped = opendal::raw::Layer::apply_service(&layer(policy()), Arc::clone(&service));
    let capability = |service: &_| format!("{:?}", Service::capability(service));
    assert_eq!(capability(&wrapped), capability(&service));
    assert_eq!(Service::info(&wrapped).scheme(), "onedrive");
}
