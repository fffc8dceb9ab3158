//! A drive that is only pretended: it tests the adapter without a protocol, and shows what a
//! backend has to do to be tested here.
//!
//! There are two, as clouds come in two kinds: one is walked by id, answers uploads without a size
//! and has no upload sessions; the other is asked by path, has sessions, etags, conditions, times,
//! whole trees in pages, several removals in one call, and copies.

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

use self::{cloud::Cloud, drive::PretendedDrive};
pub use self::{
    drive::Addressing,
    script::{Script, Trouble},
};
use super::{Announcements, SIZE_UNTOLD, index_age, indexed};
use crate::secrets;

/// Its cloud is only pretended.
#[allow(non_upper_case_globals, reason = "named as OpenDAL's capabilities are")]
pub const planned_troubles: Requirement =
    Requirement { name: "planned troubles", is_met: |test| test.extension::<Pretence>().is_some() };

/// The backend: a cloud of its own for every case.
pub struct Pretended(pub Addressing);

impl Backend for Pretended {
    fn name(&self) -> &str {
        match self.0 {
            Addressing::Ids => "pretended-by-id",
            Addressing::Paths => "pretended-by-path",
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
            secrets::register(drive::TICKET);
            let (cloud, script) = (Arc::new(Mutex::new(Cloud::new())), Arc::new(Script::default()));
            let drive = PretendedDrive::new(self.0, Arc::clone(&cloud), Arc::clone(&script));
            let context = TestContext::new(move |options| {
                let builder =
                    PretendedBuilder { drive: Some(drive.clone()), index_ttl: index_age(options) };
                Operator::new(builder)
            })?;
            Ok(context
                .with_expectations(indexed(&["a*b", "a:b", "dot."]))
                .with_extension(Announcements { keeps_times: self.0 == Addressing::Paths })
                .with_extension(Pretence { script, cloud }))
        }
        .boxed()
    }
}

/// What a case can do to a pretended cloud.
pub struct Pretence {
    /// What goes wrong in it.
    pub script: Arc<Script>,
    cloud: Arc<Mutex<Cloud>>,
}

impl Pretence {
    /// How many upload sessions are open.
    pub fn uploads_under_way(&self) -> usize {
        self.cloud.lock().expect("no panic while it is held").uploads.len()
    }
}

/// What `Operator::new` wants: with it come OpenDAL's own layers.
#[derive(Default)]
struct PretendedBuilder {
    drive: Option<PretendedDrive>,
    index_ttl: Option<Duration>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct PretendedConfig {}

impl Configurator for PretendedConfig {
    type Builder = PretendedBuilder;

    fn into_builder(self) -> PretendedBuilder {
        PretendedBuilder::default()
    }
}

impl Builder for PretendedBuilder {
    type Config = PretendedConfig;

    fn build(self) -> opendal::Result<impl Service> {
        let Some(drive) = self.drive else {
            return Err(opendal::Error::new(opendal::ErrorKind::ConfigInvalid, "which drive?"));
        };
        let mut settings = ServiceSettings::new("pretended", "");
        if let Some(age) = self.index_ttl {
            settings.index_ttl = age;
        }
        Ok(DriveService::new(Arc::new(drive), settings))
    }
}
