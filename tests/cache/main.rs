//! The cache, on a cloud that counts what it is asked, and on the drive server.

mod cloud;
mod contents;
mod defects;
mod drives;
mod metadata;
mod model;
mod places;

use std::time::Duration;

use drivedal::layers::cache::{CacheBuilder, CacheLayer, Validity};
use opendal::Operator;

use cloud::{Cloud, Tells};

/// Long enough for any test.
const LONG: Duration = Duration::from_secs(3600);

/// A cloud, a client with the cache, and one without.
struct Rig {
    cloud: Cloud,
    cached: Operator,
    other: Operator,
    cache: CacheLayer,
}

/// Blocks of 10 bytes.
async fn rig(tells: Tells, validity: Validity) -> Rig {
    rig_with(tells, |cache| cache.validity(validity)).await
}

async fn rig_with(tells: Tells, set: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Rig {
    let cloud = Cloud::new(tells);
    let cache = set(CacheLayer::builder().block(10)).build().await.unwrap();
    let cached = cloud.client().layer(cache.clone());
    Rig { other: cloud.client(), cloud, cached, cache }
}

/// Bytes that differ from place to place.
fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}
