//! Remotes: an operator, and where there is one its handle, opened by name or URI.
//!
//! OpenDAL's [`Operator::from_uri`] gives an operator alone; quota, ids and whatever else a drive
//! has and OpenDAL has no word for need the drive's handle too. For other services than drivedal's
//! a remote is just their operator.
//!
//! ```
//! # fn main() -> opendal::Result<()> {
//! let remote = drivedal::remote::open("memory://")?;
//! assert!(remote.handle.is_none());
//!
//! let mut remotes = drivedal::remote::Remotes::default();
//! remotes.insert("scratch", drivedal::remote::Source::uri("memory://"))?;
//! let scratch = remotes.open("scratch")?;
//! # let _ = scratch;
//! # Ok(())
//! # }
//! ```

use std::{collections::BTreeMap, fmt};

use opendal::{
    Builder, Configurator, Error, ErrorKind, Operator, OperatorRegistry, OperatorUri, Result,
    raw::Service,
};

use crate::adapter::{DriveHandle, DriveService};
#[cfg(feature = "services-amazon-drive")]
use crate::services::amazon_drive::{AMAZON_DRIVE_SCHEME, AmazonDriveConfig};
#[cfg(feature = "services-onedrive")]
use crate::services::onedrive::{ONEDRIVE_SCHEME, OneDriveConfig};
#[cfg(feature = "services-skydrive")]
use crate::services::skydrive::{SKYDRIVE_SCHEME, SkyDriveConfig};

/// An operator, and the drive's handle where it is one of drivedal's services.
#[derive(Clone, Debug)]
pub struct Remote {
    /// What reads, writes and lists.
    pub operator: Operator,
    /// A drive's extras; `None` for services that are not drivedal's.
    pub handle: Option<DriveHandle>,
}

/// Opens what is at a URI, with the options in it: `skydrive://?token_file=…`, `fs:///srv/data`.
///
/// # Errors
/// `Unsupported` for a scheme that is not built in, `ConfigInvalid` for options the service refuses.
pub fn open(uri: &str) -> Result<Remote> {
    Source::uri(uri).open()
}

/// Where a remote is, and how it is reached: a URI or a scheme, and options.
///
/// Its `Debug` shows neither the URI's query nor an option's value: they may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    base: String,
    options: BTreeMap<String, String>,
}

impl Source {
    /// What is at a URI.
    pub fn uri(uri: impl Into<String>) -> Self {
        Self { base: uri.into(), options: BTreeMap::new() }
    }

    /// A service by its scheme: `skydrive`, `fs`; all else comes by [`option`](Self::option).
    pub fn scheme(scheme: impl Into<String>) -> Self {
        Self { base: scheme.into(), options: BTreeMap::new() }
    }

    /// Adds an option of the service; it wins over one of the same name in the URI.
    #[must_use]
    pub fn option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(key.into(), value.into());
        self
    }

    /// Adds an option unless there is one of that name, in the URI or beside it.
    ///
    /// # Errors
    /// As [`open`](Self::open), where the URI is none.
    pub fn option_or(self, key: &str, value: &str) -> Result<Self> {
        let given = self.parsed()?.options().contains_key(key);
        Ok(if given { self } else { self.option(key, value) })
    }

    /// An option's value as it was given, in the URI or beside it.
    ///
    /// # Errors
    /// `ConfigInvalid` where the URI is none.
    pub fn given(&self, key: &str) -> Result<Option<String>> {
        Ok(self.parsed()?.option(key).map(str::to_owned))
    }

    /// The service's scheme, in lower case.
    ///
    /// # Errors
    /// `ConfigInvalid` where the URI is none.
    pub fn service(&self) -> Result<String> {
        Ok(self.parsed()?.scheme().to_owned())
    }

    /// The options, where it is a SkyDrive; `None`: it is something else.
    ///
    /// # Errors
    /// `ConfigInvalid` for options that a SkyDrive has not.
    #[cfg(feature = "services-skydrive")]
    pub fn skydrive(&self) -> Result<Option<SkyDriveConfig>> {
        let uri = self.parsed()?;
        match uri.scheme() {
            SKYDRIVE_SCHEME => SkyDriveConfig::from_uri(&uri).map(Some),
            _ => Ok(None),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// `Unsupported` for a scheme that is not built in, `ConfigInvalid` for options the service
    /// refuses.
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
                format!("there is no service `{}` here, only {}", uri.scheme(), known.join(", ")),
            ));
        }
        match uri.scheme() {
            #[cfg(feature = "services-skydrive")]
            SKYDRIVE_SCHEME => {
                with_handle(SkyDriveConfig::from_uri(&uri)?.into_builder().build_with_handle()?)
            }
            #[cfg(feature = "services-onedrive")]
            ONEDRIVE_SCHEME => {
                with_handle(OneDriveConfig::from_uri(&uri)?.into_builder().build_with_handle()?)
            }
            #[cfg(feature = "services-amazon-drive")]
            AMAZON_DRIVE_SCHEME => {
                with_handle(AmazonDriveConfig::from_uri(&uri)?.into_builder().build_with_handle()?)
            }
            _ => Ok(Remote { operator: Operator::from_uri(uri)?, handle: None }),
        }
    }

    fn parsed(&self) -> Result<OperatorUri> {
        OperatorUri::new(&self.base, self.options.clone())
    }
}

/// Whether a scheme is one of drivedal's drives, which have a handle and take the options that
/// drives share (`index_ttl`).
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

fn with_handle((service, handle): (DriveService, DriveHandle)) -> Result<Remote> {
    let operator = Operator::new(Built(Some(service)))?;
    Ok(Remote { operator, handle: Some(handle) })
}

/// A service that is built already, for `Operator::new` to put OpenDAL's own layers on.
#[derive(Default)]
struct Built(Option<DriveService>);

impl Builder for Built {
    type Config = ();

    fn build(self) -> Result<impl Service> {
        self.0.ok_or_else(|| Error::new(ErrorKind::ConfigInvalid, "there is no drive to be built"))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base.split(['?', '#']).next().unwrap_or_default();
        // A user and password before the host.
        let base = match (base.split_once("://"), base.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            _ => base.to_owned(),
        };
        let options: Vec<_> = self.options.keys().collect();
        f.debug_struct("Source").field("base", &base).field("options", &options).finish()
    }
}

/// Remotes by name.
#[derive(Clone, Debug, Default)]
pub struct Remotes(BTreeMap<String, Source>);

impl Remotes {
    /// Gives a remote a name; one that had it goes.
    ///
    /// # Errors
    /// `ConfigInvalid` for what cannot be a name: letters, digits, `-`, `_` and `.`, two characters
    /// at least, beginning with a letter or a digit.
    pub fn insert(&mut self, name: impl Into<String>, source: Source) -> Result<()> {
        let name = name.into();
        if !is_name(&name) {
            return Err(Error::new(
                ErrorKind::ConfigInvalid,
                format!(
                    "`{name}` cannot be a remote's name: two letters, digits, `-`, `_` or `.` at \
                     least, beginning with a letter or a digit"
                ),
            ));
        }
        self.0.insert(name, source);
        Ok(())
    }

    /// Where the remote of that name, or at that URI, is.
    ///
    /// # Errors
    /// `NotFound` for a name that nobody has.
    pub fn source(&self, name_or_uri: &str) -> Result<Source> {
        if name_or_uri.contains("://") {
            return Ok(Source::uri(name_or_uri));
        }
        self.0.get(name_or_uri).cloned().ok_or_else(|| {
            let known: Vec<_> = self.names().collect();
            let known = match known.as_slice() {
                [] => "none is configured".to_owned(),
                names => format!("there are {}", names.join(", ")),
            };
            Error::new(
                ErrorKind::ConfigInvalid,
                format!("there is no remote `{name_or_uri}`: {known}"),
            )
        })
    }

    /// Opens the remote of that name, or at that URI.
    ///
    /// # Errors
    /// As [`source`](Self::source) and [`Source::open`].
    pub fn open(&self, name_or_uri: &str) -> Result<Remote> {
        self.source(name_or_uri)?.open()
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Whether this can be a remote's name. One character is none: on Windows that is a disk.
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
        remotes.insert("scratch", Source::scheme("memory").option("root", "/a")).expect("a name");
        for name in ["scratch", "memory:///a"] {
            let info = remotes.open(name).expect("a remote").operator.info();
            assert_eq!((info.scheme(), info.root()), ("memory", "/a/".to_owned()), "{name}");
        }
        let unknown = remotes.open("nobody").expect_err("no such remote");
        assert!(unknown.to_string().contains("there are scratch"), "{unknown}");
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
        let source = Source::uri("memory:///a?root=/b").option("root", "/c");
        assert_eq!(source.open().expect("a remote").operator.info().root(), "/c/");
        let kept = source.option_or("root", "/d").expect("a URI");
        assert_eq!(kept.parsed().expect("a URI").option("root"), Some("/c"));
    }

    #[test]
    fn neither_query_nor_option_nor_password_is_shown() {
        let source = Source::uri("skydrive://me:SECRET@host/?access_token=SECRET")
            .option("refresh_token", "SECRET");
        let shown = format!("{source:?}");
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
