//! Requests for the content of a file: download, and upload in one request.

use http::{Method, StatusCode, header};
use opendal::raw::Operation;
use url::Url;

use super::{CONFLICT_BEHAVIOR, Client, with_conditions};
use crate::{
    drive::{Body, ByteRange, Conditions, Context, Download, DownloadUrl, Result, Secret},
    rate_limit::Repeat,
    services::{
        body_hash::{BodyHash, BodyHasher},
        onedrive::{
            QuickXor,
            address::Address,
            error::response_error,
            model::{ConflictBehavior, DriveItem},
        },
    },
    transport::{ApiRequest, StreamResponse, rejects_long_suffix, set_range, slice_response},
};

/// The first segments of the paths of Microsoft Graph.
const GRAPH_VERSIONS: [&str; 2] = ["/v1.0/", "/beta/"];

/// The result of [`Client::put_content`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Uploaded {
    /// The file from the response.
    pub item: DriveItem,
    /// The quickXorHash of the bytes that were sent, to compare with the hash of `item`.
    pub hash: QuickXor,
}

impl BodyHasher for QuickXor {
    /// Hashes the next bytes.
    fn update(&mut self, piece: &[u8]) {
        QuickXor::update(self, piece);
    }
}

impl Client {
    /// Sends `GET` to a download URL. Returns the bytes of `range` as a stream.
    ///
    /// A URL below the endpoint gets the token of Graph (onedrive-graph#graph-content-urls). Any other
    /// URL is pre-authenticated, and its host gets no token
    /// (onedrive-graph#download-url-no-authorization).
    ///
    /// `size` is the size of the file in bytes, if it is known. A host that ignores ranges is read
    /// from the beginning, and only the bytes of the range are returned.
    ///
    /// # Errors
    /// `PermissionDenied` or `NotFound`, also if the download URL has expired. `RangeNotSatisfied` if the range starts
    /// behind the end of the file.
    pub async fn download(
        &self,
        cx: &Context,
        download_url: &DownloadUrl,
        range: &ByteRange,
        size: Option<u64>,
    ) -> Result<Download> {
        let url = &download_url.url;
        let (mut response, mut secret) = self.fetch_url(cx, url, range).await?;
        if rejects_long_suffix(range, &response) {
            (response, secret) = self.fetch_url(cx, url, &ByteRange::Full).await?;
        }
        let mut download = read_content(response, range, size, &secret).await?;
        download.download_url = Some(download_url.clone());
        Ok(download)
    }

    /// Sends `GET` to a URL of content, with the token of Graph if it is a URL of Graph. Returns the
    /// response, whatever its status, and the secret of the request.
    ///
    /// # Errors
    /// `Unexpected` if no response arrives; for a URL of Graph those of [`fetch`](Self::fetch).
    async fn fetch_url(
        &self,
        cx: &Context,
        url: &Secret,
        range: &ByteRange,
    ) -> Result<(StreamResponse, Secret)> {
        if self.is_graph_url(url) {
            let link = url.expose();
            let request = || ApiRequest::new(Operation::Read, Method::GET, link, "{download URL}");
            return self.fetch(cx, &|| set_range(request(), range)).await;
        }
        let operation = Operation::Read;
        let request =
            ApiRequest::for_link(operation, Method::GET, url, "{download URL}", &self.urls);
        let request = set_range(request.with_limiter(&self.limiter).cost(0), range);
        Ok((self.http(cx).fetch(request).await?, url.clone()))
    }

    /// Returns whether a URL is one of Graph itself, which needs its token: a URL below the endpoint,
    /// or below a version of Graph on a host that the configuration allows. Other URLs of the same
    /// host are pre-authenticated.
    pub(in super::super) fn is_graph_url(&self, url: &Secret) -> bool {
        let url = url.expose();
        self.urls.is_below_endpoint(url)
            || self.urls.check_token(url).is_ok()
                && Url::parse(url).is_ok_and(|url| {
                    GRAPH_VERSIONS.iter().any(|version| url.path().starts_with(version))
                })
    }

    /// Sends `GET {item}/content` (onedrive-graph#download-redirect), for items without a download
    /// URL. Returns the bytes of `range` as a stream. `size` is the size of the file in bytes, if
    /// it is known.
    ///
    /// Graph responds with the bytes, or redirects to a download URL, which the transport follows. A
    /// transport over `reqwest` removes the token if the host changes.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; `RangeNotSatisfied` if the range starts behind the
    /// end of the file; [request errors](crate::drive::Error#request-errors).
    pub async fn content(
        &self,
        cx: &Context,
        item: &Address,
        range: &ByteRange,
        size: Option<u64>,
    ) -> Result<Download> {
        let url = self.url(item, "/content");
        let request = |range: &ByteRange| {
            set_range(ApiRequest::new(Operation::Read, Method::GET, &*url, "{item}/content"), range)
        };
        self.fetch_content(cx, &request, range, size).await
    }

    /// Sends a signed request for content, and returns the bytes of `range` as a stream. `request`
    /// builds the request for a range, once for each attempt. `size` is the size of the content in
    /// bytes, if it is known.
    ///
    /// # Errors
    /// The error in the response; `RangeNotSatisfied` if the range starts behind the end; those of
    /// [`fetch`](Self::fetch).
    pub(super) async fn fetch_content(
        &self,
        cx: &Context,
        request: &(dyn Fn(&ByteRange) -> ApiRequest + Sync),
        range: &ByteRange,
        size: Option<u64>,
    ) -> Result<Download> {
        let (mut response, mut token) = self.fetch(cx, &|| request(range)).await?;
        if rejects_long_suffix(range, &response) {
            (response, token) = self.fetch(cx, &|| request(&ByteRange::Full)).await?;
        }
        read_content(response, range, size, &token).await
    }

    /// Sends `PUT {item}/content` (onedrive-graph#simple-upload-limit). Creates or replaces a file
    /// of at most 250 MB.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use, under [`ConflictBehavior::Fail`]; `ConditionNotMatch` if an etag does
    /// not match; `QuotaExceeded` if the drive is full; `Conflict` if the file is locked.
    pub async fn put_content(
        &self,
        cx: &Context,
        item: &Address,
        body: &Body,
        behavior: ConflictBehavior,
        conditions: &Conditions,
    ) -> Result<Uploaded> {
        let url = self.url(item, "/content");
        let hash = BodyHash::<QuickXor>::new(body);
        let request = || {
            let request = ApiRequest::new(Operation::Write, Method::PUT, &*url, "{item}/content")
                .query(CONFLICT_BEHAVIOR, behavior.as_str())
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .body(body.clone());
            // A repeated request would find the name in use by the first, or create another file.
            let request = match behavior {
                ConflictBehavior::Replace => request,
                _ => request.repeat(Repeat::IfRefused),
            };
            hash.observe(with_conditions(request, conditions))
        };
        let permit = self.upload_permit().await;
        let item = self.send(cx, &request).await?.json()?;
        drop(permit);
        Ok(Uploaded { item, hash: hash.finish().await? })
    }
}

/// Returns the bytes of `range` from a response with content. `size` is the size of the file in
/// bytes, if it is known. `secret` is the token or URL of the request, which errors must not
/// contain.
///
/// # Errors
/// The error in the response, if its status is not a success; `RangeNotSatisfied` if the range
/// starts behind the end; `Unexpected` if the response has another range.
async fn read_content(
    response: StreamResponse,
    range: &ByteRange,
    size: Option<u64>,
    secret: &Secret,
) -> Result<Download> {
    match response.status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            let etag = response
                .headers
                .get(header::ETAG)
                .and_then(|etag| etag.to_str().ok())
                .map(str::to_owned);
            Ok(Download { etag, ..slice_response(range, size, response)? })
        }
        _ => Err(response_error(&response.read().await?, secret)),
    }
}
