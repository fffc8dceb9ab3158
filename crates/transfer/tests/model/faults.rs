//! An OpenDAL layer whose operations fail at random, repeatably.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use opendal::{
    Buffer, BytesRange, Capability, Error, ErrorKind, Metadata, OperationContext, Operator, Result,
    raw::{
        Layer, OpCompose, OpCopy, OpCreateDir, OpDelete, OpList, OpPresign, OpRead, OpRename,
        OpRestore, OpStat, OpWrite, RpCreateDir, RpPresign, RpRead, RpRename, RpRestore, RpStat,
        Service, ServiceInfo, Servicer, oio,
    },
};

/// Decides which operations fail. Clones share their state.
#[derive(Clone, Debug)]
pub(crate) struct FaultScript(Arc<ScriptState>);

#[derive(Debug)]
struct ScriptState {
    /// State of a linear congruential generator.
    random: Mutex<u64>,
    /// An operation fails with this probability, in percent.
    percent: u64,
    failed_lists: AtomicU64,
    failed: AtomicU64,
    overwrite: Mutex<Option<Overwrite>>,
    overwritten: AtomicBool,
}

/// The write of another client, just before the script's service completes a file.
#[derive(Clone, Debug)]
pub(crate) struct Overwrite {
    /// The path of the file that is completed, and that the other client writes.
    pub(crate) path: String,
    /// The operator that the other client uses.
    pub(crate) operator: Operator,
    pub(crate) content: Vec<u8>,
}

/// The way in which an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    None,
    /// The operation has no effect and returns an error.
    Before,
    /// The operation takes effect and returns an error.
    After,
}

impl FaultScript {
    pub(crate) fn new(seed: u64, percent: u64) -> Self {
        Self(Arc::new(ScriptState {
            random: Mutex::new(seed),
            percent,
            failed_lists: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            overwrite: Mutex::new(None),
            overwritten: AtomicBool::new(false),
        }))
    }

    /// Lets another client write a file once.
    pub(crate) fn set_overwrite(&self, overwrite: Overwrite) {
        *self.0.overwrite.lock().expect("not poisoned") = Some(overwrite);
    }

    /// Returns whether the other client has written its file.
    pub(crate) fn has_overwritten(&self) -> bool {
        self.0.overwritten.load(Relaxed)
    }

    /// Lets the other client write its file if `path` is its path.
    async fn overwrite(&self, path: &str) {
        let due = |slot: &mut Option<Overwrite>| slot.take_if(|due| due.path == path);
        let due = due(&mut self.0.overwrite.lock().expect("not poisoned"));
        if let Some(Overwrite { path, operator, content }) = due {
            operator.write(&path, content).await.expect("written");
            self.0.overwritten.store(true, Relaxed);
        }
    }

    /// Returns the number of failed calls of listers.
    pub(crate) fn failed_lists(&self) -> u64 {
        self.0.failed_lists.load(Relaxed)
    }

    /// Returns the number of failed calls.
    pub(crate) fn failed(&self) -> u64 {
        self.0.failed.load(Relaxed)
    }

    fn next(&self) -> Effect {
        let mut random = self.0.random.lock().expect("not poisoned");
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let value = *random >> 33;
        if value % 100 >= self.0.percent {
            return Effect::None;
        }
        self.0.failed.fetch_add(1, Relaxed);
        if (value / 100).is_multiple_of(2) { Effect::Before } else { Effect::After }
    }

    /// Fails a call that changes nothing, or that is not complete.
    fn check(&self) -> Result<()> {
        match self.next() {
            Effect::None => Ok(()),
            _ => Err(fault()),
        }
    }

    /// Performs a call that may take effect although it fails.
    async fn perform<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        match self.next() {
            Effect::None => call.await,
            Effect::Before => Err(fault()),
            Effect::After => {
                call.await?;
                Err(fault())
            }
        }
    }
}

fn fault() -> Error {
    Error::new(ErrorKind::Unexpected, "a planned fault")
}

/// Applies a script to an operator.
#[derive(Debug)]
pub(crate) struct FaultLayer(pub(crate) FaultScript);

impl Layer for FaultLayer {
    fn apply_service(&self, inner: Servicer) -> Servicer {
        Arc::new(FaultService { inner, script: self.0.clone() })
    }
}

#[derive(Debug)]
struct FaultService {
    inner: Servicer,
    script: FaultScript,
}

/// A body of the inner service with its script.
struct FaultBody<T> {
    inner: T,
    script: FaultScript,
}

/// A writer of the inner service with its script.
struct FaultWriter {
    inner: oio::Writer,
    script: FaultScript,
    path: String,
}

impl Service for FaultService {
    type Reader = FaultBody<oio::Reader>;
    type Writer = FaultWriter;
    type Lister = FaultBody<oio::Lister>;
    type Deleter = FaultBody<oio::Deleter>;
    type Copier = oio::Copier;
    type Composer = oio::Composer;

    fn info(&self) -> ServiceInfo {
        self.inner.info()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    async fn create_dir(
        &self,
        cx: &OperationContext,
        path: &str,
        args: OpCreateDir,
    ) -> Result<RpCreateDir> {
        self.script.perform(self.inner.create_dir(cx, path, args)).await
    }

    async fn stat(&self, cx: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        self.script.perform(self.inner.stat(cx, path, args)).await
    }

    fn read(&self, cx: &OperationContext, path: &str, args: OpRead) -> Result<Self::Reader> {
        Ok(FaultBody { inner: self.inner.read(cx, path, args)?, script: self.script.clone() })
    }

    fn write(&self, cx: &OperationContext, path: &str, args: OpWrite) -> Result<Self::Writer> {
        let inner = self.inner.write(cx, path, args)?;
        Ok(FaultWriter { inner, script: self.script.clone(), path: path.to_owned() })
    }

    fn delete(&self, cx: &OperationContext) -> Result<Self::Deleter> {
        Ok(FaultBody { inner: self.inner.delete(cx)?, script: self.script.clone() })
    }

    fn list(&self, cx: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        Ok(FaultBody { inner: self.inner.list(cx, path, args)?, script: self.script.clone() })
    }

    fn copy(
        &self,
        cx: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
    ) -> Result<Self::Copier> {
        self.inner.copy(cx, from, to, args)
    }

    fn compose(&self, cx: &OperationContext, to: &str, args: OpCompose) -> Result<Self::Composer> {
        self.inner.compose(cx, to, args)
    }

    async fn rename(
        &self,
        cx: &OperationContext,
        from: &str,
        to: &str,
        args: OpRename,
    ) -> Result<RpRename> {
        self.inner.rename(cx, from, to, args).await
    }

    async fn restore(
        &self,
        cx: &OperationContext,
        path: &str,
        args: OpRestore,
    ) -> Result<RpRestore> {
        self.inner.restore(cx, path, args).await
    }

    async fn presign(
        &self,
        cx: &OperationContext,
        path: &str,
        args: OpPresign,
    ) -> Result<RpPresign> {
        self.inner.presign(cx, path, args).await
    }
}

impl oio::Read for FaultBody<oio::Reader> {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        self.script.check()?;
        let (response, stream) = self.inner.open(range).await?;
        let stream = FaultBody { inner: stream, script: self.script.clone() };
        Ok((response, Box::new(stream)))
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        self.script.check()?;
        self.inner.read(range).await
    }
}

impl oio::ReadStream for FaultBody<Box<dyn oio::ReadStreamDyn>> {
    async fn read(&mut self) -> Result<Buffer> {
        match self.script.next() {
            Effect::None => self.inner.read().await,
            Effect::Before => Err(fault()),
            // The stream ends too early, without an error.
            Effect::After => Ok(Buffer::new()),
        }
    }
}

impl oio::Write for FaultWriter {
    async fn write(&mut self, bytes: Buffer) -> Result<()> {
        self.script.perform(self.inner.write(bytes)).await
    }

    async fn close(&mut self) -> Result<Metadata> {
        self.script.overwrite(&self.path).await;
        self.script.perform(self.inner.close()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.script.perform(self.inner.abort()).await
    }
}

impl oio::List for FaultBody<oio::Lister> {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        if let Err(error) = self.script.check() {
            self.script.0.failed_lists.fetch_add(1, Relaxed);
            return Err(error);
        }
        self.inner.next().await
    }
}

impl oio::Delete for FaultBody<oio::Deleter> {
    async fn delete(&mut self, path: &str, args: OpDelete) -> Result<()> {
        self.script.perform(self.inner.delete(path, args)).await
    }

    async fn close(&mut self) -> Result<()> {
        self.script.perform(self.inner.close()).await
    }
}
