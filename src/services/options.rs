//! Parsing of options that several services share: headers, durations, base URLs.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use opendal::{Error, ErrorKind, OperatorUri, Result, raw::ConfigDeserializer};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{
    adapter::{NameEncoding, ServiceSettings},
    auth::{EnvironmentTokenStore, TokenFile, TokenSource},
    drive,
    transport::{Connection, ConnectionOptions, PlainHttpHosts, Timeouts},
};

/// Defines the setters of a builder: one for each text option, one for each other option, and two
/// for headers.
macro_rules! setters {
    ($builder:ident: $config:ident; $($text:ident)*; $($option:ident: $type:ty),* $(,)?) => {
        impl $builder {
            $(
                #[doc = concat!("Sets [`", stringify!($config), "::", stringify!($text), "`].")]
                #[must_use]
                pub fn $text(mut self, text: impl Into<String>) -> Self {
                    self.config.$text = Some(text.into());
                    self
                }
            )*

            $(
                #[doc = concat!("Sets [`", stringify!($config), "::", stringify!($option), "`].")]
                #[must_use]
                pub fn $option(mut self, $option: $type) -> Self {
                    self.config.$option = $option.into();
                    self
                }
            )*

            #[doc = concat!("Adds a header to [`", stringify!($config), "::headers`].")]
            #[must_use]
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.config.headers.insert(name.into(), value.into());
                self
            }

            #[doc = concat!("Replaces all of [`", stringify!($config), "::headers`].")]
            #[must_use]
            pub fn headers(mut self, headers: BTreeMap<String, String>) -> Self {
                self.config.headers = headers;
                self
            }
        }
    };
}

/// Prefix of option keys that name a header.
const HEADER_PREFIX: &str = "header.";

/// Returns the `ConfigInvalid` error for an invalid option of the service with this scheme.
/// `problem` is the whole message.
pub(super) fn invalid_option(scheme: &'static str, problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, problem).with_context("service", scheme)
}

/// Splits string options into a configuration and its headers. A key `header.NAME` names a header;
/// any other key names an option. `scheme` names the service in errors.
///
/// # Errors
/// `ConfigInvalid` for a key that is no option, or a value that is not of the option's type.
pub(super) fn from_pairs<T: DeserializeOwned>(
    scheme: &'static str,
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Result<(T, BTreeMap<String, String>)> {
    let is_header = |(key, _): &(String, String)| {
        key.get(..HEADER_PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(HEADER_PREFIX))
    };
    let (headers, others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(is_header);
    let deserializer = ConfigDeserializer::new(others.into_iter().collect());
    let options =
        T::deserialize(deserializer).map_err(|error| invalid_option(scheme, error.to_string()))?;
    let headers =
        headers.into_iter().map(|(key, value)| (key[HEADER_PREFIX.len()..].to_owned(), value));
    Ok((options, headers.collect()))
}

/// Returns root and name of `SCHEME://NAME/ROOT?…`; each is `None` if the URI lacks it. `scheme`
/// names the service in errors.
///
/// # Errors
/// `ConfigInvalid` if the URI has a user name or password.
pub(super) fn root_and_name(
    scheme: &'static str,
    uri: &OperatorUri,
) -> Result<(Option<String>, Option<String>)> {
    if uri.username().is_some() || uri.password().is_some() {
        let problem = format!("a {scheme} URI has neither user nor password: use access_token");
        return Err(invalid_option(scheme, problem));
    }
    Ok((uri.root().map(str::to_owned), uri.authority().map(str::to_owned)))
}

/// Converts configured headers. Their values are marked as sensitive. `scheme` names the service in
/// errors.
///
/// # Errors
/// `ConfigInvalid` for a name or a value with a character that HTTP does not allow there. The error
/// does not contain the value, which may be secret.
pub(super) fn header_map(
    scheme: &'static str,
    headers: &BTreeMap<String, String>,
) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let invalid =
            |problem: &str| invalid_option(scheme, format!("{HEADER_PREFIX}{name}: {problem}"));
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid("it is not a header name"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| invalid("its value has invalid characters"))?;
        value.set_sensitive(true);
        map.append(header, value);
    }
    Ok(map)
}

/// Returns the adapter's settings for a configured drive. A missing option has its default.
pub(super) fn settings(
    scheme: &'static str,
    name: Option<String>,
    root: Option<String>,
    index_ttl: Option<Duration>,
) -> ServiceSettings {
    let mut settings = ServiceSettings::new(scheme, name.unwrap_or_default());
    settings.root = root.unwrap_or(settings.root);
    settings.index_ttl = index_ttl.unwrap_or(settings.index_ttl);
    settings
}

/// Parses the option `encoding` of a service. `default` is the encoding that fits its cloud. Returns
/// `None` if names are not mapped.
///
/// # Errors
/// `ConfigInvalid` if the text is neither `default`, `Raw` nor a list of rules.
pub(super) fn name_encoding(
    scheme: &'static str,
    text: Option<&str>,
    default: NameEncoding,
) -> Result<Option<NameEncoding>> {
    match text {
        None | Some("" | "Raw") => Ok(None),
        Some("default") => Ok(Some(default)),
        Some(rules) => {
            let parsed = rules.parse::<NameEncoding>();
            parsed.map(Some).map_err(|error| {
                invalid_option(scheme, format!("cannot use the encoding {rules:?}: {error}"))
            })
        }
    }
}

/// The options of connections, which all services have.
pub(super) struct ConnectionFields<'c> {
    pub(super) scheme: &'static str,
    pub(super) ca_cert: Option<&'c str>,
    pub(super) proxy: Option<&'c str>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) response_timeout: Option<Duration>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) pool_size: Option<usize>,
}

impl ConnectionFields<'_> {
    /// Returns the connection with these options. `None` if none is set.
    ///
    /// # Errors
    /// `ConfigInvalid` if the file of certificates cannot be read or has none, or if the proxy is
    /// neither an HTTP URL nor `none`.
    pub(super) fn connection(&self) -> Result<Option<Connection>> {
        let timeouts = [self.connect_timeout, self.response_timeout, self.idle_timeout];
        let default = Timeouts::default();
        let timeouts = timeouts.iter().any(Option::is_some).then(|| {
            default
                .with_connect(self.connect_timeout.unwrap_or(default.connect))
                .with_first_byte(self.response_timeout.unwrap_or(default.first_byte))
                .with_idle(self.idle_timeout.unwrap_or(default.idle))
        });
        let options = ConnectionOptions {
            ca_cert: self.ca_cert.map(expand_home),
            proxy: self.proxy.map(str::to_owned),
            timeouts,
            pool_size: self.pool_size,
        };
        Connection::for_options(&options)
            .map_err(|error| invalid_option(self.scheme, error.to_string()))
    }
}

/// Parses the option `allow_http` of a service.
///
/// # Errors
/// `ConfigInvalid` if it contains something else than hosts.
pub(super) fn plain_http(scheme: &'static str, hosts: Option<&str>) -> Result<PlainHttpHosts> {
    PlainHttpHosts::parse(hosts.unwrap_or_default())
        .map_err(|error| invalid_option(scheme, error.to_string()))
}

/// Returns a source that keeps its tokens in the store of the options: a file, or the environment
/// variable with the name `variable`, the option `refresh_token_env`. It has no store if neither is
/// set. `refresh_token` is the option of that name.
///
/// # Errors
/// `ConfigInvalid` if the variable is set together with a file or with `refresh_token`.
pub(super) fn token_source_with_store(
    scheme: &'static str,
    tokens: TokenSource,
    refresh_token: Option<&str>,
    file: Option<TokenFile>,
    variable: Option<&str>,
) -> Result<TokenSource> {
    if refresh_token.is_some() && variable.is_some() {
        return Err(invalid_option(
            scheme,
            "cannot choose the refresh token: both refresh_token and refresh_token_env are set",
        ));
    }
    match (file, variable) {
        (Some(_), Some(_)) => Err(invalid_option(
            scheme,
            "cannot choose the store of tokens: both a token file and refresh_token_env are set",
        )),
        (Some(file), None) => Ok(tokens.with_token_file(file)),
        (None, Some(variable)) => Ok(tokens.with_store(EnvironmentTokenStore::new(variable))),
        (None, None) => Ok(tokens),
    }
}

/// Replaces `~/` at the start of a path by the user's home. Any other path, also `~` alone or
/// `~user/`, stays as it is.
pub(super) fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// Parses a base URL. Appends a slash if it has none at its end. `option` names it in errors.
///
/// # Errors
/// `InvalidInput` if it is not an `http` or `https` URL, or has a user name, a query or a fragment.
pub(super) fn base_url(option: &str, text: &str) -> drive::Result<String> {
    let invalid = |problem: &str| {
        drive::Error::new(drive::ErrorKind::InvalidInput, format!("{option}: {problem}"))
    };
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it has a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it has a query or fragment"));
    }
    let mut base = url.to_string();
    if !base.ends_with('/') {
        base.push('/');
    }
    Ok(base)
}

/// Serializes a duration as text such as `10s`, and parses such a text or a number of seconds.
pub(super) mod span {
    use std::{fmt, time::Duration};

    use jiff::SignedDuration;
    use serde::{Deserializer, Serializer, de};

    /// Writes a duration as text: whole seconds as `10s`, others as milliseconds. `None` is an
    /// absent value.
    ///
    /// # Errors
    /// Those of the serializer.
    pub(crate) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match span {
            None => serializer.serialize_none(),
            Some(span) if span.subsec_nanos() == 0 => {
                serializer.serialize_some(&format!("{}s", span.as_secs()))
            }
            Some(span) => serializer.serialize_some(&format!("{}ms", span.as_millis())),
        }
    }

    /// Reads a text such as `10s` or `500ms`, or a number of seconds. An absent value or an empty
    /// text is `None`.
    ///
    /// # Errors
    /// For a text that is not a duration, and for a negative number.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }

    /// Decodes a duration. A null value or an empty text is an absent option: `None`, not an error.
    struct DurationVisitor;

    impl de::Visitor<'_> for DurationVisitor {
        type Value = Option<Duration>;

        /// Names the valid forms, for error messages.
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as 10s or 500ms, or a number of seconds")
        }

        /// Returns the duration in a text, or a number of seconds. An empty text is an absent
        /// option, `None`.
        ///
        /// # Errors
        /// If the text is neither.
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            if text.is_empty() {
                return Ok(None);
            }
            if let Ok(seconds) = text.parse() {
                return Ok(Some(Duration::from_secs(seconds)));
            }
            let span = text.parse::<SignedDuration>().ok();
            span.and_then(|span| Duration::try_from(span).ok())
                .map(Some)
                .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
        }

        /// Returns this number of seconds.
        fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
            Ok(Some(Duration::from_secs(seconds)))
        }

        /// Returns this number of seconds.
        ///
        /// # Errors
        /// If the number is negative.
        fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
            let seconds = u64::try_from(seconds)
                .map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))?;
            self.visit_u64(seconds)
        }

        /// Returns `None` for an absent option.
        fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        /// Returns `None` for `null`.
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
}
