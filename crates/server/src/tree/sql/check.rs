//! Checks all contents of a tree, and removes the files whose bytes are damaged.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use futures::TryStreamExt;
use sha2::{Digest, Sha256};

use super::{
    super::{
        Content, DriveKey, Hashes, ItemKey, ItemState, NewItem, Precondition, Result, TreeError,
    },
    Tree,
    blob_location::OwnerMarker,
    contents::{self, NewContent},
    failure::storage,
    items, read, recycle_bin,
    row::{hashes_from_bytes, unsigned},
    salvage::Recovery,
    session, versions,
    writer::Tx,
};

/// Contents that one statement returns.
const PAGE: i64 = 256;

/// The outcome of a check of a data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Contents that were read. A content that several files share counts once.
    pub contents: u64,
    /// The size of those contents, in bytes.
    pub bytes: u64,
    /// Blobs that no file names.
    pub orphans: u64,
    /// Why the blobs may belong to another database; `None` if they are this one's. Foreign blobs are
    /// kept.
    pub foreign: Option<&'static str>,
    /// Files and uploads whose bytes are damaged or lost.
    pub damaged: Vec<DamagedFile>,
    /// The result of salvaging the database; `None` unless a repair found it damaged.
    pub recovery: Option<Recovery>,
}

impl CheckReport {
    /// Returns whether all files can be served.
    pub fn is_good(&self) -> bool {
        self.damaged.is_empty() && self.foreign.is_none()
    }
}

/// A file or an incomplete upload whose bytes cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedFile {
    /// The account's name; the default account's is empty.
    pub account: String,
    /// Its path in the drive; for a file in the recycle bin, the path before the deletion.
    pub path: String,
    /// Whether it is in the recycle bin.
    pub trashed: bool,
    /// Why it cannot be served.
    pub reason: String,
    /// The files to which a repair moved its bytes, as far as they exist.
    pub saved: Vec<PathBuf>,
}

/// A file, an earlier version of a file or an upload with a content.
enum ContentUser {
    Item { drive: DriveKey, no: ItemKey, account: String, trashed: bool },
    Version { drive: DriveKey, no: ItemKey, version: i64, account: String, trashed: bool },
    Session { id: String, account: String, name: String },
}

/// A content that cannot be read.
struct Damage {
    content: i64,
    reason: String,
}

impl Tree {
    /// Reads every content and verifies it. Nothing is changed.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read. Damaged contents are in the report;
    /// they are no error.
    pub async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport { foreign: self.foreign_reason(), ..CheckReport::default() };
        for bad in self.read_all(&mut report).await? {
            for user in self.users_of_content(bad.content).await? {
                report.damaged.push(self.describe(&user, &bad).await?);
            }
        }
        report.orphans = self.orphans().await?.len() as u64;
        Ok(report)
    }

    /// Checks everything, and removes files whose bytes are damaged from their drives. Their bytes, and
    /// blobs that may belong to another database, are moved to the folder `quarantine`. Nothing is
    /// deleted. The tree must have been [opened for it](Self::open_for_repair).
    ///
    /// # Errors
    /// `TreeError::Storage` if the database or the quarantine cannot be written, or the tree has no
    /// data folder; `NoRoom` if the disk is full.
    pub async fn repair(&self) -> Result<CheckReport> {
        let foreign = self.foreign_reason();
        let mut report = CheckReport { foreign, ..CheckReport::default() };
        let mut all = self.read_all(&mut report).await?;
        if let Some(salvaged) = &self.salvaged {
            all.retain(|bad| !salvaged.doubtful.contains(&bad.content));
            let reason = "the database may have given it the bytes of another file";
            let doubtful = salvaged.doubtful.iter();
            all.extend(doubtful.map(|content| Damage { content: *content, reason: reason.into() }));
            report.recovery = Some(salvaged.recovery.clone());
            // The new database has not adopted the blobs yet.
            report.foreign = None;
        }
        for bad in all {
            // Before they are removed.
            let (users, mut described) = (self.users_of_content(bad.content).await?, Vec::new());
            for user in &users {
                described.push(self.describe(user, &bad).await?);
            }
            let saved = self.quarantine(bad.content).await?;
            for user in users {
                self.remove_user(user).await?;
            }
            report.damaged.extend(
                described.into_iter().map(|file| DamagedFile { saved: saved.clone(), ..file }),
            );
        }
        let orphans = self.orphans().await?;
        report.orphans = orphans.len() as u64;
        if foreign.is_some() {
            for blob in orphans {
                self.blobs.move_to(blob, &self.quarantine_folder()?).await.map_err(storage)?;
            }
            self.adopt().await?;
        }
        Ok(report)
    }

    /// Reads the bytes of all contents, including those of open uploads, and counts them in
    /// `report`. Returns the contents that cannot be read.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read. Damaged bytes are no error.
    async fn read_all(&self, report: &mut CheckReport) -> Result<Vec<Damage>> {
        let mut bad = self.without_content().await?;
        let mut after = i64::MIN;
        loop {
            let page = self.contents_after(after).await?;
            let Some((last, ..)) = page.last() else { break };
            after = *last;
            for (no, size, hashes) in page {
                let read = match hashes_from_bytes(&hashes) {
                    Ok(hashes) => self.read_content(no, unsigned(size), hashes).await,
                    Err(_) => Err(storage("its hashes are damaged")),
                };
                report.contents += 1;
                report.bytes += unsigned(size);
                if let Err(error) = read {
                    bad.retain(|bad| bad.content != no);
                    bad.push(Damage { content: no, reason: error.to_string() });
                }
            }
        }
        Ok(bad)
    }

    /// Returns up to [`PAGE`] contents whose numbers are above `after`: number, size and hashes.
    /// The size of an open upload is the number of its received bytes.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read.
    async fn contents_after(&self, after: i64) -> Result<Vec<(i64, i64, Vec<u8>)>> {
        let mut sql = self.db.reader().await?;
        let page = sqlx::query_as(
            "SELECT c.no, COALESCE(s.received, c.size), c.hashes \
             FROM content c LEFT JOIN session s ON s.content = c.no \
             WHERE c.no > $1 ORDER BY c.no LIMIT $2",
        );
        Ok(page.bind(after).bind(PAGE).fetch_all(&mut *sql).await?)
    }

    /// Reads all bytes of a content and compares them with its size and SHA-256. Adds checksums to
    /// a content of version 1. Empty `hashes` are those of an open upload, and are not compared.
    ///
    /// # Errors
    /// `TreeError::Storage` if bytes are missing, damaged or cannot be read; `Changed` if the
    /// content was removed meanwhile.
    async fn read_content(&self, no: i64, size: u64, hashes: Hashes) -> Result<()> {
        let content = Content { no, size, hashes, media: None };
        let mut bytes = contents::open(&self.db, &self.blobs, &content, 0..size).await?;
        let (mut hash, mut read) = (Sha256::new(), 0);
        while let Some(piece) = bytes.try_next().await.map_err(storage)? {
            hash.update(&piece);
            read += piece.len() as u64;
        }
        // An open upload has no hashes yet.
        let known = content.hashes != Hashes::default();
        if read != size || (known && hash.finalize()[..] != content.hashes.sha256) {
            return Err(storage("its bytes do not match its hash"));
        }
        Ok(())
    }

    /// Returns the contents that items or versions name and that do not exist or have another size.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read.
    async fn without_content(&self) -> Result<Vec<Damage>> {
        let mut sql = self.db.reader().await?;
        let lost: Vec<(i64,)> = sqlx::query_as(
            "SELECT i.content FROM item i LEFT JOIN content c ON c.no = i.content \
             WHERE i.content IS NOT NULL AND i.state <> 3 AND (c.no IS NULL OR c.size <> i.size) \
             UNION SELECT v.content FROM item_version v LEFT JOIN content c ON c.no = v.content \
             WHERE c.no IS NULL OR c.size <> v.size",
        )
        .fetch_all(&mut *sql)
        .await?;
        let reason = "the database has lost its bytes";
        Ok(lost.into_iter().map(|(content,)| Damage { content, reason: reason.into() }).collect())
    }

    /// Returns the files, versions and upload sessions that have the content with this number,
    /// including files in the recycle bin.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read.
    async fn users_of_content(&self, content: i64) -> Result<Vec<ContentUser>> {
        let mut sql = self.db.reader().await?;
        let items: Vec<(DriveKey, ItemKey, String, i64)> = sqlx::query_as(
            "SELECT i.drive, i.no, d.name, CAST(i.state AS BIGINT) \
             FROM item i JOIN drive d ON d.no = i.drive \
             WHERE i.content = $1 AND i.state <> 3 ORDER BY i.drive, i.no",
        )
        .bind(content)
        .fetch_all(&mut *sql)
        .await?;
        let versions: Vec<(DriveKey, ItemKey, i64, String, i64)> = sqlx::query_as(
            "SELECT v.drive, v.item, v.no, d.name, CAST(i.state AS BIGINT) \
             FROM item_version v JOIN drive d ON d.no = v.drive \
             JOIN item i ON i.drive = v.drive AND i.no = v.item \
             WHERE v.content = $1 ORDER BY v.drive, v.item, v.no",
        )
        .bind(content)
        .fetch_all(&mut *sql)
        .await?;
        let sessions: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT s.id, d.name, s.name FROM session s JOIN drive d ON d.no = s.drive \
             WHERE s.content = $1",
        )
        .bind(content)
        .fetch_all(&mut *sql)
        .await?;
        let items = items.into_iter().map(|(drive, no, account, state)| ContentUser::Item {
            drive,
            no,
            account,
            trashed: state != 0,
        });
        let versions = versions.into_iter().map(|(drive, no, version, account, state)| {
            ContentUser::Version { drive, no, version, account, trashed: state != 0 }
        });
        let sessions = sessions.into_iter();
        let sessions =
            sessions.map(|(id, account, name)| ContentUser::Session { id, account, name });
        // Versions first: a file whose bytes are removed gets those of a version that is left.
        Ok(versions.chain(items).chain(sessions).collect())
    }

    /// Returns the report's entry for a file or upload whose content is damaged, with its path.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read.
    async fn describe(&self, user: &ContentUser, bad: &Damage) -> Result<DamagedFile> {
        let (account, path, trashed) = match user {
            ContentUser::Item { drive, no, account, trashed } => {
                let mut sql = self.db.reader().await?;
                let path = read::path(&mut sql, *drive, *no).await?.join("/");
                (account.clone(), path, *trashed)
            }
            ContentUser::Version { drive, no, version, account, trashed } => {
                let mut sql = self.db.reader().await?;
                let path = read::path(&mut sql, *drive, *no).await?.join("/");
                (account.clone(), format!("{path} (version {version}.0)"), *trashed)
            }
            ContentUser::Session { account, name, .. } => {
                (account.clone(), format!("{name} (an upload that is not complete)"), false)
            }
        };
        let reason = bad.reason.clone();
        Ok(DamagedFile { account, path, trashed, reason, saved: Vec::new() })
    }

    /// Moves the bytes of a content, as far as they exist, to the quarantine folder. Returns the
    /// new files.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read, a file cannot be written, or a blob
    /// cannot be moved.
    async fn quarantine(&self, content: i64) -> Result<Vec<PathBuf>> {
        let folder = self.quarantine_folder()?;
        let (data, blobs): (Option<Vec<u8>>, Vec<i64>) = {
            let mut sql = self.db.reader().await?;
            let data: Option<Option<Vec<u8>>> =
                sqlx::query_scalar("SELECT data FROM content WHERE no = $1")
                    .bind(content)
                    .fetch_optional(&mut *sql)
                    .await?;
            let blobs =
                sqlx::query_scalar("SELECT blob FROM segment WHERE content = $1 ORDER BY start");
            let blobs = blobs.bind(content).fetch_all(&mut *sql).await?;
            (data.flatten(), blobs)
        };
        let mut saved = Vec::new();
        if let Some(bytes) = data {
            let file = folder.join(format!("content-{content:016x}"));
            crate::signed_token::write_private(&file, &bytes).map_err(storage)?;
            saved.push(file);
        }
        for blob in blobs {
            saved.extend(self.blobs.move_to(blob, &folder).await.map_err(storage)?);
        }
        Ok(saved)
    }

    /// Purges a file, deletes a version, or cancels an upload. One that is removed already is no error.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
    async fn remove_user(&self, user: ContentUser) -> Result<()> {
        let removed = match user {
            ContentUser::Item { drive, no, .. } => {
                self.db.write(move |tx| Box::pin(remove_damaged(tx, drive, no))).await
            }
            ContentUser::Version { drive, no, version, .. } => {
                self.db.write(move |tx| Box::pin(versions::delete(tx, drive, no, version))).await
            }
            ContentUser::Session { id, .. } => {
                self.db.write(move |tx| Box::pin(session::cancel(tx, id))).await
            }
        };
        match removed {
            // It was below another purged item, or the upload has expired.
            Err(TreeError::NotFound | TreeError::NoSession) => Ok(()),
            removed => removed,
        }
    }

    /// Returns the numbers of the blobs that no content and no open upload has.
    ///
    /// # Errors
    /// `TreeError::Storage` if the database cannot be read or the blobs cannot be listed.
    async fn orphans(&self) -> Result<Vec<i64>> {
        let named: HashMap<i64, u64> = {
            let mut sql = self.db.reader().await?;
            contents::blobs(&mut sql).await?
        };
        let blobs = self.blobs.all().await.map_err(storage)?;
        Ok(blobs.into_iter().filter(|blob| !named.contains_key(blob)).collect())
    }

    /// Returns why the blobs may belong to another database; `None` if they do not, and for a tree
    /// in memory.
    fn foreign_reason(&self) -> Option<&'static str> {
        self.home.as_ref().and_then(|home| home.foreign)
    }

    /// Writes a new marker beside the blobs and its id to the database, so that the blobs belong to
    /// it. Has no effect on a tree in memory.
    ///
    /// # Errors
    /// `TreeError::Storage` if the marker or the database cannot be written.
    async fn adopt(&self) -> Result<()> {
        let Some(home) = &self.home else { return Ok(()) };
        let marker = OwnerMarker::new(home.run);
        home.blobs.write_marker(&marker, &home.sync).await.map_err(storage)?;
        self.db.write(move |tx| Box::pin(store_id(tx, marker.folder))).await
    }

    /// Returns the folder to which a repair moves damaged bytes. It is created if it does not
    /// exist.
    ///
    /// # Errors
    /// `TreeError::Storage` if the tree has no data folder, or the folder cannot be created.
    fn quarantine_folder(&self) -> Result<PathBuf> {
        let quarantine = self.home.as_ref().and_then(|home| home.quarantine.as_deref());
        let folder: &Path = quarantine.ok_or_else(|| {
            storage("cannot move bytes to the quarantine: there is no data folder")
        })?;
        crate::disk::make_private_folder(folder).map_err(storage)?;
        Ok(folder.to_owned())
    }
}

/// Stores the id of the marker beside the blobs in the database.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn store_id(tx: &mut Tx, folder: String) -> Result<()> {
    sqlx::query("UPDATE server SET folder = $1").bind(folder).execute(tx.sql()).await?;
    Ok(())
}

/// Removes a file whose bytes are damaged. A live file with earlier versions gets the bytes of the
/// latest one instead.
///
/// # Errors
/// `TreeError::NotFound` if the item was purged before, and `Storage` and `NoRoom` if the database
/// fails.
async fn remove_damaged(tx: &mut Tx, drive: DriveKey, item: ItemKey) -> Result<()> {
    let state = read::any_node(tx.sql(), drive, item).await?.state;
    let latest = versions::list(tx.sql(), drive, item).await?.into_iter().next();
    match latest.filter(|_| state == ItemState::Live) {
        Some(version) => {
            contents::share(tx, version.content.no).await?;
            // First, so that its bytes do not count twice in the quota.
            versions::delete(tx, drive, item, version.no).await?;
            let (bytes, new) = (NewContent::Counted(version.content), NewItem::default());
            items::overwrite(tx, drive, item, bytes, new, Precondition::Any).await.map(drop)
        }
        None => recycle_bin::purge(tx, drive, item).await,
    }
}
