//! Many token sources share the token file of one account, whose tokens expire within seconds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use drivedal::{
    auth::{SignInProvider, StoredTokens, TokenFile, TokenSource, TokenStore},
    drive::Context,
    services::onedrive::{Address, Client, DriveRef},
    transport::Transport,
};
use drivedal_server::Server;
use jiff::Timestamp;
use opendal::{HttpTransporter, OperationContext};
use tokio::task::JoinSet;

/// Lifetime of an access token.
const LIFE: Duration = Duration::from_secs(2);

/// A source refreshes its token after this time: a tenth of its lifetime earlier.
const RENEWED_AFTER: Duration = Duration::from_millis(1800);

/// Number of sources. Each has its own state, like a process.
const SOURCES: usize = 50;

/// Returns the time of the test. `DRIVEDAL_SHARED_TOKENS_SECONDS` extends it.
fn duration() -> Duration {
    let seconds = std::env::var("DRIVEDAL_SHARED_TOKENS_SECONDS").ok();
    Duration::from_secs(seconds.map_or(7, |text| text.parse().expect("a number of seconds")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_sources_cause_one_refresh_for_each_expiry() {
    let server = Server::builder().ephemeral().token_life(LIFE).start().await.expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let file = TokenFile::new(folder.path().join("tokens.json"));
    let first = StoredTokens::from_refresh_token("drivedal-dev-refresh".into());
    file.lock().await.expect("locked").save(&first).await.expect("saved");
    let provider = SignInProvider::microsoft_at(server.url().as_str(), "common");
    let provider = provider.expect("a provider");
    let transport = HttpTransporter::new(Transport::default());
    let operation = OperationContext::new().with_http_transport(transport);

    let (begun, requests) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let until = begun + duration();
    let mut users = JoinSet::new();
    for _ in 0..SOURCES {
        let client = provider.token_client("app").expect("a client");
        let tokens = TokenSource::refreshing(client, None, None).with_token_file(file.clone());
        let endpoint = format!("{}v1.0", server.url());
        let graph = Client::new(&endpoint, tokens).expect("a client");
        let (cx, requests) = (Context::from(&operation), Arc::clone(&requests));
        users.spawn(async move {
            // Each source sends about ten requests a second.
            let mut pace = tokio::time::interval(Duration::from_millis(100));
            while Instant::now() < until {
                pace.tick().await;
                graph.item(&cx, &Address::root(DriveRef::Mine), None).await.expect("never refused");
                requests.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(user) = users.join_next().await {
        user.expect("no refused request");
    }

    let elapsed = begun.elapsed();
    let log = server.control().requests();
    let refreshes: Vec<Timestamp> = log
        .iter()
        .filter(|request| request.operation == "entra.token")
        .map(|request| request.time)
        .collect();
    let most = elapsed.as_millis() / RENEWED_AFTER.as_millis() + 1;
    let count = server.control().counters().count("entra.token");
    assert!(u128::from(count) <= most, "{count} refreshes in {elapsed:?}");
    assert!(count >= duration().as_secs() / 4, "{count} refreshes in {elapsed:?}");
    for pair in refreshes.windows(2) {
        let between = pair[1].duration_since(pair[0]).unsigned_abs();
        assert!(between >= RENEWED_AFTER, "{between:?} between two refreshes");
    }
    assert!(requests.load(Ordering::Relaxed) > SOURCES as u64);
    println!("{count} refreshes, {} requests in {elapsed:?}", requests.load(Ordering::Relaxed));
}
