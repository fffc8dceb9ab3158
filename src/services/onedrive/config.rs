//! The options.

use std::{collections::BTreeMap, fmt, time::Duration};

use opendal::{Configurator, Error, OperatorUri, Result};
use serde::{Deserialize, Serialize};

use super::{
    AccountKind, Client, Cloud, ONEDRIVE_SCHEME, OneDrive,
    address::{DriveRef, PathStyle},
    drive_lookup::{ConfiguredDrive, DriveLookup},
};
use crate::{
    auth::{Endpoint, TokenFile, TokenSource},
    drive::Secret,
    services::options,
};

/// Tenants that stand for many: an application has no tokens of its own there
/// (onedrive-graph#client-credentials).
const SHARED_TENANTS: [&str; 3] = ["common", "organizations", "consumers"];

/// The options of a OneDrive. Keys are the same in a URI's query, in `Operator::via_iter` and in a
/// configuration file; a key that is not here is an error. Those of OpenDAL's own service are among
/// them and mean the same.
///
/// One of `access_token`, `refresh_token` and `token_file` must be there; or, for an application
/// that acts for no user, `client_id`, `client_secret`, `tenant` and whose drive it is.
///
/// The drive is the signed-in user's unless one of `drive_id`, `user`, `group`, `site` names
/// another one.
#[derive(Clone, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OneDriveConfig {
    /// The folder that paths begin at; in a URI, its path. The default is the whole drive.
    pub root: Option<String>,
    /// What the account is called in the service's info; in a URI, its host.
    pub name: Option<String>,
    /// Which of Microsoft's clouds. The default is the global one.
    pub cloud: Option<Cloud>,
    /// The API. The default is the cloud's: `https://graph.microsoft.com/v1.0`.
    pub endpoint: Option<String>,
    /// Further hosts that links to next pages may lead to, and receive the token: names separated by
    /// commas, each with a port if it is not the scheme's own; `*` stands for part of a name, up to
    /// the next dot. Needed where `endpoint` is a gateway to Graph. Without it the token goes to the
    /// host of `endpoint` alone.
    pub allowed_hosts: Option<String>,
    /// Where tokens come from. The default is the cloud's: `https://login.microsoftonline.com`.
    pub oauth_endpoint: Option<String>,
    /// Whose accounts sign in: a tenant's id or domain, `common`, `organizations`, `consumers`.
    /// The default is `common`.
    pub tenant: Option<String>,
    /// The application's id. Needed with `refresh_token` and `token_file`.
    pub client_id: Option<String>,
    /// The application's secret. Applications on users' own machines have none.
    pub client_secret: Option<String>,
    /// Signs requests, for an hour. Renewed if there is a `refresh_token` or `token_file` too.
    pub access_token: Option<String>,
    /// Gets access tokens. The cloud replaces it now and then: what it is replaced with is lost
    /// with the process unless there is a `token_file`.
    pub refresh_token: Option<String>,
    /// Path of a file that keeps tokens from one process to the next. See [`TokenFile`].
    pub token_file: Option<String>,
    /// A drive, by its id.
    pub drive_id: Option<String>,
    /// A user's drive, by the user's id or principal name.
    pub user: Option<String>,
    /// A group's drive, by the group's id.
    pub group: Option<String>,
    /// A SharePoint site's drive: by the site's id (`host,guid,guid`), its URL, `host:/sites/x`,
    /// or its path in the tenant's own host (`/sites/x`; `root` for that host's top site). A path is
    /// asked for once.
    pub site: Option<String>,
    /// A document library of the site, group or user, by name or id; asked for once. The default
    /// is the first one.
    pub library: Option<String>,
    /// A special folder that takes the place of the drive's root: `approot`, `documents`, `photos`,
    /// `cameraroll`, `music`, `desktop`.
    pub special: Option<String>,
    /// What kind of account it is. Told, it allows what not all kinds offer: below any folder of a
    /// personal drive the whole tree comes in one paged answer.
    pub account_kind: Option<AccountKind>,
    /// Headers sent with every request to `endpoint`: in a map of strings one key for each,
    /// `header.NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long what was learnt of an item serves later requests, as `10s`, `500ms` or a number of
    /// seconds. The default is 10 s.
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub index_ttl: Option<Duration>,
    /// From how many bytes on files go in fragments, and how large the first one is; later ones take
    /// about 3 s each, and have at most 59.6 MiB. In whole 320 KiB; the default is 10 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_fragment: Option<u64>,
    /// A file in fragments is made by a request of its own, and not by the last fragment
    /// (onedrive-graph#session-defer-commit). One request more; the default is false.
    pub defer_commit: bool,
    /// Of no effect, as in OpenDAL's own service since 0.57.
    #[doc(hidden)]
    pub enable_versioning: bool,
}

impl OneDriveConfig {
    /// The unbiased client with these options.
    ///
    /// # Errors
    /// `ConfigInvalid`, with what is wrong.
    pub fn client(&self) -> Result<Client> {
        let cloud = self.cloud.unwrap_or_default();
        let default = || format!("{}/v1.0", cloud.graph());
        let endpoint = self.endpoint.clone().unwrap_or_else(default);
        let headers = options::header_map(ONEDRIVE_SCHEME, &self.headers)?;
        let client = Client::new(&endpoint, self.tokens(cloud)?)
            .and_then(|client| {
                client.with_allowed_hosts(self.allowed_hosts.as_deref().unwrap_or_default())
            })
            .map_err(invalid)?;
        Ok(client.with_headers(headers).with_path_style(match cloud {
            Cloud::China => PathStyle::Parameter,
            _ => PathStyle::Colons,
        }))
    }

    fn tokens(&self, cloud: Cloud) -> Result<TokenSource> {
        let secret = |text: &Option<String>| text.as_deref().map(Secret::from);
        let (access, refresh) = (secret(&self.access_token), secret(&self.refresh_token));
        if refresh.is_some() || self.token_file.is_some() {
            let tokens = TokenSource::refreshed(self.token_endpoint(cloud)?, refresh, access);
            return Ok(match &self.token_file {
                Some(path) => tokens.kept_in(TokenFile::new(path)),
                None => tokens,
            });
        }
        if let Some(access) = access {
            return Ok(TokenSource::given(access));
        }
        if self.client_secret.is_none() {
            return Err(wrong(
                "one of access_token, refresh_token and token_file is needed, or client_id and \
                 client_secret of an application that acts for no user",
            ));
        }
        let tenant = self.tenant.as_deref().unwrap_or("common");
        if SHARED_TENANTS.contains(&tenant) {
            return Err(wrong(format!(
                "tenant: an application that acts for no user signs in to a tenant of its own, not \
                 to {tenant:?}"
            )));
        }
        if self.named()? == ConfiguredDrive::Drive(DriveRef::Mine) {
            return Err(wrong(
                "an application that acts for no user has no drive of its own: one of drive_id, \
                 user, group and site is needed",
            ));
        }
        let endpoint = self.token_endpoint(cloud)?.scope(format!("{}/.default", cloud.graph()));
        Ok(TokenSource::application(endpoint))
    }

    fn token_endpoint(&self, cloud: Cloud) -> Result<Endpoint> {
        let Some(client_id) = &self.client_id else {
            return Err(wrong("client_id is needed to get tokens"));
        };
        let login = self.oauth_endpoint.as_deref().unwrap_or(cloud.login()).trim_end_matches('/');
        let tenant = self.tenant.as_deref().unwrap_or("common");
        let url = format!("{login}/{}/oauth2/v2.0/token", crate::transport::segment(tenant));
        let endpoint = Endpoint::new(url, client_id).map_err(invalid)?;
        // An empty one is what OpenDAL's users may have set for want of any.
        Ok(match self.client_secret.as_deref().filter(|secret| !secret.is_empty()) {
            Some(secret) => endpoint.client_secret(secret),
            None => endpoint,
        })
    }

    /// Which drive.
    pub(super) fn home(&self) -> Result<DriveLookup> {
        let named = self.named()?;
        if self.library.is_some() && matches!(named, ConfiguredDrive::Drive(DriveRef::Id(_))) {
            return Err(wrong("library: drive_id names the library already"));
        }
        Ok(DriveLookup::new(named, self.library.clone()))
    }

    fn named(&self) -> Result<ConfiguredDrive> {
        let drives = [
            self.drive_id.as_deref().map(|id| Ok(ConfiguredDrive::Drive(DriveRef::Id(id.into())))),
            self.user
                .as_deref()
                .map(|user| Ok(ConfiguredDrive::Drive(DriveRef::User(user.into())))),
            self.group
                .as_deref()
                .map(|group| Ok(ConfiguredDrive::Drive(DriveRef::Group(group.into())))),
            self.site.as_deref().map(site),
        ];
        let mut drives = drives.into_iter().flatten();
        match (drives.next(), drives.next()) {
            (None, _) => Ok(ConfiguredDrive::Drive(DriveRef::Mine)),
            (Some(drive), None) => drive,
            (Some(_), Some(_)) => {
                Err(wrong("only one of drive_id, user, group and site names the drive"))
            }
        }
    }
}

/// A site by whatever people have of it.
fn site(text: &str) -> Result<ConfiguredDrive> {
    let by_path = |host: &str, path: &str| {
        Ok(ConfiguredDrive::Site { host: host.to_owned(), path: path.trim_matches('/').to_owned() })
    };
    if text.contains("://") {
        let url = url::Url::parse(text).ok().filter(|url| url.has_host());
        let Some(url) = url else { return Err(wrong(format!("site: {text:?} is not a URL"))) };
        let path = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy();
        return by_path(url.host_str().unwrap_or_default(), &path);
    }
    match text.split_once(':') {
        Some((host, path)) => by_path(host, path),
        None if text.starts_with('/') => by_path("root", text),
        // An id, or `root`.
        None if !text.contains('/') && !text.is_empty() => {
            Ok(ConfiguredDrive::Drive(DriveRef::Site(text.into())))
        }
        None => Err(wrong(format!("site: {text:?} is neither an id nor host:/path nor a URL"))),
    }
}

fn wrong(what: impl Into<String>) -> Error {
    options::wrong(ONEDRIVE_SCHEME, what)
}

fn invalid(error: crate::drive::Error) -> Error {
    wrong(error.to_string())
}

impl Configurator for OneDriveConfig {
    type Builder = OneDrive;

    /// `onedrive://NAME/ROOT?KEY=VALUE&…`, name and root optional. As in OpenDAL's own service a
    /// path may begin with Graph's alias of the root folder: `onedrive://drive/root/documents`.
    fn from_uri(uri: &OperatorUri) -> Result<Self> {
        let (root, name) = options::of_uri(ONEDRIVE_SCHEME, uri)?;
        let mut config = Self::from_iter(uri.options().clone())?;
        if let Some(path) = root {
            let path = path.trim_matches('/');
            let below = match path.split_once('/') {
                Some(("root", below)) => below,
                None if path == "root" => "",
                _ => path,
            };
            config.root = Some(below.to_owned());
        }
        if name.is_some() {
            config.name = name;
        }
        Ok(config)
    }

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
        let hidden = |text: &Option<String>| text.as_deref().map(Secret::from);
        f.debug_struct("OneDriveConfig")
            .field("root", &self.root)
            .field("name", &self.name)
            .field("cloud", &self.cloud)
            .field("endpoint", &self.endpoint)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("oauth_endpoint", &self.oauth_endpoint)
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .field("client_secret", &hidden(&self.client_secret))
            .field("access_token", &hidden(&self.access_token))
            .field("refresh_token", &hidden(&self.refresh_token))
            .field("token_file", &self.token_file)
            .field("drive_id", &self.drive_id)
            .field("user", &self.user)
            .field("group", &self.group)
            .field("site", &self.site)
            .field("library", &self.library)
            .field("special", &self.special)
            .field("account_kind", &self.account_kind)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("index_ttl", &self.index_ttl)
            .field("upload_fragment", &self.upload_fragment)
            .field("defer_commit", &self.defer_commit)
            .finish()
    }
}

#[cfg(test)]
mod tests;
