//! `drivedal find`

use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use jiff::Timestamp;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    item::{ItemRecord, Kind},
    listing::{Depth, Listed, finish, list},
    location::Location,
    options::AddressingArgs,
    units,
};

/// Find items below a folder by name, size, age and type
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The folder is listed completely, and all conditions must hold. A condition on sizes or ages excludes
items whose size or time the drive does not report, and one on sizes excludes folders. Each line is a
path from the root of the remote; folders end with a slash. With --json each item is a line as in
`ls --json`.

Examples:
  drivedal find work:photos --name '*.jpg' --min-size 10M
  drivedal find work: --type folder --name 'old*' --min-age 24h")]
pub(crate) struct Find {
    /// The folder
    #[arg(value_name = "REMOTE:[PATH]", value_parser = Location::parse)]
    folder: Location,

    /// Find items whose name matches one of these patterns, such as '*.jpg'
    #[arg(long, value_name = "GLOB")]
    name: Vec<String>,

    /// Ignore the letter case of names
    #[arg(long)]
    ignore_case: bool,

    /// Find files that are not smaller
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    min_size: Option<u64>,

    /// Find files that are not larger
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    max_size: Option<u64>,

    /// Find items that did not change within this time, such as 24h
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    min_age: Option<Duration>,

    /// Find items that changed within this time
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    max_age: Option<Duration>,

    /// Find items of this type
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<ItemType>,

    #[command(flatten)]
    addressing: AddressingArgs,
}

/// A type of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ItemType {
    /// Files
    #[value(alias = "f")]
    File,
    /// Folders
    #[value(alias = "d")]
    Folder,
}

/// The conditions of a search.
struct Conditions {
    names: Vec<GlobMatcher>,
    /// Smallest and largest size in bytes.
    sizes: (Option<u64>, Option<u64>),
    /// The time of an item that is old enough.
    newest: Option<Timestamp>,
    /// The time of an item that is young enough.
    oldest: Option<Timestamp>,
    kind: Option<ItemType>,
}

impl Find {
    /// Prints the items that satisfy the conditions.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or a pattern cannot be
    /// parsed; `NotFound` if the folder does not exist; the failure of a request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let conditions = self.conditions()?;
        let at = app.resolve(&self.folder, self.addressing.mode(), Workload::Bulk).await?;
        let Listed::Folder(listing) = list(&at, Depth::Tree).await? else {
            return Err(Failure::is_not_folder().about(&at));
        };
        let (items, failures) = listing.sorted().await;
        let mut is_shown = false;
        for (path, metadata) in items {
            let item = ItemRecord::new(&path, &metadata);
            if !conditions.hold(&item) {
                continue;
            }
            is_shown = true;
            if app.output.is_json() || app.output.is_yaml() || app.output.is_partial() {
                app.output.value(&serde_json::to_value(&item).unwrap_or_default())?;
                continue;
            }
            let slash = if item.is_folder() { "/" } else { "" };
            app.output.line(format_args!("{}{slash}", app.output.shown(&item.path)))?;
        }
        finish(app, is_shown, failures)
    }

    /// Returns the conditions of the options.
    ///
    /// # Errors
    /// `Usage` for a pattern that cannot be parsed.
    fn conditions(&self) -> Result<Conditions> {
        let names = self.name.iter().map(|pattern| {
            let glob = GlobBuilder::new(pattern).case_insensitive(self.ignore_case).build();
            let glob = glob.map_err(|error| {
                Failure::usage(format!("the pattern {pattern:?} is invalid: {}", error.kind()))
                    .about(&self.folder)
            })?;
            Ok(glob.compile_matcher())
        });
        // An age beyond the representable times excludes nothing, or everything.
        let now = Timestamp::now();
        let before = |age: Duration| now.checked_sub(age).unwrap_or(Timestamp::MIN);
        Ok(Conditions {
            names: names.collect::<Result<_>>()?,
            sizes: (self.min_size, self.max_size),
            newest: self.min_age.map(before),
            oldest: self.max_age.map(before),
            kind: self.kind,
        })
    }
}

impl Conditions {
    /// Returns whether an item satisfies all conditions.
    fn hold(&self, item: &ItemRecord) -> bool {
        let has_kind = match self.kind {
            None => true,
            Some(ItemType::File) => item.kind == Kind::File,
            Some(ItemType::Folder) => item.kind == Kind::Folder,
        };
        let (min, max) = self.sizes;
        let has_size = |limit: Option<u64>, fits: fn(u64, u64) -> bool| {
            limit.is_none_or(|limit| item.size.is_some_and(|size| fits(size, limit)))
        };
        let has_age = |limit: Option<Timestamp>, fits: fn(Timestamp, Timestamp) -> bool| {
            limit.is_none_or(|limit| item.modified.is_some_and(|time| fits(time, limit)))
        };
        has_kind
            && (self.names.is_empty() || self.names.iter().any(|name| name.is_match(&item.name)))
            && has_size(min, |size, min| size >= min)
            && has_size(max, |size, max| size <= max)
            && has_age(self.newest, |time, newest| time <= newest)
            && has_age(self.oldest, |time, oldest| time >= oldest)
    }
}
