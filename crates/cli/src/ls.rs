//! `drivedal ls`

use serde_json::Value;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    item::ItemRecord,
    listing::{Depth, Listed, finish, list},
    location::{DrivePath, Location},
    options::AddressingArgs,
    skydrive::SkyDriveRemote,
    units::ListRange,
};

/// List a folder, one name per line
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
The names of folders end with a slash. With --json each item is a line: {\"path\", \"name\", \"kind\": \"file\"|\"folder\"|\"other\", \"size\",
\"modified\", \"etag\", \"content_type\"}. Fields that the drive does not provide are left out.

Examples:
  drivedal ls local-skydrive:photos
  drivedal ls -lh local-skydrive:
  drivedal ls -R --json work:reports
  drivedal ls -r 500-100 work:large
  drivedal ls -k '{id} {name}' local-skydrive:"
)]
pub(crate) struct Ls {
    /// The folder, or a file
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    folder: Location,

    /// Print size in bytes, modification time (RFC 3339) and name
    #[arg(short)]
    long: bool,

    /// List everything below the folder, as relative paths
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Print sizes with units, with -l
    #[arg(short, long)]
    human: bool,

    /// Print items in the order of the remote, without sorting
    ///
    /// Memory use then does not depend on the size of the folder.
    #[arg(short = 'U', long)]
    unsorted: bool,

    /// List only this range: LIMIT, OFFSET-LIMIT or OFFSET:LIMIT
    #[arg(short, long, value_name = "RANGE", value_parser = ListRange::parse, allow_hyphen_values = true,
          conflicts_with = "recursive")]
    range: Option<ListRange>,

    /// Print all fields of each item, with -o yaml on a SkyDrive
    #[arg(long)]
    objects: bool,

    #[command(flatten)]
    addressing: AddressingArgs,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Ls {
    /// Lists the folder, or shows the file.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the path has a segment
    /// `.` or `..`; `NotFound` if the folder does not exist; the failure of a request
    /// ([`Failure::from`]); `Failed` for a file whose path ends with a slash; `ClosedPipe` or
    /// `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        if app.output.is_yaml() || app.output.is_partial() {
            return self.run_as_old_client(app).await;
        }
        let workload = if self.recursive { Workload::Bulk } else { Workload::Interactive };
        let at = app.resolve(&self.folder, self.addressing.mode(), workload).await?;
        let depth = if self.recursive { Depth::Tree } else { Depth::Children };
        let mut listing = match list(&at, depth).await? {
            Listed::Folder(listing) => listing,
            Listed::File(metadata) => {
                if at.path.is_folder_path() {
                    return Err(Failure::is_not_folder().about(&at));
                }
                let name = at.path.name().unwrap_or_default();
                self.show(app, name, &ItemRecord::new(&at.path, &metadata))?;
                return Ok(Exit::Done);
            }
        };
        if let Some(part) = self.range {
            listing = listing.slice(part);
        }
        let (mut shown, mut failures) = (false, Vec::new());
        if self.unsorted {
            loop {
                match listing.next().await {
                    Ok(Some((path, metadata))) => {
                        shown = true;
                        self.show(
                            app,
                            relative(&at.path, &path),
                            &ItemRecord::new(&path, &metadata),
                        )?;
                    }
                    Ok(None) => break,
                    Err(failure) => failures.push(failure),
                }
            }
        } else {
            let items;
            (items, failures) = listing.sorted().await;
            for (path, metadata) in items {
                shown = true;
                self.show(app, relative(&at.path, &path), &ItemRecord::new(&path, &metadata))?;
            }
        }
        finish(app, shown, failures)
    }

    /// Prints the output of the old client: names, or objects with all fields.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the path has a segment
    /// `.` or `..`; the failure of a request ([`Failure::from`]); `ClosedPipe` or `Failed` if
    /// results cannot be written.
    async fn run_as_old_client(&self, app: &App) -> Result<Exit> {
        let remote = app.remote(&self.folder, Workload::Interactive).await?;
        let named = self.addressing.mode();
        let (objects, failures) = match SkyDriveRemote::from_remote(&remote) {
            Some(live) if !self.recursive => {
                (live.objects(&self.folder, named, self.range).await?, Vec::new())
            }
            _ => self.records(app).await?,
        };
        let shown: Vec<Value> = match self.objects || app.output.is_partial() {
            true => objects,
            false => objects.iter().map(|object| object["name"].clone()).collect(),
        };
        let is_shown = !shown.is_empty();
        app.output.value(&shown.into())?;
        finish(app, is_shown, failures)
    }

    /// Lists the folder. Returns its items as JSON, sorted by path, and the failures of the
    /// listing.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the path has a segment
    /// `.` or `..`; `NotFound` if the folder does not exist; the failure of a request
    /// ([`Failure::from`]); `Failed` if it is a file.
    async fn records(&self, app: &App) -> Result<(Vec<Value>, Vec<Failure>)> {
        let at = app.resolve(&self.folder, self.addressing.mode(), Workload::Interactive).await?;
        let depth = if self.recursive { Depth::Tree } else { Depth::Children };
        let Listed::Folder(mut listing) = list(&at, depth).await? else {
            return Err(Failure::is_not_folder().about(&at));
        };
        if let Some(part) = self.range {
            listing = listing.slice(part);
        }
        let (items, failures) = listing.sorted().await;
        let records = items.iter().map(|(path, metadata)| {
            let mut record =
                serde_json::to_value(ItemRecord::new(path, metadata)).unwrap_or_default();
            record["name"] = relative(&at.path, path).into();
            record
        });
        Ok((records.collect(), failures))
    }

    /// Prints an item under a name, in the form of the output.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn show(&self, app: &App, name: &str, item: &ItemRecord) -> Result {
        if app.output.is_json() {
            return app.output.json(item);
        }
        let name = app.output.shown(name);
        let slash = if item.is_folder() { "/" } else { "" };
        match self.long {
            true => app.output.line(format_args!("{}  {name}{slash}", item.columns(self.human))),
            false => app.output.line(format_args!("{name}{slash}")),
        }
    }
}

/// Returns a path relative to a folder above it.
pub(crate) fn relative<'a>(folder: &DrivePath, path: &'a DrivePath) -> &'a str {
    let below = path.as_str().strip_prefix(folder.as_str()).unwrap_or(path.as_str());
    below.trim_start_matches('/')
}
