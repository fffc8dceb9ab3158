//! A file's bytes, out and in, in one request (live-connect#endpoints-content).

use http::{Method, StatusCode, header};
use opendal::raw::Operation;

use super::{Client, form::Form, path};
use crate::{
    drive::{Body, ByteRange, Context, Download, Result, Secret},
    rate_limit::Repeat,
    services::skydrive::{
        error::{refused, unexplained},
        model::{Location, Uploaded},
        options::{Overwrite, UploadOptions},
    },
    transport::{
        self, ApiRequest, StreamResponse, rejects_long_suffix, segment, set_range, slice_response,
    },
};

impl Client {
    /// A file's bytes, through the redirect that the cloud answers with (live-connect#op-download).
    pub async fn content(&self, cx: &Context, id: &str, range: &ByteRange) -> Result<Download> {
        let path = format!("{}/content", path(id));
        let call = |range: &ByteRange| {
            set_range(self.call(Operation::Read, Method::GET, &path, "{id}/content"), range)
        };
        let (mut answer, mut token) = self.signed(cx, || call(range)).await?;
        if rejects_long_suffix(range, &answer) {
            (answer, token) = self.signed(cx, || call(&ByteRange::Full)).await?;
        }
        match has_bytes(&answer) {
            true => slice_response(range, None, answer),
            false => Err(refused(&answer.read().await?, Some(&token))),
        }
    }

    /// The pre-authenticated address of a file's bytes, by `suppress_redirects`
    /// (live-connect#op-download, live-connect#param-suppress-redirects).
    pub async fn content_location(&self, cx: &Context, id: &str) -> Result<Secret> {
        let path = format!("{}/content", path(id));
        let answer: Location = self
            .ask(cx, || {
                self.call(Operation::Read, Method::GET, &path, "{id}/content")
                    .query("suppress_redirects", "true")
            })
            .await?;
        Ok(answer.location.into())
    }

    /// Bytes from a pre-authenticated address (live-connect#op-source-url). No token is sent there.
    /// `size` is the file's where it is known, for a host that does not tell it.
    pub async fn source(
        &self,
        cx: &Context,
        source: &Secret,
        range: &ByteRange,
        size: Option<u64>,
    ) -> Result<Download> {
        let call = |range: &ByteRange| {
            let call =
                ApiRequest::to_link(Operation::Read, Method::GET, source, "{source}", &self.urls);
            set_range(call.with_limiter(&self.limiter), range)
        };
        let mut answer = transport::Client::new(cx).fetch(call(range)).await?;
        if rejects_long_suffix(range, &answer) {
            answer = transport::Client::new(cx).fetch(call(&ByteRange::Full)).await?;
        }
        match has_bytes(&answer) {
            true => slice_response(range, size, answer),
            // The host's own words are not repeated: they may have parts of the address.
            false => Err(unexplained(&answer.read().await?)),
        }
    }

    /// Writes the file `name` in a folder; at most 100 MB (live-connect#op-upload-put,
    /// live-connect#upload-max-size).
    pub async fn put_file(
        &self,
        cx: &Context,
        folder: &str,
        name: &str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let path = format!("{}/files/{}", path(folder), segment(name));
        self.put(cx, &path, "{folder}/files/{name}", body, options).await
    }

    /// Replaces a file's content; at most 100 MB (live-connect#op-overwrite-content,
    /// live-connect#upload-max-size).
    pub async fn put_content(
        &self,
        cx: &Context,
        file: &str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        self.put(cx, &format!("{}/content", path(file)), "{id}/content", body, options).await
    }

    async fn put(
        &self,
        cx: &Context,
        path: &str,
        template: &'static str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        self.ask(cx, || {
            let call = self.call(Operation::Write, Method::PUT, path, template);
            // Without a body nobody else would say that there is none.
            let call = match body.is_empty() {
                true => call.header(header::CONTENT_LENGTH, "0"),
                false => call,
            };
            // No Content-Type (live-connect#upload-put).
            // A second one would find the name taken by the first, or make another file.
            let call = match options.overwrite {
                Overwrite::Yes => call,
                Overwrite::No | Overwrite::ChooseNewName => call.repeated(Repeat::IfRefused),
            };
            options.onto(call).body(body.clone())
        })
        .await
    }

    /// Writes a file by a form, as a browser would; at most 100 MB
    /// (live-connect#op-upload-form, live-connect#upload-max-size). Names that are not ASCII did
    /// not survive this in the cloud; [`put_file`](Self::put_file) keeps them.
    pub async fn post_file(
        &self,
        cx: &Context,
        folder: &str,
        name: &str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let path = format!("{}/files", path(folder));
        let form = Form::new(name);
        self.ask(cx, || {
            let call = self.call(Operation::Write, Method::POST, &path, "{folder}/files");
            options.onto(call).header(header::CONTENT_TYPE, &form.content_type).enclosed(
                form.before.clone(),
                body.clone(),
                form.after.clone(),
            )
        })
        .await
    }
}

/// Whether an answer is one to a request for bytes, of any range.
pub(super) fn has_bytes(answer: &StreamResponse) -> bool {
    let expected = [StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE];
    expected.contains(&answer.status)
}
