//! `drivedal mkdir`

use serde::Serialize;
use serde_json::Value;

use crate::{
    app::{App, EntryInfo, RemotePath, Workload},
    failure::{Exit, Failure, Result},
    location::{Addressing, Location},
    skydrive::info::{make_folder, new_folder, object},
};

/// Make folders
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --json one line each: {\"path\", \"result\": \"made\"}.

Examples:
  drivedal mkdir local-skydrive:photos
  drivedal mkdir -p work:reports/2014/may")]
pub(crate) struct Mkdir {
    /// The new folders
    #[arg(value_name = "NAME:PATH", value_parser = Location::parse, required = true)]
    folders: Vec<Location>,

    /// The folders above them too; fine if they are there already
    #[arg(short, long)]
    parents: bool,

    /// More to say of the folder, on a SkyDrive: '{\"description\": \"…\"}'
    #[arg(short, long, value_name = "JSON", value_parser = object, conflicts_with = "parents")]
    metadata: Option<Value>,

    /// What comes behind the colon is a path, even if it begins with what looks like an id
    #[arg(long, conflicts_with = "id")]
    path: bool,

    /// What comes behind the colon begins with an id
    #[arg(short, long)]
    id: bool,
}

#[derive(Serialize)]
struct CreatedRecord<'a> {
    path: &'a str,
    result: &'static str,
}

impl Mkdir {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let named = match (self.path, self.id) {
            (true, _) => Addressing::Path,
            (_, true) => Addressing::Id,
            _ => Addressing::Auto,
        };
        app.each(&self.folders, async |folder| {
            if let Some(metadata) = &self.metadata {
                let (parent, name) = new_folder(folder)?;
                make_folder(app, folder, &parent, name, metadata).await?;
                return match app.output.is_json() {
                    true => app.output.json(&CreatedRecord { path: &folder.text, result: "made" }),
                    false => Ok(()),
                };
            }
            let at = app.resolve(folder, named, Workload::Interactive).await?;
            if !self.parents {
                check_absent(&at).await?;
            }
            let made = at.operator().create_dir(&at.path.to_folder_arg()).await;
            made.map_err(|error| Failure::from(error).about(&at))?;
            match app.output.is_json() {
                true => app.output.json(&CreatedRecord { path: at.path.as_str(), result: "made" }),
                false => Ok(()),
            }
        })
        .await
    }
}

/// OpenDAL makes folders on the way, and is content with one that is there; without `-p` neither
/// is wanted.
async fn check_absent(at: &RemotePath) -> Result {
    let exists = || Failure::new(Exit::Exists, "already exists").about(at);
    if at.path.is_root() {
        return Err(exists());
    }
    match at.stat().await {
        Ok(_) => return Err(exists()),
        Err(failure) if failure.exit == Exit::NotFound => {}
        Err(failure) => return Err(failure),
    }
    let parent = RemotePath { path: at.path.parent(), ..at.clone() };
    if parent.path.is_root() {
        return Ok(());
    }
    match parent.stat().await? {
        EntryInfo::Folder(_) => Ok(()),
        EntryInfo::File(_) => Err(Failure::new(Exit::Failed, "is not a folder").about(parent)),
    }
}
