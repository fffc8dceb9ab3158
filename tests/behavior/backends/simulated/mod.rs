//! Simulated drives: they test the adapter without a protocol, and show how to test a custom
//! backend here.
//!
//! There are two, for the two kinds of clouds. One is addressed by id, responds to uploads without
//! a size and has no upload sessions. The other is addressed by path and has upload sessions,
//! etags, conditions, times, recursive listings in pages, batch deletion, and copies.

mod cloud;
mod drive;
mod script;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use drivedal::adapter::{DriveService, ServiceSettings};
use drivedal_conformance::{Backend, CaseResult, KnownDifference, Requirement, TestContext};
use futures::{FutureExt, future::BoxFuture};
use opendal::{Builder, Configurator, Operator, raw::Service};
use serde::{Deserialize, Serialize};

use self::{cloud::Cloud, drive::SimulatedDrive};
pub use self::{
    drive::Addressing,
    script::{PlannedFailure, Script},
};
use super::{Announcements, SIZE_UNTOLD, index_age, indexed};
use crate::secrets;

/// Requirement: the backend is a simulated cloud.
#[allow(non_upper_case_globals, reason = "named as OpenDAL's capabilities are")]
pub const planned_troubles: Requirement = Requirement {
    name: "planned failures",
    is_met: |test| test.extension::<Simulation>().is_some(),
};

/// Backend with a separate cloud for each case.
pub struct SimulatedBackend(pub Addressing);

impl Backend for SimulatedBackend {
    fn name(&self) -> &str {
        match self.0 {
            Addressing::Ids => "simulated-by-id",
            Addressing::Paths => "simulated-by-path",
        }
    }

    fn known_differences(&self) -> &[KnownDifference] {
        match self.0 {
            Addressing::Ids => &[SIZE_UNTOLD],
            Addressing::Paths => &[],
        }
    }

    fn prepare(&self) -> BoxFuture<'_, CaseResult<TestContext>> {
        async move {
            secrets::register(drive::DOWNLOAD_SECRET);
            let (cloud, script) = (Arc::new(Mutex::new(Cloud::new())), Arc::new(Script::default()));
            let drive = SimulatedDrive::new(self.0, Arc::clone(&cloud), Arc::clone(&script));
            let context = TestContext::new(move |options| {
                let builder =
                    SimulatedBuilder { drive: Some(drive.clone()), index_ttl: index_age(options) };
                Operator::new(builder)
            })?;
            Ok(context
                .with_expectations(indexed(&["a*b", "a:b", "dot."]))
                .with_extension(Announcements { keeps_times: self.0 == Addressing::Paths })
                .with_extension(Simulation { script, cloud }))
        }
        .boxed()
    }
}

/// Access of a case to its simulated cloud.
pub struct Simulation {
    /// Planned failures.
    pub script: Arc<Script>,
    cloud: Arc<Mutex<Cloud>>,
}

impl Simulation {
    /// Returns the number of open upload sessions.
    pub fn uploads_under_way(&self) -> usize {
        self.cloud.lock().expect("no panic while it is held").uploads.len()
    }
}

/// Builder for `Operator::new`, which adds OpenDAL's own layers.
#[derive(Default)]
struct SimulatedBuilder {
    drive: Option<SimulatedDrive>,
    index_ttl: Option<Duration>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct SimulatedConfig {}

impl Configurator for SimulatedConfig {
    type Builder = SimulatedBuilder;

    fn into_builder(self) -> SimulatedBuilder {
        SimulatedBuilder::default()
    }
}

impl Builder for SimulatedBuilder {
    type Config = SimulatedConfig;

    fn build(self) -> opendal::Result<impl Service> {
        let Some(drive) = self.drive else {
            return Err(opendal::Error::new(opendal::ErrorKind::ConfigInvalid, "which drive?"));
        };
        let mut settings = ServiceSettings::new("simulated", "");
        if let Some(age) = self.index_ttl {
            settings.index_ttl = age;
        }
        Ok(DriveService::new(Arc::new(drive), settings))
    }
}
