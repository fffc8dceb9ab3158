//! `drivedal amazon find` and `find-md5`

use std::collections::{HashMap, HashSet};

use drivedal::services::amazon_drive::{
    Filter, FilterField, ListQuery, Node, NodeKind, NodeStatus,
};
use regex::{Regex, RegexBuilder};
use serde_json::json;

use super::{AmazonRemote, failed};
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    location::Location,
};

/// Find items by their name
///
/// The whole drive is listed. Names are compared without regard to case.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line is a path on the drive. With --json: {\"id\", \"path\", \"is_folder\"} for each item.

Examples:
  drivedal amazon find local-amazon: holiday
  drivedal amazon find --regex local-amazon: '^img_[0-9]+\\.jpg$'")]
pub(crate) struct Find {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,

    /// A part of the name
    name: String,

    /// Treat the name as a regular expression
    #[arg(short = 'E', long)]
    regex: bool,
}

impl Find {
    /// Prints the paths of the nodes whose name matches.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the expression is
    /// invalid; `Unsupported` if it is not an Amazon Drive; `NotFound` if no name matches; the
    /// failure of a request ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be
    /// written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let pattern = match self.regex {
            true => self.name.clone(),
            false => regex::escape(&self.name),
        };
        let pattern = RegexBuilder::new(&pattern).case_insensitive(true).build();
        let pattern: Regex = pattern.map_err(|error| {
            // The lines before the last one show the place in the expression.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Failure::usage(format!("the expression {:?} is invalid: {reason}", self.name))
                .about(&self.drive)
        })?;
        let remote = AmazonRemote::open(app, &self.drive).await?;
        let available = Filter::status(NodeStatus::Available);
        let nodes = remote.all(&self.drive, available).await?;
        let tree = NodeTree::new(&nodes);
        let is_match =
            |node: &&Node| node.name.as_deref().is_some_and(|name| pattern.is_match(name));
        print(app, &self.drive, &tree, nodes.iter().filter(is_match))
    }
}

/// Find files by the MD5 of their content
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line is a path on the drive. With --json: {\"id\", \"path\", \"is_folder\"} for each file.

Example:
  drivedal amazon find-md5 local-amazon: d41d8cd98f00b204e9800998ecf8427e")]
pub(crate) struct FindMd5 {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,

    /// The MD5, 32 hexadecimal digits
    #[arg(value_parser = parse_md5)]
    md5: String,
}

impl FindMd5 {
    /// Prints the paths of the files with an MD5.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not an Amazon Drive; `NotFound` if no file has the MD5; the failure of a request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let remote = AmazonRemote::open(app, &self.drive).await?;
        let filter = Filter::kind(NodeKind::File)
            .and(Filter::status(NodeStatus::Available))
            .and(Filter::equals(FilterField::Md5, &self.md5));
        let files = remote.all(&self.drive, filter).await?;
        if files.is_empty() {
            return Err(nothing_found(&self.drive));
        }
        let folders = Filter::kind(NodeKind::Folder).and(Filter::status(NodeStatus::Available));
        let folders = remote.all(&self.drive, folders).await?;
        let tree = NodeTree::new(folders.iter().chain(&files));
        print(app, &self.drive, &tree, files.iter())
    }
}

/// Parses an MD5. Returns it in lower case.
///
/// # Errors
/// A message for the user if the text is not 32 hexadecimal digits.
fn parse_md5(text: &str) -> Result<String, String> {
    match text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("an MD5 has 32 hexadecimal digits".to_owned()),
    }
}

/// Returns `NotFound`: the drive has no match.
fn nothing_found(drive: &Location) -> Failure {
    Failure::new(Exit::NotFound, "no item matches").about(drive)
}

/// Prints the paths of nodes. Nodes that no path leads to, because they are below a folder in the
/// trash, are left out.
///
/// # Errors
/// `NotFound` if none has a path; `ClosedPipe` or `Failed` if results cannot be written.
fn print<'n>(
    app: &App,
    drive: &Location,
    tree: &NodeTree<'_>,
    nodes: impl Iterator<Item = &'n Node>,
) -> Result<Exit> {
    let mut found: Vec<_> =
        nodes.filter_map(|node| tree.path(node).map(|path| (path, node))).collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    if found.is_empty() {
        return Err(nothing_found(drive));
    }
    for (path, node) in found {
        let is_folder = node.kind == NodeKind::Folder;
        if app.output.is_json() {
            app.output.json(&json!({"id": node.id, "path": path, "is_folder": is_folder}))?;
            continue;
        }
        let slash = if is_folder { "/" } else { "" };
        app.output.line(format_args!("{}{slash}", app.output.shown(&path)))?;
    }
    Ok(Exit::Done)
}

impl AmazonRemote {
    /// Returns all nodes of the drive that match a filter.
    ///
    /// # Errors
    /// The failure of a request ([`Failure::from`]).
    async fn all(&self, drive: &Location, filter: Filter) -> Result<Vec<Node>> {
        let (mut nodes, mut query) = (Vec::new(), ListQuery::with_filter(filter));
        loop {
            let page = self.client()?.nodes(&self.cx, &query).await;
            let page = page.map_err(|error| failed(error, drive))?;
            nodes.extend(page.data);
            query.start_token = page.next_token;
            if query.start_token.is_none() {
                return Ok(nodes);
            }
        }
    }
}

/// The nodes of a drive by id, for their paths.
struct NodeTree<'n>(HashMap<&'n str, &'n Node>);

impl<'n> NodeTree<'n> {
    /// Indexes nodes. Those with the folders of a node must be among them.
    fn new(nodes: impl IntoIterator<Item = &'n Node>) -> Self {
        Self(nodes.into_iter().map(|node| (node.id.as_str(), node)).collect())
    }

    /// Returns a path from the root to a node, through the first of its folders that leads there;
    /// `None` if none does. Folders may contain themselves: each is visited once.
    fn path(&self, node: &Node) -> Option<String> {
        let mut seen = HashSet::new();
        self.path_through(node, &mut seen).map(|names| names.join("/"))
    }

    /// Returns the names from the root to a node, through folders that are not in `seen`. The depth
    /// of the recursion is limited.
    fn path_through<'s>(
        &'s self,
        node: &'s Node,
        seen: &mut HashSet<&'s str>,
    ) -> Option<Vec<&'s str>> {
        if node.is_root {
            return Some(Vec::new());
        }
        if seen.len() >= DEPTH_MAX || !seen.insert(&node.id) {
            return None;
        }
        let mut parents = node.parents.iter().flatten();
        let mut names = parents.find_map(|parent| {
            let parent = self.0.get(parent.as_str())?;
            self.path_through(parent, seen)
        })?;
        names.push(node.name.as_deref()?);
        Some(names)
    }
}

/// Maximum number of folders that are visited for a path.
const DEPTH_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parents: &[&str]) -> Node {
        let node = json!({
            "id": id, "name": id, "kind": "FOLDER", "isRoot": id == "root", "parents": parents,
        });
        serde_json::from_value(node).expect("a node")
    }

    #[test]
    fn a_path_leads_through_circles_to_the_root() {
        let nodes =
            [node("root", &[]), node("a", &["b", "root"]), node("b", &["a"]), node("c", &["c"])];
        let tree = NodeTree::new(&nodes);
        let path = |at: usize| tree.path(&nodes[at]);
        assert_eq!(path(1).as_deref(), Some("a"));
        assert_eq!(path(2).as_deref(), Some("a/b"));
        assert_eq!(path(3), None);
    }
}
