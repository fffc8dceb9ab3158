//! An OpenDAL operator of a [`DriveService`].

use opendal::{Builder, Configurator, Error, ErrorKind, Operator, Result, raw::Service};
use serde::{Deserialize, Serialize};

use super::DriveService;

impl DriveService {
    /// Returns an operator of this service, with the layers that OpenDAL adds to each operator. Its
    /// HTTP transport is OpenDAL's default; [`Operator::with_context`] sets another one.
    ///
    /// A backend that OpenDAL opens by URI needs a [`Builder`] of its own. Other backends need only
    /// this method.
    ///
    /// # Errors
    /// Those of [`Operator::new`]; it has none for this service.
    pub fn into_operator(self) -> Result<Operator> {
        Operator::new(ReadyService(Some(self)))
    }
}

/// The builder that [`Operator::new`] requires. It has a service already.
#[derive(Default)]
struct ReadyService(Option<DriveService>);

/// The configuration that a [`Builder`] must have. It has no options.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ReadyServiceConfig {}

impl Configurator for ReadyServiceConfig {
    type Builder = ReadyService;

    fn into_builder(self) -> ReadyService {
        ReadyService::default()
    }
}

impl Builder for ReadyService {
    type Config = ReadyServiceConfig;

    fn build(self) -> Result<impl Service> {
        self.0.ok_or_else(|| {
            Error::new(ErrorKind::ConfigInvalid, "cannot open the drive: no service is given")
        })
    }
}
