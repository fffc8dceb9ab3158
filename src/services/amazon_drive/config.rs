//! The options.

use std::{collections::BTreeMap, fmt, time::Duration};

use opendal::{Configurator, Error, OperatorUri, Result};
use serde::{Deserialize, Serialize};

use super::{AMAZON_DRIVE_SCHEME, AmazonDrive, Client, Deduplication};
use crate::{
    auth::{Endpoint, TokenFile, TokenSource},
    drive::Secret,
    services::options::{from_pairs, header_map, of_uri, span, wrong},
};

const ENDPOINT: &str = "https://drive.amazonaws.com/drive/v1/";
const OAUTH_ENDPOINT: &str = "https://api.amazon.com";

/// Where the application was registered for applications without a web site
/// (amazon-drive#oauth-redirect-uri).
const REDIRECT_URI: &str = "http://localhost";

/// The options of an Amazon Drive. Keys are the same in a URI's query, in `Operator::via_iter` and
/// in a configuration file; a key that is not here is an error.
///
/// One of `access_token`, `refresh_token` and `token_file` must be there.
#[derive(Clone, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AmazonDriveConfig {
    /// The folder that paths begin at; in a URI, its path. The default is the whole drive.
    pub root: Option<String>,
    /// What the account is called in the service's info; in a URI, its host.
    pub name: Option<String>,
    /// Where the account's own endpoints are asked for. The default is
    /// `https://drive.amazonaws.com/drive/v1/`.
    pub endpoint: Option<String>,
    /// Further hosts that requests, with the token, may go to if the cloud names them as the
    /// account's own: names separated by commas, each with a port if it is not the scheme's own;
    /// `*` stands for part of a name, up to the next dot. Without it requests go to the host of
    /// `endpoint`, and with Amazon's own endpoint to `*.drive.amazonaws.com` and
    /// `cdws.*.amazonaws.com`.
    pub allowed_hosts: Option<String>,
    /// Where tokens come from: the host of `auth/o2/token`. The default is
    /// `https://api.amazon.com`.
    pub oauth_endpoint: Option<String>,
    /// The application's id. Needed with `refresh_token` and `token_file`.
    pub client_id: Option<String>,
    /// The application's secret.
    pub client_secret: Option<String>,
    /// The address that the application was registered with, sent with every refresh. The default
    /// is `http://localhost`.
    pub redirect_uri: Option<String>,
    /// Signs requests, for an hour. Renewed if there is a `refresh_token` or `token_file` too.
    pub access_token: Option<String>,
    /// Gets access tokens.
    pub refresh_token: Option<String>,
    /// Path of a file that keeps tokens from one process to the next. See
    /// [`TokenFile`](crate::auth::TokenFile).
    pub token_file: Option<String>,
    /// Headers sent with every request: in a map of strings one key for each, `header.NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long an id is trusted, as `10s`, `500ms` or a number of seconds; `0` walks every path
    /// anew. The default is 10 s.
    #[serde(with = "span", skip_serializing_if = "Option::is_none")]
    pub index_ttl: Option<Duration>,
    /// How long a file is looked for whose upload the cloud answered with a time-out (408, 504): it
    /// often arrived all the same. Written as `index_ttl`; `0` is one look. The default is 3 minutes
    /// for each GiB, 5 s at least and 10 minutes at most.
    #[serde(with = "span", skip_serializing_if = "Option::is_none")]
    pub upload_wait: Option<Duration>,
    /// Lets the cloud refuse a file whose bytes it has already under another name; the refusal
    /// names the other file. The default is false: files may be equal.
    pub deduplicate: bool,
    /// Gives away what arrives of a whole file without comparing its MD5 with the cloud's: as fast
    /// as the line, where the check is as fast as MD5 (some 600 MiB/s of a core). Sizes are compared
    /// all the same; but a file longer than one request brings (500 MiB) that is replaced by another
    /// of its size between two requests goes unnoticed. The default is false: what is read whole is
    /// checked.
    pub unchecked_reads: bool,
}

impl AmazonDriveConfig {
    /// The unbiased client with these options.
    ///
    /// # Errors
    /// `ConfigInvalid`, with what is wrong.
    pub fn client(&self) -> Result<Client> {
        let endpoint = self.endpoint.as_deref().unwrap_or(ENDPOINT);
        let client = Client::new(endpoint, self.tokens()?)
            .and_then(|client| {
                client.with_allowed_hosts(self.allowed_hosts.as_deref().unwrap_or_default())
            })
            .map_err(invalid)?;
        Ok(client.with_headers(header_map(AMAZON_DRIVE_SCHEME, &self.headers)?))
    }

    pub(super) fn deduplication(&self) -> Deduplication {
        if self.deduplicate { Deduplication::Wanted } else { Deduplication::Suppressed }
    }

    fn tokens(&self) -> Result<TokenSource> {
        let secret = |text: &Option<String>| text.as_deref().map(Secret::from);
        let wrong = |what| wrong(AMAZON_DRIVE_SCHEME, what);
        let (access, refresh) = (secret(&self.access_token), secret(&self.refresh_token));
        if refresh.is_none() && self.token_file.is_none() {
            return access.map(TokenSource::given).ok_or_else(|| {
                wrong("one of access_token, refresh_token and token_file is needed")
            });
        }
        let Some(client_id) = &self.client_id else {
            return Err(wrong("client_id is needed with refresh_token and token_file"));
        };
        let oauth = self.oauth_endpoint.as_deref().unwrap_or(OAUTH_ENDPOINT).trim_end_matches('/');
        let redirect = self.redirect_uri.as_deref().unwrap_or(REDIRECT_URI);
        let endpoint = Endpoint::new(format!("{oauth}/auth/o2/token"), client_id)
            .map_err(invalid)?
            .parameter("redirect_uri", redirect);
        let endpoint = match &self.client_secret {
            Some(secret) => endpoint.client_secret(secret.as_str()),
            None => endpoint,
        };
        let tokens = TokenSource::refreshed(endpoint, refresh, access);
        Ok(match &self.token_file {
            Some(path) => tokens.kept_in(TokenFile::new(path)),
            None => tokens,
        })
    }
}

fn invalid(error: crate::drive::Error) -> Error {
    wrong(AMAZON_DRIVE_SCHEME, error.to_string())
}

impl Configurator for AmazonDriveConfig {
    type Builder = AmazonDrive;

    /// `amazon-drive://NAME/ROOT?KEY=VALUE&…`, name and root optional.
    fn from_uri(uri: &OperatorUri) -> Result<Self> {
        let mut config = Self::from_iter(uri.options().clone())?;
        let (root, name) = of_uri(AMAZON_DRIVE_SCHEME, uri)?;
        config.root = root.or(config.root);
        config.name = name.or(config.name);
        Ok(config)
    }

    fn from_iter(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let (mut config, headers): (Self, _) = from_pairs(AMAZON_DRIVE_SCHEME, pairs)?;
        config.headers.extend(headers);
        Ok(config)
    }

    fn into_builder(self) -> AmazonDrive {
        AmazonDrive { config: self }
    }
}

impl fmt::Debug for AmazonDriveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |text: &Option<String>| text.as_deref().map(Secret::from);
        f.debug_struct("AmazonDriveConfig")
            .field("root", &self.root)
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("oauth_endpoint", &self.oauth_endpoint)
            .field("client_id", &self.client_id)
            .field("client_secret", &hidden(&self.client_secret))
            .field("redirect_uri", &self.redirect_uri)
            .field("access_token", &hidden(&self.access_token))
            .field("refresh_token", &hidden(&self.refresh_token))
            .field("token_file", &self.token_file)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("index_ttl", &self.index_ttl)
            .field("upload_wait", &self.upload_wait)
            .field("deduplicate", &self.deduplicate)
            .field("unchecked_reads", &self.unchecked_reads)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use opendal::ErrorKind;

    use super::*;

    fn config(uri: &str) -> Result<AmazonDriveConfig> {
        AmazonDriveConfig::from_uri(&OperatorUri::new(uri, []).unwrap())
    }

    #[test]
    fn a_uri_says_everything() {
        let config = config(
            "amazon-drive://me/photos/2012?endpoint=http%3A%2F%2F127.0.0.1%3A8%2Fdrive%2Fv1\
             &access_token=a%2Bb&index_ttl=500ms&upload_wait=2s&deduplicate=true&unchecked_reads=true&header.X-One=1",
        )
        .unwrap();
        assert_eq!(config.root.as_deref(), Some("photos/2012"));
        assert_eq!(config.name.as_deref(), Some("me"));
        assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:8/drive/v1"));
        assert_eq!(config.access_token.as_deref(), Some("a+b"));
        assert_eq!(config.index_ttl, Some(Duration::from_millis(500)));
        assert_eq!(config.upload_wait, Some(Duration::from_secs(2)));
        assert_eq!(config.deduplication(), Deduplication::Wanted);
        assert!(config.unchecked_reads);
        assert_eq!(config.headers["x-one"], "1");
        config.client().unwrap();
    }

    #[test]
    fn options_survive_being_written_down() {
        let config = AmazonDriveConfig {
            refresh_token: Some("r".to_owned()),
            headers: [("x-one".to_owned(), "1".to_owned())].into(),
            index_ttl: Some(Duration::from_secs(90)),
            ..AmazonDriveConfig::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<AmazonDriveConfig>(&json).unwrap(), config);
        assert_eq!(
            serde_json::from_str::<AmazonDriveConfig>("{}").unwrap(),
            AmazonDriveConfig::default()
        );
    }

    #[test]
    fn what_is_wrong_is_said_by_name() {
        for (uri, said) in [
            ("amazon-drive://", "one of access_token, refresh_token and token_file"),
            ("amazon-drive://?refresh_token=r", "client_id"),
            ("amazon-drive://?acces_token=a", "acces_token"),
            ("amazon-drive://?access_token=a&endpoint=nowhere", "endpoint"),
            ("amazon-drive://?access_token=a&endpoint=ftp%3A%2F%2Fh", "neither http nor https"),
            (
                "amazon-drive://?refresh_token=r&client_id=c&oauth_endpoint=nowhere",
                "token endpoint",
            ),
            ("amazon-drive://?access_token=a&allowed_hosts=h%2Fpath", "allowed_hosts"),
            ("amazon-drive://?access_token=a&index_ttl=soon", "soon"),
            ("amazon-drive://?access_token=a&header.x%20y=1", "header.x y"),
            ("amazon-drive://secret@me/?access_token=a", "neither user nor password"),
        ] {
            let error = config(uri).and_then(|config| config.client()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.to_string().contains(said), "{uri}: {error}");
        }
    }

    #[test]
    fn a_configuration_prints_none_of_its_secrets() {
        let config = config(
            "amazon-drive://?client_id=app&client_secret=SECRET1&access_token=SECRET2\
             &refresh_token=SECRET3&header.cookie=SECRET4",
        )
        .unwrap();
        let builder = config.clone().into_builder();
        let client = config.client().unwrap();
        let said = format!("{config:?} {config:#?} {builder:?} {client:?} {client:#?}");
        assert!(said.contains("app") && said.contains("cookie"), "{said}");
        assert!(!said.contains("SECRET"), "{said}");
    }
}
