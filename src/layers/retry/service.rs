//! The half around the service: operations.

use std::{fmt, sync::Arc};

use opendal::{
    Capability, Error, OperationContext, Result,
    raw::{
        OpCompose, OpCopy, OpCreateDir, OpList, OpPresign, OpRead, OpRename, OpRestore, OpStat,
        OpWrite, RpCreateDir, RpPresign, RpRename, RpRestore, RpStat, Service, ServiceInfo,
        Servicer, oio,
    },
};

use super::{
    Core,
    bodies::{Body, Reader, Reading},
    tries::{Tries, until_it_works},
    watch::Watch,
};

/// A service whose operations are made again.
pub(super) struct Retrying {
    inner: Servicer,
    core: Core,
}

impl Retrying {
    pub(super) fn new(inner: Servicer, core: Core) -> Self {
        Self { inner, core }
    }

    fn tries(&self, what: &'static str, context: &OperationContext) -> (Tries, OperationContext) {
        let watch = Watch::default();
        let context = watch.over(context);
        (Tries::new(&self.core, &watch, what), context)
    }

    /// A body of an operation; making it asks nothing of the network, so nothing is tried again.
    fn body<T>(
        &self,
        context: &OperationContext,
        make: impl FnOnce(&OperationContext) -> Result<T>,
    ) -> Result<Body<T>> {
        let watch = Watch::default();
        let made = make(&watch.over(context)).map_err(not_temporary)?;
        Ok(Body::new(made, self.core.clone(), watch))
    }
}

fn not_temporary(error: Error) -> Error {
    if error.is_temporary() { error.set_persistent() } else { error }
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Service for Retrying {
    type Reader = Reader;
    type Writer = Body<oio::Writer>;
    type Lister = Body<oio::Lister>;
    type Deleter = Body<oio::Deleter>;
    type Copier = Body<oio::Copier>;
    type Composer = Body<oio::Composer>;

    fn info(&self) -> ServiceInfo {
        self.inner.info()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    async fn create_dir(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpCreateDir,
    ) -> Result<RpCreateDir> {
        let (tries, context) = self.tries("create_dir", context);
        until_it_works!(tries, self.inner.create_dir(&context, path, args.clone()))
    }

    async fn stat(&self, context: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        let (tries, context) = self.tries("stat", context);
        until_it_works!(tries, self.inner.stat(&context, path, args.clone()))
    }

    fn read(&self, context: &OperationContext, path: &str, args: OpRead) -> Result<Reader> {
        let watch = Watch::default();
        let context = watch.over(context);
        let made = self.inner.read(&context, path, args.clone()).map_err(not_temporary)?;
        let body = Body::new(made, self.core.clone(), watch);
        let (service, path) = (Arc::clone(&self.inner), path.to_owned());
        Ok(Reader(Arc::new(Reading { body, service, context, path, args })))
    }

    fn write(&self, context: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        self.body(context, |context| self.inner.write(context, path, args))
    }

    fn delete(&self, context: &OperationContext) -> Result<Self::Deleter> {
        self.body(context, |context| self.inner.delete(context))
    }

    fn list(&self, context: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        self.body(context, |context| self.inner.list(context, path, args))
    }

    fn copy(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
    ) -> Result<Self::Copier> {
        self.body(context, |context| self.inner.copy(context, from, to, args))
    }

    fn compose(
        &self,
        context: &OperationContext,
        to: &str,
        args: OpCompose,
    ) -> Result<Self::Composer> {
        self.body(context, |context| self.inner.compose(context, to, args))
    }

    async fn rename(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpRename,
    ) -> Result<RpRename> {
        let (tries, context) = self.tries("rename", context);
        until_it_works!(tries, self.inner.rename(&context, from, to, args.clone()))
    }

    async fn restore(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpRestore,
    ) -> Result<RpRestore> {
        let (tries, context) = self.tries("restore", context);
        until_it_works!(tries, self.inner.restore(&context, path, args.clone()))
    }

    async fn presign(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpPresign,
    ) -> Result<RpPresign> {
        let (tries, context) = self.tries("presign", context);
        until_it_works!(tries, self.inner.presign(&context, path, args.clone()))
    }
}
