//! An open remote, and paths on it.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use drivedal::{
    adapter::{DriveHandle, local_name_from_path},
    drive::ItemId,
    layers::Policy,
    remote::RemoteSource,
};
use opendal::{ErrorKind, Metadata, Operator};
use tokio::sync::OnceCell;

use crate::{
    failure::{Exit, Failure, Result},
    location::DrivePath,
    waiting::WaitNotifier,
};

/// An open remote.
#[derive(Debug)]
pub(crate) struct OpenRemote {
    /// The name for messages.
    pub(crate) name: String,
    /// The scheme of the service.
    pub(crate) scheme: String,
    /// The options with which it was opened.
    pub(crate) source: RemoteSource,
    pub(crate) operator: Operator,
    pub(crate) handle: Option<DriveHandle>,
    /// The retry policy of its service, with `--retries`.
    pub(crate) policy: Policy,
    /// Prints a message when a request waits for long.
    pub(crate) waiting: WaitNotifier,
    /// Together with scheme and account, identifies the remote's items across runs: the configured
    /// endpoint, or the data folder of an embedded drive.
    pub(crate) identity: String,
    /// The base URL of an embedded drive's server, which differs from run to run. `None` for other
    /// remotes.
    pub(crate) server: Option<String>,
    /// The id of the drive's root, once it was requested.
    pub(crate) root_id: OnceCell<String>,
}

impl OpenRemote {
    /// Returns `REMOTE:PATH`, for messages.
    pub(crate) fn display_path(&self, path: &DrivePath) -> String {
        format!("{}:{path}", self.name)
    }

    /// Returns the scheme of the service, such as `skydrive`.
    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Returns the name for messages: the configured name, or the scheme of a URI.
    pub(crate) fn display_name(&self) -> &str {
        &self.name
    }

    /// Announces that a failed operation is retried after `wait`, if the user has waited for long.
    /// `elapsed` is the time since the first attempt.
    pub(crate) fn announce_wait(&self, error: &opendal::Error, elapsed: Duration, wait: Duration) {
        let reason = format!("{} error", error.kind());
        self.waiting.announce(&self.scheme, &reason, elapsed, Instant::now() + wait);
    }

    /// Returns whether its writers understand [`drivedal::announce`]. Other services would store
    /// the announcement as user metadata.
    pub(crate) fn supports_announce(&self) -> bool {
        self.handle.is_some()
    }

    /// Returns the handle of a cloud drive. `feature` is the object of "only cloud drives have",
    /// for the message.
    ///
    /// # Errors
    /// `Unsupported` if the service is not a cloud drive.
    pub(crate) fn drive(&self, feature: &str) -> Result<&DriveHandle> {
        self.handle.as_ref().ok_or_else(|| {
            let hint = format!("only onedrive, skydrive and amazon-drive remotes have {feature}");
            Failure::wrong_service(&self.scheme).hint(hint)
        })
    }

    /// Returns whether names of local files are mapped to names of this remote and back, because its
    /// service maps names.
    pub(crate) fn maps_names(&self) -> bool {
        self.handle.as_ref().is_some_and(|handle| handle.name_encoding().is_some())
    }

    /// Returns the local path, below a folder, of a copy of an item with this relative path. All
    /// names were checked by [`local_name`](crate::transfer::local::local_name).
    ///
    /// # Errors
    /// `Failed` if a name is not Unicode and this platform requires that.
    pub(crate) fn local_path(&self, path: &str) -> Result<PathBuf> {
        if !self.maps_names() {
            return Ok(PathBuf::from(path));
        }
        let names = path.split('/').map(|name| {
            local_name_from_path(name).ok_or_else(|| Failure::is_not_utf8().about(path))
        });
        names.collect()
    }

    /// Returns the id of the drive's root. The first call sends a request.
    ///
    /// # Errors
    /// `Unsupported` if the service is not a cloud drive; the failure of the request
    /// ([`Failure::from`]).
    pub(crate) async fn root_id(&self) -> Result<&str> {
        let request = || async {
            let id = self.drive("ids")?.root_id(&self.operator).await?;
            Ok(id.as_str().to_owned())
        };
        self.root_id.get_or_try_init(request).await.map(String::as_str)
    }

    /// Returns the path of the item with an id.
    ///
    /// # Errors
    /// `NotFound` if no item below the root has it; `Exists` if its path is that of a newer item of
    /// the same name, which only a SkyDrive can have; `Unsupported` if the service is not a cloud
    /// drive; the failure of the request ([`Failure::from`]).
    pub(crate) async fn path_of(&self, id: &str) -> Result<DrivePath> {
        let handle = self.drive("ids")?;
        let path = handle.path_of(&self.operator, &ItemId::from(id)).await?;
        if self.scheme() == "skydrive" {
            // The command would read or remove the other item. The lookup is cached for the command.
            let shown = handle.item(&self.operator, &path).await?.id;
            if shown != ItemId::from(id) && !path.is_empty() && path != "/" {
                let reason = format!("the newer item {shown} has the same name and hides it");
                let hint = "rename one of them: drivedal skydrive info-set -i REMOTE:ID \
                            '{\"name\": \"…\"}'";
                return Err(Failure::new(Exit::Exists, reason).hint(hint));
            }
        }
        DrivePath::parse(&path)
    }
}

/// A remote and a path in it. The item need not exist.
#[derive(Clone, Debug)]
pub(crate) struct RemotePath {
    pub(crate) remote: Arc<OpenRemote>,
    pub(crate) path: DrivePath,
}

/// Metadata of an existing item.
#[derive(Clone, Debug)]
pub(crate) enum EntryInfo {
    File(Metadata),
    Folder(Metadata),
}

impl EntryInfo {
    /// Returns the metadata of the file or folder.
    pub(crate) fn metadata(&self) -> &Metadata {
        match self {
            Self::File(metadata) | Self::Folder(metadata) => metadata,
        }
    }
}

impl RemotePath {
    /// Returns the operator of the remote.
    pub(crate) fn operator(&self) -> &Operator {
        &self.remote.operator
    }

    /// Returns the handle of the cloud drive. `feature` is as in [`OpenRemote::drive`].
    ///
    /// # Errors
    /// `Unsupported` if the service is not a cloud drive.
    pub(crate) fn drive(&self, feature: &str) -> Result<&DriveHandle> {
        self.remote.drive(feature).map_err(|failure| failure.about(self))
    }

    /// Returns the path of a child of this folder.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self { remote: Arc::clone(&self.remote), path: self.path.join(name) }
    }

    /// Returns the path in the form that OpenDAL expects for files.
    ///
    /// # Errors
    /// `Usage` for the root, and for a path that ends with white space, which OpenDAL would trim.
    pub(crate) fn file_path(&self) -> Result<String> {
        self.path.to_file_arg().map_err(|failure| failure.about(self))
    }

    /// Returns the metadata of the item.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; the failure of the request ([`Failure::from`]).
    pub(crate) async fn stat(&self) -> Result<EntryInfo> {
        let folder = self.path.to_folder_arg();
        let found = if self.path.is_folder_path() {
            self.operator().stat(&folder).await
        } else {
            match self.operator().stat(&self.file_path()?).await {
                // In an object store a folder exists only through its contents. The response of a
                // drive covers files and folders.
                Err(error)
                    if error.kind() == ErrorKind::NotFound && self.remote.handle.is_none() =>
                {
                    self.operator().stat(&folder).await
                }
                found => found,
            }
        };
        match found {
            Ok(metadata) if metadata.is_dir() => Ok(EntryInfo::Folder(metadata)),
            Ok(metadata) => Ok(EntryInfo::File(metadata)),
            Err(error) => Err(Failure::from(error).about(self)),
        }
    }

    /// Returns where an item of that name belongs if this path is the target of a command: below
    /// this path if it ends with a slash or is the root, otherwise at this path.
    pub(crate) fn target_for(&self, name: Option<&str>) -> Self {
        match name {
            Some(name) if self.path.is_folder_path() => self.join(name),
            // The root of a remote has no name, so its contents belong directly into the target.
            _ => self.clone(),
        }
    }
}

impl fmt::Display for RemotePath {
    /// Writes `REMOTE:PATH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.remote.display_path(&self.path))
    }
}
