//! Live Connect: the access of one user to the items of another is what `shared_with` says.

use drivedal_server::{FixtureItem, FixturePermission};
use serde_json::{Value, json};

use crate::server::{
    media, refused,
    rig::{Rig, TestRequest, names},
};

/// A server on which the default account shares items with other accounts.
struct SharingRig {
    rig: Rig,
    /// The default account's id.
    owner: String,
}

impl SharingRig {
    async fn new(items: impl IntoIterator<Item = FixtureItem>) -> Self {
        let rig = Rig::new().await;
        rig.server.control().add_fixtures(items).await.expect("added");
        let owner = rig.live("GET", "/me").send().await.member("id");
        Self { rig, owner }
    }

    /// Returns a request of another account.
    fn other(&self, account: &str, method: &str, path: &str) -> TestRequest {
        self.rig.bare(method, &format!("/v5.0{path}")).token(&format!("drivedal-dev-{account}"))
    }

    /// Returns the object of the default account's item with a name in a folder.
    async fn item(&self, folder: &str, name: &str) -> Value {
        let listed = self.rig.live("GET", &format!("/{folder}/files")).send().await.json();
        let all = listed["data"].as_array().expect("a list");
        all.iter().find(|object| object["name"] == name).expect("the item").clone()
    }

    /// Returns a token of the default account with scopes.
    async fn token(&self, scope: &str) -> String {
        let url = format!(
            "/oauth20_authorize.srf?client_id=c&response_type=token&scope={scope}\
             &redirect_uri=http%3A%2F%2Flocalhost%2F"
        );
        let response = self.rig.bare("GET", &url).send().await;
        let location = response.header("location").to_owned();
        let fragment = location.split('#').nth(1).expect("a fragment");
        url::form_urlencoded::parse(fragment.as_bytes())
            .find(|(name, _)| name == "access_token")
            .map(|(_, token)| token.into_owned())
            .expect("a token")
    }
}

fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

fn access(object: &Value) -> &str {
    object["shared_with"]["access"].as_str().expect("an access")
}

#[tokio::test]
async fn the_access_of_another_user_equals_shared_with() {
    let rig = SharingRig::new([
        FixtureItem::file("private.txt", "p"),
        FixtureItem::file("read/a.txt", "a"),
        FixtureItem::folder("read").shared(FixturePermission::for_account("anna", "read")),
        FixtureItem::file("write/a.txt", "a"),
        FixtureItem::folder("write").shared(FixturePermission::for_account("anna", "write")),
        FixtureItem::folder("open").shared(FixturePermission::for_everyone()),
        FixtureItem::folder("linked").shared(FixturePermission::for_link("view")),
    ])
    .await;
    for (name, expected, anna, bea) in [
        ("private.txt", "Just me", 404, 404),
        ("read", "People I selected", 200, 404),
        ("write", "People I selected", 200, 404),
        ("open", "Everyone (public)", 200, 200),
        ("linked", "People with a link", 404, 404),
    ] {
        let object = rig.item("me/skydrive", name).await;
        assert_eq!(access(&object), expected, "{name}");
        let path = format!("/{}", id(&object));
        assert_eq!(rig.other("anna", "GET", &path).send().await.status, anna, "{name}");
        assert_eq!(rig.other("bea", "GET", &path).send().await.status, bea, "{name}");
    }
    let read = rig.item("me/skydrive", "read").await;
    let write = rig.item("me/skydrive", "write").await;
    let file = rig.item(id(&read), "a.txt").await;
    assert_eq!(access(&file), "People I selected", "it is inherited");
    let seen = rig.other("anna", "GET", &format!("/{}", id(&file))).send().await.json();
    let own = rig.rig.object(id(&file)).await;
    for member in ["id", "name", "parent_id", "from", "shared_with", "upload_location"] {
        assert_eq!(seen[member], own[member], "both users see the same {member}");
    }
    let content = rig.other("anna", "GET", &format!("/{}/content", id(&file))).send().await;
    assert_eq!(rig.rig.bare("GET", content.header("location")).send().await.body, "a");
    let listed = rig.other("anna", "GET", &format!("/{}/files", id(&read))).send().await.json();
    assert_eq!(names(&listed), ["a.txt"]);
    // A reader changes nothing.
    for (method, path) in [
        ("PUT", format!("/{}", id(&read))),
        ("DELETE", format!("/{}", id(&read))),
        ("POST", format!("/{}", id(&read))),
        ("PUT", format!("/{}/files/b.txt", id(&read))),
        ("GET", format!("/{}/shared_read_link", id(&read))),
    ] {
        let request = rig.other("anna", method, &path).json(json!({"name": "new"}));
        refused!(request.send().await, 403, "request_token_unauthorized");
    }
    // A writer does, in the shared folder only.
    let put = rig.other("anna", "PUT", &format!("/{}/files/b.txt", id(&write))).body("b");
    let put = put.send().await;
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(rig.rig.content(&put.member("id")).await, "b");
    let root = rig.rig.object("me/skydrive").await;
    for destination in [id(&root), id(&read)] {
        let body = json!({ "destination": destination });
        let moved = rig.other("anna", "MOVE", &format!("/{}", put.member("id"))).json(&body);
        let status = moved.send().await.status;
        assert!([403, 404].contains(&status), "{destination}: {status}");
    }
    let comment = rig.other("anna", "POST", &format!("/{}/comments", id(&file)));
    let comment = comment.json(json!({"message": "good"})).send().await;
    assert_eq!(comment.json()["from"]["name"], "anna");
}

#[tokio::test]
async fn a_path_leads_to_the_folders_and_albums_of_another_user() {
    let mut album =
        FixtureItem::folder("Sea").shared(FixturePermission::for_account("anna", "read"));
    album.facets.insert("live".into(), json!({"album": true}));
    let mut hidden = FixtureItem::folder("Hidden");
    hidden.facets.insert("live".into(), json!({"album": true}));
    let rig = SharingRig::new([album, hidden]).await;
    let owner = &rig.owner;
    let albums = rig.other("anna", "GET", &format!("/{owner}/albums")).send().await.json();
    assert_eq!(names(&albums), ["Sea"]);
    assert_eq!(albums["data"][0]["from"]["id"], owner.as_str());
    let albums = rig.other("bea", "GET", &format!("/{owner}/albums")).send().await.json();
    assert!(names(&albums).is_empty());
    // The public folder is there for others as soon as its owner has opened it.
    let public = format!("/{owner}/skydrive/public_documents");
    refused!(rig.other("bea", "GET", &public).send().await, 404, "resource_not_found");
    let folder = rig.rig.object("me/skydrive/public_documents").await;
    rig.rig.file(id(&folder), "a.txt", "a").await;
    let seen = rig.other("bea", "GET", &format!("{public}/files")).send().await.json();
    assert_eq!(names(&seen), ["a.txt"]);
    for path in ["skydrive", "skydrive/files", "skydrive/quota", "skydrive/my_documents"] {
        let response = rig.other("anna", "GET", &format!("/{owner}/{path}")).send().await;
        refused!(response, 404, "resource_not_found");
    }
    let unknown = rig.other("anna", "GET", "/0123456789abcdef/albums").send().await;
    refused!(unknown, 404, "resource_not_found");
}

#[tokio::test]
async fn shared_items_need_the_scopes_for_other_users() {
    let mine = |role| FixturePermission::for_account("", role);
    let rig = SharingRig::new([
        FixtureItem::file("docs/a.txt", "a").on_drive("olga"),
        FixtureItem::folder("docs").on_drive("olga").shared(mine("write")),
        FixtureItem::file("a.jpg", media::photo(20, 20)).on_drive("olga").shared(mine("read")),
    ])
    .await;
    let shared = rig.rig.live("GET", "/me/skydrive/shared").send().await.json();
    assert_eq!(names(&shared), ["docs", "a.jpg"]);
    assert_eq!(shared["data"][0]["from"]["name"], "olga");
    let photos = rig.rig.live("GET", "/me/skydrive/shared/photos").send().await.json();
    assert_eq!(names(&photos), ["a.jpg"]);
    let (folder, photo) = (id(&shared["data"][0]), id(&shared["data"][1]));
    for (scope, list, of_folder, of_photo, write) in [
        ("wl.skydrive", 403, 403, 403, 403),
        ("wl.contacts_photos", 200, 403, 200, 403),
        ("wl.contacts_skydrive", 200, 200, 200, 403),
        ("wl.skydrive_update", 200, 200, 200, 201),
    ] {
        let token = rig.token(scope).await;
        let send = async |method: &str, path: &str| {
            let request = rig.rig.bare(method, &format!("/v5.0{path}")).token(&token);
            request.json(json!({"name": "new"})).send().await
        };
        let listed = send("GET", "/me/skydrive/shared").await;
        assert_eq!(listed.status, list, "{scope}");
        if scope == "wl.contacts_photos" {
            assert_eq!(names(&listed.json()), ["a.jpg"]);
        }
        assert_eq!(send("GET", &format!("/{folder}")).await.status, of_folder, "{scope}");
        assert_eq!(send("GET", &format!("/{photo}")).await.status, of_photo, "{scope}");
        assert_eq!(send("POST", &format!("/{folder}")).await.status, write, "{scope}");
    }
    // What is shared over Graph is shared here, until it is revoked there.
    let permissions = "/v1.0/me/drive/root:/docs:/permissions";
    let olga = |method: &str, path: &str| rig.rig.bare(method, path).token("drivedal-dev-olga");
    let all = olga("GET", permissions).send().await.json();
    let one = format!("{permissions}/{}", id(&all["value"][0]));
    assert_eq!(olga("DELETE", &one).send().await.status, 204);
    let gone = rig.rig.live("GET", &format!("/{folder}")).send().await;
    refused!(gone, 404, "resource_not_found");
    let shared = rig.rig.live("GET", "/me/skydrive/shared").send().await.json();
    assert_eq!(names(&shared), ["a.jpg"]);
}

#[tokio::test]
async fn items_that_do_not_inherit_the_permissions_of_a_shared_folder_are_left_out() {
    let writer = FixturePermission::for_account("anna", "write");
    let rig = SharingRig::new([
        FixtureItem::file("write/1 secret.txt", "secret"),
        FixtureItem::file("write/2 secret.txt", "secret"),
        FixtureItem::file("write/3 open.txt", "open"),
        FixtureItem::file("write/secret.jpg", media::photo(20, 20)),
        FixtureItem::folder("write").shared(writer),
    ])
    .await;
    let folder = rig.item("me/skydrive", "write").await;
    let path = format!("/{}", id(&folder));
    let cover = rig.other("anna", "GET", &format!("{path}/picture")).send().await;
    assert_eq!(cover.status, 302, "{cover:?}");
    for name in ["1 secret.txt", "2 secret.txt", "secret.jpg"] {
        let invite = format!("/v1.0/me/drive/root:/write/{name}:/invite");
        let body = json!({
            "recipients": [{"email": "carl@drivedal.example"}], "roles": ["read"],
            "retainInheritedPermissions": false,
        });
        rig.rig.bare("POST", &invite).token("drivedal-dev").json(body).ok().await;
    }
    let cover = rig.other("anna", "GET", &format!("{path}/picture")).send().await;
    refused!(cover, 404, "resource_not_found");
    // The hidden items are first in the order, and do not fill the page.
    let search = format!("{path}/search?q=txt&limit=1");
    let found = rig.other("anna", "GET", &search).send().await.json();
    assert_eq!(names(&found), ["3 open.txt"]);
    let listed = rig.other("anna", "GET", &format!("{path}/files")).send().await.json();
    assert_eq!(names(&listed), ["3 open.txt"]);
    let put = format!("{path}/files/1 secret.txt");
    let put = rig.other("anna", "PUT", &put).body("anna").send().await;
    assert_eq!(put.status, 409, "{put:?}");
    let secret = rig.item(id(&folder), "1 secret.txt").await;
    assert_eq!(rig.rig.content(id(&secret)).await, "secret");
    let link = rig.rig.live("GET", &format!("{path}/shared_read_link")).send().await;
    let page = rig.rig.bare("GET", &link.member("link")).send().await;
    assert!(page.text().contains("3 open.txt"), "{page:?}");
    assert!(!page.text().contains("secret"), "{page:?}");
}
