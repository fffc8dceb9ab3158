//! URLs of pictures: they give a picture without a token, for a limited time.
//!
//! Such a URL becomes invalid when its item is removed or the item's bytes are replaced.

use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    content::{encoded, fingerprint},
    file_class::FileClass,
    media::picture::Frame,
    secret_urls::SecretUrl,
    signed_token::Purpose,
    state::ServerState,
    tree::{ItemKey, Node, NodeKind},
};

/// The beginning of a picture's path.
pub(crate) const PREFIX: &str = "/p1p";

/// Prefix of the size in a picture's URL if the picture is not rotated as its EXIF data say.
pub(crate) const UNROTATED: &str = "u";

/// The position of the secret in a picture's URL.
pub(crate) const SECRET_URL: SecretUrl = SecretUrl::Path(PREFIX);

/// The claims of a picture's URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PictureClaims(
    /// The account's name.
    pub String,
    /// The item; [`OWNER`] for the picture of the account's owner, [`LOGO`] for a logo.
    pub ItemKey,
    /// The fingerprint of the item's bytes; the client id of the application for a logo.
    pub String,
    /// Whether browsers should save the picture.
    pub bool,
);

/// The key in [`PictureClaims`] for the picture of the account's owner. No item has it.
pub(crate) const OWNER: ItemKey = ItemKey(0);

/// The key in [`PictureClaims`] for the logo of an application. No item has it.
pub(crate) const LOGO: ItemKey = ItemKey(1);

/// Returns the beginning of the paths of a picture, without a slash at the end; `/SIZE/NAME` must
/// follow.
pub(crate) fn start(state: &ServerState, claims: &PictureClaims) -> String {
    let expires = state.scopes.now(&claims.0) + state.settings.download_url_life;
    format!("{PREFIX}{}", state.signer.sign(Purpose::Picture, expires, claims))
}

/// Parses a picture's path, with [`PREFIX`]. Returns its claims, and the segment with its size; the
/// claims are `None` if they are not signed by this server or have expired, the segment is empty if
/// it is missing.
pub(crate) fn open<'p>(state: &ServerState, path: &'p str) -> (Option<PictureClaims>, &'p str) {
    let mut segments = path.strip_prefix(PREFIX).unwrap_or_default().split('/');
    let (signed, size) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let now = |claims: &PictureClaims| state.scopes.now(&claims.0);
    (state.signer.verify_at(Purpose::Picture, signed, now).ok(), size)
}

/// Returns a function from a frame to the path of an item's thumbnail; `None` if the item is no
/// file whose extension is that of a photo or a video. The content may have no picture.
pub(crate) fn thumbnails(
    state: &ServerState,
    account: &Account,
    node: &Node,
) -> Option<Box<dyn Fn(Frame) -> String + Send + Sync>> {
    let class = FileClass::from_name(&node.name);
    let shows = node.kind == NodeKind::File && matches!(class, FileClass::Photo | FileClass::Video);
    let content = node.content.as_ref().filter(|_| shows)?;
    let start =
        start(state, &PictureClaims(account.name.clone(), node.no, fingerprint(content), false));
    let name = encoded(&node.name).to_string();
    Some(Box::new(move |frame| {
        let Frame { width, height, crop, is_unrotated } = frame;
        let crop = if crop { "_crop" } else { "" };
        let unrotated = if is_unrotated { UNROTATED } else { "" };
        format!("{start}/{unrotated}c{width}x{height}{crop}/{name}")
    }))
}
