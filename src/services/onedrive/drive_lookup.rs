//! Which drive a service is.

use std::fmt;

use tokio::sync::OnceCell;

use super::{Client, address::DriveRef, names};
use crate::drive::{Context, Error, ErrorKind, PageGuard, Result};

/// A drive as the configuration names it, and as Graph does once it was asked.
#[derive(Debug)]
pub(super) struct DriveLookup {
    named: ConfiguredDrive,
    /// A document library's name or id, if not the first one.
    library: Option<String>,
    found: OnceCell<DriveRef>,
    by_id: OnceCell<DriveRef>,
}

/// Whose drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfiguredDrive {
    /// No request is needed to know it.
    Drive(DriveRef),
    /// A site by host and path.
    Site { host: String, path: String },
}

impl fmt::Display for DriveLookup {
    /// Writes how the options name the drive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(library) = &self.library {
            write!(f, "the document library {library:?} of ")?;
        }
        match &self.named {
            ConfiguredDrive::Drive(DriveRef::Mine) => {
                f.write_str("the drive of the signed-in user")
            }
            ConfiguredDrive::Drive(DriveRef::Id(id)) => write!(f, "the drive {id:?}"),
            ConfiguredDrive::Drive(DriveRef::User(user)) => {
                write!(f, "the drive of the user {user:?}")
            }
            ConfiguredDrive::Drive(DriveRef::Group(group)) => {
                write!(f, "the drive of the group {group:?}")
            }
            ConfiguredDrive::Drive(DriveRef::Site(site)) => {
                write!(f, "the drive of the site {site:?}")
            }
            ConfiguredDrive::Site { host, path } => {
                write!(f, "the drive of the site {host}/{path}")
            }
        }
    }
}

impl DriveLookup {
    pub(super) fn new(named: ConfiguredDrive, library: Option<String>) -> Self {
        Self { named, library, found: OnceCell::new(), by_id: OnceCell::new() }
    }

    /// Returns the drive. Sends requests once, and only if the drive is named by a site's path or a
    /// library's name.
    ///
    /// # Errors
    /// `NoDrive` if there is no such site or library.
    pub(super) async fn get(&self, client: &Client, cx: &Context) -> Result<&DriveRef> {
        if let (ConfiguredDrive::Drive(drive), None) = (&self.named, &self.library) {
            return Ok(drive);
        }
        self.found.get_or_try_init(|| self.find(client, cx)).await
    }

    async fn find(&self, client: &Client, cx: &Context) -> Result<DriveRef> {
        let owner = match &self.named {
            ConfiguredDrive::Drive(drive) => drive.clone(),
            ConfiguredDrive::Site { host, path } => {
                let site = client.site(cx, host, path).await;
                DriveRef::Site(site.map_err(|error| self.missing(error))?.id.into())
            }
        };
        let Some(library) = &self.library else { return Ok(owner) };
        let (mut from, mut pages) = (None, PageGuard::default());
        loop {
            let page = client.drives(cx, &owner, from.as_ref()).await;
            let page = page.map_err(|error| self.missing(error))?;
            pages.record(page.value.len(), page.next.as_ref())?;
            let is_it = |name: &Option<String>| {
                name.as_ref().is_some_and(|name| names::fold(name) == names::fold(library))
            };
            if let Some(drive) =
                page.value.into_iter().find(|drive| drive.id == *library || is_it(&drive.name))
            {
                return Ok(DriveRef::Id(drive.id.into()));
            }
            if page.next.is_none() {
                return Err(Error::new(
                    ErrorKind::DriveNotFound,
                    format!("cannot open {self}: it has no document library of this name or id"),
                ));
            }
            from = page.next;
        }
    }

    /// Returns the error for a drive that the cloud does not know. A 404 for the drive must not
    /// look like a 404 for an item: callers read the latter as absence.
    pub(super) fn missing(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::NotFound {
            return error.with_note(&format!("cannot open {self}"));
        }
        Error::new(ErrorKind::DriveNotFound, format!("cannot open {self}: {error}"))
            .with_source(error)
    }

    /// The drive by its id, for what must be said of it from elsewhere; asked for once.
    ///
    /// # Errors
    /// The request's.
    pub(super) async fn by_id(&self, client: &Client, cx: &Context) -> Result<&DriveRef> {
        let drive = self.get(client, cx).await?;
        if let DriveRef::Id(_) = drive {
            return Ok(drive);
        }
        self.by_id
            .get_or_try_init(|| async {
                Ok(DriveRef::Id(client.drive(cx, drive).await?.id.into()))
            })
            .await
    }

    /// The drive in the form in which a path in it can be referred to: the user's own as such,
    /// others by id.
    ///
    /// # Errors
    /// The request's.
    pub(super) async fn referable(&self, client: &Client, cx: &Context) -> Result<&DriveRef> {
        match self.get(client, cx).await? {
            drive @ DriveRef::Mine => Ok(drive),
            _ => self.by_id(client, cx).await,
        }
    }
}
