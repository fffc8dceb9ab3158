//! Where the blobs of a tree are stored, and the database they belong to.
//!
//! A marker beside the blobs has the id that the database has too. Without it, blobs that no row
//! names may be those of another database, or of a later state of this one, and are not removed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::TryStreamExt;
use opendal::Operator;
use serde::{Deserialize, Serialize};

use super::{
    super::Result,
    open_error::{OpenError, failed},
};
use crate::{
    blobs::{Blobs, IdAllocator, number_of},
    disk::{self, FolderSync},
    signed_token::write_private,
};

/// The scheme of an operator for a folder.
const FS_SCHEME: &str = "fs";

/// The marker's file name.
const MARKER: &str = "owner.json";

/// The marker beside the blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnerMarker {
    /// A random id, which the database has too.
    pub(super) folder: String,
    /// The last run that wrote blobs. A database of an earlier run is an old copy.
    pub(super) run: i64,
}

impl OwnerMarker {
    /// Creates a marker with a new id, for the blobs of the database that counts `run` as its
    /// current run.
    pub(super) fn new(run: i64) -> Self {
        Self { folder: hex::encode(rand::random::<[u8; 16]>()), run }
    }
}

/// Whether the blobs belong to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// They do. The marker is to be written for this run.
    Own(OwnerMarker),
    /// There are none, or they were written before there were markers. They are adopted with this
    /// marker.
    Adopt(OwnerMarker),
    /// They may belong to another database, or to a later state of this one: none is removed.
    Foreign(&'static str),
}

impl Ownership {
    /// Decides whether the blobs belong to the database.
    ///
    /// `database` is the id of the blobs that the database has, and `None` in a new one. `before`
    /// is the last run in the database and `run` the one that begins. `marker` is the marker beside
    /// the blobs, and `has_blobs` whether there are any.
    pub(super) fn decide(
        database: Option<String>,
        before: i64,
        run: i64,
        marker: Option<OwnerMarker>,
        has_blobs: bool,
    ) -> Self {
        match (database, marker) {
            (None, None) => Self::Adopt(OwnerMarker::new(run)),
            (Some(folder), None) if !has_blobs => Self::Adopt(OwnerMarker { folder, run }),
            (Some(_), None) => Self::Foreign("the file owner.json beside them is missing"),
            (_, Some(marker)) if marker.run > before => {
                Self::Foreign("the database is older than they are")
            }
            // The last start ended after it wrote the marker, and before it wrote the database.
            (None, Some(marker)) => Self::Adopt(OwnerMarker { run, ..marker }),
            (Some(folder), Some(marker)) if folder == marker.folder => {
                Self::Own(OwnerMarker { folder, run })
            }
            (Some(_), Some(_)) => Self::Foreign("they belong to another database"),
        }
    }
}

/// A folder of blobs on this machine.
#[derive(Clone, Debug)]
pub(super) struct BlobDirectory {
    pub(super) root: PathBuf,
    marker: PathBuf,
}

impl BlobDirectory {
    /// Names the files of a folder of blobs. Nothing is created.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { marker: root.join(MARKER), root }
    }

    /// Returns the numbers of all blobs. The last component of a path decides; whether it is in the
    /// right folder does not matter.
    ///
    /// # Errors
    /// [`OpenError::File`] if the folder cannot be read.
    pub(super) fn numbers(&self) -> Result<Vec<i64>, OpenError> {
        let number = |entry: fs::DirEntry| {
            let name = entry.file_name();
            Ok(name.to_str().and_then(|name| i64::from_str_radix(name, 16).ok()))
        };
        Ok(self.entries(number, |_| false)?.into_iter().flatten().collect())
    }

    /// Returns whether any folder in the root has a file, of any database. `false` also if the root
    /// does not exist.
    ///
    /// # Errors
    /// [`OpenError::File`] if a folder cannot be read.
    fn has_blobs(&self) -> Result<bool, OpenError> {
        let is_file = |entry: fs::DirEntry| Ok(entry.file_type()?.is_file());
        Ok(self.entries(is_file, |is_file| *is_file)?.contains(&true))
    }

    /// Maps the entries of all folders in the root, up to and including the first for which
    /// `enough` returns true. A root that does not exist has no entries.
    ///
    /// # Errors
    /// [`OpenError::File`] if a folder cannot be read or `map` fails.
    fn entries<T>(
        &self,
        map: impl Fn(fs::DirEntry) -> io::Result<T>,
        enough: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, OpenError> {
        let read = || {
            let mut found = Vec::new();
            if !self.root.is_dir() {
                return Ok(found);
            }
            for folder in fs::read_dir(&self.root)? {
                let folder = folder?;
                if !folder.file_type()?.is_dir() {
                    continue;
                }
                for blob in fs::read_dir(folder.path())? {
                    let mapped = map(blob?)?;
                    let is_last = enough(&mapped);
                    found.push(mapped);
                    if is_last {
                        return Ok(found);
                    }
                }
            }
            Ok(found)
        };
        read().map_err(failed("cannot read the folder", &self.root))
    }

    /// Reads the marker; `None` if there is none.
    ///
    /// # Errors
    /// [`OpenError::File`] if it cannot be read, or is not a marker.
    pub(super) fn marker(&self) -> Result<Option<OwnerMarker>, OpenError> {
        let text = match fs::read(&self.marker) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // The root is not a folder. The error is reported when blobs are opened.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(error) => return Err(failed("cannot read", &self.marker)(error)),
        };
        let parsed = serde_json::from_slice(&text).map_err(io::Error::from);
        parsed.map(Some).map_err(failed("cannot read", &self.marker))
    }

    /// Writes the marker, and syncs the three folders from the root upwards.
    ///
    /// # Errors
    /// The operating system's error if a folder cannot be created or synced, or the marker cannot
    /// be written.
    fn write_marker(&self, marker: &OwnerMarker, sync: &FolderSync) -> io::Result<()> {
        disk::make_private_folder(&self.root)?;
        write_private(&self.marker, &serde_json::to_vec(marker)?)?;
        // The root, the data folder, and the folder that the data folder is in.
        self.root.ancestors().take(3).try_for_each(|folder| sync.sync(folder))
    }

    /// Takes the rights on the blobs from other users, if an earlier version may have left them.
    ///
    /// # Errors
    /// [`OpenError::File`] if rights cannot be changed.
    pub(super) fn make_private(&self) -> Result<(), OpenError> {
        disk::make_private(&self.root).map_err(failed("cannot make private", &self.root))?;
        // Later blobs are behind a private folder: they are looked at once, before the first marker.
        if self.root.is_dir() && !self.marker.exists() {
            disk::make_contents_private(&self.root)
                .map_err(failed("cannot make private", &self.root))?;
        }
        Ok(())
    }
}

/// Where the blobs of a tree are stored.
#[derive(Clone, Debug)]
pub(super) enum BlobLocation {
    Memory,
    Folder(BlobDirectory),
    /// An operator that is not a folder of this machine.
    Store(Operator),
}

impl BlobLocation {
    /// Returns the location that an operator reads and writes. Of a folder on this machine only the
    /// path is taken: its files are synced and private.
    pub(super) fn from_operator(operator: Operator) -> Self {
        let info = operator.info();
        match info.scheme() {
            FS_SCHEME => Self::Folder(BlobDirectory::new(PathBuf::from(info.root()))),
            _ => Self::Store(operator),
        }
    }

    /// Returns the location's name in messages.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Memory => "memory".into(),
            Self::Folder(directory) => directory.root.display().to_string(),
            Self::Store(operator) => {
                let info = operator.info();
                format!("{}://{}{}", info.scheme(), info.name(), info.root())
            }
        }
    }

    /// Returns the folder on this machine; `None` elsewhere.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Folder(directory) => Some(&directory.root),
            Self::Memory | Self::Store(_) => None,
        }
    }

    /// Reads the marker; `None` if there is none.
    ///
    /// # Errors
    /// [`OpenError::File`], or [`OpenError::BlobStore`] for a store, if it cannot be read or is not
    /// a marker.
    pub(super) async fn marker(&self) -> Result<Option<OwnerMarker>, OpenError> {
        let operator = match self {
            Self::Memory => return Ok(None),
            Self::Folder(directory) => return directory.marker(),
            Self::Store(operator) => operator,
        };
        let text = match operator.read(MARKER).await {
            Ok(text) => text,
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.unusable("read", source)),
        };
        serde_json::from_slice(&text.to_bytes()).map(Some).map_err(|error| {
            let source = opendal::Error::new(opendal::ErrorKind::Unexpected, error.to_string());
            self.unusable("read owner.json in", source)
        })
    }

    /// Writes the marker. This is also the proof that the location can be written.
    ///
    /// # Errors
    /// [`OpenError::File`], or [`OpenError::BlobStore`] for a store, if it cannot be written.
    pub(super) async fn write_marker(
        &self,
        marker: &OwnerMarker,
        sync: &FolderSync,
    ) -> Result<(), OpenError> {
        match self {
            Self::Memory => Ok(()),
            Self::Folder(directory) => directory
                .write_marker(marker, sync)
                .map_err(failed("cannot write owner.json in", &directory.root)),
            Self::Store(operator) => {
                let text = serde_json::json!(marker).to_string();
                let written = operator.write(MARKER, text).await;
                written.map(drop).map_err(|source| self.unusable("write", source))
            }
        }
    }

    /// Returns whether there is a blob, of any database.
    ///
    /// # Errors
    /// [`OpenError::File`], or [`OpenError::BlobStore`] for a store, if the location cannot be
    /// listed.
    pub(super) async fn has_blobs(&self) -> Result<bool, OpenError> {
        let operator = match self {
            Self::Memory => return Ok(false),
            Self::Folder(directory) => return directory.has_blobs(),
            Self::Store(operator) => operator,
        };
        let unusable = |source| self.unusable("list", source);
        let mut entries = operator.lister_with("").recursive(true).await.map_err(unusable)?;
        while let Some(entry) = entries.try_next().await.map_err(unusable)? {
            if number_of(entry.path()).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens the blobs.
    ///
    /// # Errors
    /// [`OpenError::Blobs`] if a folder cannot be created or used.
    pub(super) fn open(
        &self,
        ids: Arc<IdAllocator>,
        sync: FolderSync,
    ) -> Result<Arc<Blobs>, OpenError> {
        Ok(match self {
            Self::Memory => Blobs::in_memory(ids)?,
            Self::Folder(directory) => Blobs::in_folder(&directory.root, ids, sync)?,
            Self::Store(operator) => Blobs::in_store(operator.clone(), ids),
        })
    }

    /// Returns the error of an operation on the blobs that the operator failed. `verb` is the
    /// operation in the message, such as `read`.
    fn unusable(&self, verb: &'static str, source: opendal::Error) -> OpenError {
        OpenError::BlobStore { verb, place: self.place(), source: Box::new(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_owns_only_its_own_blobs() {
        let marker = |folder: &str, run| Some(OwnerMarker { folder: folder.into(), run });
        let decide = |database: Option<&str>, marker, blobs| {
            Ownership::decide(database.map(Into::into), 5, 6, marker, blobs)
        };
        let own = Ownership::Own(OwnerMarker { folder: "a".into(), run: 6 });
        assert_eq!(decide(Some("a"), marker("a", 5), true), own);
        assert_eq!(decide(Some("a"), marker("a", 3), true), own, "a start that wrote no marker");
        let adopt = Ownership::Adopt(OwnerMarker { folder: "a".into(), run: 6 });
        assert_eq!(decide(None, marker("a", 5), true), adopt);
        assert_eq!(decide(Some("a"), None, false), adopt);
        assert!(matches!(decide(None, None, true), Ownership::Adopt(_)));
        for (database, marker) in [
            (Some("a"), marker("b", 5)),
            (Some("a"), marker("a", 6)),
            (None, marker("a", 6)),
            (Some("a"), None),
            (Some(""), marker("a", 5)),
        ] {
            let decided = decide(database, marker, true);
            assert!(matches!(decided, Ownership::Foreign(_)), "{decided:?}");
        }
    }
}
