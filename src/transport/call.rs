//! A request of a cloud's protocol, before it is sent.

use std::{fmt::Write as _, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use opendal::{
    Buffer,
    raw::{Operation, ServiceOperation},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::{
    file::{BodySource, Watch},
    limit::ResponseLimit,
    url_policy::UrlPolicy,
};
use crate::{
    drive::{Body, Error, ErrorKind, Result, Secret},
    rate_limit::{AccountLimiter, Repeat, RequestMeta},
};

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as one segment of a URL's path, or a value of its query.
pub(crate) fn segment(name: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name, RESERVED)
}

/// A request: what is sent, and how it is called in errors and metrics.
#[must_use]
pub(crate) struct Call {
    method: Method,
    url: String,
    /// The request's form without values, `{id}/files`: what errors print instead of the URL.
    template: &'static str,
    operation: Operation,
    headers: header::HeaderMap,
    body: Body,
    /// What goes before the body and after it: a form's beginning and end.
    around: (Bytes, Bytes),
    watch: Option<Watch>,
    /// What layers are told of it.
    meta: RequestMeta,
    /// Of the response, where it is read as a whole.
    limit: ResponseLimit,
    /// The first thing that was wrong with it; told when it is sent.
    wrong: Option<Error>,
}

impl Call {
    /// A request without body. `url` is absolute; `template` names the request in errors.
    pub(crate) fn new(
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
            around: Default::default(),
            watch: None,
            meta: RequestMeta::default(),
            limit: ResponseLimit::for_operation(operation),
            wrong: None,
        }
    }

    /// A request without body and token to a URL that a cloud has named, such as one of a file's
    /// bytes. Fails when it is sent if `urls` does not allow it.
    pub(crate) fn to_link(
        operation: Operation,
        method: Method,
        link: &Secret,
        template: &'static str,
        urls: &UrlPolicy,
    ) -> Self {
        let mut call = Self::new(operation, method, link.expose(), template);
        call.wrong = urls.check_link(&call.url).err();
        call
    }

    /// Adds a query parameter, encoded.
    pub(crate) fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        write!(self.url, "{separator}{name}={}", segment(value.as_ref()))
            .expect("writing to a string never fails");
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        match HeaderValue::from_str(value.as_ref()) {
            Ok(value) => {
                self.headers.append(name, value);
            }
            Err(_) => {
                self.wrong.get_or_insert_with(|| {
                    Error::new(
                        ErrorKind::Invalid,
                        format!(
                            "the value of header {name} has characters that no header may have"
                        ),
                    )
                });
            }
        }
        self
    }

    /// Adds headers of the user's configuration.
    pub(crate) fn headers(mut self, more: &header::HeaderMap) -> Self {
        self.headers.extend(more.clone());
        self
    }

    /// Signs the request with an access token. Fails when it is sent if `urls` does not allow the
    /// token on its host.
    pub(crate) fn bearer(mut self, token: &Secret, urls: &UrlPolicy) -> Self {
        if let Err(error) = urls.check_token(&self.url) {
            self.wrong.get_or_insert(error);
            return self;
        }
        match HeaderValue::from_str(&format!("Bearer {}", token.expose())) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.headers.insert(header::AUTHORIZATION, value);
            }
            Err(_) => {
                self.wrong.get_or_insert_with(|| {
                    Error::new(
                        ErrorKind::Denied,
                        "the access token has characters that no token may have",
                    )
                });
            }
        }
        self
    }

    /// Bounds the response, where the usual bounds of its operation do not fit.
    pub(crate) fn limit(mut self, limit: ResponseLimit) -> Self {
        self.limit = limit;
        self
    }

    /// The bounds of the response.
    pub(super) fn response_limit(&self) -> ResponseLimit {
        self.limit
    }

    /// It is one of the account's whose limiter this is.
    pub(crate) fn with_limiter(mut self, limiter: &AccountLimiter) -> Self {
        self.meta.limiter = Some(limiter.clone());
        self
    }

    /// It does not wait where the account's requests do.
    pub(crate) fn bypass_limiter(mut self) -> Self {
        self.meta.bypass_limiter = true;
        self
    }

    /// Says when it may be sent again, where its method does not say it.
    pub(crate) fn repeated(mut self, repeat: Repeat) -> Self {
        self.meta.repeat = Some(repeat);
        self
    }

    /// Says what it costs of what the cloud allows the account; 1 unless told.
    pub(crate) fn cost(mut self, units: u32) -> Self {
        self.meta.cost = units;
        self
    }

    /// The same, by what it is: its method, its operation, its URL.
    #[cfg(feature = "services-onedrive")]
    pub(crate) fn cost_by(self, units: fn(&Method, Operation, &str) -> u32) -> Self {
        let cost = units(&self.method, self.operation, &self.url);
        self.cost(cost)
    }

    /// Sends a JSON body.
    pub(crate) fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => {
                self.body = Body::Memory(Buffer::from(bytes));
                self.header(header::CONTENT_TYPE, "application/json")
            }
            Err(error) => {
                self.wrong.get_or_insert_with(|| {
                    Error::new(ErrorKind::Invalid, format!("not to be written as JSON: {error}"))
                });
                self
            }
        }
    }

    /// Sends these bytes.
    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Sends these bytes as part of a form: `before` and `after` are all of it but the file.
    #[cfg(any(feature = "services-amazon-drive", feature = "services-skydrive"))]
    pub(crate) fn enclosed(mut self, before: Bytes, body: Body, after: Bytes) -> Self {
        self.body = body;
        self.around = (before, after);
        self
    }

    /// Shows `watch` the bytes of a file while they are read to be sent; not those around them.
    #[cfg(feature = "services-amazon-drive")]
    pub(crate) fn watched(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// `METHOD host template`: how errors call it.
    pub(crate) fn label(&self) -> String {
        let host = self.url.split_once("://").map_or("", |(_, rest)| {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            // A user and password before the host would be a secret.
            rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host)
        });
        format!("{} {host} {}", self.method, self.template)
    }

    /// Takes the body's bytes into memory, for a transport that cannot send them from their file.
    pub(super) fn with_buffer(mut self, bytes: Buffer) -> Self {
        self.body = Body::Memory(bytes);
        self
    }

    /// The part of its body that is in a file.
    pub(super) fn file(&self) -> Option<BodySource> {
        match &self.body {
            Body::Memory(_) => None,
            Body::File { file, len } => Some(BodySource {
                file: Arc::clone(file),
                file_len: *len,
                before: Bytes::new(),
                after: Bytes::new(),
                watch: self.watch.clone(),
                leaving: None,
                guard: None,
            }),
        }
    }

    /// What OpenDAL's transports take.
    pub(super) fn into_request(self) -> Result<Request<Buffer>> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let file = self.file();
        let mut request = Request::new(Buffer::new());
        *request.method_mut() = self.method;
        // The parser's error would repeat the URL.
        *request.uri_mut() = self.url.parse().map_err(|_| {
            Error::new(ErrorKind::Invalid, "the address of the request is not a URL")
        })?;
        *request.headers_mut() = self.headers;
        request.extensions_mut().insert(self.operation);
        request.extensions_mut().insert(ServiceOperation(self.template));
        request.extensions_mut().insert(self.meta);
        let (before, after) = self.around;
        let has_source = file.is_some();
        match (self.body, file) {
            (_, Some(source)) => {
                request.extensions_mut().insert(BodySource { before, after, ..source });
            }
            (Body::Memory(bytes), None) if before.is_empty() && after.is_empty() => {
                *request.body_mut() = bytes;
            }
            (Body::Memory(bytes), None) => {
                *request.body_mut() = std::iter::once(before).chain(bytes).chain([after]).collect();
            }
            (Body::File { .. }, None) => unreachable!("a body in a file has a source"),
        }
        // No client says by itself that a body which could be there is empty; clouds want to know.
        let may_have_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
        if may_have_body && request.body().is_empty() && !has_source {
            let lengths = request.headers_mut().entry(header::CONTENT_LENGTH);
            lengths.or_insert(HeaderValue::from_static("0"));
        }
        Ok(request)
    }
}
