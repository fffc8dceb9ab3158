//! A drive of ours, over real HTTP, to a drive server in this process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use drivedal_server::{AccountKind, Fault, Plant, Server};
use futures::{FutureExt, future::BoxFuture};
use opendal::Operator;
use url::Url;

use super::{Backend, Known, Promises, Test};
use crate::{
    harness::{Outcome, failed},
    secrets,
};

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
    pub known: &'static [Known],
    pub promises: Promises,
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
    pub fn fault(&self, rule: Fault) -> Outcome {
        match self.server.control().add_faults([rule.drive(&self.drive)]) {
            Ok(_) => Ok(()),
            Err(error) => failed(error),
        }
    }

    /// Plants items on the case's drive, without a request.
    pub async fn plant(&self, items: impl IntoIterator<Item = Plant>) -> Outcome {
        let items = items.into_iter().map(|item| item.on_drive(&self.drive));
        match self.server.control().plant(items).await {
            Ok(_) => Ok(()),
            Err(error) => failed(error),
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

    fn known(&self) -> &[Known] {
        self.known
    }

    fn lend(&self, case: &'static str) -> BoxFuture<'_, Outcome<Test>> {
        async move {
            static CASES: AtomicU64 = AtomicU64::new(1);
            let server = match Server::builder().ephemeral().kind(self.kind).start().await {
                Ok(server) => server,
                Err(error) => return failed(error),
            };
            let drive = format!("case-{}", CASES.fetch_add(1, Ordering::Relaxed));
            let token = format!("drivedal-dev-{drive}");
            secrets::register(&token);
            let (scheme, options) = (self.scheme, (self.options)(server.url(), &token));
            let open = move |more: &[(&str, &str)]| {
                let mut options: Vec<_> =
                    options.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
                options
                    .extend(more.iter().map(|(key, value)| (key.to_string(), value.to_string())));
                Operator::via_iter(scheme, options).map(secrets::told)
            };
            Ok(Test {
                case,
                begun: Instant::now(),
                op: open(&[])?,
                promises: self.promises,
                open: Box::new(open),
                pretence: None,
                station: Some(Arc::new(Station { server, drive, requests: self.requests })),
                remove: None,
                _kept: None,
            })
        }
        .boxed()
    }
}
