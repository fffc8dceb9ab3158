//! A file's bytes, out and in, in one request.

use http::{Method, StatusCode, header};
use opendal::raw::Operation;

use super::{BEHAVIOR, Client, conditional};
use crate::{
    drive::{Body, ByteRange, Conditions, Context, Download, Result, Secret, Ticket},
    rate_limit::Repeat,
    services::onedrive::{
        address::Address,
        error::failure,
        model::{ConflictBehavior, DriveItem},
    },
    transport::{Call, Incoming, asking_for, exactly, refuses_long_suffix},
};

impl Client {
    /// `GET` a ticket (A8). Without a token.
    ///
    /// # Errors
    /// The host's, also for a ticket that has expired: `Denied` or `NotFound`; `Range`.
    pub async fn download(
        &self,
        cx: &Context,
        ticket: &Ticket,
        range: &ByteRange,
        known: Option<u64>,
    ) -> Result<Download> {
        let call = |range: &ByteRange| {
            let url = &ticket.url;
            let call = Call::to_link(Operation::Read, Method::GET, url, "{ticket}", &self.urls);
            asking_for(call.with_limiter(&self.limiter).cost(0), range)
        };
        let mut answer = cx.fetch(call(range)).await?;
        if refuses_long_suffix(range, &answer) {
            answer = cx.fetch(call(&ByteRange::Full)).await?;
        }
        let mut download = bytes_of(answer, range, known, &ticket.url).await?;
        download.ticket = Some(ticket.clone());
        Ok(download)
    }

    /// `GET {item}/content` (A8), for items without a ticket: Graph redirects to one, which the
    /// transport follows. A transport over `reqwest` drops the token where the host changes.
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
            asking_for(Call::new(Operation::Read, Method::GET, &*url, "{item}/content"), range)
        };
        let (mut answer, mut token) = self.fetch(cx, &|| call(range)).await?;
        if refuses_long_suffix(range, &answer) {
            (answer, token) = self.fetch(cx, &|| call(&ByteRange::Full)).await?;
        }
        bytes_of(answer, range, known, &token).await
    }

    /// `PUT {item}/content` (A9): 250 MB at most.
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
    ) -> Result<DriveItem> {
        let url = self.url(at, "/content");
        let call = || {
            let call = Call::new(Operation::Write, Method::PUT, &*url, "{item}/content")
                .query(BEHAVIOR, behavior.as_str())
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .body(body.clone());
            // A second one would find the name taken by the first, or make another file.
            let call = match behavior {
                ConflictBehavior::Replace => call,
                _ => call.repeated(Repeat::IfRefused),
            };
            conditional(call, conditions)
        };
        self.ok(cx, &call).await?.json()
    }
}

async fn bytes_of(
    answer: Incoming,
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
            Ok(Download { etag, ..exactly(range, known, answer)? })
        }
        _ => Err(failure(&answer.read().await?, secret)),
    }
}
