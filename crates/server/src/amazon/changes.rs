//! The changes stream: a JSON object per line, each with a checkpoint to go on from
//! (amazon-drive#changes-stream).

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
    AmazonRequest,
    error::{AmazonError, Result},
    node::is_shown,
};
use crate::tree::{DriveInfo, State};

/// How many nodes are in a set unless the client says otherwise. Inferred.
const CHUNK: u64 = 1_000;

/// How every checkpoint begins.
const PREFIX: &str = "CPX";

/// What a client asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Question {
    checkpoint: Option<String>,
    chunk_size: Option<Value>,
    max_nodes: Option<Value>,
    include_purged: Option<Value>,
}

/// A place in the feed of a drive; another drive, or one that was made anew, has others.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    /// When the drive was made.
    drive: i64,
    feed: i64,
}

/// `POST changes`.
pub(super) async fn changes(request: AmazonRequest, body: Body) -> Result<Response> {
    let question: Question = super::json_body(body).await?;
    let drive = request.state.tree.drive_info(request.drive()).await;
    let drive = drive.map_err(|error| AmazonError::tree(error, "?"))?;
    let known = question.checkpoint.as_deref().and_then(|text| opened(text, &drive));
    let told = Told {
        request: Arc::new(request),
        made: drive.created.as_microsecond(),
        until: drive.feed,
        after: known.unwrap_or(-1),
        reset: known.is_none(),
        chunk: number(question.chunk_size.as_ref(), "chunkSize")?.unwrap_or(CHUNK),
        left: number(question.max_nodes.as_ref(), "maxNodes")?,
        purged: known.is_some() && is_true(question.include_purged.as_ref()),
    };
    let lines = stream::unfold(Next::Sets(told), Next::line);
    let mut response = Response::new(Body::from_stream(lines));
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A number that clients may write as text.
fn number(value: Option<&Value>, name: &str) -> Result<Option<u64>> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    match number.filter(|number| *number > 0) {
        Some(number) => Ok(Some(number)),
        None => Err(AmazonError::bad(format!("Invalid {name}"))),
    }
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// What is still to be told.
struct Told {
    request: Arc<AmazonRequest>,
    made: i64,
    /// Where the feed was when the client asked; what comes later is for another time.
    until: i64,
    after: i64,
    reset: bool,
    chunk: u64,
    /// Most nodes to come.
    left: Option<u64>,
    purged: bool,
}

enum Next {
    Sets(Told),
    Last,
    Nothing,
}

impl Next {
    async fn line(self) -> Option<(std::io::Result<Bytes>, Self)> {
        let line = match self {
            Self::Nothing => return None,
            Self::Last => Ok((json!({ "end": true }), Self::Nothing)),
            Self::Sets(told) => told.set().await,
        };
        match line {
            Ok((line, next)) => Some((Ok(Bytes::from(format!("{line}\n"))), next)),
            Err(error) => {
                tracing::error!(message = %error.message, "the changes broke off");
                Some((Err(std::io::Error::other(error.message)), Self::Nothing))
            }
        }
    }
}

impl Told {
    /// The next set; where nothing changed at all, the last line at once.
    async fn set(mut self) -> Result<(Value, Next)> {
        if self.after >= self.until && !self.reset {
            return Ok((json!({ "end": true }), Next::Nothing));
        }
        let limit = self.chunk.min(self.left.unwrap_or(u64::MAX)).min(CHUNK * 10);
        let tree = &self.request.state.tree;
        let batch = tree.changes(self.request.drive(), self.after, limit).await;
        let batch = batch.map_err(|error| AmazonError::tree(error, "?"))?;
        let more = batch.len() as u64 == limit;
        if let Some(last) = batch.last() {
            self.after = last.feed;
        }
        self.left = self.left.map(|left| left.saturating_sub(batch.len() as u64));
        let wanted = |state| self.purged || state != State::Purged;
        let nodes: Vec<Value> = batch
            .iter()
            .filter(|node| is_shown(node) && wanted(node.state))
            .map(|node| self.request.shown(node))
            .collect();
        let checkpoint = Checkpoint { drive: self.made, feed: self.after };
        let line = json!({
            "checkpoint": sealed(&checkpoint),
            "reset": std::mem::take(&mut self.reset),
            "nodes": nodes,
            "statusCode": 200,
        });
        let ends = !more || self.left == Some(0) || self.after >= self.until;
        Ok((line, if ends { Next::Last } else { Next::Sets(self) }))
    }
}

fn sealed(checkpoint: &Checkpoint) -> String {
    let json = serde_json::to_vec(checkpoint).unwrap_or_default();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
}

/// The place that a checkpoint names; `None`: it is none of this drive's, everything is told anew.
fn opened(text: &str, drive: &DriveInfo) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let checkpoint: Checkpoint = serde_json::from_slice(&bytes).ok()?;
    let is_ours = checkpoint.drive == drive.created.as_microsecond();
    (is_ours && (-1..=drive.feed).contains(&checkpoint.feed)).then_some(checkpoint.feed)
}
