//! The change feed of a drive as a stream.

use std::time::Duration;

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use opendal::{Operator, Result};

use super::{DriveHandle, to_opendal};
use crate::drive::{self, ChangePage, Context, Cursor};

/// The start of a stream of changes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ChangesSince {
    /// The current state of the drive: only later changes are returned.
    Now,
    /// The position after a page of an earlier stream.
    Position(Cursor),
    /// A point in time. Only some drives support it:
    /// [`Extensions::changes_since_time`](crate::drive::Extensions::changes_since_time).
    Time(Timestamp),
}

/// Pages of changes, in order. [`ChangePage::next`] is the position to continue at in another
/// process.
pub type ChangeStream = BoxStream<'static, Result<ChangePage>>;

/// The state of a stream of changes.
struct Feed {
    handle: DriveHandle,
    cx: Context,
    since: ChangesSince,
    /// Whether the end of the feed was reached, so that new changes must be waited for.
    is_caught_up: bool,
}

impl Feed {
    /// Requests the next page, and moves the position behind it. The first page of a stream from now
    /// on is empty.
    ///
    /// # Errors
    /// Those of [`Drive::changes`](crate::drive::Drive::changes). The position does not move then.
    async fn next_page(&mut self) -> drive::Result<ChangePage> {
        let drive = self.handle.drive();
        let page = match &self.since {
            ChangesSince::Now => drive.changes(&self.cx, None).await?,
            ChangesSince::Position(cursor) => drive.changes(&self.cx, Some(cursor)).await?,
            ChangesSince::Time(time) => drive.changes_since_time(&self.cx, *time).await?,
        };
        self.since = ChangesSince::Position(page.next.clone());
        self.is_caught_up = !page.more;
        Ok(page)
    }
}

impl DriveHandle {
    /// Returns the changes of the whole drive that are available now. The stream ends with the page
    /// whose [`more`](ChangePage::more) is false, or after an error.
    ///
    /// A page with [`reset`](ChangePage::reset) means that changes before it are lost: the cloud no
    /// longer knows the position.
    ///
    /// # Errors
    /// The stream returns `Unsupported` if the drive has no change feed or its feed does not start at
    /// a time, and [request errors](crate::drive::Error#request-errors).
    pub fn changes(&self, operator: &Operator, since: ChangesSince) -> ChangeStream {
        let feed = self.feed(operator, since);
        stream::try_unfold(feed, async |mut feed| {
            if feed.is_caught_up {
                return Ok(None);
            }
            let page = feed.next_page().await.map_err(to_opendal)?;
            Ok(Some((page, feed)))
        })
        .boxed()
    }

    /// Returns the changes of the whole drive without end. At the end of the feed, it requests new
    /// changes after each `interval`.
    ///
    /// The first page of a stream from [`ChangesSince::Now`] is empty: later changes are not missed.
    /// An empty page follows each request without changes.
    ///
    /// # Errors
    /// As for [`changes`](Self::changes). After an error, the stream continues at the same position,
    /// after `interval`.
    pub fn watch(
        &self,
        operator: &Operator,
        since: ChangesSince,
        interval: Duration,
    ) -> ChangeStream {
        let feed = self.feed(operator, since);
        stream::unfold(feed, move |mut feed| async move {
            if feed.is_caught_up {
                tokio::time::sleep(interval).await;
            }
            let page = feed.next_page().await.map_err(to_opendal);
            feed.is_caught_up |= page.is_err();
            Some((page, feed))
        })
        .boxed()
    }

    /// Returns the state of a stream of changes from `since` on.
    fn feed(&self, operator: &Operator, since: ChangesSince) -> Feed {
        let cx = Self::context(operator);
        Feed { handle: self.clone(), cx, since, is_caught_up: false }
    }
}
