//! The layers over real HTTP, against the drive server.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use drivedal::layers::{
    HttpStats, LoggingLayer, Policy, RetryLayer,
    retry::{Backoff, RetryEvent},
};
use drivedal_server::{Budget, Fault, Server, When};
use futures::{StreamExt, TryStreamExt, stream};
use http::{Request, Response};
use opendal::{Buffer, HttpBody, HttpTransport, HttpTransporter, OperationContext, Operator};

const FILES: usize = 500;

pub fn operator(server: &Server, scheme: &str) -> Operator {
    drivedal::register();
    let url = server.url();
    let endpoint = match scheme {
        "onedrive" => format!("{url}v1.0"),
        "skydrive" => format!("{url}v5.0/"),
        _ => format!("{url}drive/v1/"),
    };
    let options = [("endpoint", endpoint), ("access_token", "drivedal-dev".to_owned())];
    let options = options.map(|(key, value)| (key.to_owned(), value));
    Operator::via_iter(scheme, options).expect("a drive")
}

/// Policy for a server that is near and fails a fifth of the requests.
fn quick() -> Policy {
    let backoff = Backoff { initial: Duration::from_millis(50), max: Duration::from_millis(400) };
    let default_pause = Some(Duration::from_millis(50));
    Policy { max_attempts: 10, backoff, default_pause, ..Policy::default() }
}

/// A fifth of all requests fails, in different ways. A rule applies to the requests that the
/// earlier rules have left, so that each share is near 4 %.
fn faults() -> [Fault; 5] {
    [
        Fault::on("*").share(0.04).status(429).header("retry-after", "0.2"),
        Fault::on("*").share(0.04).status(429),
        Fault::on("*").share(0.04).status(503),
        Fault::on("*").share(0.04).reset(When::Before),
        Fault::on("*").share(0.04).truncate(10),
    ]
}

fn bytes_of(number: usize) -> Vec<u8> {
    (0..200 + number).map(|at| (at * 7 + number) as u8).collect()
}

async fn five_hundred_files(scheme: &str, layered: impl FnOnce(Operator) -> Operator) {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    let operator = layered(operator(&server, scheme));
    server.control().add_faults_with_seed(faults(), 7).expect("good rules");
    let path = |number: usize| format!("folder {}/{number}", number % 5);
    stream::iter(0..FILES)
        .map(|number| {
            let operator = &operator;
            async move { operator.write(&path(number), bytes_of(number)).await }
        })
        .buffer_unordered(16)
        .try_for_each(async |_| Ok(()))
        .await
        .expect("every file is put");
    let got: Vec<_> = stream::iter(0..FILES)
        .map(|number| {
            let operator = &operator;
            async move { operator.read(&path(number)).await.map(|bytes| (number, bytes.to_vec())) }
        })
        .buffer_unordered(16)
        .try_collect()
        .await
        .expect("every file is got");
    assert_eq!(got.len(), FILES);
    assert!(got.iter().all(|(number, bytes)| *bytes == bytes_of(*number)));
    let struck: Vec<_> = server.control().faults().iter().map(|rule| rule.struck).collect();
    assert!(struck.iter().all(|times| *times > 10), "{struck:?}");
    let total = server.control().counters().total;
    println!("{scheme}: {total} requests, struck {struck:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_files_are_put_and_got_while_a_fifth_of_the_requests_fails() {
    for scheme in ["onedrive", "skydrive", "amazon-drive"] {
        five_hundred_files(scheme, |operator| operator.layer(RetryLayer::new(quick()))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_arrives_while_the_account_pauses() {
    for scheme in ["onedrive", "skydrive", "amazon-drive"] {
        let server = Server::builder().ephemeral().start().await.expect("a server");
        let paused = Arc::new(Mutex::new(Vec::new()));
        let retry = RetryLayer::new(quick()).with_observer({
            let paused = Arc::clone(&paused);
            move |event: &RetryEvent<'_>| {
                if let RetryEvent::Paused { pause, .. } = event {
                    let from = jiff::Timestamp::now();
                    let until = from + jiff::SignedDuration::try_from(*pause).expect("short");
                    paused.lock().expect("no panic").push((from, until));
                }
            }
        });
        let operator = operator(&server, scheme).layer(retry);
        operator.create_dir("a/").await.expect("made");
        let refusal = Fault::on("*").skip(20).times(1).status(429).header("retry-after", "2");
        server.control().add_faults([refusal]).expect("a good rule");
        stream::iter(0..60)
            .for_each_concurrent(8, async |number| {
                let written = operator.write(&format!("a/{number}"), vec![1; 100]).await;
                written.expect("written");
            })
            .await;
        let paused = paused.lock().expect("no panic").clone();
        assert_eq!(paused.len(), 1, "{scheme}");
        let (from, until) = paused[0];
        // A request may already be in transit when the response arrives.
        let from = from + jiff::SignedDuration::from_millis(50);
        let during = server.control().requests();
        let during = during.iter().filter(|one| one.time > from && one.time < until).count();
        assert_eq!(during, 0, "{scheme}");
        server.stop().await;
    }
}

/// Returns the number of files and the limit. To run it manually with more files:
/// `DRIVEDAL_LIMIT_FILES=10000 cargo test --test services limit -- --nocapture`.
fn limited() -> (usize, Budget) {
    match std::env::var("DRIVEDAL_LIMIT_FILES") {
        // Graph's documented numbers, at ten times the speed.
        Ok(files) => (files.parse().expect("a number"), Budget::new(1250, Duration::from_secs(6))),
        Err(_) => (750, Budget::new(300, Duration::from_secs(2))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_graph_announces_is_hardly_ever_exceeded() {
    let (files, budget) = limited();
    let server = Server::builder().budget(budget).start().await.expect("a server");
    let stats = HttpStats::default();
    let logging = LoggingLayer::new().with_stats(&stats);
    let retry = RetryLayer::new(Policy::graph());
    let operator = operator(&server, "onedrive").layer(logging).layer(retry);
    let begun = Instant::now();
    // Time for the requests of one window without a limit.
    let (mut done, mut unhindered) = (0, 0.0);
    stream::iter(0..files)
        .map(|number| {
            let operator = &operator;
            async move { operator.write(&format!("{}/{number}", number % 7), vec![1; 100]).await }
        })
        .buffer_unordered(16)
        .for_each(|put| {
            put.expect("every file is put");
            done += 1;
            if done == budget.units / 2 {
                unhindered = begun.elapsed().as_secs_f64();
            }
            std::future::ready(())
        })
        .await;
    let took = begun.elapsed().as_secs_f64();
    let total = stats.total();
    // A change costs two units. The requests of the last window are as fast as those of the first.
    let units = 2.0 * (total.requests - total.throttled) as f64;
    let windows = (units / f64::from(budget.units)).ceil();
    let theory = (windows - 1.0) * budget.window as f64 / 1000.0 + unhindered;
    let whole = f64::from(budget.units) * (took / (budget.window as f64 / 1000.0)).ceil();
    println!(
        "{files} files in {took:.2} s, {:.2} times the theoretical {theory:.1} s; {} requests, \
         {} refused; {:.1} % of the budget",
        took / theory,
        total.requests,
        total.throttled,
        100.0 * units / whole,
    );
    assert!(total.throttled * 100 < total.requests, "{total:?}");
    server.stop().await;
}

/// Transport whose errors contain the URL in every form, as in other crates.
struct Talkative;

const SECRET: &str = "https://files.test/hunter2?tempauth=hunter2";

impl HttpTransport for Talkative {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        if request.uri().path().contains("reset") {
            return Err(opendal::Error::new(opendal::ErrorKind::Unexpected, "send http request")
                .with_context("url", SECRET)
                .set_source(std::io::Error::other(SECRET))
                .set_temporary());
        }
        let mut answer = Response::new(HttpBody::new(stream::empty(), Some(0)));
        *answer.status_mut() = http::StatusCode::FORBIDDEN;
        answer.extensions_mut().insert(SECRET.parse::<http::Uri>().expect("a URI"));
        Ok(answer)
    }
}

#[tokio::test]
async fn the_errors_of_other_services_lose_their_addresses() {
    let context = OperationContext::new().with_http_transport(HttpTransporter::new(Talkative));
    let theirs = opendal::services::Onedrive::default().access_token("hunter2");
    let theirs = Operator::new(theirs).expect("a drive").with_context(context);
    let logged = theirs.clone().layer(LoggingLayer::new());
    for path in ["refused", "reset"] {
        let told = |error: opendal::Error| format!("{error}\n{error:?}\n{error:#?}");
        let theirs = told(theirs.stat(path).await.expect_err("it fails"));
        assert!(theirs.contains("hunter2"), "the layer has nothing to do: {theirs}");
        let ours = told(logged.stat(path).await.expect_err("it fails"));
        assert!(!ours.contains("hunter2"), "{ours}");
    }
}
