//! A service under test, and the empty places that it provides for cases.

use std::{
    any::Any,
    fmt,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use opendal::Operator;

use crate::CaseResult;

/// A service under test.
pub trait Backend: Send + Sync {
    /// Returns the name that its trials begin with.
    fn name(&self) -> &str;

    /// Returns the known differences from the promises of the cases. Every entry is verified: a
    /// listed case that passes is a failure.
    fn known_differences(&self) -> &[KnownDifference] {
        &[]
    }

    /// Returns the number of requests that the backend has sent so far. `None` if it does not count
    /// them, which is the default.
    fn requests(&self) -> Option<u64> {
        None
    }

    /// Prepares an empty place that no other case uses.
    ///
    /// # Errors
    /// If no place can be prepared. The case then fails.
    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>>;
}

/// A known difference, and the cases that show it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KnownDifference {
    /// Why it differs.
    pub reason: &'static str,
    /// It depends on timing: the case may also pass.
    pub intermittent: bool,
    /// Each `group::case`.
    pub cases: &'static [&'static str],
}

impl KnownDifference {
    /// Creates a difference that is seen each time.
    pub const fn always(reason: &'static str, cases: &'static [&'static str]) -> Self {
        Self { reason, intermittent: false, cases }
    }

    /// Creates a difference that depends on timing.
    pub const fn intermittent(reason: &'static str, cases: &'static [&'static str]) -> Self {
        Self { reason, intermittent: true, cases }
    }

    /// Returns whether this case is listed.
    pub(crate) fn is_about(&self, group: &str, case: &str) -> bool {
        self.cases.iter().any(|known| known.split_once("::") == Some((group, case)))
    }
}

/// Opens the operator with these options besides its own.
type Open = dyn Fn(&[(&str, &str)]) -> opendal::Result<Operator> + Send + Sync;

/// Creates many small files at once.
type BulkWrite = dyn Fn(Vec<(String, Vec<u8>)>) -> BoxFuture<'static, CaseResult> + Send + Sync;

/// An empty place, and the ways to use it.
pub struct TestContext {
    /// The name of the case that runs.
    pub case: &'static str,
    /// The time at which the place was prepared.
    pub started: Instant,
    /// An operator on the place.
    pub op: Operator,
    /// Expectations of the service beyond OpenDAL's capabilities.
    pub expectations: Expectations,
    open: Box<Open>,
    bulk_write: Option<Box<BulkWrite>>,
    extensions: Vec<Box<dyn Any + Send + Sync>>,
    /// The folder to remove at the end, and the operator that can.
    remove: Option<(Operator, String)>,
}

impl fmt::Debug for TestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestContext")
            .field("case", &self.case)
            .field("op", &self.op)
            .field("expectations", &self.expectations)
            .finish_non_exhaustive()
    }
}

impl TestContext {
    /// Creates a context whose clients are opened by this function, with options that the case
    /// adds. A service without options may ignore them.
    ///
    /// # Errors
    /// If the first client cannot be opened.
    pub fn new(
        open: impl Fn(&[(&str, &str)]) -> opendal::Result<Operator> + Send + Sync + 'static,
    ) -> CaseResult<Self> {
        Ok(Self {
            case: "",
            started: Instant::now(),
            op: open(&[])?,
            expectations: Expectations::default(),
            open: Box::new(open),
            bulk_write: None,
            extensions: Vec::new(),
            remove: None,
        })
    }

    /// Sets the expectations.
    #[must_use]
    pub fn with_expectations(mut self, expectations: Expectations) -> Self {
        self.expectations = expectations;
        self
    }

    /// Adds a value for the caller's own cases, which read it with [`extension`](Self::extension).
    /// It is dropped after the case, so that it can also keep a temporary folder for that time.
    #[must_use]
    pub fn with_extension(mut self, value: impl Any + Send + Sync) -> Self {
        self.extensions.push(Box::new(value));
        self
    }

    /// Sets a folder to delete after the case, with everything below it. `op` must reach it; the
    /// operator of the case cannot delete its own root.
    #[must_use]
    pub fn with_cleanup(mut self, op: Operator, folder: impl Into<String>) -> Self {
        self.remove = Some((op, folder.into()));
        self
    }

    /// Sets a function that creates many files faster than single writes, for cases that need
    /// thousands. `write` receives each file's path and bytes.
    #[must_use]
    pub fn with_bulk_write(
        mut self,
        write: impl Fn(Vec<(String, Vec<u8>)>) -> BoxFuture<'static, CaseResult> + Send + Sync + 'static,
    ) -> Self {
        self.bulk_write = Some(Box::new(write));
        self
    }

    /// Returns the first value of this type that was added by
    /// [`with_extension`](Self::with_extension), or `None`.
    pub fn extension<T: Any>(&self) -> Option<&T> {
        self.extensions.iter().find_map(|value| value.downcast_ref())
    }

    /// Opens another client of the same place, with additional options: pairs of key and value.
    ///
    /// # Errors
    /// `Failed` if the service rejects an option.
    pub fn client(&self, options: &[(&str, &str)]) -> CaseResult<Operator> {
        Ok((self.open)(options)?)
    }

    /// Returns the faster way to create many files, or `None` if the backend has none.
    pub(crate) fn bulk_write(&self) -> Option<&BulkWrite> {
        self.bulk_write.as_deref()
    }

    /// Deletes the folder of [`with_cleanup`](Self::with_cleanup), if one was set.
    ///
    /// # Errors
    /// `Failed` if it cannot be deleted.
    pub(crate) async fn clean_up(self) -> CaseResult {
        if let Some((op, folder)) = &self.remove {
            op.delete_with(folder).recursive(true).await?;
        }
        Ok(())
    }
}

/// Expectations of a service beyond OpenDAL's capabilities. The default is a service that
/// caches nothing and accepts every name.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Expectations {
    /// Options of a client whose cached results expire soon.
    pub fast_expiry: &'static [(&'static str, &'static str)],
    /// Maximum age of such a client's results after a change by another client.
    pub max_staleness: Duration,
    /// Names that the service must reject, with an error that says why.
    pub rejected_names: &'static [&'static str],
}

impl Expectations {
    /// Creates the default: no cache, every name.
    pub const fn new() -> Self {
        Self { fast_expiry: &[], max_staleness: Duration::ZERO, rejected_names: &[] }
    }

    /// Sets the options of a client whose results expire soon, and their maximum age.
    #[must_use]
    pub const fn with_fast_expiry(
        mut self,
        options: &'static [(&'static str, &'static str)],
        max_staleness: Duration,
    ) -> Self {
        self.fast_expiry = options;
        self.max_staleness = max_staleness;
        self
    }

    /// Sets the names that must be rejected.
    #[must_use]
    pub const fn with_rejected_names(mut self, names: &'static [&'static str]) -> Self {
        self.rejected_names = names;
        self
    }
}
