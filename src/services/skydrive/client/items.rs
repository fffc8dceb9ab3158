//! Objects and the children of folders (live-connect#endpoints-objects,
//! live-connect#endpoints-changes).

use http::Method;
use opendal::raw::Operation;
use serde::Serialize;

use super::{Client, path};
use crate::{
    drive::{Context, Error, ErrorKind, Result},
    services::skydrive::{
        model::{Collection, Object},
        options::{ListQuery, ObjectProperties},
    },
};

/// The body of a move or a copy: the id of the destination folder.
#[derive(Serialize)]
struct Destination<'a> {
    destination: &'a str,
}

impl Client {
    /// Returns an object by its id, or the root by [`ROOT`](super::ROOT) (live-connect#op-root,
    /// live-connect#op-get-object).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn object(&self, cx: &Context, id: &str) -> Result<Object> {
        self.send_json(cx, || self.request(Operation::Stat, Method::GET, &path(id), "{id}")).await
    }

    /// Lists the objects in the folder with the id `folder` (live-connect#op-list-files).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn files(&self, cx: &Context, folder: &str, query: &ListQuery) -> Result<Collection> {
        let path = format!("{}/files", path(folder));
        self.send_json(cx, || {
            query.add_to(self.request(Operation::List, Method::GET, &path, "{folder}/files"))
        })
        .await
    }

    /// Creates a folder in the folder with the id `parent` (live-connect#op-create-folder).
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn create_folder(
        &self,
        cx: &Context,
        parent: &str,
        properties: &ObjectProperties<'_>,
    ) -> Result<Object> {
        self.send_json(cx, || {
            self.request(Operation::CreateDir, Method::POST, &path(parent), "{folder}")
                .json(properties)
        })
        .await
    }

    /// Changes properties of the object with this id, and returns the object
    /// (live-connect#op-update).
    ///
    /// # Errors
    /// `AlreadyExists` if the new name is in use. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn update(
        &self,
        cx: &Context,
        id: &str,
        properties: &ObjectProperties<'_>,
    ) -> Result<Object> {
        self.send_json(cx, || {
            self.request(Operation::Rename, Method::PUT, &path(id), "{id}").json(properties)
        })
        .await
    }

    /// Moves the object with this id, with everything below it, to the recycle bin
    /// (live-connect#op-delete).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn delete(&self, cx: &Context, id: &str) -> Result<()> {
        let request = || self.request(Operation::Delete, Method::DELETE, &path(id), "{id}");
        self.send(cx, request).await.map(drop)
    }

    /// Moves an object into the folder with the id `destination`; an alias is not accepted
    /// (live-connect#op-move, live-connect#move-destination-id-only).
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use there. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn move_into(&self, cx: &Context, id: &str, destination: &str) -> Result<Object> {
        self.transfer(cx, Operation::Rename, b"MOVE", id, destination).await
    }

    /// Copies a file, under its own name, into the folder with the id `destination`; an alias is
    /// not accepted (live-connect#op-copy, live-connect#move-destination-id-only).
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use there. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn copy_into(&self, cx: &Context, id: &str, destination: &str) -> Result<Object> {
        self.transfer(cx, Operation::Copy, b"COPY", id, destination).await
    }

    /// Moves or copies an object into the folder with the id `destination`. `method` is `MOVE` or
    /// `COPY`.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use there. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    async fn transfer(
        &self,
        cx: &Context,
        operation: Operation,
        method: &'static [u8; 4],
        id: &str,
        destination: &str,
    ) -> Result<Object> {
        let method = Method::from_bytes(method)
            .map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
        let body = Destination { destination };
        self.send_json(cx, || {
            self.request(operation, method.clone(), &path(id), "{id}").json(&body)
        })
        .await
    }
}
