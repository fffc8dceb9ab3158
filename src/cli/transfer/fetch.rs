//! One file from a remote to here.

use std::path::PathBuf;

use bytes::Bytes;
use futures::TryStreamExt;
use jiff::Timestamp;

use super::{
    PIECE,
    local::{Sink, blocking},
};
use crate::cli::{
    app::Located,
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
    progress::Tally,
};

/// Fetches a file of `size` bytes; it takes its place when it is whole. When this fails there is
/// none of it.
///
/// # Errors
/// When it cannot be read or written, when it has another size, when the command is stopped.
pub(crate) async fn fetch(
    from: &Located,
    to: PathBuf,
    size: u64,
    modified: Option<Timestamp>,
    tally: &Tally,
    interrupt: &Interrupt,
) -> Result {
    let sink = blocking(move || Sink::create(to)).await?;
    let (sink, came) = pour(from, sink, size, tally, interrupt).await?;
    if came != size {
        let why = format!("it has {size} bytes, but {came} came");
        return Err(Failure::new(Exit::TryLater, why).about(from));
    }
    blocking(move || sink.finish(modified)).await
}

/// Stops only between two pieces: a write that is under way holds the file, which must be gone
/// when this ends.
async fn pour(
    from: &Located,
    mut sink: Sink,
    size: u64,
    tally: &Tally,
    interrupt: &Interrupt,
) -> Result<(Sink, u64)> {
    let failed = |error| Failure::from(error).about(from);
    let path = from.file()?;
    let opening = async {
        let reader = from.operator().reader_with(&path).content_length_hint(size);
        reader.await.map_err(failed)?.into_stream(..).await.map_err(failed)
    };
    let mut bytes = interrupt.or(opening).await?;
    let (mut came, mut waiting, mut waits) = (0, Vec::<Bytes>::new(), 0);
    loop {
        let piece = interrupt.or(async { bytes.try_next().await.map_err(failed) }).await?;
        let ended = piece.is_none();
        if let Some(piece) = piece {
            came += piece.len() as u64;
            waits += piece.len();
            tally.moved(piece.len() as u64);
            Extend::extend(&mut waiting, piece);
        }
        if waits >= PIECE || (ended && waits > 0) {
            let pieces = std::mem::take(&mut waiting);
            waits = 0;
            sink = blocking(move || sink.write(pieces).map(|()| sink)).await?;
        }
        if ended {
            return Ok((sink, came));
        }
    }
}
