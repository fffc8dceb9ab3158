//! `CONNECT`: a proxy to nowhere but here.
//!
//! A client whose hosts are fixed is told a proxy (`HTTPS_PROXY`); what it then believes to be a
//! line to a cloud ends in this server. Every other host is refused: this is no way out.

use axum::{
    body::Body,
    extract::Request,
    http::{Method, StatusCode},
    response::Response,
};
use hyper::upgrade::OnUpgrade;

use super::{base_url::is_cloud, responses::text};

/// The port of `https`.
const HTTPS: u16 = 443;

/// Whether a client asks for a tunnel.
pub(super) fn asks(request: &Request) -> bool {
    request.method() == Method::CONNECT
}

/// The tunnel that a request asks for and the answer that opens it; or the one that refuses.
pub(super) fn tunnel(request: &mut Request) -> Result<(OnUpgrade, Response), Box<Response>> {
    let refuse = |status, why: String| Err(Box::new(text(status, why)));
    let Some(target) = request.uri().authority().cloned() else {
        return refuse(StatusCode::BAD_REQUEST, "CONNECT names no host and port.".to_owned());
    };
    if !is_cloud(target.host()) || target.port_u16() != Some(HTTPS) {
        return refuse(
            StatusCode::FORBIDDEN,
            format!(
                "This proxy leads to the drive server and nowhere else: it stands in for the hosts \
                 of OneDrive, SkyDrive and Amazon Cloud Drive at port {HTTPS}, not for {target}."
            ),
        );
    }
    Ok((hyper::upgrade::on(request), Response::new(Body::empty())))
}
