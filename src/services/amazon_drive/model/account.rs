//! The account: its base URLs, state, quota and usage, and its access token
//! (amazon-drive#requests-account).

use jiff::Timestamp;
use serde::Deserialize;

/// Base URLs of an account (amazon-drive#endpoint-discovery). Both end with `/`
/// (amazon-drive#endpoint-trailing-slash).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoints {
    /// For uploads and downloads.
    pub content_url: String,
    /// For all other requests.
    pub metadata_url: String,
}

impl Endpoints {
    /// Creates the base URLs of an account. Both must end with a slash.
    pub(in super::super) fn new(content_url: String, metadata_url: String) -> Self {
        Self { content_url, metadata_url }
    }
}

/// Response to `GET account/endpoint`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct EndpointResponse {
    pub(in super::super) customer_exists: Option<bool>,
    pub(in super::super) content_url: Option<String>,
    pub(in super::super) metadata_url: Option<String>,
}

/// Response to `GET account/info`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AccountInfo {
    /// Version of the terms of use that the user has accepted.
    pub terms_of_use: Option<String>,
    /// State of the account; normally `ACTIVE`.
    pub status: Option<String>,
}

/// Response to `GET account/quota`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AccountQuota {
    /// Capacity of the drive in bytes.
    pub quota: u64,
    /// Free space in bytes.
    pub available: u64,
    /// When the cloud calculated the free space.
    #[serde(default)]
    pub last_calculated: Option<Timestamp>,
}

/// Response to `GET account/usage`: the space that files use, by type of content.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AccountUsage {
    /// When the cloud calculated the usage.
    pub last_calculated: Option<Timestamp>,
    /// Files of any other type.
    pub other: Usage,
    /// Documents.
    pub doc: Usage,
    /// Photos.
    pub photo: Usage,
    /// Videos.
    pub video: Usage,
}

/// Space that the files of one type use.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// All files of the type.
    pub total: UsageTotal,
    /// The files that count towards the quota.
    pub billable: UsageTotal,
}

/// Size and number of a set of files.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
pub struct UsageTotal {
    /// Size of all files in bytes.
    pub bytes: u64,
    /// Number of files.
    pub count: u64,
}

/// Description of an access token (amazon-drive#oauth-token-info).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
#[non_exhaustive]
pub struct TokenInfo {
    /// Remaining validity in seconds.
    pub exp: Option<u64>,
    /// Id of the application that the token was issued to.
    pub aud: Option<String>,
    /// Id of the user.
    pub user_id: Option<String>,
    /// Id of the application's registration.
    pub app_id: Option<String>,
    /// When the token was issued, in seconds since 1970.
    pub iat: Option<u64>,
}
