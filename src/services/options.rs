//! What the services' options have in common.

use std::collections::BTreeMap;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use opendal::raw::ConfigDeserializer;
use serde::de::{DeserializeOwned, Error as _, value};

/// What a key of a map of strings begins with that names a header.
const HEADER: &str = "header.";

/// Options out of a map of strings, and the headers among them: `header.NAME`.
///
/// # Errors
/// For a key that is no option, or a value that cannot be one.
pub(super) fn from_pairs<C: DeserializeOwned>(
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Result<(C, BTreeMap<String, String>), value::Error> {
    let is_header = |(key, _): &(String, String)| {
        key.get(..HEADER.len()).is_some_and(|start| start.eq_ignore_ascii_case(HEADER))
    };
    let (headers, others): (Vec<_>, Vec<_>) = pairs.into_iter().partition(is_header);
    let options = C::deserialize(ConfigDeserializer::new(others.into_iter().collect()))?;
    let named = headers.into_iter().map(|(key, value)| (key[HEADER.len()..].to_owned(), value));
    Ok((options, named.collect()))
}

/// Configured headers, to be sent. None of them is ever printed.
///
/// # Errors
/// For what cannot be a header; the value is not told.
pub(super) fn header_map(headers: &BTreeMap<String, String>) -> Result<HeaderMap, value::Error> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let bad = |what: &str| value::Error::custom(format_args!("{HEADER}{name}: {what}"));
        let header =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("not a header's name"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| bad("the value has characters that no header may have"))?;
        value.set_sensitive(true);
        map.append(header, value);
    }
    Ok(map)
}

/// A span of time as people write it: `10s`, `500ms`, a number of seconds.
pub(super) mod span {
    use std::{fmt, time::Duration};

    use jiff::SignedDuration;
    use serde::{Deserializer, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(
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

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
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
