//! Parsers of files of tokens and of token responses, for the fuzz targets.

use super::{Kept, endpoint};

/// Parses a text as each kind of file of tokens, and as the response of a token endpoint.
///
/// # Panics
/// If a file that was read cannot be written back.
pub fn tokens(text: &str) {
    let _ = endpoint::whole_seconds(text.as_bytes());
    if let Ok(kept) = serde_json::from_str::<Kept>(text) {
        serde_json::to_string(&kept).expect("tokens are always JSON");
    }
    #[cfg(feature = "services-skydrive")]
    {
        use super::lcrc;
        let path = std::path::Path::new("lcrc");
        if let Ok(Some(kept)) = lcrc::kept(text, path)
            && let Ok(merged) = lcrc::merged(text, &kept, path)
        {
            lcrc::kept(&merged, path).expect("a file that was written is read");
        }
    }
}
