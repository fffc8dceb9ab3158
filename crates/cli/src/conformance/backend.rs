//! A remote as a backend of the suite.

use std::time::Duration;

use drivedal_conformance::{Backend, CaseResult, Expectations, TestContext};
use futures::{FutureExt, future::BoxFuture};
use opendal::{Error, ErrorKind, Operator};

use crate::{
    app::{App, RemoteOpener, Workload},
    failure::{Exit, Failure, Result},
    location::{Addressing, Location},
    requests::RequestStats,
};

/// The option of the cloud drives for the age of cached listings, and its value in the cases with
/// several clients.
const FAST_EXPIRY: &[(&str, &str)] = &[("index_ttl", "300ms")];

/// The same time.
const MAX_STALENESS: Duration = Duration::from_millis(300);

/// The maximum number of deletions of the folder.
const DELETIONS: usize = 5;

/// A remote and a folder in it. Clones share the folder.
#[derive(Clone, Debug)]
pub(super) struct RemoteBackend {
    name: String,
    opener: RemoteOpener,
    /// Reaches the place that the argument names.
    base: Operator,
    /// The root of [`base`](Self::base), with slashes at both ends.
    root: String,
    /// The folder of the cases below the root.
    folder: String,
    expectations: Expectations,
    /// Counts the requests; `None` for services without a network.
    requests: Option<RequestStats>,
}

impl RemoteBackend {
    /// Opens the remote of an argument. Sends no request to a service without ids.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or cannot be written;
    /// `Unsupported` if no service has the scheme; the failure of the embedded server if it does not
    /// start.
    pub(super) async fn open(app: &App, at: &Location) -> Result<Self> {
        let about = |failure: Failure| failure.doing("open").about(at);
        let resolved = app.resolve(at, Addressing::Path, Workload::Interactive).await?;
        let remote = &resolved.remote;
        let info = remote.operator.info();
        let capability = info.capability();
        if !(capability.write && capability.list && capability.delete) {
            let failure = Failure::new(Exit::Unsupported, "the service cannot be written");
            return Err(about(failure));
        }
        let path = resolved.path.as_str().trim_matches('/');
        let root = match (info.root().trim_end_matches('/'), path) {
            (root, "") => format!("{root}/"),
            (root, path) => format!("{root}/{path}/"),
        };
        let opener = app.opener(at).await.map_err(about)?;
        let base = opener.open(&[("root", &root)]).map_err(|error| about(error.into()))?;
        let is_network = !matches!(remote.scheme(), "fs" | "memory");
        Ok(Self {
            name: at.to_string(),
            opener,
            base,
            root,
            folder: format!("drivedal-conformance-{:016x}/", fastrand::u64(..)),
            expectations: match remote.handle {
                Some(_) => Expectations::new().with_fast_expiry(FAST_EXPIRY, MAX_STALENESS),
                None => Expectations::new(),
            },
            requests: is_network.then(|| app.requests.clone()),
        })
    }

    /// Returns the path of the folder below the place that the argument names.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// Removes the folder of the cases until it does not exist. If the run was interrupted, a request
    /// that was already sent may create it again.
    ///
    /// # Errors
    /// Those of the service; `Unexpected` if the folder exists after [`DELETIONS`] deletions.
    pub(super) async fn clean_up(&self) -> opendal::Result<()> {
        for _ in 0..DELETIONS {
            // Another operator has no cached listings.
            let base = self.opener.open(&[("root", &self.root)])?;
            base.delete_with(&self.folder).recursive(true).await?;
            if !base.exists(&self.folder).await? {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Unexpected, "it still exists"))
    }
}

impl Backend for RemoteBackend {
    fn name(&self) -> &str {
        &self.name
    }

    fn requests(&self) -> Option<u64> {
        self.requests.as_ref().map(RequestStats::count)
    }

    /// Opens the remote with a root in a new folder. Sends no request.
    ///
    /// # Errors
    /// `Failed` if the service rejects an option.
    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        async move {
            let folder = format!("{}{:016x}/", self.folder, fastrand::u64(..));
            let root = format!("{}{folder}", self.root);
            let opener = self.opener.clone();
            // Each operator of `memory` has its own files.
            let shared = match opener.scheme() {
                "memory" => Some(opener.open(&[("root", &root)])?),
                _ => None,
            };
            let is_shared = shared.is_some();
            let context = TestContext::new(move |options| match &shared {
                Some(operator) => Ok(operator.clone()),
                None => {
                    let root = [("root", &*root)];
                    opener.open(&[&root, options].concat())
                }
            })?;
            let context = context.with_expectations(self.expectations);
            Ok(match is_shared {
                true => context,
                false => context.with_cleanup(self.base.clone(), folder),
            })
        }
        .boxed()
    }
}
