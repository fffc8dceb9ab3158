//! The layer's service: every operation, forwarded or answered.

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
    change::{CacheDeleter, Changer, Changing},
    core::{Core, missing},
    known::is_plain,
    list::CacheLister,
    read::CacheReader,
};

pub(super) struct CacheService {
    inner: Servicer,
    core: Arc<Core>,
}

impl fmt::Debug for CacheService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl CacheService {
    pub(super) fn new(inner: Servicer, core: Arc<Core>) -> Self {
        Self { inner, core }
    }

    fn changing<const N: usize>(&self, paths: [&str; N]) -> Changing {
        Changing::new(&self.core.known, paths)
    }
}

fn is_plain_stat(args: &OpStat) -> bool {
    !args.is_conditional()
        && args.version().is_none()
        && args.override_cache_control().is_none()
        && args.override_content_disposition().is_none()
        && args.override_content_type().is_none()
}

fn is_plain_read(args: &OpRead) -> bool {
    !args.is_conditional()
        && args.version().is_none()
        && args.override_cache_control().is_none()
        && args.override_content_disposition().is_none()
        && args.override_content_type().is_none()
}

fn is_plain_list(path: &str, args: &OpList) -> bool {
    path.ends_with('/') && args.start_after().is_none() && !args.versions() && !args.deleted()
}

#[deny(clippy::missing_trait_methods)]
impl Service for CacheService {
    type Reader = oio::Reader;
    type Writer = Changer<oio::Writer>;
    type Lister = oio::Lister;
    type Deleter = CacheDeleter<oio::Deleter>;
    type Copier = Changer<oio::Copier>;
    type Composer = Changer<oio::Composer>;

    fn info(&self) -> ServiceInfo {
        self.inner.info()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    async fn create_dir(
        &self,
        lent: &OperationContext,
        path: &str,
        args: OpCreateDir,
    ) -> Result<RpCreateDir> {
        let _changing = self.changing([path]);
        self.inner.create_dir(lent, path, args).await
    }

    async fn stat(&self, lent: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        if !is_plain_stat(&args) || !is_plain(path) {
            return self.inner.stat(lent, path, args).await;
        }
        let remembered = self.core.remembered(lent, path).await;
        self.core.counters.metadata(remembered.is_some());
        match remembered {
            Some(Some(seen)) => Ok(RpStat::new(seen.metadata.clone())),
            Some(None) => Err(missing(path)),
            None => {
                let (seen, _) = self.core.look(&self.inner, lent, path).await?;
                Ok(RpStat::new(seen.metadata.clone()))
            }
        }
    }

    fn read(&self, lent: &OperationContext, path: &str, args: OpRead) -> Result<oio::Reader> {
        let inner = self.inner.read(lent, path, args.clone())?;
        if !is_plain_read(&args) || !is_plain(path) {
            return Ok(inner);
        }
        let (core, service) = (Arc::clone(&self.core), Arc::clone(&self.inner));
        Ok(Box::new(CacheReader::new(core, service, lent.clone(), path, inner)))
    }

    fn write(&self, lent: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        let changing = self.changing([path]);
        Ok(Changer::new(self.inner.write(lent, path, args)?, changing))
    }

    fn delete(&self, lent: &OperationContext) -> Result<Self::Deleter> {
        Ok(CacheDeleter::new(self.inner.delete(lent)?, &self.core.known))
    }

    fn list(&self, lent: &OperationContext, path: &str, args: OpList) -> Result<oio::Lister> {
        let (plain, recursive) = (is_plain_list(path, &args) && is_plain(path), args.recursive());
        let inner = self.inner.list(lent, path, args)?;
        if !plain {
            return Ok(inner);
        }
        let core = Arc::clone(&self.core);
        Ok(Box::new(CacheLister::new(core, lent.clone(), path, recursive, inner)))
    }

    fn copy(
        &self,
        lent: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
    ) -> Result<Self::Copier> {
        let changing = self.changing([to]);
        Ok(Changer::new(self.inner.copy(lent, from, to, args)?, changing))
    }

    fn compose(
        &self,
        lent: &OperationContext,
        to: &str,
        args: OpCompose,
    ) -> Result<Self::Composer> {
        let changing = self.changing([to]);
        Ok(Changer::new(self.inner.compose(lent, to, args)?, changing))
    }

    async fn rename(
        &self,
        lent: &OperationContext,
        from: &str,
        to: &str,
        args: OpRename,
    ) -> Result<RpRename> {
        let _changing = self.changing([from, to]);
        self.inner.rename(lent, from, to, args).await
    }

    async fn restore(
        &self,
        lent: &OperationContext,
        path: &str,
        args: OpRestore,
    ) -> Result<RpRestore> {
        let _changing = self.changing([path]);
        self.inner.restore(lent, path, args).await
    }

    async fn presign(
        &self,
        lent: &OperationContext,
        path: &str,
        args: OpPresign,
    ) -> Result<RpPresign> {
        self.inner.presign(lent, path, args).await
    }
}
