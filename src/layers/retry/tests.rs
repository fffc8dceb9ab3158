//! The layer over scripted transports, with the clock standing still.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, Request};
use opendal::{
    Buffer, HttpTransporter, OperationContext, Operator,
    raw::{Operation, Service},
};
use tokio::time::Instant;

use super::{Backoff, Budget, Event, Policy, RetryLayer};
use crate::{
    adapter::{DriveHandle, DriveService},
    drive::Context,
    rate_limit::{AccountLimiter, Exhausted, Repeat, RequestMeta},
    services::{amazon_drive::AmazonDrive, onedrive::OneDrive, skydrive::SkyDrive},
    transport::{
        ApiRequest, Client,
        scripted::{Outcome, Scripted, answer},
    },
};

const URL: &str = "https://cloud.test/item?secret=hunter2";

fn policy() -> Policy {
    Policy {
        backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(8) },
        budget: None,
        ..Policy::default()
    }
}

/// Dice that always show the most.
fn layer(policy: Policy) -> RetryLayer {
    RetryLayer::new(policy).with_dice(|| 1.0)
}

/// The transport that the layer puts over a scripted one.
fn over(scripted: &Scripted, layer: &RetryLayer) -> HttpTransporter {
    let inner = OperationContext::new().with_http_transport(HttpTransporter::new(scripted.clone()));
    let service = Operator::new(opendal::services::Memory::default()).expect("memory");
    let (_, service) = service.into_parts();
    opendal::raw::Layer::apply_context(layer, service, inner).http_transport().clone()
}

fn request(method: &str) -> Request<Buffer> {
    Request::builder().method(method).uri(URL).body(Buffer::new()).expect("a request")
}

/// What each request of a list becomes, the last one from then on.
fn in_turn(outcomes: Vec<Outcome>) -> Scripted {
    let next = AtomicUsize::new(0);
    Scripted::by(move |_| {
        let at = next.fetch_add(1, Ordering::Relaxed).min(outcomes.len() - 1);
        outcomes[at].clone()
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_again_after_doubled_waits_until_it_is_answered() {
    let scripted = in_turn(vec![answer(503, ""), Outcome::Reset, answer(200, "yes")]);
    let begun = Instant::now();
    let transport = over(&scripted, &layer(policy()));
    let reply = transport.send(request("GET")).await.expect("an answer");
    assert_eq!((reply.status().as_u16(), reply.body().to_vec()), (200, b"yes".to_vec()));
    assert_eq!((scripted.sent().len(), begun.elapsed().as_secs()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn what_is_in_vain_is_marked_and_its_answer_is_whole() {
    let scripted = Scripted::by(|_| answer(500, "the reason"));
    let transport = over(&scripted, &layer(policy()));
    let reply = transport.send(request("GET")).await.expect("an answer");
    assert_eq!(reply.body().to_vec(), b"the reason");
    let exhausted = reply.extensions().get::<Exhausted>().expect("marked");
    assert_eq!((exhausted.attempts, exhausted.elapsed.as_secs()), (5, 1 + 2 + 4 + 8));
    assert_eq!(exhausted.to_string(), "tried 5 times in 15.0 s");

    let scripted = Scripted::by(|_| Outcome::Reset);
    let error = over(&scripted, &layer(policy())).send(request("PUT")).await.expect_err("reset");
    assert!(error.is_persistent() && error.to_string().contains("tried 5 times"), "{error}");
    assert_eq!(scripted.sent().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_post_is_sent_again_only_if_nothing_has_happened() {
    for (outcome, sent) in [
        (answer(500, ""), 1),
        (answer(503, ""), 1),
        (Outcome::Reset, 1),
        (answer(429, ""), 2),
        (answer(420, ""), 2),
        (answer(503, "").header("retry-after", "1"), 2),
    ] {
        let scripted = in_turn(vec![outcome, answer(200, "")]);
        let _ = over(&scripted, &layer(policy())).send(request("POST")).await;
        assert_eq!(scripted.sent().len(), sent);
    }
    for (repeat, sent) in [(Repeat::Always, 2), (Repeat::IfRefused, 1), (Repeat::Never, 1)] {
        let scripted = in_turn(vec![answer(500, ""), answer(200, "")]);
        let mut marked = request("POST");
        marked
            .extensions_mut()
            .insert(RequestMeta { repeat: Some(repeat), ..RequestMeta::default() });
        let _ = over(&scripted, &layer(policy())).send(marked).await;
        assert_eq!(scripted.sent().len(), sent, "{repeat:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_for_all_of_the_account_and_nobody_asks_meanwhile() {
    let begun = Instant::now();
    let times = Arc::new(Mutex::new(Vec::new()));
    let scripted = Scripted::by({
        let times = Arc::clone(&times);
        move |sent| {
            let mut times = times.lock().expect("no panic");
            times.push((sent.url.clone(), begun.elapsed().as_secs()));
            match times.len() {
                1 => answer(429, "").header("retry-after", "20"),
                _ => answer(200, ""),
            }
        }
    });
    let transport = over(&scripted, &layer(policy()));
    let limiter = AccountLimiter::new();
    let ask = |url: &str, limiter: Option<&AccountLimiter>, bypass_limiter| {
        let mut request = request("GET");
        *request.uri_mut() = url.parse().expect("a URL");
        request.extensions_mut().insert(RequestMeta {
            limiter: limiter.cloned(),
            bypass_limiter,
            ..RequestMeta::default()
        });
        let transport = transport.clone();
        async move { transport.send(request).await.expect("an answer").status().as_u16() }
    };
    let first = tokio::spawn(ask("http://a/1", Some(&limiter), false));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (same, token, other) = tokio::join!(
        ask("http://b/same-account", Some(&limiter), false),
        ask("http://a/token", Some(&limiter), true),
        ask("http://a/other-account", None, false),
    );
    assert_eq!((first.await.expect("no panic"), same, token, other), (200, 200, 200, 200));
    let mut times = times.lock().expect("no panic").clone();
    times.sort();
    let expected = [
        ("http://a/1", 0),
        ("http://a/1", 20),
        ("http://a/other-account", 1),
        ("http://a/token", 1),
        ("http://b/same-account", 20),
    ];
    assert_eq!(times, expected.map(|(url, at)| (url.to_owned(), at)));
}

#[tokio::test(start_paused = true)]
async fn requests_that_bring_no_gate_share_one_by_host() {
    let scripted = in_turn(vec![answer(429, "Wait 9 seconds"), answer(200, "")]);
    let layer = layer(policy());
    // Layers are replayed: what one of them learnt, the other knows.
    let (one, other) = (over(&scripted, &layer), over(&scripted, &layer));
    let begun = Instant::now();
    let (first, second) = tokio::join!(one.send(request("GET")), async {
        tokio::task::yield_now().await;
        other.send(request("GET")).await
    });
    assert!(first.is_ok() && second.is_ok());
    assert_eq!((scripted.sent().len(), begun.elapsed().as_secs()), (3, 9));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_too_long_ends_it_and_is_told() {
    let scripted = Scripted::by(|_| answer(429, "").header("retry-after", "120"));
    let transport = over(&scripted, &layer(policy()));
    let begun = Instant::now();
    let reply = transport.send(request("GET")).await.expect("an answer");
    let exhausted = reply.extensions().get::<Exhausted>().expect("marked");
    assert_eq!(exhausted.pause, Some(Duration::from_secs(120)));
    // The next one does not even leave.
    let error = transport.send(request("GET")).await.expect_err("paused");
    assert_eq!(error.kind(), opendal::ErrorKind::RateLimited);
    assert!(error.is_persistent() && error.to_string().contains("120 s"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert_eq!((scripted.sent().len(), begun.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_is_down_is_asked_no_more_than_the_budget_allows() {
    let scripted = Scripted::by(|_| answer(502, ""));
    let budget = Some(Budget { reserve: 6.0, earned: 0.5 });
    let transport = over(&scripted, &layer(Policy { budget, ..policy() }));
    for _ in 0..20 {
        let reply = transport.send(request("GET")).await.expect("an answer");
        assert!(reply.extensions().get::<Exhausted>().is_some());
    }
    assert_eq!(scripted.sent().len(), 20 + 6);
}

#[tokio::test(start_paused = true)]
async fn everything_it_does_is_told_and_nothing_of_it_is_secret() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let scripted = in_turn(vec![answer(429, "").header("retry-after", "2"), Outcome::Reset]);
    let layer = layer(policy()).observed_by({
        let told = Arc::clone(&told);
        move |event: &Event<'_>| told.lock().expect("no panic").push(format!("{event:?}"))
    });
    let _ = over(&scripted, &layer).send(request("GET")).await;
    let told = told.lock().expect("no panic");
    let count = |what| told.iter().filter(|event| event.starts_with(what)).count();
    assert_eq!((count("Paused"), count("Repeated"), count("GaveUp")), (1, 4, 1));
    assert!(!told.concat().contains("hunter2") && told.concat().contains("GET cloud.test"));
}

/// A drive of ours over a scripted cloud.
fn drive(scripted: &Scripted) -> Operator {
    let onedrive = OneDrive::default().endpoint("https://graph.test/v1.0").access_token("hunter2");
    over_scripted(scripted, onedrive.build_with_handle())
}

/// One of each of our drives.
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

/// OpenDAL's own, which does not listen, and waits next to nothing.
fn theirs() -> opendal::layers::RetryLayer {
    opendal::layers::RetryLayer::new().with_max_times(3).with_min_delay(Duration::from_millis(1))
}

/// The table of finding 6: who is above, and how many requests a look takes.
async fn requests_of(outcome: &Outcome, stack: impl Fn(Operator) -> Operator) -> [usize; 3] {
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
async fn opendals_retry_above_or_below_does_not_multiply_the_tries() {
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
        assert_eq!(requests_of(&outcome, |drive| drive.layer(ours())).await, [5; 3]);
        assert_eq!(
            requests_of(&outcome, |drive| drive.layer(ours()).layer(theirs())).await,
            [5; 3]
        );
        assert_eq!(
            requests_of(&outcome, |drive| drive.layer(theirs()).layer(ours())).await,
            [5; 3]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_whose_request_may_not_be_sent_again_is_made_again() {
    let made = r#"{"id":"1","name":"x","folder":{}}"#;
    let scripted = in_turn(vec![Outcome::Reset, answer(500, ""), answer(201, made)]);
    drive(&scripted).layer(layer(policy())).create_dir("x/").await.expect("made");
    assert_eq!(scripted.sent().len(), 3);
    let scripted = Scripted::by(|_| Outcome::Reset);
    let made = drive(&scripted).layer(layer(policy())).create_dir("x/").await;
    assert!(made.expect_err("reset").is_persistent());
    assert_eq!(scripted.sent().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_a_proxy_is_one_of_the_cloud_for_a_request_that_may_not_be_repeated() {
    let made = r#"{"id":"1","name":"x","folder":{}}"#;
    for status in [408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 527, 530, 598, 599] {
        let scripted = in_turn(vec![answer(status, ""), answer(201, made)]);
        let created = drive(&scripted).layer(layer(policy())).create_dir("x/").await;
        created.unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!(scripted.sent().len(), 2, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_responded_and_refuses_connections_is_reported_at_once() {
    let impatient = || Policy { retry_first_contact: false, ..policy() };
    let scripted = Scripted::by(|_| Outcome::Refused);
    let begun = Instant::now();
    let error = drive(&scripted).layer(layer(impatient())).stat("x").await.expect_err("refused");
    assert!(error.is_persistent(), "{error:?}");
    assert_eq!((scripted.sent().len(), begun.elapsed()), (1, Duration::ZERO));

    // Without that wish, and for a host that has responded before, it may be restarting.
    let scripted = in_turn(vec![Outcome::Refused, answer(404, "")]);
    let missing = drive(&scripted).layer(layer(policy())).stat("x").await.expect_err("missing");
    assert_eq!(missing.kind(), opendal::ErrorKind::NotFound);
    let scripted = in_turn(vec![answer(404, ""), Outcome::Refused, answer(404, "")]);
    let operator = drive(&scripted).layer(layer(impatient()));
    for _ in 0..2 {
        let missing = operator.stat("x").await.expect_err("missing");
        assert_eq!(missing.kind(), opendal::ErrorKind::NotFound);
    }
    assert_eq!(scripted.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_announced_with_host_reason_and_end() {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let begun = Instant::now();
    let observed = layer(policy()).observed_by({
        let waits = Arc::clone(&waits);
        move |event: &Event<'_>| {
            if let Event::Waiting { host, reason, elapsed, until } = *event {
                let until = until.duration_since(begun.into_std()).as_secs();
                let wait = (host.to_owned(), reason.to_owned(), elapsed.as_secs(), until);
                waits.lock().expect("no panic").push(wait);
            }
        }
    });
    let paused = answer(503, "").header("retry-after", "9");
    let scripted = in_turn(vec![answer(502, ""), Outcome::Refused, paused, answer(200, "")]);
    over(&scripted, &observed).send(request("GET")).await.expect("a response");
    let wait =
        |reason: &str, elapsed, until| ("cloud.test".to_owned(), reason.to_owned(), elapsed, until);
    let expected =
        [wait("502", 0, 1), wait("cannot connect: connection refused", 1, 3), wait("503", 3, 12)];
    assert_eq!(*waits.lock().expect("no panic"), expected);
}

#[tokio::test(start_paused = true)]
async fn an_error_says_how_often_it_was_tried_and_how_long() {
    let scripted = Scripted::by(|_| answer(503, ""));
    let error = drive(&scripted).layer(layer(policy())).stat("x").await.expect_err("down");
    assert!(error.to_string().contains("tried 5 times in 15.0 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_file_is_sent_whole_each_time() {
    use std::io::Write as _;
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"all of it").expect("written");
    let body = crate::drive::Body::File { file: Arc::new(file), len: 9 };
    let scripted = in_turn(vec![answer(500, ""), answer(200, "")]);
    let context = OperationContext::new().with_http_transport(over(&scripted, &layer(policy())));
    let call = ApiRequest::new(Operation::Write, Method::PUT, "http://h/x", "{x}").body(body);
    Client::new(&Context::from(&context)).send(call).await.expect("an answer");
    let bodies: Vec<_> = scripted.sent().into_iter().map(|sent| sent.body).collect();
    assert_eq!(bodies, [b"all of it", b"all of it"]);
}

/// A file whose bytes break off, again and again.
#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_goes_on_where_it_was() {
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
            // In the middle of what is left, while much is left.
            if from < 75 { part.broken_at(26) } else { part }
        }
    });
    let read = drive(&scripted).layer(layer(policy())).read("f").await.expect("all of it");
    assert_eq!(read.to_vec(), bytes);
}

/// A file whose bytes are fetched by a ticket, which tells no etag, after a look, which does.
#[tokio::test(start_paused = true)]
async fn what_goes_on_is_the_same_file_or_nothing() {
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
fn a_service_shows_what_it_is_through_the_layer() {
    let (_, service) = drive(&Scripted::by(|_| answer(500, ""))).into_parts();
    let wrapped = opendal::raw::Layer::apply_service(&layer(policy()), Arc::clone(&service));
    let told = |service: &_| format!("{:?}", Service::capability(service));
    assert_eq!(told(&wrapped), told(&service));
    assert_eq!(Service::info(&wrapped).scheme(), "onedrive");
}
