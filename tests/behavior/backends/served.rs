//! A drive of ours, over real HTTP, to a drive server in this process.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use drivedal_conformance::{
    Backend, CaseResult, Expectations, KnownDifference, Requirement, TestContext, fail,
};
use drivedal_server::{AccountKind, Fault, FixtureItem, Server};
use futures::{FutureExt, future::BoxFuture};
use opendal::Operator;
use url::Url;

use super::Announcements;
use crate::secrets;

/// Its cloud is the drive server.
#[allow(non_upper_case_globals, reason = "named as OpenDAL's capabilities are")]
pub const drive_server: Requirement = Requirement {
    name: "a drive server",
    is_met: |test| test.extension::<Arc<Station>>().is_some(),
};

/// The drive server of a case.
pub fn station(test: &TestContext) -> CaseResult<&Station> {
    match test.extension::<Arc<Station>>() {
        Some(station) => Ok(station),
        None => fail("not on a drive server"),
    }
}

/// A drive whose protocol the drive server speaks. Each case has a server of its own.
pub struct Served {
    /// What its trials are called.
    pub name: &'static str,
    /// OpenDAL's name of the service.
    pub scheme: &'static str,
    /// What kind of account the server shows, where its protocol knows several.
    pub kind: AccountKind,
    /// The options that point it at a server, and sign its requests with a token.
    pub options: fn(&Url, &str) -> Vec<(&'static str, String)>,
    pub known: &'static [KnownDifference],
    pub expectations: Expectations,
    /// A modification time that is announced is kept.
    pub keeps_times: bool,
    /// What the server calls the requests behind each operation, for faults and counts.
    pub requests: &'static Requests,
}

/// What a drive's requests are called by the server, and how many of them an operation may take.
pub struct Requests {
    /// Every request that brings bytes.
    pub download: &'static str,
    /// What an operation of several steps goes through stays if it is given up between them: the
    /// steps are the caller's to ask for, as with a copy that the cloud works on.
    pub steps_stay: bool,
    /// The most that an operation takes: each row a case of `requests`.
    pub most: &'static [(&'static str, u64)],
    /// Rows that count instead of those of the same name in `most`.
    pub instead: &'static [(&'static str, u64)],
}

/// The drive server of a case, and the case's drive there.
pub struct Station {
    pub server: Server,
    pub drive: String,
    pub requests: &'static Requests,
}

impl Station {
    /// Puts a fault rule for the case's drive in force.
    pub fn fault(&self, rule: Fault) -> CaseResult {
        match self.server.control().add_faults([rule.drive(&self.drive)]) {
            Ok(_) => Ok(()),
            Err(error) => fail(error),
        }
    }

    /// Plants items on the case's drive, without a request.
    pub async fn add_fixtures(&self, items: impl IntoIterator<Item = FixtureItem>) -> CaseResult {
        let items = items.into_iter().map(|item| item.on_drive(&self.drive));
        match self.server.control().add_fixtures(items).await {
            Ok(_) => Ok(()),
            Err(error) => fail(error),
        }
    }

    /// Puts all fault rules out of force; whether one has struck.
    pub fn struck(&self) -> bool {
        let control = self.server.control();
        let struck = control.faults().iter().any(|fault| fault.struck > 0);
        control.clear_faults();
        struck
    }
}

impl Backend for Served {
    fn name(&self) -> &str {
        self.name
    }

    fn known_differences(&self) -> &[KnownDifference] {
        self.known
    }

    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        async move {
            static CASES: AtomicU64 = AtomicU64::new(1);
            let server = match Server::builder().ephemeral().kind(self.kind).start().await {
                Ok(server) => server,
                Err(error) => return fail(error),
            };
            let drive = format!("case-{}", CASES.fetch_add(1, Ordering::Relaxed));
            let token = format!("drivedal-dev-{drive}");
            secrets::register(&token);
            let (scheme, options) = (self.scheme, (self.options)(server.url(), &token));
            let context = TestContext::new(move |more| {
                let mut options: Vec<_> =
                    options.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
                options
                    .extend(more.iter().map(|(key, value)| (key.to_string(), value.to_string())));
                Operator::via_iter(scheme, options).map(secrets::told)
            })?;
            let station = Arc::new(Station { server, drive, requests: self.requests });
            let bulk = Arc::clone(&station);
            Ok(context
                .with_expectations(self.expectations)
                .with_extension(Announcements { keeps_times: self.keeps_times })
                .with_bulk_write(move |files| {
                    let station = Arc::clone(&bulk);
                    let files =
                        files.into_iter().map(|(path, bytes)| FixtureItem::file(path, bytes));
                    async move { station.add_fixtures(files).await }.boxed()
                })
                .with_extension(station))
        }
        .boxed()
    }
}
