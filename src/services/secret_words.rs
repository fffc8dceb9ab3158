//! Helpers for the tests of each service that no printed text contains a secret.

use std::fmt::Debug;

use http::HeaderMap;
use opendal::{Builder, HttpTransporter, OperationContext, Operator};

use crate::{
    auth::{TokenClient, TokenSource},
    drive::Result,
    transport::scripted::{Outcome, Scripted},
};

/// Texts that must never be printed.
const SECRETS: [&str; 5] =
    ["SECRET-access", "SECRET-refresh", "SECRET-client", "SECRET-ticket", "SECRET-header"];

/// Returns secret tokens that are refreshed at `https://login/token`.
pub(super) fn tokens() -> TokenSource {
    let endpoint = TokenClient::new("https://login/token", "app").unwrap();
    TokenSource::refreshing(
        endpoint.client_secret("SECRET-client"),
        Some("SECRET-refresh".into()),
        Some("SECRET-access".into()),
    )
}

/// Returns a secret header of the user.
pub(super) fn headers() -> HeaderMap {
    HeaderMap::from_iter([("x-mine".parse().unwrap(), "SECRET-header".parse().unwrap())])
}

/// Returns each printed form of a result.
pub(super) fn said<T: Debug>(result: Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?} {value:#?}"),
        Err(error) => format!("{error} {error:?} {error:#?}"),
    }
}

/// Asserts that there are at least `min` printed texts, and that none contains a secret. `name` is
/// for the failure.
pub(super) fn check(name: &str, printed: &[String], min: usize) {
    assert!(printed.len() >= min, "{name}: {printed:?}");
    for text in printed {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{name}: {text}");
        }
    }
}

/// Checks the errors of an operator whose requests all have this outcome.
pub(super) async fn check_operator(builder: impl Builder, fault: Outcome) {
    let transport = HttpTransporter::new(Scripted::by(move |_| fault.clone()));
    let context = OperationContext::new().with_http_transport(transport);
    let operator = Operator::new(builder).unwrap().with_context(context);
    let results = [
        operator.stat("a/b").await.map(drop),
        operator.read("a/b").await.map(drop),
        operator.write("a/b", "bytes").await.map(drop),
        operator.list("a/").await.map(drop),
        operator.rename("a", "b").await.map(drop),
        operator.copy("a", "b").await.map(drop),
        operator.delete("a/b").await.map(drop),
    ];
    for result in results {
        let error = result.unwrap_err();
        check("operator", &[format!("{error} {error:?} {error:#?} {operator:?}")], 1);
    }
}
