//! For the tests of every service that nothing which is printed has a secret in it.

use std::fmt::Debug;

use http::HeaderMap;
use opendal::{Builder, HttpTransporter, OperationContext, Operator};

use crate::{
    auth::{Endpoint, TokenSource},
    drive::Result,
    transport::scripted::{Outcome, Scripted},
};

/// What is never to be seen.
const SECRETS: [&str; 5] =
    ["SECRET-access", "SECRET-refresh", "SECRET-client", "SECRET-ticket", "SECRET-header"];

/// Secret tokens, renewed at `https://login/token`.
pub(super) fn tokens() -> TokenSource {
    let endpoint = Endpoint::new("https://login/token", "app").unwrap();
    TokenSource::refreshed(
        endpoint.client_secret("SECRET-client"),
        Some("SECRET-refresh".into()),
        Some("SECRET-access".into()),
    )
}

/// A secret header of the user's.
pub(super) fn headers() -> HeaderMap {
    HeaderMap::from_iter([("x-mine".parse().unwrap(), "SECRET-header".parse().unwrap())])
}

/// All that can be printed of a result.
pub(super) fn said<T: Debug>(result: Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?} {value:#?}"),
        Err(error) => format!("{error} {error:?} {error:#?}"),
    }
}

/// Looks into what was printed: `least` texts and more.
pub(super) fn check(name: &str, told: &[String], least: usize) {
    assert!(told.len() >= least, "{name}: {told:?}");
    for text in told {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{name}: {text}");
        }
    }
}

/// Looks into the errors of an operator all of whose requests fail so.
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
