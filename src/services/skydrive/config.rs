//! The options.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use opendal::{Configurator, Error, OperatorUri, Result};
use serde::{Deserialize, Serialize};

use super::{Client, SKYDRIVE_SCHEME, SignIn, SkyDrive};
use crate::{
    auth::{Endpoint, Lcrc, TokenFile, TokenSource},
    drive::Secret,
    services::options,
};

const ENDPOINT: &str = "https://apis.live.net/v5.0/";
const OAUTH_ENDPOINT: &str = "https://login.live.com";

/// The options of a SkyDrive. Keys are the same in a URI's query, in `Operator::via_iter` and in a
/// configuration file; a key that is not here is an error.
///
/// One of `access_token`, `refresh_token`, `token_file` and `lcrc` must be there.
#[derive(Clone, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SkyDriveConfig {
    /// The folder that paths begin at; in a URI, its path. The default is the whole drive.
    pub root: Option<String>,
    /// What the account is called in the service's info; in a URI, its host.
    pub name: Option<String>,
    /// The API. The default is `https://apis.live.net/v5.0/`.
    pub endpoint: Option<String>,
    /// Where large uploads go, with the placeholder `{cid}` for the account's id if the host's
    /// name has it. The default is `https://cid-{cid}.users.storage.live.com`, or the host of
    /// `endpoint` if that is told.
    pub storage_endpoint: Option<String>,
    /// Where tokens come from: the host of `oauth20_token.srf`. The default is
    /// `https://login.live.com`.
    pub oauth_endpoint: Option<String>,
    /// The application's id. Needed with `refresh_token` and `token_file`.
    pub client_id: Option<String>,
    /// The application's secret. Applications on users' own machines have none.
    pub client_secret: Option<String>,
    /// The address that the application was registered with, which the cloud wants to see again
    /// with every refresh. The default is `oauth20_desktop.srf` at `oauth_endpoint`.
    pub redirect_uri: Option<String>,
    /// Signs requests, for an hour. Renewed if there is a `refresh_token` or `token_file` too.
    pub access_token: Option<String>,
    /// Gets access tokens. The cloud replaces it now and then: what it is replaced with is lost
    /// with the process unless there is a `token_file`.
    pub refresh_token: Option<String>,
    /// Path of a file that keeps tokens from one process to the next. See
    /// [`TokenFile`](crate::auth::TokenFile).
    pub token_file: Option<String>,
    /// Path of the old command-line client's file, `~/.lcrc`, `~/` being the user's home: the
    /// application and headers, where nothing else is told, and in place of `token_file` the tokens,
    /// which are written back there. See [`TokenFile::lcrc`](crate::auth::TokenFile::lcrc).
    pub lcrc: Option<String>,
    /// Headers sent with every request to `endpoint`: in a map of strings one key for each,
    /// `header.NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long an id is trusted, as `10s`, `500ms` or a number of seconds; `0` walks every path
    /// anew. The default is 10 s.
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub index_ttl: Option<Duration>,
    /// Lets the cloud make photos larger than 2048 × 2048 smaller: what is read later is not what
    /// was written. The default is false.
    pub downsize_photo_uploads: bool,
    /// From how many bytes on a file goes in fragments (BITS), and not in one request. The default is
    /// 16 MiB, the most 100 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_from: Option<u64>,
    /// Bytes of the first fragment; later ones take about 3 s each, and have at most 60 MB. The
    /// default is 10 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_fragment: Option<u64>,
}

impl SkyDriveConfig {
    /// The unbiased client with these options.
    ///
    /// # Errors
    /// `ConfigInvalid`, with what is wrong.
    pub fn client(&self) -> Result<Client> {
        let endpoint = self.endpoint.as_deref().unwrap_or(ENDPOINT);
        let client = Client::new(endpoint, self.tokens()?).map_err(invalid)?;
        let client = match (&self.storage_endpoint, &self.endpoint) {
            (Some(storage), _) => client
                .with_storage(storage)
                .map_err(|error| wrong(format!("storage_endpoint: {error}")))?,
            // Whoever speaks to another host does not want the token sent to the cloud's.
            (None, Some(_)) => match url::Url::parse(endpoint) {
                Ok(url) => {
                    let origin = url.origin().ascii_serialization();
                    client.with_storage(&origin).map_err(invalid)?
                }
                Err(error) => return Err(wrong(format!("endpoint: {error}"))),
            },
            (None, None) => client,
        };
        let mut headers = self.old_file()?.headers;
        headers.extend(self.headers.clone());
        Ok(client.with_headers(options::header_map(SKYDRIVE_SCHEME, &headers)?))
    }

    /// Signing in to the application with these options.
    ///
    /// # Errors
    /// `ConfigInvalid`, with what is wrong.
    pub fn sign_in(&self) -> Result<SignIn> {
        let (client_id, client_secret) = self.application()?;
        let sign_in = SignIn::new(self.oauth(), &client_id).map_err(invalid)?;
        let sign_in = match &self.redirect_uri {
            Some(redirect) => sign_in.redirect_uri(redirect),
            None => sign_in,
        };
        Ok(match client_secret {
            Some(secret) => sign_in.client_secret(secret),
            None => sign_in,
        })
    }

    /// The file that keeps tokens from one process to the next, where there is one.
    pub fn kept_in(&self) -> Option<TokenFile> {
        match (&self.lcrc, &self.token_file) {
            (Some(path), _) => Some(TokenFile::lcrc(at_home(path))),
            (None, Some(path)) => Some(TokenFile::new(path)),
            (None, None) => None,
        }
    }

    fn old_file(&self) -> Result<Lcrc> {
        let path = self.lcrc.as_deref();
        path.map_or_else(|| Ok(Lcrc::default()), |path| Lcrc::read(at_home(path)).map_err(invalid))
    }

    /// The application's id and secret.
    fn application(&self) -> Result<(String, Option<Secret>)> {
        let old = self.old_file()?;
        let client_id =
            self.client_id.clone().or(old.client_id).ok_or_else(|| {
                wrong("client_id is needed with refresh_token, token_file and lcrc")
            })?;
        let secret = self.client_secret.as_deref().map(Secret::from);
        Ok((client_id, secret.or(old.client_secret)))
    }

    fn oauth(&self) -> &str {
        self.oauth_endpoint.as_deref().unwrap_or(OAUTH_ENDPOINT).trim_end_matches('/')
    }

    fn tokens(&self) -> Result<TokenSource> {
        let secret = |text: &Option<String>| text.as_deref().map(Secret::from);
        let (access, refresh) = (secret(&self.access_token), secret(&self.refresh_token));
        let kept_in = self.kept_in();
        if refresh.is_none() && kept_in.is_none() {
            return access.map(TokenSource::given).ok_or_else(|| {
                wrong("one of access_token, refresh_token, token_file and lcrc is needed")
            });
        }
        let (client_id, client_secret) = self.application()?;
        let oauth = self.oauth();
        let endpoint =
            Endpoint::new(format!("{oauth}/oauth20_token.srf"), client_id).map_err(invalid)?;
        let endpoint = match &self.redirect_uri {
            Some(redirect) => endpoint.parameter("redirect_uri", redirect),
            None => endpoint.parameter("redirect_uri", format!("{oauth}/oauth20_desktop.srf")),
        };
        // Of an application on users' own machines a refresh wants none
        // (live-connect#refresh-without-secret).
        let is_mobile = self.redirect_uri.is_none();
        let endpoint = match client_secret {
            Some(secret) if self.client_secret.is_some() || !is_mobile => {
                endpoint.client_secret(secret)
            }
            _ => endpoint,
        };
        let tokens = TokenSource::refreshed(endpoint, refresh, access);
        Ok(match kept_in {
            Some(file) => tokens.kept_in(file),
            None => tokens,
        })
    }
}

/// A path with `~/` at its start as the user's home.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn wrong(what: impl Into<String>) -> Error {
    options::wrong(SKYDRIVE_SCHEME, what)
}

fn invalid(error: crate::drive::Error) -> Error {
    wrong(error.to_string())
}

impl Configurator for SkyDriveConfig {
    type Builder = SkyDrive;

    /// `skydrive://NAME/ROOT?KEY=VALUE&…`, name and root optional.
    fn from_uri(uri: &OperatorUri) -> Result<Self> {
        let (root, name) = options::of_uri(SKYDRIVE_SCHEME, uri)?;
        let mut config = Self::from_iter(uri.options().clone())?;
        config.root = root.or(config.root);
        config.name = name.or(config.name);
        Ok(config)
    }

    fn from_iter(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let (mut config, headers) = options::from_pairs::<Self>(SKYDRIVE_SCHEME, pairs)?;
        config.headers.extend(headers);
        Ok(config)
    }

    fn into_builder(self) -> SkyDrive {
        SkyDrive { config: self }
    }
}

impl fmt::Debug for SkyDriveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |text: &Option<String>| text.as_deref().map(Secret::from);
        let Self { root, name, endpoint, storage_endpoint, oauth_endpoint, .. } = self;
        f.debug_struct("SkyDriveConfig")
            .field("root", root)
            .field("name", name)
            .field("endpoint", endpoint)
            .field("storage_endpoint", storage_endpoint)
            .field("oauth_endpoint", oauth_endpoint)
            .field("client_id", &self.client_id)
            .field("client_secret", &hidden(&self.client_secret))
            .field("redirect_uri", &self.redirect_uri)
            .field("access_token", &hidden(&self.access_token))
            .field("refresh_token", &hidden(&self.refresh_token))
            .field("token_file", &self.token_file)
            .field("lcrc", &self.lcrc)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("index_ttl", &self.index_ttl)
            .field("downsize_photo_uploads", &self.downsize_photo_uploads)
            .field("bits_from", &self.bits_from)
            .field("bits_fragment", &self.bits_fragment)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use opendal::ErrorKind;

    use super::*;

    fn config(uri: &str) -> Result<SkyDriveConfig> {
        SkyDriveConfig::from_uri(&OperatorUri::new(uri, []).unwrap())
    }

    #[test]
    fn a_uri_says_everything() {
        let config = config(
            "skydrive://me/photos/2012?endpoint=http%3A%2F%2F127.0.0.1%3A8%2Fv5.0%2F\
             &access_token=a%2Bb&index_ttl=500ms&downsize_photo_uploads=true&bits_from=70000&bits_fragment=50000\
             &header.X-One=1&header.x-two=two%20words",
        )
        .unwrap();
        assert_eq!(config.root.as_deref(), Some("photos/2012"));
        assert_eq!(config.name.as_deref(), Some("me"));
        assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:8/v5.0/"));
        assert_eq!(config.access_token.as_deref(), Some("a+b"));
        assert_eq!(config.index_ttl, Some(Duration::from_millis(500)));
        assert!(config.downsize_photo_uploads);
        assert_eq!((config.bits_from, config.bits_fragment), (Some(70_000), Some(50_000)));
        let headers = options::header_map(SKYDRIVE_SCHEME, &config.headers).unwrap();
        assert_eq!(
            (&headers["x-one"], &headers["x-two"]),
            (&"1".parse().unwrap(), &"two words".parse().unwrap())
        );
        config.client().unwrap();
    }

    #[test]
    fn a_bare_uri_is_the_whole_drive_with_the_defaults() {
        let config = config("skydrive://?access_token=a").unwrap();
        let expected =
            SkyDriveConfig { access_token: Some("a".to_owned()), ..SkyDriveConfig::default() };
        assert_eq!(config, expected);
        assert_eq!(
            serde_json::from_str::<SkyDriveConfig>("{}").unwrap(),
            SkyDriveConfig::default()
        );
    }

    #[test]
    fn large_uploads_go_to_the_host_that_the_rest_goes_to() {
        let storage = |query: &str| {
            let config = config(&format!("skydrive://?access_token=a{query}")).unwrap();
            config.client().unwrap().storage
        };
        assert_eq!(storage(""), "https://cid-{cid}.users.storage.live.com");
        let endpoint = "&endpoint=http%3A%2F%2F127.0.0.1%3A8%2Fv5.0%2F";
        assert_eq!(storage(endpoint), "http://127.0.0.1:8");
        let both = format!("{endpoint}&storage_endpoint=http%3A%2F%2Fcid-%7Bcid%7D.h%3A9%2Fb%2F");
        assert_eq!(storage(&both), "http://cid-{cid}.h:9/b");
    }

    #[test]
    fn options_survive_being_written_down() {
        let config = SkyDriveConfig {
            refresh_token: Some("r".to_owned()),
            headers: [("x-one".to_owned(), "1".to_owned())].into(),
            index_ttl: Some(Duration::from_secs(90)),
            ..SkyDriveConfig::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<SkyDriveConfig>(&json).unwrap(), config);
        let ttl = |json: &str| serde_json::from_str::<SkyDriveConfig>(json).unwrap().index_ttl;
        assert_eq!(ttl(r#"{"index_ttl": 3}"#), Some(Duration::from_secs(3)));
        assert_eq!(ttl(r#"{"index_ttl": "0"}"#), Some(Duration::ZERO));
        assert_eq!(ttl(r#"{"index_ttl": "1m 5s"}"#), Some(Duration::from_secs(65)));
    }

    #[test]
    fn what_is_wrong_is_said_by_name() {
        let refused = |uri: &str| {
            let error = config(uri).and_then(|config| config.client()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            error.to_string()
        };
        for (uri, said) in [
            ("skydrive://", "one of access_token, refresh_token, token_file and lcrc"),
            ("skydrive://?lcrc=%2Fno%2Fsuch%2Ffile", "/no/such/file"),
            ("skydrive://?refresh_token=r", "client_id"),
            ("skydrive://?token_file=t", "client_id"),
            ("skydrive://?acces_token=a", "acces_token"),
            ("skydrive://?access_token=a&endpoint=nowhere", "endpoint"),
            ("skydrive://?access_token=a&endpoint=ftp%3A%2F%2Fh", "neither http nor https"),
            ("skydrive://?access_token=a&endpoint=http%3A%2F%2Fu%3Ap%40h%2F", "user"),
            ("skydrive://?access_token=a&storage_endpoint=nowhere", "storage_endpoint"),
            ("skydrive://?refresh_token=r&client_id=c&oauth_endpoint=nowhere", "token endpoint"),
            ("skydrive://?access_token=a&index_ttl=soon", "soon"),
            ("skydrive://?access_token=a&index_ttl=-1s", "-1s"),
            ("skydrive://?access_token=a&downsize_photo_uploads=maybe", "maybe"),
            ("skydrive://?access_token=a&header.x%20y=1", "header.x y"),
            ("skydrive://?access_token=a&header.x=%00", "header.x"),
            ("skydrive://secret@me/?access_token=a", "neither user nor password"),
        ] {
            let text = refused(uri);
            assert!(text.contains(said), "{uri}: {text}");
        }
    }

    #[test]
    fn a_configuration_prints_none_of_its_secrets() {
        let config = config(
            "skydrive://?client_id=app&client_secret=SECRET1&access_token=SECRET2\
             &refresh_token=SECRET3&header.cookie=SECRET4",
        )
        .unwrap();
        let builder = config.clone().into_builder();
        let client = config.client().unwrap();
        let said = format!("{config:?} {config:#?} {builder:?} {client:?} {client:#?}");
        assert!(
            said.contains("app") && said.contains("cookie") && !said.contains("SECRET"),
            "{said}"
        );
    }
}
