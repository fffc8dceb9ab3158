//! Uploads and downloads.

use ::md5::{Digest, Md5};
use http::{Method, StatusCode, header};
use opendal::raw::Operation;

use super::Client;
use crate::{
    drive::{Body, ByteRange, Context, Download, Error, ErrorKind, Result},
    services::{
        amazon_drive::{
            error::error_of,
            md5::Md5Sum,
            model::{NewNode, Node},
        },
        body_hash::BodyHash,
        multipart::{FilePart, MultipartForm},
    },
    transport::{ApiRequest, StreamResponse, segment, set_range, slice_response},
};

/// Result of an upload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UploadedNode {
    /// The file, as the cloud describes it.
    pub node: Node,
    /// MD5 of the bytes that were sent. The upload is complete if `node` has the same MD5.
    pub sent_md5: Md5Sum,
}

/// Whether the cloud rejects an upload whose content equals that of another file
/// (amazon-drive#deduplication).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deduplication {
    /// Files with equal content are allowed.
    #[default]
    Suppressed,
    /// The cloud responds 409 after all bytes were sent. Empty files are never rejected.
    Enabled,
}

impl Client {
    /// `POST nodes` with content: creates a file in one request, whatever its size. `new` describes
    /// the file.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use; [`Error::existing`] is the node with the name.
    /// `Conflict` if a file with equal content exists and `deduplication` is enabled. Otherwise
    /// `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for
    /// [every request](Client#errors).
    pub async fn upload(
        &self,
        cx: &Context,
        new: &NewNode,
        body: Body,
        deduplication: Deduplication,
    ) -> Result<UploadedNode> {
        let metadata = serde_json::to_string(new).map_err(|error| {
            let text = format!("cannot encode the metadata as JSON: {error}");
            Error::new(ErrorKind::InvalidInput, text)
        })?;
        // The form has no Content-Type for the metadata.
        let form = form(&[("metadata", &metadata)], &new.name);
        self.send_form(cx, Method::POST, ("nodes", "nodes"), form, body, deduplication).await
    }

    /// `PUT nodes/{id}/content`: replaces the content of the file with this id. The extension of
    /// `name` determines the media type; the file keeps its name.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist. `Conflict` if another file with equal content exists
    /// and `deduplication` is enabled. Otherwise `PermissionDenied`, `RateLimited`,
    /// `QuotaExceeded`, `InvalidInput` or `Unexpected`, as for [every request](Client#errors).
    pub async fn overwrite(
        &self,
        cx: &Context,
        id: &str,
        name: &str,
        body: Body,
        deduplication: Deduplication,
    ) -> Result<UploadedNode> {
        let path = format!("nodes/{}/content", segment(id));
        let request = (path.as_str(), "nodes/{id}/content");
        self.send_form(cx, Method::PUT, request, form(&[], name), body, deduplication).await
    }

    /// Sends a file in a form and decodes its node. The pair is the path below the content endpoint
    /// and the path without ids, for logs.
    ///
    /// # Errors
    /// Those of [`upload`](Self::upload) or [`overwrite`](Self::overwrite): `AlreadyExists` if the
    /// name is in use, `NotFound` if the file to overwrite does not exist, `Conflict` for duplicate
    /// content. Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput` or
    /// `Unexpected`, as for [every request](Client#errors).
    async fn send_form(
        &self,
        cx: &Context,
        method: Method,
        (path, template): (&str, &'static str),
        form: MultipartForm,
        body: Body,
        deduplication: Deduplication,
    ) -> Result<UploadedNode> {
        let url = format!("{}{path}", self.endpoints(cx).await?.content_url);
        let hash = BodyHash::<Md5>::new(&body);
        let response = self
            .send_signed(cx, || {
                let mut request = ApiRequest::new(Operation::Write, method.clone(), &url, template)
                    .header(header::CONTENT_TYPE, &form.content_type)
                    .body_in_form(form.prefix.clone(), body.clone(), form.suffix.clone());
                if deduplication == Deduplication::Suppressed {
                    request = request.query("suppress", "deduplication");
                }
                hash.observe(request)
            })
            .await?
            .read()
            .await?;
        // 201 for a new file, 200 for replaced content.
        if !response.status.is_success() {
            return Err(error_of(&response));
        }
        let sent_md5 = hash.finish().await?.finalize().into();
        Ok(UploadedNode { node: response.json()?, sent_md5 })
    }

    /// `GET nodes/{id}/content`: downloads a file's content or a range of it.
    ///
    /// `size` is the file's size in bytes if the caller knows it; it is used only if the response
    /// does not contain the size. The cloud did not serve more than about 10 GiB in one response
    /// (amazon-drive#max-download-size).
    ///
    /// # Errors
    /// `RangeNotSatisfied` if the range begins after the end of the file. `NotFound` if the file
    /// does not exist. Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded`, `InvalidInput`
    /// or `Unexpected`, as for [every request](Client#errors).
    pub async fn download(
        &self,
        cx: &Context,
        id: &str,
        range: &ByteRange,
        size: Option<u64>,
    ) -> Result<Download> {
        let complete = |request| set_range(request, range);
        let response = self.request_content(cx, id, complete).await?;
        match response.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                slice_response(range, size, response)
            }
            _ => Err(error_of(&response.read().await?)),
        }
    }
}

impl Client {
    /// `GET nodes/{id}/content?viewBox=…`: downloads a picture of a photo or a video that fits into
    /// a square with a side of `side` pixels.
    ///
    /// # Errors
    /// `InvalidInput` if the file has no thumbnail, or `side` is too large; `NotFound` if the file
    /// does not exist. Otherwise `PermissionDenied`, `RateLimited`, `QuotaExceeded` or
    /// `Unexpected`, as for [every request](Client#errors).
    pub async fn thumbnail(&self, cx: &Context, id: &str, side: u32) -> Result<Download> {
        let complete = |request: ApiRequest| request.query("viewBox", side.to_string());
        let response = self.request_content(cx, id, complete).await?;
        match response.status {
            StatusCode::OK => slice_response(&ByteRange::Full, None, response),
            _ => Err(error_of(&response.read().await?)),
        }
    }

    /// Sends a request for the content of a node. `complete` adds a range or parameters. Returns the
    /// response, whatever its status.
    ///
    /// # Errors
    /// Those of [`endpoints`](Self::endpoints) and [`send_signed`](Self::send_signed).
    async fn request_content(
        &self,
        cx: &Context,
        id: &str,
        complete: impl Fn(ApiRequest) -> ApiRequest,
    ) -> Result<StreamResponse> {
        let url = format!("{}nodes/{}/content", self.endpoints(cx).await?.content_url, segment(id));
        let request = || ApiRequest::new(Operation::Read, Method::GET, &url, "nodes/{id}/content");
        self.send_signed(cx, || complete(request())).await
    }
}

/// Returns the form of an upload, with text `fields` as pairs of name and value. The cloud
/// determines the media type of the file by the extension of `name`.
fn form(fields: &[(&str, &str)], name: &str) -> MultipartForm {
    let media_type = mime_guess::from_path(name).first_or_octet_stream();
    let file = FilePart {
        field: "content",
        filename: &segment(name).to_string(),
        content_type: media_type.as_ref(),
    };
    MultipartForm::new(fields, &file)
}
