//! Resolution of paths, for users of the unbiased client.

use super::{Client, ROOT};
use crate::{
    drive::{Context, Error, ErrorKind, Result},
    services::skydrive::{
        model::{Object, ObjectKind},
        options::ListQuery,
    },
};

/// Number of objects of a page, as in the old client (live-connect#path-resolution).
const PAGE: u64 = 500;

/// Maximum number of requests for one name: a faulty server might return full pages without end.
const PAGES_MAX: u64 = 10_000;

impl Client {
    /// Returns the id of the object at a path below the folder `from`.
    ///
    /// The path consists of names separated by `/` or `\`, which are compared exactly. The method
    /// lists each folder on the path, in pages of 500 objects, until it finds the name; of several
    /// objects with the name it uses the last one on the page. A path that begins with `me/skydrive`
    /// is returned as it is. The old client has the same rules (live-connect#path-resolution).
    ///
    /// For repeated resolutions prefer the [`Operator`](opendal::Operator), which caches ids.
    ///
    /// # Errors
    /// `NotFound` if a folder does not contain the next name; the message has the folder's id and
    /// the rest of the path. Otherwise `NotFound`, `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn resolve(&self, cx: &Context, from: &str, path: &str) -> Result<String> {
        if path.starts_with(ROOT) {
            return Ok(path.to_owned());
        }
        let names: Vec<&str> = path.split(['/', '\\']).filter(|name| !name.is_empty()).collect();
        let mut folder = from.to_owned();
        for (depth, name) in names.iter().enumerate() {
            folder = match self.find_child(cx, &folder, name).await {
                Ok(Some(id)) => id,
                Ok(None) => return Err(not_found(&folder, &names[depth..])),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(self.list_error(cx, &folder, &names[depth..], error).await);
                }
                Err(error) => return Err(error),
            };
        }
        Ok(folder)
    }

    /// Returns the object at a path below the folder with the id `from`; see
    /// [`resolve`](Self::resolve).
    ///
    /// # Errors
    /// `NotFound` if a folder does not contain the next name. Otherwise `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn resolve_object(&self, cx: &Context, from: &str, path: &str) -> Result<Object> {
        let id = self.resolve(cx, from, path).await?;
        self.object(cx, &id).await
    }

    /// Returns the error for the folder with this id whose list was not found. Its children are
    /// missing only if the folder itself does not exist or is not a folder. `names` is the rest of
    /// the path, and `error` that of the list.
    async fn list_error(&self, cx: &Context, id: &str, names: &[&str], error: Error) -> Error {
        match self.object(cx, id).await {
            Ok(Object { kind: ObjectKind::Folder | ObjectKind::Album, .. }) => {
                let text = format!("cannot list the folder {id}: {error}");
                Error::new(ErrorKind::Unexpected, text).with_source(error)
            }
            Ok(_) => not_found(id, names),
            Err(error) if error.kind() == ErrorKind::NotFound => not_found(id, names),
            Err(error) => error,
        }
    }

    /// Lists a folder until it finds the object with this name. Returns its id, or `None` if the
    /// folder has no such object.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist, `Unexpected` if it has more than [`PAGES_MAX`]
    /// pages. Otherwise `NotFound`, `PermissionDenied`, `RateLimited`, `QuotaExceeded`,
    /// `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    async fn find_child(&self, cx: &Context, folder: &str, name: &str) -> Result<Option<String>> {
        for number in 0..PAGES_MAX {
            let query = ListQuery::with_range(number * PAGE, PAGE);
            let objects = self.files(cx, folder, &query).await?.data;
            let is_last = (objects.len() as u64) < PAGE;
            let found = objects.into_iter().rfind(|object| object.name == name);
            if found.is_some() || is_last {
                return Ok(found.map(|object| object.id));
            }
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            format!("cannot list the folder {folder}: it has more than {PAGES_MAX} pages"),
        ))
    }
}

/// Returns the `NotFound` error for the first of `names` in the folder with the id `folder`.
fn not_found(folder: &str, names: &[&str]) -> Error {
    let text = format!("cannot find {:?} in the folder {folder}", names.join("/"));
    Error::new(ErrorKind::NotFound, text)
}
