//! Lists that are no folder's files, and what is said of the account
//! (live-connect#storage-endpoints).

use std::collections::BTreeMap;

use http::Method;
use opendal::raw::Operation;

use super::{Client, path};
use crate::{
    drive::{Context, Result},
    services::skydrive::{
        model::{Collection, Listed, Object},
        options::{Filter, Listing, Properties, Shared},
    },
};

/// The folder of photos from the phone, by its friendly name: takes an id's place, as
/// [`ROOT`](super::ROOT) does (live-connect#friendly-folder-names).
pub const CAMERA_ROLL: &str = "me/skydrive/camera_roll";
/// The folder of documents; see [`CAMERA_ROLL`].
pub const MY_DOCUMENTS: &str = "me/skydrive/my_documents";
/// The folder of photos; see [`CAMERA_ROLL`].
pub const MY_PHOTOS: &str = "me/skydrive/my_photos";
/// The folder that everybody can see; see [`CAMERA_ROLL`].
pub const PUBLIC_DOCUMENTS: &str = "me/skydrive/public_documents";

impl Client {
    /// The scopes that the account's owner has agreed to.
    ///
    /// # Errors
    /// See [`drive::ErrorKind`](crate::drive::ErrorKind); so do all methods.
    pub async fn permissions(&self, cx: &Context) -> Result<Vec<String>> {
        let template = "me/permissions";
        let answer: Listed<BTreeMap<String, u8>> =
            self.ask(cx, || self.call(Operation::Info, Method::GET, template, template)).await?;
        let granted = answer.data.into_iter().flatten().filter(|(_, granted)| *granted != 0);
        Ok(granted.map(|(scope, _)| scope).collect())
    }

    /// The account's albums (live-connect#op-list-albums).
    pub async fn albums(&self, cx: &Context, listing: &Listing) -> Result<Collection> {
        self.part(cx, "me/albums", "me/albums", listing).await
    }

    /// Makes an album (live-connect#op-create-album).
    pub async fn create_album(&self, cx: &Context, properties: &Properties<'_>) -> Result<Object> {
        self.ask(cx, || {
            self.call(Operation::CreateDir, Method::POST, "me/albums", "me/albums").json(properties)
        })
        .await
    }

    /// The photos in a folder or album (live-connect#op-list-photos).
    pub async fn photos(
        &self,
        cx: &Context,
        folder: &str,
        listing: &Listing,
    ) -> Result<Collection> {
        self.part(cx, &format!("{}/photos", path(folder)), "{folder}/photos", listing).await
    }

    /// The films in a folder or album (live-connect#op-list-photos).
    pub async fn videos(
        &self,
        cx: &Context,
        folder: &str,
        listing: &Listing,
    ) -> Result<Collection> {
        self.part(cx, &format!("{}/videos", path(folder)), "{folder}/videos", listing).await
    }

    /// The songs in a folder; they have no collection of their own, so it is a filter
    /// (live-connect#op-list-files, live-connect#param-filter).
    pub async fn audio(&self, cx: &Context, folder: &str, listing: &Listing) -> Result<Collection> {
        let listing = Listing { filter: vec![Filter::Audio], ..listing.clone() };
        self.files(cx, folder, &listing).await
    }

    /// The documents that were changed last (live-connect#op-recent-docs).
    pub async fn recent_docs(&self, cx: &Context, listing: &Listing) -> Result<Collection> {
        let template = "me/skydrive/recent_docs";
        self.part(cx, template, template, listing).await
    }

    /// What others share with the account (live-connect#op-shared-with-me).
    pub async fn shared(
        &self,
        cx: &Context,
        which: Shared,
        listing: &Listing,
    ) -> Result<Collection> {
        self.part(cx, which.path(), which.path(), listing).await
    }

    /// What has these words in or below a folder (live-connect#op-search). Without a limit a part
    /// has 100 objects.
    pub async fn search(
        &self,
        cx: &Context,
        folder: &str,
        words: &str,
        listing: &Listing,
    ) -> Result<Collection> {
        let path = format!("{}/search", path(folder));
        self.ask(cx, || {
            let call = self.call(Operation::List, Method::GET, &path, "{folder}/search");
            listing.onto(call.query("q", words))
        })
        .await
    }

    async fn part(
        &self,
        cx: &Context,
        path: &str,
        template: &'static str,
        listing: &Listing,
    ) -> Result<Collection> {
        self.ask(cx, || listing.onto(self.call(Operation::List, Method::GET, path, template))).await
    }
}
