//! Lookup of sites, libraries and groups; account and quota; the cloud in China.

use super::*;
use crate::{
    drive::{Conditions, Drive, ErrorKind, ItemUpdate, ListRequest},
    services::onedrive::PathStyle,
    transport::scripted::Scripted,
};

fn with_lookup(lookup: DriveLookup) -> GraphDrive {
    GraphDrive::new(client(), lookup, None, None)
}

fn site(library: Option<&str>) -> GraphDrive {
    let named =
        ConfiguredDrive::Site { host: "c.sharepoint.com".into(), path: "sites/my site".into() };
    with_lookup(DriveLookup::new(named, library.map(str::to_owned)))
}

#[tokio::test]
async fn site_and_library_are_looked_up_once() {
    let find = format!("GET {API}/sites/c.sharepoint.com:/sites/my%20site?$select=id");
    let drives = format!("GET {API}/sites/c%2C1%2C2/drives?$select=id%2Cname%2CdriveType");
    let next = format!("{API}/next");
    let line = item_request("/drives/b%212/root:/a");
    let transport = Scripted::expecting([
        (&*find, ok(json!({"id": "c,1,2"}))),
        (
            &*drives,
            ok(json!({"value": [{"id": "b!1", "name": "Documents"}], "@odata.nextLink": next})),
        ),
        (&*format!("GET {next}"), ok(json!({"value": [{"id": "b!2", "name": "Plans"}]}))),
        (&*line, ok(file("F", "a", b"x"))),
        (&*line, ok(file("F", "a", b"x"))),
    ]);
    let drive = site(Some("PLANS"));
    for _ in 0..2 {
        let item = drive.item(&transport.context(), &at("a"), &Conditions::default()).await;
        assert_eq!(item.unwrap().id.as_str(), "F", "of the drive itself");
    }
    let transport = Scripted::by(|sent| match sent.url.contains("/drives?") {
        true => ok(json!({"value": [{"id": "b!1", "name": "Documents"}]})),
        false => ok(json!({"id": "c,1,2"})),
    });
    let error = site(Some("Plans"))
        .item(&transport.context(), &at("a"), &Conditions::default())
        .await
        .unwrap_err();
    assert!(
        error.kind() == ErrorKind::DriveNotFound && error.to_string().contains("Plans"),
        "{error}"
    );
}

#[tokio::test]
async fn the_default_library_of_a_site_needs_no_list_of_drives() {
    let transport = Scripted::by(|sent| match sent.url.contains("/sites/c.sharepoint.com:") {
        true => ok(json!({"id": "c,1,2"})),
        false => ok(file("F", "a", b"x")),
    });
    site(None).item(&transport.context(), &at("a"), &Conditions::default()).await.unwrap();
    assert_eq!(transport.lines()[1], item_request("/sites/c%2C1%2C2/drive/root:/a"));
}

#[tokio::test]
async fn folder_references_in_a_group_drive_contain_the_drive_id() {
    let group =
        with_lookup(DriveLookup::new(ConfiguredDrive::Drive(DriveRef::Group("g".into())), None));
    let transport = Scripted::by(|sent| match sent.method == "PATCH" {
        true => ok(file("F", "a", b"x")),
        false => ok(json!({"id": "b!9"})),
    });
    let change = ItemUpdate { folder: Some(at("b")), ..ItemUpdate::default() };
    for _ in 0..2 {
        group.update(&transport.context(), &at("a"), None, &change).await.unwrap();
    }
    let sent = transport.sent();
    let lines: Vec<_> = sent.iter().map(|sent| sent.line()).collect();
    let ask = format!("GET {API}/groups/g/drive?$select=id%2Cname%2CdriveType%2Cowner%2Cquota");
    let patch =
        format!("PATCH {API}/groups/g/drive/root:/a?@microsoft.graph.conflictBehavior=replace");
    assert_eq!(lines, [ask, patch.clone(), patch], "asked for once");
    let body: Value = serde_json::from_str(sent[1].text()).unwrap();
    assert_eq!(body, json!({"parentReference": {"path": "/drives/b!9/root:/b"}}).clone().tap());
}

/// Ids are encoded like names.
trait Tap {
    fn tap(self) -> Self;
}

impl Tap for Value {
    fn tap(mut self) -> Self {
        self["parentReference"]["path"] = json!("/drives/b%219/root:/b");
        self
    }
}

#[tokio::test]
async fn folder_references_below_a_special_folder_are_ids() {
    let lookup = DriveLookup::new(ConfiguredDrive::Drive(DriveRef::Mine), None);
    let drive = GraphDrive::new(client(), lookup, Some("approot"), Some(AccountKind::Personal));
    let transport = Scripted::by(|sent| match &*sent.method.to_string() {
        "PATCH" => ok(file("F", "a", b"x")),
        _ if sent.url.contains("/children") => ok(json!({"value": []})),
        _ => ok(folder("B", "b", "P")),
    });
    let cx = transport.context();
    let root = drive.root(&cx).await.unwrap();
    assert!(transport.sent().is_empty(), "an alias costs nothing");
    let below = |path: &str| ItemRef::Path { base: root.clone(), path: path.into() };
    drive.list(&cx, ListRequest::new(&below(""))).await.unwrap();
    let change = ItemUpdate { folder: Some(below("b")), ..ItemUpdate::default() };
    drive.update(&cx, &below("a"), None, &change).await.unwrap();
    let lines = transport.lines();
    assert_eq!(lines[0], page_request("/me/drive/special/approot/children"));
    assert_eq!(lines[1], item_request("/me/drive/special/approot:/b"));
    let body: Value = serde_json::from_str(transport.sent()[2].text()).unwrap();
    assert_eq!(body, json!({"parentReference": {"id": "B"}}));
}

#[tokio::test]
async fn folder_references_to_another_drive_contain_its_id() {
    let transport = Scripted::by(|_| ok(file("F", "a", b"x")));
    let change =
        ItemUpdate { folder: Some(ItemRef::from_id(&"3~D2#X".into())), ..ItemUpdate::default() };
    drive().update(&transport.context(), &at("a"), None, &change).await.unwrap();
    let body: Value = serde_json::from_str(transport.sent()[0].text()).unwrap();
    assert_eq!(body, json!({"parentReference": {"driveId": "D2", "id": "X"}}));
}

#[tokio::test]
async fn account_and_quota_are_read_from_the_drive() {
    let account = async |wire: Value| {
        let transport = Scripted::by(move |_| ok(wire.clone()));
        (
            drive().account(&transport.context()).await.unwrap(),
            drive().quota(&transport.context()).await,
        )
    };
    let (who, quota) =
        account(json!({"id": "D", "owner": {"user": {"id": "u", "displayName": "Ann"}},
        "quota": {"total": 1000, "used": 300, "remaining": 700, "state": "normal"}}))
        .await;
    assert_eq!((who.id.as_str(), who.name.as_deref()), ("u", Some("Ann")));
    let quota = quota.unwrap();
    assert_eq!((quota.total, quota.available), (1000, 700));
    let (who, quota) = account(json!({"id": "D", "name": "Documents", "owner": {"group": {}},
        "quota": {"total": 0, "remaining": 0}}))
    .await;
    assert_eq!((who.id.as_str(), who.name.as_deref()), ("D", Some("Documents")));
    assert_eq!(quota.unwrap_err().kind(), ErrorKind::Unsupported, "zeros are no quota");
}

#[tokio::test]
async fn the_china_cloud_receives_paths_as_a_parameter() {
    let client = client().with_path_style(PathStyle::Parameter);
    let lookup = DriveLookup::new(ConfiguredDrive::Drive(DriveRef::Mine), None);
    let drive = GraphDrive::new(client, lookup, None, None);
    let transport = Scripted::by(|_| ok(file("F", "a", b"x")));
    drive.item(&transport.context(), &at("a/b"), &Conditions::default()).await.unwrap();
    let line = &transport.lines()[0];
    let start = format!("GET {API}/me/drive/root/children('@a1')?@a1=%27a%2Fb%27&$select=id");
    assert!(line.starts_with(&start), "{line}");
}
