//! Other backends through the cache, which must keep all of their guarantees.
//!
//! ```text
//! DRIVEDAL_TEST_CACHED=all cargo test --test behavior -- cached
//! ```
//! runs each of them with both consistencies; the default is a small selection.

use std::{sync::Arc, time::Duration};

use drivedal::layers::cache::{CacheLayer, Consistency};
use drivedal_conformance::{Backend, CaseResult, KnownDifference, TestContext};
use futures::{FutureExt, future::BoxFuture};
use opendal::Operator;

use super::{amazon_drive, fs, memory, onedrive, skydrive};

/// Maximum age of results under `MaxAge`.
const AGE: Duration = Duration::from_millis(300);

struct Cached {
    name: String,
    inner: Box<dyn Backend>,
    known: Vec<KnownDifference>,
    consistency: Consistency,
}

/// Known differences of a backend through the cache, in addition to its own.
const KNOWN: KnownDifference = KnownDifference::intermittent(
    "bytes that arrived before the interruption are not requested again",
    &["faults::an_interrupted_read_resumes_where_it_stopped"],
);

/// The cache in front of the services that the command line opens, and of OpenDAL's own.
pub fn all() -> Vec<Arc<dyn Backend>> {
    let within = Consistency::MaxAge(AGE);
    let every = std::env::var("DRIVEDAL_TEST_CACHED").is_ok_and(|which| which == "all");
    let mut all = vec![
        cached(memory::Memory, within),
        cached(skydrive::skydrive(), within),
        cached(onedrive::personal(), Consistency::Revalidate),
    ];
    if every {
        all.extend([
            cached(memory::Memory, Consistency::Revalidate),
            cached(fs::Fs, within),
            cached(fs::Fs, Consistency::Revalidate),
            cached(skydrive::skydrive(), Consistency::Revalidate),
            cached(onedrive::personal(), within),
            cached(onedrive::business(), within),
            cached(onedrive::business(), Consistency::StaleIfError),
            cached(amazon_drive::amazon_drive(), within),
            cached(amazon_drive::amazon_drive(), Consistency::Revalidate),
        ]);
    }
    all
}

fn cached(inner: impl Backend + 'static, consistency: Consistency) -> Arc<dyn Backend> {
    let how = match consistency {
        Consistency::Revalidate => "fresh",
        Consistency::MaxAge(_) => "within",
        Consistency::StaleIfError => "offline",
    };
    let name = format!("cached-{}-{how}", inner.name());
    let known = inner.known_differences().iter().chain([&KNOWN]).copied().collect();
    Arc::new(Cached { name, inner: Box::new(inner), known, consistency })
}

impl Backend for Cached {
    fn name(&self) -> &str {
        &self.name
    }

    fn known_differences(&self) -> &[KnownDifference] {
        &self.known
    }

    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        async move {
            let mut test = self.inner.prepare().await?;
            test.op = through(&test.op, self.consistency).await?;
            if let Consistency::MaxAge(age) = self.consistency {
                test.expectations.max_staleness += age;
            }
            Ok(test)
        }
        .boxed()
    }
}

/// Returns an operator with its own cache. It sees changes of other clients when its results
/// expire.
async fn through(operator: &Operator, consistency: Consistency) -> opendal::Result<Operator> {
    // Small blocks, so that a file consists of several.
    let cache = CacheLayer::builder().consistency(consistency).block_size(64 << 10).build().await?;
    Ok(operator.clone().layer(cache))
}
