//! Service wrapper of the retry layer: retries operations.

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
    RetryShared,
    bodies::{ReadContext, RetryBody, RetryReader},
    failed_requests::FailedRequests,
    state::{RetryState, retry},
};

/// Service that retries the operations of the inner service.
pub(super) struct RetryService {
    inner: Servicer,
    shared: RetryShared,
}

impl RetryService {
    /// Wraps a service. `shared` is the state of its layer.
    pub(super) fn new(inner: Servicer, shared: RetryShared) -> Self {
        Self { inner, shared }
    }

    /// Returns the state of a new operation with the name `call`, and the context for its requests,
    /// which records exhausted requests.
    fn start(
        &self,
        call: &'static str,
        context: &OperationContext,
    ) -> (RetryState, OperationContext) {
        let failed_requests = FailedRequests::default();
        let context = failed_requests.wrap(context);
        (RetryState::new(&self.shared, &failed_requests, call), context)
    }

    /// Creates a body (writer, lister and so on) with `create`, and wraps it. Its creation sends no
    /// request, so that a retry would not help.
    ///
    /// # Errors
    /// Those of `create`, none of them temporary.
    fn body<T>(
        &self,
        context: &OperationContext,
        create: impl FnOnce(&OperationContext) -> Result<T>,
    ) -> Result<RetryBody<T>> {
        let failed_requests = FailedRequests::default();
        let body = create(&failed_requests.wrap(context)).map_err(to_persistent)?;
        Ok(RetryBody::new(body, self.shared.clone(), failed_requests))
    }
}

/// Makes a temporary error persistent, so that no layer above retries it.
fn to_persistent(error: Error) -> Error {
    if error.is_temporary() { error.set_persistent() } else { error }
}

impl fmt::Debug for RetryService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Service for RetryService {
    type Reader = RetryReader;
    type Writer = RetryBody<oio::Writer>;
    type Lister = RetryBody<oio::Lister>;
    type Deleter = RetryBody<oio::Deleter>;
    type Copier = RetryBody<oio::Copier>;
    type Composer = RetryBody<oio::Composer>;

    fn info(&self) -> ServiceInfo {
        self.inner.info()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    /// Forwards the call, with retries.
    ///
    /// # Errors
    /// The service's error, if it is permanent or the attempts are exhausted.
    async fn create_dir(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpCreateDir,
    ) -> Result<RpCreateDir> {
        let (state, context) = self.start("create_dir", context);
        retry!(state, self.inner.create_dir(&context, path, args.clone()))
    }

    /// Forwards the call, with retries.
    ///
    /// # Errors
    /// The service's error, if it is permanent or the attempts are exhausted.
    async fn stat(&self, context: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        let (state, context) = self.start("stat", context);
        retry!(state, self.inner.stat(&context, path, args.clone()))
    }

    /// Creates a reader whose calls are retried and whose streams resume. Sends no request.
    ///
    /// # Errors
    /// Those of the service, none of them temporary.
    fn read(&self, context: &OperationContext, path: &str, args: OpRead) -> Result<RetryReader> {
        let failed_requests = FailedRequests::default();
        let context = failed_requests.wrap(context);
        let body = self.inner.read(&context, path, args.clone()).map_err(to_persistent)?;
        let body = RetryBody::new(body, self.shared.clone(), failed_requests);
        let (service, path) = (Arc::clone(&self.inner), path.to_owned());
        Ok(RetryReader(Arc::new(ReadContext { body, service, context, path, args })))
    }

    /// Creates a writer whose calls are retried.
    ///
    /// # Errors
    /// Those of the service, none of them temporary.
    fn write(&self, context: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        self.body(context, |context| self.inner.write(context, path, args))
    }

    /// Creates a deleter whose calls are retried.
    ///
    /// # Errors
    /// Those of the service, none of them temporary.
    fn delete(&self, context: &OperationContext) -> Result<Self::Deleter> {
        self.body(context, |context| self.inner.delete(context))
    }

    /// Creates a lister whose calls are retried.
    ///
    /// # Errors
    /// Those of the service, none of them temporary.
    fn list(&self, context: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        self.body(context, |context| self.inner.list(context, path, args))
    }

    /// Creates a copier whose calls are retried.
    ///
    /// # Errors
    /// Those of the service, none of them temporary.
    fn copy(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
    ) -> Result<Self::Copier> {
        self.body(context, |context| self.inner.copy(context, from, to, args))
    }

    /// Creates a composer whose calls are retried.
    ///
    /// # Errors
    /// Those of the service, none of them temporary.
    fn compose(
        &self,
        context: &OperationContext,
        to: &str,
        args: OpCompose,
    ) -> Result<Self::Composer> {
        self.body(context, |context| self.inner.compose(context, to, args))
    }

    /// Forwards the call, with retries.
    ///
    /// # Errors
    /// The service's error, if it is permanent or the attempts are exhausted.
    async fn rename(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpRename,
    ) -> Result<RpRename> {
        let (state, context) = self.start("rename", context);
        retry!(state, self.inner.rename(&context, from, to, args.clone()))
    }

    /// Forwards the call, with retries.
    ///
    /// # Errors
    /// The service's error, if it is permanent or the attempts are exhausted.
    async fn restore(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpRestore,
    ) -> Result<RpRestore> {
        let (state, context) = self.start("restore", context);
        retry!(state, self.inner.restore(&context, path, args.clone()))
    }

    /// Forwards the call, with retries.
    ///
    /// # Errors
    /// The service's error, if it is permanent or the attempts are exhausted.
    async fn presign(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpPresign,
    ) -> Result<RpPresign> {
        let (state, context) = self.start("presign", context);
        retry!(state, self.inner.presign(&context, path, args.clone()))
    }
}
