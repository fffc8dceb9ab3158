//! Lookup of the drive that the configuration names.

use std::fmt;

use tokio::sync::OnceCell;

use super::{Client, address::DriveRef, item, names};
use crate::drive::{Context, Error, ErrorKind, PageGuard, Result, Secret};

/// The drive of a service: as configured, and as Graph identifies it after a lookup.
#[derive(Debug)]
pub(super) struct DriveLookup {
    configured: ConfiguredDrive,
    /// Name or id of a document library; `None` for the default one.
    library: Option<String>,
    /// Result of the lookup, if a lookup is necessary.
    resolved: OnceCell<DriveRef>,
    /// The drive by id, once an operation has needed it.
    by_id: OnceCell<DriveRef>,
    /// Graph's id of the folder behind a sharing URL, after its lookup.
    shared_folder: OnceCell<String>,
}

/// A drive as the options name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfiguredDrive {
    /// A drive that Graph can address without a lookup.
    Drive(DriveRef),
    /// The drive of the SharePoint site at this path, whose id must be requested.
    Site { host: String, path: String },
    /// The drive of the folder behind a sharing URL. Drive and folder must be requested.
    Shared(Secret),
}

impl fmt::Display for DriveLookup {
    /// Writes the drive as the options name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(library) = &self.library {
            write!(f, "the document library {library:?} of ")?;
        }
        match &self.configured {
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
            ConfiguredDrive::Shared(_) => f.write_str("the folder of the sharing URL"),
        }
    }
}

impl DriveLookup {
    /// Creates a lookup. Sends no request. `library` is the name or id of a document library;
    /// `None` is the default one.
    pub(super) fn new(configured: ConfiguredDrive, library: Option<String>) -> Self {
        Self {
            configured,
            library,
            resolved: OnceCell::new(),
            by_id: OnceCell::new(),
            shared_folder: OnceCell::new(),
        }
    }

    /// Returns the drive. Sends requests only if the options name a site's path or a library, and
    /// then only once.
    ///
    /// # Errors
    /// `DriveNotFound` if the site or library does not exist; [request
    /// errors](crate::drive::Error#request-errors).
    pub(super) async fn get(&self, client: &Client, cx: &Context) -> Result<&DriveRef> {
        if let Some(drive) = self.known() {
            return Ok(drive);
        }
        self.resolved.get_or_try_init(|| self.look_up(client, cx)).await
    }

    /// Returns the drive, or `None` if it has not been looked up yet.
    pub(super) fn known(&self) -> Option<&DriveRef> {
        match (&self.configured, &self.library) {
            (ConfiguredDrive::Drive(drive), None) => Some(drive),
            _ => self.resolved.get(),
        }
    }

    /// Returns whether the options name a sharing URL, whose folder serves as the root.
    pub(super) fn is_shared_folder(&self) -> bool {
        matches!(self.configured, ConfiguredDrive::Shared(_))
    }

    /// Returns Graph's id of the folder behind the sharing URL. `None` if the options name none, or
    /// before its lookup.
    pub(super) fn shared_folder(&self) -> Option<&str> {
        self.shared_folder.get().map(String::as_str)
    }

    /// Requests the item behind a sharing URL, and remembers its id. Returns its drive.
    ///
    /// # Errors
    /// `DriveNotFound` if the URL leads to no item, or to a file; `Unexpected` if the response does
    /// not name the item's drive; [request errors](crate::drive::Error#request-errors).
    async fn open_shared(&self, client: &Client, cx: &Context, url: &Secret) -> Result<DriveRef> {
        let shared = client.shared_item(cx, url).await.map_err(|error| self.missing(error))?;
        let Some((drive, id)) = item::shared_target(&shared) else {
            let text = format!("cannot open {self}: the response does not name its drive");
            return Err(Error::new(ErrorKind::Unexpected, text));
        };
        if !item::is_folder(&shared) {
            let text = format!("cannot open {self}: it leads to a file");
            return Err(Error::new(ErrorKind::DriveNotFound, text));
        }
        self.shared_folder.get_or_init(|| async { id.to_owned() }).await;
        Ok(DriveRef::Id(drive.into()))
    }

    /// Requests the drive that the options name.
    ///
    /// # Errors
    /// `DriveNotFound` if the site or the library does not exist; `Unexpected` if the pages of
    /// libraries form a cycle; [request errors](crate::drive::Error#request-errors).
    async fn look_up(&self, client: &Client, cx: &Context) -> Result<DriveRef> {
        let owner = match &self.configured {
            ConfiguredDrive::Drive(drive) => drive.clone(),
            ConfiguredDrive::Site { host, path } => {
                let site = client.site(cx, host, path).await;
                DriveRef::Site(site.map_err(|error| self.missing(error))?.id.into())
            }
            ConfiguredDrive::Shared(url) => return self.open_shared(client, cx, url).await,
        };
        let Some(library) = &self.library else { return Ok(owner) };
        let (mut next, mut pages) = (None, PageGuard::default());
        loop {
            let page = client.drives(cx, &owner, next.as_ref()).await;
            let page = page.map_err(|error| self.missing(error))?;
            pages.record(page.value.len(), page.next.as_ref())?;
            let has_name = |name: &Option<String>| {
                name.as_ref().is_some_and(|name| names::fold(name) == names::fold(library))
            };
            if let Some(drive) =
                page.value.into_iter().find(|drive| drive.id == *library || has_name(&drive.name))
            {
                return Ok(DriveRef::Id(drive.id.into()));
            }
            if page.next.is_none() {
                return Err(Error::new(
                    ErrorKind::DriveNotFound,
                    format!("cannot open {self}: no document library has this name or id"),
                ));
            }
            next = page.next;
        }
    }

    /// Returns the error for a failed request for the drive itself. A 404 becomes `DriveNotFound`, because
    /// callers read `NotFound` as the absence of an item.
    pub(super) fn missing(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::NotFound {
            return error.with_note(&format!("cannot open {self}"));
        }
        Error::new(ErrorKind::DriveNotFound, format!("cannot open {self}: {error}"))
            .with_source(error)
    }

    /// Returns the drive by id. Requests the id at most once.
    ///
    /// # Errors
    /// `DriveNotFound` or `NotFound` if the drive does not exist; [request
    /// errors](crate::drive::Error#request-errors).
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

    /// Returns the drive in a form that [`Address::reference_path`](super::Address::reference_path)
    /// supports: the user's own drive, or a drive by id.
    ///
    /// # Errors
    /// `DriveNotFound` or `NotFound` if the drive does not exist; [request
    /// errors](crate::drive::Error#request-errors).
    pub(super) async fn for_reference_path(
        &self,
        client: &Client,
        cx: &Context,
    ) -> Result<&DriveRef> {
        match self.get(client, cx).await? {
            drive @ DriveRef::Mine => Ok(drive),
            _ => self.by_id(client, cx).await,
        }
    }
}
