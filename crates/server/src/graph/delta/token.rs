//! The tokens of the change feed.

use http::{HeaderValue, header};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{
    account_scope,
    graph::{
        drive_context::DriveContext,
        error::{Error, Result},
    },
    signed_token::Purpose,
    tree::{DriveInfo, DriveKey, ItemKey, MOVES_KEPT, Node},
};

/// Lifetime of a token. Inferred: the cloud does not publish one, and forgets tokens after weeks.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
const _: () = assert!(TOKEN_LIFETIME.as_secs() < MOVES_KEPT.as_secs(), "a token outlives moves");

/// A client's position in a feed. Clients get it as a signed token, so the serialized names must
/// not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeltaToken {
    pub(super) drive: DriveKey,
    /// When the drive was created, in microseconds. After a reset another drive may have the same
    /// key.
    #[serde(rename = "made")]
    pub(super) drive_created: i64,
    /// The followed folder.
    pub(super) folder: ItemKey,
    /// The client knows all changes up to this number of the drive's feed.
    pub(super) feed: i64,
    /// Start of the next page of the first enumeration, in the tree's order; `None` after the last
    /// page.
    #[serde(rename = "at")]
    pub(super) enumeration: Option<i64>,
    /// The value of `feed` before the first page of changes; `None` unless more pages of changes
    /// follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<i64>,
    /// The moved folder whose contents are on the next page; `None` if the next page has changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) moved: Option<MovedFolder>,
    /// Reports only items that the server changed at this time or later, in microseconds; `None`
    /// unless the client gave a time and more pages of changes since it follow.
    #[serde(default, rename = "time", skip_serializing_if = "Option::is_none")]
    pub(super) changed_since: Option<i64>,
}

/// A folder that moved into or out of the followed folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MovedFolder {
    pub(super) item: ItemKey,
    /// Whether the folder moved out.
    pub(super) left: bool,
    /// Start of the next page of its contents, in the tree's order.
    #[serde(rename = "at")]
    pub(super) next: i64,
}

impl DeltaToken {
    /// Returns the current end of a drive's feed, for a client that follows `folder`.
    pub(super) fn latest(drive: &DriveInfo, folder: &Node) -> Self {
        Self {
            drive: drive.no,
            drive_created: drive.created.as_microsecond(),
            folder: folder.no,
            feed: drive.feed,
            enumeration: None,
            since: None,
            moved: None,
            changed_since: None,
        }
    }

    /// Returns the signed form of the token, which is valid for 30 days from now.
    pub(super) fn sign(&self, context: &DriveContext<'_>) -> String {
        let expires = account_scope::now() + TOKEN_LIFETIME;
        context.request.state.signer.sign(Purpose::Feed, expires, self)
    }

    /// Opens `signed`, a token as the client sent it, percent-decoded. `latest` is the current end
    /// of the feed, for the drive and the folder that the request addresses.
    ///
    /// # Errors
    /// 410 if the token is not signed by this server or has another form, has expired, belongs to
    /// another drive or folder than `latest`, or is ahead of the feed.
    pub(super) fn open(context: &DriveContext<'_>, signed: &str, latest: Self) -> Result<Self> {
        let opened =
            context.request.state.signer.verify(Purpose::Feed, signed, account_scope::now());
        let belongs_to_feed = |token: &Self| {
            let same = Self {
                drive: token.drive,
                drive_created: token.drive_created,
                folder: token.folder,
                ..latest
            };
            same == latest && token.feed <= latest.feed
        };
        opened.ok().filter(belongs_to_feed).ok_or_else(|| {
            // Like the cloud, the response names the URL that starts the feed again.
            match HeaderValue::from_str(&context.request.link("token", "")) {
                Ok(url) => Error::gone().header(header::LOCATION, url),
                Err(_) => Error::gone(),
            }
        })
    }
}
