//! Handler of the changes stream: JSON objects separated by line feeds, each with a checkpoint for
//! the next request (amazon-drive#changes-stream).

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    error::{AmazonError, Result},
    request::{AmazonRequest, json_body},
};
use crate::tree::{DriveInfo, ItemState};

/// Number of nodes per object of the stream, unless the client requests another. Inferred.
const DEFAULT_BATCH: u64 = 1_000;

/// Prefix of all checkpoints.
const PREFIX: &str = "CPX";

/// The body of a request. Clients send numbers and flags as JSON values or as text.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ChangesBody {
    checkpoint: Option<String>,
    chunk_size: Option<Value>,
    max_nodes: Option<Value>,
    include_purged: Option<Value>,
}

/// A position in the change feed of a drive. It is invalid for other drives, and after the drive
/// was recreated.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    /// Creation time of the drive, in microseconds since the epoch.
    drive: i64,
    feed: i64,
}

/// Handles `POST changes`: returns the nodes that changed since the checkpoint in the body, in the
/// order of their changes, as lines of JSON. Without a checkpoint, and with one that is invalid,
/// the response starts with a reset and contains all nodes.
///
/// # Errors
/// 400 if the body is not JSON, or `chunkSize` or `maxNodes` is not a positive number; 404 if the
/// drive was removed meanwhile; 500 if the storage fails. A failure after the first line ends the
/// response early instead.
pub(super) async fn changes(request: AmazonRequest, body: Body) -> Result<Response> {
    let options: ChangesBody = json_body(body).await?;
    let drive = request.state.tree.drive_info(request.drive()).await;
    let drive = drive.map_err(|error| AmazonError::tree(error, "?"))?;
    let position = options.checkpoint.as_deref().and_then(|text| decode_checkpoint(text, &drive));
    let changes = ChangeStream {
        request: Arc::new(request),
        drive_created: drive.created.as_microsecond(),
        until: drive.feed,
        after: position.unwrap_or(-1),
        reset: position.is_none(),
        batch_size: number(options.chunk_size.as_ref(), "chunkSize")?.unwrap_or(DEFAULT_BATCH),
        remaining: number(options.max_nodes.as_ref(), "maxNodes")?,
        purged: position.is_some() && is_true(options.include_purged.as_ref()),
    };
    let lines = stream::unfold(StreamState::Batches(changes), StreamState::next_line);
    let mut response = Response::new(Body::from_stream(lines));
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Parses a positive number, which clients may send as text; `None` if it is missing or null.
/// `name` is for the message.
///
/// # Errors
/// 400 if the value is neither missing, null nor a positive whole number.
fn number(value: Option<&Value>, name: &str) -> Result<Option<u64>> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    match number.filter(|number| *number > 0) {
        Some(number) => Ok(Some(number)),
        None => Err(AmazonError::invalid(format!("Invalid {name}"))),
    }
}

/// Returns whether a flag is `true`, as a boolean or as text in any case. Every other value and a
/// missing one is `false`.
fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// The state of a response that is being streamed.
struct ChangeStream {
    request: Arc<AmazonRequest>,
    /// Creation time of the drive, in microseconds since the epoch.
    drive_created: i64,
    /// The last position of the feed at the time of the request. Later changes belong to the next
    /// request.
    until: i64,
    /// The feed position of the last node that was sent; -1 before the first.
    after: i64,
    /// Whether the next object declares a reset.
    reset: bool,
    /// Maximum number of nodes per object.
    batch_size: u64,
    /// Maximum number of nodes that remain to be sent; `None`: no limit.
    remaining: Option<u64>,
    /// Whether to send purged nodes.
    purged: bool,
}

/// The state of a response stream.
enum StreamState {
    /// Further nodes may follow.
    Batches(ChangeStream),
    /// Only the end marker follows.
    End,
    /// The stream has ended.
    Done,
}

impl StreamState {
    /// Returns the next line and the state after it; `None` at the end of the stream. A failure of
    /// the storage is logged, and the line is an error, which ends the response early.
    async fn next_line(self) -> Option<(std::io::Result<Bytes>, Self)> {
        let line = match self {
            Self::Done => return None,
            Self::End => Ok((json!({ "end": true }), Self::Done)),
            Self::Batches(changes) => changes.next_batch().await,
        };
        match line {
            Ok((line, next)) => Some((Ok(Bytes::from(format!("{line}\n"))), next)),
            Err(error) => {
                tracing::error!(message = %error.message, "cannot continue a changes stream");
                Some((Err(std::io::Error::other(error.message)), Self::Done))
            }
        }
    }
}

impl ChangeStream {
    /// Returns the next object and the state after it. Without any change and without a pending
    /// reset, the object is the end marker.
    ///
    /// # Errors
    /// 500 if the storage fails.
    async fn next_batch(mut self) -> Result<(Value, StreamState)> {
        if self.after >= self.until && !self.reset {
            return Ok((json!({ "end": true }), StreamState::Done));
        }
        let limit = self.batch_size.min(self.remaining.unwrap_or(u64::MAX)).min(DEFAULT_BATCH * 10);
        let tree = &self.request.state.tree;
        let batch = tree.changes(self.request.drive(), self.after, limit).await;
        let batch = batch.map_err(|error| AmazonError::tree(error, "?"))?;
        let more = batch.len() as u64 == limit;
        if let Some(last) = batch.last() {
            self.after = last.feed;
        }
        self.remaining =
            self.remaining.map(|remaining| remaining.saturating_sub(batch.len() as u64));
        let includes = |state| self.purged || state != ItemState::Purged;
        let nodes: Vec<Value> = batch
            .iter()
            .filter(|node| self.request.shows(node) && includes(node.state))
            .map(|node| self.request.node_object(node))
            .collect();
        let checkpoint = Checkpoint { drive: self.drive_created, feed: self.after };
        let line = json!({
            "checkpoint": encode_checkpoint(&checkpoint),
            "reset": std::mem::take(&mut self.reset),
            "nodes": nodes,
            "statusCode": 200,
        });
        let ends = !more || self.remaining == Some(0) || self.after >= self.until;
        Ok((line, if ends { StreamState::End } else { StreamState::Batches(self) }))
    }
}

/// Encodes a checkpoint as clients receive it.
fn encode_checkpoint(checkpoint: &Checkpoint) -> String {
    let json = serde_json::to_vec(checkpoint).unwrap_or_default();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
}

/// Returns the feed position of a checkpoint. `None` if the text is not a checkpoint, is one of
/// another drive or of the drive before it was recreated, or has a position after the end of the
/// feed: the client then receives a reset and all nodes.
fn decode_checkpoint(text: &str, drive: &DriveInfo) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let checkpoint: Checkpoint = serde_json::from_slice(&bytes).ok()?;
    let is_ours = checkpoint.drive == drive.created.as_microsecond();
    (is_ours && (-1..=drive.feed).contains(&checkpoint.feed)).then_some(checkpoint.feed)
}
