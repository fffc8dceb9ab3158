//! Comparison of two files by their contents.

use opendal::Buffer;

use crate::{
    endpoint::Endpoint,
    engine::{EndpointSide, RunState},
    entry::TreeEntry,
    error::FailureCause,
    hash::{ContentDigest, HashAlgorithm},
    local::{LocalReader, blocking},
    read::ContentReader,
    work::FileJob,
};

/// Returns the hash of a file: the listed one, or that of a local file's bytes.
///
/// # Errors
/// `Disk` or `Refused` if the file cannot be read or changes meanwhile; `Refused` if the service
/// lists no such hash.
pub(crate) async fn digest(
    endpoint: &Endpoint,
    relative: &str,
    entry: &TreeEntry,
    algorithm: HashAlgorithm,
) -> Result<ContentDigest, FailureCause> {
    let listed = entry.digests.iter().find(|digest| digest.algorithm() == algorithm.name());
    if let Some(listed) = listed {
        return Ok(listed.clone());
    }
    let Some(path) = endpoint.local_path(relative)? else {
        let reason = format!("the service lists no {} hash of it", algorithm.name());
        return Err(FailureCause::refused(reason));
    };
    blocking(move || {
        let mut reader = LocalReader::open(&path)?;
        let mut digest = algorithm.start();
        loop {
            let chunk = reader.next_chunk()?;
            if chunk.is_empty() {
                return Ok(ContentDigest::new(algorithm, digest.finish()));
            }
            digest.update(&chunk);
        }
    })
    .await
}

/// Reads both files and returns whether their bytes are equal. Stops at the first difference.
///
/// # Errors
/// The side whose file cannot be read, and the reason.
pub(crate) async fn contents_are_equal(
    state: &RunState,
    job: &FileJob,
    existing: &TreeEntry,
) -> Result<bool, (EndpointSide, FailureCause)> {
    let limits = &state.plan.limits;
    let on_source = |cause| (EndpointSide::Source, cause);
    let on_target = |cause| (EndpointSide::Target, cause);
    state.operations.pass(2).await;
    let (source, target) = tokio::join!(
        ContentReader::open(&state.plan.source, &job.source, &job.entry, limits),
        ContentReader::open(&state.plan.target, &job.target, existing, limits),
    );
    let (mut source, mut target) = (source.map_err(on_source)?, target.map_err(on_target)?);
    let (mut ours, mut theirs) = (Buffer::new(), Buffer::new());
    loop {
        if ours.is_empty() {
            ours = source.next().await.map_err(on_source)?.unwrap_or_default();
        }
        if theirs.is_empty() {
            theirs = target.next().await.map_err(on_target)?.unwrap_or_default();
        }
        let common = ours.len().min(theirs.len());
        if common == 0 {
            return Ok(ours.is_empty() && theirs.is_empty());
        }
        state.bandwidth.pass(2 * common as u64).await;
        if ours.slice(..common).to_bytes() != theirs.slice(..common).to_bytes() {
            return Ok(false);
        }
        (ours, theirs) = (ours.slice(common..), theirs.slice(common..));
    }
}
