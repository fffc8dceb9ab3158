//! `drivedal cat`

use futures::TryStreamExt;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
    remote::{EntryInfo, RemotePath},
    units::ByteSpan,
};

/// Write files to standard output
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal cat local-skydrive:notes.txt
  drivedal cat --range 0-99 work:log.bin
  drivedal cat --range -100 work:log.bin")]
pub(crate) struct Cat {
    /// The files
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse, required = true)]
    files: Vec<Location>,

    /// Print only these bytes: 0-99, 100- (to the end) or -100 (the last 100)
    #[arg(short, long, value_parser = ByteSpan::parse, allow_hyphen_values = true)]
    range: Option<ByteSpan>,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl Cat {
    /// Writes the files, one after another, to standard output.
    ///
    /// # Errors
    /// The failure of a single file; `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        app.for_each_argument(&self.files, async |file| {
            let at = app.resolve(file, self.addressing.mode(), Workload::Interactive).await?;
            print_file(app, &at, self.range).await
        })
        .await
    }
}

/// Writes a file, or a part of it, to standard output.
///
/// # Errors
/// `Failed` if it is a folder or the range starts after its end; the failure of the request
/// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
pub(crate) async fn print_file(app: &App, at: &RemotePath, part: Option<ByteSpan>) -> Result {
    let fail = |error| Failure::from(error).about(at);
    let path = at.file_path()?;
    let reader = at.operator().reader(&path).await.map_err(fail)?;
    let mut bytes = match part {
        None => reader.into_stream(..).await,
        Some(span) => {
            let range = part_of(at, span).await?;
            if range.is_empty() {
                return Ok(());
            }
            reader.into_stream(range).await
        }
    }
    .map_err(fail)?;
    while let Some(piece) = bytes.try_next().await.map_err(fail)? {
        app.output.bytes(piece).await?;
    }
    app.output.flush()
}

/// Returns the bytes of a file that a range selects, cut at the end of the file.
///
/// # Errors
/// `Failed` if it is a folder, or if the range starts after the end; `NotFound` if the file does
/// not exist; the failure of the request ([`Failure::from`]).
async fn part_of(at: &RemotePath, span: ByteSpan) -> Result<std::ops::Range<u64>> {
    match at.stat().await? {
        EntryInfo::Folder(_) => Err(Failure::is_folder().about(at)),
        EntryInfo::File(file) => span.within(file.content_length()).ok_or_else(|| {
            let size = file.content_length();
            Failure::new(Exit::Failed, format!("the range starts after the end, at {size} bytes"))
                .about(at)
        }),
    }
}
