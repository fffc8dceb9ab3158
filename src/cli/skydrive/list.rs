//! `drivedal recent`, and `ls` and `tree` as the old client had them.

use drivedal::services::skydrive::ROOT;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};

use super::{Live, failed};
use crate::cli::{
    app::App,
    failure::{Exit, Result},
    location::{Location, Named},
    units::Part,
};

/// Folders that are listed at once.
const AT_ONCE: usize = 8;

/// Show the documents of a SkyDrive that were changed last
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The API's objects as they are, with --json as one list. -k shows a part of each.

Examples:
  drivedal recent local-skydrive:
  drivedal recent -k '{updated_time} {name}' local-skydrive:")]
pub(crate) struct Recent {
    /// The drive
    #[arg(value_name = "NAME:", value_parser = Location::parse)]
    drive: Location,
}

impl Recent {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let live = Live::open(app, &self.drive).await?;
        let mut recent = live
            .client()?
            .document(&live.cx, "me/skydrive/recent_docs", &[])
            .await
            .map_err(|error| failed(error, &self.drive))?;
        app.output.value(&recent["data"].take())?;
        Ok(Exit::Done)
    }
}

impl Live {
    /// The objects in a folder, or a part of them, sorted by name.
    ///
    /// # Errors
    /// Those of the requests.
    pub(crate) async fn objects(
        &self,
        at: &Location,
        named: Named,
        part: Option<Part>,
    ) -> Result<Vec<Value>> {
        let id = self.id(at, named).await?;
        let mut objects = self.files(&id, part).await.map_err(|error| failed(error, at))?;
        objects.sort_by(|a, b| name(a).cmp(name(b)));
        Ok(objects)
    }

    async fn files(&self, id: &str, part: Option<Part>) -> drivedal::drive::Result<Vec<Value>> {
        let Part { offset, limit } = part.unwrap_or_default();
        let numbers = [("offset", offset), ("limit", limit)].map(|(key, number)| {
            (key, number.map(|number| number.to_string()).unwrap_or_default())
        });
        let query: Vec<_> = numbers
            .iter()
            .filter(|(_, number)| !number.is_empty())
            .map(|(key, number)| (*key, number.as_str()))
            .collect();
        let client = self.client().map_err(|failure| {
            drivedal::drive::Error::new(drivedal::drive::ErrorKind::Unsupported, failure.message)
        })?;
        let mut answer = client.document(&self.cx, &format!("{id}/files"), &query).await?;
        match answer["data"].take() {
            Value::Array(all) => Ok(all),
            _ => Err(drivedal::drive::Error::new(
                drivedal::drive::ErrorKind::Unexpected,
                "the listing has no list in it",
            )),
        }
    }

    /// A folder and all below it as the old client's `tree` had it: names, each with its own below
    /// it or its type; `objects`: with the objects too.
    ///
    /// # Errors
    /// Those of the requests.
    pub(crate) async fn tree(&self, at: &Location, named: Named, objects: bool) -> Result<Value> {
        let id = self.id(at, named).await?;
        let client = self.client()?;
        let top = client.document(&self.cx, &id, &[]).await.map_err(|error| failed(error, at))?;
        let below = self.below(id, objects).await.map_err(|error| failed(error, at))?;
        Ok(Map::from_iter([(name(&top).to_owned(), below)]).into())
    }

    fn below(
        &self,
        folder: String,
        objects: bool,
    ) -> futures::future::BoxFuture<'_, drivedal::drive::Result<Value>> {
        Box::pin(async move {
            let children = self.files(&folder, None).await?;
            let below = stream::iter(children).map(|child| async move {
                let kind = child["type"].as_str().unwrap_or_default().to_owned();
                let name = name(&child).to_owned();
                let shown = match kind.as_str() {
                    "folder" | "album" => {
                        let id = child["id"].as_str().unwrap_or(ROOT).to_owned();
                        self.below(id, objects).await?
                    }
                    _ if objects => Value::from(vec![kind.into(), child]),
                    _ => kind.into(),
                };
                drivedal::drive::Result::Ok((name, shown))
            });
            let below: Map<_, _> = below.buffer_unordered(AT_ONCE).try_collect().await?;
            Ok(below.into())
        })
    }
}

fn name(object: &Value) -> &str {
    object["name"].as_str().unwrap_or_default()
}
