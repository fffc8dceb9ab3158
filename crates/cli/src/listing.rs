//! What is in a folder, or below it.

use std::{collections::VecDeque, sync::Arc};

use drivedal::adapter::LeftOut;
use futures::TryStreamExt;
use opendal::{Entry, ErrorKind, Lister, Metadata};

use crate::{
    app::{App, EntryInfo, RemotePath},
    failure::{Exit, Failure, Result},
    location::DrivePath,
    units::ListRange,
};

/// Whether only a folder's own items are meant, or everything below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    Children,
    Tree,
}

/// What was found at a place that was to be listed.
pub(crate) enum Listed {
    /// A file: nothing to list.
    File(Metadata),
    Folder(Listing),
}

/// The items of a folder, as they come, without the folder itself.
pub(crate) struct Listing {
    lister: Lister,
    folder: RemotePath,
    first: Option<Entry>,
    part: ListRange,
    /// Whether entries that are left out are reported.
    reports: bool,
    /// Those that are to be reported.
    left_out: VecDeque<Failure>,
    /// Entries that share their name with an entry that is shown; `None`: they are reported.
    twins: Option<Vec<LeftOut>>,
}

/// Lists a folder; of a drive with ids this costs no look beforehand.
///
/// # Errors
/// `NotFound`; `Failed` for a file that was written with a slash.
pub(crate) async fn list(at: &RemotePath, depth: Depth) -> Result<Listed> {
    let folder = at.path.to_folder_arg();
    // Those of an earlier listing are not this one's.
    drop(left_out(at));
    let opened = at.operator().lister_with(&folder).recursive(depth == Depth::Tree).await;
    let first = match opened {
        Ok(mut lister) => lister.try_next().await.map(|first| (lister, first)),
        Err(error) => Err(error),
    };
    match first {
        Ok((lister, Some(first))) => Ok(Listed::Folder(Listing {
            lister,
            folder: at.clone(),
            first: Some(first),
            part: ListRange::default(),
            reports: true,
            left_out: VecDeque::new(),
            twins: None,
        })),
        // To OpenDAL what is not there is an empty folder, and a file in its place too.
        Ok((lister, None)) => match at.stat().await? {
            EntryInfo::Folder(_) => Ok(Listed::Folder(Listing {
                lister,
                folder: at.clone(),
                first: None,
                part: ListRange::default(),
                reports: true,
                left_out: VecDeque::new(),
                twins: None,
            })),
            EntryInfo::File(metadata) => Ok(Listed::File(metadata)),
        },
        Err(error) if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::NotFound) => {
            match at.stat().await? {
                EntryInfo::File(metadata) => Ok(Listed::File(metadata)),
                EntryInfo::Folder(_) => Err(Failure::from(error).about(at)),
            }
        }
        Err(error) => Err(Failure::from(error).about(at)),
    }
}

impl Listing {
    /// Without reports of entries that are left out.
    pub(crate) fn of_shown(self) -> Self {
        Self { reports: false, ..self }
    }

    /// Entries that are left out because another one has their name are not reported, but kept for
    /// [`take_twins`](Self::take_twins).
    pub(crate) fn keeping_twins(self) -> Self {
        Self { twins: Some(Vec::new()), ..self }
    }

    /// Removes and returns the entries that were left out because another one has their name. They
    /// are known when the listing has ended.
    pub(crate) fn take_twins(&mut self) -> Vec<LeftOut> {
        self.twins.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Only a part of what comes.
    pub(crate) fn slice(self, part: ListRange) -> Self {
        Self { part, ..self }
    }

    /// The next item. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The service's; an item that cannot be shown. Each is one failure among others: the listing
    /// goes on with the next call, until there are no more items.
    pub(crate) async fn next(&mut self) -> Result<Option<(DrivePath, Metadata)>> {
        loop {
            if let Some(failure) = self.left_out.pop_front() {
                return Err(failure);
            }
            if self.part.limit == Some(0) {
                return Ok(None);
            }
            let next = match self.first.take() {
                Some(first) => Some(first),
                None => self.lister.try_next().await.map_err(|error| {
                    let failure = Failure::from(error).doing("list").about(&self.folder);
                    failure.hint("the listing is incomplete")
                })?,
            };
            let Some((path, metadata)) = next.map(Entry::into_parts) else {
                if self.reports {
                    self.take_left_out();
                }
                match self.left_out.is_empty() {
                    true => return Ok(None),
                    false => continue,
                }
            };
            let path = DrivePath::parse(&path).map_err(|failure| {
                let shown = format!("{}:{path}", self.folder.remote.display_name());
                let mut failure = failure.with_exit(Exit::Failed);
                failure.about = Some(shown);
                failure
            })?;
            if path.as_str() == self.folder.path.as_str() {
                continue;
            }
            match &mut self.part {
                ListRange { offset: Some(skipped @ 1..), .. } => *skipped -= 1,
                ListRange { limit, .. } => {
                    *limit = limit.map(|left| left - 1);
                    return Ok(Some((path, metadata)));
                }
            }
        }
    }

    /// All that are left, sorted by path as code points, and the failures among them.
    pub(crate) async fn sorted(mut self) -> (Vec<(DrivePath, Metadata)>, Vec<Failure>) {
        let (mut items, mut failures) = (Vec::new(), Vec::new());
        loop {
            match self.next().await {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(failure) => failures.push(failure),
            }
        }
        // Segment by segment: what is in a folder comes right behind it.
        items.sort_by(|(a, _), (b, _)| a.as_str().split('/').cmp(b.as_str().split('/')));
        (items, failures)
    }

    fn take_left_out(&mut self) {
        let mut entries = left_out(&self.folder);
        if let Some(twins) = &mut self.twins {
            let (shared, others) = entries.into_iter().partition(|entry| entry.twin.is_some());
            twins.extend::<Vec<_>>(shared);
            entries = others;
        }
        let remote = self.folder.remote.display_name();
        let failure = |entry: LeftOut| {
            let text = format!("left out: {}", entry.reason);
            let about = format!("{remote}:{}{}", entry.folder, entry.name);
            Failure::new(Exit::Failed, text).about(about)
        };
        self.left_out = entries.into_iter().map(failure).collect();
    }

    /// The folder's remote.
    pub(crate) fn located(&self, path: DrivePath) -> RemotePath {
        RemotePath { remote: Arc::clone(&self.folder.remote), path }
    }
}

/// How a command ends whose listing had these failures, which are reported here.
///
/// # Errors
/// The only failure, if there was nothing to show; and when results cannot be written.
pub(crate) fn ended(app: &App, shown: bool, mut failures: Vec<Failure>) -> Result<Exit> {
    if let (1, false) = (failures.len(), shown) {
        return Err(failures.remove(0));
    }
    for failure in &failures {
        app.output.failed(failure)?;
    }
    Ok(if failures.is_empty() { Exit::Done } else { Exit::Partial })
}

/// The entries that the listing of a folder has left out.
fn left_out(folder: &RemotePath) -> Vec<LeftOut> {
    folder.remote.handle.as_ref().map(|handle| handle.take_left_out()).unwrap_or_default()
}
