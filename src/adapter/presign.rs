//! Requests that another program can send without a token.
//!
//! A drive cannot sign a request in advance: it requests a URL from the cloud, whose lifetime the
//! cloud chooses.

use std::time::Duration;

use http::{HeaderMap, Method};
use opendal::{
    ErrorKind, Operator, Result,
    raw::{OpPresign, PresignOperation, PresignedRequest, RpPresign},
};

use super::{DriveHandle, error::to_opendal, options::check_read, path::Path, state::AdapterState};
use crate::drive::{Context, DownloadUrl, UploadUrl, WriteOptions};

impl AdapterState {
    /// Returns a request that reads the file at a path. `presigned` are the arguments of the
    /// operation, and `capability` is that of the service.
    ///
    /// # Errors
    /// `Unsupported` for another operation than a read, for options that the URL cannot express, for
    /// a longer validity than that of the cloud's URLs, and for a file without such a URL;
    /// `NotFound`, `IsADirectory`, and [request errors](crate::drive::Error#request-errors).
    pub(super) async fn presign(
        &self,
        cx: &Context,
        path: &Path,
        presigned: &OpPresign,
        capability: &opendal::Capability,
    ) -> Result<RpPresign> {
        let PresignOperation::Read(range, args) = presigned.operation() else {
            return Err(unsupported("presign the operation: a drive has only URLs to read a file"));
        };
        let Some(lifetime) = self.capabilities().download_url_lifetime else {
            return Err(unsupported("presign a read: this drive has no URLs of a known validity"));
        };
        check_read(args, capability)?;
        if args.is_conditional() || args.version().is_some() {
            return Err(unsupported("presign a read with a condition or of a version"));
        }
        if presigned.expire() > lifetime {
            return Err(unsupported(&format!(
                "presign a read for {} s: the URLs of this cloud are valid for {} s",
                presigned.expire().as_secs(),
                lifetime.as_secs()
            )));
        }
        let url = self.request_download_url(cx, path).await.map_err(to_opendal)?;
        let mut headers = HeaderMap::new();
        if !range.is_full() {
            let value = range.to_header().parse().map_err(|_| unsupported("presign this range"))?;
            headers.insert(http::header::RANGE, value);
        }
        // The error of the parser would repeat the URL.
        let uri = url.url.expose().parse().map_err(|_| {
            opendal::Error::new(ErrorKind::Unexpected, "cannot presign: the cloud's URL is invalid")
        })?;
        Ok(RpPresign::new(PresignedRequest::new(Method::GET, uri, headers)))
    }

    /// Requests a new download URL of the file at a path.
    ///
    /// # Errors
    /// Those of [`resolve`](Self::resolve) and of
    /// [`Drive::download_url`](crate::drive::Drive::download_url).
    async fn request_download_url(
        &self,
        cx: &Context,
        path: &Path,
    ) -> crate::drive::Result<DownloadUrl> {
        let resolved = self.resolve(cx, path, Duration::ZERO).await?;
        self.drive.download_url(cx, &resolved.item_ref).await
    }
}

impl DriveHandle {
    /// Requests a URL from which another program can read the file at a path without a token.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, `IsADirectory` for a folder, `Unsupported` if the drive
    /// or the file has no such URL, and [request errors](crate::drive::Error#request-errors).
    pub async fn download_url(&self, operator: &Operator, path: &str) -> Result<DownloadUrl> {
        let cx = Self::context(operator);
        let path = self.state.find_path(&cx, path).await.map_err(to_opendal)?;
        let url = self.state.request_download_url(&cx, &path).await;
        url.map_err(to_opendal)
    }

    /// Requests a URL to which another program can write the file at a path without a token, with one
    /// request. The file has exactly `size` bytes, and replaces a file at the path.
    ///
    /// # Errors
    /// `Unsupported` if the drive has no such URLs, if they need a token, for a size that one request
    /// cannot have, and for a name that the cloud rejects; `IsADirectory` if a folder is at the path;
    /// `NotADirectory` if a file is above it; [request
    /// errors](crate::drive::Error#request-errors).
    pub async fn upload_url(
        &self,
        operator: &Operator,
        path: &str,
        size: u64,
    ) -> Result<UploadUrl> {
        let (state, cx) = (&self.state, Self::context(operator));
        let path = state.find_path(&cx, path).await.map_err(to_opendal)?;
        let (target, _) = state.target(&cx, &path).await.map_err(to_opendal)?;
        let options = WriteOptions::default();
        state.drive.upload_url(&cx, &target, size, &options).await.map_err(to_opendal)
    }
}

/// Returns the `Unsupported` error of a call. `call` names the call and the reason.
fn unsupported(call: &str) -> opendal::Error {
    opendal::Error::new(ErrorKind::Unsupported, format!("cannot {call}"))
}
