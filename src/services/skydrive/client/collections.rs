//! Lists other than a folder's files, and information about the account
//! (live-connect#storage-endpoints).

use std::collections::BTreeMap;

use http::Method;
use opendal::raw::Operation;

use super::{Client, path};
use crate::{
    drive::{Context, Result},
    services::skydrive::{
        model::{Collection, DataResponse, Object},
        options::{ListFilter, ListQuery, ObjectProperties, SharedItems},
    },
};

/// Alias of the folder with photos from the phone. Requests accept it in place of an id, as
/// [`ROOT`](super::ROOT) (live-connect#friendly-folder-names).
pub const CAMERA_ROLL: &str = "me/skydrive/camera_roll";
/// Alias of the folder of documents; see [`CAMERA_ROLL`].
pub const MY_DOCUMENTS: &str = "me/skydrive/my_documents";
/// Alias of the folder of photos; see [`CAMERA_ROLL`].
pub const MY_PHOTOS: &str = "me/skydrive/my_photos";
/// Alias of the folder that everyone can read; see [`CAMERA_ROLL`].
pub const PUBLIC_DOCUMENTS: &str = "me/skydrive/public_documents";

impl Client {
    /// Returns the scopes that the account's owner has granted (live-connect#permissions-object).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn permissions(&self, cx: &Context) -> Result<Vec<String>> {
        let template = "me/permissions";
        let request = || self.request(Operation::Info, Method::GET, template, template);
        let response: DataResponse<BTreeMap<String, u8>> = self.send_json(cx, request).await?;
        let granted = response.data.into_iter().flatten().filter(|(_, granted)| *granted != 0);
        Ok(granted.map(|(scope, _)| scope).collect())
    }

    /// Lists the account's albums (live-connect#op-list-albums).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn albums(&self, cx: &Context, query: &ListQuery) -> Result<Collection> {
        self.list(cx, "me/albums", "me/albums", query).await
    }

    /// Creates an album (live-connect#op-create-album).
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn create_album(
        &self,
        cx: &Context,
        properties: &ObjectProperties<'_>,
    ) -> Result<Object> {
        self.send_json(cx, || {
            self.request(Operation::CreateDir, Method::POST, "me/albums", "me/albums")
                .json(properties)
        })
        .await
    }

    /// Lists the photos in the folder or album with the id `folder` (live-connect#op-list-photos).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn photos(
        &self,
        cx: &Context,
        folder: &str,
        query: &ListQuery,
    ) -> Result<Collection> {
        self.list(cx, &format!("{}/photos", path(folder)), "{folder}/photos", query).await
    }

    /// Lists the videos in the folder or album with the id `folder` (live-connect#op-list-photos).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn videos(
        &self,
        cx: &Context,
        folder: &str,
        query: &ListQuery,
    ) -> Result<Collection> {
        self.list(cx, &format!("{}/videos", path(folder)), "{folder}/videos", query).await
    }

    /// Lists the audio files in the folder with the id `folder`, by a filter: the API has no
    /// collection of them (live-connect#op-list-files, live-connect#param-filter). The filter of
    /// `query` is replaced.
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn audio(&self, cx: &Context, folder: &str, query: &ListQuery) -> Result<Collection> {
        let query = ListQuery { filter: vec![ListFilter::Audio], ..query.clone() };
        self.files(cx, folder, &query).await
    }

    /// Lists the documents that were changed last (live-connect#op-recent-docs).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn recent_docs(&self, cx: &Context, query: &ListQuery) -> Result<Collection> {
        let template = "me/skydrive/recent_docs";
        self.list(cx, template, template, query).await
    }

    /// Lists objects that other users share with the account (live-connect#op-shared-with-me).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn shared(
        &self,
        cx: &Context,
        items: SharedItems,
        query: &ListQuery,
    ) -> Result<Collection> {
        self.list(cx, items.path(), items.path(), query).await
    }

    /// Searches for words in and below the folder with the id `folder` (live-connect#op-search).
    /// `words` are separated by spaces. Without a limit a page has 100 objects.
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn search(
        &self,
        cx: &Context,
        folder: &str,
        words: &str,
        query: &ListQuery,
    ) -> Result<Collection> {
        let path = format!("{}/search", path(folder));
        self.send_json(cx, || {
            let request = self.request(Operation::List, Method::GET, &path, "{folder}/search");
            query.add_to(request.query("q", words))
        })
        .await
    }

    /// Requests a page of a list. `path` is that of the list below the endpoint, and `template` its
    /// form without ids for logs.
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    async fn list(
        &self,
        cx: &Context,
        path: &str,
        template: &'static str,
        query: &ListQuery,
    ) -> Result<Collection> {
        self.send_json(cx, || {
            query.add_to(self.request(Operation::List, Method::GET, path, template))
        })
        .await
    }
}
