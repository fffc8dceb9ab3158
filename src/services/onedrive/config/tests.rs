use opendal::ErrorKind;

use super::*;

fn config(uri: &str) -> Result<OneDriveConfig> {
    OneDriveConfig::from_uri(&OperatorUri::new(uri, []).unwrap())
}

fn configured_drive(query: &str) -> ConfiguredDrive {
    config(&format!("onedrive://?access_token=a&{query}")).unwrap().configured_drive().unwrap()
}

#[test]
fn every_key_of_opendals_own_service_works() {
    let keys = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let config = OneDriveConfig::from_iter(pairs.collect::<Vec<_>>()).unwrap();
        config.client().unwrap();
        config.drive_lookup().unwrap();
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
fn a_uri_has_every_option() {
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
        (Some(NationalCloud::UsGov), Some(AccountKind::PersonalLegacy))
    );
    assert_eq!(config.headers["x-one"], "1");
    config.client().unwrap();
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<OneDriveConfig>(&json).unwrap(), config);
}

#[test]
fn drives_are_named_in_every_form_of_graph() {
    let id = |id: &str| ConfiguredDrive::Drive(DriveRef::Site(id.into()));
    let path =
        |host: &str, path: &str| ConfiguredDrive::Site { host: host.into(), path: path.into() };
    assert_eq!(configured_drive(""), ConfiguredDrive::Drive(DriveRef::Mine));
    assert_eq!(
        configured_drive("drive_id=b!x"),
        ConfiguredDrive::Drive(DriveRef::Id("b!x".into()))
    );
    assert_eq!(
        configured_drive("user=ann%40c.com"),
        ConfiguredDrive::Drive(DriveRef::User("ann@c.com".into()))
    );
    assert_eq!(configured_drive("group=g"), ConfiguredDrive::Drive(DriveRef::Group("g".into())));
    assert_eq!(configured_drive("site=c.sharepoint.com,1,2"), id("c.sharepoint.com,1,2"));
    assert_eq!(configured_drive("site=root"), id("root"));
    assert_eq!(configured_drive("site=/sites/x"), path("root", "sites/x"));
    assert_eq!(
        configured_drive("site=c.sharepoint.com:/sites/x"),
        path("c.sharepoint.com", "sites/x")
    );
    assert_eq!(
        configured_drive("site=https%3A%2F%2Fc.sharepoint.com%2Fsites%2Fmy%2520site%2F"),
        path("c.sharepoint.com", "sites/my site")
    );
}

#[test]
fn errors_name_the_option() {
    for (uri, expected) in [
        ("onedrive://", "one of access_token, refresh_token and token_file"),
        ("onedrive://?refresh_token=r", "client_id"),
        ("onedrive://?acces_token=a", "acces_token"),
        ("onedrive://?access_token=a&endpoint=nowhere", "endpoint"),
        ("onedrive://?access_token=a&cloud=moon", "moon"),
        ("onedrive://?access_token=a&account_kind=moon", "moon"),
        ("onedrive://?access_token=a&user=u&group=g", "only one of"),
        ("onedrive://?access_token=a&site=a/b", "a/b"),
        ("onedrive://?access_token=a&drive_id=d&library=l", "library"),
        ("onedrive://?refresh_token=r&client_id=c&oauth_endpoint=nowhere", "sign-in service"),
        ("onedrive://?client_id=c&client_secret=s&drive_id=d", "\"common\""),
        ("onedrive://?client_id=c&client_secret=s&tenant=t", "drive_id, user, group and site"),
        ("onedrive://?client_secret=s&tenant=t&user=u", "client_id"),
        ("onedrive://?access_token=a&index_ttl=soon", "soon"),
        ("onedrive://?access_token=a&header.x%20y=1", "header.x y"),
        ("onedrive://secret@me/?access_token=a", "neither user nor password"),
    ] {
        let error = config(uri)
            .and_then(|config| config.drive_lookup().and_then(|_| config.client()))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains(expected), "{uri}: {error}");
    }
    let application =
        config("onedrive://?client_id=c&client_secret=s&tenant=t&drive_id=d").unwrap();
    application.client().unwrap();
}

#[test]
fn secrets_are_not_printed() {
    let config = config(
        "onedrive://?access_token=SECRET&refresh_token=SECRET&client_secret=SECRET\
         &client_id=c&header.x=SECRET",
    )
    .unwrap();
    let client = config.client().unwrap();
    assert!(!format!("{config:?} {config:#?} {client:?} {client:#?}").contains("SECRET"));
}
