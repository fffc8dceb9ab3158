//! The cache, on a cloud that counts requests and on the drive server.

mod cloud;
mod contents;
mod defects;
mod drives;
mod metadata;
mod model;
mod storage;

use std::time::Duration;

use drivedal::layers::cache::{CacheBuilder, CacheLayer, Consistency};
use opendal::Operator;

use cloud::{Cloud, EtagSupport};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// A cloud, a client with the cache, and one without.
struct Rig {
    cloud: Cloud,
    cached: Operator,
    other: Operator,
    cache: CacheLayer,
}

/// Returns a rig with blocks of 10 bytes.
async fn rig(etags: EtagSupport, consistency: Consistency) -> Rig {
    rig_with(etags, |cache| cache.consistency(consistency)).await
}

async fn rig_with(etags: EtagSupport, set: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Rig {
    let cloud = Cloud::new(etags);
    let cache = set(CacheLayer::builder().block_size(10)).build().await.unwrap();
    let cached = cloud.client().layer(cache.clone());
    Rig { other: cloud.client(), cloud, cached, cache }
}

/// Returns pseudo-random bytes.
fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}
