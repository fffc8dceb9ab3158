use std::sync::{Arc, Mutex};

use super::*;
use crate::transport::scripted::{Outcome, Scripted, answer};

const CODES: &str = r#"{"device_code":"d+1","user_code":"BCDF-GHJK","expires_in":900,"interval":5,
    "verification_uri":"https://microsoft.com/devicelogin","message":"Enter the code."}"#;

fn flow() -> DeviceCodeFlow {
    DeviceCodeFlow::new(SignInProvider::microsoft("common").unwrap(), "app")
}

fn error(code: &str) -> Outcome {
    answer(400, format!(r#"{{"error":"{code}","error_description":"Text."}}"#))
}

fn granted() -> Outcome {
    answer(
        200,
        r#"{"token_type":"Bearer","access_token":"a","refresh_token":"r","expires_in":3599}"#,
    )
}

/// Signs in against polls with these outcomes. The last one repeats. Returns the result, and the
/// seconds between the polls.
async fn sign_in(mut polls: Vec<Outcome>) -> (Result<Tokens>, Vec<u64>) {
    let times = Arc::new(Mutex::new(vec![Instant::now()]));
    polls.reverse();
    let transport = {
        let times = Arc::clone(&times);
        Scripted::by(move |sent| {
            if sent.url.ends_with("/devicecode") {
                return answer(200, CODES);
            }
            times.lock().unwrap().push(Instant::now());
            match polls.len() {
                1 => polls[0].clone(),
                _ => polls.pop().expect("an outcome"),
            }
        })
    };
    let cx = transport.context();
    let pending = flow().start(&cx).await.expect("codes");
    let result = pending.finish(&cx).await;
    let times = times.lock().unwrap();
    let seconds = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    (result, seconds)
}

#[tokio::test(start_paused = true)]
async fn the_codes_are_those_of_the_response() {
    let transport = Scripted::by(|_| answer(200, CODES));
    let pending = flow().start(&transport.context()).await.expect("codes");
    assert_eq!(pending.user_code(), "BCDF-GHJK");
    assert_eq!(pending.verification_uri(), "https://microsoft.com/devicelogin");
    assert_eq!(pending.message(), Some("Enter the code."));
    assert_eq!(pending.remaining(), Duration::from_secs(900));
    assert!(!format!("{pending:?}").contains("d+1"));
    let sent = &transport.sent()[0];
    assert_eq!(sent.line(), "POST https://login.microsoftonline.com/common/oauth2/v2.0/devicecode");
    let form: Vec<_> = url::form_urlencoded::parse(&sent.body).into_owned().collect();
    assert!(form.contains(&("client_id".to_owned(), "app".to_owned())), "{form:?}");
    let scope = ("scope".to_owned(), "Files.ReadWrite.All offline_access".to_owned());
    assert!(form.contains(&scope), "{form:?}");
}

#[tokio::test(start_paused = true)]
async fn polls_keep_the_interval_and_slow_down() {
    let (tokens, seconds) = sign_in(vec![
        error("authorization_pending"),
        error("slow_down"),
        error("authorization_pending"),
        error("slow_down"),
        granted(),
    ])
    .await;
    assert_eq!(tokens.expect("tokens").refresh.expect("a refresh token").expose(), "r");
    assert_eq!(seconds, [5, 5, 10, 10, 15]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_network_does_not_end_the_sign_in() {
    let (tokens, seconds) = sign_in(vec![
        Outcome::Reset,
        answer(503, "busy").header("retry-after", "70"),
        error("authorization_pending"),
        granted(),
    ])
    .await;
    tokens.expect("tokens");
    assert_eq!(seconds, [5, 10, 70, 70]);
}

#[tokio::test(start_paused = true)]
async fn a_decision_against_the_sign_in_ends_it() {
    for code in
        ["access_denied", "authorization_declined", "expired_token", "bad_verification_code"]
    {
        let (result, seconds) = sign_in(vec![error("authorization_pending"), error(code)]).await;
        let error = result.expect_err(code);
        assert_eq!((error.kind(), error.code()), (ErrorKind::PermissionDenied, Some(code)));
        assert!(error.to_string().contains("start the sign-in again"), "{error}");
        assert_eq!(seconds.len(), 2, "no poll after the decision");
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_that_is_never_entered_expires() {
    let begun = Instant::now();
    let (result, seconds) = sign_in(vec![error("authorization_pending")]).await;
    assert_eq!(result.expect_err("expired").code(), Some("expired_token"));
    assert_eq!(begun.elapsed(), Duration::from_secs(900));
    assert_eq!(seconds.len(), 179);
}

#[tokio::test]
async fn a_cloud_without_device_codes_is_an_error() {
    let transport = Scripted::expecting([]);
    let flow = DeviceCodeFlow::new(SignInProvider::live().unwrap(), "app");
    let error = flow.start(&transport.context()).await.expect_err("no such flow");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(transport.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn tokens_without_the_requested_refresh_token_are_an_error() {
    let body = r#"{"token_type":"Bearer","access_token":"a","expires_in":3599}"#;
    let (result, _) = sign_in(vec![answer(200, body)]).await;
    let error = result.expect_err("no refresh token");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("scope offline_access"), "{error}");
}
