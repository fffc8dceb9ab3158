//! `drivedal skydrive contacts`, `calendars`, `events`, `share` and `apps`: objects outside the
//! drive.

mod activities;
mod applications;
mod calendars;
mod contacts;
mod events;

pub(crate) use self::{
    activities::Share, applications::Apps, calendars::Calendars, contacts::Contacts, events::Events,
};
use super::{SkyDriveRemote, failed};
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    location::Location,
};

/// The remote of a command.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoteArg {
    /// The remote, such as `local-skydrive:`
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    remote: Location,
}

/// The object of a command.
#[derive(Debug, clap::Args)]
pub(crate) struct ObjectArg {
    /// The id of the object, as `list` prints it
    #[arg(value_name = "REMOTE:ID", value_parser = Location::parse)]
    object: Location,
}

impl ObjectArg {
    /// Opens the remote, and checks that the id is that of a `kind` of object: a request with
    /// another id would read or remove another object.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the id does not begin
    /// with `kind` and a dot; `Unsupported` if the remote is not a SkyDrive.
    async fn open(&self, app: &App, kind: &str) -> Result<SkyDriveRemote> {
        let live = SkyDriveRemote::open(app, &self.object).await?;
        match self.object.text.split_once('.') {
            Some((prefix, _)) if prefix == kind => Ok(live),
            _ => {
                Err(Failure::usage(format!("the id is not of the type {kind}")).about(&self.object))
            }
        }
    }

    /// Prints the object.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    async fn show(&self, app: &App, kind: &str) -> Result<Exit> {
        let live = self.open(app, kind).await?;
        print(app, &live, &self.object, &self.object.text).await
    }
}

/// Prints an object of the API. `path` is its id.
///
/// # Errors
/// The failure of the request ([`Failure::from`]).
async fn print(app: &App, live: &SkyDriveRemote, at: &Location, path: &str) -> Result<Exit> {
    let object = live.client()?.document(&live.cx, path, &[]).await;
    app.output.value(&object.map_err(|error| failed(error, at))?)?;
    Ok(Exit::Done)
}

/// Prints all objects of a list, which may have several pages. `query` is repeated for each page.
///
/// # Errors
/// The failure of a request ([`Failure::from`]).
async fn print_list(
    app: &App,
    live: &SkyDriveRemote,
    at: &Location,
    path: &str,
    query: &[(&'static str, &str)],
) -> Result<Exit> {
    let objects = live.client()?.documents(&live.cx, path, query).await;
    app.output.value(&objects.map_err(|error| failed(error, at))?.into())?;
    Ok(Exit::Done)
}
