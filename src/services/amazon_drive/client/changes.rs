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
    services::amazon_drive::{error::error_of, model::ChangeSet},
    transport::{ApiRequest, redact_quoted},
};

/// Maximum length of a line in bytes: about 100,000 nodes.
const LINE_MAX: usize = 128 << 20;

/// Maximum length of a stream in bytes: about 10 million nodes.
const STREAM_MAX: u64 = 16 << 30;

/// Parameters of the changes stream.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChangesQuery {
    /// [`ChangeSet::checkpoint`] of an earlier stream. `None` lists the whole drive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Maximum number of nodes of a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_size: Option<u64>,
    /// Maximum number of nodes of the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_nodes: Option<u64>,
    /// Whether the stream contains permanently deleted nodes.
    #[serde(skip_serializing_if = "std::ops::Not::not", serialize_with = "as_text")]
    pub include_purged: bool,
}

/// Writes a boolean as the string that the cloud expects, `"true"` (amazon-drive#op-changes).
///
/// # Errors
/// Those of the serializer.
fn as_text<S: serde::Serializer>(value: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *value { "true" } else { "false" })
}

/// A line of the stream: a set of changes, or the end marker.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangesLine {
    #[serde(default)]
    end: bool,
    #[serde(default)]
    status_code: Option<u16>,
    #[serde(flatten)]
    set: Option<ChangeSet>,
}

impl Client {
    /// `POST changes`: returns the changes since a checkpoint as a stream of sets.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors). The stream ends with a temporary `Unexpected` error if the
    /// response is incomplete; repeat the request with the checkpoint of the last set.
    pub async fn changes(
        &self,
        cx: &Context,
        query: &ChangesQuery,
    ) -> Result<impl Stream<Item = Result<ChangeSet>> + Send + Sync + use<>> {
        let url = format!("{}changes", self.endpoints(cx).await?.metadata_url);
        let response = self
            .send_signed(cx, || {
                ApiRequest::new(Operation::List, Method::POST, &url, "changes").json(query)
            })
            .await?;
        if response.status != StatusCode::OK {
            return Err(error_of(&response.read().await?));
        }
        let reader = ChangesReader::new(response.into_stream());
        Ok(stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.next_set().await {
                Ok(Some(set)) => Some((Ok(set), Some(reader))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

/// Splits the response into lines and decodes them.
struct ChangesReader {
    bytes: Fuse<ByteStream>,
    /// Received bytes that are not yet returned as a line.
    buffer: BytesMut,
    /// Length of the start of `buffer` that contains no line feed.
    searched: usize,
    /// Number of bytes received so far.
    received: u64,
}

impl ChangesReader {
    /// Creates a reader of the response's bytes.
    fn new(bytes: ByteStream) -> Self {
        Self { bytes: bytes.fuse(), buffer: BytesMut::new(), searched: 0, received: 0 }
    }

    /// Returns the next set, or `None` after the end marker.
    ///
    /// # Errors
    /// `Unexpected`: temporary if the response ends without its marker or the cloud reports an
    /// error for a set, permanent for a line that exceeds the maximum or cannot be decoded. Those
    /// of the stream.
    async fn next_set(&mut self) -> Result<Option<ChangeSet>> {
        loop {
            let Some(line) = self.next_line().await? else {
                return Err(failed("the response ends without an end marker")
                    .with_retry(Retry::Again { after: None }));
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line: ChangesLine = serde_json::from_slice(&line).map_err(|error| {
                let problem = redact_quoted(&error.to_string());
                failed(&format!("a line cannot be decoded: {problem}"))
            })?;
            if line.end {
                return Ok(None);
            }
            if let Some(status) = line.status_code.filter(|status| *status != 200) {
                return Err(failed("the cloud reports an error for a set")
                    .with_status(status)
                    .with_retry(Retry::Again { after: None }));
            }
            let set = line.set.ok_or_else(|| failed("a line has no checkpoint"))?;
            return Ok(Some(set));
        }
    }

    /// Returns the next line, or `None` at the end of the response.
    ///
    /// # Errors
    /// `Unexpected` for a line over [`LINE_MAX`] or a response over [`STREAM_MAX`]; those of the
    /// stream.
    async fn next_line(&mut self) -> Result<Option<BytesMut>> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at + 1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > LINE_MAX {
                return Err(failed(&format!("a line has more than {LINE_MAX} bytes")));
            }
            match self.bytes.next().await {
                Some(chunk) => {
                    let chunk = chunk?;
                    self.received += chunk.len() as u64;
                    if self.received > STREAM_MAX {
                        return Err(failed(&format!(
                            "the response has more than {STREAM_MAX} bytes"
                        )));
                    }
                    for bytes in chunk {
                        self.buffer.extend_from_slice(&bytes);
                    }
                }
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    self.searched = 0;
                    return Ok(Some(self.buffer.split()));
                }
            }
        }
    }
}

/// Returns the `Unexpected` error for an invalid stream.
fn failed(reason: &str) -> Error {
    Error::new(ErrorKind::Unexpected, format!("cannot read the changes: {reason}"))
}
