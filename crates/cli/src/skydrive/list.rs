//! `drivedal skydrive recent`, and the output of `ls` and `tree` in the form of the old client.

use std::collections::{HashMap, HashSet};

use drivedal::services::skydrive::ROOT;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};

use super::{SkyDriveRemote, failed};
use crate::{
    app::App,
    failure::{Exit, Result},
    location::{Addressing, Location},
    units::ListRange,
};

/// Maximum number of concurrent listings.
const CONCURRENT_LISTINGS: usize = 8;

/// List the documents that were changed last
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The output is the objects of Live Connect, with --json as one list. -k prints a field of each.

Examples:
  drivedal skydrive recent local-skydrive:
  drivedal skydrive recent -k '{updated_time} {name}' local-skydrive:")]
pub(crate) struct Recent {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,
}

impl Recent {
    /// Prints the recent documents of a drive.
    ///
    /// # Errors
    /// `Unsupported` if the remote is not a SkyDrive; the failure of the request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let live = SkyDriveRemote::open(app, &self.drive).await?;
        let mut recent = live
            .client()?
            .document(&live.cx, "me/skydrive/recent_docs", &[])
            .await
            .map_err(|error| failed(error, &self.drive))?;
        app.output.value(&recent["data"].take())?;
        Ok(Exit::Done)
    }
}

impl SkyDriveRemote {
    /// Returns the Live Connect objects in a folder, or the range `part` of them, sorted by name.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist; the failure of a request ([`Failure::from`]).
    pub(crate) async fn objects(
        &self,
        at: &Location,
        named: Addressing,
        part: Option<ListRange>,
    ) -> Result<Vec<Value>> {
        let id = self.id(at, named).await?;
        let mut objects = self.files(&id, part).await.map_err(|error| failed(error, at))?;
        objects.sort_by(|a, b| name(a).cmp(name(b)));
        Ok(objects)
    }

    /// Returns the Live Connect objects in the folder with an id, of all pages. The range `part` is
    /// requested as one page.
    ///
    /// # Errors
    /// The error of the request; `Unexpected` if the response has no list.
    async fn files(
        &self,
        id: &str,
        part: Option<ListRange>,
    ) -> drivedal::drive::Result<Vec<Value>> {
        let client = self.client().map_err(|failure| {
            drivedal::drive::Error::new(drivedal::drive::ErrorKind::Unsupported, failure.message)
        })?;
        let path = format!("{id}/files");
        let Some(ListRange { offset, limit }) = part else {
            return client.documents(&self.cx, &path, &[]).await;
        };
        let numbers = [("offset", offset), ("limit", limit)].map(|(key, number)| {
            (key, number.map(|number| number.to_string()).unwrap_or_default())
        });
        let query: Vec<_> = numbers
            .iter()
            .filter(|(_, number)| !number.is_empty())
            .map(|(key, number)| (*key, number.as_str()))
            .collect();
        let mut response = client.document(&self.cx, &path, &query).await?;
        match response["data"].take() {
            Value::Array(all) => Ok(all),
            _ => Err(drivedal::drive::Error::new(
                drivedal::drive::ErrorKind::Unexpected,
                "the listing has no list in it",
            )),
        }
    }

    /// Returns a tree in the form of the old client: a mapping from names to subtrees, or to the
    /// type of a file. With `objects` a file has its type and its object.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist; the failure of a request ([`Failure::from`]).
    pub(crate) async fn tree(
        &self,
        at: &Location,
        named: Addressing,
        objects: bool,
    ) -> Result<Value> {
        let id = self.id(at, named).await?;
        let client = self.client()?;
        let top = client.document(&self.cx, &id, &[]).await.map_err(|error| failed(error, at))?;
        let below = self.below(id, objects).await.map_err(|error| failed(error, at))?;
        Ok(Map::from_iter([(name(&top).to_owned(), below)]).into())
    }

    /// Returns the tree below a folder as a JSON object with an entry for each item: folders as
    /// such objects, files as their type, or as type and object of Live Connect if `objects` is
    /// set. `folder` is the id.
    ///
    /// # Errors
    /// The first error of a request.
    fn below(
        &self,
        folder: String,
        objects: bool,
    ) -> futures::future::BoxFuture<'_, drivedal::drive::Result<Value>> {
        Box::pin(async move {
            let children = self.files(&folder, None).await?;
            let keys = keys(&children);
            let below =
                stream::iter(keys.into_iter().zip(children)).map(|(key, child)| async move {
                    let kind = child["type"].as_str().unwrap_or_default().to_owned();
                    let shown = match kind.as_str() {
                        "folder" | "album" => {
                            let id = child["id"].as_str().unwrap_or(ROOT).to_owned();
                            self.below(id, objects).await?
                        }
                        _ if objects => Value::from(vec![kind.into(), child]),
                        _ => kind.into(),
                    };
                    drivedal::drive::Result::Ok((key, shown))
                });
            let below: Map<_, _> =
                below.buffer_unordered(CONCURRENT_LISTINGS).try_collect().await?;
            Ok(below.into())
        })
    }
}

/// Returns a key for each item of a folder. The key is the name, as in the old client. Items that
/// share a name get `NAME (ID)`: keys of a YAML mapping are unique, and the old client dropped all
/// but one of those items.
fn keys(items: &[Value]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for item in items {
        *counts.entry(name(item)).or_default() += 1;
    }
    let mut taken: HashSet<String> = counts.keys().map(|&name| name.to_owned()).collect();
    let key = |item: &Value| {
        let mut key = name(item).to_owned();
        if counts[name(item)] > 1 {
            // Another item may have that text as its name.
            while !taken.insert(key.clone()) {
                key = format!("{key} ({})", item["id"].as_str().unwrap_or_default());
            }
        }
        key
    };
    items.iter().map(key).collect()
}

/// Returns the name of an object; empty if it has none.
fn name(object: &Value) -> &str {
    object["name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_of_one_name_have_different_keys_and_the_others_keep_their_names() {
        let item = |name: &str, id: &str| json!({"name": name, "id": id});
        let items = [
            item("a", "1"),
            item("a", "2"),
            item("a (1)", "3"),
            item("b", "4"),
            item("a", "2"),
            item("", ""),
        ];
        assert_eq!(keys(&items), ["a (1) (1)", "a (2)", "a (1)", "b", "a (2) (2)", ""]);
    }
}
