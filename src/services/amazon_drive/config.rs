//! Configuration of the service.

use std::{collections::BTreeMap, fmt, time::Duration};

use opendal::{Configurator, Error, OperatorUri, Result};
use serde::{Deserialize, Serialize};

use super::{AMAZON_DRIVE_SCHEME, AmazonDrive, Client, Deduplication};
use crate::{
    auth::{SignInProvider, TokenFile, TokenSource},
    drive::Secret,
    services::options::{
        ConnectionFields, expand_home, from_pairs, header_map, invalid_option, plain_http,
        root_and_name, span, token_source_with_store,
    },
    transport::Connection,
};

/// Default base URL for `account/endpoint` (amazon-drive#endpoint-discovery).
const ENDPOINT: &str = "https://drive.amazonaws.com/drive/v1/";

/// Options of the service. The keys are the same in the query of a URI, in `Operator::via_iter` and
/// in a configuration file; an unknown key is an error.
///
/// One of `access_token`, `refresh_token` and `token_file` is required.
#[derive(Clone, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AmazonDriveConfig {
    /// Root of all paths: a folder of the drive. In a URI, its path. The default is the whole
    /// drive.
    pub root: Option<String>,
    /// Name of the account in the service's info. In a URI, its host.
    pub name: Option<String>,
    /// Base URL for the request of the account's own endpoints. The default is
    /// `https://drive.amazonaws.com/drive/v1/`.
    pub endpoint: Option<String>,
    /// Further hosts that the cloud may name as the account's endpoints; they receive the token.
    /// Names separated by commas, with a port unless it is the scheme's default; `*` matches a part
    /// of a name up to the next dot. The host of `endpoint` is always allowed; with Amazon's own
    /// endpoint, so are `*.drive.amazonaws.com` and `cdws.*.amazonaws.com`.
    pub allowed_hosts: Option<String>,
    /// Base URL of the token endpoint `auth/o2/token`. The default is `https://api.amazon.com`.
    pub oauth_endpoint: Option<String>,
    /// Id of the application. Required with `refresh_token` and `token_file`.
    pub client_id: Option<String>,
    /// Secret of the application.
    pub client_secret: Option<String>,
    /// Redirect URI that the application was registered with; each refresh sends it. The default is
    /// `http://localhost`.
    pub redirect_uri: Option<String>,
    /// Access token, valid for an hour. It is refreshed if there is a `refresh_token` or
    /// `token_file`, too.
    pub access_token: Option<String>,
    /// Refresh token.
    pub refresh_token: Option<String>,
    /// Name of an environment variable with the refresh token, instead of `refresh_token`. If the
    /// cloud replaces the token, the new one is lost with the process, and a warning is logged. See
    /// [`EnvironmentTokenStore`](crate::auth::EnvironmentTokenStore).
    pub refresh_token_env: Option<String>,
    /// Path of a file that stores tokens for later processes; see
    /// [`TokenFile`](crate::auth::TokenFile).
    pub token_file: Option<String>,
    /// Path of a file that stores the base URLs of the account for 3 days, so that later processes
    /// need not request them; `~/` is the user's home. It contains no secret.
    pub endpoint_file: Option<String>,
    /// Mapping of names that the cloud forbids: `default`, which is rclone's for this cloud, or rules
    /// as in rclone's `--encoding`, such as `Colon,RightSpace`. See
    /// [`NameEncoding`](crate::adapter::NameEncoding). `Raw` maps no name. Default: `Raw`.
    pub encoding: Option<String>,
    /// Hosts that may receive tokens over plain HTTP, in addition to this machine.
    ///
    /// A comma-separated list of names, with a port unless it is 80. `*` matches any part of a name
    /// up to the next dot. An example is a drive server in the network of a CI job.
    pub allow_http: Option<String>,
    /// Path of a PEM file with certificates of authorities that are trusted in addition to those of
    /// the system; `~/` is the user's home.
    pub ca_cert: Option<String>,
    /// URL of the proxy, such as `http://proxy:3128`, or `none`. Loopback addresses are connected
    /// to directly. Default: the proxy of the system.
    pub proxy: Option<String>,
    /// Maximum time to establish a connection. The format is that of `index_ttl`. Default: 10 s.
    #[serde(with = "span", skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
    /// Maximum time from the last byte of a request to the first byte of its response. Default:
    /// 120 s.
    #[serde(with = "span", skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<Duration>,
    /// Maximum time between two chunks of a body, in either direction. Default: 60 s.
    #[serde(with = "span", skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
    /// Number of idle connections that are kept per host; 0 closes each connection after its request.
    /// Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_size: Option<usize>,
    /// Headers for every request. In a map of strings, one key for each: `header.NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long the id of a path is cached, as `10s`, `500ms` or a number of seconds; `0` disables
    /// the cache. The default is 10 s.
    #[serde(with = "span", skip_serializing_if = "Option::is_none")]
    pub index_ttl: Option<Duration>,
    /// How long to search for the file of an upload that timed out (408, 504), because it often
    /// exists all the same. The format is that of `index_ttl`; `0` searches once. The default is 3
    /// minutes for each GiB, at least 5 s and at most 10 minutes.
    #[serde(with = "span", skip_serializing_if = "Option::is_none")]
    pub upload_wait: Option<Duration>,
    /// Whether the cloud rejects a file whose content equals that of another file; the error names
    /// the other file. The default is false.
    pub deduplicate: bool,
    /// Whether the MD5 of whole files is not checked during reads. The check is limited to the
    /// speed of MD5, about 600 MiB/s for each core. Without it only sizes are checked; if a file of
    /// more than 500 MiB, which takes several requests, is replaced by one of the same size between
    /// two requests, the read does not detect it. The default is false.
    pub unchecked_reads: bool,
}

impl AmazonDriveConfig {
    /// Creates the unbiased client with these options.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, a URL, a
    /// host, a header or the proxy cannot be parsed, or the file of certificates cannot be read.
    pub fn client(&self) -> Result<Client> {
        let endpoint = self.endpoint.as_deref().unwrap_or(ENDPOINT);
        let plain_http = plain_http(AMAZON_DRIVE_SCHEME, self.allow_http.as_deref())?;
        let client = Client::new(endpoint, self.token_source()?)
            .and_then(|client| {
                client.with_allowed_hosts(self.allowed_hosts.as_deref().unwrap_or_default())
            })
            .map_err(invalid)?;
        let client = client.with_plain_http(plain_http).with_connection(self.connection()?);
        let client = match &self.oauth_endpoint {
            Some(url) => client.with_sign_in(url).map_err(invalid)?,
            None => client,
        };
        let client = match &self.endpoint_file {
            Some(path) => client.with_endpoint_file(expand_home(path)),
            None => client,
        };
        Ok(client.with_headers(header_map(AMAZON_DRIVE_SCHEME, &self.headers)?))
    }

    /// Returns whether uploads of duplicate content are rejected.
    pub(super) fn deduplication(&self) -> Deduplication {
        if self.deduplicate { Deduplication::Enabled } else { Deduplication::Suppressed }
    }

    /// Returns the endpoints of the sign-in, for the flows of [`auth::flows`](crate::auth::flows).
    /// With `oauth_endpoint`, the page of the sign-in is expected there too.
    ///
    /// # Errors
    /// `ConfigInvalid` if `oauth_endpoint` is not an HTTP URL, `allow_http` is not a list of hosts,
    /// the file of certificates cannot be read or has none, or the proxy is neither an HTTP URL nor
    /// `none`.
    pub fn sign_in_provider(&self) -> Result<SignInProvider> {
        let provider = match &self.oauth_endpoint {
            Some(url) => SignInProvider::amazon_at(url, url),
            None => SignInProvider::amazon(),
        };
        let plain_http = plain_http(AMAZON_DRIVE_SCHEME, self.allow_http.as_deref())?;
        let provider = provider.map_err(invalid)?.with_plain_http(plain_http);
        let provider = provider.with_connection(self.connection()?);
        Ok(match &self.redirect_uri {
            Some(redirect) => provider.with_redirect_uri(redirect),
            None => provider,
        })
    }

    /// Returns the source of tokens that the options describe.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, or an
    /// endpoint or a host of `allow_http` cannot be parsed.
    pub fn token_source(&self) -> Result<TokenSource> {
        let secret = |text: &Option<String>| text.as_deref().map(Secret::from);
        let wrong = |what| invalid_option(AMAZON_DRIVE_SCHEME, what);
        let (access, refresh) = (secret(&self.access_token), secret(&self.refresh_token));
        let variable = self.refresh_token_env.as_deref();
        if refresh.is_none() && self.token_file.is_none() && variable.is_none() {
            return access.map(TokenSource::fixed).ok_or_else(|| {
                wrong("cannot sign in: one of access_token, refresh_token and token_file is needed")
            });
        }
        let Some(client_id) = &self.client_id else {
            return Err(wrong("cannot sign in: client_id is missing"));
        };
        let provider = self.sign_in_provider()?;
        let client = provider.token_client(client_id).map_err(invalid)?;
        let client = client.parameter("redirect_uri", provider.redirect_uri());
        let client = match &self.client_secret {
            Some(secret) => client.client_secret(secret.as_str()),
            None => client,
        };
        let tokens = TokenSource::refreshing(client, refresh, access);
        let file = self.token_file.as_ref().map(TokenFile::new);
        let configured = self.refresh_token.as_deref();
        token_source_with_store(AMAZON_DRIVE_SCHEME, tokens, configured, file, variable)
    }

    /// Returns the connection of these options. `None` if none of them is set.
    ///
    /// # Errors
    /// `ConfigInvalid` if the file of certificates cannot be read or has none, or the proxy is
    /// neither an HTTP URL nor `none`.
    fn connection(&self) -> Result<Option<Connection>> {
        let fields = ConnectionFields {
            scheme: AMAZON_DRIVE_SCHEME,
            ca_cert: self.ca_cert.as_deref(),
            proxy: self.proxy.as_deref(),
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            idle_timeout: self.idle_timeout,
            pool_size: self.pool_size,
        };
        fields.connection()
    }
}

/// Converts an error of a constructor to `ConfigInvalid`.
fn invalid(error: crate::drive::Error) -> Error {
    invalid_option(AMAZON_DRIVE_SCHEME, error.to_string())
}

impl Configurator for AmazonDriveConfig {
    type Builder = AmazonDrive;

    /// Parses `amazon-drive://NAME/ROOT?KEY=VALUE&…`; name and root are optional.
    ///
    /// # Errors
    /// `ConfigInvalid` for a key that is no option, or a value that is not of the option's type.
    fn from_uri(uri: &OperatorUri) -> Result<Self> {
        let mut config = Self::from_iter(uri.options().clone())?;
        let (root, name) = root_and_name(AMAZON_DRIVE_SCHEME, uri)?;
        config.root = root.or(config.root);
        config.name = name.or(config.name);
        Ok(config)
    }

    /// Parses options by key, as in a configuration file.
    ///
    /// # Errors
    /// `ConfigInvalid` for a key that is no option, or a value that is not of the option's type.
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
            .field("refresh_token_env", &self.refresh_token_env)
            .field("token_file", &self.token_file)
            .field("endpoint_file", &self.endpoint_file)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("index_ttl", &self.index_ttl)
            .field("upload_wait", &self.upload_wait)
            .field("deduplicate", &self.deduplicate)
            .field("unchecked_reads", &self.unchecked_reads)
            .field("encoding", &self.encoding)
            .field("allow_http", &self.allow_http)
            .field("ca_cert", &self.ca_cert)
            .field("proxy", &hidden(&self.proxy))
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("pool_size", &self.pool_size)
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
    fn a_uri_has_all_options() {
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
        assert_eq!(config.deduplication(), Deduplication::Enabled);
        assert!(config.unchecked_reads);
        assert_eq!(config.headers["x-one"], "1");
        config.client().unwrap();
    }

    #[test]
    fn options_can_be_serialized() {
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
    fn an_error_names_the_invalid_option() {
        for (uri, expected) in [
            ("amazon-drive://", "one of access_token, refresh_token and token_file"),
            ("amazon-drive://?refresh_token=r", "client_id"),
            ("amazon-drive://?acces_token=a", "acces_token"),
            ("amazon-drive://?access_token=a&endpoint=nowhere", "endpoint"),
            ("amazon-drive://?access_token=a&endpoint=ftp%3A%2F%2Fh", "neither http nor https"),
            (
                "amazon-drive://?refresh_token=r&client_id=c&oauth_endpoint=nowhere",
                "sign-in service",
            ),
            ("amazon-drive://?access_token=a&allowed_hosts=h%2Fpath", "allowed_hosts"),
            ("amazon-drive://?access_token=a&index_ttl=soon", "soon"),
            ("amazon-drive://?access_token=a&header.x%20y=1", "header.x y"),
            ("amazon-drive://secret@me/?access_token=a", "neither user nor password"),
        ] {
            let error = config(uri).and_then(|config| config.client()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.to_string().contains(expected), "{uri}: {error}");
        }
    }

    #[test]
    fn debug_output_has_no_secrets() {
        let config = config(
            "amazon-drive://?client_id=app&client_secret=SECRET1&access_token=SECRET2\
             &refresh_token=SECRET3&header.cookie=SECRET4",
        )
        .unwrap();
        let builder = config.clone().into_builder();
        let client = config.client().unwrap();
        let output = format!("{config:?} {config:#?} {builder:?} {client:?} {client:#?}");
        assert!(output.contains("app") && output.contains("cookie"), "{output}");
        assert!(!output.contains("SECRET"), "{output}");
    }
}
