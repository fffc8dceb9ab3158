//! The changes stream: one JSON object per line (amazon-drive#changes-stream).

use bytes::BytesMut;
use futures::{
    Stream, StreamExt,
    stream::{self, Fuse},
};
use http::{Method, StatusCode};
use opendal::raw::Operation;
use serde::{Deserialize, Serialize};

use super::Client;
use crate::{
    drive::{ByteStream, Context, Error, ErrorKind, Result, Retry},
    services::amazon_drive::{error::failure, model::ChangeSet},
    transport::{ApiRequest, redact_quoted},
};

/// The longest line that is taken, in bytes: some 100,000 nodes.
const LINE_MAX: usize = 128 << 20;

/// The longest stream that is read, in bytes: some 10 million nodes.
const STREAM_MAX: u64 = 16 << 30;

/// What is asked of the changes stream.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangesQuery {
    /// Where to go on; none: everything there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Most nodes of a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_size: Option<u64>,
    /// Most nodes of the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_nodes: Option<u64>,
    /// Whether nodes that are gone for good are told.
    #[serde(skip_serializing_if = "std::ops::Not::not", serialize_with = "as_text")]
    pub include_purged: bool,
}

/// The cloud takes the word, not the value.
fn as_text<S: serde::Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *value { "true" } else { "false" })
}

/// A line of the stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(default)]
    end: bool,
    #[serde(default)]
    status_code: Option<u16>,
    #[serde(flatten)]
    set: Option<ChangeSet>,
}

impl Client {
    /// `POST changes`: what changed since a checkpoint, set by set.
    ///
    /// # Errors
    /// Those of the request; in the stream also `Unexpected`, to be tried again from the last
    /// set's checkpoint, if it breaks off.
    pub async fn changes(
        &self,
        cx: &Context,
        query: &ChangesQuery,
    ) -> Result<impl Stream<Item = Result<ChangeSet>> + Send + Sync + use<>> {
        let url = format!("{}changes", self.endpoints(cx).await?.metadata_url);
        let answer = self
            .signed(cx, || {
                ApiRequest::new(Operation::List, Method::POST, &url, "changes").json(query)
            })
            .await?;
        if answer.status != StatusCode::OK {
            return Err(failure(&answer.read().await?));
        }
        let lines = Lines {
            bytes: answer.into_stream().fuse(),
            held: BytesMut::new(),
            searched: 0,
            received: 0,
        };
        Ok(stream::unfold(Some(lines), |lines| async move {
            let mut lines = lines?;
            match lines.next_set().await {
                Ok(Some(set)) => Some((Ok(set), Some(lines))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

struct Lines {
    bytes: Fuse<ByteStream>,
    held: BytesMut,
    /// How much of `held` is known to have no end of a line.
    searched: usize,
    received: u64,
}

impl Lines {
    /// The next set; `None` after the line that says that it was the last.
    async fn next_set(&mut self) -> Result<Option<ChangeSet>> {
        loop {
            let Some(line) = self.next().await? else { return Err(broken_off()) };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_slice(&line).map_err(|error| {
                let problem = redact_quoted(&error.to_string());
                Error::new(
                    ErrorKind::Unexpected,
                    format!("a line of the changes was not understood: {problem}"),
                )
            })?;
            if line.end {
                return Ok(None);
            }
            if let Some(status) = line.status_code.filter(|status| *status != 200) {
                return Err(Error::new(ErrorKind::Unexpected, "a set of changes has failed")
                    .with_status(status)
                    .with_retry(Retry::Again { after: None }));
            }
            match line.set {
                Some(set) => return Ok(Some(set)),
                None => {
                    return Err(Error::new(
                        ErrorKind::Unexpected,
                        "a line of the changes has no checkpoint",
                    ));
                }
            }
        }
    }

    /// The next line; `None` at the end of the answer.
    async fn next(&mut self) -> Result<Option<BytesMut>> {
        loop {
            if let Some(at) = self.held[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.held.split_to(self.searched + at + 1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.held.len();
            if self.searched > LINE_MAX {
                return Err(Error::new(
                    ErrorKind::Unexpected,
                    format!("a line of the changes has more than {LINE_MAX} bytes"),
                ));
            }
            match self.bytes.next().await {
                Some(piece) => {
                    let piece = piece?;
                    self.received += piece.len() as u64;
                    if self.received > STREAM_MAX {
                        return Err(Error::new(
                            ErrorKind::Unexpected,
                            format!("the changes have more than {STREAM_MAX} bytes"),
                        ));
                    }
                    for bytes in piece {
                        self.held.extend_from_slice(&bytes);
                    }
                }
                None if self.held.is_empty() => return Ok(None),
                None => {
                    self.searched = 0;
                    return Ok(Some(self.held.split()));
                }
            }
        }
    }
}

fn broken_off() -> Error {
    Error::new(ErrorKind::Unexpected, "the changes broke off before their end")
        .with_retry(Retry::Again { after: None })
}
