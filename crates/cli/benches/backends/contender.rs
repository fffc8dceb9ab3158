//! The remotes that are compared.

use drivedal::layers::{HttpStats, LoggingLayer, RetryLayer};
use drivedal_bench::Result;
use opendal::{
    HttpTransporter, OperationContext, Operator,
    services::{Fs, Memory, Onedrive},
};

use drivedal_test_support::rewriting::Rewriting;

use crate::Task;

/// A remote of the comparison.
pub struct Contender {
    pub name: &'static str,
    /// Scheme of drivedal's service. Empty for other services.
    pub scheme: &'static str,
    /// Path of the endpoint, after the server's URL.
    path: &'static str,
    /// Suffix of the account's name, which selects its kind.
    pub kind: &'static str,
    /// Further options.
    options: &'static [(&'static str, &'static str)],
}

impl Contender {
    /// Returns whether the remote needs a drive server.
    pub fn is_served(&self) -> bool {
        !matches!(self.name, "fs" | "memory")
    }

    /// Returns whether the remote understands `drivedal::announce`.
    pub fn is_ours(&self) -> bool {
        !self.scheme.is_empty()
    }

    /// Returns the access token of its account.
    pub fn token(&self) -> String {
        format!("drivedal-dev-bench.{}", self.kind)
    }

    /// Returns the name of the service.
    pub fn service(&self) -> &'static str {
        match self.name {
            "fs" | "memory" => self.name,
            _ if self.is_ours() => self.scheme,
            _ => "onedrive",
        }
    }

    /// Returns whether its cloud defines the cost of requests, and the service declares it.
    pub fn has_units(&self) -> bool {
        self.scheme == "onedrive"
    }

    /// Opens the remote. Its requests are counted in `stats`.
    pub fn open(&self, task: &Task, stats: &HttpStats) -> Result<Operator> {
        // Inside of the retry layer, so that each attempt is counted.
        let counted = |operator: Operator| operator.layer(LoggingLayer::new().with_stats(stats));
        let server = task.server.as_str();
        Ok(match self.name {
            "fs" => Operator::new(Fs::default().root(&task.scratch.to_string_lossy()))?,
            "memory" => Operator::new(Memory::default())?,
            "opendal-service-onedrive" => {
                let transport = HttpTransporter::new(Rewriting::to(server));
                let context = OperationContext::new().with_http_transport(transport);
                let service = Onedrive::default().access_token(&self.token());
                counted(Operator::new(service)?.with_context(context)).layer(RetryLayer::default())
            }
            _ => {
                drivedal::register();
                let mut options = vec![
                    ("endpoint".to_owned(), format!("{server}{}", self.path)),
                    ("access_token".to_owned(), self.token()),
                ];
                if self.scheme == "onedrive" {
                    options.push(("account_kind".into(), self.kind.into()));
                }
                let others = self.options.iter();
                options.extend(others.map(|&(key, value)| (key.to_owned(), value.to_owned())));
                counted(Operator::via_iter(self.scheme, options)?).layer(RetryLayer::default())
            }
        })
    }
}

/// A service of drivedal on a drive server.
const fn drive(
    name: &'static str,
    scheme: &'static str,
    path: &'static str,
    kind: &'static str,
) -> Contender {
    Contender { name, scheme, path, kind, options: &[] }
}

/// Another service.
const fn other(name: &'static str) -> Contender {
    Contender { name, scheme: "", path: "", kind: "personal", options: &[] }
}

pub const CONTENDERS: [Contender; 8] = [
    drive("skydrive", "skydrive", "v5.0/", "personal"),
    drive("onedrive (personal)", "onedrive", "v1.0", "personal"),
    drive("onedrive (business)", "onedrive", "v1.0", "business"),
    drive("amazon-drive", "amazon-drive", "drive/v1/", "personal"),
    Contender {
        options: &[("unchecked_reads", "true")],
        ..drive("amazon-drive (unchecked)", "amazon-drive", "drive/v1/", "personal")
    },
    other("opendal-service-onedrive"),
    other("fs"),
    other("memory"),
];
