//! `drivedal skydrive contacts`, `calendars`, `events`, `share` and `apps`: objects outside the
//! drive.

use drivedal::services::skydrive::model::{
    ApplicationProperties, CalendarProperties, EventProperties, NewActivity, NewContact,
};
use jiff::Timestamp;

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

/// Prints a document of the API: an object, or the objects of a list.
///
/// # Errors
/// The failure of the request ([`Failure::from`]).
async fn print(app: &App, live: &SkyDriveRemote, at: &Location, path: &str) -> Result<Exit> {
    print_page(app, live, at, path, &[]).await
}

/// Prints a document of the API that is requested with a query.
///
/// # Errors
/// The failure of the request ([`Failure::from`]).
async fn print_page(
    app: &App,
    live: &SkyDriveRemote,
    at: &Location,
    path: &str,
    query: &[(&'static str, &str)],
) -> Result<Exit> {
    let document = live.client()?.document(&live.cx, path, query).await;
    let mut document = document.map_err(|error| failed(error, at))?;
    let shown = match document.get_mut("data") {
        Some(data) => data.take(),
        None => document,
    };
    app.output.value(&shown)?;
    Ok(Exit::Done)
}

/// Read and create contacts
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal skydrive contacts add local-skydrive: --first-name Henrik --email henrik@contoso.com")]
pub(crate) struct Contacts {
    #[command(subcommand)]
    command: ContactsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ContactsCommand {
    /// List the contacts
    List(RemoteArg),
    /// List the friends
    Friends(RemoteArg),
    /// Print a contact
    Show(ObjectArg),
    /// Create a contact
    Add(ContactAdd),
}

#[derive(Debug, clap::Args)]
struct ContactAdd {
    #[command(flatten)]
    at: RemoteArg,

    /// Set the first name
    #[arg(long, value_name = "NAME")]
    first_name: Option<String>,

    /// Set the last name
    #[arg(long, value_name = "NAME")]
    last_name: Option<String>,

    /// Set the preferred e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    /// Set the employer
    #[arg(long, value_name = "NAME")]
    company: Option<String>,
}

impl Contacts {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (at, list) = match &self.command {
            ContactsCommand::List(at) => (at, "me/contacts"),
            ContactsCommand::Friends(at) => (at, "me/friends"),
            ContactsCommand::Show(contact) => return contact.show(app, "contact").await,
            ContactsCommand::Add(contact) => return contact.run(app).await,
        };
        let live = SkyDriveRemote::open(app, &at.remote).await?;
        print(app, &live, &at.remote, list).await
    }
}

impl ContactAdd {
    /// Creates the contact, and prints it.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let at = &self.at.remote;
        let live = SkyDriveRemote::open(app, at).await?;
        let mut contact = NewContact::default();
        contact.first_name.clone_from(&self.first_name);
        contact.last_name.clone_from(&self.last_name);
        contact.emails.preferred.clone_from(&self.email);
        contact.employers.extend(self.company.clone());
        let added = live.client()?.add_contact(&live.cx, &contact).await;
        let added = added.map_err(|error| failed(error, at))?;
        print(app, &live, at, &added.id).await
    }
}

/// Read, create and remove calendars
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal skydrive calendars add local-skydrive: 'Summer Events'
  drivedal skydrive calendars add local-skydrive: League --subscribe ical.example.com/league")]
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
                print(app, &live, remote, "me/calendars").await
            }
            CalendarsCommand::Show(calendar) => calendar.show(app, "calendar").await,
            CalendarsCommand::Add(calendar) => calendar.run(app).await,
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

/// Read, create and remove events
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal skydrive events list local-skydrive: --from 2011-04-01T00:00:00Z --to 2011-05-01T00:00:00Z
  drivedal skydrive events add local-skydrive: Meeting 'Assess risks' 2011-04-20T01:00:00-07:00")]
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

    /// Set the location
    #[arg(long, value_name = "TEXT")]
    location: Option<String>,
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
        print_page(app, &live, &self.calendar, &format!("{owner}/events"), &query).await
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
        event.location.clone_from(&self.location);
        let added = live.client()?.add_event(&live.cx, owner, &event).await;
        match added.map_err(|error| failed(error, &self.calendar))?.id {
            Some(id) => print(app, &live, &self.calendar, &id).await,
            None => Ok(Exit::Done),
        }
    }
}

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

/// Read, register and remove applications
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The output contains the client secret.

Example:
  drivedal skydrive apps add local-skydrive: Pilot http://www.contoso.com")]
pub(crate) struct Apps {
    #[command(subcommand)]
    command: AppsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AppsCommand {
    /// List the applications
    List(RemoteArg),
    /// Print an application
    Show(ObjectArg),
    /// Register an application
    Add(AppAdd),
    /// Remove an application
    Remove(ObjectArg),
}

#[derive(Debug, clap::Args)]
struct AppAdd {
    #[command(flatten)]
    at: RemoteArg,

    /// The name of the application
    name: String,

    /// The redirect URI
    uri: String,
}

impl Apps {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match &self.command {
            AppsCommand::List(RemoteArg { remote }) => {
                let live = SkyDriveRemote::open(app, remote).await?;
                print(app, &live, remote, "me/applications").await
            }
            AppsCommand::Show(application) => application.show(app, "application").await,
            AppsCommand::Add(application) => application.run(app).await,
            AppsCommand::Remove(application) => {
                let live = application.open(app, "application").await?;
                let id = &application.object.text;
                let removed = live.client()?.delete_application(&live.cx, id).await;
                removed.map_err(|error| failed(error, &application.object))?;
                Ok(Exit::Done)
            }
        }
    }
}

impl AppAdd {
    /// Registers the application, and prints it.
    ///
    /// # Errors
    /// The failure of the request ([`Failure::from`]); `Unsupported` if the remote is not a
    /// SkyDrive.
    async fn run(&self, app: &App) -> Result<Exit> {
        let at = &self.at.remote;
        let live = SkyDriveRemote::open(app, at).await?;
        let mut application = ApplicationProperties::default();
        application.name = Some(self.name.clone());
        application.uri = Some(self.uri.clone());
        let added = live.client()?.add_application(&live.cx, &application).await;
        let added = added.map_err(|error| failed(error, at))?;
        print(app, &live, at, &added.id).await
    }
}
