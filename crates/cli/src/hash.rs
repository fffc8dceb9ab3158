//! `drivedal hash`

use base64::{Engine, prelude::BASE64_STANDARD};
use drivedal::drive::HashKind;
use futures::TryStreamExt;
use opendal::Metadata;
use serde_json::json;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    item::{hash_name, hexadecimal},
    listing::{Depth, Listed, list},
    location::Location,
    options::AddressingArgs,
    remote::RemotePath,
    transfer::checksum::{Hasher, KINDS},
};

/// Print the hashes of files, one line per file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The lines have the form of sha1sum: the hash in hexadecimal and the path, below a folder relative to it.
The hash is the one that the drive lists, without a download: quickxor of OneDrive (some drives also
sha1 or sha256), md5 of Amazon Drive, none of SkyDrive. With --json each file is a line: {\"path\",
\"hashes\": {\"md5\": \"...\"}}.

Examples:
  drivedal hash work:photos
  drivedal hash --hash sha256 --download local-skydrive:a.iso")]
pub(crate) struct HashCommand {
    /// The files, or folders with everything below them
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse, required = true)]
    items: Vec<Location>,

    /// Print this hash; by default the first one that the drive lists
    #[arg(long, value_enum, value_name = "TYPE")]
    hash: Option<HashType>,

    /// Download the files and compute the hash; by default sha256
    #[arg(long)]
    download: bool,

    /// Print the hash in base64
    #[arg(long)]
    base64: bool,

    #[command(flatten)]
    addressing: AddressingArgs,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum HashType {
    /// OneDrive's own hash
    #[value(alias = "quick_xor")]
    Quickxor,
    /// MD5
    Md5,
    /// SHA-1
    Sha1,
    /// SHA-256
    Sha256,
}

impl From<HashType> for HashKind {
    fn from(hash: HashType) -> Self {
        match hash {
            HashType::Quickxor => Self::QuickXor,
            HashType::Md5 => Self::Md5,
            HashType::Sha1 => Self::Sha1,
            HashType::Sha256 => Self::Sha256,
        }
    }
}

impl HashCommand {
    /// Prints the hashes of the files.
    ///
    /// # Errors
    /// The failure of a single argument; `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        app.for_each_argument(&self.items, async |item| {
            let at = app.resolve(item, self.addressing.mode(), Workload::Bulk).await?;
            self.print_tree(app, &at).await
        })
        .await
    }

    /// Prints the hashes of a file, or of all files below a folder. Failures of files are reported,
    /// and the others follow.
    ///
    /// # Errors
    /// `NotFound` if the item does not exist; the last failure of a file; the failure of a request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    async fn print_tree(&self, app: &App, at: &RemotePath) -> Result {
        let listing = match list(at, Depth::Tree).await? {
            Listed::Folder(listing) => listing,
            Listed::File(metadata) => {
                let name = at.path.name().unwrap_or_default();
                return self.print_file(app, at, name, &metadata).await;
            }
        };
        let (items, mut failures) = listing.sorted().await;
        for (path, metadata) in items {
            if !metadata.is_file() {
                continue;
            }
            let shown = path.as_str().strip_prefix(at.path.as_str()).unwrap_or_default();
            let shown = shown.trim_start_matches('/').to_owned();
            let file = RemotePath { path, ..at.clone() };
            if let Err(failure) = self.print_file(app, &file, &shown, &metadata).await {
                if failure.is_silent() {
                    return Err(failure);
                }
                failures.push(failure);
            }
        }
        match failures.pop() {
            None => Ok(()),
            Some(last) => {
                failures.iter().try_for_each(|failure| app.output.failed(failure))?;
                Err(last)
            }
        }
    }

    /// Prints the hash of a file. `shown` is the path to print.
    ///
    /// # Errors
    /// `Unsupported` if the drive lists no such hash of the file; the failure of a request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    async fn print_file(
        &self,
        app: &App,
        at: &RemotePath,
        shown: &str,
        metadata: &Metadata,
    ) -> Result {
        let wanted = self.hash.map(HashKind::from);
        let (kind, hash) = match self.download {
            true => {
                let kind = wanted.unwrap_or(HashKind::Sha256);
                (kind, computed(at, kind).await?)
            }
            false => {
                let listed = listed(at, metadata).await?;
                let chosen = KINDS
                    .into_iter()
                    .filter(|kind| wanted.is_none_or(|wanted| wanted == *kind))
                    .find_map(|kind| listed.iter().find(|(has, _)| *has == kind));
                chosen.cloned().ok_or_else(|| missing_hash(at, wanted, &listed))?
            }
        };
        let text = match self.base64 {
            true => BASE64_STANDARD.encode(&hash),
            false => hexadecimal(&hash),
        };
        if app.output.is_json() {
            return app.output.json(&json!({"path": shown, "hashes": { hash_name(kind): text }}));
        }
        app.output.line(format_args!("{text}  {}", app.output.shown(shown)))
    }
}

/// Returns the failure for a file without the wanted hash. `listed` are its hashes.
fn missing_hash(
    at: &RemotePath,
    wanted: Option<HashKind>,
    listed: &[(HashKind, Box<[u8]>)],
) -> Failure {
    let name = wanted.map_or("", hash_name);
    let names: Vec<_> = listed.iter().map(|(kind, _)| hash_name(*kind)).collect();
    let text = match names.as_slice() {
        [] => "the drive lists no hash of it".to_owned(),
        names => format!("the drive lists no {name} of it, but {}", names.join(", ")),
    };
    Failure::new(Exit::Unsupported, text).hint("compute it with --download").about(at)
}

/// Returns the hashes that a drive lists of a file.
///
/// # Errors
/// The failure of the request for the item ([`Failure::from`]), if the listing is too old.
async fn listed(at: &RemotePath, metadata: &Metadata) -> Result<Vec<(HashKind, Box<[u8]>)>> {
    let Some(handle) = &at.remote.handle else {
        let md5 = metadata.content_md5().and_then(|md5| BASE64_STANDARD.decode(md5).ok());
        return Ok(md5.map(|md5| (HashKind::Md5, md5.into())).into_iter().collect());
    };
    if let Some(item) = handle.cached_item(at.path.as_str()) {
        return Ok(item.hashes);
    }
    let item = handle.item(at.operator(), at.path.as_str()).await;
    Ok(item.map_err(|error| Failure::from(error).about(at))?.hashes)
}

/// Downloads a file and returns its hash.
///
/// # Errors
/// `NotFound` if it does not exist any more; the failure of a request ([`Failure::from`]).
async fn computed(at: &RemotePath, kind: HashKind) -> Result<Box<[u8]>> {
    let fail = |error| Failure::from(error).doing("read").about(at);
    let reader = at.operator().reader(&at.file_path()?).await.map_err(fail)?;
    let mut bytes = reader.into_stream(..).await.map_err(fail)?;
    let mut hasher = Hasher::new(kind);
    while let Some(piece) = bytes.try_next().await.map_err(fail)? {
        for chunk in piece {
            hasher.update(&chunk);
        }
    }
    Ok(hasher.finish().into_bytes())
}
