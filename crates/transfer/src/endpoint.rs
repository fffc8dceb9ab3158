//! One side of a transfer: a folder or file of an operator.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use opendal::{Operator, raw::normalize_path};

use crate::{
    error::FailureCause,
    features::{EndpointFeatures, StandardFeatures},
    index::TreeIndex,
    local::{LocalFeatures, local_name},
    upload::ResumableUploads,
};

/// A folder or file of an operator.
///
/// A folder of OpenDAL's `fs` service is read and written directly, because that service cannot set
/// modification times, and reports a missing folder as an empty one. The operator's layers do not
/// see these accesses.
#[derive(Clone)]
pub struct Endpoint {
    operator: Operator,
    /// The path within the operator, without a slash at its end. Empty for its root.
    root: String,
    name: String,
    features: Arc<dyn EndpointFeatures>,
    /// The path of the folder or file, if it is on a local disk.
    local: Option<PathBuf>,
    store: Option<String>,
    /// Real local paths that followed links must not lead to, nor lead above.
    link_limits: Vec<PathBuf>,
    index: Option<Arc<dyn TreeIndex>>,
    uploads: Option<Arc<dyn ResumableUploads>>,
}

impl Endpoint {
    /// Returns the endpoint of the folder or file at `path`.
    pub fn new(operator: Operator, path: &str) -> Self {
        let root = path.trim_matches('/').to_owned();
        let info = operator.info();
        let scheme = info.scheme();
        let local = (scheme == "fs").then(|| Path::new(&*info.root()).join(&root));
        let (name, features): (String, Arc<dyn EndpointFeatures>) = match &local {
            Some(path) => (path.display().to_string(), Arc::new(LocalFeatures::new(path))),
            None => (format!("{scheme}:{root}"), Arc::new(StandardFeatures::for_scheme(scheme))),
        };
        Self {
            operator,
            root,
            name,
            features,
            local,
            store: None,
            link_limits: Vec::new(),
            index: None,
            uploads: None,
        }
    }

    /// Sets the features of the service. A folder of the `fs` service needs none.
    #[must_use]
    pub fn with_features(mut self, features: Arc<dyn EndpointFeatures>) -> Self {
        self.features = features;
        self
    }

    /// Sets the name for messages, such as `work:docs`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets an identity of the storage, such as an account and drive. Of two endpoints with the same
    /// identity, one may not be inside the other. Their paths are compared from the root of the
    /// storage on: the root of the operator, and the path within it. Without identities, two
    /// endpoints are in one storage if their operators are clones of each other, or if both are on
    /// local disks.
    ///
    /// The storage copies and renames files only between endpoints whose operators are clones of
    /// each other: other operators may have other permissions.
    #[must_use]
    pub fn with_store(mut self, identity: impl Into<String>) -> Self {
        self.store = Some(identity.into());
        self
    }

    /// Sets an index of the tree, for an endpoint that is a folder. The endpoint must not be on a
    /// local disk.
    #[must_use]
    pub fn with_index(mut self, index: Arc<dyn TreeIndex>) -> Self {
        self.index = Some(index);
        self
    }

    /// Sets the uploads of large local files.
    #[must_use]
    pub fn with_uploads(mut self, uploads: Arc<dyn ResumableUploads>) -> Self {
        self.uploads = Some(uploads);
        self
    }

    /// Returns the uploads of large local files. `None` if the operator's writers are used.
    pub(crate) fn uploads(&self) -> Option<&dyn ResumableUploads> {
        self.uploads.as_deref()
    }

    /// Returns the index of the tree, if listings use one.
    pub(crate) fn index(&self) -> Option<&Arc<dyn TreeIndex>> {
        self.index.as_ref()
    }

    /// Removes and returns the index of the tree. Listings then use the service.
    pub(crate) fn take_index(&mut self) -> Option<Arc<dyn TreeIndex>> {
        self.index.take()
    }

    /// Returns the operator.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Returns the name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the features of the service.
    pub fn features(&self) -> &dyn EndpointFeatures {
        &*self.features
    }

    /// Returns whether the endpoint is on a local disk.
    pub(crate) fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// Returns the local path of the endpoint itself. `None` if it is not on a local disk.
    pub(crate) fn local_root(&self) -> Option<&Path> {
        self.local.as_deref()
    }

    /// Returns the local path of an item. `None` if the endpoint is not on a local disk.
    ///
    /// # Errors
    /// `Refused` if a name of the relative path cannot be a local name.
    pub(crate) fn local_path(&self, relative: &str) -> Result<Option<PathBuf>, FailureCause> {
        let Some(local) = &self.local else { return Ok(None) };
        let mut path = local.clone();
        for name in relative.trim_end_matches('/').split('/') {
            if !relative.is_empty() {
                path.push(local_name(name).map_err(FailureCause::refused)?);
            }
        }
        Ok(Some(path))
    }

    /// Returns the path within the operator of an item. A folder path ends with a slash; the root
    /// of the operator is `/`.
    ///
    /// # Errors
    /// `Refused` for a path that OpenDAL would change, such as one with a space at its end.
    pub(crate) fn path(&self, relative: &str) -> Result<String, FailureCause> {
        let path = match (self.root.is_empty(), relative.is_empty()) {
            (true, true) => return Ok("/".to_owned()),
            (true, false) => relative.to_owned(),
            (false, true) => self.root.clone(),
            (false, false) => format!("{}/{relative}", self.root),
        };
        match normalize_path(&path) == path {
            true => Ok(path),
            false => Err(FailureCause::refused(
                "OpenDAL cannot address a path with white space at its start or end",
            )),
        }
    }

    /// Returns the path of a folder within the operator.
    ///
    /// # Errors
    /// As [`path`](Self::path).
    pub(crate) fn folder_path(&self, relative: &str) -> Result<String, FailureCause> {
        let mut path = self.path(relative)?;
        if !path.ends_with('/') {
            path.push('/');
        }
        Ok(path)
    }

    /// Returns the name of an item for messages.
    pub(crate) fn item(&self, relative: &str) -> String {
        match relative.is_empty() || self.name.ends_with([':', '/']) {
            true => format!("{}{relative}", self.name),
            false => format!("{}/{relative}", self.name),
        }
    }

    /// Returns the path of an item relative to this endpoint. `path` is its path within the
    /// operator. `None` if the item is not below this endpoint.
    pub(crate) fn relative<'p>(&self, path: &'p str) -> Option<&'p str> {
        let path = path.trim_start_matches('/');
        match self.root.is_empty() {
            true => Some(path),
            false => path.strip_prefix(&*self.root)?.strip_prefix('/'),
        }
    }

    /// Returns the name of the folder or file within its parent. Empty for the root of the operator.
    pub(crate) fn file_name(&self) -> &str {
        self.root.rsplit('/').next().unwrap_or_default()
    }

    /// Forbids followed links that lead into another endpoint, or to a folder above it.
    pub(crate) fn limit_links(&mut self, other: &Self) {
        self.link_limits.extend(other.local.as_deref().map(real_path));
    }

    /// Returns the real local paths that followed links must not lead to, nor lead above.
    pub(crate) fn link_limits(&self) -> &[PathBuf] {
        &self.link_limits
    }

    /// Returns whether the storage can copy and rename files between both endpoints: their operators
    /// are clones of each other, or both are on local disks.
    pub(crate) fn shares_operator(&self, other: &Self) -> bool {
        (self.is_local() && other.is_local())
            || Arc::ptr_eq(self.operator.base_service(), other.operator.base_service())
    }

    /// Returns whether one endpoint is the other one, or is inside it.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        if let (Some(ours), Some(theirs)) = (&self.local, &other.local) {
            let (ours, theirs) = (real_path(ours), real_path(theirs));
            return ours.starts_with(&theirs) || theirs.starts_with(&ours);
        }
        let is_same_store = self.store.is_some() && self.store == other.store;
        if !is_same_store && !self.shares_operator(other) {
            return false;
        }
        let names = |endpoint: &Self| -> Vec<String> {
            let base = endpoint.operator.info().root();
            let names = base.split('/').chain(endpoint.root.split('/'));
            let names = names.filter(|name| !name.is_empty());
            names.map(|name| self.features.collision_key(name).into_owned()).collect()
        };
        let (ours, theirs) = (names(self), names(other));
        ours.starts_with(&theirs) || theirs.starts_with(&ours)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Endpoint");
        debug.field("name", &self.name).field("root", &self.root).finish_non_exhaustive()
    }
}

/// Returns a local path without symbolic links. Of a path that does not exist, the existing part is
/// resolved.
fn real_path(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for existing in absolute.ancestors() {
        if let Ok(real) = existing.canonicalize() {
            let mut resolved = real;
            for part in absolute.strip_prefix(existing).unwrap_or(Path::new("")).components() {
                match part {
                    Component::ParentDir => {
                        resolved.pop();
                    }
                    part => resolved.push(part),
                }
            }
            return resolved;
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use opendal::services;

    use super::*;

    fn memory() -> Operator {
        Operator::new(services::Memory::default()).expect("an operator")
    }

    #[test]
    fn endpoints_of_one_operator_overlap_by_their_paths() {
        let (operator, other) = (memory(), memory());
        let at = |operator: &Operator, path: &str| Endpoint::new(operator.clone(), path);
        for (one, two, expected) in [
            ("a", "a/b", true),
            ("a/b", "a", true),
            ("a", "a", true),
            ("", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(at(&operator, one).overlaps(&at(&operator, two)), expected, "{one} {two}");
            assert!(!at(&operator, one).overlaps(&at(&other, two)));
            let named = |operator, path| at(operator, path).with_store("account");
            assert_eq!(named(&operator, one).overlaps(&named(&other, two)), expected);
        }
    }

    #[test]
    fn operators_of_one_storage_may_have_different_roots() {
        let at = |root: &str, path: &str| {
            let builder = services::Memory::default().root(root);
            let operator = Operator::new(builder).expect("an operator");
            Endpoint::new(operator, path).with_store("account")
        };
        assert!(at("/", "a/b").overlaps(&at("/a", "")));
        assert!(at("/a", "b").overlaps(&at("/", "a")));
        assert!(!at("/a", "a").overlaps(&at("/b", "a")));
        assert!(!at("/", "a").shares_operator(&at("/a", "")));
    }

    #[test]
    fn a_path_of_the_operator_is_relative_to_one_endpoint() {
        let endpoint = Endpoint::new(memory(), "a/b");
        assert_eq!(endpoint.relative("/a/b/c/d"), Some("c/d"));
        assert_eq!((endpoint.relative("a/bc"), endpoint.relative("a")), (None, None));
        assert_eq!(Endpoint::new(memory(), "").relative("a"), Some("a"));
        assert_eq!((endpoint.file_name(), Endpoint::new(memory(), "").file_name()), ("b", ""));
    }

    #[cfg(unix)]
    #[test]
    fn local_folders_overlap_through_symbolic_links() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("a")).expect("created");
        std::os::unix::fs::symlink("a", dir.path().join("link")).expect("linked");
        let at = |path: &str| {
            let root = dir.path().join(path);
            let builder = services::Fs::default().root(root.to_str().expect("UTF-8"));
            Endpoint::new(Operator::new(builder).expect("an operator"), "")
        };
        assert!(at("a").overlaps(&at("link/new")));
        assert!(at("link").overlaps(&at("a")));
        assert!(!at("a").overlaps(&at("b")));
    }

    #[test]
    fn a_path_that_opendal_would_change_is_refused() {
        let endpoint = Endpoint::new(memory(), "d");
        assert_eq!(endpoint.path("a b").expect("a path"), "d/a b");
        assert!(endpoint.path("a ").is_err());
        assert_eq!(Endpoint::new(memory(), "").folder_path("").expect("a path"), "/");
    }
}
