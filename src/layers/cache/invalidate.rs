//! Invalidates metadata when a call changes paths: when the call begins, and when it ends, fails or
//! is dropped.

use std::{mem, sync::Arc};

use opendal::{
    Buffer, BytesRange, Metadata, Result,
    raw::{OpDelete, OpRead, oio},
};

use super::{
    metadata::{InvalidationScope, MetadataCache},
    paths::is_plain,
};

/// Maximum number of paths that a deleter records before it is closed. Beyond it, everything is
/// invalidated.
const MAX_PATHS: usize = 10_000;

/// Paths that a call changes. They are invalidated whatever the result of the call is.
#[derive(Debug)]
pub(super) struct Mutation {
    metadata_cache: Arc<MetadataCache>,
    paths: Vec<(String, InvalidationScope)>,
    /// Too many paths to record: everything is invalidated.
    everything: bool,
}

impl Mutation {
    /// Invalidates the paths with everything below them, now and again when the value is dropped.
    pub(super) fn new<const N: usize>(
        metadata_cache: &Arc<MetadataCache>,
        paths: [&str; N],
    ) -> Self {
        let paths = paths.map(|path| (path.to_owned(), InvalidationScope::Tree)).into();
        let mutation =
            Self { metadata_cache: Arc::clone(metadata_cache), paths, everything: false };
        mutation.invalidate();
        mutation
    }

    /// Invalidates the recorded paths; everything if one of them cannot be a key of the cache.
    fn invalidate(&self) {
        if self.everything || self.paths.iter().any(|(path, _)| !is_plain(path)) {
            return self.metadata_cache.invalidate_all();
        }
        for (path, scope) in &self.paths {
            self.metadata_cache.invalidate(path, *scope);
        }
    }

    /// Adds a path and invalidates it. With more than [`MAX_PATHS`] paths, or one with `.` or `..`,
    /// everything is invalidated instead.
    fn add(&mut self, path: &str, scope: InvalidationScope) {
        if self.paths.len() < MAX_PATHS {
            self.paths.push((path.to_owned(), scope));
        } else {
            self.everything = true;
        }
        if self.everything || !is_plain(path) {
            self.metadata_cache.invalidate_all();
        } else {
            self.metadata_cache.invalidate(path, scope);
        }
    }

    /// Invalidates the paths now, and again when the guard is dropped.
    fn during_call(&self) -> MutationGuard<'_> {
        self.invalidate();
        MutationGuard(self)
    }
}

impl Drop for Mutation {
    fn drop(&mut self) {
        self.invalidate();
    }
}

/// Invalidates the paths of a mutation when it is dropped.
struct MutationGuard<'a>(&'a Mutation);

impl Drop for MutationGuard<'_> {
    fn drop(&mut self) {
        self.0.invalidate();
    }
}

/// Writer, copier or composer that invalidates the paths that it changes.
#[derive(Debug)]
pub(super) struct InvalidatingBody<I> {
    inner: I,
    mutation: Mutation,
}

impl<I> InvalidatingBody<I> {
    /// Wraps a writer, copier or composer that changes the paths of `mutation`.
    pub(super) fn new(inner: I, mutation: Mutation) -> Self {
        Self { inner, mutation }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<I: oio::Write> oio::Write for InvalidatingBody<I> {
    /// Forwards the bytes. Invalidates the path before and after, also after an error.
    ///
    /// # Errors
    /// Those of the inner writer.
    async fn write(&mut self, bytes: Buffer) -> Result<()> {
        let _guard = self.mutation.during_call();
        self.inner.write(bytes).await
    }

    /// Forwards the call. Invalidates the target before and after, also after an error.
    ///
    /// # Errors
    /// Those of the inner writer.
    async fn copy_from(&mut self, path: &str, args: OpRead, range: BytesRange) -> Result<()> {
        let _guard = self.mutation.during_call();
        self.inner.copy_from(path, args, range).await
    }

    /// Completes the file. Invalidates the path before and after, also after an error.
    ///
    /// # Errors
    /// Those of the inner writer.
    async fn close(&mut self) -> Result<Metadata> {
        let _guard = self.mutation.during_call();
        self.inner.close().await
    }

    /// Aborts the write. Invalidates the path before and after, also after an error.
    ///
    /// # Errors
    /// Those of the inner writer.
    async fn abort(&mut self) -> Result<()> {
        let _guard = self.mutation.during_call();
        self.inner.abort().await
    }
}

#[deny(clippy::missing_trait_methods)]
impl<I: oio::Copy> oio::Copy for InvalidatingBody<I> {
    /// Continues the copy; `None` at its end. Invalidates the target before and after, also after
    /// an error.
    ///
    /// # Errors
    /// Those of the inner copier.
    async fn next(&mut self) -> Result<Option<usize>> {
        let _guard = self.mutation.during_call();
        self.inner.next().await
    }

    /// Completes the copy. Invalidates the target before and after, also after an error.
    ///
    /// # Errors
    /// Those of the inner copier.
    async fn close(&mut self) -> Result<Metadata> {
        let _guard = self.mutation.during_call();
        self.inner.close().await
    }

    /// Aborts the copy. Invalidates the target before and after, also after an error.
    ///
    /// # Errors
    /// Those of the inner copier.
    async fn abort(&mut self) -> Result<()> {
        let _guard = self.mutation.during_call();
        self.inner.abort().await
    }
}

#[deny(clippy::missing_trait_methods)]
impl<I: oio::Compose> oio::Compose for InvalidatingBody<I> {
    /// Appends the file at `path`. Invalidates the target before and after, also after an error.
    ///
    /// # Errors
    /// Those of the inner composer.
    async fn compose(&mut self, path: &str, args: OpRead) -> Result<()> {
        let _guard = self.mutation.during_call();
        self.inner.compose(path, args).await
    }

    /// Completes the target. Invalidates it before and after, also after an error.
    ///
    /// # Errors
    /// Those of the inner composer.
    async fn close(&mut self) -> Result<Metadata> {
        let _guard = self.mutation.during_call();
        self.inner.close().await
    }
}

/// Deleter that invalidates its paths. A service deletes a path immediately, or in a batch when the
/// deleter is closed.
#[derive(Debug)]
pub(super) struct CacheDeleter<I> {
    inner: I,
    mutation: Mutation,
}

impl<I> CacheDeleter<I> {
    /// Wraps a deleter. Its paths are added as they are deleted.
    pub(super) fn new(inner: I, metadata_cache: &Arc<MetadataCache>) -> Self {
        Self { inner, mutation: Mutation::new(metadata_cache, []) }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<I: oio::Delete> oio::Delete for CacheDeleter<I> {
    /// Invalidates the path before and after the inner call, also if it fails.
    ///
    /// # Errors
    /// Those of the inner deleter.
    async fn delete(&mut self, path: &str, args: OpDelete) -> Result<()> {
        let prefix = args.recursive() && !path.ends_with('/');
        let scope = if prefix { InvalidationScope::Prefix } else { InvalidationScope::Tree };
        self.mutation.add(path, scope);
        // The call may also execute a full batch of earlier paths. Those are invalidated when the
        // deleter is closed or dropped.
        let last = Mutation {
            metadata_cache: Arc::clone(&self.mutation.metadata_cache),
            paths: vec![(path.to_owned(), scope)],
            everything: self.mutation.everything,
        };
        let deleted = self.inner.delete(path, args).await;
        drop(last);
        deleted
    }

    /// Executes the batch of the inner deleter, and invalidates all recorded paths before and after
    /// it.
    ///
    /// # Errors
    /// Those of the inner deleter. The paths stay recorded and are invalidated again.
    async fn close(&mut self) -> Result<()> {
        let guard = self.mutation.during_call();
        let closed = self.inner.close().await;
        drop(guard);
        if closed.is_ok() {
            self.mutation.everything = false;
            drop(mem::take(&mut self.mutation.paths));
        }
        closed
    }
}
