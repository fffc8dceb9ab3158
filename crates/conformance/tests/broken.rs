//! The suite finds broken promises: each layer here breaks one, on a drive that keeps all of them.

use std::sync::Arc;

use drivedal::{
    adapter::{DriveService, ServiceSettings},
    testing::MemoryDrive,
};
use drivedal_conformance::{
    Backend, CaseResult, Expectations, KnownDifference, Report, Suite, SuiteEvent, TestContext,
    groups,
    report::{self, Status},
};
use futures::{FutureExt, future::BoxFuture, future::ready};
use opendal::{
    Buffer, BytesRange, Capability, OperationContext, Operator, Result,
    raw::{
        Layer, OpCompose, OpCopy, OpCreateDir, OpDelete, OpList, OpPresign, OpRead, OpRename,
        OpRestore, OpStat, OpWrite, RpCreateDir, RpPresign, RpRead, RpRename, RpRestore, RpStat,
        Service, ServiceInfo, Servicer, oio,
    },
};

/// The promise that a layer breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    Nothing,
    /// A missing item is an empty file.
    Stat,
    /// A range is ignored.
    Read,
    /// The options of a write are ignored.
    WriteOptions,
    /// The conditions of a read are ignored.
    ReadConditions,
    /// A recursive listing has one level.
    List,
    /// A folder is reported as created, and is not.
    CreateDir,
    /// A file is reported as deleted, and stays.
    Delete,
    /// A rename is reported as done, and is not.
    Rename,
    /// The options of a copy are ignored.
    Copy,
    /// A capability is claimed that the service does not have.
    Capability,
}

#[derive(Debug)]
struct BreakLayer(Break);

impl Layer for BreakLayer {
    fn apply_service(&self, inner: Servicer) -> Servicer {
        Arc::new(BrokenService { inner, broken: self.0 })
    }
}

#[derive(Debug)]
struct BrokenService {
    inner: Servicer,
    broken: Break,
}

#[deny(clippy::missing_trait_methods)]
impl Service for BrokenService {
    type Reader = BrokenReader;
    type Writer = oio::Writer;
    type Lister = oio::Lister;
    type Deleter = BrokenDeleter;
    type Copier = oio::Copier;
    type Composer = oio::Composer;

    fn info(&self) -> ServiceInfo {
        self.inner.info()
    }

    fn capability(&self) -> Capability {
        let mut capability = self.inner.capability();
        capability.restore |= self.broken == Break::Capability;
        capability
    }

    async fn create_dir(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpCreateDir,
    ) -> Result<RpCreateDir> {
        match self.broken {
            Break::CreateDir => Ok(RpCreateDir::default()),
            _ => self.inner.create_dir(context, path, args).await,
        }
    }

    async fn stat(&self, context: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        let result = self.inner.stat(context, path, args).await;
        match result {
            Err(_) if self.broken == Break::Stat && !path.ends_with('/') => {
                Ok(RpStat::new(opendal::MetadataBuilder::file(0).build()))
            }
            result => result,
        }
    }

    fn read(&self, context: &OperationContext, path: &str, args: OpRead) -> Result<BrokenReader> {
        let args = if self.broken == Break::ReadConditions { OpRead::default() } else { args };
        let inner = self.inner.read(context, path, args)?;
        Ok(BrokenReader { inner, ignores_ranges: self.broken == Break::Read })
    }

    fn write(&self, context: &OperationContext, path: &str, args: OpWrite) -> Result<oio::Writer> {
        let args = if self.broken == Break::WriteOptions { OpWrite::default() } else { args };
        self.inner.write(context, path, args)
    }

    fn delete(&self, context: &OperationContext) -> Result<BrokenDeleter> {
        let inner = self.inner.delete(context)?;
        Ok(BrokenDeleter { inner, ignores_paths: self.broken == Break::Delete })
    }

    fn list(&self, context: &OperationContext, path: &str, args: OpList) -> Result<oio::Lister> {
        let args = if self.broken == Break::List { OpList::default() } else { args };
        self.inner.list(context, path, args)
    }

    fn copy(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpCopy,
    ) -> Result<oio::Copier> {
        let args = if self.broken == Break::Copy { OpCopy::default() } else { args };
        self.inner.copy(context, from, to, args)
    }

    fn compose(
        &self,
        context: &OperationContext,
        to: &str,
        args: OpCompose,
    ) -> Result<oio::Composer> {
        self.inner.compose(context, to, args)
    }

    async fn rename(
        &self,
        context: &OperationContext,
        from: &str,
        to: &str,
        args: OpRename,
    ) -> Result<RpRename> {
        match self.broken {
            Break::Rename => Ok(RpRename::default()),
            _ => self.inner.rename(context, from, to, args).await,
        }
    }

    async fn restore(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpRestore,
    ) -> Result<RpRestore> {
        self.inner.restore(context, path, args).await
    }

    async fn presign(
        &self,
        context: &OperationContext,
        path: &str,
        args: OpPresign,
    ) -> Result<RpPresign> {
        self.inner.presign(context, path, args).await
    }
}

struct BrokenReader {
    inner: oio::Reader,
    ignores_ranges: bool,
}

impl BrokenReader {
    fn range(&self, range: BytesRange) -> BytesRange {
        if self.ignores_ranges { (..).into() } else { range }
    }
}

impl oio::Read for BrokenReader {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        self.inner.open(self.range(range)).await
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        self.inner.read(self.range(range)).await
    }
}

struct BrokenDeleter {
    inner: oio::Deleter,
    ignores_paths: bool,
}

impl oio::Delete for BrokenDeleter {
    async fn delete(&mut self, path: &str, args: OpDelete) -> Result<()> {
        match self.ignores_paths {
            true => Ok(()),
            false => self.inner.delete(path, args).await,
        }
    }

    async fn close(&mut self) -> Result<()> {
        self.inner.close().await
    }
}

/// A drive in memory, through a layer that breaks a promise.
struct BrokenBackend {
    broken: Break,
    known: Vec<KnownDifference>,
}

impl Backend for BrokenBackend {
    fn name(&self) -> &str {
        "broken"
    }

    fn known_differences(&self) -> &[KnownDifference] {
        &self.known
    }

    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        let (drive, broken) = (MemoryDrive::by_path(), self.broken);
        let open = move |_: &[(&str, &str)]| {
            let settings = ServiceSettings::new("memory-drive", "");
            let operator = DriveService::new(Arc::new(drive.clone()), settings).into_operator()?;
            Ok::<Operator, opendal::Error>(operator.layer(BreakLayer(broken)))
        };
        let context = TestContext::new(open);
        ready(context.map(|context| context.with_expectations(Expectations::new()))).boxed()
    }
}

/// Runs the cases of a filter through a layer.
async fn run(broken: Break, filter: &str, known: Vec<KnownDifference>) -> Report {
    let suite = Suite::new(groups()).only(&[filter.to_owned()]).jobs(8);
    let backend = BrokenBackend { broken, known };
    suite.run(&[Box::new(backend)], &|_| {}, &|| false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_promise_fails_in_its_group() {
    drivedal_conformance::report_panics_as_failures();
    for (broken, group) in [
        (Break::Stat, "stat::"),
        (Break::Read, "read::"),
        (Break::WriteOptions, "write::"),
        (Break::ReadConditions, "options::"),
        (Break::List, "list::"),
        (Break::CreateDir, "create_dir::"),
        (Break::Delete, "delete::"),
        (Break::Rename, "rename::"),
        (Break::Copy, "copy::"),
        (Break::Capability, "restore::"),
    ] {
        let report = run(Break::Nothing, group, Vec::new()).await;
        assert_eq!(report.failures(), 0, "{group}: {}", report::text(&report));
        let report = run(broken, group, Vec::new()).await;
        assert!(report.failures() > 0, "{broken:?} is not found: {}", report::text(&report));
        let mut results = report.cases.iter().flat_map(|case| &case.results);
        let failed = results.find(|result| result.status == Status::Failed).expect("one failed");
        assert!(failed.reason.as_ref().is_some_and(|text| text.contains(".rs:")), "{failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_difference_is_expected_and_a_former_one_is_reported() {
    let case = "copy::a_file_with_if_not_exists_replaces_nothing";
    let known = || {
        let cases = &["copy::a_file_with_if_not_exists_replaces_nothing"];
        vec![KnownDifference::always("it ignores options", cases)]
    };
    let report = run(Break::Copy, case, known()).await;
    assert_eq!(report.cases[0].results[0].status, Status::KnownDifference, "{report:?}");
    assert_eq!(report.failures(), 0);
    let report = run(Break::Nothing, case, known()).await;
    assert_eq!(report.cases[0].results[0].status, Status::Failed, "{report:?}");
    assert!(report::text(&report).contains("it ignores options"), "{}", report::text(&report));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_case_begins_after_a_stop() {
    use std::cell::Cell;

    let ended = Cell::new(0);
    let suite = Suite::new(groups()).only(&["copy::".to_owned()]);
    let backend = BrokenBackend { broken: Break::Nothing, known: Vec::new() };
    let observer = |event: SuiteEvent<'_>| {
        if let SuiteEvent::Case { .. } = event {
            ended.set(ended.get() + 1);
        }
    };
    let report = suite.run(&[Box::new(backend)], &observer, &|| ended.get() == 2).await;
    let backend = &report.backends[0];
    assert_eq!((ended.get(), backend.not_run), (2, suite.count() - 2), "{backend:?}");
}
