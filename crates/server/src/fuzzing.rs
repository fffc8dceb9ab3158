//! Entry points of the fuzz targets in `fuzz/`: parsers of untrusted input that are otherwise private.
//! Compiled with `--cfg fuzzing` only, and not part of the API.

use axum::http::{HeaderMap, HeaderValue, Request, header, request::Parts};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::runtime::Runtime;

use super::{
    Fault,
    access::StaticTokens,
    account_kind::AccountKind,
    base_url::BaseUrl,
    content,
    content_range::ContentRange,
    media::{self, Fetch, HEAD_SIZE},
    sign_in::Form,
    signed_token::{Purpose, TokenSigner},
    tree::ROOT,
};

/// Parses an Amazon filter and sort order.
pub fn amazon(text: &str) {
    super::amazon::fuzzing::parse(text);
}

/// Parses an Amazon request line.
pub fn amazon_route(method: &str, target: &str) {
    if let Some(parts) = parts(method, target) {
        super::amazon::fuzzing::route(&parts);
    }
}

/// Parses a Graph request: `address?query`.
pub fn graph(text: &str) {
    super::graph::fuzzing::parse(text);
}

/// Parses a file of a subscribed calendar of Live Connect.
pub fn calendar_file(text: &str) {
    super::live::fuzzing::calendar_file(text);
}

/// Parses a Live Connect or BITS request line.
pub fn live(method: &str, target: &str) {
    if let Some(parts) = parts(method, target) {
        super::live::fuzzing::parse(&parts);
    }
}

/// Parses a header's value as each header that the server reads, and as each signed text.
pub fn header(value: &[u8]) {
    let Ok(header_value) = HeaderValue::from_bytes(value) else { return };
    content::fuzzing(&header_value);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, header_value.clone());
    let _ = Form::parse("").client(&headers);
    let mut request = Request::new(());
    request.headers_mut().insert(header::HOST, header_value);
    let _ = BaseUrl::from_request(&request.into_parts().0, false, ([127, 0, 0, 1], 80).into());
    if let Ok(text) = std::str::from_utf8(value) {
        let tokens = StaticTokens { public: true, own: Some("own".into()) };
        let _ = (ContentRange::parse(text), tokens.account(text), tokens.refreshed_account(text));
        let signer = TokenSigner::random();
        let _ = signer.verify::<serde_json::Value>(Purpose::Access, text, Timestamp::now());
        // Signed correctly, so that the claims are parsed too.
        let signed = signer.sign(Purpose::Access, Timestamp::MAX, &text);
        assert_eq!(signer.verify(Purpose::Access, &signed, Timestamp::now()), Ok(text.to_owned()));
    }
}

/// Parses a sign-in form.
pub fn form(body: &[u8]) {
    let form = Form::parse(body);
    let _ = (form.get("client_id"), form.get("redirect_uri"));
}

/// Parses fault rules.
pub fn faults(json: &[u8]) {
    let _ = Fault::from_json(json);
}

/// Checks the name of a seed folder's entry for every kind of account.
pub fn seed_name(name: &str) {
    for kind in [
        AccountKind::Personal,
        AccountKind::PersonalLegacy,
        AccountKind::Business,
        AccountKind::Library,
    ] {
        let _ = super::item_names::check(name, true, kind, ROOT, &[]);
    }
}

/// Reads the metadata of a media file, and creates its thumbnail.
pub fn media(runtime: &Runtime, file: &[u8]) {
    let (file, size) = (Bytes::copy_from_slice(file), file.len() as u64);
    let head = &file[..file.len().min(HEAD_SIZE)];
    runtime.block_on(async {
        let _ = media::read_media(head, size, Fetch::from_bytes(file.clone())).await;
        let thumbnails = media::Thumbnails::default();
        for source in [media::ThumbnailSource::Whole, media::ThumbnailSource::Cover] {
            let reading = || media::Reading::new(size, Fetch::from_bytes(file.clone()));
            let _ = thumbnails.get([0; 32], source, 96, reading).await;
        }
    });
}

/// Creates the head of a request; `None` if it is malformed.
fn parts(method: &str, target: &str) -> Option<Parts> {
    Some(Request::builder().method(method).uri(target).body(()).ok()?.into_parts().0)
}
