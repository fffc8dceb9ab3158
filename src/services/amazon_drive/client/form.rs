//! Uploads are forms: what goes before a file's bytes and after them.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Bytes;

use crate::{
    drive::{Error, ErrorKind, Result},
    services::amazon_drive::model::NewNode,
    transport::segment,
};

/// A `multipart/form-data` body around a file.
pub(super) struct Form {
    /// The header's value.
    pub(super) content_type: String,
    pub(super) before: Bytes,
    pub(super) after: Bytes,
}

impl Form {
    /// A form with a part `metadata`, without which bytes are replaced, and a part `content`. The
    /// cloud takes the name from the metadata; the media type is told by the name's extension.
    ///
    /// # Errors
    /// `Invalid` if the metadata cannot be written as JSON.
    pub(super) fn new(metadata: Option<&NewNode>, name: &str) -> Result<Self> {
        let boundary = boundary();
        let mut before = String::new();
        if let Some(metadata) = metadata {
            let json = serde_json::to_string(metadata).map_err(|error| {
                Error::new(ErrorKind::InvalidInput, format!("not to be written as JSON: {error}"))
            })?;
            before += &format!(
                "--{boundary}\r\n\
                 Content-Disposition: form-data; name=\"metadata\"\r\n\r\n{json}\r\n"
            );
        }
        let media_type = mime_guess::from_path(name).first_or_octet_stream();
        before += &format!(
            "--{boundary}\r\n\
             Content-Disposition: form-data; name=\"content\"; filename=\"{}\"\r\n\
             Content-Type: {media_type}\r\n\r\n",
            segment(name)
        );
        Ok(Self {
            content_type: format!("multipart/form-data; boundary={boundary}"),
            before: before.into(),
            after: format!("\r\n--{boundary}--\r\n").into(),
        })
    }
}

/// 128 bits that no file holds but by a chance of one in 2^128: two of the standard library's
/// randomly keyed hashers.
fn boundary() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("drivedal-{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::amazon_drive::NodeKind;

    #[test]
    fn the_metadata_has_no_content_type_and_comes_first() {
        let metadata = NewNode::new(NodeKind::File, "a \"b\".jpg", &"P".into());
        let form = Form::new(Some(&metadata), &metadata.name).unwrap();
        let boundary = form.content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert_eq!(
            String::from_utf8_lossy(&form.before),
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n\
                 {{\"kind\":\"FILE\",\"name\":\"a \\\"b\\\".jpg\",\"parents\":[\"P\"]}}\r\n\
                 --{boundary}\r\nContent-Disposition: form-data; name=\"content\"; \
                 filename=\"a%20%22b%22.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
            )
        );
        assert_eq!(form.after, format!("\r\n--{boundary}--\r\n"));
    }

    #[test]
    fn no_two_forms_have_the_same_boundary() {
        assert_ne!(boundary(), boundary());
    }
}
