//! The permissions, the audience and the tenant of a token decide which requests it allows.

use drivedal_server::{AccountKind, Directory};
use serde_json::{Value, json};

use crate::graph::harness::{GraphServer, TestRequest, TestResponse, id};

const TENANT: &str = "contoso.example";

impl GraphServer {
    /// Returns an access token of the default account with scopes, by an authorization code.
    async fn user_token(&self, scopes: &str) -> String {
        self.token_of("", scopes).await
    }

    /// Returns an access token of an account with scopes, by an authorization code.
    pub async fn token_of(&self, account: &str, scopes: &str) -> String {
        let scopes = scopes.replace(' ', "%20");
        let authorize = self.url(&format!(
            "/common/oauth2/v2.0/authorize?client_id=app&response_type=code&scope={scopes}\
             &redirect_uri=http://localhost:9/&login_hint={account}"
        ));
        let location = self.send("GET", &authorize).await.location();
        let location = reqwest::Url::parse(&location).unwrap();
        let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let form = format!(
            "client_id=app&grant_type=authorization_code&redirect_uri=http://localhost:9/&code={code}"
        );
        let url = self.url("/common/oauth2/v2.0/token");
        access_token(&self.send("POST", &url).form(&form).await)
    }

    /// Returns the own access token of an application, by its id, with all of its roles.
    async fn token_of_app(&self, id: &str) -> String {
        let url = self.url(&format!("/{TENANT}/oauth2/v2.0/token"));
        let scope = "https://graph.microsoft.com/.default";
        let form =
            format!("client_id={id}&client_secret=s&grant_type=client_credentials&scope={scope}");
        access_token(&self.send("POST", &url).form(&form).await)
    }

    /// Returns an application's own access token.
    async fn app_token(&self, scope: &str) -> String {
        let url = self.url(&format!("/{TENANT}/oauth2/v2.0/token"));
        let form =
            format!("client_id=app&client_secret=s&grant_type=client_credentials&scope={scope}");
        access_token(&self.send("POST", &url).form(&form).await)
    }

    fn call(&self, token: &str, method: &str, path: &str) -> TestRequest {
        let request = self.send(method, &self.url(path)).token(token);
        match method {
            "GET" | "DELETE" => request,
            _ => request.json(json!({"folder": {}, "name": "n"})),
        }
    }
}

fn access_token(response: &TestResponse) -> String {
    response.json_with_status(200)["access_token"].as_str().unwrap().to_owned()
}

fn message(error: &Value) -> &str {
    error["error"]["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_token_to_read_cannot_write() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let file = drive.put("a.txt", "x").await;
    let item = format!("/v1.0/me/drive/items/{}", id(&file));
    for scope in ["Files.Read", "Files.Read.All", "Sites.Read.All"] {
        let token = cloud.user_token(scope).await;
        for path in ["/v1.0/me/drive", &item, &format!("{item}/permissions")] {
            cloud.call(&token, "GET", path).ok().await;
        }
        for (method, path) in [
            ("PATCH", item.clone()),
            ("DELETE", item.clone()),
            ("PUT", "/v1.0/me/drive/root:/b.txt:/content".into()),
            ("POST", "/v1.0/me/drive/root/children".into()),
            ("POST", "/v1.0/me/drive/root:/b.txt:/createUploadSession".into()),
            ("POST", format!("{item}/copy")),
            ("POST", format!("{item}/createLink")),
            ("POST", format!("{item}/invite")),
            ("DELETE", format!("{item}/permissions/x")),
            ("DELETE", format!("{item}/versions/1.0")),
        ] {
            let refused = cloud.call(&token, method, &path).refused(403, "accessDenied").await;
            assert_eq!(message(&refused), "Access denied", "{method} {path}");
        }
    }
    assert_eq!(drive.read("a.txt").await, "x");
    let token = cloud.user_token("Files.ReadWrite").await;
    cloud.call(&token, "DELETE", &item).ok().await;
}

#[tokio::test]
async fn an_embedded_request_and_an_overridden_method_need_the_same_permission() {
    let cloud = GraphServer::new().await;
    cloud.drive().put("a.txt", "x").await;
    let token = cloud.user_token("Files.Read").await;
    let batch = json!({"requests": [
        {"id": "1", "method": "GET", "url": "/me/drive/root:/a.txt"},
        {"id": "2", "method": "DELETE", "url": "/me/drive/root:/a.txt"},
    ]});
    let url = cloud.url("/v1.0/$batch");
    let responses = cloud.send("POST", &url).token(&token).json(batch).ok().await.json();
    let status = |id: &str| {
        let all = responses["responses"].as_array().unwrap();
        all.iter().find(|it| it["id"] == id).unwrap()["status"].clone()
    };
    assert_eq!((status("1"), status("2")), (200.into(), 403.into()));
    let url = cloud.url("/v1.0/me/drive/root:/a.txt");
    let tunnelled =
        cloud.send("POST", &url).token(&token).header("x-http-method-override", "DELETE");
    tunnelled.refused(403, "accessDenied").await;
    assert_eq!(cloud.drive().read("a.txt").await, "x");
}

#[tokio::test]
async fn profiles_and_sites_have_permissions_of_their_own() {
    let cloud = GraphServer::with(|builder| builder.kind(AccountKind::Business)).await;
    let files = cloud.user_token("Files.ReadWrite.All").await;
    let refused = cloud.call(&files, "GET", "/v1.0/me").await;
    assert_eq!(refused.refusal(), (403, "Authorization_RequestDenied".into()));
    cloud.call(&files, "GET", "/v1.0/sites/root").refused(403, "accessDenied").await;
    let user = cloud.user_token("User.Read openid").await;
    cloud.call(&user, "GET", "/v1.0/me").ok().await;
    cloud.call(&user, "GET", "/v1.0/me/drive").refused(403, "accessDenied").await;
    let sites = cloud.user_token("Sites.Read.All").await;
    cloud.call(&sites, "GET", "/v1.0/sites/root").ok().await;
    cloud.call(&sites, "GET", "/v1.0/sites?search=*").ok().await;
}

#[tokio::test]
async fn the_application_folder_is_all_that_its_permission_opens() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let outside = drive.put("outside.txt", "x").await;
    let token = cloud.user_token("Files.ReadWrite.AppFolder").await;
    let approot = "/v1.0/me/drive/special/approot";
    let made = cloud.call(&token, "PUT", &format!("{approot}:/mine.txt:/content")).ok().await;
    let mine = made.json();
    let root = cloud.call(&token, "GET", approot).ok().await.json();
    cloud.call(&token, "GET", &format!("{approot}/children")).ok().await;
    cloud.call(&token, "GET", &format!("/v1.0/me/drive/items/{}", id(&mine))).ok().await;
    for path in [
        "/v1.0/me/drive/root".to_owned(),
        "/v1.0/me/drive/root/children".into(),
        "/v1.0/me/drive/root/delta".into(),
        "/v1.0/me/drive/root/search(q='x')".into(),
        "/v1.0/me/drive/search(q='x')".into(),
        "/v1.0/me/drive/recent".into(),
        "/v1.0/me/drive/special/documents".into(),
        format!("/v1.0/me/drive/items/{}", id(&outside)),
        format!("/v1.0/me/drive/items/{}/content", id(&outside)),
    ] {
        cloud.call(&token, "GET", &path).refused(403, "accessDenied").await;
    }
    // Nor does a sharing token open a file outside of it, and change its permissions.
    let create = drive.request("POST", &format!("/me/drive/items/{}/createLink", id(&outside)));
    let link = create.json(json!({"type": "edit"})).ok().await.json();
    let share = format!("/v1.0/shares/{}", id(&link));
    let grant = json!({"recipients": [{"email": "bea@drivedal.example"}], "roles": ["write"]});
    for path in ["", "/driveItem", "/permission"] {
        let path = format!("{share}{path}");
        cloud.call(&token, "GET", &path).refused(403, "accessDenied").await;
    }
    let url = cloud.url(&format!("{share}/permission/grant"));
    cloud.send("POST", &url).token(&token).json(&grant).refused(403, "accessDenied").await;
    // Nor does a file leave the folder, or enter it, through the reference to its new parent.
    let parent = outside["parentReference"]["id"].clone();
    let path = format!("/v1.0/me/drive/items/{}", id(&mine));
    let leave = json!({"parentReference": {"id": parent}});
    let url = cloud.url(&path);
    cloud.send("PATCH", &url).token(&token).json(&leave).refused(403, "accessDenied").await;
    let url = cloud.url(&format!("/v1.0/me/drive/items/{}", id(&outside)));
    let enter = json!({"parentReference": {"id": id(&root)}});
    cloud.send("PATCH", &url).token(&token).json(&enter).refused(403, "accessDenied").await;
    let url = cloud.url(&format!("{path}/copy"));
    cloud.send("POST", &url).token(&token).json(&leave).refused(403, "accessDenied").await;
}

#[tokio::test]
async fn a_token_to_read_creates_no_special_folder() {
    let cloud = GraphServer::new().await;
    let music = "/v1.0/me/drive/special/music";
    let read = cloud.user_token("Files.Read").await;
    cloud.call(&read, "GET", music).refused(403, "accessDenied").await;
    let write = cloud.user_token("Files.ReadWrite").await;
    cloud.call(&write, "GET", music).ok().await;
    cloud.call(&read, "GET", music).ok().await;
}

#[tokio::test]
async fn an_application_has_no_user_and_opens_all_drives() {
    let cloud = GraphServer::with(|builder| builder.kind(AccountKind::Business)).await;
    let anna = cloud.named("anna.business");
    anna.put("a.txt", "x").await;
    let user = anna.get("/me").await;
    let drive = anna.id().await;
    let own = cloud.drive().id().await;
    let team = cloud.of(AccountKind::Library);
    let site = team.get("/sites/root").await;
    let token = cloud.app_token("https://graph.microsoft.com/.default").await;
    for path in ["/v1.0/me", "/v1.0/me/drive", "/v1.0/me/drive/root/children", "/v1.0/me/drives"] {
        let refused = cloud.call(&token, "GET", path).refused(400, "BadRequest").await;
        let text = "/me request is only valid with delegated authentication flow.";
        assert_eq!(message(&refused), text, "{path}");
    }
    for path in [
        format!("/v1.0/drives/{drive}/root:/a.txt"),
        format!("/v1.0/users/{}", id(&user)),
        format!("/v1.0/users/{}/drive/root:/a.txt", user["userPrincipalName"].as_str().unwrap()),
        format!("/v1.0/drives/{own}"),
        format!("/v1.0/sites/{}", id(&site)),
        format!("/v1.0/sites/{}/drive", id(&site)),
    ] {
        cloud.call(&token, "GET", &path).ok().await;
    }
    let sites = cloud.call(&token, "GET", "/v1.0/sites?search=*").ok().await.json();
    let all = sites["value"].as_array().unwrap();
    assert!(all.iter().any(|one| id(one) == id(&site)), "{sites}");
    cloud.call(&token, "GET", "/v1.0/drives/b!unknown").refused(404, "itemNotFound").await;
    cloud.call(&token, "GET", "/v1.0/users/nobody@a.example").await.refusal();
    let delegated = cloud.user_token("https://graph.microsoft.com/.default").await;
    let other = format!("/v1.0/drives/{drive}");
    cloud.call(&delegated, "GET", &other).refused(403, "accessDenied").await;
}

#[tokio::test]
async fn an_application_with_selected_sites_opens_those_it_was_given() {
    let application = |id: &str, role: &str| json!({"id": id, "secrets": ["s"], "roles": [role]});
    let directory = json!({
        "tenants": [{"id": "5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c", "domains": [TENANT]}],
        "users": [{"name": "team", "kind": "library"}, {"name": "other", "kind": "library"}],
        "applications": [
            application("app", "Sites.Selected"),
            application("admin", "Sites.FullControl.All"),
            application("writer", "Sites.ReadWrite.All"),
        ],
    });
    let directory = Directory::from_json(directory.to_string().as_bytes()).expect("valid");
    let cloud = GraphServer::with(|builder| builder.directory(directory)).await;
    let (team, other) = (cloud.named("team.library"), cloud.named("other.library"));
    team.put("a.txt", "a").await;
    other.put("b.txt", "b").await;
    let site = id(&team.get("/sites/root").await).to_owned();
    let (granted, hidden) = (team.id().await, other.id().await);
    let selected = cloud.token_of_app("app").await;
    let file = format!("/v1.0/drives/{granted}/root:/a.txt");
    cloud.call(&selected, "GET", &file).refused(403, "accessDenied").await;
    let permissions = format!("/v1.0/sites/{site}/permissions");
    let grant = json!({
        "roles": ["read"],
        "grantedToIdentities": [{"application": {"id": "app", "displayName": "Reader"}}],
    });
    let create = |token: &str, body: &Value| {
        cloud.send("POST", &cloud.url(&permissions)).token(token).json(body)
    };
    let admin = cloud.token_of_app("admin").await;
    let writer = cloud.token_of_app("writer").await;
    for token in [&selected, &writer] {
        create(token, &grant).refused(403, "accessDenied").await;
    }
    let created = create(&admin, &grant).await;
    let permission = created.json_with_status(201);
    assert_eq!(permission["grantedToIdentitiesV2"][0]["application"]["displayName"], "Reader");
    cloud.call(&selected, "GET", &file).ok().await;
    cloud.call(&selected, "GET", &format!("/v1.0/sites/{site}")).ok().await;
    let sites = cloud.call(&selected, "GET", "/v1.0/sites?search=*").ok().await.json();
    assert_eq!(sites["value"].as_array().unwrap().len(), 1, "{sites}");
    let elsewhere = format!("/v1.0/drives/{hidden}/root:/b.txt");
    cloud.call(&selected, "GET", &elsewhere).refused(403, "accessDenied").await;
    let lists = format!("/v1.0/sites/{site}/lists");
    for list in [lists.clone(), format!("{lists}/Documents/items"), format!("{lists}/Documents")] {
        cloud.call(&selected, "GET", &list).ok().await;
    }
    let other_site = id(&other.get("/sites/root").await).to_owned();
    assert_ne!(other_site, site);
    for path in [
        "lists",
        "drives",
        "lists/Documents",
        "lists/Documents/items",
        "lists/Documents/drive",
        "lists/Documents/columns",
    ] {
        let path = format!("/v1.0/sites/{other_site}/{path}");
        cloud.call(&selected, "GET", &path).refused(403, "accessDenied").await;
    }
    let put = format!("/v1.0/drives/{granted}/root:/new.txt:/content");
    cloud.call(&selected, "PUT", &put).refused(403, "accessDenied").await;
    let one = format!("{permissions}/{}", id(&permission));
    let change = cloud.send("PATCH", &cloud.url(&one)).token(&admin);
    change.json(json!({"roles": ["write"]})).ok().await;
    cloud.call(&selected, "PUT", &put).ok().await;
    let listed = cloud.call(&admin, "GET", &permissions).ok().await.json();
    assert_eq!(listed["value"][0]["roles"], json!(["write"]));
    assert_eq!(cloud.call(&admin, "DELETE", &one).await.status, 204);
    cloud.call(&admin, "GET", &one).refused(404, "itemNotFound").await;
    cloud.call(&selected, "GET", &file).refused(403, "accessDenied").await;
    for body in [json!({"roles": ["read"]}), json!({"roles": ["king"], "grantedTo": {}})] {
        create(&admin, &body).refused(400, "invalidRequest").await;
    }
}

#[tokio::test]
async fn files_of_other_users_need_a_permission_for_all_files() {
    let cloud = GraphServer::new().await;
    let file = cloud.named("anna").put("a.txt", "a").await;
    let drive = cloud.named("anna").id().await;
    let invitation = json!({"recipients": [{"email": "bea@drivedal.example"}], "roles": ["write"]});
    let invite = cloud.named("anna").request("POST", "/me/drive/root:/a.txt:/invite");
    invite.json(invitation).ok().await;
    let path = format!("/v1.0/drives/{drive}/items/{}", id(&file));
    for (scope, reads, writes) in [
        ("Files.Read", false, false),
        ("Files.ReadWrite", false, false),
        ("Files.Read.All", true, false),
        ("Files.ReadWrite.All", true, true),
    ] {
        let token = cloud.token_of("bea", scope).await;
        let status = |allowed| if allowed { 200 } else { 403 };
        assert_eq!(cloud.call(&token, "GET", &path).await.status, status(reads), "{scope}");
        let url = cloud.url(&path);
        let change = cloud.send("PATCH", &url).token(&token).json(json!({"description": scope}));
        assert_eq!(change.await.status, status(writes), "{scope}");
    }
}

#[tokio::test]
async fn a_token_is_accepted_by_its_resource_only() {
    let cloud = GraphServer::with(|builder| builder.kind(AccountKind::Business)).await;
    let graph = cloud.user_token("Files.ReadWrite").await;
    let sharepoint = cloud.user_token("https://contoso.sharepoint.com/AllSites.Write").await;
    let api = cloud.user_token("api://photos/read").await;
    let direct = "/_api/v2.0/drive";
    cloud.call(&graph, "GET", "/v1.0/me/drive").ok().await;
    cloud.call(&sharepoint, "GET", direct).ok().await;
    let refused = cloud.call(&api, "GET", "/v1.0/me/drive").await;
    assert_eq!(refused.refusal(), (401, "InvalidAuthenticationToken".into()));
    for (token, path, code) in [
        (&sharepoint, "/v1.0/me/drive", "InvalidAuthenticationToken"),
        (&graph, direct, "unauthenticated"),
    ] {
        let refused = cloud.call(token, "GET", path).await;
        assert_eq!(refused.refusal(), (401, code.to_owned()), "{path}");
        assert!(refused.header("www-authenticate").contains("invalid_token"), "{path}");
        let text = "Access token validation failure. Invalid audience.";
        assert_eq!(message(&refused.json()), text, "{path}");
    }
    let live = cloud.call(&graph, "GET", "/v5.0/me").await;
    assert_eq!(live.refusal(), (401, "request_token_invalid".into()));
    assert_eq!(cloud.call(&graph, "GET", "/drive/v1/account/info").await.status, 401);
    assert_eq!(cloud.call(&graph, "GET", "/oidc/userinfo").await.status, 200);
    assert_eq!(cloud.call(&sharepoint, "GET", "/oidc/userinfo").await.status, 401);
}

#[tokio::test]
async fn a_refresh_token_gives_tokens_for_several_resources_with_the_same_rights() {
    let cloud = GraphServer::with(|builder| builder.kind(AccountKind::Business)).await;
    let location = cloud
        .send(
            "GET",
            &cloud.url(
                "/common/oauth2/v2.0/authorize?client_id=app&response_type=code\
                 &scope=Files.Read%20offline_access&redirect_uri=http://localhost:9/",
            ),
        )
        .await
        .location();
    let code = location.split("code=").nth(1).unwrap();
    let url = cloud.url("/common/oauth2/v2.0/token");
    let send = async |form: String| cloud.send("POST", &url).form(&form).await;
    let form = format!(
        "client_id=app&grant_type=authorization_code&redirect_uri=http://localhost:9/&code={code}"
    );
    let refresh = send(form).await.json_with_status(200)["refresh_token"].clone();
    let refreshed = async |scope: &str| {
        let refresh = refresh.as_str().unwrap();
        send(format!(
            "client_id=app&grant_type=refresh_token&refresh_token={refresh}&scope={scope}"
        ))
        .await
    };
    let token = access_token(&refreshed("https://contoso.sharepoint.com/.default").await);
    cloud.call(&token, "GET", "/_api/v2.0/drive/root").ok().await;
    cloud.call(&token, "DELETE", "/_api/v2.0/drive/root:/a").refused(403, "accessDenied").await;
    cloud.call(&token, "GET", "/v1.0/me/drive").refused(401, "InvalidAuthenticationToken").await;
    let token = access_token(&refreshed("https://graph.microsoft.com/.default").await);
    cloud.call(&token, "DELETE", "/v1.0/me/drive/root:/a").refused(403, "accessDenied").await;
    let both = refreshed("Files.Read%20https://contoso.sharepoint.com/.default").await;
    assert_eq!(both.json()["error_codes"], json!([28_000]));
    // The other clouds' token endpoints do not accept it.
    for path in ["/oauth20_token.srf", "/auth/o2/token"] {
        let form = format!(
            "client_id=app&grant_type=refresh_token&refresh_token={}",
            refresh.as_str().unwrap()
        );
        let refused = cloud.send("POST", &cloud.url(path)).form(&form).await;
        assert_eq!(refused.json_with_status(400)["error"], "invalid_grant", "{path}");
    }
}

#[tokio::test]
async fn the_development_token_may_do_everything() {
    let cloud = GraphServer::with(|builder| builder.kind(AccountKind::Business)).await;
    for path in ["/v1.0/me", "/v1.0/me/drive", "/_api/v2.0/drive", "/v1.0/sites/root", "/v5.0/me"] {
        cloud.call("drivedal-dev", "GET", path).ok().await;
    }
    cloud.call("drivedal-dev", "GET", "/drive/v1/account/info").ok().await;
    cloud.drive().put("a", "x").await;
}
