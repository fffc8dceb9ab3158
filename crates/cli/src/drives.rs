//! `drivedal drives`, and the lists of drives and sites for `drivedal login`.

use drivedal::{
    adapter::DriveHandle,
    drive::{self, Context, Error, ErrorKind},
    services::onedrive::{
        Client, DriveRef, OneDriveConfig, configured_drive,
        model::{DriveResource, Identity},
    },
};
use serde::Serialize;

use crate::{
    app::{App, Workload},
    config::{SignedInAccount, remote_name},
    failure::{Exit, Failure, Result},
    location::Location,
    skydrive::failed,
};

/// Maximum number of pages of a list.
const MAX_PAGES: usize = 100;

/// List the drives, sites and libraries that the account of a remote can reach
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The drive of the remote has an asterisk. The id is the value of `drivedal login --drive`. With --json
each drive is a line: {\"id\", \"name\", \"type\", \"site\", \"used\"}.

Examples:
  drivedal drives work
  drivedal drives work --site https://contoso.sharepoint.com/sites/team
  drivedal drives work --find-site '*'")]
pub(crate) struct Drives {
    /// The remote
    #[arg(value_name = "NAME", value_parser = remote_name)]
    name: String,

    /// List the libraries of this SharePoint site, by its URL, id or path
    #[arg(long, value_name = "URL", conflicts_with = "find_site")]
    site: Option<String>,

    /// List the libraries of the sites with these words in their names; `*` means all
    #[arg(long, value_name = "TEXT")]
    find_site: Option<String>,
}

/// A drive.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DriveRecord {
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    drive_type: Option<String>,
    /// The URL of its site. `None` if it was not found through a site.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    /// Whether the remote uses it. `None` if no remote is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<bool>,
}

/// A SharePoint site.
#[derive(Clone, Debug)]
pub(crate) struct NamedSite {
    pub(crate) id: String,
    name: Option<String>,
    url: Option<String>,
}

impl From<DriveResource> for DriveRecord {
    fn from(drive: DriveResource) -> Self {
        let DriveResource { id, name, drive_type, .. } = drive;
        Self { id, name, drive_type, site: None, used: None }
    }
}

impl DriveRecord {
    /// Returns the drive for the user: `name (type, id)`.
    pub(crate) fn label(&self) -> String {
        let kind = self.drive_type.as_deref().unwrap_or("drive");
        match &self.name {
            Some(name) => format!("{name} ({kind}, {})", self.id),
            None => format!("{} ({kind})", self.id),
        }
    }
}

impl NamedSite {
    /// Returns the site for the user: `name (URL, id)`.
    pub(crate) fn label(&self) -> String {
        match (&self.name, &self.url) {
            (Some(name), Some(url)) => format!("{name} ({url}, {})", self.id),
            (Some(name), None) | (None, Some(name)) => format!("{name} ({})", self.id),
            (None, None) => self.id.clone(),
        }
    }
}

impl Drives {
    /// Prints the drives of an account, or of the sites that the options name.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not a OneDrive; the failure of a request; `ClosedPipe` or `Failed` if results cannot be
    /// written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let at = Location { remote: self.name.clone(), text: String::new() };
        let remote = app.remote(&at, Workload::Interactive).await?;
        let handle = remote.drive("drives").map_err(|failure| failure.about(&at))?;
        let client = Client::from_handle(handle).ok_or_else(|| {
            let failure = Failure::wrong_service(remote.scheme()).about(&at);
            failure.hint("only accounts of onedrive remotes have several drives")
        })?;
        let cx = DriveHandle::context(&remote.operator);
        let own = configured_drive(handle, &cx).await.map_err(|error| failed(error, &at))?;
        let own = own.unwrap_or_default();
        let options = app.options(&self.name).await?.onedrive_config()?.unwrap_or_default();
        let owner = match acts_for_a_user(&options) {
            true => DriveRef::Mine,
            false => owner_of(&own),
        };
        let records = self.list(app, client, &cx, &owner).await;
        let mut records = records.map_err(|error| failed(error, &at))?;
        for record in &mut records {
            record.used = Some(record.id == own.id);
        }
        for record in &records {
            print(app, record)?;
        }
        Ok(Exit::Done)
    }

    /// Returns the drives of `owner`, or of the sites that the options name.
    ///
    /// # Errors
    /// The error of a request, such as `NotFound` for an unknown site.
    async fn list(
        &self,
        app: &App,
        client: &Client,
        cx: &Context,
        owner: &DriveRef,
    ) -> drive::Result<Vec<DriveRecord>> {
        let mut records = Vec::new();
        let found = match (&self.site, &self.find_site) {
            (Some(site), _) => {
                let mut config = OneDriveConfig::default();
                config.site = Some(site.clone());
                let owner = config.owner(client, cx).await?;
                return Ok(records_of(drives_of(client, cx, &owner).await?, Some(site)));
            }
            (None, Some(text)) => sites(client, cx, text).await?,
            (None, None) => {
                let found = drives_of(client, cx, owner).await?;
                return Ok(records_of(found, None));
            }
        };
        for site in found {
            let owner = DriveRef::Site(site.id.as_str().into());
            match drives_of(client, cx, &owner).await {
                Ok(found) => {
                    let name = site.url.as_ref().unwrap_or(&site.id);
                    records.extend(records_of(found, Some(name)));
                }
                // The search finds sites that the account cannot open.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    app.output.notice(format_args!("cannot list {}: {error}", site.label()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }
}

/// Returns the records of drives. `site` is the site that they belong to, `None` for those of the
/// user.
fn records_of(drives: Vec<DriveResource>, site: Option<&String>) -> Vec<DriveRecord> {
    let record = |drive| DriveRecord { site: site.cloned(), ..DriveRecord::from(drive) };
    drives.into_iter().map(record).collect()
}

/// Prints a drive: one line, or a JSON object with `--json`.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
fn print(app: &App, record: &DriveRecord) -> Result {
    if app.output.is_json() {
        return app.output.json(record);
    }
    let mark = if record.used == Some(true) { '*' } else { ' ' };
    let site = record.site.as_ref().map_or_else(String::new, |site| format!("  {site}"));
    let (kind, name) = (record.drive_type.as_deref(), record.name.as_deref());
    let shown =
        format!("{mark} {}  {}  {}{site}", record.id, kind.unwrap_or("-"), name.unwrap_or("-"));
    app.output.line(app.output.shown(&shown))
}

/// Returns the drives of a user, group or site. `owner` is its default drive.
///
/// # Errors
/// The errors of [`Client::drives`], and `Unexpected` if the list has too many pages.
pub(crate) async fn drives_of(
    client: &Client,
    cx: &Context,
    owner: &DriveRef,
) -> drive::Result<Vec<DriveResource>> {
    let (mut all, mut next) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let page = client.drives(cx, owner, next.as_ref()).await?;
        all.extend(page.value);
        next = page.next;
        if next.is_none() {
            return Ok(all);
        }
    }
    Err(too_many_pages("drives"))
}

/// Returns the sites with these words in their names.
///
/// # Errors
/// The errors of [`Client::sites`], and `Unexpected` if the list has too many pages.
pub(crate) async fn sites(
    client: &Client,
    cx: &Context,
    text: &str,
) -> drive::Result<Vec<NamedSite>> {
    let (mut all, mut next) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let page = client.sites(cx, text, next.as_ref()).await?;
        all.extend(page.value.into_iter().map(|site| NamedSite {
            id: site.id,
            name: site.display_name,
            url: site.web_url,
        }));
        next = page.next;
        if next.is_none() {
            return Ok(all);
        }
    }
    Err(too_many_pages("sites"))
}

/// Returns `Unexpected`: a list of the cloud has more than `MAX_PAGES` pages. `kind` is what it
/// lists.
fn too_many_pages(kind: &str) -> Error {
    let text = format!("cannot list the {kind}: the list has more than {MAX_PAGES} pages");
    Error::new(ErrorKind::Unexpected, text)
}

/// Returns whether the tokens of these options are a user's. Otherwise they are the application's
/// own, which has no `/me`.
fn acts_for_a_user(options: &OneDriveConfig) -> bool {
    options.access_token.is_some()
        || options.refresh_token.is_some()
        || options.refresh_token_env.is_some()
        || options.token_file.is_some()
}

/// Returns the user or group that a drive belongs to, as their default drive; the drive itself if
/// the cloud reports no owner.
fn owner_of(drive: &DriveResource) -> DriveRef {
    let owner = drive.owner.clone().unwrap_or_default();
    let id = |identity: Option<Identity>| identity.and_then(|it| it.id).filter(|id| !id.is_empty());
    match (id(owner.user), id(owner.group)) {
        (Some(user), _) => DriveRef::User(user.into()),
        (None, Some(group)) => DriveRef::Group(group.into()),
        (None, None) => DriveRef::Id(drive.id.as_str().into()),
    }
}

/// Returns the account that a drive belongs to, as the library does.
pub(crate) fn account_of(drive: &DriveResource) -> SignedInAccount {
    let owner = drive.owner.clone().unwrap_or_default();
    let identity = owner.user.or(owner.group).unwrap_or_default();
    SignedInAccount {
        id: identity.id.filter(|id| !id.is_empty()).unwrap_or_else(|| drive.id.clone()),
        name: identity.display_name.or_else(|| drive.name.clone()),
    }
}
