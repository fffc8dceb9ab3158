//! Service wrapper of the cache: each operation is served from the cache or forwarded.

use std::{fmt, sync::Arc};

use opendal::{
    Capability, OperationContext, Result,
    raw::{
        OpCompose, OpCopy, OpCreateDir, OpList, OpPresign, OpRead, OpRename, OpRestore, OpStat,
        OpWrite, RpCreateDir, RpPresign, RpRename, RpRestore, RpStat, Service, ServiceInfo,
        Servicer, oio,
    },
};

use super::{
    invalidate::{CacheDeleter, InvalidatingBody, Mutation},
    list::CacheLister,
    paths::is_plain,
    read::CacheReader,
    state::{CacheState, not_found},
};

/// Service that caches the results of the inner service.
pub(super) struct CacheService {
    inner: Servicer,
    cache: Arc<CacheState>,
}

impl fmt::Debug for CacheService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl CacheService {
    /// Wraps `inner`. `cache` is the state of this service.
    pub(super) fn new(inner: Servicer, cache: Arc<CacheState>) -> Self {
        Self { inner, cache }
    }

    /// Invalidates the paths that a call is about to change, and again when the returned value is
    /// dropped.
    fn mutation<const N: usize>(&self, paths: [&str; N]) -> Mutation {
        Mutation::new(&self.cache.metadata_cache, paths)
    }
}

/// Returns whether a `stat` has no version, condition or override: these bypass the cache.
fn is_plain_stat(args: &OpStat) -> bool {
    !args.is_conditional()
        && args.version().is_none()
        && args.override_cache_control().is_none()
        && args.override_content_disposition().is_none()
        && args.override_content_type().is_none()
}

/// Returns whether a read has no version, condition or override: these bypass the cache.
fn is_plain_read(args: &OpRead) -> bool {
    !args.is_conditional()
        && args.version().is_none()
        && args.override_cache_control().is_none()
        && args.override_content_disposition().is_none()
        && args.override_content_type().is_none()
}

/// Returns whether a listing is of a folder (`path` ends with a slash) and has no start, old
/// versions or deleted items: these bypass the cache.
fn is_plain_list(path: &str, args: &OpList) -> bool {
    path.ends_with('/') && args.start_after().is_none() && !args.versions() && !args.deleted()
}

#[deny(clippy::missing_trait_methods)]
impl Service for CacheService {
    type Reader = oio::Reader;
    type Writer = InvalidatingBody<oio::Writer>;
    type Lister = oio::Lister;
    type Deleter = CacheDeleter<oio::Deleter>;
    type Copier = InvalidatingBody<oio::Copier>;
    type Composer = InvalidatingBody<oio::Composer>;

    fn info(&self) -> ServiceInfo {
        self.inner.info()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    /// Forwards the call, and invalidates the path.
    ///
    /// # Errors
    /// Those of the service.
    async fn create_dir(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpCreateDir,
    ) -> Result<RpCreateDir> {
        let _changing = self.mutation([path]);
        self.inner.create_dir(context, path, args).await
    }

    /// Returns cached metadata if the [consistency](super::Consistency) permits, otherwise that of
    /// the service. Calls with a version, a condition or an override, and paths with `.` or `..`,
    /// are forwarded.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist, also according to the cache; those of the service.
    async fn stat(&self, context: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        if !is_plain_stat(&args) || !is_plain(path) {
            return self.inner.stat(context, path, args).await;
        }
        let cached = self.cache.cached_stat(context, path).await;
        self.cache.counters.record_metadata(cached.is_some());
        match cached {
            Some(Some(item)) => Ok(RpStat::new(item.metadata.clone())),
            Some(None) => Err(not_found(path)),
            None => {
                let (item, _) = self.cache.fetch_stat(&self.inner, context, path).await?;
                Ok(RpStat::new(item.metadata.clone()))
            }
        }
    }

    /// Creates a reader that uses the cache, unless the call has options that bypass it.
    ///
    /// # Errors
    /// Those of the service. Sends no request.
    fn read(&self, context: &OperationContext, path: &str, args: OpRead) -> Result<oio::Reader> {
        let inner = self.inner.read(context, path, args.clone())?;
        if !is_plain_read(&args) || !is_plain(path) {
            return Ok(inner);
        }
        let (cache, service) = (Arc::clone(&self.cache), Arc::clone(&self.inner));
        Ok(Box::new(CacheReader::new(cache, service, context.clone(), path, inner)))
    }

    /// Creates a writer that invalidates the path with each call.
    ///
    /// # Errors
    /// Those of the service.
    fn write(&self, context: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        let mutation = self.mutation([path]);
        Ok(InvalidatingBody::new(self.inner.write(context, path, args)?, mutation))
    }

    /// Creates a deleter that invalidates its paths.
    ///
    /// # Errors
    /// Those of the service.
    fn delete(&self, context: &OperationContext) -> Result<Self::Deleter> {
        Ok(CacheDeleter::new(self.inner.delete(context)?, &self.cache.metadata_cache))
    }

    /// Creates a lister that uses the cache, unless the call has options or lists a prefix.
    ///
    /// # Errors
    /// Those of the service. Sends no request.
    fn list(&self, context: &OperationContext, path: &str, args: OpList) -> Result<oio::Lister> {
        let (plain, recursive) = (is_plain_list(path, &args) && is_plain(path), args.recursive());
        let inner = self.inner.list(context, path, args)?;
        if !plain {
            return Ok(inner);
        }
        let cache = Arc::clone(&self.cache);
        Ok(Box::new(CacheLister::new(cache, context.clone(), path, recursive, inner)))
    }

    /// Creates a copier that invalidates the target with each call.
    ///
    /// # Errors
    /// Those of the service.
    fn copy(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
    ) -> Result<Self::Copier> {
        let mutation = self.mutation([to]);
        Ok(InvalidatingBody::new(self.inner.copy(context, from, to, args)?, mutation))
    }

    /// Creates a composer that invalidates the target with each call.
    ///
    /// # Errors
    /// Those of the service.
    fn compose(
        &self,
        context: &OperationContext,
        to: &str,
        args: OpCompose,
    ) -> Result<Self::Composer> {
        let mutation = self.mutation([to]);
        Ok(InvalidatingBody::new(self.inner.compose(context, to, args)?, mutation))
    }

    /// Forwards the call, and invalidates both paths.
    ///
    /// # Errors
    /// Those of the service.
    async fn rename(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpRename,
    ) -> Result<RpRename> {
        let _changing = self.mutation([from, to]);
        self.inner.rename(context, from, to, args).await
    }

    /// Forwards the call, and invalidates the path.
    ///
    /// # Errors
    /// Those of the service.
    async fn restore(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpRestore,
    ) -> Result<RpRestore> {
        let _changing = self.mutation([path]);
        self.inner.restore(context, path, args).await
    }

    /// Forwards the call. A change by the presigned request is not seen by the cache.
    ///
    /// # Errors
    /// Those of the service.
    async fn presign(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpPresign,
    ) -> Result<RpPresign> {
        self.inner.presign(context, path, args).await
    }
}
