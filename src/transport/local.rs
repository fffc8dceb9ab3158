//! Calls a service in this process, for a transport without a network.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt, TryStreamExt, future::BoxFuture};
use http::header;
use http_body_util::BodyExt;
use opendal::{Error, ErrorKind, Result};

/// The body of a request to a service in this process.
pub type RequestBody = reqwest::Body;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Calls a service in this process.
pub(super) type LocalService =
    Arc<dyn Fn(reqwest::Request) -> BoxFuture<'static, Result<reqwest::Response>> + Send + Sync>;

/// Wraps a `tower` service. Its responses get the `Content-Length` that a connection would add.
pub(super) fn service<S, B>(service: S) -> LocalService
where
    S: tower_service::Service<http::Request<RequestBody>, Response = http::Response<B>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Arc::new(move |request| {
        let mut service = service.clone();
        async move {
            let is_head = request.method() == http::Method::HEAD;
            let request = http::Request::try_from(request).map_err(failed)?;
            std::future::poll_fn(|cx| service.poll_ready(cx)).await.map_err(failed)?;
            let mut response = service.call(request).await.map_err(failed)?;
            let len = response.body().size_hint().exact().filter(|_| !is_head);
            if let Some(len) = len {
                response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(len.into());
            }
            Ok(reqwest::Response::from(response.map(|body| match is_head {
                true => RequestBody::from(Bytes::new()),
                false => {
                    let body = body.map_err(|error| io::Error::other(error.into()));
                    RequestBody::wrap_stream(body.into_data_stream().into_stream())
                }
            })))
        }
        .boxed()
    })
}

/// Returns the error of a failed call.
fn failed(error: impl Into<BoxError>) -> Error {
    Error::new(ErrorKind::Unexpected, "cannot call the service in this process")
        .set_temporary()
        .set_source(BoxedError(error.into()))
}

/// A boxed error as the source of another error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BoxedError(BoxError);
