//! Our drives over real HTTP, with a drive server in this process.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use drivedal::{adapter::DriveHandle, remote::RemoteSource};
use drivedal_conformance::{
    Backend, CaseResult, Expectations, KnownDifference, Requirement, TestContext,
    drive::DriveAccess, fail,
};
use drivedal_server::{AccountKind, CloudBehavior, Fault, FixtureItem, Server};
use futures::{FutureExt, future::BoxFuture};
use opendal::Operator;
use url::Url;

use super::Announcements;
use crate::secrets;

/// Requirement: the backend is a drive server.
#[allow(non_upper_case_globals, reason = "named as OpenDAL's capabilities are")]
pub const drive_server: Requirement = Requirement {
    name: "a drive server",
    is_met: |test| test.extension::<Arc<CaseServer>>().is_some(),
};

/// Returns the drive server of a case.
pub fn case_server(test: &TestContext) -> CaseResult<&CaseServer> {
    match test.extension::<Arc<CaseServer>>() {
        Some(case_server) => Ok(case_server),
        None => fail("not on a drive server"),
    }
}

/// Backend for a drive whose protocol the drive server implements. Each case has its own server.
pub struct Served {
    /// Name of the backend in trials.
    pub name: &'static str,
    /// OpenDAL scheme of the service.
    pub scheme: &'static str,
    /// Kind of the server's account, if the protocol has several.
    pub kind: AccountKind,
    /// How the server deviates from today's cloud.
    pub behavior: fn() -> CloudBehavior,
    /// Returns the options for a server's URL and a token.
    pub options: fn(&Url, &str) -> Vec<(&'static str, String)>,
    pub known: &'static [KnownDifference],
    pub expectations: Expectations,
    /// Announced modification times are kept.
    pub keeps_times: bool,
    /// Names and numbers of the server's requests, for faults and counts.
    pub requests: &'static Requests,
}

/// Names of a drive's requests on the server, and the maximum number of requests for each
/// operation.
pub struct Requests {
    /// Operation name of requests that download bytes.
    pub download: &'static str,
    /// An operation of several steps may leave an intermediate item if it is cancelled: the client
    /// controls the steps, unlike in a copy that runs in the cloud.
    pub steps_stay: bool,
    /// Maximum number of requests for each case of `requests`.
    pub most: &'static [(&'static str, u64)],
    /// Rows that override `most`.
    pub instead: &'static [(&'static str, u64)],
}

/// The drive server of a case, and the case's drive on it.
pub struct CaseServer {
    pub server: Server,
    pub drive: String,
    pub requests: &'static Requests,
}

impl CaseServer {
    /// Activates a fault rule for the case's drive.
    pub fn fault(&self, rule: Fault) -> CaseResult {
        match self.server.control().add_faults([rule.drive(&self.drive)]) {
            Ok(_) => Ok(()),
            Err(error) => fail(error),
        }
    }

    /// Adds items to the case's drive without a request.
    pub async fn add_fixtures(&self, items: impl IntoIterator<Item = FixtureItem>) -> CaseResult {
        let items = items.into_iter().map(|item| item.on_drive(&self.drive));
        match self.server.control().add_fixtures(items).await {
            Ok(_) => Ok(()),
            Err(error) => fail(error),
        }
    }

    /// Removes all fault rules. Returns whether one has been applied.
    pub fn clear_faults(&self) -> bool {
        let control = self.server.control();
        let struck = control.faults().iter().any(|fault| fault.struck > 0);
        control.clear_faults();
        struck
    }
}

/// Opens a drive for the cases below the operator.
fn drive_access(scheme: &str, options: &[(&str, String)]) -> CaseResult<DriveAccess> {
    let source = RemoteSource::from_scheme(scheme);
    let source = options.iter().fold(source, |source, (key, value)| source.option(*key, value));
    let remote = source.open()?;
    let operator = secrets::observe(remote.operator);
    match remote.handle {
        Some(handle) => {
            Ok(DriveAccess::new(Arc::clone(handle.drive()), DriveHandle::context(&operator)))
        }
        None => fail(format!("{scheme} is no drive")),
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
            let server = match Server::builder()
                .ephemeral()
                .kind(self.kind)
                .behavior((self.behavior)())
                .start()
                .await
            {
                Ok(server) => server,
                Err(error) => return fail(error),
            };
            let drive = format!("case-{}", CASES.fetch_add(1, Ordering::Relaxed));
            let token = format!("drivedal-dev-{drive}");
            secrets::register(&token);
            let (scheme, options) = (self.scheme, (self.options)(server.url(), &token));
            let access = drive_access(scheme, &options)?;
            let context = TestContext::new(move |more| {
                let mut options: Vec<_> =
                    options.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
                options
                    .extend(more.iter().map(|(key, value)| (key.to_string(), value.to_string())));
                Operator::via_iter(scheme, options).map(secrets::observe)
            })?;
            let case_server = Arc::new(CaseServer { server, drive, requests: self.requests });
            let bulk = Arc::clone(&case_server);
            Ok(context
                .with_expectations(self.expectations)
                .with_extension(access)
                .with_extension(Announcements { keeps_times: self.keeps_times })
                .with_bulk_write(move |files| {
                    let case_server = Arc::clone(&bulk);
                    let files =
                        files.into_iter().map(|(path, bytes)| FixtureItem::file(path, bytes));
                    async move { case_server.add_fixtures(files).await }.boxed()
                })
                .with_extension(case_server))
        }
        .boxed()
    }
}
