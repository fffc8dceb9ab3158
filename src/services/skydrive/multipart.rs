//! A file as a form (live-connect.md, A.6).

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use opendal::Buffer;

pub(super) struct Form {
    pub(super) content_type: String,
    pub(super) body: Buffer,
}

/// Exactly one part, `name="file"`, with the file's name.
pub(super) fn file(name: &str, bytes: Buffer) -> Form {
    let boundary = format!("drivedal-{}{}", random(), random());
    // As browsers do it: what would end the value or the line.
    let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let mut pieces = vec![Bytes::from(head)];
    pieces.extend(bytes);
    pieces.push(Bytes::from(tail));
    Form {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        body: Buffer::from(pieces),
    }
}

/// 16 hexadecimal digits that nobody else has.
pub(super) fn random() -> String {
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}
