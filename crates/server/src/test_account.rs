//! An account for one test.

use std::{
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use url::Url;

use crate::{
    account_kind::AccountKind,
    control::{Control, FixtureError, FixtureItem},
    error::ServerError,
    faults::{Fault, FaultError},
    request_log::{Counters, RequestRecord},
    server::Server,
};

/// An account with an empty drive, on a server in memory that all tests of the process share.
///
/// The server starts with the first account and ends with the process. Tests can run side by side:
/// counters, requests and faults are those of the account.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use drivedal_server::{AccountKind, TestAccount};
///
/// let account = TestAccount::new(AccountKind::Business)?;
/// let drive = reqwest::Client::new().get(account.url("/v1.0/me/drive")).bearer_auth(account.token());
/// assert_eq!(drive.send().await?.status(), 200);
/// # assert_eq!(account.counters().count("graph.drive.get"), 1);
/// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct TestAccount {
    server: &'static SharedServer,
    name: String,
}

/// The server of all test accounts.
#[derive(Debug)]
struct SharedServer {
    url: Url,
    control: Control,
}

impl SharedServer {
    /// Returns the server, which is started by the first call.
    ///
    /// # Errors
    /// That of [`Builder::start`](crate::Builder::start), or a text if the runtime cannot be created.
    fn get() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<SharedServer, String>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref().map_err(Clone::clone)
    }

    /// Starts the server on a thread with its own runtime: that of a test ends with the test.
    ///
    /// # Errors
    /// See [`get`](Self::get).
    fn start() -> Result<Self, String> {
        let (started, result) = mpsc::channel();
        let serve = move || {
            let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = started.send(Err(error.to_string()));
                    return;
                }
            };
            runtime.block_on(async {
                match Server::builder().ephemeral().start().await {
                    Ok(server) => {
                        let shared = Self { url: server.url().clone(), control: server.control() };
                        let _ = started.send(Ok(shared));
                        // The server runs until the process ends.
                        std::future::pending::<()>().await;
                        drop(server);
                    }
                    Err(error) => drop(started.send(Err(error.to_string()))),
                }
            });
        };
        let thread = thread::Builder::new().name("drivedal-test-server".to_owned()).spawn(serve);
        thread.map_err(|error| error.to_string())?;
        result.recv().map_err(|error| error.to_string())?
    }
}

impl TestAccount {
    /// Creates an account of a kind. Its name is unique in the process.
    ///
    /// # Errors
    /// [`ServerError::TestServer`] if the shared server cannot start.
    pub fn new(kind: AccountKind) -> Result<Self, ServerError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let server = SharedServer::get().map_err(ServerError::TestServer)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { server, name: format!("test-{}-{number}.{kind}", process::id()) })
    }

    /// Returns the name of the account.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the account's access token for all protocols.
    pub fn token(&self) -> String {
        format!("drivedal-dev-{}", self.name)
    }

    /// Returns the URL of a path on the server, such as `/v1.0/me/drive`. Without a slash at its
    /// beginning the path gets one.
    pub fn url(&self, path: &str) -> String {
        format!("{}{}", self.server.url, path.trim_start_matches('/'))
    }

    /// Returns the control API of the server, which all tests of the process share.
    pub fn control(&self) -> Control {
        self.server.control.clone()
    }

    /// Returns the number of the account's requests.
    pub fn counters(&self) -> Counters {
        self.server.control.account_counters(&self.name)
    }

    /// Returns the account's last requests, in the order of their completion.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.server.control.account_requests(&self.name)
    }

    /// Adds a fault rule that applies to the account only.
    ///
    /// # Errors
    /// [`FaultError`] if the rule is invalid.
    pub fn add_fault(&self, rule: Fault) -> Result<(), FaultError> {
        self.server.control.add_faults([rule.drive(&self.name)]).map(drop)
    }

    /// Creates items in the account's drive that no request of a client can create.
    ///
    /// # Errors
    /// [`FixtureError`] with the number, from 1, of the first item that cannot be created. The items
    /// before it remain.
    pub async fn add_fixtures(
        &self,
        items: impl IntoIterator<Item = FixtureItem>,
    ) -> Result<(), FixtureError> {
        let own = items.into_iter().map(|item| item.on_drive(&self.name));
        self.server.control.add_fixtures(own).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use drivedal_test_support::http::{TestRequest, client};

    use super::*;

    #[tokio::test]
    async fn two_accounts_share_a_server_and_nothing_else() {
        let accounts = [(); 2].map(|()| TestAccount::new(AccountKind::Business).expect("a server"));
        let [one, other] = &accounts;
        assert_ne!(one.name(), other.name());
        assert_eq!(one.url("x"), other.url("/x"));
        one.add_fixtures([FixtureItem::file("a.txt", "a")]).await.expect("a fixture");
        one.add_fault(Fault::on("graph.drive.get").status(503)).expect("a rule");
        let get = async |account: &TestAccount, path: &str| {
            let url = account.url(path);
            TestRequest::new(&client(), "GET", &url).token(&account.token()).await.status
        };
        assert_eq!(get(one, "/v1.0/me/drive/root:/a.txt").await, 200);
        assert_eq!(get(other, "/v1.0/me/drive/root:/a.txt").await, 404);
        assert_eq!(get(one, "/v1.0/me/drive").await, 503);
        assert_eq!(get(other, "/v1.0/me/drive").await, 200);
        assert_eq!(one.counters().total, 2);
        assert_eq!(other.requests().len(), 2);
    }
}
