//! Any service that OpenDAL can open by URI: yours.

use std::time::Instant;

use futures::{FutureExt, future::BoxFuture};
use opendal::{Operator, OperatorUri};

use super::{Backend, Known, Promises, Test, amazon_drive, fs, memory, onedrive, skydrive};
use crate::{data, harness::Outcome, secrets};

/// Each case works below a fresh random folder of the URI's root and removes it.
pub struct Uri {
    uri: String,
    scheme: String,
}

impl Uri {
    pub fn new(uri: String) -> Self {
        let scheme = uri.split_once("://").map_or(&*uri, |(scheme, _)| scheme).to_owned();
        Self { uri, scheme }
    }
}

impl Backend for Uri {
    fn name(&self) -> &str {
        &self.scheme
    }

    fn known(&self) -> &[Known] {
        match &*self.scheme {
            "fs" => fs::KNOWN,
            "memory" => memory::KNOWN,
            "skydrive" => skydrive::KNOWN,
            "onedrive" => onedrive::KNOWN,
            "amazon-drive" => amazon_drive::KNOWN,
            _ => &[],
        }
    }

    fn lend(&self, case: &'static str) -> BoxFuture<'_, Outcome<Test>> {
        async move {
            let whole = OperatorUri::new(&self.uri, [])?;
            for (key, value) in whole.options() {
                if ["token", "secret", "password", "key"].iter().any(|word| key.contains(word)) {
                    secrets::register(value);
                }
            }
            let base = whole.option("root").or(whole.root()).unwrap_or("").trim_matches('/');
            let folder = format!("drivedal-test-{:016x}/", data::random());
            let root = format!("/{base}/{folder}");
            let uri = self.uri.clone();
            let open = move |options: &[(&str, &str)]| {
                let more = options.iter().map(|(key, value)| (key.to_string(), value.to_string()));
                let root = [("root".to_owned(), root.clone())];
                Operator::from_uri(OperatorUri::new(&uri, root.into_iter().chain(more))?)
            };
            Ok(Test {
                case,
                begun: Instant::now(),
                op: open(&[])?,
                promises: match &*self.scheme {
                    "skydrive" => skydrive::PROMISES,
                    "onedrive" => onedrive::PROMISES,
                    "amazon-drive" => amazon_drive::PROMISES,
                    _ => Promises::NONE,
                },
                open: Box::new(open),
                pretence: None,
                station: None,
                remove: Some((Operator::from_uri(&*self.uri)?, folder)),
                _kept: None,
            })
        }
        .boxed()
    }
}
