//! Who is compared.

use drivedal::layers::RetryLayer;
use opendal::{
    HttpTransporter, OperationContext, Operator,
    services::{Fs, Memory, Onedrive},
};

use crate::{Result, Task, rewriting::Rewriting};

/// A remote.
pub struct Contender {
    pub name: &'static str,
    /// Its scheme among drivedal's; empty: not one of them.
    pub scheme: &'static str,
    /// What follows the server's URL.
    path: &'static str,
    /// What the account's name ends with.
    pub kind: &'static str,
}

impl Contender {
    /// Whether it needs a drive server.
    pub fn is_served(&self) -> bool {
        !matches!(self.name, "fs" | "memory")
    }

    /// Whether it understands what is announced of a file.
    pub fn is_ours(&self) -> bool {
        !self.scheme.is_empty()
    }

    /// The access token of its account.
    pub fn token(&self) -> String {
        format!("drivedal-dev-bench.{}", self.kind)
    }

    pub fn open(&self, task: &Task) -> Result<Operator> {
        let server = task.server.as_ref().map_or("", |(url, _)| url);
        Ok(match self.name {
            "fs" => Operator::new(Fs::default().root(&task.scratch.to_string_lossy()))?,
            "memory" => Operator::new(Memory::default())?,
            "opendal-service-onedrive" => {
                let transport = HttpTransporter::new(Rewriting::to(server));
                let context = OperationContext::new().with_http_transport(transport);
                let service = Onedrive::default().access_token(&self.token());
                Operator::new(service)?.with_context(context)
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
                Operator::via_iter(self.scheme, options)?.layer(RetryLayer::default())
            }
        })
    }
}

pub const CONTENDERS: [Contender; 7] = [
    Contender { name: "skydrive", scheme: "skydrive", path: "v5.0/", kind: "personal" },
    Contender { name: "onedrive (personal)", scheme: "onedrive", path: "v1.0", kind: "personal" },
    Contender { name: "onedrive (business)", scheme: "onedrive", path: "v1.0", kind: "business" },
    Contender { name: "amazon-drive", scheme: "amazon-drive", path: "drive/v1/", kind: "personal" },
    Contender { name: "opendal-service-onedrive", scheme: "", path: "", kind: "personal" },
    Contender { name: "fs", scheme: "", path: "", kind: "" },
    Contender { name: "memory", scheme: "", path: "", kind: "" },
];
