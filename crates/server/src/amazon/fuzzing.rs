//! Runs the parsers of Amazon Cloud Drive for fuzz targets.

use axum::http::request::Parts;

use super::{filter::Filter, query::AmazonQuery, route::AmazonAction, sort::Sort};

/// Parses a filter and a sort order.
pub(crate) fn parse(text: &str) {
    let _ = (Filter::parse(text), Sort::parse(text));
}

/// Parses a request and the filter in its query.
pub(crate) fn route(request: &Parts) {
    let query = AmazonQuery::parse(request.uri.query());
    let _ = (AmazonAction::from_request(request), query.get("filters").map(Filter::parse));
}
