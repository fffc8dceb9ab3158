//! URLs of pictures: they need no token, for a while.
//!
//! Such a URL dies with the item, and with the bytes that it was made for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
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

/// A picture's URL gives the picture to anybody.
pub(crate) const SECRET_URL: SecretUrl = SecretUrl::Path(PREFIX);

/// The claims of a picture's URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PictureClaims(
    /// The account's name.
    pub String,
    /// The item, or [`OWNER`].
    pub ItemKey,
    /// The fingerprint of the item's bytes.
    pub String,
    /// Whether a browser is to save the picture.
    pub bool,
);

/// In place of an item's number: the picture is of the account's owner.
pub(crate) const OWNER: ItemKey = ItemKey(0);

/// Returns the beginning of the paths of a picture; a size and a name follow.
pub(crate) fn start(state: &ServerState, claims: &PictureClaims) -> String {
    let expires = Timestamp::now() + state.settings.download_url_life;
    format!("{PREFIX}{}", state.signer.sign(Purpose::Picture, expires, claims))
}

/// Opens a picture's path. Returns its claims, if it is valid, and its size.
pub(crate) fn open<'p>(state: &ServerState, path: &'p str) -> (Option<PictureClaims>, &'p str) {
    let mut segments = path.strip_prefix(PREFIX).unwrap_or_default().split('/');
    let (signed, size) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    (state.signer.verify(Purpose::Picture, signed, Timestamp::now()).ok(), size)
}

/// Returns the paths of an item's pictures by their frame; `None` for an item that is neither photo
/// nor film.
pub(crate) fn thumbnails(
    state: &ServerState,
    account: &Account,
    node: &Node,
) -> Option<Box<dyn Fn(Frame) -> String>> {
    let class = FileClass::from_name(&node.name);
    let shows = node.kind == NodeKind::File && matches!(class, FileClass::Photo | FileClass::Video);
    let content = node.content.as_ref().filter(|_| shows)?;
    let start =
        start(state, &PictureClaims(account.name.clone(), node.no, fingerprint(content), false));
    let name = encoded(&node.name).to_string();
    Some(Box::new(move |frame| {
        let Frame { width, height, crop } = frame;
        let crop = if crop { "_crop" } else { "" };
        format!("{start}/c{width}x{height}{crop}/{name}")
    }))
}
