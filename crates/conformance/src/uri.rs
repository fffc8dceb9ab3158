//! Any service that OpenDAL's registry opens by URI.

use futures::{FutureExt, future::BoxFuture};
use opendal::{Operator, OperatorUri};

use crate::{Backend, CaseResult, Expectations, KnownDifference, TestContext, data};

/// A backend that is opened by URI, for example an account of yours.
///
/// Each case works below a folder with a random name in the URI's root, and removes it. The scheme
/// must be in [`OperatorRegistry`](opendal::OperatorRegistry): without the feature
/// `auto-register-services`, call `opendal::init_default_registry()` first.
pub struct UriBackend {
    uri: String,
    scheme: String,
    known: Vec<KnownDifference>,
    expectations: Expectations,
    extend: fn(TestContext) -> TestContext,
}

impl std::fmt::Debug for UriBackend {
    /// The URI may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UriBackend").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl UriBackend {
    /// Creates a backend of this URI. It is opened when a case needs it.
    pub fn new(uri: impl Into<String>) -> Self {
        let uri = uri.into();
        let scheme = uri.split_once("://").map_or(&*uri, |(scheme, _)| scheme).to_owned();
        Self {
            uri,
            scheme,
            known: Vec::new(),
            expectations: Expectations::new(),
            extend: std::convert::identity,
        }
    }

    /// Returns the URI's scheme.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Adds known differences.
    #[must_use]
    pub fn with_known_differences(
        mut self,
        known: impl IntoIterator<Item = KnownDifference>,
    ) -> Self {
        self.known.extend(known);
        self
    }

    /// Sets the expectations.
    #[must_use]
    pub fn with_expectations(mut self, expectations: Expectations) -> Self {
        self.expectations = expectations;
        self
    }

    /// Changes each context before its case runs, for example to add an extension.
    #[must_use]
    pub fn with_extend(mut self, extend: fn(TestContext) -> TestContext) -> Self {
        self.extend = extend;
        self
    }
}

impl Backend for UriBackend {
    fn name(&self) -> &str {
        &self.scheme
    }

    fn known_differences(&self) -> &[KnownDifference] {
        &self.known
    }

    /// Opens the URI with a root in a new folder with a random name, which is deleted after the
    /// case. Sends no request.
    ///
    /// # Errors
    /// `Failed` if the URI cannot be parsed or its service rejects an option.
    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        async move {
            let whole = OperatorUri::new(&self.uri, [])?;
            let base = whole.option("root").or(whole.root()).unwrap_or("").trim_matches('/');
            let folder = format!("drivedal-test-{:016x}/", data::random());
            let root = format!("/{base}/{folder}");
            let uri = self.uri.clone();
            let context = TestContext::new(move |options| {
                let more = options.iter().map(|(key, value)| (key.to_string(), value.to_string()));
                let root = [("root".to_owned(), root.clone())];
                Operator::from_uri(OperatorUri::new(&uri, root.into_iter().chain(more))?)
            })?;
            let context = context
                .with_expectations(self.expectations)
                .with_cleanup(Operator::from_uri(&*self.uri)?, folder);
            Ok((self.extend)(context))
        }
        .boxed()
    }
}
