//! Two and three users, and a folder that one of them shares.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drivedal_server::{AccountKind, FixtureItem, FixturePermission};
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, id, names};

/// The status and the code of the error for an item that a user has no access to.
fn hidden(kind: AccountKind) -> (u16, &'static str) {
    match kind {
        AccountKind::Personal => (404, "itemNotFound"),
        _ => (403, "accessDenied"),
    }
}

const KINDS: [AccountKind; 2] = [AccountKind::Personal, AccountKind::Business];

impl Drive<'_> {
    /// Returns the path of an item of this drive, for other users.
    async fn item(&self, item: &Value) -> String {
        format!("/drives/{}/items/{}", self.id().await, id(item))
    }

    /// Invites a user to an item by path, and returns the permission.
    async fn invite(&self, path: &str, address: &str, role: &str) -> Value {
        let body = json!({"recipients": [{"email": address}], "roles": [role]});
        let path = format!("/me/drive/root:/{path}:/invite");
        self.request("POST", &path).json(body).ok().await.json()["value"][0].clone()
    }

    async fn address(&self) -> String {
        self.get("/me").await["userPrincipalName"].as_str().unwrap().to_owned()
    }

    async fn link(&self, path: &str, body: Value) -> Value {
        let path = format!("/me/drive/root:/{path}:/createLink");
        self.request("POST", &path).json(body).ok().await.json()
    }
}

#[tokio::test]
async fn a_shared_folder_is_accepted_as_a_shortcut_written_and_revoked() {
    let cloud = GraphServer::new().await;
    for kind in KINDS {
        let anna = cloud.named(&format!("anna.{kind}"));
        let bea = cloud.named(&format!("bea.{kind}"));
        let file = anna.put("Plans/2030/draft.txt", "draft").await;
        let other = anna.put("secret.txt", "secret").await;
        let folder = anna.get("/me/drive/root:/Plans").await;
        let (path, inner) = (anna.item(&folder).await, anna.item(&file).await);
        let (status, code) = hidden(kind);
        bea.request("GET", &path).refused(status, code).await;
        bea.request("GET", &format!("/drives/{}", anna.id().await)).refused(status, code).await;

        let permission = anna.invite("Plans", &bea.address().await, "write").await;
        let shared = anna.get("/me/drive/root:/Plans").await;
        assert_eq!(shared["shared"]["scope"], "users");
        assert_ne!(shared["eTag"], folder["eTag"], "the change feed shows it");
        // By id, by a path in the drive, and by a path from the folder.
        let drive = anna.id().await;
        for address in [
            path.clone(),
            inner.clone(),
            format!("/drives/{drive}/root:/Plans/2030/draft.txt"),
            format!("{path}:/2030/draft.txt:"),
        ] {
            bea.request("GET", &address).ok().await;
        }
        let with_me = bea.get("/me/drive/sharedWithMe").await;
        assert_eq!(names(&with_me), ["Plans"]);
        assert_eq!(with_me["value"][0]["remoteItem"]["parentReference"]["driveId"], *drive);
        // What is beside and above the folder stays private.
        for address in [
            anna.item(&other).await,
            format!("/drives/{drive}/root"),
            format!("/drives/{drive}/root/children"),
            format!("/drives/{drive}/root:/secret.txt"),
            format!("/drives/{drive}/recent"),
        ] {
            bea.request("GET", &address).refused(status, code).await;
        }

        let accept = json!({
            "name": "Plans of Anna",
            "remoteItem": {"id": id(&folder), "parentReference": {"driveId": drive}},
        });
        let shortcut = bea.request("POST", "/me/drive/root/children").json(&accept).ok().await;
        assert_eq!(shortcut.status, 201);
        let shortcut = shortcut.json();
        assert_eq!(shortcut["remoteItem"]["id"], folder["id"]);
        assert!(shortcut.get("folder").is_none() && shortcut.get("file").is_none(), "{shortcut}");
        assert_eq!(shortcut["remoteItem"]["folder"]["childCount"], 1);
        bea.request("POST", "/me/drive/root/children")
            .json(&accept)
            .refused(409, "nameAlreadyExists")
            .await;
        bea.request("GET", "/me/drive/root:/Plans of Anna:/content")
            .refused(400, "invalidRequest")
            .await;
        assert_eq!(names(&bea.get("/me/drive/sharedWithMe").await), ["Plans"], "once");

        let written = bea.request("PUT", &format!("{path}:/notes.txt:/content")).body("notes");
        assert_eq!(written.ok().await.status, 201);
        assert_eq!(anna.read("Plans/notes.txt").await, "notes");
        let session = bea.request("POST", &format!("{path}:/big.bin:/createUploadSession"));
        let url =
            session.json(json!({})).ok().await.json()["uploadUrl"].as_str().unwrap().to_owned();
        let put = cloud.send("PUT", &url).header("content-range", "bytes 0-2/3").body("big");
        put.ok().await;
        assert_eq!(anna.read("Plans/big.bin").await, "big");
        bea.request("PATCH", &inner).json(json!({"name": "final.txt"})).ok().await;
        let listed = bea.get("/me/drive/root/children").await;
        assert_eq!(listed["value"][0]["remoteItem"]["folder"]["childCount"], 3, "as it is now");
        let moved = json!({"parentReference": {"id": anna.get("/me/drive/root").await["id"]}});
        bea.request("PATCH", &inner).json(moved).refused(status, code).await;

        let revoke = format!("/me/drive/root:/Plans:/permissions/{}", id(&permission));
        assert_eq!(anna.request("DELETE", &revoke).await.status, 204);
        for (method, address) in [
            ("GET", path.clone()),
            ("GET", inner.clone()),
            ("GET", format!("{path}/children")),
            ("PUT", format!("{path}:/more.txt:/content")),
            ("DELETE", inner),
        ] {
            bea.request(method, &address).body("x").refused(status, code).await;
        }
        assert_eq!(names(&bea.get("/me/drive/sharedWithMe").await), ["Plans of Anna"]);
        let left = bea.get("/me/drive/root:/Plans of Anna").await;
        assert_eq!(left["remoteItem"]["id"], folder["id"]);
        assert!(left["remoteItem"].get("name").is_none(), "{left}");
        assert!(anna.get("/me/drive/root:/Plans").await.get("shared").is_none());
        assert_eq!(bea.request("DELETE", "/me/drive/root:/Plans of Anna").await.status, 204);
        anna.get("/me/drive/root:/Plans").await;
    }
}

#[tokio::test]
async fn a_reader_changes_nothing_and_sees_own_permissions_only() {
    let cloud = GraphServer::new().await;
    for kind in KINDS {
        let anna = cloud.named(&format!("anna.{kind}"));
        let bea = cloud.named(&format!("bea.{kind}"));
        let file = anna.put("Plans/a.txt", "a").await;
        let mine = anna.invite("Plans", &bea.address().await, "read").await;
        anna.invite("Plans", "carl@example.org", "write").await;
        let link = anna.link("Plans/a.txt", json!({"type": "view"})).await;
        let item = anna.item(&file).await;
        let target = bea.mkdir("own").await;
        for (method, address, body) in [
            ("PATCH", item.clone(), json!({"name": "b.txt"})),
            ("DELETE", item.clone(), json!({})),
            ("PUT", format!("{item}/content"), json!({})),
            ("POST", format!("{item}/createLink"), json!({"type": "view"})),
            ("POST", format!("{item}/copy"), json!({"name": "copy.txt"})),
            (
                "POST",
                format!("{item}/invite"),
                json!({"recipients": [{"email": "x@y.example"}], "roles": ["read"]}),
            ),
            ("DELETE", format!("{item}/permissions/{}", id(&link)), json!({})),
        ] {
            bea.request(method, &address).json(body).refused(403, "accessDenied").await;
        }
        assert_eq!(id(&target), id(&bea.get("/me/drive/root:/own").await));
        let seen = bea.get(&format!("{item}/permissions")).await;
        let seen = seen["value"].as_array().unwrap();
        assert_eq!(seen.iter().map(id).collect::<Vec<_>>(), [id(&mine)]);
        // The owner sees the file's own permissions and the inherited ones.
        let all = anna.get(&format!("{item}/permissions")).await;
        let all = all["value"].as_array().unwrap();
        assert_eq!(all.len(), 3 + usize::from(kind == AccountKind::Business), "{all:?}");
        assert_eq!(id(&all[0]), id(&link));
        let folder = anna.get("/me/drive/root:/Plans").await;
        let inherited = all.iter().find(|one| id(one) == id(&mine)).unwrap();
        match kind {
            AccountKind::Personal => {
                assert_eq!(inherited["inheritedFrom"]["id"], folder["id"]);
                assert!(all[0].get("inheritedFrom").is_none());
            }
            // Business drives do not return the member.
            _ => assert!(inherited.get("inheritedFrom").is_none()),
        }
        let one = format!("{item}/permissions/{}", id(&mine));
        for method in ["PATCH", "DELETE"] {
            let change = json!({"roles": ["write"]});
            anna.request(method, &one).json(change).refused(400, "invalidRequest").await;
        }
        // A user may leave.
        let leave = format!("{}/permissions/{}", anna.item(&folder).await, id(&mine));
        assert_eq!(bea.request("DELETE", &leave).await.status, 204);
        let (status, code) = hidden(kind);
        bea.request("GET", &item).refused(status, code).await;
    }
}

#[tokio::test]
async fn a_user_without_an_account_is_found_by_the_address_later() {
    let cloud = GraphServer::new().await;
    let anna = cloud.named("anna.personal");
    let file = anna.put("a.txt", "a").await;
    let given = anna.invite("a.txt", "Dora@Drivedal.Example", "read").await;
    assert_eq!(given["invitation"]["email"], "Dora@Drivedal.Example");
    let item = anna.item(&file).await;
    cloud.named("emil").request("GET", &item).refused(404, "itemNotFound").await;
    cloud.named("dora").request("GET", &item).ok().await;
    let dora = cloud.named("dora").get("/me").await;
    let again = anna.invite("a.txt", dora["id"].as_str().unwrap(), "write").await;
    assert_eq!(again["grantedTo"]["user"]["id"], dora["id"]);
}

#[tokio::test]
async fn a_link_gives_access_to_its_audience() {
    let cloud = GraphServer::new().await;
    let anna = cloud.named("anna.business");
    let bea = cloud.named("bea.business");
    let carl = cloud.named("carl.personal");
    anna.put("Plans/a.txt", "a").await;
    let file = anna.get("/me/drive/root:/Plans/a.txt").await;
    let item = anna.item(&file).await;
    let peek = |user: &Drive<'_>, link: &Value, method: &str| {
        let path = format!("/shares/{}/driveItem", link["shareId"].as_str().unwrap());
        user.request(method, &path).header("prefer", "redeemSharingLinkIfNecessary")
    };
    let anonymous = anna.link("Plans", json!({"type": "view", "scope": "anonymous"})).await;
    let organization = anna.link("Plans", json!({"type": "edit", "scope": "organization"})).await;
    let users = anna
        .link(
            "Plans",
            json!({"type": "view", "scope": "users", "recipients": [{"email": carl.address().await}]}),
        )
        .await;
    assert_eq!(anna.get("/me/drive/root:/Plans").await["shared"]["scope"], "anonymous");
    for (user, link, allowed) in [
        (&bea, &anonymous, true),
        (&carl, &anonymous, true),
        (&bea, &organization, true),
        (&carl, &organization, false),
        (&bea, &users, false),
        (&carl, &users, true),
    ] {
        let status = if allowed { 200 } else { 403 };
        // Carl has access by the link that names him, whichever link he presents.
        let is_named = std::ptr::eq(user, &carl);
        let expected = if is_named { 200 } else { status };
        assert_eq!(peek(user, link, "GET").await.status, expected, "{link}");
    }
    // Without the preference a business drive shows nothing, and nothing is granted.
    let plain = format!("/shares/{}/driveItem", anonymous["shareId"].as_str().unwrap());
    bea.request("GET", &plain).refused(403, "accessDenied").await;
    bea.request("GET", &item).refused(403, "accessDenied").await;
    // A link to view does not write, one to edit does.
    let below = |link: &Value, path: &str| {
        format!("/shares/{}/root:/{path}", link["shareId"].as_str().unwrap())
    };
    let put = |link: &Value| {
        bea.request("PUT", &format!("{}:/content", below(link, "b.txt")))
            .header("prefer", "redeemSharingLinkIfNecessary")
            .body("b")
    };
    put(&anonymous).refused(403, "accessDenied").await;
    put(&organization).ok().await;
    assert_eq!(anna.read("Plans/b.txt").await, "b");
    let children = bea
        .request("GET", &format!("/shares/{}/driveItem/children", id(&anonymous)))
        .header("prefer", "redeemSharingLinkIfNecessary")
        .ok()
        .await
        .json();
    assert_eq!(names(&children), ["a.txt", "b.txt"]);
    // Redeemed, the access lasts.
    let redeem = bea.request("GET", &plain).header("prefer", "redeemSharingLink");
    redeem.ok().await;
    bea.request("GET", &item).ok().await;
    bea.request("PATCH", &item).json(json!({"name": "c.txt"})).refused(403, "accessDenied").await;
    assert_eq!(names(&bea.get("/me/drive/sharedWithMe").await), ["Plans"]);
    let link = anna.get(&format!("/me/drive/root:/Plans:/permissions/{}", id(&anonymous))).await;
    let named = &link["grantedToIdentitiesV2"][0]["user"]["email"];
    assert_eq!(*named, bea.address().await.as_str());
    let one = format!("/me/drive/root:/Plans:/permissions/{}", id(&anonymous));
    assert_eq!(anna.request("DELETE", &one).await.status, 204);
    bea.request("GET", &item).refused(403, "accessDenied").await;
    peek(&bea, &anonymous, "GET").refused(404, "itemNotFound").await;
}

#[tokio::test]
async fn a_link_for_others_or_with_a_password_grants_no_lasting_role() {
    let cloud = GraphServer::new().await;
    for (kind, body) in [
        (AccountKind::Business, json!({"type": "edit", "scope": "users", "recipients": []})),
        (AccountKind::Personal, json!({"type": "edit", "password": "hunter2"})),
    ] {
        let anna = cloud.named(&format!("anna.{kind}"));
        let bea = cloud.named(&format!("bea.{kind}"));
        let carl = cloud.named(&format!("carl.{kind}"));
        let file = anna.put("Plans/a.txt", "a").await;
        anna.invite("Plans/a.txt", &bea.address().await, "read").await;
        let mut body = body;
        if body.get("recipients").is_some() {
            body["recipients"] = json!([{"email": carl.address().await}]);
        }
        let link = anna.link("Plans/a.txt", body).await;
        let share = format!("/shares/{}/driveItem", id(&link));
        bea.request("GET", &share).header("prefer", "redeemSharingLink").ok().await;
        let change = json!({"description": "by bea"});
        let item = anna.item(&file).await;
        bea.request("PATCH", &item).json(change).refused(403, "accessDenied").await;
        let all = anna.get("/me/drive/root:/Plans/a.txt:/permissions").await;
        let all = all["value"].as_array().unwrap();
        let link = all.iter().find(|one| id(one) == id(&link)).unwrap();
        let grantees = link["grantedToIdentitiesV2"].to_string();
        assert!(!grantees.contains("bea"), "{link}");
    }
}

#[tokio::test]
async fn a_sharing_token_has_the_relations_of_a_shared_item() {
    let cloud = GraphServer::new().await;
    let anna = cloud.named("anna.personal");
    let bea = cloud.named("bea.personal");
    anna.put("Plans/a.txt", "a").await;
    let link = anna.link("Plans", json!({"type": "edit"})).await;
    let url = link["link"]["webUrl"].as_str().unwrap();
    let share = format!("/shares/u!{}", URL_SAFE_NO_PAD.encode(url));
    let resource = bea.get(&share).await;
    assert_eq!((&resource["name"], &resource["id"]), (&json!("Plans"), &link["shareId"]));
    assert_eq!(resource["owner"]["user"]["email"], anna.address().await);
    assert_eq!(bea.get(&format!("{share}/permission")).await["roles"], json!(["write"]));
    for path in
        ["driveItem", "root", "driveItem/children", "root:/a.txt", "root:/a.txt:/thumbnails"]
    {
        bea.request("GET", &format!("{share}/{path}")).ok().await;
    }
    let file = anna.get("/me/drive/root:/Plans/a.txt").await;
    bea.request("GET", &format!("{share}/items/{}", id(&file))).ok().await;
    let outside = anna.put("secret.txt", "x").await;
    let address = format!("{share}/items/{}", id(&outside));
    bea.request("GET", &address).refused(404, "itemNotFound").await;
    bea.request("GET", &format!("{share}/site")).refused(400, "invalidRequest").await;
    bea.request("GET", &format!("{share}/listItem")).refused(501, "notSupported").await;
    // Users are added to the link.
    let carl = cloud.named("carl.personal");
    let grant = json!({"recipients": [{"email": carl.address().await}], "roles": ["write"]});
    let granted = anna.request("POST", &format!("{share}/permission/grant")).json(&grant);
    let granted = granted.ok().await.json();
    assert_eq!(granted["value"][0]["id"], link["id"]);
    carl.request("GET", &anna.item(&file).await).ok().await;
    let wrong = json!({"recipients": [{"email": "x@y.example"}], "roles": ["read"]});
    let grant = format!("/me/drive/root:/Plans:/permissions/{}/grant", id(&link));
    anna.request("POST", &grant).json(wrong).refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn a_link_ends_with_its_expiry_and_needs_its_password() {
    let cloud = GraphServer::new().await;
    let anna = cloud.named("anna.personal");
    let bea = cloud.named("bea.personal");
    anna.put("a.txt", "a").await;
    let expires = json!({"type": "view", "expirationDateTime": "2099-01-01T00:00:00Z"});
    let link = anna.link("a.txt", expires.clone()).await;
    assert_eq!(link["expirationDateTime"], "2099-01-01T00:00:00Z");
    assert_eq!(id(&anna.link("a.txt", expires).await), id(&link), "the same link again");
    let plain = anna.link("a.txt", json!({"type": "view"})).await;
    assert_ne!(id(&plain), id(&link), "another expiry is another link");
    let share = format!("/shares/{}/driveItem", id(&link));
    bea.request("GET", &share).ok().await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(500);
    let one = format!("/me/drive/root:/a.txt:/permissions/{}", id(&link));
    let change = json!({"expirationDateTime": soon.to_string()});
    anna.request("PATCH", &one).json(change).ok().await;
    let url = link["link"]["webUrl"].as_str().unwrap();
    let left = soon.duration_since(jiff::Timestamp::now()).unsigned_abs();
    tokio::time::sleep(left).await;
    bea.request("GET", &share).refused(404, "itemNotFound").await;
    cloud.send("GET", url).refused(404, "itemNotFound").await;
    anna.request("GET", &one).refused(404, "itemNotFound").await;

    let body = json!({"type": "view", "password": "hunter2"});
    let locked = anna.link("a.txt", body).await;
    assert_eq!(locked["hasPassword"], true);
    let share = format!("/shares/{}/driveItem", id(&locked));
    bea.request("GET", &share).refused(404, "itemNotFound").await;
    anna.request("GET", &share).ok().await;
    let url = locked["link"]["webUrl"].as_str().unwrap();
    let page = cloud.send("GET", url).ok().await;
    assert!(page.text().contains("type=password"), "{page:?}");
    let wrong = cloud.send("POST", url).form("password=hunter3");
    wrong.refused(403, "accessDenied").await;
    let opened = cloud.send("POST", url).form("password=hunter2").await;
    assert_eq!(opened.status, 302, "{opened:?}");
    assert_eq!(cloud.send("GET", &opened.location()).ok().await.text(), "a");
}

#[tokio::test]
async fn inherited_permissions_end_at_the_item_of_the_request() {
    let cloud = GraphServer::new().await;
    let anna = cloud.named("anna.business");
    let (bea, carl) = (cloud.named("bea.business"), cloud.named("carl.business"));
    let file = anna.put("Plans/private/a.txt", "a").await;
    anna.put("Plans/public.txt", "p").await;
    anna.invite("Plans", &bea.address().await, "read").await;
    let folder = anna.get("/me/drive/root:/Plans").await;
    let (item, folder) = (anna.item(&file).await, anna.item(&folder).await);
    bea.request("GET", &item).ok().await;
    let body = json!({
        "recipients": [{"email": carl.address().await}], "roles": ["read"],
        "retainInheritedPermissions": false,
    });
    let invite = "/me/drive/root:/Plans/private:/invite";
    anna.request("POST", invite).json(body).ok().await;
    bea.request("GET", &item).refused(403, "accessDenied").await;
    carl.request("GET", &item).ok().await;
    assert_eq!(names(&bea.get(&format!("{folder}/children")).await), ["public.txt"]);
    // Nor does a list of the descendants show the contents of the private folder.
    for list in ["search(q='txt')", "delta"] {
        let listed = names(&bea.get(&format!("{folder}/{list}")).await);
        assert!(listed.contains(&"public.txt".to_owned()), "{list}: {listed:?}");
        assert!(!listed.contains(&"a.txt".to_owned()), "{list}: {listed:?}");
    }
    let delta = bea.get(&format!("{folder}/delta?token=latest")).await;
    let delta = delta["@odata.deltaLink"].as_str().unwrap().to_owned();
    anna.put("Plans/private/b.txt", "b").await;
    anna.put("Plans/c.txt", "c").await;
    let changed = names(&bea.get(&delta).await);
    assert!(changed.contains(&"c.txt".to_owned()), "{changed:?}");
    assert!(!changed.contains(&"b.txt".to_owned()), "{changed:?}");
    carl.request("GET", &folder).refused(403, "accessDenied").await;
    let seen = anna.get("/me/drive/root:/Plans/private:/permissions").await;
    assert_eq!(seen["value"].as_array().unwrap().len(), 2, "carl and the owner: {seen}");
}

#[tokio::test]
async fn fixtures_have_permissions() {
    let cloud = GraphServer::new().await;
    let items = [
        FixtureItem::file("Docs/a.txt", "a")
            .on_drive("anna")
            .shared(FixturePermission::for_account("bea", "write")),
        FixtureItem::folder("Public").on_drive("anna").shared(FixturePermission::for_everyone()),
    ];
    cloud.server.control().add_fixtures(items).await.unwrap();
    let (bea, carl) = (cloud.named("bea"), cloud.named("carl"));
    assert_eq!(names(&bea.get("/me/drive/sharedWithMe").await), ["a.txt"]);
    let anna = cloud.named("anna");
    let public = anna.get("/me/drive/root:/Public").await;
    assert_eq!(public["shared"]["scope"], "anonymous");
    carl.request("GET", &anna.item(&public).await).ok().await;
    let mut wrong = FixtureItem::file("b", "");
    wrong.permissions.push(FixturePermission::for_link("all"));
    let error = cloud.server.control().add_fixtures([wrong]).await.unwrap_err();
    assert!(error.to_string().contains("`all` is not view, edit or embed"), "{error}");
    assert!(names(&cloud.drive().get("/me/drive/root/children").await).is_empty());
}
