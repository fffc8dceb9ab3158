//! Other backends, through the cache: every promise of theirs is kept through it.
//!
//! ```text
//! DRIVEDAL_TEST_CACHED=all cargo test --test behavior -- cached
//! ```
//! tries each of them under both validities; otherwise a few stand for all.

use std::{sync::Arc, time::Duration};

use drivedal::layers::cache::{CacheLayer, Validity};
use drivedal_conformance::{Backend, CaseResult, KnownDifference, TestContext};
use futures::{FutureExt, future::BoxFuture};
use opendal::Operator;

use super::{amazon_drive, fs, memory, onedrive, skydrive};

/// How old an answer may be under `Within`.
const AGE: Duration = Duration::from_millis(300);

struct Cached {
    name: String,
    inner: Box<dyn Backend>,
    known: Vec<KnownDifference>,
    validity: Validity,
}

/// In what a backend is known to differ through the cache, besides in what it does by itself.
const KNOWN: KnownDifference = KnownDifference::intermittent(
    "what arrived before the line was cut is not asked for again",
    &["faults::a_read_goes_on_where_it_was_cut_off"],
);

/// The cache in front of what the command line opens, and of OpenDAL's own.
pub fn all() -> Vec<Arc<dyn Backend>> {
    let within = Validity::Within(AGE);
    let every = std::env::var("DRIVEDAL_TEST_CACHED").is_ok_and(|which| which == "all");
    let mut all = vec![
        cached(memory::Memory, within),
        cached(skydrive::skydrive(), within),
        cached(onedrive::personal(), Validity::Fresh),
    ];
    if every {
        all.extend([
            cached(memory::Memory, Validity::Fresh),
            cached(fs::Fs, within),
            cached(fs::Fs, Validity::Fresh),
            cached(skydrive::skydrive(), Validity::Fresh),
            cached(onedrive::personal(), within),
            cached(onedrive::business(), within),
            cached(onedrive::business(), Validity::Offline),
            cached(amazon_drive::amazon_drive(), within),
            cached(amazon_drive::amazon_drive(), Validity::Fresh),
        ]);
    }
    all
}

fn cached(inner: impl Backend + 'static, validity: Validity) -> Arc<dyn Backend> {
    let how = match validity {
        Validity::Fresh => "fresh",
        Validity::Within(_) => "within",
        Validity::Offline => "offline",
    };
    let name = format!("cached-{}-{how}", inner.name());
    let known = inner.known_differences().iter().chain([&KNOWN]).copied().collect();
    Arc::new(Cached { name, inner: Box::new(inner), known, validity })
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
            test.op = through(&test.op, self.validity).await?;
            if let Validity::Within(age) = self.validity {
                test.expectations.max_staleness += age;
            }
            Ok(test)
        }
        .boxed()
    }
}

/// An operator of its own cache: what others have changed it hears of when its answers are old.
async fn through(operator: &Operator, validity: Validity) -> opendal::Result<Operator> {
    // Small blocks, so that files have many.
    let cache = CacheLayer::builder().validity(validity).block(64 << 10).build().await?;
    Ok(operator.clone().layer(cache))
}
