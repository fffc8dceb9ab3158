//! A request of a cloud's protocol, before it is sent.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use opendal::{
    Buffer,
    raw::{Operation, ServiceOperation},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

#[cfg(feature = "services-onedrive")]
use super::gather::Gather;
use super::{
    file::{BodyObserver, BodySource},
    response_limit::ResponseLimit,
    url_policy::UrlPolicy,
};
use crate::{
    drive::{Body, Error, ErrorKind, Result, Secret},
    rate_limit::{AccountLimiter, Repeat, RequestMeta},
};

/// All characters except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes a text as one segment of a URL's path, or as a value of its query.
pub fn segment(name: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(name, RESERVED)
}

/// A request, with the metadata that errors, metrics and layers use.
///
/// This is a builder: an invalid header or URL is reported when the request is sent. URL and headers
/// never appear in an error or a log.
#[must_use]
pub struct ApiRequest {
    method: Method,
    url: String,
    /// The URL without values, such as `{id}/files`; errors print it instead of the URL.
    template: &'static str,
    operation: Operation,
    headers: header::HeaderMap,
    body: Body,
    /// The parts of a form before and after the body.
    prefix: Bytes,
    suffix: Bytes,
    observer: Option<BodyObserver>,
    /// Metadata for the layers.
    meta: RequestMeta,
    /// Limit of a response that is read into memory.
    limit: ResponseLimit,
    /// `None` if the request is always sent alone.
    #[cfg(feature = "services-onedrive")]
    gather: Option<Gather>,
    /// The first error of the builder, reported when the request is sent.
    build_error: Option<Error>,
}

impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiRequest").field(&self.label()).finish()
    }
}

impl ApiRequest {
    /// Returns a request without a body. `url` is absolute. `template` replaces the URL in errors and
    /// logs; an example is `{id}/files`.
    pub fn new(
        operation: Operation,
        method: Method,
        url: impl Into<String>,
        template: &'static str,
    ) -> Self {
        Self {
            method,
            url: url.into(),
            template,
            operation,
            headers: header::HeaderMap::new(),
            body: Body::Memory(Buffer::new()),
            prefix: Bytes::new(),
            suffix: Bytes::new(),
            observer: None,
            meta: RequestMeta::default(),
            limit: ResponseLimit::for_operation(operation),
            #[cfg(feature = "services-onedrive")]
            gather: None,
            build_error: None,
        }
    }

    /// Returns a request without a body or token, for a URL from a response, such as a download URL.
    /// If `urls` does not allow the URL, sending the request fails.
    pub fn for_link(
        operation: Operation,
        method: Method,
        link: &Secret,
        template: &'static str,
        urls: &UrlPolicy,
    ) -> Self {
        let mut request = Self::new(operation, method, link.expose(), template);
        request.build_error = urls.check_link(&request.url).err();
        request
    }

    /// Adds a query parameter. Its value is percent-encoded, its name is not.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        write!(self.url, "{separator}{name}={}", segment(value.as_ref()))
            .expect("writing to a string never fails");
        self
    }

    /// Adds a header. An invalid value is reported when the request is sent.
    pub fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        match HeaderValue::from_str(value.as_ref()) {
            Ok(value) => {
                self.headers.append(name, value);
            }
            Err(_) => {
                self.build_error.get_or_insert_with(|| {
                    Error::new(
                        ErrorKind::InvalidInput,
                        format!("cannot send header {name}: its value has invalid characters"),
                    )
                });
            }
        }
        self
    }

    /// Adds headers, such as those of the user's configuration.
    pub fn headers(mut self, more: &header::HeaderMap) -> Self {
        self.headers.extend(more.clone());
        self
    }

    /// Adds an access token. If `urls` does not allow the token on the request's host, sending the
    /// request fails.
    pub fn bearer(mut self, token: &Secret, urls: &UrlPolicy) -> Self {
        if let Err(error) = urls.check_token(&self.url) {
            self.build_error.get_or_insert(error);
            return self;
        }
        match HeaderValue::from_str(&format!("Bearer {}", token.expose())) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.headers.insert(header::AUTHORIZATION, value);
            }
            Err(_) => {
                self.build_error.get_or_insert_with(|| {
                    Error::new(
                        ErrorKind::PermissionDenied,
                        "cannot send the access token: it has invalid characters",
                    )
                });
            }
        }
        self
    }

    /// Allows the request to be sent together with others, if the transport is that of this crate.
    /// Its body must be in memory.
    #[cfg(feature = "services-onedrive")]
    pub(crate) fn gathered_by(mut self, gather: &Gather) -> Self {
        self.gather = Some(gather.clone());
        self
    }

    /// Sets the limit of the response. The default depends on the operation.
    pub fn limit(mut self, limit: ResponseLimit) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the limit of the response.
    pub(super) fn response_limit(&self) -> ResponseLimit {
        self.limit
    }

    /// Sets the rate limiter of the account.
    pub fn with_limiter(mut self, limiter: &AccountLimiter) -> Self {
        self.meta.limiter = Some(limiter.clone());
        self
    }

    /// Sends the request even while the account is paused.
    pub fn bypass_limiter(mut self) -> Self {
        self.meta.bypass_limiter = true;
        self
    }

    /// Sets when the request may be repeated. The default depends on the method.
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.meta.repeat = Some(repeat);
        self
    }

    /// Sets the cost of the request in the cloud's units. The default is 1.
    pub fn cost(mut self, units: u32) -> Self {
        self.meta.cost = units;
        self
    }

    /// Sets the cost to the result of `units` for the request's method, operation and URL.
    pub fn cost_by(self, units: fn(&Method, Operation, &str) -> u32) -> Self {
        let cost = units(&self.method, self.operation, &self.url);
        self.cost(cost)
    }

    /// Sets a JSON body. A value that cannot be encoded is reported when the request is sent.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => {
                self.body = Body::Memory(Buffer::from(bytes));
                self.header(header::CONTENT_TYPE, "application/json")
            }
            Err(error) => {
                self.build_error.get_or_insert_with(|| {
                    Error::new(
                        ErrorKind::InvalidInput,
                        format!("cannot encode the request as JSON: {error}"),
                    )
                });
                self
            }
        }
    }

    /// Sets the body.
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Sets a body that is part of a form. `prefix` and `suffix` are the parts of the form before
    /// and after it.
    pub fn body_in_form(mut self, prefix: Bytes, body: Body, suffix: Bytes) -> Self {
        self.body = body;
        (self.prefix, self.suffix) = (prefix, suffix);
        self
    }

    /// Sets an observer of the bytes that are read from the body's file, without those around them.
    #[cfg(any(feature = "services-amazon-drive", feature = "services-onedrive"))]
    pub(crate) fn with_body_observer(mut self, observer: BodyObserver) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Returns `METHOD host template`, which names the request in errors.
    pub fn label(&self) -> String {
        let host = self.url.split_once("://").map_or("", |(_, rest)| {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            // User name and password would be secret.
            rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host)
        });
        format!("{} {host} {}", self.method, self.template)
    }

    /// Converts the request for OpenDAL's transports. A body in a file becomes a [`BodySource`]
    /// among the extensions.
    ///
    /// # Errors
    /// The first error of the builder: `InvalidInput` for a header with a character that HTTP does
    /// not allow there, or for a URL that the policy rejects, of the policy's kind. `InvalidInput`
    /// if the URL cannot be parsed.
    pub(super) fn into_request(self) -> Result<Request<Buffer>> {
        if let Some(build_error) = self.build_error {
            return Err(build_error);
        }
        let mut request = Request::new(Buffer::new());
        *request.method_mut() = self.method;
        // The parser's error would repeat the URL.
        *request.uri_mut() = self.url.parse().map_err(|_| {
            Error::new(ErrorKind::InvalidInput, "cannot send the request: its URL is invalid")
        })?;
        *request.headers_mut() = self.headers;
        request.extensions_mut().insert(self.operation);
        request.extensions_mut().insert(ServiceOperation(self.template));
        request.extensions_mut().insert(self.meta);
        #[cfg(feature = "services-onedrive")]
        if let Some(gather) = self.gather {
            request.extensions_mut().insert(gather);
        }
        let (prefix, suffix) = (self.prefix, self.suffix);
        match self.body {
            Body::File { file, len: file_len } => {
                let (observer, progress, guard) = (self.observer, None, None);
                request.extensions_mut().insert(BodySource {
                    file,
                    file_len,
                    prefix,
                    suffix,
                    observer,
                    progress,
                    guard,
                });
                return Ok(request);
            }
            Body::Memory(bytes) if prefix.is_empty() && suffix.is_empty() => {
                *request.body_mut() = bytes;
            }
            Body::Memory(bytes) => {
                *request.body_mut() =
                    std::iter::once(prefix).chain(bytes).chain([suffix]).collect();
            }
        }
        announce_empty_body(&mut request);
        Ok(request)
    }
}

/// Adds `Content-Length: 0` to a request with an empty body, if its method may have a body. Clouds
/// reject such a request without a length, and no HTTP client adds one.
pub(super) fn announce_empty_body(request: &mut Request<Buffer>) {
    let may_have_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if may_have_body && request.body().is_empty() {
        let lengths = request.headers_mut().entry(header::CONTENT_LENGTH);
        lengths.or_insert(HeaderValue::from_static("0"));
    }
}
