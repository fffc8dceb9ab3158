//! The responses of BITS: headers without a body.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};

use crate::tree::Session;

pub(super) const PACKET_TYPE: HeaderName = HeaderName::from_static("bits-packet-type");
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("bits-session-id");
pub(super) const RECEIVED: HeaderName = HeaderName::from_static("bits-received-content-range");

/// Returns an acknowledgement. All responses are acknowledgements without a body.
pub(super) fn ack(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(PACKET_TYPE, HeaderValue::from_static("Ack"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// Adds the id of the session to a response.
pub(super) fn set_session_id(response: &mut Response, session: &Session) {
    if let Ok(id) = HeaderValue::try_from(&session.id) {
        response.headers_mut().insert(SESSION_ID, id);
    }
}
