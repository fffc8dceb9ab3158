//! The sides of a transfer: local paths, remotes and URIs.

use std::{path::Path, sync::Arc};

use drivedal_transfer::Endpoint;
use opendal::{Operator, services};

use super::{drive_features::DriveFeatures, drive_uploads::DriveUploads, feed_index::FeedIndex};
use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::{Addressing, Location, RemoteAddress},
    remote::RemotePath,
};

/// A side of a transfer, before it is opened.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Local(String),
    Remote(Location),
}

impl Place {
    /// Parses an argument: a URI, `REMOTE:PATH`, or a local path.
    ///
    /// # Errors
    /// A message for the user if the text is empty.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty: use `.` for the current folder".to_owned());
        }
        Ok(Location::detect(text).map_or_else(|| Self::Local(text.to_owned()), Self::Remote))
    }
}

/// An open side of a transfer.
#[derive(Clone)]
pub(super) enum OpenPlace {
    Local { path: String, endpoint: Endpoint },
    Remote { at: RemotePath, endpoint: Endpoint },
}

impl OpenPlace {
    /// Returns the side of a path on a remote.
    pub(super) fn from_remote(at: RemotePath) -> Self {
        Self::Remote { endpoint: remote_endpoint(&at), at }
    }

    /// Returns the endpoint.
    pub(super) fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Local { endpoint, .. } | Self::Remote { endpoint, .. } => endpoint,
        }
    }

    /// Returns the endpoint of a folder. It has an index if its service has a change feed.
    pub(super) fn indexed_endpoint(&self) -> Endpoint {
        match self {
            Self::Local { endpoint, .. } => endpoint.clone(),
            Self::Remote { at, endpoint } => match FeedIndex::for_folder(at) {
                Some(index) => endpoint.clone().with_index(Arc::new(index)),
                None => endpoint.clone(),
            },
        }
    }

    /// Returns `endpoint`, which is one of this place, with uploads that a later run can continue if the
    /// place is on a drive.
    pub(super) async fn with_uploads(&self, app: &App, endpoint: Endpoint) -> Endpoint {
        let Self::Remote { at, .. } = self else { return endpoint };
        match DriveUploads::for_remote(app, at).await {
            Some(uploads) => endpoint.with_uploads(Arc::new(uploads)),
            None => endpoint,
        }
    }

    /// Returns the name of the item. `None` for a root.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Local { path, .. } => Path::new(path).file_name().and_then(|name| name.to_str()),
            Self::Remote { at, .. } => at.path.name(),
        }
    }

    /// Returns whether the item is an existing file.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]). A missing item is no error.
    pub(super) async fn is_file(&self) -> Result<bool> {
        match self {
            Self::Local { path, .. } => Ok(Path::new(path).is_file()),
            Self::Remote { at, .. } if at.path.is_root() => Ok(false),
            Self::Remote { at, .. } => match at.stat().await {
                Ok(info) => Ok(info.metadata().is_file()),
                Err(failure) if failure.exit == Exit::NotFound => Ok(false),
                Err(failure) => Err(failure),
            },
        }
    }

    /// Returns the target of the file `source`: below this place if it ends with a slash, is a root
    /// or is an existing local folder, otherwise this place.
    ///
    /// # Errors
    /// `Failed` if the local path is not UTF-8 or cannot be resolved.
    pub(super) fn target_for(&self, source: &Self) -> Result<Self> {
        match (self, source.name()) {
            (Self::Local { path, .. }, Some(name))
                if path.ends_with('/') || Path::new(path).is_dir() =>
            {
                let joined = Path::new(path).join(name);
                let joined = joined.to_str().ok_or_else(Failure::is_not_utf8)?.to_owned();
                Ok(Self::Local { endpoint: local_endpoint(&joined)?, path: joined })
            }
            (Self::Remote { at, .. }, name) => Ok(Self::from_remote(at.target_for(name))),
            (Self::Local { .. }, _) => Ok(self.clone()),
        }
    }
}

/// Opens a side of a transfer. Sends no request, except for a path that contains an id.
///
/// # Errors
/// Those of [`App::resolve`]; `Failed` for a local path that cannot be resolved.
pub(super) async fn open(app: &App, place: &Place) -> Result<OpenPlace> {
    match place {
        Place::Local(path) => open_local(path.clone(), path),
        Place::Remote(at) => {
            // Not through OpenDAL's service, which would create a folder that does not exist.
            let source = app.options(&at.remote).await;
            let source = source.map_err(|failure| failure.doing("open").about(at))?;
            if let Some(root) = source.local_root()? {
                let path = RemoteAddress::parse(&at.text, Addressing::Path, "fs")?.into_path(None);
                let slash = if path.is_folder_path() { "/" } else { "" };
                let local = Path::new(&root).join(path.as_str());
                let local = local.to_str().ok_or_else(Failure::is_not_utf8)?;
                return open_local(
                    format!("{}{slash}", local.trim_end_matches('/')),
                    &at.to_string(),
                );
            }
            let at = app.resolve(at, Addressing::Auto, Workload::Bulk).await?;
            Ok(OpenPlace::from_remote(at))
        }
    }
}

/// Opens a local path. `name` is its name for messages.
///
/// # Errors
/// `Failed` for a path that cannot be resolved.
fn open_local(path: String, name: &str) -> Result<OpenPlace> {
    let endpoint = local_endpoint(&path)?.with_name(name);
    Ok(OpenPlace::Local { path, endpoint })
}

/// Opens a folder, such as that of `--backup-dir`.
///
/// # Errors
/// Those of [`open`].
pub(super) async fn open_folder(app: &App, place: &Place) -> Result<Endpoint> {
    Ok(open(app, place).await?.endpoint().clone())
}

/// Returns the endpoint of a local path.
///
/// # Errors
/// `Failed` if the current folder is unknown, or if the path is not UTF-8.
fn local_endpoint(path: &str) -> Result<Endpoint> {
    let failed = |error: &std::io::Error| Failure::local("open", Path::new(path), error);
    let absolute = std::path::absolute(path).map_err(|error| failed(&error))?;
    let root = absolute.ancestors().last().unwrap_or(Path::new("/"));
    let below = absolute.strip_prefix(root).unwrap_or(&absolute);
    let (Some(root), Some(below)) = (root.to_str(), below.to_str()) else {
        return Err(Failure::is_not_utf8().about(path));
    };
    // The root of the file system exists, so that OpenDAL does not create it.
    let operator = Operator::new(services::Fs::default().root(root))?;
    let below = below.replace(std::path::MAIN_SEPARATOR, "/");
    Ok(Endpoint::new(operator, &below).with_name(path))
}

/// Returns the endpoint of a path on a remote.
pub(super) fn remote_endpoint(at: &RemotePath) -> Endpoint {
    let endpoint = Endpoint::new(at.operator().clone(), at.path.as_str()).with_name(at.to_string());
    match DriveFeatures::new(&at.remote) {
        Some(features) => endpoint.with_features(Arc::new(features)),
        None => endpoint,
    }
}

/// Checks that the root of a remote can be read, for a side that is the root of a drive: listings
/// of a folder that does not exist are empty.
///
/// # Errors
/// `NotFound` if the configured root does not exist; the failure of the request
/// ([`Failure::from`]).
pub(super) async fn check_root(place: &OpenPlace) -> Result {
    if let OpenPlace::Remote { at, .. } = place
        && let (true, Some(handle)) = (at.path.is_root(), &at.remote.handle)
    {
        handle.item(at.operator(), "/").await.map_err(|error| Failure::from(error).about(at))?;
    }
    Ok(())
}
