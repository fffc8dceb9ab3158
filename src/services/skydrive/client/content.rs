//! Downloads, and uploads in one request (live-connect#endpoints-content).

use http::{Method, StatusCode, header};
use opendal::raw::Operation;

use super::{Client, path};
use crate::{
    drive::{Body, ByteRange, Context, Download, Result, Secret},
    rate_limit::Repeat,
    services::{
        multipart::{FilePart, MultipartForm},
        skydrive::{
            error::{error_of, error_of_status},
            model::{LocationResponse, UploadResponse},
            options::{Overwrite, UploadOptions},
        },
    },
    transport::{
        ApiRequest, StreamResponse, rejects_long_suffix, segment, set_range, slice_response,
    },
};

impl Client {
    /// Downloads the content of the file with this id, following the cloud's redirect
    /// (live-connect#op-download).
    ///
    /// # Errors
    /// `RangeNotSatisfied` if the range begins after the end of the file. Otherwise `NotFound`,
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn content(&self, cx: &Context, id: &str, range: &ByteRange) -> Result<Download> {
        let path = format!("{}/content", path(id));
        let request = |range: &ByteRange| {
            set_range(self.request(Operation::Read, Method::GET, &path, "{id}/content"), range)
        };
        let (mut response, mut token) = self.send_signed(cx, || request(range)).await?;
        if rejects_long_suffix(range, &response) {
            (response, token) = self.send_signed(cx, || request(&ByteRange::Full)).await?;
        }
        match has_content(&response) {
            true => slice_response(range, None, response),
            false => Err(error_of(&response.read().await?, Some(&token))),
        }
    }

    /// Returns the pre-authenticated URL of the content of the file with this id, by
    /// `suppress_redirects` (live-connect#op-download, live-connect#param-suppress-redirects).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn content_location(&self, cx: &Context, id: &str) -> Result<Secret> {
        let path = format!("{}/content", path(id));
        let response: LocationResponse = self
            .send_json(cx, || {
                self.request(Operation::Read, Method::GET, &path, "{id}/content")
                    .query("suppress_redirects", "true")
            })
            .await?;
        Ok(response.location.into())
    }

    /// Downloads content from a pre-authenticated URL, without a token
    /// (live-connect#op-source-url). `size` is the file's size in bytes if the caller knows it; it
    /// is used only if the response does not contain the size.
    ///
    /// # Errors
    /// `RangeNotSatisfied` if the range begins after the end of the file. `PermissionDenied` or
    /// `NotFound`, by status, if the URL has expired. Otherwise `NotFound`, `PermissionDenied`,
    /// `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every
    /// request](Client#errors).
    pub async fn source(
        &self,
        cx: &Context,
        source: &Secret,
        range: &ByteRange,
        size: Option<u64>,
    ) -> Result<Download> {
        let request = |range: &ByteRange| {
            let request =
                ApiRequest::for_link(Operation::Read, Method::GET, source, "{source}", &self.urls);
            set_range(request.with_limiter(&self.limiter), range)
        };
        let mut response = self.http(cx).fetch(request(range)).await?;
        if rejects_long_suffix(range, &response) {
            response = self.http(cx).fetch(request(&ByteRange::Full)).await?;
        }
        match has_content(&response) {
            true => slice_response(range, size, response),
            // The message of the host is not used: it may contain parts of the URL.
            false => Err(error_of_status(&response.read().await?)),
        }
    }

    /// Writes the file `name` in the folder with the id `folder`; at most 100 MB
    /// (live-connect#op-upload-put, live-connect#upload-max-size).
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use and `options` do not allow to overwrite the file.
    /// Otherwise `NotFound`, `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    pub async fn put_file(
        &self,
        cx: &Context,
        folder: &str,
        name: &str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<UploadResponse> {
        let path = format!("{}/files/{}", path(folder), segment(name));
        self.put(cx, &path, "{folder}/files/{name}", body, options).await
    }

    /// Replaces the content of the file with the id `file`; at most 100 MB
    /// (live-connect#op-overwrite-content, live-connect#upload-max-size).
    ///
    /// # Errors
    /// `NotFound` if the object does not exist; otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn put_content(
        &self,
        cx: &Context,
        file: &str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<UploadResponse> {
        self.put(cx, &format!("{}/content", path(file)), "{id}/content", body, options).await
    }

    /// Sends a file as the body of a PUT. `path` is that of the file below the endpoint, and
    /// `template` its form without ids for logs.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use and the options do not allow to overwrite the file.
    /// Otherwise `NotFound`, `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    async fn put(
        &self,
        cx: &Context,
        path: &str,
        template: &'static str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<UploadResponse> {
        self.send_json(cx, || {
            // The cloud requires an empty Content-Type (live-connect#upload-put).
            let request = self.request(Operation::Write, Method::PUT, path, template);
            // The transport sets Content-Length only for a body that is not empty.
            let request = match body.is_empty() {
                true => request.header(header::CONTENT_LENGTH, "0"),
                false => request,
            };
            // After a lost response, a repeated request would find the name in use, or create a
            // second file.
            let request = match options.overwrite {
                Overwrite::Yes => request,
                Overwrite::No | Overwrite::ChooseNewName => request.repeat(Repeat::IfRefused),
            };
            options.add_to(request).body(body.clone())
        })
        .await
    }

    /// Writes the file `name` in the folder with the id `folder` by a form, as a browser does; at
    /// most 100 MB (live-connect#op-upload-form, live-connect#upload-max-size). The cloud damages
    /// names that are not ASCII (live-connect#upload-multipart); [`put_file`](Self::put_file) keeps
    /// them.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use and the options do not allow to overwrite the file.
    /// Otherwise `NotFound`, `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    pub async fn post_file(
        &self,
        cx: &Context,
        folder: &str,
        name: &str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<UploadResponse> {
        let path = format!("{}/files", path(folder));
        // Browsers escape the characters that end the value or the line.
        let filename = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let content_type = "application/octet-stream";
        let file = FilePart { field: "file", filename: &filename, content_type };
        let form = MultipartForm::new(&[], &file);
        self.send_json(cx, || {
            let request = self.request(Operation::Write, Method::POST, &path, "{folder}/files");
            options.add_to(request).header(header::CONTENT_TYPE, &form.content_type).body_in_form(
                form.prefix.clone(),
                body.clone(),
                form.suffix.clone(),
            )
        })
        .await
    }
}

/// Returns whether a response to a request for content can be sliced.
pub(super) fn has_content(response: &StreamResponse) -> bool {
    let expected = [StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE];
    expected.contains(&response.status)
}
