//! A tenant of several users: users, groups, photos, the organization, sites and their libraries.

use std::io::Cursor;

use drivedal_server::Directory;
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, names};

const CONTOSO: &str = "5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c";
const FABRIKAM: &str = "6d6e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c";

/// Returns the directory of the tests: two tenants, a private and a public group, and sites.
fn directory() -> Value {
    json!({
        "tenants": [
            {"id": CONTOSO, "domains": ["contoso.example"], "display_name": "Contoso"},
            {"id": FABRIKAM, "domains": ["fabrikam.example"]},
        ],
        "users": [
            {"name": "anna", "kind": "business", "tenant": CONTOSO, "display_name": "Anna Adams"},
            {"name": "bob", "kind": "business", "tenant": CONTOSO, "display_name": "Bob Brown"},
            {"name": "carl", "kind": "business", "tenant": CONTOSO, "display_name": "Carl Cole"},
            {"name": "finn", "kind": "business", "tenant": FABRIKAM},
            {"name": "pia", "kind": "personal"},
        ],
        "groups": [
            {"name": "marketing", "tenant": CONTOSO, "display_name": "Marketing",
             "id": "AAAAAAAA-2222-3333-4444-555555555555", "owners": ["anna"],
             "members": ["anna", "bob"], "libraries": ["Documents", "Annual Reports"]},
            {"name": "all", "tenant": CONTOSO, "public": true},
        ],
        "sites": [
            {"path": "/sites/handbook", "tenant": CONTOSO, "members": ["anna"],
             "visitors": ["bob"], "display_name": "Handbook", "description": "How we work"},
            {"path": "/sites/handbook/drafts", "tenant": CONTOSO, "members": ["anna"]},
        ],
        "applications": [
            {"id": "daemon", "secrets": ["s"], "roles": ["Sites.Read.All", "User.Read.All"]},
            {"id": "app", "secrets": ["s"], "redirect_uris": ["http://localhost:9/"]},
        ],
    })
}

async fn server() -> GraphServer {
    let directory = Directory::from_json(directory().to_string().as_bytes()).expect("valid");
    GraphServer::with(|builder| builder.directory(directory)).await
}

/// Returns the properties of the resources of a collection.
fn values<'v>(collection: &'v Value, property: &str) -> Vec<&'v str> {
    let all = collection["value"].as_array().expect("a collection");
    all.iter().map(|one| one[property].as_str().unwrap_or_default()).collect()
}

impl GraphServer {
    /// Returns the tokens of an application that acts for itself.
    async fn daemon(&self) -> String {
        let form = "grant_type=client_credentials&client_id=daemon&client_secret=s\
                    &scope=https://graph.microsoft.com/.default";
        let url = self.url(&format!("/{CONTOSO}/oauth2/v2.0/token"));
        let tokens = self.send("POST", &url).form(form).await.json_with_status(200);
        tokens["access_token"].as_str().expect("a token").to_owned()
    }

    /// Signs anna in with a scope, and returns the access token.
    async fn anna_with(&self, scope: &str) -> String {
        let path = format!(
            "/common/oauth2/v2.0/authorize?client_id=app&response_type=code\
             &redirect_uri=http://localhost:9/&scope={scope}"
        );
        let form = "decision=allow&account=anna@contoso.example";
        let response = self.send("POST", &self.url(&path)).form(form).await;
        let url = reqwest::Url::parse(&response.location()).expect("a URL");
        let code = url.query_pairs().find(|(key, _)| key == "code").expect("a code").1.into_owned();
        let form = format!(
            "grant_type=authorization_code&client_id=app&client_secret=s&code={code}\
             &redirect_uri=http://localhost:9/"
        );
        let url = self.url("/common/oauth2/v2.0/token");
        let tokens = self.send("POST", &url).form(&form).await.json_with_status(200);
        tokens["access_token"].as_str().expect("a token").to_owned()
    }

    async fn status_of(&self, token: &str, path: &str) -> u16 {
        self.send("GET", &self.url(&format!("/v1.0{path}"))).token(token).await.status
    }
}

impl Drive<'_> {
    async fn eventual(&self, path: &str) -> Value {
        let request = self.request("GET", path).header("consistencylevel", "eventual");
        request.ok().await.json()
    }
}

#[tokio::test]
async fn users_are_those_of_the_own_tenant() {
    let cloud = server().await;
    let (anna, finn) = (cloud.named("anna.business"), cloud.named("finn.business"));
    let all = anna.get("/users").await;
    assert_eq!(values(&all, "displayName"), ["Anna Adams", "Bob Brown", "Carl Cole"]);
    assert_eq!(values(&finn.get("/users").await, "userPrincipalName"), ["finn@fabrikam.example"]);
    let bob = anna.get("/users/BOB@contoso.example?$select=id,mail").await;
    assert_eq!(bob["mail"], "bob@contoso.example");
    assert_eq!(bob["displayName"], Value::Null);
    let id = bob["id"].as_str().expect("an id");
    assert_eq!(anna.get(&format!("/users/{id}")).await["displayName"], "Bob Brown");
    assert_eq!(cloud.named("bob.business").get("/me").await["id"], id);
    finn.request("GET", &format!("/users/{id}")).refused(404, "Request_ResourceNotFound").await;
    anna.request("GET", &format!("/users/{id}/drive")).refused(403, "accessDenied").await;
    let personal = cloud.named("pia.personal");
    personal.request("GET", "/users").refused(403, "Authorization_RequestDenied").await;
    anna.request("POST", "/users").json(json!({})).refused(501, "notSupported").await;
    anna.request("GET", "/me/joinedTeams").refused(501, "notSupported").await;
}

#[tokio::test]
async fn a_collection_is_filtered_searched_sorted_and_paged() {
    let cloud = server().await;
    let anna = cloud.named("anna.business");
    for (query, expected) in [
        ("$filter=startswith(displayName,'b')", &["Bob Brown"][..]),
        ("$filter=mail eq 'carl@contoso.example'", &["Carl Cole"]),
        (
            "$filter=startswith(displayName,'a') or displayName eq 'Bob Brown'",
            &["Anna Adams", "Bob Brown"],
        ),
        ("$orderby=displayName desc", &["Carl Cole", "Bob Brown", "Anna Adams"]),
        ("$filter=displayName eq 'x'", &[]),
    ] {
        let found = anna.get(&format!("/users?{query}")).await;
        assert_eq!(values(&found, "displayName"), expected, "{query}");
    }
    for (query, expected) in [
        ("$search=\"displayName:br\"", &["Bob Brown"][..]),
        ("$search=\"displayName:adams\" OR \"mail:carl\"", &["Anna Adams", "Carl Cole"]),
        ("$filter=displayName ne 'Bob Brown'", &["Anna Adams", "Carl Cole"]),
        ("$filter=endswith(mail,'b@contoso.example')", &["Bob Brown"]),
    ] {
        let path = format!("/users?{query}");
        assert_eq!(values(&anna.eventual(&path).await, "displayName"), expected, "{query}");
        anna.request("GET", &path).refused(400, "Request_UnsupportedQuery").await;
    }
    let contains = "/users?$filter=contains(displayName,'b')";
    anna.request("GET", contains).refused(400, "Request_UnsupportedQuery").await;
    anna.request("GET", "/users?$filter=colour eq 'x'").refused(400, "BadRequest").await;
    anna.request("GET", "/users?$orderby=city").refused(501, "notSupported").await;
    anna.request("GET", "/users?$select=colour").refused(400, "BadRequest").await;
    let mut url = "/users?$top=2&$select=displayName&$count=true".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = anna.eventual(&url).await;
        assert_eq!(page["@odata.count"], 3);
        seen.extend(values(&page, "displayName").into_iter().map(str::to_owned));
        match page["@odata.nextLink"].as_str() {
            Some(next) => next.clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!(seen, ["Anna Adams", "Bob Brown", "Carl Cole"]);
}

#[tokio::test]
async fn groups_have_members_and_a_site() {
    let cloud = server().await;
    let (anna, bob, carl) =
        (cloud.named("anna.business"), cloud.named("bob.business"), cloud.named("carl.business"));
    let all = anna.get("/groups").await;
    assert_eq!(values(&all, "displayName"), ["all", "Marketing"]);
    let id = "aaaaaaaa-2222-3333-4444-555555555555";
    let group = anna.get(&format!("/groups/{id}")).await;
    assert_eq!(group["mail"], "marketing@contoso.example");
    assert_eq!(
        (&group["visibility"], &group["groupTypes"]),
        (&json!("Private"), &json!(["Unified"]))
    );
    let members = anna.get(&format!("/groups/{id}/members")).await;
    assert_eq!(values(&members, "displayName"), ["Anna Adams", "Bob Brown"]);
    assert_eq!(members["value"][0]["@odata.type"], "#microsoft.graph.user");
    let owners = anna.get(&format!("/groups/{id}/owners")).await;
    assert_eq!(values(&owners, "displayName"), ["Anna Adams"]);
    assert_eq!(values(&bob.get("/me/memberOf").await, "displayName"), ["Marketing"]);
    assert!(values(&carl.get("/me/memberOf").await, "displayName").is_empty());
    let of_bob = anna.get("/users/bob@contoso.example/memberOf").await;
    assert_eq!(values(&of_bob, "id"), [id]);
    anna.request("GET", "/groups/x").refused(404, "Request_ResourceNotFound").await;
    anna.request("DELETE", &format!("/groups/{id}")).refused(501, "notSupported").await;

    let drives = bob.get(&format!("/groups/{id}/drives")).await;
    assert_eq!(names(&drives), ["Documents", "Annual Reports"]);
    let drive = bob.get(&format!("/groups/{id}/drive")).await;
    assert_eq!(drive["id"], drives["value"][0]["id"]);
    assert_eq!(drive["owner"]["group"]["id"], id);
    let site = bob.get(&format!("/groups/{id}/sites/root")).await;
    let own = bob.get("/sites/root:/sites/marketing:/drive").await;
    assert_eq!(own["id"], drive["id"]);
    assert!(site["webUrl"].as_str().is_some_and(|url| url.ends_with("/sites/marketing")));
    carl.request("GET", &format!("/groups/{id}/drive")).refused(403, "accessDenied").await;
}

#[tokio::test]
async fn a_library_is_shared_by_the_members_of_its_site() {
    let cloud = server().await;
    let (anna, bob, carl) =
        (cloud.named("anna.business"), cloud.named("bob.business"), cloud.named("carl.business"));
    let content = |site: &str| format!("/sites/root:/sites/{site}:/drive/root:/a.txt:/content");
    anna.request("PUT", &content("marketing")).body("hello").ok().await;
    let read = bob.get("/sites/root:/sites/marketing:/drive/root/children").await;
    assert_eq!(names(&read), ["a.txt"]);
    bob.request("PUT", &content("marketing")).body("changed").ok().await;
    let item = read["value"][0]["id"].as_str().expect("an id");
    let drive = read["value"][0]["parentReference"]["driveId"].as_str().expect("an id");
    let by_id = format!("/drives/{drive}/items/{item}");
    assert_eq!(anna.get(&by_id).await["size"], 7);
    carl.request("GET", &by_id).refused(403, "accessDenied").await;
    // Every user of the tenant is a member of a public group's site.
    carl.request("PUT", &content("all")).body("x").ok().await;
    // A visitor can only read.
    anna.request("PUT", &content("handbook")).body("x").ok().await;
    bob.request("GET", &content("handbook")).await;
    bob.request("PUT", &content("handbook")).body("y").refused(403, "accessDenied").await;
    let delete = "/sites/root:/sites/handbook:/drive/root:/a.txt";
    bob.request("DELETE", delete).refused(403, "accessDenied").await;
    cloud
        .named("finn.business")
        .request("GET", delete)
        .refused(404, "Request_ResourceNotFound")
        .await;
    // A copy only reads its original.
    let original = bob.get("/sites/root:/sites/handbook:/drive/root:/a.txt").await;
    let drive = original["parentReference"]["driveId"].as_str().expect("an id");
    let original = original["id"].as_str().expect("an id");
    let own = json!({"driveId": bob.id().await, "id": bob.get("/me/drive/root").await["id"]});
    let copy = format!("/drives/{drive}/items/{original}/copy");
    let copied = bob.request("POST", &copy).json(json!({"parentReference": own})).await;
    assert_eq!(copied.status, 202, "{copied:?}");
    assert_eq!(bob.read("a.txt").await, "x");
    let second = "/sites/root:/sites/marketing:/drives";
    let reports = bob.get(second).await["value"][1]["id"].as_str().expect("an id").to_owned();
    let file = format!("/drives/{reports}/root:/2024.txt:/content");
    let created = bob.request("PUT", &file).body("r").ok().await.json();
    let url = created["webUrl"].as_str().expect("a URL");
    assert!(url.ends_with("/sites/marketing/Annual%20Reports/2024.txt"), "{url}");
}

#[tokio::test]
async fn only_owners_of_a_site_manage_its_permissions() {
    let cloud = server().await;
    let (anna, bob) = (cloud.named("anna.business"), cloud.named("bob.business"));
    let grant = json!({
        "roles": ["write"],
        "grantedToIdentities": [{"application": {"id": "daemon", "displayName": "Daemon"}}],
    });
    // Bob is a visitor of the first site and a member of the second one.
    for site in ["handbook", "marketing"] {
        let permissions = format!("/sites/root:/sites/{site}:/permissions");
        bob.request("POST", &permissions).json(&grant).refused(403, "accessDenied").await;
        bob.request("GET", &permissions).refused(403, "accessDenied").await;
    }
    // A visitor reads lists, and changes none.
    let lists = "/sites/root:/sites/handbook:/lists";
    assert_eq!(names(&bob.get(lists).await), ["Documents"]);
    let columns = format!("{lists}/Documents/columns");
    bob.get(&columns).await;
    let column = json!({"name": "Status", "text": {}});
    bob.request("POST", &columns).json(&column).refused(403, "accessDenied").await;
    anna.request("POST", &columns).json(&column).ok().await;
    let permissions = "/sites/root:/sites/marketing:/permissions";
    let created = anna.request("POST", permissions).json(&grant).await.json_with_status(201);
    assert_eq!(created["roles"], json!(["write"]));
}

#[tokio::test]
async fn the_drives_of_a_user_are_listed_for_those_with_access_only() {
    let cloud = server().await;
    let (anna, bob) = (cloud.named("anna.business"), cloud.named("bob.business"));
    anna.put("plans.txt", "p").await;
    let drives = "/users/anna@contoso.example/drives";
    bob.request("GET", drives).refused(403, "accessDenied").await;
    let body = json!({"recipients": [{"email": "bob@contoso.example"}], "roles": ["read"]});
    anna.request("POST", "/me/drive/root:/plans.txt:/invite").json(body).ok().await;
    let listed = bob.get(&format!("{drives}?$expand=root")).await;
    assert_eq!(listed["value"][0]["id"], anna.id().await);
    assert!(listed["value"][0].get("root").is_none(), "{listed}");
}

#[tokio::test]
async fn sites_form_a_hierarchy_and_are_found() {
    let cloud = server().await;
    let (anna, bob) = (cloud.named("anna.business"), cloud.named("bob.business"));
    let handbook = anna.get("/sites/root:/sites/handbook").await;
    assert_eq!(handbook["displayName"], "Handbook");
    assert_eq!(handbook["root"], json!({}));
    let id = handbook["id"].as_str().expect("an id");
    let guid = id.split(',').nth(1).expect("a GUID");
    for path in [id, guid, "root/getByPath(path='/sites/handbook')", "127.0.0.1:/sites/handbook"] {
        assert_eq!(anna.get(&format!("/sites/{path}")).await["id"], id, "{path}");
    }
    let below = anna.get(&format!("/sites/{id}/sites")).await;
    assert_eq!(names(&below), ["drafts"]);
    assert_eq!(below["value"][0]["root"], Value::Null);
    let below = below["value"][0]["id"].as_str().expect("an id");
    assert_eq!(anna.get(&format!("/sites/{id}/sites/{below}")).await["name"], "drafts");
    assert!(names(&bob.get(&format!("/sites/{id}/sites")).await).is_empty(), "not open to bob");
    let root = anna.get("/sites/root").await;
    assert_eq!((&root["name"], &root["isPersonalSite"]), (&json!("root"), &json!(false)));
    let found = |listing: &Value| {
        let mut found = names(listing);
        found.sort();
        found
    };
    assert_eq!(found(&anna.get("/sites?search=how we").await), ["handbook"]);
    assert_eq!(found(&anna.get("/sites?search=handbook").await), ["drafts", "handbook"]);
    assert_eq!(found(&bob.get("/sites?search=handbook").await), ["handbook"]);
    anna.request("GET", "/sites/getAllSites").refused(403, "accessDenied").await;
    let daemon = cloud.daemon().await;
    let all = cloud.send("GET", &cloud.url("/v1.0/sites/getAllSites?$top=5")).token(&daemon);
    let all = all.ok().await.json();
    assert_eq!(all["value"].as_array().expect("sites").len(), 5);
    let rest = cloud.send("GET", all["@odata.nextLink"].as_str().expect("a page")).token(&daemon);
    let rest = rest.ok().await.json();
    let mut every = [names(&all), names(&rest)].concat();
    every.sort();
    let expected = [
        "all",
        "anna.business",
        "bob.business",
        "carl.business",
        "drafts",
        "handbook",
        "marketing",
        "root",
    ];
    assert_eq!(every, expected);
}

#[tokio::test]
async fn requests_need_their_permissions() {
    let cloud = server().await;
    let read = cloud.anna_with("User.Read").await;
    for (path, status) in [
        ("/me", 200),
        ("/users/anna@contoso.example", 200),
        ("/users/bob@contoso.example", 403),
        ("/users", 403),
        ("/groups", 403),
        ("/me/memberOf", 200),
        ("/organization", 200),
        ("/sites/root", 403),
        ("/sites/root:/sites/handbook:/lists", 403),
    ] {
        assert_eq!(cloud.status_of(&read, path).await, status, "{path}");
    }
    let groups = cloud.anna_with("GroupMember.Read.All%20User.ReadBasic.All").await;
    for path in ["/users", "/groups", "/users/bob@contoso.example"] {
        assert_eq!(cloud.status_of(&groups, path).await, 200, "{path}");
    }
    let daemon = cloud.daemon().await;
    for (path, status) in [
        ("/users", 200),
        ("/me", 400),
        ("/groups", 403),
        ("/sites/root:/sites/handbook", 200),
        ("/sites/root:/sites/handbook:/lists", 200),
        ("/users/finn@fabrikam.example", 404),
    ] {
        assert_eq!(cloud.status_of(&daemon, path).await, status, "{path}");
    }
    let fields = cloud.url("/v1.0/sites/root:/sites/handbook:/lists/Documents/items/1/fields");
    cloud.send("PATCH", &fields).token(&daemon).json(json!({})).refused(403, "accessDenied").await;
}

#[tokio::test]
async fn the_organization_is_that_of_the_tenant() {
    let cloud = server().await;
    let anna = cloud.named("anna.business");
    let all = anna.get("/organization").await;
    assert_eq!(values(&all, "displayName"), ["Contoso"]);
    assert_eq!(all["value"][0]["verifiedDomains"][0]["name"], "contoso.example");
    assert_eq!(anna.get(&format!("/organization/{CONTOSO}")).await["id"], CONTOSO);
    let other = format!("/organization/{FABRIKAM}");
    anna.request("GET", &other).refused(404, "Request_ResourceNotFound").await;
    let alone = GraphServer::new().await;
    let single = alone.named("x.business").get("/organization").await;
    assert_eq!(single["value"][0]["verifiedDomains"][0]["name"], "drivedal.example");
}

/// Returns a picture of that size in pixels.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = image::DynamicImage::new_rgb8(width, height);
    image.write_to(&mut bytes, image::ImageFormat::Png).expect("a picture");
    bytes.into_inner()
}

#[tokio::test]
async fn a_photo_is_set_by_its_user_and_read_by_the_tenant() {
    let cloud = server().await;
    let (anna, bob) = (cloud.named("anna.business"), cloud.named("bob.business"));
    anna.request("GET", "/me/photo/$value").refused(404, "ImageNotFound").await;
    let original = picture(300, 200);
    anna.request("PUT", "/me/photo/$value").body(original.clone()).ok().await;
    let shown = bob.get("/users/anna@contoso.example/photo").await;
    assert_eq!((&shown["width"], &shown["height"]), (&json!(300), &json!(200)));
    let whole = bob.request("GET", "/users/anna@contoso.example/photo/$value").ok().await;
    assert_eq!(whole.body, original);
    let small = bob.request("GET", "/users/anna@contoso.example/photos/48x48/$value").ok().await;
    let small = image::load_from_memory(&small.body).expect("a picture");
    assert_eq!((small.width(), small.height()), (48, 48));
    let sizes = anna.get("/me/photos").await;
    assert_eq!(values(&sizes, "id"), ["48x48", "64x64", "96x96", "120x120"]);
    anna.request("GET", "/me/photos/240x240/$value").refused(404, "ImageNotFound").await;
    anna.request("GET", "/me/photos/7x7/$value").refused(400, "BadRequest").await;
    let of_anna = "/users/anna@contoso.example/photo/$value";
    bob.request("PUT", of_anna).body(picture(50, 50)).refused(403, "accessDenied").await;
    anna.request("PUT", "/me/photo/$value").body("no picture").refused(400, "invalidRequest").await;
    assert_eq!(anna.get("/me/photo").await["width"], 300);
}

#[tokio::test]
async fn a_library_is_a_list_with_columns_and_fields() {
    let cloud = server().await;
    let (anna, bob) = (cloud.named("anna.business"), cloud.named("bob.business"));
    let site = "/sites/root:/sites/marketing:";
    assert_eq!(names(&anna.get(&format!("{site}/lists")).await), ["Documents", "Annual Reports"]);
    let list = anna.get(&format!("{site}/lists/annual reports")).await;
    assert_eq!(list["list"]["template"], "documentLibrary");
    let list = format!("{site}/lists/{}", list["id"].as_str().expect("an id"));
    let drive = anna.get(&format!("{list}/drive")).await["id"].as_str().expect("an id").to_owned();
    for path in ["a/1.txt", "a/2.txt", "b.docx"] {
        let path = format!("/drives/{drive}/root:/{path}:/content");
        anna.request("PUT", &path).body("x").ok().await;
    }
    let column = json!({"name": "Status", "choice": {"choices": ["Draft", "Final"]}});
    anna.request("POST", &format!("{list}/columns")).json(column.clone()).ok().await;
    anna.request("POST", &format!("{list}/columns"))
        .json(column)
        .refused(409, "nameAlreadyExists")
        .await;
    anna.request("POST", &format!("{list}/columns"))
        .json(json!({"name": "L", "lookup": {"listId": "x"}}))
        .refused(501, "notSupported")
        .await;
    let columns = names(&bob.get(&format!("/drives/{drive}/list/columns")).await);
    assert!(columns.contains(&"Title".into()) && columns.contains(&"Status".into()), "{columns:?}");
    let documents = anna.get(&format!("{site}/lists/Documents/columns")).await;
    assert!(!names(&documents).contains(&"Status".into()), "a column is of one library");

    let mut url = format!("{list}/items?$expand=fields($select=FileLeafRef),driveItem&$top=2");
    let (mut seen, mut ids) = (Vec::new(), Vec::new());
    loop {
        let page = bob.get(&url).await;
        for item in page["value"].as_array().expect("items") {
            assert_eq!(item["driveItem"]["name"], item["fields"]["FileLeafRef"]);
            seen.push(item["fields"]["FileLeafRef"].as_str().expect("a name").to_owned());
            ids.push(item["id"].as_str().expect("an id").to_owned());
        }
        match page["@odata.nextLink"].as_str() {
            Some(next) => next.clone_into(&mut url),
            None => break,
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    assert_eq!(sorted, ["1.txt", "2.txt", "a", "b.docx"]);
    let at = seen.iter().position(|name| name == "b.docx").expect("listed");
    let fields = format!("{list}/items/{}/fields", ids[at]);
    let body = json!({"Title": "Report", "Status": "Draft"});
    let set = bob.request("PATCH", &fields).json(body).ok().await.json();
    assert_eq!((&set["Title"], &set["Status"]), (&json!("Report"), &json!("Draft")));
    for (body, named) in [
        (json!({"Colour": "x"}), "'Colour' is not recognized"),
        (json!({"Modified": "2024-01-01T00:00:00Z"}), "'Modified' is read-only"),
        (json!({"Status": "Lost"}), "'Status' does not accept"),
        (json!({"FileLeafRef": "a|b"}), "name"),
    ] {
        let refused = bob.request("PATCH", &fields).json(body).refused(400, "invalidRequest").await;
        let message = refused["error"]["message"].as_str().expect("a message");
        assert!(message.contains(named), "{message}");
    }
    let found =
        anna.get(&format!("{list}/items?$filter=fields/Status eq 'Draft'&$expand=fields")).await;
    assert_eq!(values(&found, "id"), [ids[at].as_str()]);
    let renamed = json!({"FileLeafRef": "c.docx", "Status": null});
    let renamed = bob.request("PATCH", &fields).json(renamed).ok().await.json();
    assert_eq!((&renamed["FileLeafRef"], &renamed["Status"]), (&json!("c.docx"), &Value::Null));
    let file =
        anna.get(&format!("/drives/{drive}/root:/c.docx?$expand=listItem($expand=fields)")).await;
    assert_eq!(file["listItem"]["fields"]["Title"], "Report");
    assert_eq!(file["fields"], Value::Null, "fields are not a property of the file");
    let item = file["id"].as_str().expect("an id");
    let of_file = anna.get(&format!("/drives/{drive}/items/{item}/listItem")).await;
    assert_eq!(of_file["id"], ids[at].as_str());
    let selected =
        anna.get(&format!("/drives/{drive}/items/{item}?$select=sharepointIds,webDavUrl")).await;
    let ids_there = &selected["sharepointIds"];
    assert_eq!(ids_there["listItemId"], ids[at].as_str());
    let by_ids = format!(
        "/sites/{}/lists/{}/items/{}/fields",
        ids_there["siteId"].as_str().expect("a site"),
        ids_there["listId"].as_str().expect("a list"),
        ids[at]
    );
    assert_eq!(anna.get(&by_ids).await["Title"], "Report");
    assert_eq!(ids_there["tenantId"], anna.get("/organization").await["value"][0]["id"]);
    let page = selected["webDavUrl"].as_str().expect("a URL");
    assert!(page.ends_with("/c.docx"), "{page}");
    let root = anna.get(&format!("/drives/{drive}/root?$select=sharepointIds")).await;
    assert_eq!(root["sharepointIds"]["listItemId"], Value::Null);
    assert!(file.get("sharepointIds").is_none(), "not by default");
    let same = anna.get(&format!("{list}/items/{}/driveItem", ids[at])).await;
    assert_eq!(same["id"], item);
    anna.request("DELETE", &format!("{list}/items/{}", ids[at])).ok().await;
    anna.request("GET", &fields).refused(404, "itemNotFound").await;
    anna.request("GET", &format!("{list}/items/01")).refused(404, "itemNotFound").await;
    anna.request("POST", &format!("{list}/items"))
        .json(json!({}))
        .refused(501, "notSupported")
        .await;
    anna.request("GET", &format!("{site}/lists/x")).refused(404, "itemNotFound").await;
    let personal = cloud.named("pia.personal");
    personal.put("f", "x").await;
    personal.request("GET", "/me/drive/root:/f:/listItem").refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn sites_are_followed_listed_and_unfollowed() {
    let cloud = server().await;
    let anna = cloud.named("anna.business");
    let handbook = anna.get("/sites?search=Handbook").await["value"][0]["id"].clone();
    let post = |action: &str, ids: Value| {
        let ids: Vec<_> = ids.as_array().unwrap().iter().map(|id| json!({"id": id})).collect();
        let path = format!("/me/followedSites/{action}");
        anna.request("POST", &path).json(json!({"value": ids}))
    };
    let followed = post("add", json!([handbook])).await.json_with_status(200);
    assert_eq!(values(&followed, "displayName"), ["Handbook"]);
    let mixed = post("add", json!([handbook, "contoso.sharepoint.com,x,y"])).await;
    let mixed = mixed.json_with_status(207);
    assert_eq!(mixed["value"][1]["error"]["code"], "invalidRequest");
    assert_eq!(values(&anna.get("/me/followedSites").await, "displayName"), ["Handbook"]);
    let bob = cloud.named("bob.business");
    assert_eq!(values(&bob.get("/me/followedSites").await, "id"), [""; 0]);
    let of_anna =
        format!("/users/{}/followedSites/add", anna.get("/me").await["id"].as_str().unwrap());
    let body = json!({"value": [{"id": handbook}]});
    bob.request("POST", &of_anna).json(&body).refused(403, "accessDenied").await;
    assert_eq!(post("remove", json!([handbook])).await.status, 204);
    post("remove", json!([handbook])).await.json_with_status(207);
    assert_eq!(values(&anna.get("/me/followedSites").await, "id"), [""; 0]);
    post("add", json!([])).refused(400, "invalidRequest").await;
}
