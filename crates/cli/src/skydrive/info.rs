//! `drivedal skydrive info` and `info-set`

use serde_json::Value;

use super::{ItemArgs, SkyDriveRemote, failed};
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    location::Location,
};

/// Print all fields of an item
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The output is the object of Live Connect, with --json on one line. It may contain URLs that need no
token. -k prints a field of it.

Examples:
  drivedal skydrive info local-skydrive:photos/a.jpg
  drivedal skydrive info -k '{camera_model} {when_taken}' local-skydrive:photos/a.jpg
  drivedal skydrive info local-skydrive:me/skydrive/my_documents")]
pub(crate) struct Info {
    #[command(flatten)]
    item: ItemArgs,
}

impl Info {
    /// Prints the object of an item.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not a SkyDrive; `NotFound` if the item does not exist; the failure of the request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (live, id) = self.item.resolve(app).await?;
        let object = live.client()?.document(&live.cx, &id, &[]).await;
        app.output.value(&object.map_err(|error| self.item.failed(error))?)?;
        Ok(Exit::Done)
    }
}

/// Change fields of an item
#[derive(Debug, clap::Args)]
#[command(after_help = "\
These fields can be changed: name and description; of songs title, artist, album, album_artist and
genre.

Examples:
  drivedal skydrive info-set local-skydrive:a.jpg '{\"description\": \"Maui\"}'
  drivedal skydrive info-set local-skydrive:a.mp3 '{\"title\": \"Wildlife\", \"genre\": null}'")]
pub(crate) struct InfoSet {
    #[command(flatten)]
    item: ItemArgs,

    /// The fields to change, and their new values
    #[arg(value_name = "JSON", value_parser = object)]
    fields: Value,
}

impl InfoSet {
    /// Changes fields of an item. Prints the changed object with `--json`.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not a SkyDrive; `NotFound` if the item does not exist; the failure of the request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (live, id) = self.item.resolve(app).await?;
        let changed = live.client()?.update_document(&live.cx, &id, &self.fields).await;
        let changed = changed.map_err(|error| self.item.failed(error))?;
        if app.output.is_json() {
            app.output.json(&changed)?;
        }
        Ok(Exit::Done)
    }
}

/// Parses a JSON object.
///
/// # Errors
/// A message for the user if the text is not a JSON object.
pub(crate) fn object(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    match value.is_object() {
        true => Ok(value),
        false => Err(r#"not a JSON object, as {"description": "…"}"#.to_owned()),
    }
}

/// Creates a folder with further fields, for `mkdir --metadata`. `folder` is the argument, for
/// messages; `parent` and `name` are its parts. Returns the new object.
///
/// # Errors
/// `Unsupported` if the remote is not a SkyDrive; `NotFound` if the parent does not exist; the
/// failure of the request ([`Failure::from`]).
pub(crate) async fn make_folder(
    app: &App,
    folder: &Location,
    parent: &Location,
    name: &str,
    metadata: &Value,
) -> Result<Value> {
    let live = SkyDriveRemote::open(app, folder).await?;
    let parent = live.id(parent, crate::location::Addressing::Auto).await?;
    let mut fields = metadata.clone();
    fields["name"] = name.into();
    let made = live.client()?.create_document(&live.cx, &parent, &fields).await;
    made.map_err(|error| failed(error, folder))
}

/// Splits the path of a new folder into its parent and its name.
///
/// # Errors
/// `Usage` if the name is empty.
pub(crate) fn new_folder(folder: &Location) -> Result<(Location, &str)> {
    let text = folder.text.trim_end_matches('/');
    let (above, name) = text.rsplit_once('/').unwrap_or(("", text));
    match name.is_empty() {
        true => Err(Failure::usage("the name of the new folder is missing").about(folder)),
        false => Ok((Location { remote: folder.remote.clone(), text: above.to_owned() }, name)),
    }
}
