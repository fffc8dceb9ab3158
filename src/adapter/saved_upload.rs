//! The persistent form of an unfinished upload.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::drive::UploadSession;

/// An unfinished upload of a large local file. It contains the data that
/// [`upload_file`](super::DriveHandle::upload_file) needs to continue, in another process too.
#[derive(Clone, Debug)]
pub struct SavedUpload {
    pub(super) path: String,
    /// The modification time of the local file; `None` if it cannot be represented.
    pub(super) modified: Option<Timestamp>,
    /// The number of bytes that the cloud has, according to its last response.
    pub(super) arrived: u64,
    pub(super) session: UploadSession,
}

/// The JSON form of a [`SavedUpload`]. Journals contain it, so its keys must not change.
#[derive(Deserialize, Serialize)]
struct SavedFields {
    path: String,
    #[serde(rename = "stamp")]
    modified: Option<Timestamp>,
    arrived: u64,
    url: String,
    total: u64,
    expires: Option<Timestamp>,
    state: String,
}

impl SavedUpload {
    /// Returns the operator path of the target.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the size of the whole file in bytes.
    pub fn size(&self) -> u64 {
        self.session.total
    }

    /// Returns the number of bytes, from the start of the file, that the cloud had according to its
    /// last response.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Returns the time at which the cloud discards the upload, or `None` if the cloud does not
    /// report it.
    pub fn expires(&self) -> Option<Timestamp> {
        self.session.expires
    }

    /// Replaces the beginning of the session's URL: for a server that has moved from the base URL
    /// `before` to the base URL `now`. A URL that does not start with `before` is unchanged.
    #[must_use]
    pub fn with_server(mut self, before: &str, now: &str) -> Self {
        if let Some(rest) = self.session.url.expose().strip_prefix(before) {
            self.session.url = format!("{now}{rest}").into();
        }
        self
    }

    /// Serializes the upload as one line of JSON.
    ///
    /// **The text contains a secret**: in some clouds everyone who knows the session's URL can write
    /// the file. Store it in a file that only its owner can read.
    ///
    /// # Panics
    /// Never: the fields are text and numbers, which JSON can always represent.
    pub fn to_json(&self) -> String {
        let fields = SavedFields {
            path: self.path.clone(),
            modified: self.modified,
            arrived: self.arrived,
            url: self.session.url.expose().to_owned(),
            total: self.session.total,
            expires: self.session.expires,
            state: self.session.state.clone(),
        };
        serde_json::to_string(&fields).expect("text and numbers are valid JSON")
    }

    /// Parses the result of [`to_json`](Self::to_json).
    ///
    /// # Errors
    /// `Unexpected` for any other text. The message does not repeat the text.
    pub fn from_json(text: &str) -> opendal::Result<Self> {
        let fields: SavedFields = serde_json::from_str(text).map_err(|error| {
            opendal::Error::new(
                opendal::ErrorKind::Unexpected,
                format!(
                    "cannot read the saved upload: invalid at line {}, column {}",
                    error.line(),
                    error.column()
                ),
            )
        })?;
        Ok(Self {
            path: fields.path,
            modified: fields.modified,
            arrived: fields.arrived,
            session: UploadSession {
                url: fields.url.into(),
                total: fields.total,
                expires: fields.expires,
                state: fields.state,
            },
        })
    }
}
