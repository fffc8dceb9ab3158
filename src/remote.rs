//! Opens remotes by name or URI. A remote is an operator and, for a drive, its handle.
//!
//! OpenDAL's [`Operator::from_uri`] returns only an operator. Features that OpenDAL lacks, such as
//! quota and item ids, need the drive's handle. A service of OpenDAL itself has no handle.
//!
//! ```
//! # fn main() -> opendal::Result<()> {
//! let remote = drivedal::remote::open("memory://")?;
//! assert!(remote.handle.is_none());
//!
//! let mut remotes = drivedal::remote::Remotes::default();
//! remotes.insert("scratch", drivedal::remote::RemoteSource::from_uri("memory://"))?;
//! let scratch = remotes.open("scratch")?;
//! # let _ = scratch;
//! # Ok(())
//! # }
//! ```

use std::{collections::BTreeMap, fmt};

use opendal::{
    Builder, Error, ErrorKind, Operator, OperatorRegistry, OperatorUri, Result, raw::Service,
};

#[cfg(any(
    feature = "services-amazon-drive",
    feature = "services-onedrive",
    feature = "services-skydrive"
))]
use opendal::Configurator;

#[cfg(feature = "services-amazon-drive")]
use crate::services::amazon_drive::{AMAZON_DRIVE_SCHEME, AmazonDriveConfig};
#[cfg(feature = "services-onedrive")]
use crate::services::onedrive::{ONEDRIVE_SCHEME, OneDriveConfig};
#[cfg(feature = "services-skydrive")]
use crate::services::skydrive::{SKYDRIVE_SCHEME, SkyDriveConfig};
use crate::{
    adapter::{DriveHandle, DriveService},
    auth::{SignInProvider, TokenSource},
};

/// An operator and, for a drive, its handle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Remote {
    /// Reads, writes and lists files.
    pub operator: Operator,
    /// The drive's features that OpenDAL lacks. `None` for services that are not drives.
    pub handle: Option<DriveHandle>,
}

/// Opens the remote at a URI, with the options in its query: `skydrive://?token_file=…`,
/// `fs:///srv/data`. Sends no request.
///
/// # Errors
/// `Unsupported` if no service has the URI's scheme; `ConfigInvalid` if the text is not a URI or
/// the service rejects an option.
pub fn open(uri: &str) -> Result<Remote> {
    RemoteSource::from_uri(uri).open()
}

/// The configuration of a remote: a URI or a scheme, and options.
///
/// Its `Debug` output contains neither the URI's query nor values of options, which may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteSource {
    /// A URI, or only a scheme.
    base: String,
    /// Options in addition to those of the URI.
    options: BTreeMap<String, String>,
}

impl RemoteSource {
    /// Returns the configuration of a URI.
    pub fn from_uri(uri: impl Into<String>) -> Self {
        Self { base: uri.into(), options: BTreeMap::new() }
    }

    /// Returns the configuration of a service by its scheme, such as `skydrive` or `fs`.
    /// [`option`](Self::option) adds its options.
    pub fn from_scheme(scheme: impl Into<String>) -> Self {
        Self { base: scheme.into(), options: BTreeMap::new() }
    }

    /// Adds an option of the service. It overrides an option with this key in the URI.
    #[must_use]
    pub fn option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(key.into(), value.into());
        self
    }

    /// Adds an option, unless the configuration or its URI already has one with this key.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme.
    pub fn with_default_option(self, key: &str, value: &str) -> Result<Self> {
        let is_set = self.parsed()?.options().contains_key(key);
        Ok(if is_set { self } else { self.option(key, value) })
    }

    /// Returns the value of an option. `None` if neither the configuration nor its URI has it.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme.
    pub fn get_option(&self, key: &str) -> Result<Option<String>> {
        Ok(self.parsed()?.option(key).map(str::to_owned))
    }

    /// Returns all options by key, with those of the URI.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme.
    pub fn options(&self) -> Result<BTreeMap<String, String>> {
        Ok(self.parsed()?.options().clone().into_iter().collect())
    }

    /// Removes an option. It has no effect on an option in the URI.
    #[must_use]
    pub fn without_option(mut self, key: &str) -> Self {
        self.options.remove(key);
        self
    }

    /// Returns the service's scheme, in lower case.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme.
    pub fn scheme(&self) -> Result<String> {
        Ok(self.parsed()?.scheme().to_owned())
    }

    /// Returns the folder of OpenDAL's `fs` service, as it is configured. `None` if this is another
    /// service, or if no folder is configured. Opening the remote creates the folder if it does not
    /// exist; a program that must not do so checks this path first.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme.
    pub fn local_root(&self) -> Result<Option<String>> {
        let uri = self.parsed()?;
        if !matches!(uri.scheme(), "fs" | "file") {
            return Ok(None);
        }
        let of_path = uri.root().filter(|root| !root.is_empty()).map(|root| format!("/{root}"));
        Ok(uri.option("root").map(str::to_owned).or(of_path))
    }

    /// Returns the options of a SkyDrive. `None` if this is another service.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme or has an
    /// option that SkyDrive lacks.
    #[cfg(feature = "services-skydrive")]
    pub fn skydrive_config(&self) -> Result<Option<SkyDriveConfig>> {
        let uri = self.parsed()?;
        match uri.scheme() {
            SKYDRIVE_SCHEME => SkyDriveConfig::from_uri(&uri).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the options of a OneDrive. `None` if this is another service.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme or has an
    /// option that OneDrive lacks.
    #[cfg(feature = "services-onedrive")]
    pub fn onedrive_config(&self) -> Result<Option<OneDriveConfig>> {
        let uri = self.parsed()?;
        match uri.scheme() {
            ONEDRIVE_SCHEME => OneDriveConfig::from_uri(&uri).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the endpoints of the drive's sign-in. `None` if the service is not a drive.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme, or an
    /// option of the sign-in or the connection is.
    pub fn sign_in_provider(&self) -> Result<Option<SignInProvider>> {
        let uri = self.parsed()?;
        match uri.scheme() {
            #[cfg(feature = "services-skydrive")]
            SKYDRIVE_SCHEME => SkyDriveConfig::from_uri(&uri)?.sign_in_provider().map(Some),
            #[cfg(feature = "services-onedrive")]
            ONEDRIVE_SCHEME => OneDriveConfig::from_uri(&uri)?.sign_in_provider().map(Some),
            #[cfg(feature = "services-amazon-drive")]
            AMAZON_DRIVE_SCHEME => AmazonDriveConfig::from_uri(&uri)?.sign_in_provider().map(Some),
            _ => Ok(None),
        }
    }

    /// Returns a source of the drive's access tokens. `None` if the service is not a drive. It
    /// shares no state with an open remote, except the token file.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme, if the
    /// drive does not have an option, if no option gives a token, or if `client_id` is missing for
    /// a refresh.
    pub fn token_source(&self) -> Result<Option<TokenSource>> {
        let uri = self.parsed()?;
        match uri.scheme() {
            #[cfg(feature = "services-skydrive")]
            SKYDRIVE_SCHEME => SkyDriveConfig::from_uri(&uri)?.token_source().map(Some),
            #[cfg(feature = "services-onedrive")]
            ONEDRIVE_SCHEME => OneDriveConfig::from_uri(&uri)?.token_source().map(Some),
            #[cfg(feature = "services-amazon-drive")]
            AMAZON_DRIVE_SCHEME => AmazonDriveConfig::from_uri(&uri)?.token_source().map(Some),
            _ => Ok(None),
        }
    }

    /// Opens the remote. Sends no request.
    ///
    /// # Errors
    /// `Unsupported` if no service has the scheme; `ConfigInvalid` if the URI cannot be parsed, for
    /// example because it has no scheme or the service rejects an option.
    pub fn open(&self) -> Result<Remote> {
        opendal::init_default_registry();
        crate::register();
        let uri = self.parsed()?;
        let known = OperatorRegistry::get().schemes();
        if !known.contains(uri.scheme()) {
            let mut known: Vec<_> = known.into_iter().collect();
            known.sort();
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "cannot open `{}`: unknown service (available: {})",
                    uri.scheme(),
                    known.join(", ")
                ),
            ));
        }
        match build_drive(&uri)? {
            Some((service, handle)) => {
                let operator = Operator::new(BuiltService(Some(service)))?;
                Ok(Remote { operator, handle: Some(handle) })
            }
            None => Ok(Remote { operator: Operator::from_uri(uri)?, handle: None }),
        }
    }

    /// Parses the URI, with the additional options.
    ///
    /// # Errors
    /// `ConfigInvalid` if the URI cannot be parsed, for example because it has no scheme.
    fn parsed(&self) -> Result<OperatorUri> {
        OperatorUri::new(&self.base, self.options.clone())
    }
}

/// Returns whether a scheme is that of a drive. Drives have a handle and share some options, such
/// as `index_ttl`.
pub fn is_drive(scheme: &str) -> bool {
    match scheme {
        #[cfg(feature = "services-skydrive")]
        SKYDRIVE_SCHEME => true,
        #[cfg(feature = "services-onedrive")]
        ONEDRIVE_SCHEME => true,
        #[cfg(feature = "services-amazon-drive")]
        AMAZON_DRIVE_SCHEME => true,
        _ => false,
    }
}

/// Builds the drive at a URI. Returns `None` if the scheme is not that of a drive.
///
/// # Errors
/// `ConfigInvalid` if the drive rejects an option.
fn build_drive(uri: &OperatorUri) -> Result<Option<(DriveService, DriveHandle)>> {
    match uri.scheme() {
        #[cfg(feature = "services-skydrive")]
        SKYDRIVE_SCHEME => {
            SkyDriveConfig::from_uri(uri)?.into_builder().build_with_handle().map(Some)
        }
        #[cfg(feature = "services-onedrive")]
        ONEDRIVE_SCHEME => {
            OneDriveConfig::from_uri(uri)?.into_builder().build_with_handle().map(Some)
        }
        #[cfg(feature = "services-amazon-drive")]
        AMAZON_DRIVE_SCHEME => {
            AmazonDriveConfig::from_uri(uri)?.into_builder().build_with_handle().map(Some)
        }
        _ => Ok(None),
    }
}

/// A builder of an existing service. `Operator::new` needs a builder, and adds OpenDAL's own
/// layers.
#[derive(Default)]
struct BuiltService(Option<DriveService>);

impl Builder for BuiltService {
    type Config = ();

    /// Returns the service.
    ///
    /// # Errors
    /// `ConfigInvalid` without a service, which OpenDAL never builds.
    fn build(self) -> Result<impl Service> {
        self.0
            .ok_or_else(|| Error::new(ErrorKind::ConfigInvalid, "cannot build a drive: none given"))
    }
}

impl fmt::Debug for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base.split(['?', '#']).next().unwrap_or_default();
        // User name and password are secret.
        let base = match (base.split_once("://"), base.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            _ => base.to_owned(),
        };
        let options: Vec<_> = self.options.keys().collect();
        f.debug_struct("RemoteSource").field("base", &base).field("options", &options).finish()
    }
}

/// The configured remotes by name.
#[derive(Clone, Debug, Default)]
pub struct Remotes(BTreeMap<String, RemoteSource>);

impl Remotes {
    /// Adds a remote. It replaces another remote with this name.
    ///
    /// # Errors
    /// `ConfigInvalid` if the name does not have at least two letters, digits, `-`, `_` or `.`, the
    /// first a letter or digit: see [`is_name`].
    pub fn insert(&mut self, name: impl Into<String>, config: RemoteSource) -> Result<()> {
        let name = name.into();
        if !is_name(&name) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                format!(
                    "cannot add remote `{name}`: invalid name (at least two letters, digits, `-`, \
                     `_` or `.`, starting with a letter or digit)"
                ),
            ));
        }
        self.0.insert(name, config);
        Ok(())
    }

    /// Returns the configuration of a remote by name or URI. A text with `://` is a URI.
    ///
    /// # Errors
    /// `ConfigInvalid` if no remote has the name.
    pub fn config(&self, name_or_uri: &str) -> Result<RemoteSource> {
        if name_or_uri.contains("://") {
            return Ok(RemoteSource::from_uri(name_or_uri));
        }
        self.0.get(name_or_uri).cloned().ok_or_else(|| {
            let known: Vec<_> = self.names().collect();
            let known = match known.as_slice() {
                [] => "none is configured".to_owned(),
                names => format!("configured: {}", names.join(", ")),
            };
            Error::new(
                ErrorKind::ConfigInvalid,
                format!("cannot open `{name_or_uri}`: unknown remote ({known})"),
            )
        })
    }

    /// Opens a remote by name or URI.
    ///
    /// # Errors
    /// Those of [`config`](Self::config) and [`RemoteSource::open`].
    pub fn open(&self, name_or_uri: &str) -> Result<Remote> {
        self.config(name_or_uri)?.open()
    }

    /// Returns the names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Returns whether a text is a valid name of a remote: at least two letters, digits, `-`, `_` or
/// `.`, starting with a letter or digit. A single letter is invalid, because it is a drive letter
/// on Windows.
pub fn is_name(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_opened_by_name_and_by_uri() {
        let mut remotes = Remotes::default();
        remotes
            .insert("scratch", RemoteSource::from_scheme("memory").option("root", "/a"))
            .expect("a name");
        for name in ["scratch", "memory:///a"] {
            let info = remotes.open(name).expect("a remote").operator.info();
            assert_eq!((info.scheme(), info.root()), ("memory", "/a/".to_owned()), "{name}");
        }
        let unknown = remotes.open("nobody").expect_err("no such remote");
        assert!(unknown.to_string().contains("configured: scratch"), "{unknown}");
    }

    #[test]
    fn only_local_folders_have_a_local_root() {
        let root = |source: RemoteSource| source.local_root().expect("a URI");
        assert_eq!(root(RemoteSource::from_uri("fs:///srv/data")).as_deref(), Some("/srv/data"));
        let by_option = RemoteSource::from_scheme("fs").option("root", "/srv");
        assert_eq!(root(by_option).as_deref(), Some("/srv"));
        assert_eq!(root(RemoteSource::from_uri("memory:///a")), None);
    }

    #[cfg(feature = "services-skydrive")]
    #[test]
    fn a_drive_has_a_handle_and_others_have_none() {
        let drive = open("skydrive://me/photos?access_token=a").expect("a remote");
        let info = drive.operator.info();
        assert_eq!((info.scheme(), info.root()), ("skydrive", "/photos/".to_owned()));
        assert!(drive.handle.is_some() && is_drive("skydrive"));
        assert!(open("memory://").expect("a remote").handle.is_none() && !is_drive("memory"));
        assert_eq!(
            open("skydrive://").expect_err("no token").kind(),
            ErrorKind::ConfigInvalid,
            "options are checked when it is opened"
        );
    }

    #[test]
    fn a_scheme_that_is_not_built_in_is_named_with_those_that_are() {
        let error = open("floppy://x").expect_err("no such service").to_string();
        assert!(error.contains("`floppy`") && error.contains("memory"), "{error}");
    }

    #[test]
    fn an_option_beside_the_uri_wins_and_a_default_does_not() {
        let config = RemoteSource::from_uri("memory:///a?root=/b").option("root", "/c");
        assert_eq!(config.open().expect("a remote").operator.info().root(), "/c/");
        let kept = config.with_default_option("root", "/d").expect("a URI");
        assert_eq!(kept.parsed().expect("a URI").option("root"), Some("/c"));
    }

    #[test]
    fn neither_query_nor_option_nor_password_is_shown() {
        let config = RemoteSource::from_uri("skydrive://me:SECRET@host/?access_token=SECRET")
            .option("refresh_token", "SECRET");
        let shown = format!("{config:?}");
        assert!(!shown.contains("SECRET") && shown.contains("refresh_token"), "{shown}");
    }

    #[test]
    fn a_name_has_two_characters_at_least_and_no_separator() {
        for name in ["work", "a1", "local-skydrive", "x.y_z"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a", "-a", ".a", "a/b", "a b", "a:b", "é1"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
