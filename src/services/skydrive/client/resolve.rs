//! Names to ids, for users of the unbiased client.

use super::{Client, ROOT};
use crate::{
    drive::{Context, Error, ErrorKind, Result},
    services::skydrive::{
        model::{Object, ObjectKind},
        options::Listing,
    },
};

/// How many names are looked at with one request, as in the old client.
const PART: u64 = 500;

/// The most requests for one name: a cloud might fill every part without end.
const PARTS_MAX: u64 = 10_000;

impl Client {
    /// The id of what a path names, from the folder `from` on: names separated by `/` or `\`, which
    /// are compared exactly. Each folder on the way is listed, in parts of 500, until the name is
    /// found. A path that begins with `me/skydrive` is an id already, as in the old client
    /// (live-connect#path-resolution).
    ///
    /// Of several items with one name it is the last of the part, as there. For anything but single
    /// look-ups the [`Operator`](opendal::Operator) is better: it remembers what it saw.
    ///
    /// # Errors
    /// `NotFound`, with the folder that was found last and the names that were not.
    pub async fn resolve(&self, cx: &Context, from: &str, path: &str) -> Result<String> {
        if path.starts_with(ROOT) {
            return Ok(path.to_owned());
        }
        let names: Vec<&str> = path.split(['/', '\\']).filter(|name| !name.is_empty()).collect();
        let mut at = from.to_owned();
        for (depth, name) in names.iter().enumerate() {
            let found = self.named(cx, &at, name).await;
            at = match found {
                Ok(Some(id)) => id,
                Ok(None) => return Err(missing(&at, &names[depth..])),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(self.not_listed(cx, &at, &names[depth..], error).await);
                }
                Err(error) => return Err(error),
            };
        }
        Ok(at)
    }

    /// The object that a path names; see [`resolve`](Self::resolve).
    ///
    /// # Errors
    /// As `resolve`.
    pub async fn resolve_object(&self, cx: &Context, from: &str, path: &str) -> Result<Object> {
        let id = self.resolve(cx, from, path).await?;
        self.object(cx, &id).await
    }

    /// Returns the error for a folder whose listing was not found: its items are missing only if
    /// the folder itself is, or is no folder.
    async fn not_listed(&self, cx: &Context, at: &str, names: &[&str], error: Error) -> Error {
        match self.object(cx, at).await {
            Ok(Object { kind: ObjectKind::Folder | ObjectKind::Album, .. }) => {
                let text = format!("cannot list the folder {at}: {error}");
                Error::new(ErrorKind::Unexpected, text).with_source(error)
            }
            Ok(_) => missing(at, names),
            Err(gone) if gone.kind() == ErrorKind::NotFound => missing(at, names),
            Err(failure) => failure,
        }
    }

    async fn named(&self, cx: &Context, folder: &str, name: &str) -> Result<Option<String>> {
        for number in 0..PARTS_MAX {
            let offset = number * PART;
            let part = Listing { limit: Some(PART), offset: Some(offset), ..Listing::default() };
            let objects = self.files(cx, folder, &part).await?.data;
            let full = objects.len() as u64 >= PART;
            let found = objects.into_iter().rfind(|object| object.name == name);
            if found.is_some() || !full {
                return Ok(found.map(|object| object.id));
            }
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            format!("cannot end the listing: the folder has more than {PARTS_MAX} parts"),
        ))
    }
}

fn missing(at: &str, names: &[&str]) -> Error {
    let text = format!("there is no {} in {at}", names.join("/"));
    Error::new(ErrorKind::NotFound, text)
}
