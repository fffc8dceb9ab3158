//! `~/.lcrc`, the old command-line client's file (live-connect#lcrc-file): YAML with the
//! application, the tokens, and how requests are made.
//!
//! Read as it is: an application's id without quotes is taken letter by letter, whatever number YAML
//! sees in it. Written as the old client wrote it: what is not ours stays, keys are sorted.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;
use serde_yaml_ng::{Mapping, Value};

use super::Kept;
use crate::{
    drive::{Error, ErrorKind, Result, Secret},
    transport::redact_quoted,
};

/// How the old client wrote times: UTC, as Python prints them.
const TIME: &str = "%Y-%m-%d %H:%M:%S%.6f";

/// What an application needs of the old client's file, besides tokens; those a
/// [`TokenFile::lcrc`](super::TokenFile::lcrc) reads and writes.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Lcrc {
    /// The application's id.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<Secret>,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    client: Option<Client>,
    auth: Option<Auth>,
    request: Option<Request>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Client {
    id: Option<String>,
    secret: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    refresh_token: Option<String>,
    access_token: Option<String>,
    access_expires: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    base_headers: Option<BTreeMap<String, String>>,
}

impl Lcrc {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Invalid` for one that is something else.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Unexpected,
            };
            Error::new(kind, format!("reading {}: {error}", path.display())).with_source(error)
        })?;
        let file = parse(&text, path)?;
        let client = file.client.unwrap_or_default();
        Ok(Self {
            client_id: client.id,
            client_secret: client.secret.map(Secret::from),
            headers: file.request.and_then(|request| request.base_headers).unwrap_or_default(),
        })
    }
}

fn parse(text: &str, path: &Path) -> Result<File> {
    let file: Option<File> =
        serde_yaml_ng::from_str(text).map_err(|error| foreign(path, &error))?;
    Ok(file.unwrap_or_default())
}

fn foreign(path: &Path, error: &serde_yaml_ng::Error) -> Error {
    let problem = redact_quoted(&error.to_string());
    Error::new(
        ErrorKind::InvalidInput,
        format!("{} is not a file of the old client's: {problem}", path.display()),
    )
}

/// The tokens in the file's text.
pub(super) fn kept(text: &str, path: &Path) -> Result<Option<Kept>> {
    let auth = parse(text, path)?.auth.unwrap_or_default();
    if auth.refresh_token.is_none() && auth.access_token.is_none() {
        return Ok(None);
    }
    Ok(Some(Kept {
        refresh_token: auth.refresh_token.map(Secret::from),
        access_token: auth.access_token.map(Secret::from),
        // One that is no time is as good as none: the cloud says when it is over.
        renew_at: auth.access_expires.and_then(|text| time(&text)),
        configured: None,
    }))
}

/// A time as Python prints it, or as anybody else does.
fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let local: civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// The file's text with other tokens in it.
pub(super) fn merged(text: &str, kept: &Kept, path: &Path) -> Result<String> {
    let id = parse(text, path)?.client.and_then(|client| client.id);
    let all: Option<Mapping> =
        serde_yaml_ng::from_str(text).map_err(|error| foreign(path, &error))?;
    let mut all = all.unwrap_or_default();
    if let Some(id) = id
        && let Some(client) = all.get_mut("client").and_then(Value::as_mapping_mut)
    {
        // As it was written, and not as the number that YAML may have seen in it.
        client.insert("id".into(), id.into());
    }
    let auth = all.entry("auth".into()).or_insert_with(|| Mapping::new().into());
    if auth.is_null() {
        *auth = Mapping::new().into();
    }
    let auth = auth.as_mapping_mut().ok_or_else(|| {
        let text = format!("{}: `auth` is not a mapping", path.display());
        Error::new(ErrorKind::InvalidInput, text)
    })?;
    let expires = kept.renew_at.map(|time| time.strftime(TIME).to_string());
    let token = |token: &Option<Secret>| token.as_ref().map(|token| token.expose().to_owned());
    for (name, value) in [
        ("access_token", token(&kept.access_token)),
        ("access_expires", expires),
        ("refresh_token", token(&kept.refresh_token)),
    ] {
        match value {
            Some(value) => auth.insert(name.into(), value.into()),
            None => auth.remove(name),
        };
    }
    serde_yaml_ng::to_string(&sorted(Value::Mapping(all))).map_err(|error| foreign(path, &error))
}

/// With the keys of every mapping sorted, as the old client's library wrote them.
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

/// The file that is meant: a link stays one, and what it leads to is replaced.
pub(super) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
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
    fn the_file_is_read_as_it_is_with_ids_letter_by_letter() {
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
    fn tokens_are_written_back_as_the_old_client_did_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lcrc");
        fs::write(&path, OLD).unwrap();
        let kept = Kept {
            refresh_token: Some("C2".into()),
            access_token: Some("EwA2".into()),
            renew_at: Some("2015-01-02T03:04:05Z".parse().unwrap()),
            configured: None,
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
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_without_tokens_gets_them_and_another_kind_of_file_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lcrc");
        fs::write(&path, "client:\n  id: 1\n").unwrap();
        let file = TokenFile::lcrc(&path);
        assert!(file.read().unwrap().is_none());
        file.write(&Kept { access_token: Some("a".into()), ..Kept::default() }).unwrap();
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
