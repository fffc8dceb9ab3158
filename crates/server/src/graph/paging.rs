//! Page sizes and page tokens (`$top`, `$skiptoken`).

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::form_urlencoded;

use super::{
    error::{Error, Result},
    query::QueryOptions,
};
use crate::tree::{ItemKey, ListingKey, Order, SearchPosition};

/// Number of items on a page without `$top` (onedrive-graph#page-size).
pub(super) const DEFAULT_PAGE_SIZE: u64 = 200;

/// Maximum number of items on a page; a larger `$top` is reduced to this
/// (onedrive-graph#page-size).
pub(super) const MAX_PAGE_SIZE: u64 = 1000;

/// Query option with the start of the next page.
pub(super) const SKIP_TOKEN: &str = "$skiptoken";

/// Returns the number of items that a request wants on a page.
///
/// # Errors
/// 400 for `$skip`, which the cloud refuses, and for a `$top` that is no number above 0.
pub(super) fn page_size(query: &QueryOptions) -> Result<u64> {
    if query.get("skip").is_some() {
        // If it were ignored, the client would get the first page again and again.
        return Err(Error::invalid(
            "$skip is not supported on this API. Only URLs returned by the API can be used to page.",
        ));
    }
    Ok(query.count("top")?.unwrap_or(DEFAULT_PAGE_SIZE).min(MAX_PAGE_SIZE))
}

/// Returns the token for the page after the item with a sort key, in the cloud's form
/// (onedrive-api-docs#774). Clients treat it as opaque.
pub(super) fn encode_listing_key(key: &ListingKey, order: Order) -> String {
    let mut text = form_urlencoded::Serializer::new(String::from("Paged=TRUE"));
    match order {
        Order::FoldersThenName => {
            text.append_pair("p_SortBehavior", &key.group.to_string());
            text.append_pair("p_FileLeafRef", &key.name);
        }
        Order::Name => {
            text.append_pair("p_FileLeafRef", &key.name);
        }
        Order::Modified => {
            text.append_pair("p_Modified", &key.number.to_string());
        }
        Order::Size => {
            text.append_pair("p_FileSizeDisplay", &key.number.to_string());
        }
        Order::Number => {}
    }
    text.append_pair("p_ID", &key.item.to_string());
    URL_SAFE_NO_PAD.encode(text.finish())
}

/// Returns the sort key in a token that was created for a listing in the same order.
///
/// # Errors
/// 400 for any other token.
pub(super) fn decode_listing_key(token: &str, order: Order) -> Result<ListingKey> {
    let decode = || {
        let text = URL_SAFE_NO_PAD.decode(token).ok()?;
        let fields: HashMap<String, String> = form_urlencoded::parse(&text).into_owned().collect();
        let number = |name: &str| fields.get(name)?.parse::<i64>().ok();
        let name = || fields.get("p_FileLeafRef").cloned();
        let key = ListingKey { item: ItemKey(number("p_ID")?), ..ListingKey::default() };
        Some(match order {
            Order::FoldersThenName => {
                ListingKey { group: number("p_SortBehavior")?, name: name()?, ..key }
            }
            Order::Name => ListingKey { name: name()?, ..key },
            Order::Modified => ListingKey { number: number("p_Modified")?, ..key },
            Order::Size => ListingKey { number: number("p_FileSizeDisplay")?, ..key },
            Order::Number => key,
        })
    };
    decode().ok_or_else(foreign_token)
}

/// Returns 400 for the token of another listing.
fn foreign_token() -> Error {
    Error::invalid("cannot continue the listing: the $skiptoken belongs to another listing")
        .inner("invalidStartIndex")
}

/// Returns the token for a position in the tree's order of descendants. Clients treat it as opaque.
pub(super) fn encode_position(position: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("p_ID={position}"))
}

/// Returns the position in a token of [`encode_position`]. `token` is percent-decoded.
///
/// # Errors
/// 400 for any other token.
pub(super) fn decode_position(token: &str) -> Result<u64> {
    let decoded =
        URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let position = decoded.and_then(|text| text.strip_prefix("p_ID=")?.parse().ok());
    position.ok_or_else(foreign_token)
}

/// Returns the token for the page of a search after a position. Clients treat it as opaque.
pub(super) fn encode_search_position(position: &SearchPosition) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.append_pair("p_Word", &position.word);
    text.append_pair("p_ID", &position.item.to_string());
    URL_SAFE_NO_PAD.encode(text.finish())
}

/// Returns the position in a token of [`encode_search_position`]. `token` is percent-decoded.
///
/// # Errors
/// 400 for any other token.
pub(super) fn decode_search_position(token: &str) -> Result<SearchPosition> {
    let decode = || {
        let text = URL_SAFE_NO_PAD.decode(token).ok()?;
        let fields: HashMap<String, String> = form_urlencoded::parse(&text).into_owned().collect();
        // PostgreSQL cannot compare a text with NUL, and no word has one.
        let word = fields.get("p_Word").filter(|word| !word.contains('\0'))?.clone();
        Some(SearchPosition { word, item: ItemKey(fields.get("p_ID")?.parse().ok()?) })
    };
    decode().ok_or_else(foreign_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_token() {
        assert_eq!(decode_position(&encode_position(7003)).unwrap(), 7003);
        for text in ["", "7003", "x", &URL_SAFE_NO_PAD.encode("p_ID=-1")] {
            assert!(decode_position(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_search_position_survives_its_token() {
        let position = SearchPosition { word: "Ä&=B".into(), item: ItemKey(7) };
        let token = encode_search_position(&position);
        assert_eq!(decode_search_position(&token).unwrap(), position);
        for text in ["", "x", &encode_position(7), &URL_SAFE_NO_PAD.encode("p_Word=%00&p_ID=1")] {
            assert!(decode_search_position(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_listing_key_survives_its_token_in_the_same_order_only() {
        let text = String::from("a&b=ü/\u{1F600}");
        let key = |group, name: &str, number| ListingKey {
            group,
            name: name.into(),
            number,
            item: ItemKey(7),
        };
        for (order, key) in [
            (Order::FoldersThenName, key(1, &text, 0)),
            (Order::Name, key(0, &text, 0)),
            (Order::Modified, key(0, "", -5)),
            (Order::Size, key(0, "", 1 << 40)),
            (Order::Number, key(0, "", 0)),
        ] {
            let token = encode_listing_key(&key, order);
            assert_eq!(decode_listing_key(&token, order).unwrap(), key, "{order:?}");
        }
        let by_size = encode_listing_key(&key(0, "", 3), Order::Size);
        assert!(decode_listing_key(&by_size, Order::Name).is_err(), "a token of another order");
    }

    #[test]
    fn a_page_has_200_items_by_default_and_1000_at_most() {
        let size = |raw| page_size(&QueryOptions::parse(Some(raw)).unwrap()).unwrap();
        assert_eq!(size(""), 200);
        assert_eq!(size("$top=7"), 7);
        assert_eq!(size("$top=5000"), 1000);
    }
}
