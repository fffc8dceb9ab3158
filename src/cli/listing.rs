//! What is in a folder, or below it.

use std::sync::Arc;

use futures::TryStreamExt;
use opendal::{Entry, ErrorKind, Lister, Metadata};

use crate::cli::{
    app::{Found, Located},
    failure::{Exit, Failure, Result},
    location::DrivePath,
    units::Part,
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
    folder: Located,
    first: Option<Entry>,
    part: Part,
}

/// Lists a folder; of a drive with ids this costs no look beforehand.
///
/// # Errors
/// `NotFound`; `Failed` for a file that was written with a slash.
pub(crate) async fn list(at: &Located, depth: Depth) -> Result<Listed> {
    let folder = at.path.folder();
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
            part: Part::default(),
        })),
        // To OpenDAL what is not there is an empty folder, and a file in its place too.
        Ok((lister, None)) => match at.find().await? {
            Found::Folder(_) => Ok(Listed::Folder(Listing {
                lister,
                folder: at.clone(),
                first: None,
                part: Part::default(),
            })),
            Found::File(metadata) => Ok(Listed::File(metadata)),
        },
        Err(error) if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::NotFound) => {
            match at.find().await? {
                Found::File(metadata) => Ok(Listed::File(metadata)),
                Found::Folder(_) => Err(Failure::from(error).about(at)),
            }
        }
        Err(error) => Err(Failure::from(error).about(at)),
    }
}

impl Listing {
    /// Only a part of what comes.
    pub(crate) fn part(self, part: Part) -> Self {
        Self { part, ..self }
    }

    /// The next item. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The service's; and for an item whose name cannot be part of a path.
    pub(crate) async fn next(&mut self) -> Result<Option<(DrivePath, Metadata)>> {
        loop {
            if self.part.limit == Some(0) {
                return Ok(None);
            }
            let next = match self.first.take() {
                Some(first) => Some(first),
                None => self
                    .lister
                    .try_next()
                    .await
                    .map_err(|error| Failure::from(error).about(&self.folder))?,
            };
            let Some((path, metadata)) = next.map(Entry::into_parts) else { return Ok(None) };
            let path = DrivePath::parse(&path).map_err(|failure| {
                let shown = format!("{}:{path}", self.folder.remote.shown_name());
                Failure { exit: Exit::Failed, about: Some(shown), ..failure }
            })?;
            if path.as_str() == self.folder.path.as_str() {
                continue;
            }
            match &mut self.part {
                Part { offset: Some(skipped @ 1..), .. } => *skipped -= 1,
                Part { limit, .. } => {
                    *limit = limit.map(|left| left - 1);
                    return Ok(Some((path, metadata)));
                }
            }
        }
    }

    /// All that are left, sorted by path as code points.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) async fn sorted(mut self) -> Result<Vec<(DrivePath, Metadata)>> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await? {
            items.push(item);
        }
        // Segment by segment: what is in a folder comes right behind it.
        items.sort_by(|(a, _), (b, _)| a.as_str().split('/').cmp(b.as_str().split('/')));
        Ok(items)
    }

    /// The folder's remote.
    pub(crate) fn located(&self, path: DrivePath) -> Located {
        Located { remote: Arc::clone(&self.folder.remote), path }
    }
}
