//! Entry point of the fuzz target: parsers of token files, of token responses, and of the files of
//! other programs.

use super::{StoredTokens, token_client};

/// Parses a text as each kind of token file, and as the response of a token endpoint.
///
/// # Panics
/// Panics if tokens that were read cannot be written back.
pub fn tokens(text: &str) {
    let _ = token_client::whole_seconds(text.as_bytes());
    if let Ok(stored) = serde_json::from_str::<StoredTokens>(text) {
        serde_json::to_string(&stored).expect("tokens are always JSON");
    }
    #[cfg(feature = "import")]
    {
        use super::import;
        let path = std::path::Path::new("imported");
        let _ = import::parse_rclone(text, path);
        let _ = import::parse_oauth_data(text, path);
    }
    #[cfg(feature = "lcrc")]
    {
        use super::lcrc;
        let path = std::path::Path::new("lcrc");
        if let Ok(Some(stored)) = lcrc::parse_tokens(text, path)
            && let Ok(merged) = lcrc::replace_tokens(text, &stored, path)
        {
            lcrc::parse_tokens(&merged, path).expect("a file that was written is read");
        }
    }
}
