//! `drivedal tree`

use std::{borrow::Cow, collections::BTreeMap};

use opendal::Metadata;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    item::{ItemRecord, Kind},
    listing::{Depth, Listed, Listing, finish, list},
    location::{DrivePath, Location},
    ls::relative,
    options::AddressingArgs,
    skydrive::SkyDriveRemote,
};

/// Print everything below a folder as a tree
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
With --json the tree is one document: items as in `ls --json`, folders with \"children\".
With -k the tree is a mapping of names, as with -o yaml, of which one entry is printed.

Examples:
  drivedal tree local-skydrive:photos
  drivedal tree -h work:
  drivedal tree -k '{SkyDrive[photos]}' local-skydrive:"
)]
pub(crate) struct Tree {
    /// The folder
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    folder: Location,

    /// Print sizes after the names
    #[arg(short, long)]
    human: bool,

    /// Print all fields of each file, with -o yaml on a SkyDrive
    #[arg(long)]
    objects: bool,

    #[command(flatten)]
    addressing: AddressingArgs,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// A file, or a folder with its contents.
#[derive(Debug, Serialize)]
struct TreeNode {
    #[serde(flatten)]
    item: ItemRecord,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_list")]
    children: Option<TreeChildren>,
}

/// The items of a folder by name and by whether they are folders. An object store may have a file
/// and a folder of one name.
type TreeChildren = BTreeMap<(String, bool), TreeNode>;

impl Tree {
    /// Prints the folder as a tree.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the path has a segment
    /// `.` or `..`; `NotFound` if the folder does not exist; the failure of a request
    /// ([`Failure::from`]); `Failed` if it is a file; `ClosedPipe` or `Failed` if results cannot be
    /// written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let is_old_form = app.output.is_yaml() || app.output.is_partial();
        if is_old_form {
            let remote = app.remote(&self.folder, Workload::Bulk).await?;
            if let Some(live) = SkyDriveRemote::from_remote(&remote) {
                let named = self.addressing.mode();
                app.output.value(&live.tree(&self.folder, named, self.objects).await?)?;
                return Ok(Exit::Done);
            }
        }
        let at = app.resolve(&self.folder, self.addressing.mode(), Workload::Bulk).await?;
        let Listed::Folder(listing) = list(&at, Depth::Tree).await? else {
            return Err(Failure::is_not_folder().about(&at));
        };
        let (root, failures) = read(&at.path, listing).await;
        let shown = root.children.as_ref().is_some_and(|children| !children.is_empty());
        if !shown && failures.len() == 1 {
            return finish(app, shown, failures);
        }
        if app.output.is_json() && !is_old_form {
            app.output.json(&root)?;
            return finish(app, shown, failures);
        }
        if is_old_form {
            let name = at.path.name().unwrap_or(at.remote.display_name());
            app.output.value(&json!({ name: root.to_old_form() }))?;
            return finish(app, shown, failures);
        }
        app.output.line(app.output.shown(&at.to_string()))?;
        let mut counts = (0, 0);
        self.show(app, &root, "", &mut counts)?;
        app.output.line(format_args!("{} folders, {} files", counts.0, counts.1))?;
        finish(app, shown, failures)
    }

    /// Prints the contents of a folder. `before` is the text before each line, and `counts` are the
    /// numbers of folders and files, which are increased.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn show(&self, app: &App, folder: &TreeNode, before: &str, counts: &mut (u64, u64)) -> Result {
        let children = folder.children.iter().flatten();
        let last = folder.children.as_ref().map_or(0, BTreeMap::len).saturating_sub(1);
        for (at, ((name, _), node)) in children.enumerate() {
            let (branch, below) =
                if at == last { ("└── ", "    ") } else { ("├── ", "│   ") };
            let slash = if node.children.is_some() { "/" } else { "" };
            let size = match node.item.size {
                Some(size) if self.human => {
                    Cow::Owned(format!("  {}", crate::units::HumanSize(size)))
                }
                _ => Cow::Borrowed(""),
            };
            let name = app.output.shown(name);
            app.output.line(format_args!("{before}{branch}{name}{slash}{size}"))?;
            match node.children {
                Some(_) => counts.0 += 1,
                None => counts.1 += 1,
            }
            self.show(app, node, &format!("{before}{below}"), counts)?;
        }
        Ok(())
    }
}

/// Reads a listing into a tree. Returns the failures of the listing too.
async fn read(folder: &DrivePath, mut listing: Listing) -> (TreeNode, Vec<Failure>) {
    let (mut root, mut failures) = (TreeNode::folder(folder), Vec::new());
    loop {
        match listing.next().await {
            Ok(Some((path, metadata))) => root.insert(folder, &path, &metadata),
            Ok(None) => return (root, failures),
            Err(failure) => failures.push(failure),
        }
    }
}

impl TreeNode {
    /// Creates an empty folder.
    fn folder(path: &DrivePath) -> Self {
        let metadata = opendal::MetadataBuilder::dir().build();
        Self { item: ItemRecord::new(path, &metadata), children: Some(BTreeMap::new()) }
    }

    /// Returns the tree in the form of the old client: a mapping for a folder, the kind for a file.
    fn to_old_form(&self) -> Value {
        match &self.children {
            Some(children) => {
                // If a file and a folder share a name, the folder's key ends with a slash, because
                // the keys of a mapping are unique.
                let is_shared = |name: &String| children.contains_key(&(name.clone(), false));
                let key = |name: &String, is_folder| match is_folder && is_shared(name) {
                    true => format!("{name}/"),
                    false => name.clone(),
                };
                let old = |((name, is_folder), node): (&(String, bool), &TreeNode)| {
                    (key(name, *is_folder), node.to_old_form())
                };
                children.iter().map(old).collect()
            }
            None => json!(self.item.kind),
        }
    }

    /// Inserts an item at its path. An object store does not list the folders above it.
    fn insert(&mut self, folder: &DrivePath, path: &DrivePath, metadata: &Metadata) {
        let mut node = self;
        let mut at = folder.clone();
        let mut names = relative(folder, path).split('/').peekable();
        while let Some(name) = names.next() {
            at = at.join(name);
            let key = (name.to_owned(), names.peek().is_some() || metadata.is_dir());
            let children = node.children.get_or_insert_default();
            node = children.entry(key).or_insert_with(|| Self::folder(&at));
        }
        node.item = ItemRecord::new(path, metadata);
        if node.item.kind != Kind::Folder {
            node.children = None;
        }
    }
}

/// Serializes the children as a list, without their keys; an absent map as an empty list.
///
/// # Errors
/// That of the serializer.
fn as_list<S: serde::Serializer>(
    children: &Option<TreeChildren>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(children.iter().flatten().map(|(_, node)| node))
}

#[cfg(test)]
mod tests {
    use opendal::MetadataBuilder;

    use super::*;

    #[test]
    fn a_file_and_a_folder_of_one_name_are_both_shown() {
        let top = DrivePath::parse("top/").expect("a path");
        let mut root = TreeNode::folder(&top);
        for path in ["top/a/b", "top/a", "top/c/", "top/c", "top/d"] {
            let metadata = match path.ends_with('/') {
                true => MetadataBuilder::dir().build(),
                false => MetadataBuilder::file(1).build(),
            };
            root.insert(&top, &DrivePath::parse(path).expect("a path"), &metadata);
        }
        let shown = serde_json::to_value(&root).expect("JSON");
        let kinds: Vec<_> = shown["children"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|child| format!("{} {}", child["name"], child["kind"]).replace('"', ""))
            .collect();
        assert_eq!(kinds, ["a file", "a folder", "c file", "c folder", "d file"]);
        let old = json!({"a": "file", "a/": {"b": "file"}, "c": "file", "c/": {}, "d": "file"});
        assert_eq!(root.to_old_form(), old);
    }
}
