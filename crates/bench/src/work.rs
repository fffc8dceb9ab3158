//! The measured work: writes, reads, listings, renames and deletes of one operator.

use std::{
    fs::{self, File},
    io::Read,
    path::PathBuf,
    time::Instant,
};

use futures::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use opendal::{Operator, options::ListOptions};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    memory::{peak, reset_peak},
};

/// Concurrent requests for small files and for ranges.
const AT_ONCE: usize = 8;

/// How many files are renamed.
const RENAMED: usize = 20;

/// Bytes of a range.
const RANGE: u64 = 64 << 10;

/// Bytes that are written at a time.
const PIECE: usize = 1 << 20;

/// The parts of the work, in their order.
pub const PARTS: [&str; 8] = [
    "put small files",
    "list recursively",
    "get small files",
    "rename",
    "put large file",
    "get large file",
    "read ranges",
    "delete small files",
];

/// Returns the user metadata that announces a file's size, in bytes, to a writer.
pub type SizeAnnouncer = fn(u64) -> Vec<(String, String)>;

/// The work of one contender. It needs an empty folder.
#[derive(Clone, Debug)]
pub struct BenchTask {
    /// The folder with the small files.
    pub source: PathBuf,
    /// Their paths in it.
    pub files: Vec<String>,
    /// The large file.
    pub large: PathBuf,
    /// How many ranges of 64 KiB are read of it.
    pub ranges: u64,
    /// Whether the files are compared with their sources, besides; not measured.
    pub check: bool,
    /// User metadata for a writer that wants to know the size of its file.
    pub announce: Option<SizeAnnouncer>,
}

/// The server side of a contender.
pub trait ContenderServer: Send + Sync {
    /// Returns the id of the server's process, whose peak memory is measured. `None`, the default,
    /// if it runs in another place.
    fn process(&self) -> Option<u32> {
        None
    }

    /// Sets the number of requests to zero.
    ///
    /// # Errors
    /// If the server cannot be reached.
    fn reset_requests(&self) -> BoxFuture<'_, Result> {
        Box::pin(async { Ok(()) })
    }

    /// Returns the number of requests since then. `None`, the default, if the server does not count
    /// them.
    ///
    /// # Errors
    /// If the server cannot be reached.
    fn requests(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async { Ok(None) })
    }
}

/// A contender without a server.
#[derive(Clone, Copy, Debug)]
pub struct NoServer;

impl ContenderServer for NoServer {}

/// The cost of one part of the work, in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// Which part.
    pub part: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// Requests to the server.
    pub requests: Option<u64>,
    /// Peak memory of this process, in bytes.
    pub client_peak: Option<u64>,
    /// Peak memory of the server, in bytes.
    pub server_peak: Option<u64>,
}

/// Does all of the work on one operator, and measures each part. A part that fails is reported, and
/// the next one is run. `backend` is the server that the operator uses.
///
/// # Errors
/// If the requests cannot be counted, or when files have other bytes than their sources.
pub async fn run(
    operator: &Operator,
    task: &BenchTask,
    backend: &dyn ContenderServer,
) -> Result<Vec<Measurement>> {
    let mut measured: Vec<Measurement> = Vec::new();
    for part in PARTS {
        let renamed = measured.iter().any(|one| one.part == "rename" && one.error.is_none());
        backend.reset_requests().await?;
        reset_peak(std::process::id());
        backend.process().into_iter().for_each(reset_peak);
        let started = Instant::now();
        let outcome = perform(part, task, operator, renamed).await;
        let seconds = started.elapsed().as_secs_f64();
        measured.push(Measurement {
            part: part.to_owned(),
            error: outcome.err().map(|error| error.to_string()),
            seconds,
            requests: backend.requests().await?,
            client_peak: peak(std::process::id()),
            server_peak: backend.process().and_then(peak),
        });
        if task.check && part == "get large file" {
            check(task, operator).await?;
        }
    }
    Ok(measured)
}

/// Does one part of [`PARTS`]. `renamed` means that the first [`RENAMED`] files already have their
/// new names.
///
/// # Errors
/// Those of the operator and of the local files, and a message for an unexpected number of files or
/// bytes.
async fn perform(part: &str, task: &BenchTask, operator: &Operator, renamed: bool) -> Result {
    let small = || stream::iter(&task.files);
    match part {
        "put small files" => {
            small()
                .map(async |path| -> Result {
                    let bytes = fs::read(task.source.join(path))?;
                    operator.write(&format!("t/{path}"), bytes).await?;
                    Ok(())
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await
        }
        "list recursively" => {
            let options = ListOptions { recursive: true, ..ListOptions::default() };
            let listed = operator.list_options("t/", options).await?;
            let files = listed.iter().filter(|entry| entry.metadata().is_file()).count();
            same("files listed", files as u64, task.files.len() as u64)
        }
        "get small files" => {
            small()
                .map(async |path| -> Result {
                    let bytes = operator.read(&format!("t/{path}")).await?;
                    same(path, bytes.len() as u64, fs::metadata(task.source.join(path))?.len())
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await
        }
        "rename" => {
            stream::iter(task.files.iter().take(RENAMED))
                .map(async |path| -> Result {
                    let (old, new) = (format!("t/{path}"), format!("t/{path}.new"));
                    Ok(operator.rename(&old, &new).await?)
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await
        }
        "put large file" => put_large(task, operator).await,
        "get large file" => {
            let mut bytes = operator.reader("large").await?.into_stream(..).await?;
            let mut got = 0;
            while let Some(piece) = bytes.try_next().await? {
                got += piece.len() as u64;
            }
            same("bytes", got, fs::metadata(&task.large)?.len())
        }
        "read ranges" => {
            let size = fs::metadata(&task.large)?.len();
            let reader = operator.reader("large").await?;
            stream::iter(0..task.ranges)
                .map(async |nth| -> Result {
                    // Ranges in all parts of the file, in no particular order.
                    let from = nth * 7_368_787 % size.saturating_sub(RANGE).max(1);
                    let bytes = reader.read(from..(from + RANGE).min(size)).await?;
                    same("bytes of a range", bytes.len() as u64, RANGE.min(size))
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await
        }
        _ => {
            let paths = task.files.iter().enumerate().map(|(nth, path)| match nth {
                nth if renamed && nth < RENAMED => format!("t/{path}.new"),
                _ => format!("t/{path}"),
            });
            Ok(operator.delete_iter(paths).await?)
        }
    }
}

/// Writes the large file in pieces of [`PIECE`] bytes, or at once if the service has no other way.
///
/// # Errors
/// Those of the operator and of the local file.
async fn put_large(task: &BenchTask, operator: &Operator) -> Result {
    if !operator.info().capability().write_can_multi {
        // The service takes a whole file only.
        operator.write("large", fs::read(&task.large)?).await?;
        return Ok(());
    }
    let mut file = File::open(&task.large)?;
    let size = file.metadata()?.len();
    let mut writer = match task.announce {
        Some(announce) => operator.writer_with("large").user_metadata(announce(size)).await?,
        None => operator.writer("large").await?,
    };
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        writer.write(piece).await?;
    }
    writer.close().await?;
    Ok(())
}

/// Compares the files with their sources; not measured.
///
/// # Errors
/// Those of the operator and of the local files, and a message that names the first file with other
/// bytes.
async fn check(task: &BenchTask, operator: &Operator) -> Result {
    if !operator.exists("large").await? {
        return Ok(());
    }
    let mut file = File::open(&task.large)?;
    let mut bytes = operator.reader("large").await?.into_stream(..).await?;
    while let Some(piece) = bytes.try_next().await? {
        let mut wanted = vec![0; piece.len()];
        file.read_exact(&mut wanted)?;
        if wanted != piece.to_vec() {
            return Err("the large file has other bytes".into());
        }
    }
    for path in task.files.iter().skip(RENAMED) {
        if operator.read(&format!("t/{path}")).await?.to_vec() != fs::read(task.source.join(path))?
        {
            return Err(format!("{path} has other bytes").into());
        }
    }
    Ok(())
}

/// Checks that two numbers are equal. `what` names them.
///
/// # Errors
/// A message with both numbers, if they differ.
fn same(what: &str, found: u64, wanted: u64) -> Result {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {found} instead of {wanted}").into())
    }
}
