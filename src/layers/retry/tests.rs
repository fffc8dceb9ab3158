//! Tests of the retry layer over scripted transports, with a paused clock.

mod operations;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Request;
use opendal::{Buffer, HttpTransporter, OperationContext, Operator};
use tokio::time::Instant;

use super::{Backoff, Policy, RetryBudget, RetryEvent, RetryLayer};
use crate::{
    rate_limit::{AccountLimiter, Exhausted, Repeat, RequestMeta},
    transport::scripted::{Outcome, Scripted, answer},
};

const URL: &str = "https://cloud.test/item?secret=hunter2";

fn policy() -> Policy {
    Policy {
        backoff: Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(8) },
        budget: None,
        ..Policy::default()
    }
}

/// Layer without randomness: each delay is the maximum.
fn layer(policy: Policy) -> RetryLayer {
    RetryLayer::new(policy).with_rng(|| 1.0)
}

/// Returns the scripted transport with the layer applied.
fn over(scripted: &Scripted, layer: &RetryLayer) -> HttpTransporter {
    let inner = OperationContext::new().with_http_transport(HttpTransporter::new(scripted.clone()));
    let service = Operator::new(opendal::services::Memory::default()).expect("memory");
    let (_, service) = service.into_parts();
    opendal::raw::Layer::apply_context(layer, service, inner).http_transport().clone()
}

fn request(method: &str) -> Request<Buffer> {
    Request::builder().method(method).uri(URL).body(Buffer::new()).expect("a request")
}

/// Transport that returns these outcomes in sequence, and then the last one for ever.
fn in_sequence(outcomes: Vec<Outcome>) -> Scripted {
    let next = AtomicUsize::new(0);
    Scripted::by(move |_| {
        let at = next.fetch_add(1, Ordering::Relaxed).min(outcomes.len() - 1);
        outcomes[at].clone()
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_is_retried_with_doubled_delays() {
    let scripted = in_sequence(vec![answer(503, ""), Outcome::Reset, answer(200, "yes")]);
    let begun = Instant::now();
    let transport = over(&scripted, &layer(policy()));
    let reply = transport.send(request("GET")).await.expect("an answer");
    assert_eq!((reply.status().as_u16(), reply.body().to_vec()), (200, b"yes".to_vec()));
    assert_eq!((scripted.sent().len(), begun.elapsed().as_secs()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_request_is_marked_and_keeps_its_body() {
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
async fn a_post_is_retried_only_if_it_had_no_effect() {
    for (outcome, sent) in [
        (answer(500, ""), 1),
        (answer(503, ""), 1),
        (Outcome::Reset, 1),
        (answer(429, ""), 2),
        (answer(420, ""), 2),
        (answer(503, "").header("retry-after", "1"), 2),
    ] {
        let scripted = in_sequence(vec![outcome, answer(200, "")]);
        let _ = over(&scripted, &layer(policy())).send(request("POST")).await;
        assert_eq!(scripted.sent().len(), sent);
    }
    for (repeat, sent) in [(Repeat::Always, 2), (Repeat::IfRefused, 1), (Repeat::Never, 1)] {
        let scripted = in_sequence(vec![answer(500, ""), answer(200, "")]);
        let mut marked = request("POST");
        marked
            .extensions_mut()
            .insert(RequestMeta { repeat: Some(repeat), ..RequestMeta::default() });
        let _ = over(&scripted, &layer(policy())).send(marked).await;
        assert_eq!(scripted.sent().len(), sent, "{repeat:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_for_all_requests_of_the_account() {
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
    let send_to = |url: &str, limiter: Option<&AccountLimiter>, bypass_limiter| {
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
    let first = tokio::spawn(send_to("http://a/1", Some(&limiter), false));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (same, token, other) = tokio::join!(
        send_to("http://b/same-account", Some(&limiter), false),
        send_to("http://a/token", Some(&limiter), true),
        send_to("http://a/other-account", None, false),
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
async fn requests_without_a_limiter_share_one_per_host() {
    let scripted = in_sequence(vec![answer(429, "Wait 9 seconds"), answer(200, "")]);
    let layer = layer(policy());
    // Both transports belong to one layer, so they share the state of the account.
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
async fn a_pause_above_the_maximum_is_an_error() {
    let scripted = Scripted::by(|_| answer(429, "").header("retry-after", "120"));
    let transport = over(&scripted, &layer(policy()));
    let begun = Instant::now();
    let reply = transport.send(request("GET")).await.expect("an answer");
    let exhausted = reply.extensions().get::<Exhausted>().expect("marked");
    assert_eq!(exhausted.pause, Some(Duration::from_secs(120)));
    // The next request is not sent.
    let error = transport.send(request("GET")).await.expect_err("paused");
    assert_eq!(error.kind(), opendal::ErrorKind::RateLimited);
    assert!(error.is_persistent() && error.to_string().contains("120 s"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert_eq!((scripted.sent().len(), begun.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_budget_limits_retries_while_a_cloud_is_down() {
    let scripted = Scripted::by(|_| answer(502, ""));
    let budget = Some(RetryBudget { reserve: 6.0, earned_per_success: 0.5 });
    let transport = over(&scripted, &layer(Policy { budget, ..policy() }));
    for _ in 0..20 {
        let reply = transport.send(request("GET")).await.expect("an answer");
        assert!(reply.extensions().get::<Exhausted>().is_some());
    }
    assert_eq!(scripted.sent().len(), 20 + 6);
}

#[tokio::test(start_paused = true)]
async fn events_are_complete_and_contain_no_secret() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let scripted = in_sequence(vec![answer(429, "").header("retry-after", "2"), Outcome::Reset]);
    let layer = layer(policy()).with_observer({
        let events = Arc::clone(&events);
        move |event: &RetryEvent<'_>| events.lock().expect("no panic").push(format!("{event:?}"))
    });
    let _ = over(&scripted, &layer).send(request("GET")).await;
    let events = events.lock().expect("no panic");
    let count = |what| events.iter().filter(|event| event.starts_with(what)).count();
    assert_eq!((count("Paused"), count("Retrying"), count("GaveUp")), (1, 4, 1));
    assert!(!events.concat().contains("hunter2") && events.concat().contains("GET cloud.test"));
}
