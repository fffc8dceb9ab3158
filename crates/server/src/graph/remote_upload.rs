//! Upload from a URL (onedrive-graph#upload-from-url): the server downloads the file itself.
//!
//! The URL must be on this machine, unless the server
//! [allows others](crate::CloudBehavior::fetch_from_any_host): a client must not reach hosts through
//! the server that it cannot reach itself.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::response::Response;
use futures::TryStreamExt;
use http::StatusCode;
use reqwest::{Client, redirect};
use url::{Host, Url};

use super::{
    address::ItemAddress,
    body::ItemBody,
    children::location_in_folder,
    copy::{self, CopyOutcome, MonitoredOperation},
    drive_context::DriveContext,
    error::{Error, Result},
    new_item_location::NewItemLocation,
    response,
};
use crate::tree::{Bytestream, ChildName, NewItem, Node, OnConflict, Precondition, TreeError};

/// How long a host may need to accept a connection, and to send the next bytes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum number of redirects to follow. The hosts of redirects are not checked, so none are
/// followed if the URL must be on this machine.
const MAX_REDIRECTS: usize = 5;

/// A URL to download from.
struct RemoteSource {
    url: Url,
    /// Whether hosts other than this machine are allowed.
    any_host: bool,
}

/// `POST item/children` with `@microsoft.graph.sourceUrl`: downloads a file from the URL, and
/// responds with the monitor URL. The file is complete when the request returns.
///
/// # Errors
/// 400 for a body without a name or with a folder facet, a name that is not allowed, an unknown
/// conflict behavior, and a URL that is invalid or not on this machine; the errors of the address's
/// anchor, as of [`DriveContext::locate`]; 501 on business drives; 500 if the storage fails. A
/// failed download and a taken name are reported by the monitor.
pub(super) async fn create(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    body: &ItemBody,
    url: &str,
) -> Result<Response> {
    if !context.kind.is_personal() {
        return Err(Error::not_supported("Upload from a URL is not supported for this account."));
    }
    let any_host = context.request.state.settings.behavior.fetches_from_any_host;
    let source = RemoteSource::parse(url, any_host)?;
    let (Some(name), None) = (body.name.clone(), &body.folder) else {
        return Err(Error::invalid("cannot create the file: it has no name, or a folder facet"));
    };
    let on_conflict = body.on_conflict(&context.request.query)?.unwrap_or(OnConflict::Fail);
    let location = location_in_folder(context, address, name, false).await?;
    let outcome = match fetch(context, &source, location, body, on_conflict).await {
        Ok(node) => CopyOutcome::Completed(context.ids.item_id(node.no)),
        Err(error) => CopyOutcome::failed(error),
    };
    let url = copy::monitor_url(context, MonitoredOperation::Download, outcome);
    response::with_location(StatusCode::ACCEPTED, &url)
}

/// Downloads a file and creates it.
///
/// # Errors
/// 400 if the host does not respond with the file; 409 if the name is taken; 507 if the file does
/// not fit into the drive's quota, or the disk of the storage is full; 500 if the storage fails.
async fn fetch(
    context: &DriveContext<'_>,
    source: &RemoteSource,
    location: NewItemLocation,
    body: &ItemBody,
    on_conflict: OnConflict,
) -> Result<Node> {
    let (tree, drive) = (context.tree(), context.drive());
    let info = tree.drive_info(drive).await?;
    let bytes = source.download().await?;
    let left = info.quota.saturating_sub(info.used);
    let stored = tree.store(bytes, left).await.map_err(|error| match error {
        TreeError::Body(error) if error.kind() == io::ErrorKind::FileTooLarge => Error::quota(),
        TreeError::Body(error) => failed(&error),
        error => error.into(),
    })?;
    let new = NewItem {
        guard: location.rights(context).await?.guard(),
        folders: location.missing_folders,
        description: body.description.clone(),
        max_versions: context.max_versions(),
        ..NewItem::default()
    };
    let child = ChildName::new(drive, location.folder, &location.name);
    let written = tree.put(child, stored, new, on_conflict, Precondition::Any).await;
    Ok(written.map_err(Error::from_write)?.node)
}

impl RemoteSource {
    /// Parses a URL.
    ///
    /// # Errors
    /// 400 if it is not one of HTTP, has credentials, or is not on this machine and `any_host` is
    /// false.
    fn parse(text: &str, any_host: bool) -> Result<Self> {
        let refuse =
            |reason: &str| Err(Error::invalid(format!("cannot upload from the URL: {reason}")));
        let Ok(url) = Url::parse(text) else { return refuse("it is invalid") };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("it is not one of HTTP");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it has credentials");
        }
        if !any_host && !is_local(&url) {
            return refuse("this server reads from its own machine only (--fetch-any-host)");
        }
        Ok(Self { url, any_host })
    }

    /// Requests the file. Returns its bytes as they arrive.
    ///
    /// # Errors
    /// 400 if the host cannot be reached, or responds with another status than 200.
    async fn download(&self) -> Result<Bytestream> {
        let redirects = match self.any_host {
            true => redirect::Policy::limited(MAX_REDIRECTS),
            false => redirect::Policy::none(),
        };
        let mut client = Client::builder()
            .no_proxy()
            .redirect(redirects)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT);
        if let (false, Some(Host::Domain(name))) = (self.any_host, self.url.host()) {
            // A resolver could lead to another machine. The port is that of the URL.
            client = client.resolve(name, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        }
        let response = client.build().map_err(|error| failed(&error))?;
        let response = response.get(self.url.clone()).send().await;
        let response = response.map_err(|error| failed(&error.without_url()))?;
        if response.status() != StatusCode::OK {
            return Err(failed(&format!("the host responded {}", response.status())));
        }
        let bytes = response.bytes_stream();
        Ok(Box::pin(bytes.map_err(|error| io::Error::other(error.without_url()))))
    }
}

/// Returns whether a URL is on this machine, by a loopback address or `localhost`.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns the error of a download that failed.
fn failed(reason: &impl std::fmt::Display) -> Error {
    Error::invalid(format!("cannot upload from the URL: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_this_machine_are_accepted() {
        for (url, local) in [
            ("http://127.0.0.1:8080/f", true),
            ("http://[::1]/f", true),
            ("https://localhost/f", true),
            ("http://a.localhost/f", true),
            ("http://localhost.example/f", false),
            ("http://10.0.0.1/f", false),
            ("http://example.org/f", false),
        ] {
            assert_eq!(RemoteSource::parse(url, false).is_ok(), local, "{url}");
            assert!(RemoteSource::parse(url, true).is_ok(), "{url}");
        }
        for url in ["", "file:///etc/passwd", "http://user:pass@localhost/f", "localhost/f"] {
            assert!(RemoteSource::parse(url, true).is_err(), "{url}");
        }
    }
}
