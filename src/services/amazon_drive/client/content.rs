//! Bytes in and out: the half of the client that talks to the content endpoint.

use http::{Method, StatusCode, header};
use md5::{Digest, Md5};
use opendal::raw::Operation;

use super::{Client, form::Form};
use crate::{
    drive::{Body, ByteRange, Context, Download, Result},
    services::{
        amazon_drive::{
            error::failure,
            md5::Md5Sum,
            model::{NewNode, Node},
        },
        body_hash::BodyHash,
    },
    transport::{ApiRequest, segment, set_range, slice_response},
};

/// What became of an upload.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// The file as the cloud has it.
    pub node: Node,
    /// The MD5 of the bytes that were sent: to be compared with what the cloud says it has.
    pub md5: Md5Sum,
}

/// Whether the cloud is to refuse bytes that it has already under another name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deduplication {
    /// Files may be equal.
    #[default]
    Suppressed,
    /// 409, after all bytes were sent. Never for an empty file (amazon-drive#deduplication).
    Wanted,
}

impl Client {
    /// `POST nodes` with bytes: makes a file, in one request whatever its size.
    ///
    /// # Errors
    /// `Exists` with the node that has the name; `Conflict` for bytes that are there already, where
    /// deduplication is wanted.
    pub async fn upload(
        &self,
        cx: &Context,
        new: &NewNode,
        body: Body,
        deduplication: Deduplication,
    ) -> Result<Uploaded> {
        let form = Form::new(Some(new), &new.name)?;
        self.send_form(cx, Method::POST, ("nodes", "nodes"), form, body, deduplication).await
    }

    /// `PUT nodes/{id}/content`: replaces a file's bytes. `name` tells the media type, by its
    /// extension.
    ///
    /// # Errors
    /// As [`upload`](Self::upload), but `Exists`.
    pub async fn overwrite(
        &self,
        cx: &Context,
        id: &str,
        name: &str,
        body: Body,
        deduplication: Deduplication,
    ) -> Result<Uploaded> {
        let form = Form::new(None, name)?;
        let path = format!("nodes/{}/content", segment(id));
        let request = (path.as_str(), "nodes/{id}/content");
        self.send_form(cx, Method::PUT, request, form, body, deduplication).await
    }

    async fn send_form(
        &self,
        cx: &Context,
        method: Method,
        (path, template): (&str, &'static str),
        form: Form,
        body: Body,
        deduplication: Deduplication,
    ) -> Result<Uploaded> {
        let url = format!("{}{path}", self.endpoints(cx).await?.content_url);
        let hash = BodyHash::<Md5>::new(&body);
        let answer = self
            .signed(cx, || {
                let mut call = ApiRequest::new(Operation::Write, method.clone(), &url, template)
                    .header(header::CONTENT_TYPE, &form.content_type)
                    .enclosed(form.before.clone(), body.clone(), form.after.clone());
                if deduplication == Deduplication::Suppressed {
                    call = call.query("suppress", "deduplication");
                }
                hash.observe(call)
            })
            .await?;
        let reply = answer.read().await?;
        // 201 for a new file, 200 for replaced bytes.
        if !reply.status.is_success() {
            return Err(failure(&reply));
        }
        Ok(Uploaded { node: reply.json()?, md5: hash.finish().await?.finalize().into() })
    }

    /// `GET nodes/{id}/content`. `known` is the file's size, where the caller knows it; needed only
    /// if the answer does not tell. More than some 10 GiB at once were not given
    /// (amazon-drive#max-download-size).
    ///
    /// # Errors
    /// `Range` past the end.
    pub async fn download(
        &self,
        cx: &Context,
        id: &str,
        range: &ByteRange,
        known: Option<u64>,
    ) -> Result<Download> {
        let url = format!("{}nodes/{}/content", self.endpoints(cx).await?.content_url, segment(id));
        let answer = self
            .signed(cx, || {
                let call =
                    ApiRequest::new(Operation::Read, Method::GET, &url, "nodes/{id}/content");
                set_range(call, range)
            })
            .await?;
        match answer.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                slice_response(range, known, answer)
            }
            _ => Err(failure(&answer.read().await?)),
        }
    }
}
