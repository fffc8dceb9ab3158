//! Two remotes that lead to one drive or store, by other names, URIs, roots or accounts.
//!
//! Without this check a move would compare each file with itself and delete it, and a sync could
//! delete its own source. If one account has both remotes, the drive itself copies and moves files.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use drivedal::{
    adapter::DriveHandle,
    drive::{Conditions, ErrorKind, ItemId, ItemRef},
};
use url::Url;

use super::place::{OpenPlace, remote_endpoint};
use crate::{
    failure::{Exit, Failure, Result},
    location::DrivePath,
    remote::{OpenRemote, RemotePath},
};

/// The maximum number of folders above an item. Folders may contain themselves, because of links.
const FOLDERS_MAX: usize = 1_000;

/// The options that choose a drive other than that of the signed-in user.
const DRIVE_OPTIONS: [&str; 5] = ["drive_id", "user", "group", "site", "library"];

/// Both sides of a transfer.
pub(super) struct PlacePair {
    pub(super) source: OpenPlace,
    pub(super) target: OpenPlace,
    /// Whether one place is inside the other, as far as the engine cannot notice it.
    overlaps: bool,
}

impl PlacePair {
    /// Returns the pair of two places. If one account has both, they are on one remote afterwards,
    /// so that the drive copies and moves files itself. Sends requests if both are drives of one
    /// cloud, but not the same remote.
    ///
    /// # Errors
    /// The failure of a request ([`Failure::from`]); `Failed` if too many folders are above an item.
    pub(super) async fn new(source: OpenPlace, target: OpenPlace) -> Result<Self> {
        let relation = match (&source, &target) {
            (OpenPlace::Remote { at: from, .. }, OpenPlace::Remote { at: to, .. }) => {
                relation(from, to).await?
            }
            _ => Relation::Separate,
        };
        Ok(match relation {
            Relation::Separate => Self { source, target, overlaps: false },
            Relation::Overlap => Self { source, target, overlaps: true },
            Relation::OneRemote(places) => {
                let (source, target) = *places;
                Self { source, target, overlaps: false }
            }
        })
    }

    /// Verifies that a plan may change files: no place is inside the other.
    ///
    /// # Errors
    /// `Usage` if one is.
    pub(super) fn check_separate(&self) -> Result {
        match self.overlaps {
            false => Ok(()),
            true => Err(Failure::usage(format!(
                "cannot transfer from {} to {}: one is inside the other",
                self.source.endpoint().name(),
                self.target.endpoint().name()
            ))),
        }
    }
}

/// The relation of two places on remotes.
enum Relation {
    /// No place is inside the other, or they are on one remote, so that the engine notices it.
    Separate,
    /// One place is inside the other.
    Overlap,
    /// Both places, on one remote.
    OneRemote(Box<(OpenPlace, OpenPlace)>),
}

/// Returns the relation of two places.
///
/// # Errors
/// Those of [`PlacePair::new`].
async fn relation(from: &RemotePath, to: &RemotePath) -> Result<Relation> {
    let (one, other) = (&*from.remote, &*to.remote);
    if Arc::ptr_eq(&from.remote, &to.remote) || one.scheme != other.scheme {
        return Ok(Relation::Separate);
    }
    let (here, there) = (StoreAddress::new(one)?, StoreAddress::new(other)?);
    let is_drive = one.handle.is_some() && other.handle.is_some();
    let may_be_one = match is_drive {
        true => here.may_be(&there),
        // Each `memory` remote has its own files.
        false => one.scheme != "memory" && here == there,
    };
    if !may_be_one {
        return Ok(Relation::Separate);
    }
    let is_one_root = !is_drive || root_id(from).await? == root_id(to).await?;
    let is_own_drive = is_drive && !chooses_drive(one) && !chooses_drive(other);
    if is_one_root
        && (is_own_drive || options(one)? == options(other)?)
        && let Some(nested) = on_one_remote(from, to)
    {
        return Ok(nested);
    }
    let overlaps = match is_one_root {
        true => is_prefix(&names(from), &names(to)),
        // A root may be a special folder, and a path may lead through a shortcut.
        false => Trail::request(from).await?.overlaps(&Trail::request(to).await?),
    };
    Ok(if overlaps { Relation::Overlap } else { Relation::Separate })
}

/// Returns the id of the root of a drive.
///
/// # Errors
/// Those of [`OpenRemote::root_id`].
async fn root_id(at: &RemotePath) -> Result<&str> {
    at.remote.root_id().await.map_err(|failure| failure.about(at))
}

/// Returns whether the options of a drive choose another one than that of the signed-in user.
fn chooses_drive(remote: &OpenRemote) -> bool {
    let is_set = |key: &&str| remote.source.get_option(key).is_ok_and(|value| value.is_some());
    DRIVE_OPTIONS.iter().any(is_set)
}

/// The network address of a service.
#[derive(Debug, PartialEq, Eq)]
struct StoreAddress {
    /// The scheme, host and port. `None` if no endpoint is configured.
    origin: Option<String>,
    /// The bucket. Empty for a service without buckets.
    bucket: String,
}

impl StoreAddress {
    /// Returns the configured address of a remote. The path of an endpoint is not part of it: see
    /// [`names`].
    ///
    /// # Errors
    /// `Usage` if the URI of the remote cannot be parsed.
    fn new(remote: &OpenRemote) -> Result<Self> {
        let origin = remote.source.get_option("endpoint")?.map(|text| match Url::parse(&text) {
            Ok(url) if url.has_host() => url.origin().ascii_serialization(),
            _ => text,
        });
        // The name of a drive's service is that of its remote.
        let is_drive = remote.handle.is_some();
        let bucket =
            if is_drive { String::new() } else { remote.operator.info().name().to_string() };
        Ok(Self { origin, bucket })
    }

    /// Returns whether two drives may have this address: the default endpoint of a cloud can be
    /// configured, too.
    fn may_be(&self, other: &Self) -> bool {
        self.origin.is_none() || other.origin.is_none() || self.origin == other.origin
    }
}

/// Returns the options of a remote, except those that differ between two views of one drive.
///
/// # Errors
/// `Usage` if the URI of the remote cannot be parsed.
fn options(remote: &OpenRemote) -> Result<BTreeMap<String, String>> {
    let mut options = remote.source.options()?;
    options.retain(|key, _| !matches!(key.as_str(), "root" | "index_ttl"));
    Ok(options)
}

/// Returns the names from the root of the drive or store to a place, as the service compares them.
fn names(at: &RemotePath) -> Vec<String> {
    let endpoint = match at.remote.handle {
        Some(_) => None,
        // The path of the URL is part of a WebDAV server's tree.
        None => at.remote.source.get_option("endpoint").ok().flatten(),
    };
    let url = endpoint.and_then(|text| Url::parse(&text).ok());
    let prefix = url.as_ref().map(Url::path).unwrap_or_default();
    let root = at.operator().info().root();
    let names = [prefix, &*root, at.path.as_str()];
    let names = names.iter().flat_map(|path| path.split('/')).filter(|name| !name.is_empty());
    names.map(|name| key_of_name(&at.remote, name)).collect()
}

/// Returns the key of a name, which two names share if the service treats them as one.
fn key_of_name(remote: &OpenRemote, name: &str) -> String {
    match &remote.handle {
        Some(handle) => (handle.drive().capabilities().collision_key)(name).into_owned(),
        None => name.to_owned(),
    }
}

/// Returns whether one list begins with the other.
fn is_prefix(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Returns two places of remotes that differ only in their roots, both on the remote of the outer
/// root. Their names for messages stay. `None` if no root is inside the other.
fn on_one_remote(from: &RemotePath, to: &RemotePath) -> Option<Relation> {
    let below = |inner: &RemotePath, outer: &RemotePath| {
        let root = |at: &RemotePath| -> Vec<String> {
            let root = at.operator().info().root();
            root.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let keys = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| key_of_name(&outer.remote, name)).collect()
        };
        let (inner_root, outer_root) = (root(inner), root(outer));
        let is_inside = keys(&inner_root).starts_with(&keys(&outer_root));
        is_inside.then(|| {
            let path = format!("{}/{}", inner_root[outer_root.len()..].join("/"), inner.path);
            let path = DrivePath::parse(&path).ok()?;
            let at = RemotePath { remote: Arc::clone(&outer.remote), path };
            let endpoint = remote_endpoint(&at).with_name(inner.to_string());
            Some(OpenPlace::Remote { at, endpoint })
        })?
    };
    let unchanged = |at: &RemotePath| OpenPlace::from_remote(at.clone());
    Some(match below(to, from) {
        Some(target) => Relation::OneRemote(Box::new((unchanged(from), target))),
        None => Relation::OneRemote(Box::new((below(from, to)?, unchanged(to)))),
    })
}

/// The items from a place up to the root of its drive, by their ids: unlike paths, they are the same
/// for all accounts, special folders and shortcuts.
struct Trail {
    /// The key of the place's item, or of the lowest existing folder above it. `None` if the root of
    /// the remote does not exist.
    item: Option<String>,
    /// The keys of the item and of all folders above it that the account can see.
    above: HashSet<String>,
    /// The keys of the names below the item that do not exist.
    missing: Vec<String>,
}

impl Trail {
    /// Requests the items of a place on a drive: one request for the place, and one for each folder
    /// above it.
    ///
    /// # Errors
    /// `Unsupported` if the remote is not a drive; the failure of a request ([`Failure::from`]);
    /// `Failed` if too many folders are above the item.
    async fn request(at: &RemotePath) -> Result<Self> {
        let handle = at.remote.drive("ids")?;
        let names: Vec<_> = at.path.as_str().split('/').filter(|name| !name.is_empty()).collect();
        let key = |name: &&str| key_of_name(&at.remote, name);
        for depth in (0..=names.len()).rev() {
            let path = if depth == 0 { "/".to_owned() } else { names[..depth].join("/") };
            let item = match handle.item(at.operator(), &path).await {
                Ok(item) => item,
                Err(error) => match error.kind() {
                    opendal::ErrorKind::NotFound | opendal::ErrorKind::NotADirectory => continue,
                    _ => return Err(Failure::from(error).about(at)),
                },
            };
            let above = folders_above(handle, at, &item.id).await?;
            let missing = names[depth..].iter().map(key).collect();
            return Ok(Self { item: Some(item_key(&item.id)), above, missing });
        }
        Ok(Self { item: None, above: HashSet::new(), missing: Vec::new() })
    }

    /// Returns whether one place is the other one, or is inside it.
    fn overlaps(&self, other: &Self) -> bool {
        let (Some(ours), Some(theirs)) = (&self.item, &other.item) else { return false };
        (self.missing.is_empty() && other.above.contains(ours))
            || (other.missing.is_empty() && self.above.contains(theirs))
            || (ours == theirs && is_prefix(&self.missing, &other.missing))
    }
}

/// Requests all folders above an item. Returns their keys and that of the item. A folder that the
/// account cannot see, such as that above a shared folder, ends the search.
///
/// # Errors
/// The failure of a request ([`Failure::from`]); `Failed` for more than [`FOLDERS_MAX`] folders.
async fn folders_above(
    handle: &DriveHandle,
    at: &RemotePath,
    item: &ItemId,
) -> Result<HashSet<String>> {
    let context = DriveHandle::context(at.operator());
    let mut keys = HashSet::new();
    let mut waiting = vec![item.clone()];
    while let Some(id) = waiting.pop() {
        if !keys.insert(item_key(&id)) {
            continue;
        }
        if keys.len() > FOLDERS_MAX {
            let reason = format!("more than {FOLDERS_MAX} folders are above it");
            return Err(Failure::new(Exit::Failed, reason).about(at));
        }
        if let Some((_, target)) = id.as_str().split_once('~') {
            waiting.push(ItemId::from(target));
        }
        match handle.drive().item(&context, &ItemRef::from_id(&id), Conditions::NONE).await {
            Ok(item) => waiting.extend(item.parents),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {}
            Err(error) => {
                return Err(Failure::from(DriveHandle::to_opendal_error(error)).about(at));
            }
        }
    }
    Ok(keys)
}

/// Returns the part of an id that all remotes of a cloud have in common. OneDrive's ids may have that
/// of a shortcut and that of a drive before them, and vary in case (onedrive-graph#drive-id-inconsistencies).
pub(super) fn item_key(id: &ItemId) -> String {
    let id = id.as_str();
    let id = id.rsplit(['~', '#']).next().unwrap_or(id);
    id.to_ascii_lowercase()
}

/// Returns an identity of the service of a remote, for comparing items of several remotes.
pub(super) fn service_key(remote: &OpenRemote) -> String {
    let endpoint = remote.source.get_option("endpoint").ok().flatten().unwrap_or_default();
    format!("{} {}", remote.scheme, endpoint.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(above: &[&str], missing: &[&str]) -> Trail {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Trail {
            item: above.first().map(|item| (*item).to_owned()),
            above: own(above).into_iter().collect(),
            missing: own(missing),
        }
    }

    #[test]
    fn places_overlap_by_the_folders_above_them() {
        for (one, other, expected) in [
            (trail(&["d", "root"], &[]), trail(&["e", "d", "root"], &[]), true),
            (trail(&["d", "root"], &[]), trail(&["d", "root"], &["new"]), true),
            (trail(&["root"], &["new"]), trail(&["root"], &["new", "below"]), true),
            (trail(&["root"], &["new"]), trail(&["root"], &["other"]), false),
            (trail(&["root"], &["new"]), trail(&["d", "root"], &[]), false),
            (trail(&["d", "root"], &[]), trail(&["e", "root"], &[]), false),
            (trail(&[], &[]), trail(&["root"], &[]), false),
        ] {
            assert_eq!(one.overlaps(&other), expected);
            assert_eq!(other.overlaps(&one), expected);
        }
    }

    #[test]
    fn ids_of_all_forms_have_one_key() {
        for id in ["ABC!1", "abc!1", "b!drive#ABC!1", "OWN!2~abc#ABC!1"] {
            assert_eq!(item_key(&ItemId::from(id)), "abc!1", "{id}");
        }
    }
}
