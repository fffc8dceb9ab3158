//! A drive that begins with the files of a local folder.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::fs;
use tokio_util::io::ReaderStream;

use super::{
    ServerError,
    account::Account,
    app::App,
    tree::{Bytestream, Expect, ItemNo, NewItem, NodeKind, OnConflict, ROOT},
};

/// How many files are taken in at a time.
const AT_A_TIME: usize = 8;

/// How much of a file is read at once, in bytes.
const READ: usize = 256 << 10;

/// Puts the files and folders below a local folder into the default drive, their times as the
/// client's times. What is there under the same name is replaced. A link to a file counts as
/// the file; a link to a folder may lead in a circle and is left out, as are things that are
/// neither file nor folder, each with a warning.
pub(super) async fn seed(app: &App, folder: &Path) -> Result<(), ServerError> {
    let account = app.account("").await.map_err(ServerError::Tree)?;
    let mut folders = vec![(folder.to_owned(), ROOT)];
    while let Some((folder, number)) = folders.pop() {
        let Contents { files, folders: below } = read(&folder).await?;
        stream::iter(files)
            .map(|file| put(app, &account, number, file))
            .buffer_unordered(AT_A_TIME)
            .try_collect::<()>()
            .await?;
        for Entry { path, name, times } in below {
            let made = app
                .tree
                .make(account.drive, number, &name, NodeKind::Folder, times, OnConflict::Replace)
                .await
                .map_err(|error| failed(&path, error))?;
            folders.push((path, made.node.no));
        }
    }
    Ok(())
}

struct Entry {
    path: PathBuf,
    name: String,
    times: NewItem,
}

#[derive(Default)]
struct Contents {
    files: Vec<Entry>,
    folders: Vec<Entry>,
}

async fn read(folder: &Path) -> Result<Contents, ServerError> {
    let mut contents = Contents::default();
    let mut entries = fs::read_dir(folder).await.map_err(|error| failed(folder, error))?;
    while let Some(entry) = entries.next_entry().await.map_err(|error| failed(folder, error))? {
        let path = entry.path();
        let metadata = fs::metadata(&path).await.map_err(|error| failed(&path, error))?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| failed(&path, "its name is not Unicode, and no cloud has such names"))?;
        let times = NewItem {
            client_created: metadata.created().ok().and_then(timestamp),
            client_modified: metadata.modified().ok().and_then(timestamp),
            ..NewItem::default()
        };
        let one = Entry { path, name, times };
        let link = entry.file_type().await.is_ok_and(|kind| kind.is_symlink());
        if metadata.is_dir() && !link {
            contents.folders.push(one);
        } else if metadata.is_file() {
            contents.files.push(one);
        } else {
            tracing::warn!(path = %one.path.display(), "neither a file nor a folder of its own: left out");
        }
    }
    Ok(contents)
}

async fn put(
    app: &App,
    account: &Account,
    folder: ItemNo,
    Entry { path, name, times }: Entry,
) -> Result<(), ServerError> {
    let file = fs::File::open(&path).await.map_err(|error| failed(&path, error))?;
    let bytes: Bytestream = Box::pin(ReaderStream::with_capacity(file, READ));
    let stored = app.tree.store(bytes, u64::MAX).await.map_err(|error| failed(&path, error))?;
    app.tree
        .put(account.drive, folder, &name, stored, times, OnConflict::Replace, Expect::Any)
        .await
        .map_err(|error| failed(&path, error))?;
    Ok(())
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

fn failed(path: &Path, reason: impl ToString) -> ServerError {
    ServerError::Seed { path: path.to_owned(), reason: reason.to_string() }
}
