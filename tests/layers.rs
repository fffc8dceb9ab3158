//! The layers over real HTTP, against the drive server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use drivedal::{
    layers::{
        Policy, RetryLayer,
        retry::{Backoff, Event},
    },
    server::{Fault, Server, When},
};
use futures::{StreamExt, TryStreamExt, stream};
use opendal::Operator;

const FILES: usize = 500;

fn operator(server: &Server, scheme: &str) -> Operator {
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

/// A policy for a server that is near, and fails a fifth of the time.
fn quick() -> Policy {
    let backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_millis(400) };
    let unnamed_pause = Some(Duration::from_millis(50));
    Policy { attempts: 10, backoff, unnamed_pause, ..Policy::default() }
}

/// A fifth of all requests goes wrong, in every way in which requests do. Each rule sees only what
/// the ones before have left, so the shares are near 4 % each.
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
        let retry = RetryLayer::new(quick()).observed_by({
            let paused = Arc::clone(&paused);
            move |event: &Event<'_>| {
                if let Event::Paused { pause, .. } = event {
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
        // What was on its way when the answer came cannot be called back.
        let from = from + jiff::SignedDuration::from_millis(50);
        let during = server.control().requests();
        let during = during.iter().filter(|one| one.time > from && one.time < until).count();
        assert_eq!(during, 0, "{scheme}");
        server.stop().await;
    }
}
