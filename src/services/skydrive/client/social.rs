//! Links, comments, tags and pictures (live-connect#endpoints-sharing,
//! live-connect#endpoints-social), and any other document of the API.

use http::Method;
use opendal::raw::Operation;
use serde::Serialize;
use serde_json::Value;

use super::{Client, content::has_bytes, path};
use crate::{
    drive::{ByteRange, Context, Download, Error, ErrorKind, Result, Secret},
    rate_limit::Repeat,
    services::skydrive::{
        error::refused,
        model::{Comment, Linked, Listed, Location, Tag},
        options::{LinkType, PictureSize},
    },
    transport::{self, ApiRequest, ResponseLimit, set_range, slice_response},
};

#[derive(Serialize)]
struct Said<'a> {
    message: &'a str,
}

impl Client {
    /// A link that needs no token, made if there is none; of
    /// [`Embed`](LinkType::Embed) a piece of HTML (live-connect#op-sharing-links,
    /// live-connect#op-embed). Whoever has it sees the object.
    ///
    /// # Errors
    /// See [`drive::ErrorKind`](ErrorKind); so do all methods.
    pub async fn link(&self, cx: &Context, id: &str, kind: LinkType) -> Result<Secret> {
        let path = format!("{}/{}", path(id), kind.segment());
        let answer: Linked = self
            .ask(cx, || self.call(Operation::Presign, Method::GET, &path, "{id}/{link}"))
            .await?;
        Ok(answer.link.into())
    }

    /// The comments on an object (live-connect#op-list-comments).
    pub async fn comments(&self, cx: &Context, id: &str) -> Result<Vec<Comment>> {
        let path = format!("{}/comments", path(id));
        let call = || self.call(Operation::List, Method::GET, &path, "{id}/comments");
        self.ask(cx, call).await.map(|answer: Listed<Comment>| answer.data)
    }

    /// Comments on an object, with at most 10,000 characters (live-connect#op-comment).
    pub async fn add_comment(&self, cx: &Context, id: &str, message: &str) -> Result<Comment> {
        let path = format!("{}/comments", path(id));
        self.ask(cx, || {
            let call = self.call(Operation::Write, Method::POST, &path, "{id}/comments");
            // A second one would be there beside the first.
            call.repeated(Repeat::IfRefused).json(&Said { message })
        })
        .await
    }

    /// A comment, by its id (live-connect#op-comment).
    pub async fn comment(&self, cx: &Context, id: &str) -> Result<Comment> {
        self.ask(cx, || self.call(Operation::Stat, Method::GET, &path(id), "{comment}")).await
    }

    /// Removes a comment (live-connect#op-comment).
    pub async fn delete_comment(&self, cx: &Context, id: &str) -> Result<()> {
        let call = || self.call(Operation::Delete, Method::DELETE, &path(id), "{comment}");
        self.send(cx, call).await.map(drop)
    }

    /// Who is on a photo or in a film (live-connect#op-tags).
    pub async fn tags(&self, cx: &Context, id: &str) -> Result<Vec<Tag>> {
        let path = format!("{}/tags", path(id));
        let call = || self.call(Operation::List, Method::GET, &path, "{id}/tags");
        self.ask(cx, call).await.map(|answer: Listed<Tag>| answer.data)
    }

    /// A tag, by its id (live-connect#op-tags).
    pub async fn tag(&self, cx: &Context, id: &str) -> Result<Tag> {
        self.ask(cx, || self.call(Operation::Stat, Method::GET, &path(id), "{tag}")).await
    }

    /// The pre-authenticated address of the picture of a photo, album, song, film or, with
    /// the account's id or `me`, user (live-connect#op-pictures). [`source`](Self::source) gets the
    /// picture.
    pub async fn picture(&self, cx: &Context, id: &str, size: PictureSize) -> Result<Secret> {
        let path = format!("{}/picture", path(id));
        let answer: Location = self
            .ask(cx, || {
                self.call(Operation::Read, Method::GET, &path, "{id}/picture")
                    .query("type", size.as_str())
                    .query("suppress_redirects", "true")
            })
            .await?;
        Ok(answer.location.into())
    }

    /// The picture of what a link leads to (live-connect#op-item-preview). No token is sent: the
    /// link is enough.
    pub async fn preview(
        &self,
        cx: &Context,
        link: &Secret,
        size: PictureSize,
    ) -> Result<Download> {
        let template = "skydrive/get_item_preview";
        let call = self
            .call(Operation::Read, Method::GET, template, template)
            .query("type", size.as_str())
            .query("url", link.expose());
        let range = ByteRange::Full;
        let answer = transport::Client::new(cx).fetch(set_range(call, &range)).await?;
        match has_bytes(&answer) {
            true => slice_response(&range, None, answer),
            false => Err(refused(&answer.read().await?, Some(link))),
        }
    }

    /// Any document of the API as it is: `me`, an id, `me/skydrive/recent_docs`; what the old
    /// client's `info` and its call of the API object gave. It may hold pre-authenticated addresses.
    pub async fn document(
        &self,
        cx: &Context,
        of: &str,
        query: &[(&'static str, &str)],
    ) -> Result<Value> {
        let call = || {
            // It may be a whole folder.
            let call = self
                .call(Operation::Stat, Method::GET, &path(of), "{document}")
                .limit(ResponseLimit::FOLDER);
            query.iter().fold(call, |call: ApiRequest, &(name, value)| call.query(name, value))
        };
        self.ask(cx, call).await
    }

    /// Changes an object, with any fields (live-connect#op-update): the cloud ignores those that it
    /// does not know. The object after it.
    pub async fn update_document(&self, cx: &Context, id: &str, fields: &Value) -> Result<Value> {
        if !fields.is_object() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "what is to be changed is no JSON object",
            ));
        }
        let call = || self.call(Operation::Rename, Method::PUT, &path(id), "{id}").json(fields);
        self.ask(cx, call).await
    }

    /// Makes a folder in a folder, with any fields, among them the `name`
    /// (live-connect#op-create-folder).
    pub async fn create_document(
        &self,
        cx: &Context,
        parent: &str,
        fields: &Value,
    ) -> Result<Value> {
        if !fields.is_object() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "what is to be made is no JSON object",
            ));
        }
        let call = || {
            self.call(Operation::CreateDir, Method::POST, &path(parent), "{folder}").json(fields)
        };
        self.ask(cx, call).await
    }
}
