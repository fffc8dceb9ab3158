//! Standard input as a source of `put`, and standard output as a target of `get`.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    app::{App, Workload},
    cat,
    failure::{Exit, Failure, Result},
    location::{Addressing, Location},
    remote::RemotePath,
};

/// The argument that means standard input or standard output.
pub(crate) const DASH: &str = "-";

/// The number of bytes that are written at a time.
const CHUNK: usize = 1 << 20;

/// Uploads standard input to a file. The file exists only once standard input has ended.
///
/// # Errors
/// `Usage` if no remote has the name, or the target is a folder; `Exists` if the file exists and
/// `new_only`; `Failed` if standard input cannot be read; the failure of a request
/// ([`Failure::from`]); `Interrupted` or `Terminated` after a signal.
pub(crate) async fn put(
    app: &App,
    target: &Location,
    addressing: Addressing,
    new_only: bool,
) -> Result<Exit> {
    let resolving = app.resolve(target, addressing, Workload::Interactive);
    let to = app.interrupt.cancellable(resolving).await?;
    if to.path.is_folder_path() {
        let failure = Failure::usage("standard input has no name");
        return Err(failure.hint("add the name of the new file").about(&to));
    }
    let failed = |error| Failure::from(error).doing("write").about(&to);
    let path = to.file_path()?;
    let opening = to.operator().writer_with(&path).if_not_exists(new_only);
    let mut writer = opening.await.map_err(failed)?;
    let writing = async {
        let mut input = tokio::io::stdin();
        let mut bytes = 0;
        while let Some(chunk) = next_chunk(&mut input).await? {
            bytes += chunk.len() as u64;
            writer.write(chunk).await.map_err(failed)?;
        }
        writer.close().await.map_err(failed)?;
        Ok(bytes)
    };
    let written = app.interrupt.cancellable(writing).await;
    match written {
        Ok(bytes) => {
            report(app, &to, bytes)?;
            Ok(Exit::Done)
        }
        Err(failure) => {
            // The first failure is the one to report. A cloud that misses the abort discards the
            // upload later.
            let _ = writer.abort().await;
            Err(failure)
        }
    }
}

/// Writes a file of a remote to standard output.
///
/// # Errors
/// Those of [`cat::print_file`]; `Interrupted` or `Terminated` after a signal.
pub(crate) async fn get(app: &App, source: &Location, addressing: Addressing) -> Result<Exit> {
    let printing = async {
        let at = app.resolve(source, addressing, Workload::Interactive).await?;
        cat::print_file(app, &at, None).await
    };
    app.interrupt.cancellable(printing).await?;
    Ok(Exit::Done)
}

/// Reads up to [`CHUNK`] bytes. `None` at the end of the input.
///
/// # Errors
/// `Failed` if the input cannot be read.
async fn next_chunk(input: &mut (impl AsyncRead + Unpin)) -> Result<Option<Bytes>> {
    let mut chunk = BytesMut::with_capacity(CHUNK);
    while chunk.len() < CHUNK {
        let read = input.read_buf(&mut chunk).await;
        let read =
            read.map_err(|error| Failure::from(&error).doing("read").about("standard input"))?;
        if read == 0 {
            break;
        }
    }
    Ok((!chunk.is_empty()).then(|| chunk.freeze()))
}

/// Prints the record of an uploaded file with `--json`.
///
/// # Errors
/// `ClosedPipe` or `Failed` if it cannot be written.
fn report(app: &App, to: &RemotePath, bytes: u64) -> Result {
    if !app.output.is_json() {
        return Ok(());
    }
    let path = to.path.as_str();
    app.output
        .json(&serde_json::json!({ "path": path, "local": DASH, "result": "sent", "bytes": bytes }))
}
