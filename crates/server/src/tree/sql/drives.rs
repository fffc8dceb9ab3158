//! Creates drives, and removes all of them.

use sha2::{Digest, Sha256};
use sqlx::AnyConnection;

use super::{
    super::{DriveInfo, DriveKey, FIRST_ITEM, NameFolding, ROOT, Result, TreeError},
    dialect,
    items::now,
    read,
    row::signed,
    schema::MigrationStep,
    snapshots,
    writer::Tx,
};

/// The number of the last drive that was created.
pub(super) const DRIVE_STEPS: &[MigrationStep] = &[MigrationStep::Sql(&[
    "ALTER TABLE server ADD COLUMN last_drive BIGINT NOT NULL DEFAULT 0",
    "UPDATE server SET last_drive = (SELECT COALESCE(max(no), 0) FROM drive)",
])];

/// Returns the drive of the account `name`. It is created with the quota, in bytes, and the folding
/// if it does not exist; an existing drive keeps its own.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn create(
    tx: &mut Tx,
    name: String,
    quota: u64,
    folding: NameFolding,
) -> Result<DriveInfo> {
    if let Some(drive) = read::drive_named(tx.sql(), &name).await? {
        return Ok(drive);
    }
    let now = now().as_microsecond();
    let no = take_number(tx).await?;
    sqlx::query(
        "INSERT INTO drive (no, name, cid, quota, feed, next_item, created, folding) \
         VALUES ($1, $2, $3, $4, 0, $5, $6, $7)",
    )
    .bind(no)
    .bind(name.clone())
    .bind(cid(&name))
    .bind(signed(quota))
    .bind(FIRST_ITEM)
    .bind(now)
    .bind(folding.code())
    .execute(tx.sql())
    .await?;
    dialect::number_row_of_drive(tx.sql(), no).await?;
    sqlx::query(
        "INSERT INTO item (drive, no, name, kind, state, size, children, created, modified, \
         client_created, client_modified, version, content_version, feed, rank) \
         VALUES ($1, $2, '', 0, 0, 0, 0, $3, $3, $3, $3, 1, 1, 0, 0)",
    )
    .bind(no)
    .bind(ROOT)
    .bind(now)
    .execute(tx.sql())
    .await?;
    read::drive(tx.sql(), no).await
}

/// Returns the number of a new drive. No number is used twice: a request that began before its drive
/// was removed would write to another account's drive.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
async fn take_number(tx: &mut Tx) -> Result<DriveKey> {
    // The number of a drive that a repair restored may be above the last one.
    let taken = sqlx::query_scalar(
        "UPDATE server SET last_drive = 1 + CASE \
         WHEN last_drive > (SELECT COALESCE(max(no), 0) FROM drive) THEN last_drive \
         ELSE (SELECT COALESCE(max(no), 0) FROM drive) END RETURNING last_drive",
    );
    Ok(taken.fetch_one(tx.sql()).await?)
}

/// Returns the name of the account with an id in Live Connect; `None` if no account has it.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn name_with_cid(sql: &mut AnyConnection, cid: &str) -> Result<Option<String>> {
    let name = sqlx::query_scalar("SELECT name FROM drive WHERE cid = $1 ORDER BY no");
    Ok(name.bind(cid).fetch_optional(sql).await?)
}

/// Returns the 16 hexadecimal digits that stand for an account's name. The first digit is never 0:
/// some clients know only the form without leading zeros (live-connect#id-leading-zeros).
pub(crate) fn cid(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let mut digits = [0; 8];
    digits.copy_from_slice(&digest[..8]);
    digits[0] |= 0x80;
    hex::encode(digits)
}

/// Sets the quota of a drive, in bytes. It may be less than the drive uses.
///
/// # Errors
/// `TreeError::NotFound` if the drive does not exist, and `Storage` and `NoRoom` if the database
/// fails.
pub(super) async fn set_quota(tx: &mut Tx, drive: DriveKey, quota: u64) -> Result<()> {
    let set = sqlx::query("UPDATE drive SET quota = $2 WHERE no = $1")
        .bind(drive)
        .bind(signed(quota))
        .execute(tx.sql())
        .await?;
    if set.rows_affected() == 0 { Err(TreeError::NotFound) } else { Ok(()) }
}

/// Deletes every row of every drive and snapshot, and the blobs after the commit.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn reset(tx: &mut Tx) -> Result<()> {
    snapshots::forget_all(tx).await?;
    let named: Vec<(i64, i64)> =
        sqlx::query_as("SELECT content, blob FROM segment").fetch_all(tx.sql()).await?;
    for (content, blob) in named {
        tx.remove(content, vec![blob]);
    }
    for table in [
        "DELETE FROM session",
        "DELETE FROM item_version",
        "DELETE FROM name_word",
        "DELETE FROM account_object",
        "DELETE FROM grantee",
        "DELETE FROM permission",
        "DELETE FROM segment",
        "DELETE FROM media",
        "DELETE FROM content",
        "DELETE FROM edge",
        "DELETE FROM moved",
        "DELETE FROM item",
        "DELETE FROM drive",
    ] {
        sqlx::query(table).execute(tx.sql()).await?;
    }
    Ok(())
}
