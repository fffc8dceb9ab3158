//! The folder of a tree: its files, who has it, and whether its blobs are those of its database.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    super::Result,
    open::{OpenError, failed},
};
use crate::{disk, signed_token::write_private};

/// The files of a tree's folder.
pub(super) struct Files {
    pub(super) folder: PathBuf,
    pub(super) database: PathBuf,
    /// The log of the database, which SQLite merges into it at times.
    pub(super) log: PathBuf,
    pub(super) blobs: PathBuf,
    /// Locked while a process has the tree.
    lock: PathBuf,
    /// Names that process; a file of its own, because a locked one may not be readable.
    owner: PathBuf,
    /// Takes room that is kept back.
    pub(super) reserve: PathBuf,
    /// Where a repair puts damaged bytes.
    pub(super) quarantine: PathBuf,
    /// Says whose the blobs are: a [`Marker`].
    marker: PathBuf,
}

/// The file beside the blobs that says to which database they belong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// A random id, which the database has too.
    pub(super) folder: String,
    /// The last run that wrote blobs. A database of an earlier run is an old copy.
    pub(super) run: i64,
}

impl Marker {
    /// With an id that no other folder has.
    pub(super) fn new(run: i64) -> Self {
        Self { folder: hex::encode(rand::random::<[u8; 16]>()), run }
    }
}

impl Files {
    /// The files of a folder. It is made if it does not exist, and becomes private to its owner.
    pub(super) fn new(folder: &Path) -> Result<Self, OpenError> {
        disk::make_private_folder(folder).map_err(failed("cannot make the folder", folder))?;
        let folder = folder.canonicalize().map_err(failed("cannot find the folder", folder))?;
        disk::make_private(&folder).map_err(failed("cannot make private", &folder))?;
        let blobs = folder.join("blobs");
        Ok(Self {
            database: folder.join("tree.db"),
            log: folder.join("tree.db-wal"),
            lock: folder.join("lock"),
            owner: folder.join("owner"),
            reserve: folder.join("reserve"),
            quarantine: folder.join("quarantine"),
            marker: blobs.join("owner.json"),
            blobs,
            folder,
        })
    }

    /// Takes the folder for this process, until the returned file is dropped.
    pub(super) fn lock(&self) -> Result<File, OpenError> {
        let lock = disk::private_file()
            .create(true)
            .truncate(false)
            .open(&self.lock)
            .map_err(failed("cannot open", &self.lock))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = fs::read_to_string(&self.owner).ok().filter(|owner| !owner.is_empty());
                let owner = owner.unwrap_or_else(|| "a process that did not say which".into());
                return Err(OpenError::InUse { folder: self.folder.clone(), owner });
            }
            Err(TryLockError::Error(error)) => {
                return Err(failed("cannot lock", &self.lock)(error));
            }
        }
        Ok(lock)
    }

    /// Makes the files private that an earlier version, or another umask, made readable to others.
    /// The blobs are behind their folder; each of them is looked at once, before there is a marker.
    pub(super) fn tighten(&self) -> Result<(), OpenError> {
        let private =
            |path: &Path| disk::make_private(path).map_err(failed("cannot make private", path));
        for name in ["tree.db", "tree.db-wal", "tree.db-shm", "lock", "owner", "reserve", "blobs"] {
            private(&self.folder.join(name))?;
        }
        for name in ["start.lock", "users.lock", "server.json", "key"] {
            private(&self.folder.join(name))?;
        }
        if self.blobs.is_dir() && !self.marker.exists() {
            disk::make_contents_private(&self.blobs)
                .map_err(failed("cannot make private", &self.blobs))?;
        }
        Ok(())
    }

    /// Names this process to the one that next wants the folder. On a full disk it stays unnamed.
    pub(super) fn sign(&self) -> Result<(), OpenError> {
        let sign = || {
            let mut file = disk::private_file().create(true).truncate(true).open(&self.owner)?;
            io::Write::write_all(&mut file, format!("process {}", std::process::id()).as_bytes())
        };
        match sign() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            signed => signed.map_err(failed("cannot write", &self.owner)),
        }
    }

    /// Makes the database's file, empty and private, if there is none.
    pub(super) fn make_database(&self) -> Result<(), OpenError> {
        let made = disk::private_file().create(true).truncate(false).open(&self.database);
        made.map(drop).map_err(failed("cannot make", &self.database))
    }

    /// Whether there are blobs, of whatever database.
    pub(super) fn has_blobs(&self) -> Result<bool, OpenError> {
        let found = || {
            if !self.blobs.is_dir() {
                return Ok(false);
            }
            for folder in fs::read_dir(&self.blobs)? {
                let folder = folder?;
                if !folder.file_type()?.is_dir() {
                    continue;
                }
                for blob in fs::read_dir(folder.path())? {
                    if blob?.file_type()?.is_file() {
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        };
        found().map_err(failed("cannot read the folder", &self.blobs))
    }

    /// The numbers of all blobs.
    pub(super) fn blob_numbers(&self) -> Result<Vec<i64>, OpenError> {
        let found = || {
            let mut numbers = Vec::new();
            if !self.blobs.is_dir() {
                return Ok(numbers);
            }
            for folder in fs::read_dir(&self.blobs)? {
                let folder = folder?;
                if !folder.file_type()?.is_dir() {
                    continue;
                }
                for blob in fs::read_dir(folder.path())? {
                    let name = blob?.file_name();
                    numbers.extend(name.to_str().and_then(|n| i64::from_str_radix(n, 16).ok()));
                }
            }
            Ok(numbers)
        };
        found().map_err(failed("cannot read the folder", &self.blobs))
    }

    /// The marker; `None` if there is none.
    pub(super) fn marker(&self) -> Result<Option<Marker>, OpenError> {
        let text = match fs::read(&self.marker) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // The blobs are not a folder; that is found out where they are used.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
            Err(error) => return Err(failed("cannot read", &self.marker)(error)),
        };
        let parsed = serde_json::from_slice(&text).map_err(io::Error::from);
        parsed.map(Some).map_err(failed("cannot read", &self.marker))
    }

    /// Writes the marker, and syncs the folders above the blobs.
    pub(super) fn write_marker(&self, marker: &Marker, sync: &disk::FolderSync) -> io::Result<()> {
        disk::make_private_folder(&self.blobs)?;
        write_private(&self.marker, &serde_json::to_vec(marker)?)?;
        sync.sync(&self.blobs)?;
        sync.sync(&self.folder)?;
        self.folder.parent().map_or(Ok(()), |parent| sync.sync(parent))
    }
}

/// Whether a database may speak for the blobs beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Vouching {
    /// The blobs are its own.
    Own(Marker),
    /// There are none, or they were written before there were markers: they become its own.
    Adopt(Marker),
    /// They may be those of another database, or of a later state of this one: none is removed.
    Foreign(&'static str),
}

impl Vouching {
    /// Decides it from the id that the database has, the run that it was at before this one, and
    /// the marker. `run` is this run.
    pub(super) fn decide(
        database: Option<String>,
        before: i64,
        run: i64,
        marker: Option<Marker>,
        has_blobs: bool,
    ) -> Self {
        match (database, marker) {
            (None, None) => Self::Adopt(Marker::new(run)),
            (Some(folder), None) if !has_blobs => Self::Adopt(Marker { folder, run }),
            (Some(_), None) => Self::Foreign("the file owner.json beside them is missing"),
            (_, Some(marker)) if marker.run > before => {
                Self::Foreign("the database is older than they are")
            }
            // A start that ended between the marker and the database.
            (None, Some(marker)) => Self::Adopt(Marker { run, ..marker }),
            (Some(folder), Some(marker)) if folder == marker.folder => {
                Self::Own(Marker { folder, run })
            }
            (Some(_), Some(_)) => Self::Foreign("they belong to another database"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_vouches_for_its_own_blobs_only() {
        let marker = |folder: &str, run| Some(Marker { folder: folder.into(), run });
        let decide = |database: Option<&str>, marker, blobs| {
            Vouching::decide(database.map(Into::into), 5, 6, marker, blobs)
        };
        let own = Vouching::Own(Marker { folder: "a".into(), run: 6 });
        assert_eq!(decide(Some("a"), marker("a", 5), true), own);
        assert_eq!(decide(Some("a"), marker("a", 3), true), own, "a start that wrote no marker");
        let adopt = Vouching::Adopt(Marker { folder: "a".into(), run: 6 });
        assert_eq!(decide(None, marker("a", 5), true), adopt);
        assert_eq!(decide(Some("a"), None, false), adopt);
        assert!(matches!(decide(None, None, true), Vouching::Adopt(_)));
        for (database, marker) in [
            (Some("a"), marker("b", 5)),
            (Some("a"), marker("a", 6)),
            (None, marker("a", 6)),
            (Some("a"), None),
            (Some(""), marker("a", 5)),
        ] {
            let decided = decide(database, marker, true);
            assert!(matches!(decided, Vouching::Foreign(_)), "{decided:?}");
        }
    }
}
