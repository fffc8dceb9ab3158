//! What the drives' options have in common: headers, spans of time, base addresses.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use opendal::{Error, ErrorKind, OperatorUri, Result, raw::ConfigDeserializer};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{adapter::ServiceSettings, drive};

/// The methods of a builder: one for each option that is a text, one for each other one, and those
/// for headers.
macro_rules! setters {
    ($builder:ident: $config:ident; $($text:ident)*; $($option:ident: $type:ty),* $(,)?) => {
        impl $builder {
            $(
                #[doc = concat!("Sets [`", stringify!($config), "::", stringify!($text), "`].")]
                pub fn $text(mut self, text: impl Into<String>) -> Self {
                    self.config.$text = Some(text.into());
                    self
                }
            )*

            $(
                #[doc = concat!("Sets [`", stringify!($config), "::", stringify!($option), "`].")]
                pub fn $option(mut self, $option: $type) -> Self {
                    self.config.$option = $option.into();
                    self
                }
            )*

            #[doc = concat!("Adds one of [`", stringify!($config), "::headers`].")]
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.config.headers.insert(name.into(), value.into());
                self
            }

            #[doc = concat!("Replaces [`", stringify!($config), "::headers`].")]
            pub fn headers(mut self, headers: BTreeMap<String, String>) -> Self {
                self.config.headers = headers;
                self
            }
        }
    };
}

/// What a key of a map of strings begins with that names a header.
const HEADER: &str = "header.";

/// An option is wrong.
pub(super) fn wrong(scheme: &'static str, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, what).with_context("service", scheme)
}

/// Options and headers out of a map of strings: `header.NAME` is one header, any other key an
/// option.
pub(super) fn from_pairs<T: DeserializeOwned>(
    scheme: &'static str,
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Result<(T, BTreeMap<String, String>)> {
    let is_header = |(key, _): &(String, String)| {
        key.get(..HEADER.len()).is_some_and(|start| start.eq_ignore_ascii_case(HEADER))
    };
    let (headers, others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(is_header);
    let deserializer = ConfigDeserializer::new(others.into_iter().collect());
    let options = T::deserialize(deserializer).map_err(|error| wrong(scheme, error.to_string()))?;
    let headers = headers.into_iter().map(|(key, value)| (key[HEADER.len()..].to_owned(), value));
    Ok((options, headers.collect()))
}

/// Root and name out of `SCHEME://NAME/ROOT?…`.
pub(super) fn of_uri(
    scheme: &'static str,
    uri: &OperatorUri,
) -> Result<(Option<String>, Option<String>)> {
    if uri.username().is_some() || uri.password().is_some() {
        let what = format!("a {scheme} URI has neither user nor password: use access_token");
        return Err(wrong(scheme, what));
    }
    Ok((uri.root().map(str::to_owned), uri.authority().map(str::to_owned)))
}

/// Headers as they are sent.
pub(super) fn header_map(
    scheme: &'static str,
    headers: &BTreeMap<String, String>,
) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let bad = |what: &str| wrong(scheme, format!("{HEADER}{name}: {what}"));
        let header =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("not a header's name"))?;
        // The value may be a secret: it is not told.
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| bad("the value has characters that no header may have"))?;
        value.set_sensitive(true);
        map.append(header, value);
    }
    Ok(map)
}

/// What the adapter wants to know of a drive that is configured so.
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

/// A base address, with a slash at its end.
///
/// # Errors
/// `Invalid` if it is no `http` or `https` URL, or has a user, a query or a fragment.
pub(super) fn base_address(what: &str, text: &str) -> drive::Result<String> {
    let invalid =
        |why: &str| drive::Error::new(drive::ErrorKind::InvalidInput, format!("{what}: {why}"));
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it has a user or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("a base address has no query"));
    }
    let mut address = url.to_string();
    if !address.ends_with('/') {
        address.push('/');
    }
    Ok(address)
}

/// A span of time as people write it.
pub(super) mod span {
    use std::{fmt, time::Duration};

    use jiff::SignedDuration;
    use serde::{Deserializer, Serializer, de};

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

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        deserializer.deserialize_any(Span)
    }

    struct Span;

    impl de::Visitor<'_> for Span {
        type Value = Option<Duration>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a span of time such as 10s or 500ms, or a number of seconds")
        }

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

        fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
            Ok(Some(Duration::from_secs(seconds)))
        }

        fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
            let seconds = u64::try_from(seconds)
                .map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))?;
            self.visit_u64(seconds)
        }

        fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
}
