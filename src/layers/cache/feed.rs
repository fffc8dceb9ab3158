//! What others have changed, told by the service in one request.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use opendal::{ErrorKind, OperationContext, Result};
use tokio::{sync::Mutex as Turn, time::Instant};

use super::known::{Known, Reach};

/// Tells which paths have changed in a service since it was asked before.
#[async_trait]
pub trait ChangeSource: Send + Sync + fmt::Debug + 'static {
    /// What has changed since the answer that `since` came with; with `None`, nothing yet: from
    /// now on.
    ///
    /// # Errors
    /// `Unsupported`, if the service tells no changes: it is not asked again.
    async fn changes(&self, lent: &OperationContext, since: Option<&Position>) -> Result<Changes>;
}

/// Where a feed goes on. Some are URLs that work without a token: it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Position(String);

impl Position {
    /// As the source names it.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// As the source named it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Position")
    }
}

/// What has changed.
#[derive(Debug)]
pub struct Changes {
    /// Paths below the operator's root where something was made or changed; what is below is as
    /// it was.
    pub paths: Vec<String>,
    /// Paths where something was moved from or to, or removed, with everything below.
    pub moved: Vec<String>,
    /// It cannot be told: anything may have changed.
    pub everything: bool,
    /// Where to go on.
    pub next: Position,
}

#[derive(Debug)]
pub(super) struct Feed {
    source: Arc<dyn ChangeSource>,
    /// Asking is one after the other.
    turn: Turn<Option<Position>>,
    heard: Mutex<Heard>,
}

/// What the answers so far are good for.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// Answers that were asked for since then are told of when they change.
    since: Option<Instant>,
    /// All that had changed by then has been told.
    until: Option<Instant>,
    /// There are no changes to hear.
    never: bool,
}

impl Feed {
    pub(super) fn new(source: Arc<dyn ChangeSource>) -> Self {
        Self { source, turn: Turn::default(), heard: Mutex::default() }
    }

    fn heard(&self) -> Heard {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an answer is told of when it changes.
    pub(super) fn covers(&self, asked: Instant) -> bool {
        self.heard().since.is_some_and(|since| asked >= since)
    }

    /// Begins to listen, so that what is asked from now on is told of when it changes.
    pub(super) async fn begin(&self, lent: &OperationContext, known: &Known) {
        if self.heard().since.is_none() {
            self.hear(lent, known, None).await;
        }
    }

    /// Hears everything up to a moment, and forgets what has changed; whether that worked.
    pub(super) async fn hear_until(
        &self,
        lent: &OperationContext,
        known: &Known,
        moment: Instant,
    ) -> bool {
        let reaches = |heard: Heard| heard.until.is_some_and(|until| until > moment);
        reaches(self.heard()) || {
            self.hear(lent, known, Some(moment)).await;
            reaches(self.heard())
        }
    }

    /// Asks, unless another has done so while this one waited.
    async fn hear(&self, lent: &OperationContext, known: &Known, moment: Option<Instant>) {
        let mut cursor = self.turn.lock().await;
        let heard = self.heard();
        let done = match moment {
            None => heard.since.is_some(),
            Some(moment) => heard.until.is_some_and(|until| until > moment),
        };
        if heard.never || done {
            return;
        }
        let asked = Instant::now();
        let changes = match self.source.changes(lent, cursor.as_ref()).await {
            Ok(changes) => changes,
            Err(error) => {
                tracing::debug!(kind = %error.kind(), "what has changed could not be heard");
                let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.never = error.kind() == ErrorKind::Unsupported;
                return;
            }
        };
        // No await from here: what was heard is not lost when the caller gives up.
        let first = cursor.replace(changes.next).is_none();
        if changes.everything {
            known.all_changed();
        }
        for path in &changes.paths {
            known.changed(path, Reach::Item);
        }
        for path in &changes.moved {
            known.changed(path, Reach::Tree);
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if first || changes.everything {
            heard.since = Some(Instant::now());
        }
        heard.until = Some(asked);
    }
}
