//! `multipart/form-data` bodies around one file.

use std::{
    fmt::Write,
    hash::{BuildHasher, RandomState},
};

use bytes::Bytes;

/// A form whose last part is a file. A request sends `prefix`, the bytes of the file and `suffix`.
pub(super) struct MultipartForm {
    /// Value of the `Content-Type` header.
    pub(super) content_type: String,
    pub(super) prefix: Bytes,
    pub(super) suffix: Bytes,
}

/// The part with the file.
pub(super) struct FilePart<'a> {
    /// Name of the form's field.
    pub(super) field: &'a str,
    /// The file's name, escaped for a quoted string.
    pub(super) filename: &'a str,
    pub(super) content_type: &'a str,
}

impl MultipartForm {
    /// Creates a form with text fields, as pairs of name and value, before the file. Nothing is
    /// escaped: names must be valid in a quoted string. The caller sends the bytes of the file between
    /// the form's `prefix` and `suffix`.
    pub(super) fn new(fields: &[(&str, &str)], file: &FilePart<'_>) -> Self {
        // No file contains it except with a chance of one in 2^128.
        let boundary = format!("drivedal-{}{}", random_hex(), random_hex());
        let mut prefix = String::new();
        for (name, value) in fields {
            write!(
                prefix,
                "--{boundary}\r\n\
                 Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .expect("a string grows without errors");
        }
        let FilePart { field, filename, content_type } = file;
        write!(
            prefix,
            "--{boundary}\r\n\
             Content-Disposition: form-data; name=\"{field}\"; filename=\"{filename}\"\r\n\
             Content-Type: {content_type}\r\n\r\n"
        )
        .expect("a string grows without errors");
        Self {
            content_type: format!("multipart/form-data; boundary={boundary}"),
            prefix: prefix.into(),
            suffix: format!("\r\n--{boundary}--\r\n").into(),
        }
    }
}

/// Returns 64 random bits as 16 hexadecimal digits, from a randomly keyed hasher of the standard
/// library.
pub(super) fn random_hex() -> String {
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_no_content_type_and_precede_the_file() {
        let file = FilePart { field: "content", filename: "a.jpg", content_type: "image/jpeg" };
        let form = MultipartForm::new(&[("metadata", "{}")], &file);
        let boundary = form.content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert_eq!(
            String::from_utf8_lossy(&form.prefix),
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{{}}\r\n\
                 --{boundary}\r\nContent-Disposition: form-data; name=\"content\"; \
                 filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
            )
        );
        assert_eq!(form.suffix, format!("\r\n--{boundary}--\r\n"));
    }

    #[test]
    fn two_forms_have_different_boundaries() {
        let file = FilePart { field: "file", filename: "a", content_type: "text/plain" };
        let [one, other] = [(); 2].map(|()| MultipartForm::new(&[], &file));
        assert_ne!(one.content_type, other.content_type);
    }
}
