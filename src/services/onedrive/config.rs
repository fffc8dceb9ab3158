//! The options.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use opendal::{Configurator, Error, OperatorUri, Result};
use serde::{Deserialize, Serialize};

use super::{
    Client, ONEDRIVE_SCHEME, OneDrive,
    address::{DriveRef, Paths},
    home::{Home, Named},
};
use crate::{
    auth::{Endpoint, TokenFile, TokenSource},
    drive::Secret,
    services::options,
};

/// Tenants that stand for many: an application has no tokens of its own there (A23).
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
    /// A file in fragments is made by a request of its own, and not by the last fragment (A10). One
    /// request more; the default is false.
    pub defer_commit: bool,
    /// Of no effect, as in OpenDAL's own service since 0.57.
    #[doc(hidden)]
    pub enable_versioning: bool,
}

/// One of Microsoft's clouds (A1).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Cloud {
    /// `global`: everybody else's.
    #[default]
    Global,
    /// `us-gov` or `us`: the US government's, L4.
    UsGov,
    /// `us-dod`: the US government's, L5.
    UsDod,
    /// `china` or `cn`: 21Vianet's.
    China,
    /// `germany` or `de`: closed.
    Germany,
}

/// What kind of account a drive belongs to.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum AccountKind {
    /// `personal`: a Microsoft account's.
    Personal,
    /// `personal-legacy`: one that was not moved to SharePoint yet.
    PersonalLegacy,
    /// `business`: a work or school account's.
    Business,
    /// `library`: a SharePoint document library.
    Library,
}

impl AccountKind {
    /// Whether it is a Microsoft account's, moved or not.
    pub fn is_personal(self) -> bool {
        matches!(self, Self::Personal | Self::PersonalLegacy)
    }
}

impl Cloud {
    fn graph(self) -> &'static str {
        match self {
            Self::Global => "https://graph.microsoft.com",
            Self::UsGov => "https://graph.microsoft.us",
            Self::UsDod => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
            Self::Germany => "https://graph.microsoft.de",
        }
    }

    fn login(self) -> &'static str {
        match self {
            Self::Global => "https://login.microsoftonline.com",
            Self::UsGov | Self::UsDod => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
            Self::Germany => "https://login.microsoftonline.de",
        }
    }
}

impl From<Cloud> for &'static str {
    fn from(cloud: Cloud) -> Self {
        match cloud {
            Cloud::Global => "global",
            Cloud::UsGov => "us-gov",
            Cloud::UsDod => "us-dod",
            Cloud::China => "china",
            Cloud::Germany => "germany",
        }
    }
}

impl FromStr for Cloud {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match &*text.to_ascii_lowercase() {
            "global" => Self::Global,
            "us-gov" | "us" => Self::UsGov,
            "us-dod" => Self::UsDod,
            "china" | "cn" => Self::China,
            "germany" | "de" => Self::Germany,
            _ => {
                return Err(format!(
                    "cloud: {text:?} is none of global, us-gov, us-dod, china, germany"
                ));
            }
        })
    }
}

impl From<AccountKind> for &'static str {
    fn from(kind: AccountKind) -> Self {
        match kind {
            AccountKind::Personal => "personal",
            AccountKind::PersonalLegacy => "personal-legacy",
            AccountKind::Business => "business",
            AccountKind::Library => "library",
        }
    }
}

impl FromStr for AccountKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match &*text.to_ascii_lowercase() {
            "personal" => Self::Personal,
            "personal-legacy" => Self::PersonalLegacy,
            "business" => Self::Business,
            "library" => Self::Library,
            _ => {
                return Err(format!(
                    "account_kind: {text:?} is none of personal, personal-legacy, business, library"
                ));
            }
        })
    }
}

impl TryFrom<String> for Cloud {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for AccountKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
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
        let client = Client::new(&endpoint, self.tokens(cloud)?).map_err(invalid)?;
        Ok(client.with_headers(headers).with_paths(match cloud {
            Cloud::China => Paths::Parameter,
            _ => Paths::Colons,
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
        if self.named()? == Named::Drive(DriveRef::Mine) {
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
        let url = format!("{login}/{}/oauth2/v2.0/token", crate::http::segment(tenant));
        let endpoint = Endpoint::new(url, client_id).map_err(invalid)?;
        // An empty one is what OpenDAL's users may have set for want of any.
        Ok(match self.client_secret.as_deref().filter(|secret| !secret.is_empty()) {
            Some(secret) => endpoint.client_secret(secret),
            None => endpoint,
        })
    }

    /// Which drive.
    pub(super) fn home(&self) -> Result<Home> {
        let named = self.named()?;
        if self.library.is_some() && matches!(named, Named::Drive(DriveRef::Id(_))) {
            return Err(wrong("library: drive_id names the library already"));
        }
        Ok(Home::new(named, self.library.clone()))
    }

    fn named(&self) -> Result<Named> {
        let drives = [
            self.drive_id.as_deref().map(|id| Ok(Named::Drive(DriveRef::Id(id.into())))),
            self.user.as_deref().map(|user| Ok(Named::Drive(DriveRef::User(user.into())))),
            self.group.as_deref().map(|group| Ok(Named::Drive(DriveRef::Group(group.into())))),
            self.site.as_deref().map(site),
        ];
        let mut drives = drives.into_iter().flatten();
        match (drives.next(), drives.next()) {
            (None, _) => Ok(Named::Drive(DriveRef::Mine)),
            (Some(drive), None) => drive,
            (Some(_), Some(_)) => {
                Err(wrong("only one of drive_id, user, group and site names the drive"))
            }
        }
    }
}

/// A site by whatever people have of it.
fn site(text: &str) -> Result<Named> {
    let by_path = |host: &str, path: &str| {
        Ok(Named::Site { host: host.to_owned(), path: path.trim_matches('/').to_owned() })
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
            Ok(Named::Drive(DriveRef::Site(text.into())))
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
mod tests {
    use opendal::ErrorKind;

    use super::*;

    fn config(uri: &str) -> Result<OneDriveConfig> {
        OneDriveConfig::from_uri(&OperatorUri::new(uri, []).unwrap())
    }

    fn home(query: &str) -> Named {
        config(&format!("onedrive://?access_token=a&{query}")).unwrap().named().unwrap()
    }

    #[test]
    fn every_key_of_opendals_own_service_works() {
        let keys = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string()));
            let config = OneDriveConfig::from_iter(pairs.collect::<Vec<_>>()).unwrap();
            config.client().unwrap();
            config.home().unwrap();
            config
        };
        let config = keys(&[
            ("root", "/documents"),
            ("refresh_token", "r"),
            ("client_id", "c"),
            ("client_secret", ""),
            ("enable_versioning", "true"),
        ]);
        assert_eq!(config.root.as_deref(), Some("/documents"));
        keys(&[("access_token", "a")]);
        let uri = self::config("onedrive://drive/root/documents/2014?access_token=a").unwrap();
        assert_eq!(uri.root.as_deref(), Some("documents/2014"));
        assert_eq!(uri.name.as_deref(), Some("drive"));
        let uri = self::config("onedrive://drive/root?access_token=a").unwrap();
        assert_eq!(uri.root.as_deref(), Some(""));
    }

    #[test]
    fn a_uri_says_everything() {
        let config = config(
            "onedrive://me/photos/2012?endpoint=http%3A%2F%2F127.0.0.1%3A8%2Fv1.0&access_token=a%2Bb\
             &index_ttl=500ms&cloud=us-gov&account_kind=personal-legacy&special=approot&upload_fragment=327680&defer_commit=true\
             &header.X-One=1&token_file=t&client_id=c&tenant=contoso.com",
        )
        .unwrap();
        assert_eq!(config.root.as_deref(), Some("photos/2012"));
        assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:8/v1.0"));
        assert_eq!(config.access_token.as_deref(), Some("a+b"));
        assert_eq!(config.index_ttl, Some(Duration::from_millis(500)));
        assert_eq!((config.upload_fragment, config.defer_commit), (Some(327_680), true));
        assert_eq!(
            (config.cloud, config.account_kind),
            (Some(Cloud::UsGov), Some(AccountKind::PersonalLegacy))
        );
        assert_eq!(config.headers["x-one"], "1");
        config.client().unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<OneDriveConfig>(&json).unwrap(), config);
    }

    #[test]
    fn a_drive_is_named_in_every_way_that_graph_knows() {
        let id = |id: &str| Named::Drive(DriveRef::Site(id.into()));
        let path = |host: &str, path: &str| Named::Site { host: host.into(), path: path.into() };
        assert_eq!(home(""), Named::Drive(DriveRef::Mine));
        assert_eq!(home("drive_id=b!x"), Named::Drive(DriveRef::Id("b!x".into())));
        assert_eq!(home("user=ann%40c.com"), Named::Drive(DriveRef::User("ann@c.com".into())));
        assert_eq!(home("group=g"), Named::Drive(DriveRef::Group("g".into())));
        assert_eq!(home("site=c.sharepoint.com,1,2"), id("c.sharepoint.com,1,2"));
        assert_eq!(home("site=root"), id("root"));
        assert_eq!(home("site=/sites/x"), path("root", "sites/x"));
        assert_eq!(home("site=c.sharepoint.com:/sites/x"), path("c.sharepoint.com", "sites/x"));
        assert_eq!(
            home("site=https%3A%2F%2Fc.sharepoint.com%2Fsites%2Fmy%2520site%2F"),
            path("c.sharepoint.com", "sites/my site")
        );
    }

    #[test]
    fn what_is_wrong_is_said_by_name() {
        for (uri, said) in [
            ("onedrive://", "one of access_token, refresh_token and token_file"),
            ("onedrive://?refresh_token=r", "client_id"),
            ("onedrive://?acces_token=a", "acces_token"),
            ("onedrive://?access_token=a&endpoint=nowhere", "endpoint"),
            ("onedrive://?access_token=a&cloud=moon", "moon"),
            ("onedrive://?access_token=a&account_kind=moon", "moon"),
            ("onedrive://?access_token=a&user=u&group=g", "only one of"),
            ("onedrive://?access_token=a&site=a/b", "a/b"),
            ("onedrive://?access_token=a&drive_id=d&library=l", "library"),
            ("onedrive://?refresh_token=r&client_id=c&oauth_endpoint=nowhere", "token endpoint"),
            ("onedrive://?client_id=c&client_secret=s&drive_id=d", "\"common\""),
            ("onedrive://?client_id=c&client_secret=s&tenant=t", "drive_id, user, group and site"),
            ("onedrive://?client_secret=s&tenant=t&user=u", "client_id"),
            ("onedrive://?access_token=a&index_ttl=soon", "soon"),
            ("onedrive://?access_token=a&header.x%20y=1", "header.x y"),
            ("onedrive://secret@me/?access_token=a", "neither user nor password"),
        ] {
            let error = config(uri)
                .and_then(|config| config.home().and_then(|_| config.client()))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            assert!(error.to_string().contains(said), "{uri}: {error}");
        }
        let application =
            config("onedrive://?client_id=c&client_secret=s&tenant=t&drive_id=d").unwrap();
        application.client().unwrap();
    }

    #[test]
    fn a_configuration_prints_none_of_its_secrets() {
        let config = config(
            "onedrive://?access_token=SECRET&refresh_token=SECRET&client_secret=SECRET\
             &client_id=c&header.x=SECRET",
        )
        .unwrap();
        let client = config.client().unwrap();
        assert!(!format!("{config:?} {config:#?} {client:?} {client:#?}").contains("SECRET"));
    }
}
