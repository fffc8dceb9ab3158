//! The parsers of this protocol, for fuzz targets.

use super::{address::Address, filter::Filter, query::Query, select::Selection};

/// Parses `address?query`.
pub(crate) fn parse(text: &str) {
    let (address, query) = match text.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (text, None),
    };
    let Ok(query) = Query::parse(query) else { return };
    let _ = (Address::parse(address, &query), Filter::of(&query), Selection::of(&query));
}
