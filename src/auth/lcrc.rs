//! The file of the old command-line client, usually `~/.lcrc` (live-connect#lcrc-file). It is YAML
//! with the application, the tokens, and options of requests.
//!
//! An application's id without quotes is read as text, even if YAML defines it as a number. Writing
//! keeps all other contents and sorts the keys, as the old client did.

use std::{collections::BTreeMap, fs, io, path::Path, time::Duration};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;
use serde_yaml_ng::{Mapping, Value};

use super::StoredTokens;
use crate::{
    drive::{Error, ErrorKind, Result, Secret},
    transport::redact_quoted,
};

/// Time format of the old client: UTC, as printed by Python.
const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.6f";

/// The contents of the old client's file except the tokens, which
/// [`TokenFile::lcrc`](super::TokenFile::lcrc) reads and writes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Lcrc {
    /// The application's id. `None` if the file has none.
    pub client_id: Option<String>,
    /// The application's secret. `None` if the file has none.
    pub client_secret: Option<Secret>,
    /// Headers to add to every request.
    pub headers: BTreeMap<String, String>,
    /// Number of idle connections to keep per host: `pool_maxsize` of the old client's HTTP library.
    /// `None` if the file does not set it.
    pub pool_size: Option<usize>,
    /// Maximum time to establish a connection, of the old client's `timeout`. `None` if the file does
    /// not set it.
    pub connect_timeout: Option<Duration>,
    /// Maximum time without a byte of the response, of the old client's `timeout`. `None` if the file
    /// does not set it.
    pub read_timeout: Option<Duration>,
}

/// The sections of the file.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LcrcFile {
    client: Option<ClientSection>,
    auth: Option<AuthSection>,
    request: Option<RequestSection>,
}

/// The application.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ClientSection {
    id: Option<String>,
    secret: Option<String>,
}

/// The tokens.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AuthSection {
    refresh_token: Option<String>,
    access_token: Option<String>,
    access_expires: Option<String>,
}

/// Options of requests.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestSection {
    base_headers: Option<BTreeMap<String, String>>,
    adapter_settings: Option<AdapterSection>,
    extra_keywords: Option<KeywordSection>,
}

/// Arguments of each request of the old client's HTTP library. The others have no counterpart.
#[derive(Default, Deserialize)]
#[serde(default)]
struct KeywordSection {
    timeout: Option<TimeoutSetting>,
}

/// A timeout of the old client's HTTP library, in seconds. Null is no timeout.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum TimeoutSetting {
    /// For both.
    Both(f64),
    /// To connect, and to wait for a byte.
    Each(Option<f64>, Option<f64>),
}

impl TimeoutSetting {
    /// Returns the timeouts to connect and to wait for a byte. `None` for no timeout, and for a value
    /// that is not a positive number.
    fn durations(self) -> [Option<Duration>; 2] {
        let (connect, read) = match self {
            Self::Both(seconds) => (Some(seconds), Some(seconds)),
            Self::Each(connect, read) => (connect, read),
        };
        [connect, read].map(|seconds| {
            Duration::try_from_secs_f64(seconds?).ok().filter(|duration| !duration.is_zero())
        })
    }
}

/// Settings of the old client's HTTP library, `requests.adapters.HTTPAdapter`. The others have no
/// counterpart.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AdapterSection {
    pool_maxsize: Option<usize>,
}

impl Lcrc {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist; `InvalidInput` if it is not a file of the old client;
    /// `Unexpected` if it cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Unexpected,
            };
            Error::new(kind, format!("cannot read {}: {error}", path.display())).with_source(error)
        })?;
        let file = parse(&text, path)?;
        let client = file.client.unwrap_or_default();
        let request = file.request.unwrap_or_default();
        let timeout = request.extra_keywords.unwrap_or_default().timeout;
        let [connect_timeout, read_timeout] = timeout.map_or([None; 2], TimeoutSetting::durations);
        Ok(Self {
            client_id: client.id,
            client_secret: client.secret.map(Secret::from),
            headers: request.base_headers.unwrap_or_default(),
            pool_size: request.adapter_settings.unwrap_or_default().pool_maxsize,
            connect_timeout,
            read_timeout,
        })
    }
}

/// Parses the file's text. `path` names the file in errors. An empty text has no sections.
///
/// # Errors
/// `InvalidInput` if it is not a file of the old client.
fn parse(text: &str, path: &Path) -> Result<LcrcFile> {
    let file: Option<LcrcFile> =
        serde_yaml_ng::from_str(text).map_err(|error| not_lcrc(path, &error))?;
    Ok(file.unwrap_or_default())
}

/// Returns the error for a file in another format. The message contains no value of the file.
fn not_lcrc(path: &Path, error: &serde_yaml_ng::Error) -> Error {
    let problem = redact_quoted(&error.to_string());
    Error::new(
        ErrorKind::InvalidInput,
        format!("cannot read {}: it is not a file of the old client ({problem})", path.display()),
    )
}

/// Returns the tokens in the file's text. `None` if it has none.
///
/// # Errors
/// `InvalidInput` if it is not a file of the old client.
pub(super) fn parse_tokens(text: &str, path: &Path) -> Result<Option<StoredTokens>> {
    let auth = parse(text, path)?.auth.unwrap_or_default();
    if auth.refresh_token.is_none() && auth.access_token.is_none() {
        return Ok(None);
    }
    let expires_at = auth.access_expires.and_then(|text| parse_time(&text));
    Ok(Some(StoredTokens {
        refresh_token: auth.refresh_token.map(Secret::from),
        access_token: auth.access_token.map(Secret::from),
        // Without a valid time the token is used until the cloud rejects it.
        renew_at: expires_at,
        expires_at,
        ..StoredTokens::default()
    }))
}

/// Parses a time as printed by Python, in UTC, or an RFC 3339 timestamp. Returns `None` if the text
/// is neither.
fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let local: civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// Returns the file's text with these tokens instead of its own. `path` names the file in errors.
///
/// # Errors
/// `InvalidInput` if it is not a file of the old client.
pub(super) fn replace_tokens(text: &str, tokens: &StoredTokens, path: &Path) -> Result<String> {
    let id = parse(text, path)?.client.and_then(|client| client.id);
    let all: Option<Mapping> =
        serde_yaml_ng::from_str(text).map_err(|error| not_lcrc(path, &error))?;
    let mut all = all.unwrap_or_default();
    if let Some(id) = id
        && let Some(client) = all.get_mut("client").and_then(Value::as_mapping_mut)
    {
        // YAML may have parsed the id as a number.
        client.insert("id".into(), id.into());
    }
    let auth = all.entry("auth".into()).or_insert_with(|| Mapping::new().into());
    if auth.is_null() {
        *auth = Mapping::new().into();
    }
    let auth = auth.as_mapping_mut().ok_or_else(|| {
        let text = format!("cannot write {}: `auth` is not a mapping", path.display());
        Error::new(ErrorKind::InvalidInput, text)
    })?;
    let expires = tokens.renew_at.map(|time| time.strftime(TIME_FORMAT).to_string());
    let token = |token: &Option<Secret>| token.as_ref().map(|token| token.expose().to_owned());
    for (name, value) in [
        ("access_token", token(&tokens.access_token)),
        ("access_expires", expires),
        ("refresh_token", token(&tokens.refresh_token)),
    ] {
        match value {
            Some(value) => auth.insert(name.into(), value.into()),
            None => auth.remove(name),
        };
    }
    serde_yaml_ng::to_string(&sorted(Value::Mapping(all))).map_err(|error| not_lcrc(path, &error))
}

/// Sorts the keys of each mapping, at every depth, as the old client's library did.
fn sorted(value: Value) -> Value {
    match value {
        Value::Mapping(mapping) => {
            let mut entries: Vec<_> =
                mapping.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
            Value::Mapping(entries.into_iter().collect())
        }
        Value::Sequence(all) => Value::Sequence(all.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::TokenFile;

    const OLD: &str = "\
# made by hand
request:
  base_headers:
    Accept-Encoding: identity
client:
  secret: gndrjIOLWYLkOPl0QhWIliQcg-MG1SRN
  id: 0000000062000012
auth:
  code: M.R3_old
  access_expires: 2014-02-03 04:05:06.789012
  access_token: EwA1
  refresh_token: C1
other: [1, two]
";

    #[test]
    fn ids_are_read_as_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lcrc");
        for (written, id) in [
            ("'00000000620A3E4A'", "00000000620A3E4A"),
            ("00000000620A3E4A", "00000000620A3E4A"),
            ("0000000062000012", "0000000062000012"),
            ("00000000620E3445", "00000000620E3445"),
            ("0000000040671234", "0000000040671234"),
            ("1234567812345678", "1234567812345678"),
        ] {
            fs::write(&path, format!("client:\n  id: {written}\n  secret: 12345\n")).unwrap();
            let read = Lcrc::read(&path).unwrap();
            assert_eq!(read.client_id.as_deref(), Some(id));
            assert_eq!(read.client_secret.unwrap().expose(), "12345");
        }
        fs::write(&path, OLD).unwrap();
        assert_eq!(Lcrc::read(&path).unwrap().headers["Accept-Encoding"], "identity");
        let kept = TokenFile::lcrc(&path).read().unwrap().unwrap();
        assert_eq!(kept.refresh_token.unwrap().expose(), "C1");
        assert_eq!(kept.renew_at.unwrap().to_string(), "2014-02-03T04:05:06.789012Z");
    }

    #[test]
    fn timeouts_and_pool_size_are_those_of_the_old_http_library() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lcrc");
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (request, connect, read, pool) in [
            ("{extra_keywords: {timeout: [20.0, 10]}}", seconds(20), seconds(10), None),
            ("{extra_keywords: {timeout: 5}}", seconds(5), seconds(5), None),
            ("{extra_keywords: {timeout: [null, 7]}}", None, seconds(7), None),
            ("{extra_keywords: {timeout: null, verify: true}}", None, None, None),
            ("{adapter_settings: {pool_maxsize: 50, max_retries: 2}}", None, None, Some(50)),
            ("{}", None, None, None),
        ] {
            fs::write(&path, format!("request: {request}\n")).unwrap();
            let read_file = Lcrc::read(&path).unwrap();
            assert_eq!(
                (read_file.connect_timeout, read_file.read_timeout, read_file.pool_size),
                (connect, read, pool),
                "{request}"
            );
        }
        fs::write(&path, "request: {extra_keywords: {timeout: soon}}\n").unwrap();
        assert_eq!(Lcrc::read(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_write_replaces_the_tokens_and_keeps_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lcrc");
        fs::write(&path, OLD).unwrap();
        let kept = StoredTokens {
            refresh_token: Some("C2".into()),
            access_token: Some("EwA2".into()),
            renew_at: Some("2015-01-02T03:04:05Z".parse().unwrap()),
            ..StoredTokens::default()
        };
        let file = TokenFile::lcrc(&path);
        file.write(&kept).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "\
auth:
  access_expires: 2015-01-02 03:04:05.000000
  access_token: EwA2
  code: M.R3_old
  refresh_token: C2
client:
  id: '0000000062000012'
  secret: gndrjIOLWYLkOPl0QhWIliQcg-MG1SRN
other:
- 1
- two
request:
  base_headers:
    Accept-Encoding: identity
"
        );
        let read = file.read().unwrap().unwrap();
        assert_eq!(read.renew_at, kept.renew_at);
        assert_eq!(read.access_token.unwrap().expose(), "EwA2");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the file and its lock");
    }

    #[test]
    fn tokens_are_added_and_another_kind_of_file_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lcrc");
        fs::write(&path, "client:\n  id: 1\n").unwrap();
        let file = TokenFile::lcrc(&path);
        assert!(file.read().unwrap().is_none());
        file.write(&StoredTokens { access_token: Some("a".into()), ..StoredTokens::default() })
            .unwrap();
        assert_eq!(file.read().unwrap().unwrap().access_token.unwrap().expose(), "a");
        for text in ["auth: hunter2\n", "- hunter2\n", "auth:\n  access_token: [hunter2]\n"] {
            fs::write(&path, text).unwrap();
            let error = file.read().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let missing = Lcrc::read(folder.path().join("none")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
