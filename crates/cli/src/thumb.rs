//! `drivedal thumb`

use std::path::PathBuf;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
    save::save,
};

/// Download a thumbnail of a picture, a video or a document
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The cloud creates the image; SkyDrive has it in 96, 176, 800 and 2048 pixels only. -o is a global
option, so the file has the option --file. Without it the image is written to standard output.

Examples:
  drivedal thumb work:photos/a.jpg --file small.jpg
  drivedal thumb --size 800 work:plan.docx > plan.jpg")]
pub(crate) struct Thumb {
    /// The file
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    item: Location,

    /// Limit width and height, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 176,
          value_parser = clap::value_parser!(u32).range(1..))]
    size: u32,

    /// Write this file instead of standard output; it is replaced
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    to: Option<PathBuf>,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl Thumb {
    /// Writes a thumbnail.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `NotFound` if the file
    /// does not exist or the cloud has no image of it; `Unsupported` if the drive has no thumbnails;
    /// the failure of the request ([`Failure::from`]); [`Failure::local`] if the file cannot be
    /// written; `ClosedPipe` or `Failed` if standard output cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let at = app.resolve(&self.item, self.addressing.mode(), Workload::Interactive).await?;
        let handle = at.drive("thumbnails")?;
        let image = handle.thumbnail(at.operator(), at.path.as_str(), self.size).await;
        let image = image.map_err(|error| Failure::from(error).about(&at))?;
        save(app, image, self.to.as_deref(), &at).await?;
        Ok(Exit::Done)
    }
}
