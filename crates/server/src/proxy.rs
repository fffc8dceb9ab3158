//! The HTTP proxy (`CONNECT`) for clients with fixed hosts. It reaches only this server.
//!
//! The client uses the proxy (`HTTPS_PROXY`) to connect to a cloud's host; the tunnel ends in this
//! server. All other hosts are rejected, so the proxy cannot be used to reach other machines.

use axum::{
    body::Body,
    extract::Request,
    http::{Method, StatusCode},
    response::Response,
};
use hyper::upgrade::OnUpgrade;

use crate::{base_url::is_cloud, responses::text};

/// The port of `https`.
const HTTPS: u16 = 443;

/// Returns whether a request opens a tunnel.
pub(super) fn is_connect(request: &Request) -> bool {
    request.method() == Method::CONNECT
}

/// Accepts a `CONNECT` request. Returns the future tunnel, and the response that opens it.
///
/// # Errors
/// The response that rejects the request: 400 without a host, 403 for a host that is no cloud's,
/// and for another port than 443.
pub(super) fn open_tunnel(request: &mut Request) -> Result<(OnUpgrade, Response), Box<Response>> {
    let reject = |status, reason: String| Err(Box::new(text(status, reason)));
    let Some(target) = request.uri().authority().cloned() else {
        let reason = "cannot open a tunnel: CONNECT needs a host and port".to_owned();
        return reject(StatusCode::BAD_REQUEST, reason);
    };
    if !is_cloud(target.host()) || target.port_u16() != Some(HTTPS) {
        return reject(
            StatusCode::FORBIDDEN,
            format!(
                "cannot open a tunnel to {target}: this proxy reaches only the hosts of OneDrive, \
                 SkyDrive and Amazon Cloud Drive that the server stands in for, at port {HTTPS}"
            ),
        );
    }
    Ok((hyper::upgrade::on(request), Response::new(Body::empty())))
}
