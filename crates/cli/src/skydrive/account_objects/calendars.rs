//! `drivedal skydrive calendars`

use drivedal::services::skydrive::model::CalendarProperties;

use super::{ObjectArg, RemoteArg, print, print_list};
use crate::{
    app::App,
    failure::{Exit, Result},
    skydrive::{SkyDriveRemote, failed},
};

/// Read, create, change and remove calendars
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal skydrive calendars add local-skydrive: 'Summer Events'
  drivedal skydrive calendars add local-skydrive: League --subscribe ical.example.com/league
  drivedal skydrive calendars update local-skydrive:calendar.b446… --name 'Fall Happenings'")]
pub(crate) struct Calendars {
    #[command(subcommand)]
    command: CalendarsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum CalendarsCommand {
    /// List the calendars
    List(RemoteArg),
    /// Print a calendar
    Show(ObjectArg),
    /// Create a calendar, or subscribe to one
    Add(CalendarAdd),
    /// Change a calendar
    Update(CalendarUpdate),
    /// Remove a calendar with its events
    Remove(ObjectArg),
}

#[derive(Debug, clap::Args)]
struct CalendarAdd {
    #[command(flatten)]
    at: RemoteArg,

    /// The name of the calendar
    name: String,

    /// Set the description of the calendar
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Subscribe to the calendar at this URL
    #[arg(long, value_name = "URL")]
    subscribe: Option<String>,
}

#[derive(Debug, clap::Args)]
struct CalendarUpdate {
    #[command(flatten)]
    calendar: ObjectArg,

    #[command(flatten)]
    changes: CalendarChanges,
}

/// The changes of which an update needs one.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct CalendarChanges {
    /// Set the name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Set the description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Set the URL of a subscribed calendar
    #[arg(long, value_name = "URL")]
    subscribe: Option<String>,
}

impl Calendars {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match &self.command {
            CalendarsCommand::List(RemoteArg { remote }) => {
                let live = SkyDriveRemote::open(app, remote).await?;
                print_list(app, &live, remote, "me/calendars", &[]).await
            }
            CalendarsCommand::Show(calendar) => calendar.show(app, "calendar").await,
            CalendarsCommand::Add(calendar) => calendar.run(app).await,
            CalendarsCommand::Update(calendar) => calendar.run(app).await,
            CalendarsCommand::Remove(calendar) => {
                let live = calendar.open(app, "calendar").await?;
                let removed = live.client()?.delete_calendar(&live.cx, &calendar.object.text).await;
                removed.map_err(|error| failed(error, &calendar.object))?;
                Ok(Exit::Done)
            }
        }
    }
}

impl CalendarAdd {
    /// Creates the calendar, and prints it.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let at = &self.at.remote;
        let live = SkyDriveRemote::open(app, at).await?;
        let mut calendar = CalendarProperties::default();
        calendar.name = Some(self.name.clone());
        calendar.description.clone_from(&self.description);
        calendar.subscription_location.clone_from(&self.subscribe);
        let added = live.client()?.add_calendar(&live.cx, &calendar).await;
        let added = added.map_err(|error| failed(error, at))?;
        print(app, &live, at, &added.id).await
    }
}

impl CalendarUpdate {
    /// Changes the calendar, and prints it.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`](crate::failure::Failure)); `Usage` if the id is
    /// not that of a calendar; `Unsupported` if the remote is not a SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let at = &self.calendar.object;
        let live = self.calendar.open(app, "calendar").await?;
        let mut changes = CalendarProperties::default();
        changes.name.clone_from(&self.changes.name);
        changes.description.clone_from(&self.changes.description);
        changes.subscription_location.clone_from(&self.changes.subscribe);
        let updated = live.client()?.update_calendar(&live.cx, &at.text, &changes).await;
        let updated = updated.map_err(|error| failed(error, at))?;
        print(app, &live, at, &updated.id).await
    }
}
