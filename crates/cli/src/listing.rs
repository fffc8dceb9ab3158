//! Listings of folders and trees.

use std::{collections::VecDeque, sync::Arc};

use drivedal::adapter::LeftOut;
use futures::TryStreamExt;
use opendal::{Entry, ErrorKind, Lister, Metadata};

use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    location::DrivePath,
    remote::{EntryInfo, RemotePath},
    units::ListRange,
};

/// Whether a listing includes subfolders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    Children,
    Tree,
}

/// Result of listing a path.
pub(crate) enum Listed {
    /// The path is a file.
    File(Metadata),
    Folder(Listing),
}

/// A stream of the items in a folder, without the folder itself.
pub(crate) struct Listing {
    lister: Lister,
    folder: RemotePath,
    first: Option<Entry>,
    part: ListRange,
    /// Whether entries that the drive's adapter left out are reported as failures.
    reports: bool,
    /// Entries that are left out and not reported yet.
    left_out: VecDeque<Failure>,
    /// Left-out entries that have the name of another entry. `None`: they are reported as failures.
    twins: Option<Vec<LeftOut>>,
}

/// Starts a listing. On a drive with ids this needs no request for the folder's metadata.
///
/// # Errors
/// `NotFound` if the path does not exist; `Failed` for a file whose path ends with a slash; the
/// failure of the request ([`Failure::from`]).
pub(crate) async fn list(at: &RemotePath, depth: Depth) -> Result<Listed> {
    let folder = at.path.to_folder_arg();
    // The list may still contain entries of an earlier listing.
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
        // OpenDAL returns an empty listing for a missing folder, and for a file of that name.
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
    /// Disables reports of entries that are left out.
    pub(crate) fn without_reports(self) -> Self {
        Self { reports: false, ..self }
    }

    /// Keeps left-out entries that have the name of another entry for
    /// [`take_twins`](Self::take_twins), instead of reporting them.
    pub(crate) fn with_twins(self) -> Self {
        Self { twins: Some(Vec::new()), ..self }
    }

    /// Removes and returns the left-out entries that have the name of another entry. They are
    /// complete once the listing has ended.
    pub(crate) fn take_twins(&mut self) -> Vec<LeftOut> {
        self.twins.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Limits the listing to a range.
    pub(crate) fn slice(self, part: ListRange) -> Self {
        Self { part, ..self }
    }

    /// Returns the next item. `None` at the end. Dropping the future loses no item.
    ///
    /// # Errors
    /// The failure of a request ([`Failure::from`]), and one `Failed` for each item that cannot be
    /// shown. After an error the next call continues the listing.
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

    /// Returns the remaining items, sorted by path in code-point order, and the failures.
    pub(crate) async fn sorted(mut self) -> (Vec<(DrivePath, Metadata)>, Vec<Failure>) {
        let (mut items, mut failures) = (Vec::new(), Vec::new());
        loop {
            match self.next().await {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(failure) => failures.push(failure),
            }
        }
        // Sorting by segments puts the contents of a folder directly after it.
        items.sort_by(|(a, _), (b, _)| a.as_str().split('/').cmp(b.as_str().split('/')));
        (items, failures)
    }

    /// Collects the entries that the listing left out, as failures, except twins if the caller
    /// takes them.
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

    /// Returns a path on the remote of this listing.
    pub(crate) fn located(&self, path: DrivePath) -> RemotePath {
        RemotePath { remote: Arc::clone(&self.folder.remote), path }
    }
}

/// Reports the failures of a listing and returns the exit code of the command. `shown` is whether
/// the listing had items.
///
/// # Errors
/// A single failure if no item was shown; `ClosedPipe` or `Failed` if results cannot be written.
pub(crate) fn finish(app: &App, shown: bool, mut failures: Vec<Failure>) -> Result<Exit> {
    if let (1, false) = (failures.len(), shown) {
        return Err(failures.remove(0));
    }
    for failure in &failures {
        app.output.failed(failure)?;
    }
    Ok(if failures.is_empty() { Exit::Done } else { Exit::Partial })
}

/// Removes and returns the entries that listings of this remote left out.
fn left_out(folder: &RemotePath) -> Vec<LeftOut> {
    folder.remote.handle.as_ref().map(|handle| handle.take_left_out()).unwrap_or_default()
}
