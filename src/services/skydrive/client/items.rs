//! Any object and what is in a folder (live-connect#endpoints-objects,
//! live-connect#endpoints-changes).

use http::Method;
use opendal::raw::Operation;
use serde::Serialize;

use super::{Client, path};
use crate::{
    drive::{Context, Error, ErrorKind, Result},
    services::skydrive::{
        model::{Collection, Object},
        options::{Listing, Properties},
    },
};

#[derive(Serialize)]
struct Destination<'a> {
    destination: &'a str,
}

impl Client {
    /// Any object, by id or [`ROOT`](super::ROOT) (live-connect#op-root,
    /// live-connect#op-get-object).
    pub async fn object(&self, cx: &Context, id: &str) -> Result<Object> {
        self.ask(cx, || self.call(Operation::Stat, Method::GET, &path(id), "{id}")).await
    }

    /// What is in a folder (live-connect#op-list-files).
    pub async fn files(&self, cx: &Context, folder: &str, listing: &Listing) -> Result<Collection> {
        let path = format!("{}/files", path(folder));
        self.ask(cx, || {
            listing.onto(self.call(Operation::List, Method::GET, &path, "{folder}/files"))
        })
        .await
    }

    /// Makes a folder in a folder (live-connect#op-create-folder).
    pub async fn create_folder(
        &self,
        cx: &Context,
        parent: &str,
        properties: &Properties<'_>,
    ) -> Result<Object> {
        self.ask(cx, || {
            self.call(Operation::CreateDir, Method::POST, &path(parent), "{folder}")
                .json(properties)
        })
        .await
    }

    /// Changes an object's name or description (live-connect#op-update).
    pub async fn update(
        &self,
        cx: &Context,
        id: &str,
        properties: &Properties<'_>,
    ) -> Result<Object> {
        self.ask(cx, || {
            self.call(Operation::Rename, Method::PUT, &path(id), "{id}").json(properties)
        })
        .await
    }

    /// Puts an object, with everything below it, into the recycle bin (live-connect#op-delete).
    pub async fn delete(&self, cx: &Context, id: &str) -> Result<()> {
        let call = || self.call(Operation::Delete, Method::DELETE, &path(id), "{id}");
        self.send(cx, call).await.map(drop)
    }

    /// Moves an object into the folder `destination`, which must be named by its id
    /// (live-connect#op-move, live-connect#move-destination-id-only).
    pub async fn move_into(&self, cx: &Context, id: &str, destination: &str) -> Result<Object> {
        self.transfer(cx, Operation::Rename, b"MOVE", id, destination).await
    }

    /// Copies a file into the folder `destination`, which must be named by its id
    /// (live-connect#op-copy, live-connect#move-destination-id-only). The copy has the same name.
    pub async fn copy_into(&self, cx: &Context, id: &str, destination: &str) -> Result<Object> {
        self.transfer(cx, Operation::Copy, b"COPY", id, destination).await
    }

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
        self.ask(cx, || self.call(operation, method.clone(), &path(id), "{id}").json(&body)).await
    }
}
