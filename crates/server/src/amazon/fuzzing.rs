//! The parsers of this protocol, for fuzz targets.

use axum::http::request::Parts;

use super::{filter::Filter, query::Query, route::Action, sort::Sort};

pub(crate) fn parse(text: &str) {
    let _ = (Filter::parse(text), Sort::parse(text));
}

pub(crate) fn route(request: &Parts) {
    let query = Query::of(request.uri.query());
    let _ = (Action::of(request), query.get("filters").map(Filter::parse));
}
