//! A backend of any drive.

use std::{fmt, sync::Arc};

use drivedal::{
    adapter::{DriveHandle, DriveService, ServiceSettings},
    drive::Drive,
};
use futures::{FutureExt, future::BoxFuture};
use opendal::Operator;

use super::DriveAccess;
use crate::{Backend, CaseResult, Expectations, KnownDifference, TestContext};

type NewDrive = dyn Fn() -> BoxFuture<'static, CaseResult<Arc<dyn Drive>>> + Send + Sync;

/// A backend of any [`Drive`]. It runs the cases of [`group`](super::group) on the drive, and all
/// other cases on an operator of it.
pub struct DriveBackend {
    name: String,
    new_drive: Box<NewDrive>,
    settings: ServiceSettings,
    layers: fn(Operator) -> Operator,
    known: Vec<KnownDifference>,
    expectations: Expectations,
}

impl fmt::Debug for DriveBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriveBackend")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl DriveBackend {
    /// Creates a backend. `new_drive` returns a drive for one case: a new one, or one in whose root
    /// no other case works.
    pub fn new<F>(
        name: impl Into<String>,
        new_drive: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = CaseResult<Arc<dyn Drive>>> + Send + 'static,
    {
        Self {
            name: name.into(),
            new_drive: Box::new(move || new_drive().boxed()),
            settings: ServiceSettings::new("drive", ""),
            layers: std::convert::identity,
            known: Vec::new(),
            expectations: Expectations::new(),
        }
    }

    /// Sets the settings of the drive's OpenDAL service.
    #[must_use]
    pub fn with_settings(mut self, settings: ServiceSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Changes each operator, for example its HTTP transport and its layers. The verbs of the drive
    /// are called through the same transport and layers.
    #[must_use]
    pub fn with_layers(mut self, layers: fn(Operator) -> Operator) -> Self {
        self.layers = layers;
        self
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
}

impl Backend for DriveBackend {
    fn name(&self) -> &str {
        &self.name
    }

    fn known_differences(&self) -> &[KnownDifference] {
        &self.known
    }

    /// Creates a drive and the context of its operator, with a [`DriveAccess`] for the cases of the
    /// contract.
    ///
    /// # Errors
    /// That of the function that returns a drive; `Failed` if the operator cannot be opened.
    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        async move {
            let drive = (self.new_drive)().await?;
            let (settings, layers) = (self.settings.clone(), self.layers);
            let opened = Arc::clone(&drive);
            let context = TestContext::new(move |options| {
                let settings = with_options(settings.clone(), options)?;
                let service = DriveService::new(Arc::clone(&opened), settings);
                service.into_operator().map(layers)
            })?;
            let access = DriveAccess::new(drive, DriveHandle::context(&context.op));
            Ok(context.with_expectations(self.expectations).with_extension(access))
        }
        .boxed()
    }
}

/// Applies the options that a case adds to a client.
///
/// # Errors
/// `ConfigInvalid` for an option that a drive does not have.
fn with_options(
    mut settings: ServiceSettings,
    options: &[(&str, &str)],
) -> opendal::Result<ServiceSettings> {
    for (name, value) in options {
        match *name {
            "root" => settings.root = (*value).to_owned(),
            "index_ttl" => settings.index_ttl = parse_duration(value)?,
            _ => {
                return Err(opendal::Error::new(
                    opendal::ErrorKind::ConfigInvalid,
                    format!("cannot open the drive: it has no option {name:?}"),
                ));
            }
        }
    }
    Ok(settings)
}

/// # Errors
/// `ConfigInvalid` for a text that is not a number of milliseconds or seconds.
fn parse_duration(text: &str) -> opendal::Result<std::time::Duration> {
    use std::time::Duration;

    let milliseconds = text.strip_suffix("ms").and_then(|n| n.parse().ok());
    let seconds = text.strip_suffix('s').and_then(|n| n.parse().ok());
    let duration = milliseconds.map(Duration::from_millis).or(seconds.map(Duration::from_secs));
    duration.ok_or_else(|| {
        opendal::Error::new(
            opendal::ErrorKind::ConfigInvalid,
            format!("cannot use the duration {text:?}: write 300ms or 10s"),
        )
    })
}
