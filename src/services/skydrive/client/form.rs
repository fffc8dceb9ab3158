//! A file as a form (live-connect#upload-multipart).

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

/// What goes around a file in a form of one part, `name="file"` with the file's name.
pub(super) struct Form {
    pub(super) content_type: String,
    pub(super) before: Bytes,
    pub(super) after: Bytes,
}

impl Form {
    pub(super) fn new(name: &str) -> Self {
        let boundary = format!("drivedal-{}{}", random(), random());
        // As browsers do it: what would end the value or the line.
        let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let before = format!(
            "--{boundary}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        Self {
            content_type: format!("multipart/form-data; boundary={boundary}"),
            before: Bytes::from(before),
            after: Bytes::from(format!("\r\n--{boundary}--\r\n")),
        }
    }
}

/// 16 hexadecimal digits that nobody else has.
pub(in crate::services::skydrive) fn random() -> String {
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}
