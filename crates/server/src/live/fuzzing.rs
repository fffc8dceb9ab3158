//! Runs the parsers of Live Connect for fuzz targets.

use axum::http::request::Parts;

use super::{
    account_objects::{ids::AccountObjectId, subscription},
    bits,
    ids::{CommentId, LiveId, TagId},
    names,
    query::LiveQuery,
    route::LiveTarget,
};

/// Parses a file of a subscribed calendar, and computes the occurrences of its events.
pub(crate) fn calendar_file(text: &str) {
    subscription::fuzzing(text);
}

/// Parses a request and the ids and names in its path with every parser. Fuzz targets check that
/// none of them panics.
pub(crate) fn parse(request: &Parts) {
    let query = LiveQuery::parse(request.uri.query());
    let _ = LiveTarget::parse(request, &query);
    let path = request.uri.path();
    bits::fuzzing(path);
    for text in path.split('/') {
        let _ = (LiveId::parse(text), CommentId::parse(text), TagId::parse(text));
        let _ = (AccountObjectId::parse(text), names::check(text));
    }
}
