//! Behaviour of the clouds that a server shows only if a test wants it.

use std::time::Duration;

/// Behaviour of OneDrive and SharePoint that is switched off by default, because most tests need a
/// server that responds at once and stores bytes unchanged.
///
/// ```
/// use std::time::Duration;
/// use drivedal_server::CloudBehavior;
///
/// let behavior = CloudBehavior::default()
///     .without_pre_authenticated_urls()
///     .copy_duration(Duration::from_secs(2));
/// # let _ = behavior;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct CloudBehavior {
    /// Whether URLs of business drives and libraries need a token.
    pub(crate) retires_pre_authentication: bool,
    /// The time after which the monitor of a copy reports its end.
    pub(crate) copy_duration: Duration,
    /// The time after which a search finds a new or renamed item.
    pub(crate) search_lag: Duration,
    /// The time after which a change feed reports a change.
    pub(crate) feed_lag: Duration,
    /// Whether uploaded Office files are rewritten.
    pub(crate) rewrites_office_files: bool,
    /// Whether files are uploaded from URLs of other machines.
    pub(crate) fetches_from_any_host: bool,
}

impl CloudBehavior {
    /// Retires the pre-authenticated URLs of business drives and libraries, as Microsoft announced it
    /// for 2027 (onedrive-graph#pre-auth-retirement). `/content` then returns the bytes, download
    /// and thumbnail URLs need the token of Graph, and upload sessions and copy monitors need a
    /// token for SharePoint. Personal drives and requests below `/_api/v2.0` keep their URLs.
    pub fn without_pre_authenticated_urls(self) -> Self {
        Self { retires_pre_authentication: true, ..self }
    }

    /// Sets how long copies take. Until then the monitor of a copy reports that it is in progress,
    /// and the new item is invisible. By default a copy is complete at once. The maximum is one day.
    pub fn copy_duration(self, duration: Duration) -> Self {
        Self { copy_duration: duration.min(MAX_COPY_DURATION), ..self }
    }

    /// Sets how long a search with a text does not find an item after the server changed it. By
    /// default it is found at once. The maximum is one day.
    pub fn search_lag(self, lag: Duration) -> Self {
        Self { search_lag: lag.min(MAX_LAG), ..self }
    }

    /// Sets how long the change feed of Graph does not report a change of a file, a new folder and a
    /// deletion. Other changes of folders are reported at once. By default all are. The maximum is
    /// one day.
    pub fn feed_lag(self, lag: Duration) -> Self {
        Self { feed_lag: lag.min(MAX_LAG), ..self }
    }

    /// Rewrites Office and HTML files that are uploaded to business drives and libraries, as
    /// SharePoint does: size and hash differ from those of the upload, and are different at each
    /// upload (onedrive-graph#sharepoint-rewrites-files).
    pub fn rewrite_office_files(self) -> Self {
        Self { rewrites_office_files: true, ..self }
    }

    /// Lets requests upload files from URLs of any host (onedrive-graph#upload-from-url). By default
    /// the server reads from its own machine only, because a client could otherwise reach hosts
    /// through it.
    pub fn fetch_from_any_host(self) -> Self {
        Self { fetches_from_any_host: true, ..self }
    }
}

/// Maximum lag of searches and change feeds.
const MAX_LAG: Duration = Duration::from_secs(24 * 3600);

/// Maximum duration of a copy: the monitor's URL is valid for a day longer.
const MAX_COPY_DURATION: Duration = Duration::from_secs(24 * 3600);
