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
use drivedal_transfer::Endpoint;
use url::Url;

use super::place::{OpenPlace, endpoint_on, remote_endpoint};
use crate::{
    failure::{Exit, Failure, Result},
    remote::{OpenRemote, RemotePath},
};

/// The maximum number of folders above an item. Folders may contain themselves, because of links.
const FOLDERS_MAX: usize = 1_000;

/// The options that choose a drive other than that of the signed-in user.
const DRIVE_OPTIONS: [&str; 5] = ["drive_id", "user", "group", "site", "library"];

/// The endpoints of a transfer.
pub(super) struct EndpointPair {
    pub(super) source: Endpoint,
    pub(super) target: Endpoint,
    /// Whether one endpoint is inside the other, as far as the engine cannot notice it.
    overlaps: bool,
}

impl EndpointPair {
    /// Verifies that a plan may change files: no endpoint is inside the other.
    ///
    /// # Errors
    /// `Usage` if one is.
    pub(super) fn check_separate(&self) -> Result {
        match self.overlaps {
            false => Ok(()),
            true => Err(Failure::usage(format!(
                "cannot transfer from {} to {}: one is inside the other",
                self.source.name(),
                self.target.name()
            ))),
        }
    }
}

/// Returns the endpoints of two places. Sends requests if both are drives of one cloud, but not the
/// same remote.
///
/// # Errors
/// Those of [`pair_remotes`].
pub(super) async fn pair(source: &OpenPlace, target: &OpenPlace) -> Result<EndpointPair> {
    match (source, target) {
        (OpenPlace::Remote { at: from, .. }, OpenPlace::Remote { at: to, .. }) => {
            pair_remotes(from, to).await
        }
        _ => Ok(EndpointPair {
            source: source.endpoint().clone(),
            target: target.endpoint().clone(),
            overlaps: false,
        }),
    }
}

/// Returns the endpoints of two remotes. If one account has both, they have one operator, so that
/// the drive copies and moves files itself.
///
/// # Errors
/// The failure of a request ([`Failure::from`]); `Failed` if too many folders are above an item.
pub(super) async fn pair_remotes(from: &RemotePath, to: &RemotePath) -> Result<EndpointPair> {
    let (one, other) = (&*from.remote, &*to.remote);
    let mut pair = EndpointPair {
        source: remote_endpoint(from),
        target: remote_endpoint(to),
        overlaps: false,
    };
    if Arc::ptr_eq(&from.remote, &to.remote) || one.scheme != other.scheme {
        return Ok(pair);
    }
    let (here, there) = (StoreAddress::new(one)?, StoreAddress::new(other)?);
    let (is_one_root, is_one_account) = if let (Some(_), Some(_)) = (&one.handle, &other.handle) {
        if !here.may_be(&there) {
            return Ok(pair);
        }
        let of = |at: &RemotePath, failure: Failure| failure.about(at);
        let root = one.root_id().await.map_err(|failure| of(from, failure))?;
        let is_one_root = root == other.root_id().await.map_err(|failure| of(to, failure))?;
        let chooses = |remote: &OpenRemote| {
            let is_set = |key: &&str| remote.source.get_option(key).is_ok_and(|set| set.is_some());
            DRIVE_OPTIONS.iter().any(is_set)
        };
        let is_own_drive = !chooses(one) && !chooses(other);
        (is_one_root, is_one_root && (is_own_drive || options(one)? == options(other)?))
    } else if one.scheme == "memory" || here != there {
        // Each `memory` remote has its own files.
        return Ok(pair);
    } else {
        (true, options(one)? == options(other)?)
    };
    if is_one_account && let Some(nested) = on_one_operator(from, to) {
        return Ok(nested);
    }
    pair.overlaps = match is_one_root {
        true => is_prefix(&names(from), &names(to)),
        // A root may be a special folder, and a path may lead through a shortcut.
        false => Trail::request(from).await?.overlaps(&Trail::request(to).await?),
    };
    Ok(pair)
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

/// Returns the endpoints of two remotes that differ only in their roots, both on the operator of the
/// outer root. `None` if no root is inside the other.
fn on_one_operator(from: &RemotePath, to: &RemotePath) -> Option<EndpointPair> {
    let below = |inner: &RemotePath, outer: &RemotePath| {
        let root = |at: &RemotePath| -> Vec<String> {
            let root = at.operator().info().root();
            root.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let keys = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| key_of_name(&outer.remote, name)).collect()
        };
        let (inner_root, outer_root) = (root(inner), root(outer));
        keys(&inner_root).starts_with(&keys(&outer_root)).then(|| {
            let mut path = inner_root[outer_root.len()..].join("/");
            if !inner.path.is_root() {
                path = format!("{path}/{}", inner.path.as_str());
            }
            endpoint_on(&outer.remote, &path, inner)
        })
    };
    let (source, target) = match below(to, from) {
        Some(target) => (remote_endpoint(from), target),
        None => (below(from, to)?, remote_endpoint(to)),
    };
    Some(EndpointPair { source, target, overlaps: false })
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
