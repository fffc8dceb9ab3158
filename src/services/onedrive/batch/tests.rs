//! Tests of gathering, over a scripted transport.

use std::sync::Arc;

use futures::future::join_all;
use http::{HeaderValue, Method, Request, StatusCode, header};
use opendal::{Buffer, HttpTransport, HttpTransporter};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::{
    failure::unreachable::Unreachable,
    transport::scripted::{Outcome, Scripted, Sent, answer},
};

const ENDPOINT: &str = "https://graph.example/v1.0";

/// Time between a request and its response.
const ROUND_TRIP: Duration = Duration::from_millis(30);

/// A transport whose responses arrive after [`ROUND_TRIP`].
struct Distant(Scripted);

impl HttpTransport for Distant {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        tokio::time::sleep(ROUND_TRIP).await;
        self.0.fetch(request).await
    }
}

/// Returns a request with this token.
fn request_by(token: &str, method: Method, url: &str, body: Option<Value>) -> Request<Buffer> {
    let mut request = Request::new(Buffer::new());
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().unwrap();
    let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, token);
    if let Some(body) = body {
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        *request.body_mut() = Buffer::from(serde_json::to_vec(&body).unwrap());
    }
    request
}

/// Returns `GET {ENDPOINT}/items/{number}`.
fn get(number: usize) -> Request<Buffer> {
    request_by("t", Method::GET, &format!("{ENDPOINT}/items/{number}?$select=id"), None)
}

/// Returns the response to a batch: each request gets the status and body of `inner` for its URL.
fn batch_answer(sent: &Sent, inner: impl Fn(&Value) -> Value) -> Outcome {
    let body: Value = serde_json::from_str(sent.text()).unwrap();
    let responses = body["requests"].as_array().unwrap().iter().rev().map(|request| {
        let mut response = inner(request);
        response["id"] = request["id"].clone();
        response
    });
    answer(200, json!({ "responses": responses.collect::<Vec<_>>() }).to_string())
}

/// Returns a response that repeats the URL of its request.
fn echo(request: &Value) -> Value {
    json!({"status": 200, "headers": {"Content-Type": "application/json"}, "body": {"url": request["url"]}})
}

/// A transport that serves batches and single requests by their URL.
fn echoing() -> Scripted {
    Scripted::by(|sent| match sent.url.ends_with("/$batch") {
        true => batch_answer(sent, echo),
        false => answer(200, json!({"url": &sent.url[ENDPOINT.len()..]}).to_string()),
    })
}

/// Sends requests at the same time. Returns the status and body of each, or its error.
async fn send_all(
    gatherer: &BatchGatherer,
    transport: &Scripted,
    requests: impl IntoIterator<Item = Request<Buffer>>,
) -> Vec<Result<(StatusCode, Value)>> {
    let transport = HttpTransporter::new(Distant(transport.clone()));
    join_all(requests.into_iter().map(|request| async {
        let response = gatherer.send(request, transport.clone()).await?;
        let (parts, mut body) = response.into_parts();
        let body = body.to_buffer().await?;
        Ok((parts.status, serde_json::from_reader(body).unwrap_or_default()))
    }))
    .await
}

/// Returns the requests that a transport has sent, without the host.
fn lines(transport: &Scripted) -> Vec<String> {
    transport.sent().iter().map(|sent| sent.line().replace(ENDPOINT, "")).collect()
}

fn gatherer() -> BatchGatherer {
    BatchGatherer::new(ENDPOINT.into(), Arc::default())
}

#[tokio::test(start_paused = true)]
async fn a_request_without_company_is_sent_alone_and_at_once() {
    let (gatherer, transport) = (gatherer(), echoing());
    let begun = Instant::now();
    for number in 0..3 {
        send_all(&gatherer, &transport, [get(number)]).await.remove(0).unwrap();
    }
    let expected: Vec<_> = (0..3).map(|n| format!("GET /items/{n}?$select=id")).collect();
    assert_eq!((lines(&transport), begun.elapsed()), (expected, 3 * ROUND_TRIP));
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_share_batches_and_get_their_own_responses() {
    let (gatherer, transport) = (gatherer(), echoing());
    let responses = send_all(&gatherer, &transport, (0..41).map(get)).await;
    for (number, response) in responses.into_iter().enumerate() {
        let (status, body) = response.unwrap();
        assert_eq!(status, 200);
        assert_eq!(body["url"], format!("/items/{number}?$select=id"));
    }
    assert_eq!(lines(&transport), ["GET /items/0?$select=id", "POST /$batch", "POST /$batch"]);
    let batch = &transport.sent()[1];
    assert_eq!(batch.header("authorization"), Some("Bearer t"));
    let first = &serde_json::from_str::<Value>(batch.text()).unwrap()["requests"][0];
    assert_eq!(*first, json!({"id": "0", "method": "GET", "url": "/items/1?$select=id"}));
}

#[tokio::test(start_paused = true)]
async fn after_concurrent_requests_the_first_one_waits_for_company() {
    let (gatherer, transport) = (gatherer(), echoing());
    send_all(&gatherer, &transport, (0..21).map(get)).await;
    send_all(&gatherer, &transport, (0..20).map(get)).await;
    assert_eq!(lines(&transport)[1..], ["POST /$batch", "POST /$batch"]);
    // A request that waits without company ends this.
    let begun = Instant::now();
    send_all(&gatherer, &transport, [get(7)]).await;
    let took = begun.elapsed();
    assert!(took <= ROUND_TRIP + MAX_WAIT + TIMER_RESOLUTION, "{took:?}");
    let begun = Instant::now();
    send_all(&gatherer, &transport, [get(8)]).await;
    assert_eq!(begun.elapsed(), ROUND_TRIP);
    assert_eq!(lines(&transport)[3..], ["GET /items/7?$select=id", "GET /items/8?$select=id"]);
}

#[tokio::test(start_paused = true)]
async fn bodies_headers_and_failures_are_those_of_each_request() {
    let transport = Scripted::by(|sent| match sent.url.ends_with("/$batch") {
        true => batch_answer(sent, |request| match request["method"].as_str().unwrap() {
            "POST" => {
                assert_eq!(request["headers"]["content-type"], "application/json");
                json!({"status": 201, "body": request["body"]})
            }
            "DELETE" => {
                assert_eq!(request["headers"]["if-match"], "\"e1\"");
                json!({"status": 204})
            }
            _ => json!({"status": 429, "headers": {"Retry-After": 7}, "body": {"error": {}}}),
        }),
        false => answer(200, "{}"),
    });
    let url = format!("{ENDPOINT}/items/x");
    let mut delete = request_by("t", Method::DELETE, &url, None);
    delete.headers_mut().insert(header::IF_MATCH, HeaderValue::from_static("\"e1\""));
    let create = request_by("t", Method::POST, &url, Some(json!({"name": "ä"})));
    let (gatherer, http) = (gatherer(), HttpTransporter::new(Distant(transport.clone())));
    let (_, created, deleted, throttled) = tokio::join!(
        gatherer.send(get(0), http.clone()),
        gatherer.send(create, http.clone()),
        gatherer.send(delete, http.clone()),
        gatherer.send(get(1), http.clone()),
    );
    let (parts, mut body) = created.unwrap().into_parts();
    assert_eq!(parts.status, 201);
    assert_eq!(
        body.to_buffer().await.unwrap().to_vec(),
        json!({"name": "ä"}).to_string().as_bytes()
    );
    assert_eq!(deleted.unwrap().status(), 204);
    let throttled = throttled.unwrap();
    assert_eq!(throttled.status(), 429);
    assert_eq!(throttled.headers()[header::RETRY_AFTER], "7");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_batches_gets_the_requests_one_by_one() {
    let transport = Scripted::by(|sent| match sent.url.ends_with("/$batch") {
        true => answer(404, "no such resource"),
        false => answer(200, json!({"url": &sent.url[ENDPOINT.len()..]}).to_string()),
    });
    let gatherer = gatherer();
    for _ in 0..2 {
        for (number, response) in
            send_all(&gatherer, &transport, (0..9).map(get)).await.into_iter().enumerate()
        {
            assert_eq!(response.unwrap().1["url"], format!("/items/{number}?$select=id"));
        }
    }
    let batches = lines(&transport).iter().filter(|line| line.ends_with("$batch")).count();
    assert_eq!((batches, transport.sent().len()), (1, 19));
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_whole_batch_is_that_of_each_request() {
    for status in [429, 503] {
        let transport = Scripted::by(move |sent| match sent.url.ends_with("/$batch") {
            true => answer(status, "{}").header("retry-after", "3"),
            false => answer(200, "{}"),
        });
        let gatherer = gatherer();
        let responses = send_all(&gatherer, &transport, (0..5).map(get)).await;
        let statuses: Vec<_> = responses.into_iter().map(|one| one.unwrap().0.as_u16()).collect();
        assert_eq!(statuses, [200, status, status, status, status]);
    }
    for (outcome, is_unreachable) in [(Outcome::Reset, false), (Outcome::Refused, true)] {
        let transport = Scripted::by(move |sent| match sent.url.ends_with("/$batch") {
            true => outcome.clone(),
            false => answer(200, "{}"),
        });
        let gatherer = gatherer();
        for response in send_all(&gatherer, &transport, (0..3).map(get)).await.drain(1..) {
            let error = response.unwrap_err();
            assert!(error.is_temporary(), "{error:?}");
            assert_eq!(Unreachable::reason(&error).is_some(), is_unreachable, "{error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_permission_is_sent_one_by_one() {
    let transport = Scripted::by(|sent| match sent.url.ends_with("/$batch") {
        true => answer(401, "{}"),
        false => answer(200, "{}"),
    });
    for response in send_all(&gatherer(), &transport, (0..3).map(get)).await {
        assert_eq!(response.unwrap().0, 200);
    }
}

/// Returns `DELETE {ENDPOINT}/items/{number}`.
fn delete(number: usize) -> Request<Buffer> {
    request_by("t", Method::DELETE, &format!("{ENDPOINT}/items/{number}"), None)
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_the_response_of_a_request_is_no_success_and_batches_end() {
    let lacking = json!({"responses": []}).to_string();
    let of_another_form = json!({"responses": [{"id": 1, "status": 204}]}).to_string();
    let too_large = " ".repeat(RESPONSE_LIMIT.bytes as usize + 1);
    for (status, body) in [
        (200, lacking),
        (200, of_another_form),
        (200, "<html>".to_owned()),
        (200, String::new()),
        (200, too_large),
        (202, String::new()),
        (204, String::new()),
        (302, String::new()),
    ] {
        let transport = Scripted::by(move |sent| match sent.url.ends_with("/$batch") {
            true => answer(status, body.clone()),
            false => answer(200, "{}"),
        });
        let gatherer = gatherer();
        let requests = [get(0), get(1), delete(2), get(3)];
        let mut responses = send_all(&gatherer, &transport, requests).await;
        let error = responses.remove(2).unwrap_err();
        assert!(error.is_temporary() && Unreachable::reason(&error).is_none(), "{error:?}");
        responses.into_iter().for_each(|one| assert_eq!(one.unwrap().0, 200, "repeated alone"));
        send_all(&gatherer, &transport, [delete(2), get(3)]).await;
        let batches = lines(&transport).iter().filter(|line| line.ends_with("$batch")).count();
        assert_eq!((batches, transport.sent().len()), (1, 6), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_of_another_form_does_not_lose_the_others() {
    let transport = Scripted::by(|sent| match sent.url.ends_with("/$batch") {
        true => batch_answer(sent, |request| match request["id"] == "1" {
            true => json!({"status": "gone"}),
            false => json!({"status": 204}),
        }),
        false => answer(200, "{}"),
    });
    let responses = send_all(&gatherer(), &transport, (0..4).map(delete)).await;
    let statuses = responses.into_iter().map(|one| one.map_or(0, |one| one.0.as_u16()));
    assert_eq!(statuses.collect::<Vec<_>>(), [200, 204, 0, 204]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_the_configured_headers() {
    let key = HeaderValue::from_static("k");
    let headers = HeaderMap::from_iter([(header::FROM, key.clone())]);
    let gatherer = BatchGatherer::new(ENDPOINT.into(), Arc::new(headers));
    let transport = echoing();
    let requests = (0..3).map(get).map(|mut request| {
        request.headers_mut().insert(header::FROM, key.clone());
        request
    });
    send_all(&gatherer, &transport, requests).await;
    let sent = transport.sent();
    assert_eq!(sent[1].header("from"), Some("k"));
    assert!(sent[1].text().contains(r#""headers":{"from":"k"}"#), "{}", sent[1].text());
}

#[test]
fn a_batch_whose_runtime_ended_does_not_hold_later_requests() {
    let (gatherer, transport) = (gatherer(), echoing());
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let http = HttpTransporter::new(Distant(transport.clone()));
    let first = runtime();
    first.block_on(async {
        for number in 0..3 {
            let (gatherer, http) = (gatherer.clone(), http.clone());
            tokio::spawn(async move { gatherer.send(get(number), http).await.map(drop) });
        }
        tokio::task::yield_now().await;
    });
    assert_eq!(gatherer.state().waiting.len(), 2);
    drop(first);
    runtime().block_on(async {
        for number in 3..5 {
            let one = send_all(&gatherer, &transport, [get(number)]).await.remove(0).unwrap();
            assert_eq!(one.1["url"], format!("/items/{number}?$select=id"));
        }
    });
}

#[tokio::test(start_paused = true)]
async fn other_tokens_hosts_and_bodies_do_not_share_a_batch() {
    let transport = echoing();
    let gatherer = gatherer();
    let other_host = request_by("t", Method::GET, "https://other.example/v1.0/x", None);
    let mut bytes = get(9);
    *bytes.body_mut() = Buffer::from("bytes");
    let large = json!({"text": "x".repeat(MAX_BODY)});
    let large = request_by("t", Method::POST, &format!("{ENDPOINT}/items/10"), Some(large));
    let of_other_user = |number| {
        let url = format!("{ENDPOINT}/items/{number}");
        request_by("u", Method::GET, &url, None)
    };
    let requests =
        [get(0), get(1), get(2), of_other_user(3), of_other_user(4), bytes, large, other_host];
    send_all(&gatherer, &transport, requests).await.into_iter().for_each(|one| drop(one.unwrap()));
    let sent = transport.sent();
    let batches: Vec<_> = sent
        .iter()
        .filter(|sent| sent.url.ends_with("/$batch"))
        .map(|sent| {
            (
                sent.header("authorization").unwrap().to_owned(),
                sent.text().matches("\"id\"").count(),
            )
        })
        .collect();
    assert_eq!(batches, [("Bearer t".to_owned(), 2), ("Bearer u".to_owned(), 2)]);
    assert_eq!(sent.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_is_left_out_and_the_others_are_sent() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let transport = Scripted::by(move |sent| match sent.url.ends_with("/$batch") {
        true => batch_answer(sent, echo),
        false => answer(200, "{}").later(&held),
    });
    let (gatherer, http) = (gatherer(), HttpTransporter::new(Distant(transport.clone())));
    let first = tokio::spawn({
        let (gatherer, http) = (gatherer.clone(), http.clone());
        async move { gatherer.send(get(0), http).await.map(|response| response.status()) }
    });
    tokio::task::yield_now().await;
    {
        let cancelled = gatherer.send(get(1), http.clone());
        assert!(futures::poll!(Box::pin(cancelled)).is_pending());
    }
    let responses = send_all(&gatherer, &transport, [get(2), get(3)]).await;
    assert_eq!(responses[1].as_ref().unwrap().1["url"], "/items/3?$select=id");
    gate.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap(), 200);
    let batch = transport.sent().into_iter().find(|sent| sent.url.ends_with("/$batch")).unwrap();
    assert!(!batch.text().contains("/items/1"), "{}", batch.text());
    assert_eq!(gatherer.state().in_flight, 0);
}
