//! A listener on this machine that receives the redirect at the end of a sign-in page
//! (RFC 8252, section 7.3).

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::redirect;
use crate::drive::{Error, ErrorKind, Result, Secret};

/// Maximum size of a request's headers in bytes. Codes of Microsoft have about 2 KiB.
const MAX_HEADERS: usize = 32 << 10;

/// Maximum time to receive the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time of a connection. Browsers open some in advance.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum number of connections at a time. Others wait in the queue of the system.
const MAX_CONNECTIONS: usize = 32;

/// A listener for one redirect. It accepts connections only while [`receive_code`] runs.
///
/// [`AuthorizationCodeFlow`](super::AuthorizationCodeFlow) has its own listener. This type is for
/// sign-ins that are not a flow of this module.
///
/// [`receive_code`]: Self::receive_code
#[derive(Debug)]
pub struct RedirectListener {
    listener: TcpListener,
    port: u16,
    path: String,
}

/// The result of a sign-in, which the task of a connection sets.
type RedirectResult = Arc<Mutex<Option<Result<Secret>>>>;

impl RedirectListener {
    /// Listens on a port of 127.0.0.1. 0 selects a free port. `path` is that of the redirect URI,
    /// with a slash at its start.
    ///
    /// # Errors
    /// `Unexpected` if the port is in use or cannot be opened.
    pub async fn bind(port: u16, path: &str) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let text = format!("cannot listen for the redirect on 127.0.0.1:{port}: {error}");
            Error::new(ErrorKind::Unexpected, text).with_source(error)
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port, path: path.to_owned() })
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the redirect with this state, and returns its code after the browser has received
    /// the last page. Other requests get an error page and do not end the sign-in.
    ///
    /// # Errors
    /// `PermissionDenied` if the redirect contains an error of the cloud.
    pub async fn receive_code(&self, state: &Secret) -> Result<Secret> {
        let received = RedirectResult::default();
        // Dropping the set closes all connections.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {
                    let result = received.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(result) = result {
                        return result;
                    }
                }
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => {
                            let redirect = Redirect {
                                path: self.path.clone(),
                                state: state.clone(),
                                received: Arc::clone(&received),
                            };
                            connections.spawn(serve(stream, redirect));
                        }
                        // The peer closed the connection, or no file descriptor is free.
                        Err(error) => {
                            tracing::warn!(%error, "cannot accept a connection of the browser");
                            tokio::task::yield_now().await;
                        }
                    }
                }
            }
        }
    }
}

/// The expected redirect.
struct Redirect {
    path: String,
    state: Secret,
    received: RedirectResult,
}

/// Serves one request of a connection.
async fn serve(stream: TcpStream, redirect: Redirect) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = redirect.respond(request.method(), request.uri());
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "cannot serve the browser"),
        Err(_) => tracing::debug!("cannot serve the browser: the connection took too long"),
    }
}

impl Redirect {
    /// Returns the response to a request, and stores the result if the request is the redirect.
    fn respond(&self, method: &Method, uri: &http::Uri) -> Response<Full<Bytes>> {
        let parameters = uri.query().unwrap_or_default();
        let is_redirect =
            *method == Method::GET && uri.path() == self.path && redirect::has_result(parameters);
        if !is_redirect {
            return page(StatusCode::NOT_FOUND, "Not found", "This page does not exist.");
        }
        if !redirect::has_state(parameters, &self.state) {
            let text = "This address belongs to another sign-in. Start the sign-in again.";
            return page(StatusCode::BAD_REQUEST, "Not signed in", text);
        }
        let result = redirect::code_in_parameters(parameters, &self.state);
        let response = match &result {
            Ok(_) => {
                let text = "You may close this window and return to the program.";
                page(StatusCode::OK, "Sign-in received", text)
            }
            Err(error) => page(StatusCode::OK, "Not signed in", &error.to_string()),
        };
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.get_or_insert(result);
        response
    }
}

/// Returns a plain page. `text` may contain text of the cloud, so it is escaped.
fn page(status: StatusCode, title: &str, text: &str) -> Response<Full<Bytes>> {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>\
         <p>{}</p></html>\n",
        escape(text)
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        // The URL of the page contains the code.
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Escapes a text for HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
