//! Links, comments, tags and pictures (live-connect#endpoints-sharing,
//! live-connect#endpoints-social), and requests for undecoded documents.

use http::Method;
use opendal::raw::Operation;
use serde::Serialize;
use serde_json::Value;

use super::{Client, content::has_content, path};
use crate::{
    drive::{ByteRange, Context, Download, Error, ErrorKind, Result, Secret},
    rate_limit::Repeat,
    services::skydrive::{
        error::error_of,
        model::{Comment, LinkResponse, LocationResponse, Tag},
        options::{LinkType, PictureSize},
    },
    transport::{ApiRequest, ResponseLimit, set_range, slice_response},
};

/// The body of the request for a new comment.
#[derive(Serialize)]
struct NewComment<'a> {
    message: &'a str,
}

impl Client {
    /// Returns a link to the object with this id, or HTML for [`LinkType::Embed`]; creates it if
    /// necessary (live-connect#op-sharing-links, live-connect#op-embed). The link grants access
    /// without a token.
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn link(&self, cx: &Context, id: &str, kind: LinkType) -> Result<Secret> {
        let path = format!("{}/{}", path(id), kind.segment());
        let request = || self.request(Operation::Presign, Method::GET, &path, "{id}/{link}");
        let response: LinkResponse = self.send_json(cx, request).await?;
        Ok(response.link.into())
    }

    /// Lists the comments on the object with this id (live-connect#op-list-comments), of all pages.
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn comments(&self, cx: &Context, id: &str) -> Result<Vec<Comment>> {
        self.all_pages(cx, &format!("{}/comments", path(id)), "{id}/comments", &[]).await
    }

    /// Adds a comment of at most 10,000 characters to the object with this id
    /// (live-connect#op-comment).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn add_comment(&self, cx: &Context, id: &str, message: &str) -> Result<Comment> {
        let path = format!("{}/comments", path(id));
        self.send_json(cx, || {
            let request = self.request(Operation::Write, Method::POST, &path, "{id}/comments");
            // After a lost response, a repeated request would add a second comment.
            request.repeat(Repeat::IfRefused).json(&NewComment { message })
        })
        .await
    }

    /// Returns a comment by its id (live-connect#op-comment).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn comment(&self, cx: &Context, id: &str) -> Result<Comment> {
        self.send_json(cx, || self.request(Operation::Stat, Method::GET, &path(id), "{comment}"))
            .await
    }

    /// Deletes the comment with this id (live-connect#op-comment).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn delete_comment(&self, cx: &Context, id: &str) -> Result<()> {
        let request = || self.request(Operation::Delete, Method::DELETE, &path(id), "{comment}");
        self.send(cx, request).await.map(drop)
    }

    /// Lists the tags of the photo or video with this id (live-connect#op-tags), of all pages.
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn tags(&self, cx: &Context, id: &str) -> Result<Vec<Tag>> {
        self.all_pages(cx, &format!("{}/tags", path(id)), "{id}/tags", &[]).await
    }

    /// Returns a tag by its id (live-connect#op-tags).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn tag(&self, cx: &Context, id: &str) -> Result<Tag> {
        self.send_json(cx, || self.request(Operation::Stat, Method::GET, &path(id), "{tag}")).await
    }

    /// Returns the pre-authenticated URL of the picture of an object or a user
    /// (live-connect#op-pictures). The id of a user is that of the account, or `me`.
    /// [`source`](Self::source) downloads the picture.
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn picture(&self, cx: &Context, id: &str, size: PictureSize) -> Result<Secret> {
        let path = format!("{}/picture", path(id));
        let response: LocationResponse = self
            .send_json(cx, || {
                self.request(Operation::Read, Method::GET, &path, "{id}/picture")
                    .query("type", size.as_str())
                    .query("suppress_redirects", "true")
            })
            .await?;
        Ok(response.location.into())
    }

    /// Downloads the picture of the object behind a link, without a token
    /// (live-connect#op-item-preview).
    ///
    /// # Errors
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn preview(
        &self,
        cx: &Context,
        link: &Secret,
        size: PictureSize,
    ) -> Result<Download> {
        let template = "skydrive/get_item_preview";
        let request = self
            .request(Operation::Read, Method::GET, template, template)
            .query("type", size.as_str())
            .query("url", link.expose());
        let range = ByteRange::Full;
        let response = self.http(cx).fetch(set_range(request, &range)).await?;
        match has_content(&response) {
            true => slice_response(&range, None, response),
            false => Err(error_of(&response.read().await?, Some(link))),
        }
    }

    /// Returns a document of the API undecoded. `path` is an id, or a path such as `me` or
    /// `me/skydrive/recent_docs`. The document may contain pre-authenticated URLs.
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn document(
        &self,
        cx: &Context,
        path: &str,
        query: &[(&'static str, &str)],
    ) -> Result<Value> {
        let request = || {
            // The document may be the list of a whole folder.
            let request = self
                .request(Operation::Stat, Method::GET, &super::path(path), "{document}")
                .limit(ResponseLimit::FOLDER);
            query
                .iter()
                .fold(request, |request: ApiRequest, &(name, value)| request.query(name, value))
        };
        self.send_json(cx, request).await
    }

    /// Returns the objects of a list undecoded, of all pages. `path` is that of the list, such as
    /// `me/contacts`; `query` is sent with each request. The objects may contain pre-authenticated
    /// URLs.
    ///
    /// # Errors
    /// `NotFound` if the list does not exist, `Unexpected` if the cloud repeats a page; otherwise
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn documents(
        &self,
        cx: &Context,
        path: &str,
        query: &[(&'static str, &str)],
    ) -> Result<Vec<Value>> {
        self.all_pages(cx, &super::path(path), "{documents}", query).await
    }

    /// Changes any fields of an object and returns the object undecoded (live-connect#op-update).
    /// The cloud ignores fields that it does not know.
    ///
    /// # Errors
    /// `InvalidInput` if `fields` is not a JSON object, `AlreadyExists` if the new name is in use.
    /// Otherwise `NotFound`, `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    pub async fn update_document(&self, cx: &Context, id: &str, fields: &Value) -> Result<Value> {
        require_object(fields)?;
        let request = || self.request(Operation::Rename, Method::PUT, &path(id), "{id}");
        self.send_json(cx, || request().json(fields)).await
    }

    /// Creates a folder in the folder `parent` and returns it undecoded
    /// (live-connect#op-create-folder). `fields` contains its `name` and any other fields.
    ///
    /// # Errors
    /// `InvalidInput` if `fields` is not a JSON object, `AlreadyExists` if the name is in use.
    /// Otherwise `NotFound`, `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    pub async fn create_document(
        &self,
        cx: &Context,
        parent: &str,
        fields: &Value,
    ) -> Result<Value> {
        require_object(fields)?;
        let request =
            || self.request(Operation::CreateDir, Method::POST, &path(parent), "{folder}");
        self.send_json(cx, || request().json(fields)).await
    }
}

/// Checks that the fields of a request are a JSON object.
///
/// # Errors
/// `InvalidInput` if they are not.
fn require_object(fields: &Value) -> Result<()> {
    match fields.is_object() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::InvalidInput, "the fields are not a JSON object")),
    }
}
