//! The large files of a run that are not downloaded yet.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use super::{fetch::origin, partial::DownloadOrigin};
use crate::remote::RemotePath;

/// Large files that this run has not downloaded yet, by remote and path. Clones share the set.
#[derive(Clone)]
pub(super) struct UnfinishedFiles(Arc<Mutex<BTreeSet<(String, String)>>>);

impl UnfinishedFiles {
    /// Creates the set of these remote files.
    pub(super) fn new<'a>(files: impl Iterator<Item = &'a RemotePath>) -> Self {
        let mut remotes: Vec<(String, String)> = Vec::new();
        let key = |from: &RemotePath| {
            // A hash per remote, computed once: there are few remotes and many files.
            let known = remotes.iter().find(|(name, _)| name == from.remote.display_name());
            let remote = match known {
                Some((_, remote)) => remote.clone(),
                None => {
                    let remote = origin(from).remote;
                    remotes.push((from.remote.display_name().to_owned(), remote.clone()));
                    remote
                }
            };
            (remote, from.path.as_str().to_owned())
        };
        Self(Arc::new(Mutex::new(files.map(key).collect())))
    }

    /// Removes a file, because it is downloaded.
    pub(super) fn remove(&self, from: &RemotePath) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.is_empty() {
            let at = origin(from);
            files.remove(&(at.remote, at.path));
        }
    }

    /// Returns whether the file of a partial download is in the set: this run found it and has not
    /// downloaded it. Remote and path of `at` are compared literally.
    pub(super) fn has(&self, at: &DownloadOrigin) -> bool {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.contains(&(at.remote.clone(), at.path.clone()))
    }
}
