//! A file's bytes, out and in, in one request.

use http::{Method, StatusCode, header};
use opendal::raw::Operation;

use super::{BEHAVIOR, Client, conditional};
use crate::{
    drive::{Body, ByteRange, Conditions, Context, Download, DownloadUrl, Result, Secret},
    rate_limit::Repeat,
    services::{
        body_hash::{BodyHash, BodyHasher},
        onedrive::{
            QuickXor,
            address::Address,
            error::failure,
            model::{ConflictBehavior, DriveItem},
        },
    },
    transport::{self, ApiRequest, StreamResponse, rejects_long_suffix, set_range, slice_response},
};

/// The result of an upload in one request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Uploaded {
    /// The file as the cloud has it.
    pub item: DriveItem,
    /// The quickXorHash of the bytes that were sent, to be compared with the one in `item`.
    pub hash: QuickXor,
}

impl BodyHasher for QuickXor {
    fn update(&mut self, piece: &[u8]) {
        QuickXor::update(self, piece);
    }
}

impl Client {
    /// `GET` a download URL (onedrive-graph#download-url-no-authorization). Without a token.
    ///
    /// # Errors
    /// The host's, also for a download URL that has expired: `Denied` or `NotFound`; `Range`.
    pub async fn download(
        &self,
        cx: &Context,
        download_url: &DownloadUrl,
        range: &ByteRange,
        known: Option<u64>,
    ) -> Result<Download> {
        let call = |range: &ByteRange| {
            let url = &download_url.url;
            let call =
                ApiRequest::to_link(Operation::Read, Method::GET, url, "{ticket}", &self.urls);
            set_range(call.with_limiter(&self.limiter).cost(0), range)
        };
        let mut answer = transport::Client::new(cx).fetch(call(range)).await?;
        if rejects_long_suffix(range, &answer) {
            answer = transport::Client::new(cx).fetch(call(&ByteRange::Full)).await?;
        }
        let mut download = bytes_of(answer, range, known, &download_url.url).await?;
        download.download_url = Some(download_url.clone());
        Ok(download)
    }

    /// `GET {item}/content` (onedrive-graph#download-redirect), for items without a download URL:
    /// Graph redirects to one, which the transport follows. A transport over `reqwest` drops the
    /// token where the host changes.
    ///
    /// # Errors
    /// As [`download`](Self::download).
    pub async fn content(
        &self,
        cx: &Context,
        at: &Address,
        range: &ByteRange,
        known: Option<u64>,
    ) -> Result<Download> {
        let url = self.url(at, "/content");
        let call = |range: &ByteRange| {
            set_range(ApiRequest::new(Operation::Read, Method::GET, &*url, "{item}/content"), range)
        };
        let (mut answer, mut token) = self.fetch(cx, &|| call(range)).await?;
        if rejects_long_suffix(range, &answer) {
            (answer, token) = self.fetch(cx, &|| call(&ByteRange::Full)).await?;
        }
        bytes_of(answer, range, known, &token).await
    }

    /// `PUT {item}/content` (onedrive-graph#simple-upload-limit): 250 MB at most.
    ///
    /// # Errors
    /// `Exists` under [`ConflictBehavior::Fail`], `Condition`, `Quota`, `Conflict` when locked.
    pub async fn put_content(
        &self,
        cx: &Context,
        at: &Address,
        body: &Body,
        behavior: ConflictBehavior,
        conditions: &Conditions,
    ) -> Result<Uploaded> {
        let url = self.url(at, "/content");
        let hash = BodyHash::<QuickXor>::new(body);
        let call = || {
            let call = ApiRequest::new(Operation::Write, Method::PUT, &*url, "{item}/content")
                .query(BEHAVIOR, behavior.as_str())
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .body(body.clone());
            // A second one would find the name taken by the first, or make another file.
            let call = match behavior {
                ConflictBehavior::Replace => call,
                _ => call.repeated(Repeat::IfRefused),
            };
            hash.observe(conditional(call, conditions))
        };
        let item = self.ok(cx, &call).await?.json()?;
        Ok(Uploaded { item, hash: hash.finish().await? })
    }
}

async fn bytes_of(
    answer: StreamResponse,
    range: &ByteRange,
    known: Option<u64>,
    secret: &Secret,
) -> Result<Download> {
    match answer.status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            let etag = answer
                .headers
                .get(header::ETAG)
                .and_then(|etag| etag.to_str().ok())
                .map(str::to_owned);
            Ok(Download { etag, ..slice_response(range, known, answer)? })
        }
        _ => Err(failure(&answer.read().await?, secret)),
    }
}
