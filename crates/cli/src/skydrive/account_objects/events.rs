//! `drivedal skydrive events`

use drivedal::services::skydrive::model::EventProperties;
use jiff::Timestamp;

use super::{ObjectArg, print, print_list};
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    location::Location,
    skydrive::{SkyDriveRemote, failed},
};

/// Read, create, change and remove events
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal skydrive events list local-skydrive: --from 2011-04-01T00:00:00Z --to 2011-05-01T00:00:00Z
  drivedal skydrive events add local-skydrive: Meeting 'Assess risks' 2011-04-20T01:00:00-07:00
  drivedal skydrive events update local-skydrive:event.611a… --availability busy")]
pub(crate) struct Events {
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum EventsCommand {
    /// List the events of the next 30 days, or of another period
    List(EventList),
    /// Print an event
    Show(ObjectArg),
    /// Create an event in the default calendar, or in another one
    Add(EventAdd),
    /// Change an event that is not recurring
    Update(EventUpdate),
    /// Remove an event, with all its occurrences if it is recurring
    Remove(ObjectArg),
}

#[derive(Debug, clap::Args)]
struct EventList {
    /// The remote, or one of its calendars
    #[arg(value_name = "REMOTE:[CALENDAR]", value_parser = Location::parse)]
    calendar: Location,

    /// List events from this time on
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,

    /// List events until this time
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
}

#[derive(Debug, clap::Args)]
struct EventAdd {
    /// The remote, or one of its calendars
    #[arg(value_name = "REMOTE:[CALENDAR]", value_parser = Location::parse)]
    calendar: Location,

    /// The name, at most 255 characters
    name: String,

    /// The description
    description: String,

    /// The start, such as 2011-04-20T01:00:00-07:00
    start: Timestamp,

    /// Set the end; without it, 30 minutes after the start
    #[arg(long, value_name = "TIME")]
    end: Option<Timestamp>,

    #[command(flatten)]
    details: EventDetails,
}

/// The optional members of an event.
#[derive(Debug, clap::Args)]
struct EventDetails {
    /// Set the location, at most 1,000 characters
    #[arg(long, value_name = "TEXT")]
    location: Option<String>,

    /// Set whether the event lasts for whole days
    #[arg(long, value_name = "true|false")]
    all_day: Option<bool>,

    /// Set the time of the reminder, in minutes before the event
    #[arg(long, value_name = "MINUTES")]
    reminder: Option<u32>,

    /// Set the availability of the user during the event
    #[arg(long, value_name = "STATUS", value_parser = ["free", "busy", "tentative", "out_of_office"])]
    availability: Option<String>,

    /// Set the visibility of the event
    #[arg(long, value_name = "VISIBILITY", value_parser = ["public", "private"])]
    visibility: Option<String>,
}

impl EventDetails {
    /// Sets these members in the properties of an event.
    fn add_to(&self, event: &mut EventProperties) {
        event.location.clone_from(&self.location);
        event.is_all_day_event = self.all_day;
        event.reminder_time = self.reminder;
        event.availability.clone_from(&self.availability);
        event.visibility.clone_from(&self.visibility);
    }
}

#[derive(Debug, clap::Args)]
struct EventUpdate {
    #[command(flatten)]
    event: ObjectArg,

    /// Set the name, at most 255 characters
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Set the description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Set the start; without an end, the event keeps its duration
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,

    /// Set the end
    #[arg(long, value_name = "TIME")]
    end: Option<Timestamp>,

    #[command(flatten)]
    details: EventDetails,
}

/// Returns the owner of events: the calendar of the location, or `me` for a remote without one.
///
/// # Errors
/// `Usage` if the location is not that of a calendar.
fn owner_of_events(at: &Location) -> Result<&str> {
    match &*at.text {
        "" => Ok("me"),
        id if id.starts_with("calendar.") => Ok(id),
        _ => Err(Failure::usage("the id is not of the type calendar").about(at)),
    }
}

impl Events {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match &self.command {
            EventsCommand::List(list) => list.run(app).await,
            EventsCommand::Show(event) => event.show(app, "event").await,
            EventsCommand::Add(event) => event.run(app).await,
            EventsCommand::Update(event) => event.run(app).await,
            EventsCommand::Remove(event) => {
                let live = event.open(app, "event").await?;
                let removed = live.client()?.delete_event(&live.cx, &event.object.text).await;
                removed.map_err(|error| failed(error, &event.object))?;
                Ok(Exit::Done)
            }
        }
    }
}

impl EventList {
    /// Prints the events.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let owner = owner_of_events(&self.calendar)?;
        let live = SkyDriveRemote::open(app, &self.calendar).await?;
        let times = [("start_time", self.from), ("end_time", self.to)];
        let times = times.map(|(name, time)| (name, time.map(|time| time.to_string())));
        let query: Vec<(&'static str, &str)> =
            times.iter().filter_map(|(name, time)| Some((*name, time.as_deref()?))).collect();
        print_list(app, &live, &self.calendar, &format!("{owner}/events"), &query).await
    }
}

impl EventAdd {
    /// Creates the event, and prints it.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let owner = owner_of_events(&self.calendar)?;
        let live = SkyDriveRemote::open(app, &self.calendar).await?;
        let mut event = EventProperties::default();
        event.name = Some(self.name.clone());
        event.description = Some(self.description.clone());
        event.start_time = Some(self.start);
        event.end_time = self.end;
        self.details.add_to(&mut event);
        let added = live.client()?.add_event(&live.cx, owner, &event).await;
        match added.map_err(|error| failed(error, &self.calendar))?.id {
            Some(id) => print(app, &live, &self.calendar, &id).await,
            None => Ok(Exit::Done),
        }
    }
}

impl EventUpdate {
    /// Changes the event, and prints it.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]): `InvalidInput` without a change; `Usage` if
    /// the id is not that of an event; `Unsupported` if the remote is not a SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let at = &self.event.object;
        let live = self.event.open(app, "event").await?;
        let mut changes = EventProperties::default();
        changes.name.clone_from(&self.name);
        changes.description.clone_from(&self.description);
        changes.start_time = self.start;
        changes.end_time = self.end;
        self.details.add_to(&mut changes);
        let updated = live.client()?.update_event(&live.cx, &at.text, &changes).await;
        updated.map_err(|error| failed(error, at))?;
        print(app, &live, at, &at.text).await
    }
}
