//! The services under test, and their known differences.

mod amazon_drive;
mod cached;
mod fs;
mod memory;
pub mod memory_drive;
mod onedrive;
pub mod served;
mod skydrive;

use std::{str::FromStr, sync::Arc, time::Duration};

use drivedal_conformance::{
    Backend, Expectations, KnownDifference, Requirement, TestContext, UriBackend,
};
use opendal::OperatorUri;

use crate::secrets;

/// The writer accepts `drivedal::announce()`.
pub struct Announcements {
    /// A modification time that is announced is kept.
    pub keeps_times: bool,
}

/// The caller may announce a file's size and modification time.
#[allow(non_upper_case_globals, reason = "named as OpenDAL's capabilities are")]
pub const announcements: Requirement = Requirement {
    name: "announced sizes",
    is_met: |test| test.extension::<Announcements>().is_some(),
};

/// The announced modification time is kept.
#[allow(non_upper_case_globals, reason = "named as OpenDAL's capabilities are")]
pub const announced_times: Requirement = Requirement {
    name: "announced times",
    is_met: |test| test.extension::<Announcements>().is_some_and(|kept| kept.keeps_times),
};

/// Differences of clouds whose response to an upload has no size.
const SIZE_UNTOLD: KnownDifference = KnownDifference::intermittent(
    "the response to an upload has no size, and the request for it afterwards may see the bytes \
     of a later writer",
    &["concurrency::every_concurrent_writer_to_a_path_succeeds"],
);

/// Returns the expectations for a drive behind the adapter's index that rejects these names.
const fn indexed(rejected_names: &'static [&'static str]) -> Expectations {
    Expectations::new()
        .with_fast_expiry(&[("index_ttl", "300ms")], Duration::from_millis(300))
        .with_rejected_names(rejected_names)
}

/// Returns the value of the option `index_ttl`. `None` if it is not set.
fn index_age(options: &[(&str, &str)]) -> Option<Duration> {
    let (_, text) = options.iter().find(|(key, _)| *key == "index_ttl")?;
    jiff::SignedDuration::from_str(text).ok()?.try_into().ok()
}

/// Returns the URI of the only service to test. `None` if none is given.
fn given_uri() -> Option<String> {
    std::env::var("DRIVEDAL_TEST_URI").ok().filter(|uri| !uri.is_empty())
}

/// Whether the service is given by `DRIVEDAL_TEST_URI`.
pub fn is_given_by_uri() -> bool {
    given_uri().is_some()
}

/// Every backend, or only the one that `DRIVEDAL_TEST_URI` names.
pub fn all() -> Vec<Arc<dyn Backend>> {
    if let Some(uri) = given_uri() {
        return vec![Arc::new(by_uri(uri))];
    }
    let mut all: Vec<Arc<dyn Backend>> = vec![
        Arc::new(memory::Memory),
        Arc::new(fs::Fs),
        Arc::new(memory_drive::by_id()),
        Arc::new(memory_drive::by_path()),
        Arc::new(memory_drive::with_commits()),
        Arc::new(skydrive::skydrive()),
        Arc::new(onedrive::personal()),
        Arc::new(onedrive::business()),
        Arc::new(onedrive::business_without_preauth()),
        Arc::new(onedrive::library_without_preauth()),
        Arc::new(amazon_drive::amazon_drive()),
    ];
    all.extend(cached::all());
    all
}

/// Returns a backend of any service in OpenDAL's registry, for example a real account.
fn by_uri(uri: String) -> UriBackend {
    let mut atomic = false;
    if let Ok(parsed) = OperatorUri::new(&uri, []) {
        atomic = parsed.option("atomic_write_dir").is_some();
        for (key, value) in parsed.options() {
            if ["token", "secret", "password", "key"].iter().any(|word| key.contains(word)) {
                secrets::register(value);
            }
        }
    }
    let backend = UriBackend::new(uri);
    let announces = |test: TestContext| test.with_extension(Announcements { keeps_times: false });
    let keeps_times = |test: TestContext| test.with_extension(Announcements { keeps_times: true });
    match backend.scheme() {
        "fs" => backend
            .with_known_differences(fs::KNOWN.iter().copied())
            .with_known_differences((!atomic).then_some(fs::NOT_ATOMIC).into_iter().flatten()),
        "memory" => backend.with_known_differences(memory::KNOWN.iter().copied()),
        "skydrive" => backend
            .with_known_differences(skydrive::KNOWN.iter().copied())
            .with_expectations(skydrive::EXPECTATIONS)
            .with_extend(announces),
        "onedrive" => backend
            .with_known_differences(onedrive::KNOWN.iter().copied())
            .with_expectations(onedrive::EXPECTATIONS)
            .with_extend(keeps_times),
        "amazon-drive" => backend
            .with_known_differences(amazon_drive::KNOWN.iter().copied())
            .with_expectations(amazon_drive::EXPECTATIONS)
            .with_extend(announces),
        _ => backend,
    }
}
