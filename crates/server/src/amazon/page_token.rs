//! The token of the next page of a list (amazon-drive#next-token).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{
    error::{AmazonError, Result},
    sort::SortKey,
};
use crate::account_scope;

/// Validity of a page token.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The state of a list between two pages.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PageToken {
    /// Position of the last node of the page: in its source, or its item key if the list is sorted.
    pub(super) at: i64,
    /// Sort keys of the last node, if the list is sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) keys: Vec<SortKey>,
    /// Total number of nodes in the list.
    pub(super) count: u64,
    /// Hash of the query.
    query: u64,
    /// Expiry time, in microseconds since the epoch.
    expires: i64,
}

impl PageToken {
    /// Creates the token of the page after the node at `at` with the sort keys `keys`, valid from now
    /// on. `count` is the total number of nodes, `query` the hash of the query.
    pub(super) fn new((keys, at): (Vec<SortKey>, i64), count: u64, query: u64) -> Self {
        let expires = (account_scope::now() + TOKEN_LIFE).as_microsecond();
        Self { at, keys, count, query, expires }
    }

    /// Encodes the token as clients receive it.
    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Decodes a token from the text of a URL, percent-decoded. `query` is the hash of this request's
    /// query.
    ///
    /// # Errors
    /// 400 if the text is not a page token, its ten minutes are over, or it is of another query.
    pub(super) fn decode(text: &str, query: u64) -> Result<Self> {
        let invalid = || AmazonError::invalid("Invalid startToken");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
        let token: Self = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        if token.query != query {
            return Err(invalid());
        }
        if token.expires < account_scope::now().as_microsecond() {
            return Err(AmazonError::invalid("Next token is expired"));
        }
        Ok(token)
    }
}
