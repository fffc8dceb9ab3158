//! `drivedal skydrive share`

use drivedal::services::skydrive::model::NewActivity;

use super::RemoteArg;
use crate::{
    app::App,
    failure::{Exit, Result},
    skydrive::{SkyDriveRemote, failed},
};

/// Share an activity: a text, a link or a video
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal skydrive share local-skydrive: 'Explore' --link http://explore.live.com")]
pub(crate) struct Share {
    #[command(flatten)]
    at: RemoteArg,

    /// The text
    message: String,

    /// Share the content at this URL
    #[arg(long, value_name = "URL")]
    link: Option<String>,

    /// Set the URL of a video's file
    #[arg(long, value_name = "URL", requires = "link")]
    source: Option<String>,

    /// Set the title of the content
    #[arg(long, value_name = "TEXT", requires = "link")]
    name: Option<String>,

    /// Set the description of the content
    #[arg(long, value_name = "TEXT", requires = "link")]
    description: Option<String>,

    /// Set the URL of a picture of the content
    #[arg(long, value_name = "URL", requires = "link")]
    picture: Option<String>,
}

impl Share {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let at = &self.at.remote;
        let live = SkyDriveRemote::open(app, at).await?;
        let mut activity = NewActivity::default();
        activity.message = self.message;
        activity.link = self.link;
        activity.source = self.source;
        activity.name = self.name;
        activity.description = self.description;
        activity.picture = self.picture;
        let shared = live.client()?.share(&live.cx, &activity).await;
        shared.map_err(|error| failed(error, at))?;
        Ok(Exit::Done)
    }
}
