use std::{path::Path, time::Duration};

use tokio::sync::Semaphore;

use super::*;
use crate::{
    auth::{CallbackTokenStore, EnvironmentTokenStore},
    drive::Retry,
    transport::scripted::{Outcome, Scripted, Sent, answer},
};

const URL: &str = "https://login.live.com/oauth20_token.srf";

fn endpoint() -> TokenClient {
    TokenClient::new(URL, "app").unwrap()
}

fn refreshed(refresh: &str) -> TokenSource {
    TokenSource::refreshing(endpoint(), Some(refresh.into()), None)
}

fn granted(access: &str, refresh: &str, lifetime: u64) -> Outcome {
    answer(
        200,
        format!(
            r#"{{"token_type":"bearer","expires_in":{lifetime},"scope":"wl.skydrive",
                "access_token":"{access}","refresh_token":"{refresh}","user_id":"u"}}"#
        ),
    )
}

/// A token endpoint that numbers its tokens, and accepts each refresh token once.
fn rotating() -> Scripted {
    let mut turn = 0;
    Scripted::by(move |sent| {
        if !sent.text().contains(&format!("refresh_token=refresh-{turn}&")) {
            return answer(400, r#"{"error":"invalid_grant","error_description":"Used."}"#);
        }
        turn += 1;
        granted(&format!("access-{turn}"), &format!("refresh-{turn}"), 3600)
    })
}

fn form(sent: &Sent) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = url::form_urlencoded::parse(&sent.body).into_owned().collect();
    pairs.sort();
    pairs
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[tokio::test]
async fn a_refresh_sends_what_live_wants() {
    let transport = Scripted::expecting([
        (&*format!("POST {URL}"), granted("a", "r", 3600)),
        (&*format!("POST {URL}"), granted("a", "r", 3600)),
    ]);
    let cx = transport.context();
    let redirect = "https://login.live.com/oauth20_desktop.srf";
    let mobile = endpoint().parameter("redirect_uri", redirect);
    TokenSource::refreshing(mobile, Some("C&1".into()), None).token(&cx).await.unwrap();
    let web = endpoint().client_secret("hush").scope("wl.skydrive").scope("wl.offline_access");
    TokenSource::refreshing(web, Some("C2".into()), None).token(&cx).await.unwrap();

    let sent = transport.sent();
    assert_eq!(sent[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(sent[0].header("authorization"), None);
    assert_eq!(
        form(&sent[0]),
        pairs([
            ("client_id", "app"),
            ("grant_type", "refresh_token"),
            ("redirect_uri", redirect),
            ("refresh_token", "C&1"),
        ])
    );
    assert_eq!(
        form(&sent[1]),
        pairs([
            ("client_id", "app"),
            ("client_secret", "hush"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "C2"),
            ("scope", "wl.skydrive wl.offline_access"),
        ])
    );
}

#[tokio::test]
async fn a_code_is_exchanged_for_the_first_tokens() {
    let transport = Scripted::expecting([(&*format!("POST {URL}"), granted("a", "r", 60))]);
    let tokens = endpoint()
        .parameter("redirect_uri", "https://other/")
        .exchange_code(&transport.context(), &"code".into(), "https://me/back", Some(&"v".into()))
        .await
        .unwrap();
    assert_eq!(tokens.access.expose(), "a");
    assert_eq!(tokens.refresh.unwrap().expose(), "r");
    assert_eq!(tokens.lifetime, Some(Duration::from_secs(60)));
    assert_eq!(tokens.scopes, ["wl.skydrive"]);
    assert_eq!(
        form(&transport.sent()[0]),
        pairs([
            ("client_id", "app"),
            ("code", "code"),
            ("code_verifier", "v"),
            ("grant_type", "authorization_code"),
            ("redirect_uri", "https://me/back"),
        ])
    );
}

#[tokio::test]
async fn an_application_gets_tokens_for_itself() {
    let transport = Scripted::by(|_| {
        answer(200, r#"{"token_type":"Bearer","expires_in":3599,"access_token":"app-token"}"#)
    });
    let cx = transport.context();
    let source =
        TokenSource::for_application(endpoint().client_secret("hush").scope("https://g/.default"));
    assert_eq!(source.token(&cx).await.unwrap().expose(), "app-token");
    source.token(&cx).await.unwrap();
    assert_eq!(transport.sent().len(), 1);
    assert_eq!(
        form(&transport.sent()[0]),
        pairs([
            ("client_id", "app"),
            ("client_secret", "hush"),
            ("grant_type", "client_credentials"),
            ("scope", "https://g/.default"),
        ])
    );
}

#[tokio::test]
async fn thirty_two_callers_at_once_cost_one_refresh() {
    let gate = Arc::new(Semaphore::new(0));
    let transport = {
        let gate = Arc::clone(&gate);
        Scripted::by(move |_| granted("access", "next", 3600).later(&gate))
    };
    let (cx, source) = (transport.context(), refreshed("first"));
    let callers: Vec<_> = (0..32)
        .map(|_| {
            let (cx, source) = (cx.clone(), source.clone());
            tokio::spawn(async move { source.token(&cx).await })
        })
        .collect();
    while transport.sent().is_empty() {
        tokio::task::yield_now().await;
    }
    gate.add_permits(32);
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().expose(), "access");
    }
    assert_eq!(transport.sent().len(), 1);
}

#[tokio::test]
async fn a_failed_refresh_is_the_error_of_all_its_callers_and_the_next_call_tries_again() {
    let transport = rotating();
    let (cx, source) = (transport.context(), refreshed("refresh-9"));
    let (one, other) = tokio::join!(source.token(&cx), source.token(&cx));
    for error in [one.unwrap_err(), other.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let expected = "POST login.live.com token: 400 invalid_grant: Used. (sign in again: ";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    assert_eq!(transport.sent().len(), 1);
    source.token(&cx).await.unwrap_err();
    assert_eq!(transport.sent().len(), 2);
}

#[tokio::test]
async fn a_refresh_continues_when_its_caller_is_dropped() {
    let gate = Arc::new(Semaphore::new(0));
    let transport = {
        let gate = Arc::clone(&gate);
        Scripted::by(move |_| granted("access", "next", 3600).later(&gate))
    };
    let (cx, source) = (transport.context(), refreshed("first"));
    let waiting = tokio::time::timeout(Duration::from_millis(20), source.token(&cx)).await;
    assert!(waiting.is_err(), "it waits for the gate");
    gate.add_permits(1);
    assert_eq!(source.token(&cx).await.unwrap().expose(), "access");
    assert_eq!(transport.sent().len(), 1);
    assert_eq!(source.0.account.state().refresh.as_ref().unwrap().expose(), "next");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_the_rotated_refresh_token_is_used() {
    let mut turn = 0;
    let transport = Scripted::by(move |sent| {
        assert!(sent.text().contains(&format!("refresh_token=refresh-{turn}&")));
        turn += 1;
        // The lifetime of the first token is over on arrival.
        granted(&format!("access-{turn}"), &format!("refresh-{turn}"), [0, 3600][turn - 1])
    });
    let (cx, source) = (transport.context(), refreshed("refresh-0"));
    assert_eq!(source.token(&cx).await.unwrap().expose(), "access-1");
    assert_eq!(source.token(&cx).await.unwrap().expose(), "access-2");
    assert_eq!(source.token(&cx).await.unwrap().expose(), "access-2");
    assert_eq!(transport.sent().len(), 2);
}

#[test]
fn the_margin_is_a_tenth_of_a_tokens_life_and_two_minutes_at_most() {
    let now = Timestamp::UNIX_EPOCH;
    let renew_at = |lifetime: u64| {
        let lifetime = Some(Duration::from_secs(lifetime));
        let tokens = Tokens { access: "a".into(), refresh: None, lifetime, scopes: vec![] };
        tokens.renew_at(now).unwrap().as_second()
    };
    assert_eq!((renew_at(3600), renew_at(100)), (3480, 90));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_however_many_were_refused_with_it() {
    let transport = rotating();
    let (cx, source) = (transport.context(), refreshed("refresh-0"));
    let stale = source.token(&cx).await.unwrap();
    let (one, other) = tokio::join!(source.renew(&cx, &stale), source.renew(&cx, &stale));
    assert_eq!((one.unwrap().expose(), other.unwrap().expose()), ("access-2", "access-2"));
    assert_eq!(source.renew(&cx, &stale).await.unwrap().expose(), "access-2");
    assert_eq!(transport.sent().len(), 2);
}

#[tokio::test]
async fn a_given_token_is_given_and_never_renewed() {
    let transport = Scripted::expecting([]);
    let (cx, source) = (transport.context(), TokenSource::fixed("given".into()));
    let token = source.token(&cx).await.unwrap();
    assert_eq!(token.expose(), "given");
    assert_eq!(source.renew(&cx, &token).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(source.token(&cx).await.unwrap(), token);
    assert!(!source.is_renewable() && transport.sent().is_empty());
}

#[tokio::test]
async fn a_rotated_token_is_in_the_file_and_the_next_process_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = TokenFile::new(folder.path().join("tokens.json"));
    let transport = rotating();
    let cx = transport.context();
    let first = refreshed("refresh-0").with_token_file(file.clone());
    let token = first.token(&cx).await.unwrap();
    assert_eq!(file.read().unwrap().unwrap().refresh_token.unwrap().expose(), "refresh-1");

    // Another process with the same configuration, whose refresh token is used up.
    let second = refreshed("refresh-0").with_token_file(file.clone());
    assert_eq!(second.token(&cx).await.unwrap(), token, "without a request");
    assert_eq!(second.renew(&cx, &token).await.unwrap().expose(), "access-2");
    // The first process reads the tokens of the second.
    assert_eq!(first.renew(&cx, &token).await.unwrap().expose(), "access-2");
    assert_eq!(transport.sent().len(), 2);

    // A process without a configured refresh token uses the file's.
    let third = TokenSource::refreshing(endpoint(), None, None).with_token_file(file.clone());
    assert_eq!(third.token(&cx).await.unwrap().expose(), "access-2");
}

#[tokio::test]
async fn two_processes_that_renew_at_once_cost_one_refresh() {
    let folder = tempfile::tempdir().unwrap();
    let file = TokenFile::new(folder.path().join("tokens.json"));
    let transport = rotating();
    let cx = transport.context();
    let sources: Vec<_> =
        (0..4).map(|_| refreshed("refresh-0").with_token_file(file.clone())).collect();
    let tokens = futures::future::join_all(sources.iter().map(|source| source.token(&cx))).await;
    for token in tokens {
        assert_eq!(token.unwrap().expose(), "access-1");
    }
    assert_eq!(transport.sent().len(), 1);
}

#[tokio::test]
async fn a_new_refresh_token_in_the_configuration_is_not_shadowed_by_an_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = TokenFile::new(folder.path().join("tokens.json"));
    file.write(&StoredTokens {
        refresh_token: Some("somebody-elses".into()),
        access_token: Some("somebody-elses".into()),
        configured: Some("old".into()),
        ..StoredTokens::default()
    })
    .unwrap();
    let transport = rotating();
    let source = refreshed("refresh-0").with_token_file(file.clone());
    assert_eq!(source.token(&transport.context()).await.unwrap().expose(), "access-1");
    let kept = file.read().unwrap().unwrap();
    assert_eq!(kept.refresh_token.unwrap().expose(), "refresh-1");
    assert_eq!(kept.configured.unwrap().expose(), "refresh-0");
}

/// Has each write of a file fail: a folder is where it is to be.
fn in_the_way(path: &Path) {
    let _ = std::fs::remove_file(path);
    std::fs::create_dir(path).unwrap();
}

#[tokio::test]
async fn tokens_that_cannot_be_written_are_an_error_once_and_stay_usable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    let (mut turn, there) = (0, path.clone());
    let transport = Scripted::by(move |sent| {
        assert!(sent.text().contains(&format!("refresh_token=refresh-{turn}&")), "{turn}");
        turn += 1;
        // From the first on, which was written, until the fourth.
        if matches!(turn, 2 | 3) {
            in_the_way(&there);
        }
        granted(&format!("access-{turn}"), &format!("refresh-{turn}"), 3600)
    });
    let cx = transport.context();
    let file = TokenFile::new(&path);
    let source = refreshed("refresh-0").with_token_file(file.clone());
    let mut token = source.token(&cx).await.unwrap();
    let before = std::fs::read(&path).unwrap();
    for turn in [2, 3] {
        let error = source.renew(&cx, &token).await.unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        // A full disk leaves the old file.
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, &before).unwrap();
        token = source.token(&cx).await.unwrap();
        assert_eq!(token.expose(), format!("access-{turn}"));
    }
    source.renew(&cx, &token).await.unwrap();
    assert_eq!(file.read().unwrap().unwrap().refresh_token.unwrap().expose(), "refresh-4");
    assert_eq!(transport.sent().len(), 4);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the file and its lock");
}

#[tokio::test]
async fn what_another_process_has_written_meanwhile_is_newer_than_what_could_not_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    let there = path.clone();
    let mut turn = 0;
    let transport = Scripted::by(move |_| {
        turn += 1;
        in_the_way(&there);
        granted(&format!("access-{turn}"), &format!("refresh-{turn}"), 3600)
    });
    let cx = transport.context();
    let file = TokenFile::new(&path);
    let source = refreshed("refresh-0").with_token_file(file.clone());
    source.token(&cx).await.unwrap_err();
    let token = source.token(&cx).await.unwrap();
    std::fs::remove_dir(&path).unwrap();
    let theirs = StoredTokens {
        refresh_token: Some("theirs".into()),
        access_token: Some("their-access".into()),
        configured: Some("refresh-0".into()),
        ..StoredTokens::default()
    };
    file.write(&theirs).unwrap();
    assert_eq!(source.renew(&cx, &token).await.unwrap().expose(), "their-access");
    assert_eq!(transport.sent().len(), 1);
}

#[tokio::test]
async fn without_room_for_new_tokens_none_are_requested() {
    let transport = Scripted::expecting([]);
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("gone");
    std::fs::create_dir(&below).unwrap();
    let source = refreshed("refresh-0").with_token_file(TokenFile::new(below.join("tokens.json")));
    std::fs::remove_dir(&below).unwrap();
    let error = source.token(&transport.context()).await.unwrap_err();
    assert!(error.to_string().contains("tokens.json"), "{error}");
    assert_eq!(source.0.account.state().refresh.as_ref().unwrap().expose(), "refresh-0");
}

#[tokio::test]
async fn an_endpoint_that_is_busy_is_a_passing_error_and_one_that_refuses_is_not() {
    let refused = async |outcome: Outcome| {
        let transport = Scripted::by(move |_| outcome.clone());
        refreshed("r").token(&transport.context()).await.unwrap_err()
    };
    let busy = refused(answer(503, "<html>").header("retry-after", "7")).await;
    assert_eq!(busy.retry(), Retry::Again { after: Some(Duration::from_secs(7)) });
    let passing = refused(answer(400, r#"{"error":"temporarily_unavailable"}"#)).await;
    assert!(passing.is_temporary());
    let client =
        refused(answer(401, r#"{"error":"invalid_client","error_description":null}"#)).await;
    assert_eq!(
        (client.kind(), client.code()),
        (ErrorKind::PermissionDenied, Some("invalid_client"))
    );
    assert!(!client.is_temporary());
    let wrong = refused(answer(400, r#"{"error":"invalid_request"}"#)).await;
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    assert!(refused(Outcome::Reset).await.is_temporary());
}

#[tokio::test]
async fn no_error_of_a_refresh_contains_a_secret() {
    let outcomes = [
        Outcome::Reset,
        granted("SECRET-access", "SECRET-refresh", 3600).broken_at(60),
        answer(200, r#"{"access_token":["SECRET-access"],"token_type":"bearer"}"#),
        answer(200, r#"{"access_token":"SECRET-access","token_type":7,"expires_in":"SECRET"}"#),
        answer(200, r#"{"error":"invalid_grant","error_description":"SECRET-refresh is bad"}"#),
        answer(400, r#"{"error":"invalid_grant","error_description":"'SECRET-refresh' is bad"}"#),
        answer(400, r#"{"error":"invalid_client","error_description":"not SECRET-client"}"#),
        answer(200, ""),
        answer(302, "SECRET-access"),
        answer(500, "SECRET-access"),
    ];
    for outcome in outcomes {
        let transport = Scripted::by(move |_| outcome.clone());
        let endpoint = endpoint().client_secret("SECRET-client");
        let source = TokenSource::refreshing(endpoint, Some("SECRET-refresh".into()), None);
        let error = source.token(&transport.context()).await.unwrap_err();
        let said = format!("{error} {error:?} {error:#?} {source:?}");
        assert!(!said.contains("SECRET"), "{said}");
    }
}

#[tokio::test]
async fn a_lifetime_may_be_a_text_or_have_a_fraction_and_nonsense_is_an_error() {
    let lifetime = async |text: &str| {
        let body = format!(r#"{{"token_type":"bearer","access_token":"a","expires_in":{text}}}"#);
        let transport = Scripted::by(move |_| answer(200, body.clone()));
        endpoint().refresh(&transport.context(), &"r".into()).await.map(|tokens| tokens.lifetime)
    };
    for (text, seconds) in [
        ("3599", Some(3599)),
        (r#""3599""#, Some(3599)),
        (r#"" 3599 ""#, Some(3599)),
        ("3599.7", Some(3599)),
        (r#""3599.7""#, Some(3599)),
        ("1e300", Some(10 * 365 * 24 * 3600)),
        ("null", None),
    ] {
        let expected = seconds.map(Duration::from_secs);
        assert_eq!(lifetime(text).await.expect(text), expected, "{text}");
    }
    for nonsense in [r#""soon""#, r#""""#, r#""NaN""#, "-1", r#""-1""#, "true", "[3599]", "{}"] {
        let error = lifetime(nonsense).await.expect_err(nonsense);
        assert!(error.to_string().contains("expires_in"), "{nonsense}: {error}");
        assert_eq!(error.kind(), ErrorKind::Unexpected);
    }
}

#[tokio::test]
async fn an_endpoint_with_too_many_requests_does_not_refuse_the_tokens() {
    let transport =
        Scripted::by(|_| answer(429, r#"{"error":"slow_down","error_description":"Later."}"#));
    let error = endpoint().refresh(&transport.context(), &"r".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(error.is_temporary());
}

#[tokio::test]
async fn a_token_response_has_a_limit() {
    let transport = Scripted::by(|_| answer(200, vec![b' '; 1 << 20]));
    let error = endpoint().refresh(&transport.context(), &"r".into()).await.unwrap_err();
    assert!(error.to_string().contains("larger than 262144 bytes"), "{error}");
}

/// The scope of a second audience.
const SITES: &str = "https://contoso.sharepoint.com/.default";

#[tokio::test]
async fn two_audiences_share_the_refresh_token_and_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = TokenFile::new(folder.path().join("tokens.json"));
    let transport = rotating();
    let cx = transport.context();
    let graph = refreshed("refresh-0").with_token_file(file.clone());
    let sites = graph.for_audience(SITES);
    assert_eq!(graph.token(&cx).await.unwrap().expose(), "access-1");
    assert_eq!(sites.token(&cx).await.unwrap().expose(), "access-2");
    assert_eq!(graph.token(&cx).await.unwrap().expose(), "access-1", "it is still valid");
    let scope = pairs([("scope", &*format!("{SITES} offline_access"))]);
    assert!(form(&transport.sent()[1]).contains(&scope[0]));
    let same = graph.for_audience(SITES);
    assert_eq!(same.token(&cx).await.unwrap().expose(), "access-2");
    let stale = graph.token(&cx).await.unwrap();
    assert_eq!(graph.renew(&cx, &stale).await.unwrap().expose(), "access-3");
    let stale = sites.token(&cx).await.unwrap();
    assert_eq!(sites.renew(&cx, &stale).await.unwrap().expose(), "access-4");
    assert_eq!(transport.sent().len(), 4);

    // Another process uses the tokens of both audiences without a request.
    let other = refreshed("refresh-0").with_token_file(file.clone());
    assert_eq!(other.for_audience(SITES).token(&cx).await.unwrap().expose(), "access-4");
    assert_eq!(other.token(&cx).await.unwrap().expose(), "access-3");
    assert_eq!(transport.sent().len(), 4);
    let stored = file.read().unwrap().unwrap();
    assert_eq!(stored.refresh_token.unwrap().expose(), "refresh-4");
    assert_eq!(stored.audiences[SITES].access_token.expose(), "access-4");
}

#[tokio::test]
async fn two_audiences_that_refresh_at_once_use_each_refresh_token_once() {
    let transport = rotating();
    let cx = transport.context();
    let graph = refreshed("refresh-0");
    let sites = graph.for_audience(SITES);
    let (one, other) = tokio::join!(graph.token(&cx), sites.token(&cx));
    assert_ne!(one.unwrap(), other.unwrap());
    assert_eq!(transport.sent().len(), 2);
}

#[tokio::test]
async fn a_fixed_token_has_one_audience_and_an_application_has_many() {
    let transport = Scripted::by(|sent| {
        let sites = sent.text().contains("sharepoint");
        let token = if sites { "sites" } else { "graph" };
        let body = format!(r#"{{"token_type":"Bearer","expires_in":9,"access_token":"{token}"}}"#);
        answer(200, body)
    });
    let cx = transport.context();
    let fixed = TokenSource::fixed("given".into()).for_audience(SITES);
    let error = fixed.token(&cx).await.unwrap_err();
    assert!(error.to_string().contains(SITES), "{error}");
    let client = endpoint().client_secret("hush").scope("https://graph.microsoft.com/.default");
    let application = TokenSource::for_application(client);
    assert_eq!(application.token(&cx).await.unwrap().expose(), "graph");
    assert_eq!(application.for_audience(SITES).token(&cx).await.unwrap().expose(), "sites");
    assert_eq!(application.token(&cx).await.unwrap().expose(), "graph");
    assert_eq!(transport.sent().len(), 2);
}

#[tokio::test]
async fn a_forced_refresh_replaces_a_valid_token() {
    let transport = rotating();
    let cx = transport.context();
    let source = refreshed("refresh-0");
    assert!(source.expires_at().is_none());
    assert_eq!(source.refresh_now(&cx).await.unwrap().expose(), "access-1");
    assert_eq!(source.refresh_now(&cx).await.unwrap().expose(), "access-2");
    let left = source.expires_at().unwrap().duration_since(Timestamp::now());
    assert!((3590..=3600).contains(&left.as_secs()), "{left}");
}

#[tokio::test]
async fn a_callback_store_has_each_token_before_it_is_used() {
    let transport = rotating();
    let cx = transport.context();
    let stored = Arc::new(Mutex::new(Some(StoredTokens::from_refresh_token("refresh-0".into()))));
    let store = {
        let (load, save) = (Arc::clone(&stored), Arc::clone(&stored));
        CallbackTokenStore::new(
            move || {
                let tokens = load.lock().unwrap().clone();
                async move { Ok(tokens) }
            },
            move |tokens| {
                *save.lock().unwrap() = Some(tokens);
                async { Ok(()) }
            },
        )
    };
    let one = TokenSource::refreshing(endpoint(), None, None).with_store(store.clone());
    let other = TokenSource::refreshing(endpoint(), None, None).with_store(store);
    let (first, second) = tokio::join!(one.token(&cx), other.token(&cx));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(transport.sent().len(), 1);
    let refresh = stored.lock().unwrap().clone().unwrap().refresh_token.unwrap();
    assert_eq!(refresh.expose(), "refresh-1");
}

#[tokio::test]
async fn a_store_that_fails_is_an_error_before_any_request() {
    let transport = Scripted::expecting([]);
    let store = CallbackTokenStore::new(
        || async { Err(Error::new(ErrorKind::Unexpected, "no database")) },
        |_| async { Ok(()) },
    );
    let source = refreshed("refresh-0").with_store(store);
    let error = source.token(&transport.context()).await.unwrap_err();
    assert_eq!(error.to_string(), "no database");
}

#[tokio::test]
async fn a_read_only_store_is_read_and_the_new_token_stays_in_memory() {
    // A variable that is always set: a test must not change the environment of the others.
    let first = std::env::var("PATH").unwrap();
    let mut turn = 0;
    let transport = Scripted::by(move |sent| {
        let expected = if turn == 0 { first.clone() } else { format!("refresh-{turn}") };
        assert!(form(sent).contains(&("refresh_token".to_owned(), expected)), "{turn}");
        turn += 1;
        granted(&format!("access-{turn}"), &format!("refresh-{turn}"), 3600)
    });
    let cx = transport.context();
    let store = EnvironmentTokenStore::new("PATH");
    let source = TokenSource::refreshing(endpoint(), None, None).with_store(store);
    for turn in 1..=3 {
        let token = source.refresh_now(&cx).await.unwrap();
        assert_eq!(token.expose(), format!("access-{turn}"));
    }
    let missing = EnvironmentTokenStore::new("DRIVEDAL_NO_SUCH_VARIABLE");
    let source = TokenSource::refreshing(endpoint(), None, None).with_store(missing);
    let error = source.token(&cx).await.unwrap_err();
    assert!(error.to_string().contains("DRIVEDAL_NO_SUCH_VARIABLE is not set"), "{error}");
    let tokens = Tokens::new("a");
    let error = tokens.save_to(EnvironmentTokenStore::new("PATH")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
