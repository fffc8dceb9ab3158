//! `drivedal watch`

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use drivedal::{
    adapter::{ChangesSince, DriveHandle},
    drive::{ChangePage, Cursor, Item, ItemId, ItemKind, ItemRef, ListRequest},
};
use futures::TryStreamExt;
use jiff::Timestamp;
use opendal::Operator;
use serde::Serialize;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
    remote::RemotePath,
    units,
};

/// The maximum depth of a folder. Folders may contain themselves, because of links.
const DEPTH_MAX: usize = 1_000;

/// Maximum number of pages of the listing of the drive.
const PAGES_MAX: usize = 100_000;

/// Print the changes of a drive as they happen, until Ctrl-C
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The drive is listed first, so that each change has a path. Each line is `created`, `changed`, `moved` or
`deleted` and a path; a moved item also has its new path. `resync` means that the cloud no longer knows
the position: changes before it are lost. With --json each change is a line: {\"change\", \"path\",
\"to\", \"id\", \"kind\", \"size\", \"modified\"}. A folder is reported when it is created, moved or deleted,
not for changes below it. The exit code after Ctrl-C is 0.

Examples:
  drivedal watch work:
  drivedal watch --json --interval 10s work:inbox")]
pub(crate) struct Watch {
    /// The drive, or a folder
    #[arg(value_name = "REMOTE:[PATH]", value_parser = Location::parse)]
    folder: Location,

    /// Request changes this often
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    interval: Duration,

    /// Start with the changes since this time, or since a time ago such as 2h
    ///
    /// Only OneDrive for Business and SharePoint can do so, with the option account_kind.
    #[arg(long, value_name = "TIME", value_parser = units::time_ago)]
    since: Option<Timestamp>,

    #[command(flatten)]
    addressing: AddressingArgs,
}

/// A change, as `--json` prints it.
#[derive(Debug, Serialize)]
struct ChangeRecord {
    change: &'static str,
    /// The path from the root of the remote: before a move, and the last known one of a deleted
    /// item. `None` if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The path after a move.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<Timestamp>,
}

impl Watch {
    /// Prints changes until a signal.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if the drive
    /// has no change feed; the failure of the listing, and a permanent failure of a request for
    /// changes ([`Failure::from`]); `Terminated` after SIGTERM; `ClosedPipe` or `Failed` if results
    /// cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match app.interrupt.cancellable(self.watch(app)).await {
            Err(failure) if failure.exit == Exit::Interrupted => Ok(Exit::Done),
            ended => ended,
        }
    }

    /// Prints changes without end.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    async fn watch(&self, app: &App) -> Result<Exit> {
        let at = app.resolve(&self.folder, self.addressing.mode(), Workload::Interactive).await?;
        let handle = at.drive("a change feed")?;
        if !handle.drive().capabilities().changes {
            let text = format!("{} remotes have no change feed", at.remote.scheme());
            return Err(Failure::new(Exit::Unsupported, text).about(&at));
        }
        let fail = |error| Failure::from(error).about(&at);
        // The position first: a change during the listing is reported, perhaps twice.
        let since = match self.since {
            Some(time) => ChangesSince::Time(time),
            None => ChangesSince::Position(position(handle, at.operator()).await.map_err(fail)?),
        };
        let mut tree = WatchedTree::list(handle, at.operator()).await.map_err(fail)?;
        if !app.output.is_quiet() {
            app.output.notice(format_args!("watching {at} ({} items)", tree.items.len()));
        }
        let mut pages = handle.watch(at.operator(), since, self.interval);
        let mut failing_since = None;
        loop {
            let page = match pages.try_next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(Exit::Done),
                Err(error) if Failure::from(&error).exit == Exit::TryLater => {
                    // The stream continues at the same position.
                    let begin = *failing_since.get_or_insert_with(Instant::now);
                    at.remote.announce_wait(&error, begin.elapsed(), self.interval);
                    continue;
                }
                Err(error) => return Err(fail(error)),
            };
            failing_since = None;
            for change in tree.apply(page) {
                print(app, &at, &change)?;
            }
            app.output.flush()?;
        }
    }
}

/// Returns the current position of the change feed.
///
/// # Errors
/// Those of [`DriveHandle::changes`].
async fn position(handle: &DriveHandle, operator: &Operator) -> opendal::Result<Cursor> {
    let mut pages = handle.changes(operator, ChangesSince::Now);
    let first = pages.try_next().await?;
    first.map(|page| page.next).ok_or_else(|| {
        let text = "cannot read the change feed: it has no position";
        opendal::Error::new(opendal::ErrorKind::Unexpected, text)
    })
}

/// Prints a change, unless it is outside of the watched folder.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
fn print(app: &App, folder: &RemotePath, change: &ChangeRecord) -> Result {
    let is_below = |path: &String| {
        let folder = folder.path.as_str();
        let rest = path.strip_prefix(folder);
        folder.is_empty() || rest.is_some_and(|rest| rest.starts_with('/'))
    };
    let is_watched = match (&change.path, &change.to) {
        (None, None) => true,
        (path, to) => path.iter().chain(to).any(is_below),
    };
    if !is_watched {
        return Ok(());
    }
    if app.output.is_json() || app.output.is_yaml() || app.output.is_partial() {
        return app.output.value(&serde_json::to_value(change).unwrap_or_default());
    }
    let unknown = || change.id.as_ref().map(|id| format!("(item {id})"));
    let path = change.path.clone().or_else(unknown).unwrap_or_default();
    let to = change.to.as_ref().map(|to| format!(" -> {to}")).unwrap_or_default();
    let text = format!("{:<8} {path}{to}", change.change);
    app.output.line(app.output.shown(text.trim_end()))
}

/// The name, the parents and the kind of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WatchedItem {
    name: String,
    parents: Vec<ItemId>,
    is_folder: bool,
}

impl From<&Item> for WatchedItem {
    fn from(item: &Item) -> Self {
        let parents = item.parents.clone();
        Self { name: item.name.clone(), parents, is_folder: item.is_folder() }
    }
}

/// The items of a drive, as far as the listing and the feed have reported them.
struct WatchedTree {
    items: HashMap<ItemId, WatchedItem>,
    /// The ids of the drive's root folder: the one that listings use, and the cloud's own.
    roots: [ItemId; 2],
    /// The names from the drive's root to that of the remote.
    remote_root: Vec<String>,
    /// Compares names as the cloud does.
    fold: fn(&str) -> std::borrow::Cow<'_, str>,
}

impl WatchedTree {
    /// Lists the whole drive.
    ///
    /// # Errors
    /// [Request errors](drivedal::drive::Error#request-errors); `ConfigInvalid` if the drive does not
    /// exist; `Unexpected` if the listing has too many pages.
    async fn list(handle: &DriveHandle, operator: &Operator) -> opendal::Result<Self> {
        let (drive, cx) = (handle.drive(), DriveHandle::context(operator));
        let root = drive.root(&cx).await.map_err(DriveHandle::to_opendal_error)?;
        let own_root = handle.root_id(operator).await?;
        let (folder, mut cursor) = (ItemRef::from_id(&root), None);
        let mut items = HashMap::new();
        for _ in 0..PAGES_MAX {
            let request = ListRequest::recursive(&folder).with_cursor(cursor.as_ref());
            let page = drive.list(&cx, request).await.map_err(DriveHandle::to_opendal_error)?;
            for item in &page.items {
                items.insert(item.id.clone(), WatchedItem::from(item));
            }
            cursor = page.next;
            if cursor.is_none() {
                let remote_root = operator.info().root();
                let names = remote_root.split('/').filter(|name| !name.is_empty());
                return Ok(Self {
                    items,
                    roots: [root, own_root],
                    remote_root: names.map(str::to_owned).collect(),
                    fold: drive.capabilities().fold,
                });
            }
        }
        let text = format!("cannot list the drive: it has more than {PAGES_MAX} pages");
        Err(opendal::Error::new(opendal::ErrorKind::Unexpected, text))
    }

    /// Applies a page of the feed. Returns the changes below the remote's root.
    fn apply(&mut self, page: ChangePage) -> Vec<ChangeRecord> {
        let mut changes = Vec::new();
        if page.reset {
            changes.push(ChangeRecord::new("resync"));
        }
        for (id, kind) in page.removed {
            let path = self.path(&id);
            let known = self.items.remove(&id);
            // An item outside of the remote's root has a location, but no path.
            if known.is_some() && path.is_none() {
                continue;
            }
            let kind = match (kind, known) {
                (Some(kind), _) => kind_name(kind),
                (None, Some(known)) => Some(if known.is_folder { "folder" } else { "file" }),
                (None, None) => None,
            };
            let id = Some(id.as_str().to_owned());
            changes.push(ChangeRecord { path, id, kind, ..ChangeRecord::new("deleted") });
        }
        changes.extend(page.items.into_iter().filter_map(|item| self.apply_item(&item)));
        changes
    }

    /// Applies an item of the feed. Returns its change, or `None` for an unchanged folder and for an
    /// item outside of the remote's root.
    fn apply_item(&mut self, item: &Item) -> Option<ChangeRecord> {
        if self.roots.contains(&item.id) {
            return None;
        }
        let before = self.path(&item.id);
        self.items.insert(item.id.clone(), WatchedItem::from(item));
        let after = self.path(&item.id);
        let (change, path, to) = match (before, after) {
            (None, None) => return None,
            (None, Some(after)) => ("created", after, None),
            (Some(before), None) => ("deleted", before, None),
            (Some(before), Some(after)) if before != after => ("moved", before, Some(after)),
            (Some(_), Some(_)) if item.is_folder() => return None,
            (Some(_), Some(after)) => ("changed", after, None),
        };
        Some(ChangeRecord {
            path: Some(path),
            to,
            id: Some(item.id.as_str().to_owned()),
            kind: kind_name(item.kind),
            size: item.size.filter(|_| item.kind == ItemKind::File),
            modified: item.modified,
            ..ChangeRecord::new(change)
        })
    }

    /// Returns the path of an item below the remote's root, through its first parents. `None` if it
    /// or a folder above it is unknown, or if it is not below the remote's root.
    fn path(&self, id: &ItemId) -> Option<String> {
        let (mut names, mut next) = (Vec::new(), id);
        while !self.roots.contains(next) {
            let item = self.items.get(next).filter(|_| names.len() < DEPTH_MAX)?;
            names.push(item.name.as_str());
            match item.parents.first() {
                Some(parent) => next = parent,
                // A direct child of the listed folder may name no parent.
                None => break,
            }
        }
        names.reverse();
        let (above, below) = names.split_at_checked(self.remote_root.len())?;
        let mut pairs = above.iter().zip(&self.remote_root);
        let is_below = pairs.all(|(name, root)| (self.fold)(name) == (self.fold)(root));
        (is_below && !below.is_empty()).then(|| below.join("/"))
    }
}

impl ChangeRecord {
    /// Returns a change of which only the word for it is known.
    fn new(change: &'static str) -> Self {
        Self { change, path: None, to: None, id: None, kind: None, size: None, modified: None }
    }
}

/// Returns the name of a kind in results; `None` for an item that is neither file nor folder.
fn kind_name(kind: ItemKind) -> Option<&'static str> {
    match kind {
        ItemKind::File => Some("file"),
        ItemKind::Folder => Some("folder"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use drivedal::drive::Secret;

    use super::*;

    fn item(id: &str, name: &str, parent: &str, kind: ItemKind) -> Item {
        let mut item = Item::new(id, name, kind);
        item.parents = vec![parent.into()];
        item
    }

    fn page(items: Vec<Item>, removed: &[&str]) -> ChangePage {
        let mut page = ChangePage::new(Cursor(Secret::from("next")));
        page.items = items;
        page.removed = removed.iter().map(|id| (ItemId::from(*id), None)).collect();
        page
    }

    fn reset() -> ChangePage {
        let mut page = page(Vec::new(), &[]);
        page.reset = true;
        page
    }

    fn lines(changes: &[ChangeRecord]) -> Vec<String> {
        let line = |change: &ChangeRecord| {
            let path = change.path.as_deref().unwrap_or("?");
            format!("{} {path} {}", change.change, change.to.as_deref().unwrap_or("-"))
        };
        changes.iter().map(line).collect()
    }

    #[test]
    fn changes_have_the_paths_below_the_root_of_the_remote() {
        let folder = item("1", "Top", "root", ItemKind::Folder);
        let mut tree = WatchedTree {
            items: HashMap::from([("1".into(), WatchedItem::from(&folder))]),
            roots: ["root".into(), "R".into()],
            remote_root: vec!["Top".to_owned()],
            fold: |name| std::borrow::Cow::Borrowed(name),
        };
        let file = |name: &str, parent: &str| item("2", name, parent, ItemKind::File);
        for (reported, expected) in [
            (page(vec![folder.clone(), file("a", "1")], &[]), &["created a -"][..]),
            (page(vec![folder.clone(), file("a", "1")], &[]), &["changed a -"]),
            (page(vec![file("b", "1")], &[]), &["moved a b"]),
            (page(vec![file("b", "R")], &[]), &["deleted b -"]),
            (page(vec![file("b", "R")], &[]), &[]),
            (page(vec![file("c", "1")], &[]), &["created c -"]),
            (page(Vec::new(), &["2", "unknown"]), &["deleted c -", "deleted ? -"]),
            (reset(), &["resync ? -"]),
        ] {
            assert_eq!(lines(&tree.apply(reported)), expected);
        }
    }
}
