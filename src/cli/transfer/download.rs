//! Trees of a remote to here.
//!
//! One recursive listing tells what there is; while it comes, the files it told of are fetched.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use drivedal::drive::Item;
use jiff::Timestamp;
use opendal::Metadata;
use tokio::task::JoinSet;

use super::{
    fetch::fetch,
    jobs::outcome,
    journal::Journal,
    ledger::{Became, Ledger},
    local::{blocking, local_name},
    partial::sweep,
};
use crate::cli::{
    app::Located,
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    item,
    listing::Listing,
    location::DrivePath,
    ls::relative,
};

/// How trees are fetched.
#[derive(Clone)]
pub(crate) struct Download {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) interrupt: Interrupt,
    /// Large files that were begun.
    pub(crate) journal: Option<Journal>,
    /// How many files at once.
    pub(crate) jobs: usize,
}

/// A file to be fetched.
pub(crate) struct File {
    pub(crate) from: Located,
    pub(crate) to: PathBuf,
    /// What was listed of it, or seen when it was looked at.
    pub(crate) metadata: Metadata,
    /// The same in a drive's words, where it is one of ours.
    pub(crate) item: Option<Item>,
}

impl File {
    pub(crate) fn new(from: Located, to: PathBuf, metadata: &Metadata) -> Self {
        let item = match (&from.remote.handle, from.file()) {
            (Some(handle), Ok(path)) => handle.remembered(&path),
            _ => None,
        };
        Self { from, to, metadata: metadata.clone(), item }
    }

    pub(crate) fn modified(&self) -> Option<Timestamp> {
        item::modified(&self.metadata)
    }
}

impl Download {
    /// Makes `to` a copy of a folder. What is there already and not in the folder stays.
    ///
    /// # Errors
    /// When nothing can be put there, the listing breaks off or results cannot be written; what
    /// fails of the items is in the ledger.
    pub(crate) async fn tree(&self, folder: &Located, mut listing: Listing, to: PathBuf) -> Result {
        let mut made = HashSet::new();
        self.make(folder, &to, &mut made).await?;
        let mut running = JoinSet::new();
        let (mut more, mut ended) = (true, Ok(()));
        while more || !running.is_empty() {
            let step = tokio::select! {
                () = self.interrupt.wait(), if more => {
                    more = false;
                    Ok(())
                }
                next = listing.next(), if more && running.len() < self.jobs => match next {
                    Ok(Some((path, metadata))) => {
                        let at = listing.located(path);
                        match self.place(folder, &at, &metadata, &to, &mut made).await {
                            Ok(Some(file)) => {
                                running.spawn(self.file(file));
                                Ok(())
                            }
                            Ok(None) => Ok(()),
                            Err(failure) => self.ledger.failed(failure),
                        }
                    }
                    Ok(None) => {
                        self.ledger.tally.found_all();
                        more = false;
                        Ok(())
                    }
                    Err(failure) => {
                        let message = format!("{} (the listing is not complete)", failure.message);
                        more = false;
                        self.ledger.failed(Failure { message, ..failure })
                    }
                },
                Some(ended) = running.join_next() => outcome(ended),
            };
            if let Err(failure) = step {
                self.interrupt.stop(failure.exit);
                ended = ended.and(Err(failure));
            }
        }
        ended
    }

    /// Fetches one file and writes down what became of it.
    pub(crate) fn file(&self, file: File) -> impl Future<Output = Result> + Send + use<> {
        let this = self.clone();
        async move {
            match fetch(&file, &this).await {
                Ok(()) => {
                    this.ledger.tally.arrived();
                    let size = file.metadata.content_length();
                    this.ledger.note(&file.from, &file.to, Became::Fetched, Some(size))
                }
                Err(failure) => this.ledger.failed(failure),
            }
        }
    }

    /// Makes the folders that a listed item needs; a file is still to be fetched.
    async fn place(
        &self,
        top: &Located,
        at: &Located,
        metadata: &Metadata,
        to: &Path,
        made: &mut HashSet<PathBuf>,
    ) -> Result<Option<File>> {
        let local = local_path(to, &top.path, &at.path).map_err(|failure| failure.about(at))?;
        if metadata.is_dir() {
            self.make(at, &local, made).await?;
            return Ok(None);
        }
        if !metadata.is_file() {
            let why = "neither a file nor a folder: there are no bytes to fetch";
            return Err(Failure::new(Exit::Failed, why).about(at));
        }
        // A listing need not tell a folder before what is in it, or at all.
        let parent = Located { path: at.path.parent(), ..at.clone() };
        if let Some(folder) = local.parent() {
            self.make(&parent, folder, made).await?;
        }
        self.ledger.tally.found_file(metadata.content_length());
        Ok(Some(File::new(at.clone(), local, metadata)))
    }

    async fn make(&self, folder: &Located, to: &Path, made: &mut HashSet<PathBuf>) -> Result {
        if made.contains(to) {
            return Ok(());
        }
        let path = to.to_owned();
        blocking(move || {
            fs::create_dir_all(&path).map_err(|error| Failure::local(&path, &error))?;
            sweep(&path);
            Ok(())
        })
        .await?;
        self.ledger.note(folder, to, Became::Made, None)?;
        made.insert(to.to_owned());
        Ok(())
    }
}

/// Where an item of a tree goes.
///
/// # Errors
/// For a name that no file here can have, or that would lead elsewhere.
fn local_path(to: &Path, top: &DrivePath, path: &DrivePath) -> Result<PathBuf> {
    let mut local = to.to_owned();
    for name in relative(top, path).split('/') {
        local.push(local_name(name).map_err(|why| Failure::new(Exit::Failed, why))?);
    }
    Ok(local)
}
