//! Options of the service.

use std::{collections::BTreeMap, fmt, time::Duration};

use opendal::{Configurator, Error, OperatorUri, Result};
use serde::{Deserialize, Serialize};

use super::{
    AccountKind, Client, NationalCloud, ONEDRIVE_SCHEME, OneDrive,
    address::{DriveRef, PathStyle},
    drive_lookup::{ConfiguredDrive, DriveLookup},
};
use crate::{
    drive::{self, Context, Secret},
    services::options::{self, ConnectionFields},
    transport::Connection,
};

/// Options of the OneDrive service.
///
/// The keys are the same in a URI's query, in `Operator::via_iter` and in a configuration file. An
/// unknown key is an error. The options of OpenDAL's own service are supported with the same
/// meaning.
///
/// Authentication needs one of `access_token`, `refresh_token` and `token_file`. An application
/// without a user needs `client_id`, `client_secret`, `tenant`, and an option that names the drive.
///
/// The drive is that of the signed-in user, unless one of `drive_id`, `user`, `group` and `site`
/// names another one.
#[derive(Clone, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OneDriveConfig {
    /// Folder that paths are relative to; the path of a URI. Default: the root of the drive.
    pub root: Option<String>,
    /// Name of the service in its info; the host of a URI.
    pub name: Option<String>,
    /// National cloud of the account. Default: the global cloud.
    pub cloud: Option<NationalCloud>,
    /// Base URL of the API. Default: that of the cloud, such as `https://graph.microsoft.com/v1.0`.
    pub endpoint: Option<String>,
    /// Additional hosts that links to next pages may lead to. The token is sent to these hosts.
    ///
    /// A comma-separated list of names, with a port unless it is the default port of the scheme.
    /// `*` matches any part of a name up to the next dot. Needed if `endpoint` is a gateway to
    /// Graph. Default: only the host of `endpoint`.
    pub allowed_hosts: Option<String>,
    /// Audience of the access tokens for upload sessions and copy monitors on the host of `endpoint` and
    /// on `allowed_hosts`, such as `https://contoso-my.sharepoint.com`. Needed for a drive server
    /// without pre-authenticated URLs. Hosts of SharePoint always get tokens of their own audience.
    /// Default: other hosts get no such token.
    pub sharepoint_audience: Option<String>,
    /// Base URL of the sign-in service. Default: that of the cloud, such as
    /// `https://login.microsoftonline.com`.
    pub oauth_endpoint: Option<String>,
    /// Tenant of the accounts that can sign in: an id, a domain, `common`, `organizations` or
    /// `consumers`. Default: `common`.
    pub tenant: Option<String>,
    /// Id of the application. Required with `refresh_token` and `token_file`.
    pub client_id: Option<String>,
    /// Secret of the application. Applications that run on users' machines have none.
    pub client_secret: Option<String>,
    /// Path of a PEM file with the certificate of the application and its RSA private key; `~/` is
    /// the user's home. It is used instead of `client_secret`.
    pub client_certificate: Option<String>,
    /// Access token, which is valid for about an hour. It is refreshed if `refresh_token` or
    /// `token_file` is set too.
    pub access_token: Option<String>,
    /// Refresh token, which obtains access tokens. The cloud replaces it from time to time; the
    /// replacement is lost when the process ends, unless `token_file` is set.
    pub refresh_token: Option<String>,
    /// Name of an environment variable with the refresh token, instead of `refresh_token`. If the
    /// cloud replaces the token, the new one is lost with the process, and a warning is logged. See
    /// [`EnvironmentTokenStore`](crate::auth::EnvironmentTokenStore).
    pub refresh_token_env: Option<String>,
    /// Path of a file that stores tokens between processes. See
    /// [`TokenFile`](crate::auth::TokenFile).
    pub token_file: Option<String>,
    /// Id of the drive.
    pub drive_id: Option<String>,
    /// User whose drive is used, by id or user principal name.
    pub user: Option<String>,
    /// Group whose drive is used, by id.
    pub group: Option<String>,
    /// SharePoint site whose drive is used: the site's id (`host,guid,guid`), its URL,
    /// `host:/sites/x`, or its path on the tenant's own host (`/sites/x`; `root` for the top site).
    /// A path is resolved to the id by one request.
    pub site: Option<String>,
    /// Document library of the site, group or user, by name or id. Resolved by one request for each
    /// page of the list of libraries. Default: the default library.
    pub library: Option<String>,
    /// Sharing URL of a folder, which serves as the root, as a browser opens it. The signed-in user
    /// gets lasting access to the folder. Resolved by one request. The URL is secret, because it may
    /// give access to everyone.
    pub sharing_url: Option<String>,
    /// Special folder that serves as the root: `approot`, `documents`, `photos`, `cameraroll`,
    /// `music` or `desktop`. Default: the root of the drive.
    pub special: Option<String>,
    /// Kind of the account. If it is set, the service uses features that only this kind offers: in
    /// personal drives, a recursive listing of any folder is one paged request.
    pub account_kind: Option<AccountKind>,
    /// Additional headers of all requests to `endpoint`. In a map of strings, each header has its
    /// own key, `header.NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Maximum age of cached metadata of items, as `10s`, `500ms` or a number of seconds. Default:
    /// 10 s.
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub index_ttl: Option<Duration>,
    /// Size of the first fragment of an upload, and the size from which files are uploaded in
    /// fragments. In bytes, rounded down to a multiple of 320 KiB. Later fragments take about 3 s
    /// each and have at most 59.6 MiB. Default: 10 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_fragment: Option<u64>,
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
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
    /// Maximum time from the last byte of a request to the first byte of its response. Default:
    /// 120 s.
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<Duration>,
    /// Maximum time between two chunks of a body, in either direction. Default: 60 s.
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
    /// Number of idle connections that are kept per host; 0 closes each connection after its request.
    /// Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_size: Option<usize>,
    /// Creates files of upload sessions by a separate request, instead of the last fragment
    /// (onedrive-graph#session-defer-commit). This costs one more request. Default: `false`.
    pub defer_commit: bool,
    /// Ignored, as in OpenDAL's own service since 0.57.
    #[doc(hidden)]
    pub enable_versioning: bool,
}

impl OneDriveConfig {
    /// Returns a client of the protocol with these options.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, a URL, a
    /// host, a header or the proxy cannot be parsed, or the file of certificates cannot be read.
    pub fn client(&self) -> Result<Client> {
        let cloud = self.national_cloud();
        let default = || format!("{}/v1.0", cloud.graph_url());
        let endpoint = self.endpoint.clone().unwrap_or_else(default);
        let headers = options::header_map(ONEDRIVE_SCHEME, &self.headers)?;
        let plain_http = options::plain_http(ONEDRIVE_SCHEME, self.allow_http.as_deref())?;
        let client = Client::new(&endpoint, self.token_source()?)
            .and_then(|client| {
                client.with_allowed_hosts(self.allowed_hosts.as_deref().unwrap_or_default())
            })
            .map_err(invalid)?;
        let client = client
            .with_plain_http(plain_http)
            .with_sharepoint_audience(self.sharepoint_audience.clone())
            .with_connection(self.connection()?);
        Ok(client.with_headers(headers).with_path_style(match cloud {
            NationalCloud::China => PathStyle::Parameter,
            _ => PathStyle::Colons,
        }))
    }

    /// Returns the connection of these options. `None` if none of them is set.
    ///
    /// # Errors
    /// `ConfigInvalid` if the file of certificates cannot be read or has none, or the proxy is
    /// neither an HTTP URL nor `none`.
    pub(super) fn connection(&self) -> Result<Option<Connection>> {
        let fields = ConnectionFields {
            scheme: ONEDRIVE_SCHEME,
            ca_cert: self.ca_cert.as_deref(),
            proxy: self.proxy.as_deref(),
            connect_timeout: self.connect_timeout,
            response_timeout: self.response_timeout,
            idle_timeout: self.idle_timeout,
            pool_size: self.pool_size,
        };
        fields.connection()
    }

    /// Returns the lookup of the drive that the options name. Sends no request.
    ///
    /// # Errors
    /// `ConfigInvalid` if the options name more than one drive, or an invalid site.
    pub(super) fn drive_lookup(&self) -> Result<DriveLookup> {
        let configured = self.configured_drive()?;
        if self.library.is_some() && matches!(configured, ConfiguredDrive::Drive(DriveRef::Id(_))) {
            return Err(config_error("cannot choose the library: drive_id already names one"));
        }
        if matches!(configured, ConfiguredDrive::Shared(_))
            && (self.library.is_some() || self.special.is_some())
        {
            return Err(config_error(
                "cannot choose a library or a special folder: sharing_url already names a folder",
            ));
        }
        Ok(DriveLookup::new(configured, self.library.clone()))
    }

    /// Returns the user, group or site whose drive the options name, as its default drive:
    /// `library` is ignored. Sends a request if the options name the path of a site.
    ///
    /// # Errors
    /// `InvalidInput` if the options do not name one drive; `DriveNotFound` if the site does not
    /// exist, and the errors of [`Client::site`].
    pub async fn owner(&self, client: &Client, cx: &Context) -> drive::Result<DriveRef> {
        let configured = self.configured_drive().map_err(|error| {
            drive::Error::new(drive::ErrorKind::InvalidInput, error.message().to_owned())
        })?;
        DriveLookup::new(configured, None).get(client, cx).await.cloned()
    }

    /// Returns the drive that the options name: the user's own without any of them.
    ///
    /// # Errors
    /// `ConfigInvalid` if more than one of `drive_id`, `user`, `group`, `site` and `sharing_url` is
    /// set, `site` is neither an id, a path, `host:/path` nor a URL, or `sharing_url` is no HTTP URL.
    pub(super) fn configured_drive(&self) -> Result<ConfiguredDrive> {
        let drives = [
            self.drive_id.as_deref().map(|id| Ok(ConfiguredDrive::Drive(DriveRef::Id(id.into())))),
            self.user
                .as_deref()
                .map(|user| Ok(ConfiguredDrive::Drive(DriveRef::User(user.into())))),
            self.group
                .as_deref()
                .map(|group| Ok(ConfiguredDrive::Drive(DriveRef::Group(group.into())))),
            self.site.as_deref().map(parse_site),
            self.sharing_url.as_deref().map(parse_sharing_url),
        ];
        let mut drives = drives.into_iter().flatten();
        match (drives.next(), drives.next()) {
            (None, _) => Ok(ConfiguredDrive::Drive(DriveRef::Mine)),
            (Some(drive), None) => drive,
            (Some(_), Some(_)) => Err(config_error(
                "cannot choose the drive: only one of drive_id, user, group, site and sharing_url can be \
                 set",
            )),
        }
    }
}

/// Parses the option `sharing_url`. The error does not contain the URL.
///
/// # Errors
/// `ConfigInvalid` if the text is no HTTP URL.
fn parse_sharing_url(text: &str) -> Result<ConfiguredDrive> {
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    match url {
        Some(_) => Ok(ConfiguredDrive::Shared(text.into())),
        None => Err(config_error("invalid sharing_url: not an HTTP URL")),
    }
}

/// Parses the option `site`.
///
/// # Errors
/// `ConfigInvalid` if the text is neither an id, a path, `host:/path` nor a URL.
fn parse_site(text: &str) -> Result<ConfiguredDrive> {
    let by_path = |host: &str, path: &str| {
        Ok(ConfiguredDrive::Site { host: host.to_owned(), path: path.trim_matches('/').to_owned() })
    };
    if text.contains("://") {
        let url = url::Url::parse(text).ok().filter(|url| url.has_host());
        let Some(url) = url else {
            return Err(config_error(format!("invalid site {text:?}: not a URL")));
        };
        let path = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy();
        return by_path(url.host_str().unwrap_or_default(), &path);
    }
    match text.split_once(':') {
        Some((host, path)) => by_path(host, path),
        None if text.starts_with('/') => by_path("root", text),
        // An id or `root`.
        None if !text.contains('/') && !text.is_empty() => {
            Ok(ConfiguredDrive::Drive(DriveRef::Site(text.into())))
        }
        None => {
            Err(config_error(format!("invalid site {text:?}: expected an id, host:/path or a URL")))
        }
    }
}

/// Returns the `ConfigInvalid` error of this service with the text `problem`.
pub(super) fn config_error(problem: impl Into<String>) -> Error {
    options::invalid_option(ONEDRIVE_SCHEME, problem)
}

/// Converts an error of a constructor to `ConfigInvalid`.
pub(super) fn invalid(error: crate::drive::Error) -> Error {
    config_error(error.to_string())
}

impl Configurator for OneDriveConfig {
    type Builder = OneDrive;

    /// Parses `onedrive://NAME/ROOT?KEY=VALUE&…`. Name and root are optional. As in OpenDAL's own
    /// service, a path can start with Graph's alias of the root folder, as in
    /// `onedrive://drive/root/documents`.
    ///
    /// # Errors
    /// `ConfigInvalid` for a key that is no option, or a value that is not of the option's type.
    fn from_uri(uri: &OperatorUri) -> Result<Self> {
        let (root, name) = options::root_and_name(ONEDRIVE_SCHEME, uri)?;
        let mut config = Self::from_iter(uri.options().clone())?;
        if let Some(path) = root {
            let path = path.trim_matches('/');
            let root = match path.split_once('/') {
                Some(("root", path)) => path,
                None if path == "root" => "",
                _ => path,
            };
            config.root = Some(root.to_owned());
        }
        if name.is_some() {
            config.name = name;
        }
        Ok(config)
    }

    /// Parses options by key, as in a configuration file.
    ///
    /// # Errors
    /// `ConfigInvalid` for a key that is no option, or a value that is not of the option's type.
    fn from_iter(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let (mut config, headers): (Self, _) = options::from_pairs(ONEDRIVE_SCHEME, pairs)?;
        config.headers.extend(headers);
        Ok(config)
    }

    fn into_builder(self) -> OneDrive {
        OneDrive { config: self }
    }
}

impl fmt::Debug for OneDriveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = |text: &Option<String>| text.as_deref().map(Secret::from);
        f.debug_struct("OneDriveConfig")
            .field("root", &self.root)
            .field("name", &self.name)
            .field("cloud", &self.cloud)
            .field("endpoint", &self.endpoint)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("sharepoint_audience", &self.sharepoint_audience)
            .field("oauth_endpoint", &self.oauth_endpoint)
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .field("client_secret", &redacted(&self.client_secret))
            .field("client_certificate", &self.client_certificate)
            .field("access_token", &redacted(&self.access_token))
            .field("refresh_token", &redacted(&self.refresh_token))
            .field("refresh_token_env", &self.refresh_token_env)
            .field("token_file", &self.token_file)
            .field("drive_id", &self.drive_id)
            .field("user", &self.user)
            .field("group", &self.group)
            .field("site", &self.site)
            .field("library", &self.library)
            .field("sharing_url", &redacted(&self.sharing_url))
            .field("special", &self.special)
            .field("account_kind", &self.account_kind)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("index_ttl", &self.index_ttl)
            .field("upload_fragment", &self.upload_fragment)
            .field("encoding", &self.encoding)
            .field("allow_http", &self.allow_http)
            .field("ca_cert", &self.ca_cert)
            .field("proxy", &redacted(&self.proxy))
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("pool_size", &self.pool_size)
            .field("defer_commit", &self.defer_commit)
            .finish()
    }
}

#[cfg(test)]
mod tests;
