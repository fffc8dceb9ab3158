//! The parsers of this protocol, for fuzz targets.

use super::{address::Address, filter::ODataFilter, query::QueryOptions, select::Selection};

/// Parses `address?query` with every parser. Fuzz targets check that none of them panics.
pub(crate) fn parse(text: &str) {
    let (address, query) = match text.split_once('?') {
        Some((address, query)) => (address, Some(query)),
        None => (text, None),
    };
    let Ok(query) = QueryOptions::parse(query) else { return };
    let _ = (
        Address::parse(address, &query),
        ODataFilter::from_query(&query),
        Selection::from_query(&query, &[]),
    );
}
