//! Tests the contract of every route in the table with options, preferences and body members of
//! each sort.

use std::{collections::BTreeSet, io::Cursor};

use drivedal_test_support::http::client;
use http::{Method, StatusCode};
use reqwest::Client;
use serde_json::{Value, json};

use super::{
    contract::{BodyRule, UnknownMembers},
    query::SYSTEM_OPTIONS,
    table::{GraphRoute, ROUTES},
};
use crate::Server;

/// A server, and a client for it.
struct TestServer {
    server: Server,
    client: Client,
    picture: Vec<u8>,
    /// The number of fixtures so far, for their names.
    fixtures: std::sync::atomic::AtomicUsize,
}

/// The parts of a response that tests compare.
#[derive(Debug)]
struct ContractResponse {
    status: StatusCode,
    location: String,
    body: Value,
}

impl ContractResponse {
    fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    fn keys(&self) -> BTreeSet<&str> {
        self.body.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }
}

/// Items and URLs that the requests of one route use.
struct RouteFixture<'a> {
    server: &'a TestServer,
    route: &'static GraphRoute,
    /// Name of the folder with the items.
    name: String,
    values: Vec<(&'static str, String)>,
}

impl TestServer {
    async fn new() -> Self {
        let server = Server::builder().start().await.unwrap();
        let mut picture = Cursor::new(Vec::new());
        let image = image::DynamicImage::new_rgb8(40, 30);
        image.write_to(&mut picture, image::ImageFormat::Png).unwrap();
        Self { server, client: client(), picture: picture.into_inner(), fixtures: 0.into() }
    }

    fn url(&self, base: &str, path: &str) -> String {
        if path.starts_with("http") {
            return path.to_owned();
        }
        format!("{}{base}{path}", self.server.url().as_str().trim_end_matches('/'))
    }

    async fn send(
        &self,
        account: &str,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> ContractResponse {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, url);
        request = request.header("authorization", format!("Bearer drivedal-dev-{account}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body).send().await.unwrap();
        let status = response.status();
        let location = response.headers().get("location");
        let location = location.map_or("", |value| value.to_str().unwrap()).to_owned();
        let bytes = response.bytes().await.unwrap();
        ContractResponse {
            status,
            location,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    /// Creates the items that a route's example names.
    async fn fixture(&self, route: &'static GraphRoute) -> RouteFixture<'_> {
        let number = self.fixtures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut fixture =
            RouteFixture { server: self, route, name: format!("walk{number}"), values: Vec::new() };
        fixture.create().await;
        fixture
    }
}

impl RouteFixture<'_> {
    async fn ok(&self, method: &str, path: &str, body: &Value) -> ContractResponse {
        let url = self.server.url("/v1.0", path);
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let response = self.server.send(self.route.example.account, method, &url, &[], body).await;
        assert!(response.status.as_u16() < 400, "{method} {path}: {response:?}");
        response
    }

    async fn make_file(&self, name: &str) -> String {
        let path = format!("/me/drive/root:/{}/{name}:/content", self.name);
        let url = self.server.url("/v1.0", &path);
        let account = self.route.example.account;
        let picture = self.server.picture.clone();
        let response = self.server.send(account, "PUT", &url, &[], picture).await;
        response.body["id"].as_str().unwrap_or_else(|| panic!("{response:?}")).to_owned()
    }

    /// Creates the items and URLs that the example's placeholders need.
    async fn create(&mut self) {
        let path = self.route.example.path;
        let file = self.make_file("f.png").await;
        let item = format!("/me/drive/items/{file}");
        if path.contains("{folder}") {
            self.make_file("d/1").await;
            self.make_file("d/2").await;
            let found = format!("/me/drive/root:/{}/d", self.name);
            let folder = self.ok("GET", &found, &Value::Null).await;
            self.keep("{folder}", &folder.body["id"]);
        }
        if path.contains("{versioned}") || path.contains("{versionedNumber}") {
            let versioned = self.make_file("v").await;
            assert_eq!(self.make_file("v").await, versioned);
            if path.contains("{versionedNumber}") {
                let list_item = format!("/me/drive/items/{versioned}/listItem");
                let list_item = self.ok("GET", &list_item, &Value::Null).await;
                self.keep("{versionedNumber}", &list_item.body["id"]);
            }
            self.keep("{versioned}", &versioned.into());
        }
        if path.contains("{checkedOut}") {
            let checked_out = self.make_file("o").await;
            self.ok("POST", &format!("/me/drive/items/{checked_out}/checkout"), &Value::Null).await;
            self.keep("{checkedOut}", &checked_out.into());
        }
        if path.contains("{followed}") {
            self.ok("POST", &format!("{item}/follow"), &Value::Null).await;
            self.keep("{followed}", &file.clone().into());
        }
        if path == "/me/followedSites/remove" {
            let body = json!({"value": [{"id": "root"}]});
            self.ok("POST", "/me/followedSites/add", &body).await;
        }
        if path.contains("{document}") {
            let document = self.make_file("d.pdf").await;
            self.keep("{document}", &document.into());
        }
        if path.contains("{labelled}") {
            let label = json!({"name": "Contracts"});
            self.ok("PATCH", &format!("{item}/retentionLabel"), &label).await;
            self.keep("{labelled}", &file.clone().into());
        }
        if path.contains("{bundle}") {
            let body = json!({"name": self.name, "bundle": {}, "children": [{"id": file}]});
            let bundle = self.ok("POST", "/drive/bundles", &body).await;
            self.keep("{bundle}", &bundle.body["id"]);
        }
        if path.contains("{trashed}") {
            let trashed = self.make_file("t").await;
            self.ok("DELETE", &format!("/me/drive/items/{trashed}"), &Value::Null).await;
            self.keep("{trashed}", &trashed.into());
        }
        if path.contains("{permission}") {
            let body = json!({"recipients": [{"email": "a@example.org"}], "roles": ["read"]});
            let given = self.ok("POST", &format!("{item}/invite"), &body).await;
            self.keep("{permission}", &given.body["value"][0]["id"]);
        }
        if path.contains("{number}") {
            let found = self.ok("GET", &format!("{item}/listItem"), &Value::Null).await;
            self.keep("{number}", &found.body["id"]);
        }
        if path.contains("{group}") {
            let drive = self.ok("GET", "/me/drive", &Value::Null).await;
            self.keep("{group}", &drive.body["owner"]["group"]["id"]);
        }
        if path.contains("/photo") {
            let url = self.server.url("/v1.0", "/me/photo/$value");
            let (account, picture) = (self.route.example.account, self.server.picture.clone());
            let put = self.server.send(account, "PUT", &url, &[], picture).await;
            assert_eq!(put.status, StatusCode::OK, "{put:?}");
        }
        if path == "{upload}" {
            let complete = self.route.example.method == "POST";
            let create = format!("/me/drive/root:/{}/u:/createUploadSession", self.name);
            let made = self.ok("POST", &create, &json!({ "deferCommit": complete })).await;
            let url = made.body["uploadUrl"].as_str().unwrap();
            if complete {
                let range = [("content-range", "bytes 0-0/1")];
                let put = self.server.send("", "PUT", url, &range, b"b".to_vec()).await;
                assert_eq!(put.status, StatusCode::ACCEPTED, "{put:?}");
            }
            self.keep("{upload}", &url.into());
        }
        if path == "{monitor}" {
            let copied = self.ok("POST", &format!("{item}/copy"), &json!({"name": "c"})).await;
            self.keep("{monitor}", &copied.location.into());
        }
        if path.contains("{linkid}") || path.contains("{share}") {
            let made =
                self.ok("POST", &format!("{item}/createLink"), &json!({"type": "view"})).await;
            self.keep("{linkid}", &made.body["id"]);
            self.keep("{share}", &made.body["shareId"]);
        }
        if path.contains("{sitepermission}") {
            let body = json!({
                "roles": ["read"], "grantedToIdentities": [{"application": {"id": "app"}}],
            });
            let granted = self.ok("POST", "/sites/root/permissions", &body).await;
            self.keep("{sitepermission}", &granted.body["id"]);
        }
        if path == "{link}" {
            let body = json!({"type": "view", "scope": "anonymous"});
            let made = self.ok("POST", &format!("{item}/createLink"), &body).await;
            self.keep("{link}", &made.body["link"]["webUrl"]);
        }
        self.keep("{file}", &file.into());
    }

    fn keep(&mut self, name: &'static str, value: &Value) {
        self.values.push((name, value.as_str().expect("a value").to_owned()));
    }

    /// Sends the route's request with an additional option and header, and with another body.
    async fn send_with(
        &self,
        base: &str,
        option: &str,
        header: Option<(&str, &str)>,
        body: Option<Value>,
    ) -> ContractResponse {
        let example = &self.route.example;
        let mut path = example.path.replace("walk/", &format!("{}/", self.name));
        for (name, value) in &self.values {
            path = path.replace(name, value);
        }
        let mut url = self.server.url(base, &path);
        if !option.is_empty() {
            let joint = if url.contains('?') { '&' } else { '?' };
            url = format!("{url}{joint}{option}");
        }
        let mut headers: Vec<_> = header.into_iter().collect();
        if example.path == "{upload}" && example.method == "PUT" {
            headers.push(("content-range", "bytes 0-0/1"));
        }
        if example.body.starts_with("--walk") {
            headers.push(("content-type", "multipart/related; boundary=walk"));
        }
        let fill = |body: String| {
            let fill = |body: String, (name, value): &(&str, String)| body.replace(name, value);
            let body = body.replace("{unique}", &self.name);
            self.values.iter().fold(body, fill).into_bytes()
        };
        let body = match (body, example.body) {
            (Some(body), _) => fill(body.to_string()),
            (None, "{picture}") => self.server.picture.clone(),
            (None, body) => fill(body.to_owned()),
        };
        self.server.send(example.account, example.method, &url, &headers, body).await
    }

    async fn option(&self, option: &str) -> ContractResponse {
        self.send_with("/v1.0", option, None, None).await
    }

    /// Returns the file and its permissions, to compare them before and after a request.
    async fn file(&self) -> Value {
        let file = self.values.iter().find(|(name, _)| *name == "{file}").unwrap();
        let path = format!("/me/drive/items/{}?$select=eTag,name,parentReference", file.1);
        let permissions = format!("/me/drive/items/{}/permissions", file.1);
        let item = self.ok("GET", &path, &Value::Null).await.body;
        json!([item, self.ok("GET", &permissions, &Value::Null).await.body])
    }
}

/// Returns a valid value of an option on a route.
fn sample(option: &str, route: &GraphRoute) -> &'static str {
    let is_directory = ["users", "groups", "members", "memberOf"]
        .iter()
        .any(|name| route.operation == format!("graph.{name}.list"));
    match option {
        "expand" if !route.contract.relations.is_empty() => route.contract.relations[0],
        "orderby" if is_directory => "displayName",
        "filter" if is_directory => "displayName eq 'x'",
        "filter" if route.operation == "graph.listItems.list" => "fields/Title eq 'x'",
        "select" => "id",
        "expand" => "thumbnails",
        "top" | "AVOverride" => "1",
        "orderby" => "name",
        "filter" => "name ne 'x'",
        "token" => "latest",
        "count" | "includeDeletedItems" | "allowexternal" | "originalOrientation" => "true",
        "search" => "*",
        _ => "x",
    }
}

/// Returns the body of a route's example with an additional member.
fn with_member(example: &str, path: &str, value: &Value) -> Value {
    let mut body: Value = match example {
        "" => json!({}),
        text => serde_json::from_str(text).unwrap(),
    };
    let mut within = &mut body;
    let mut names = path.split('.').peekable();
    while let Some(first) = names.next() {
        // The names of annotations contain dots.
        let name = match first.starts_with('@') {
            true => path[path.find('@').unwrap()..].to_owned(),
            false => first.to_owned(),
        };
        let is_last = first.starts_with('@') || names.peek().is_none();
        if let Value::Array(all) = within {
            within = &mut all[0];
        }
        if is_last {
            within[&name] = value.clone();
            break;
        }
        if within.get(&name).is_none() {
            within[&name] = if name == "requests" { json!([{}]) } else { json!({}) };
        }
        within = &mut within[&name];
    }
    body
}

/// Returns a value that differs from the default.
fn other_value(default: Option<&str>) -> Value {
    match default {
        Some("true") => false.into(),
        Some("false") => true.into(),
        _ => "x".into(),
    }
}

fn split_default(entry: &'static str) -> (&'static str, Option<&'static str>) {
    entry.split_once('=').map_or((entry, None), |(name, default)| (name, Some(default)))
}

#[tokio::test]
async fn every_route_treats_options_by_its_contract() {
    let server = TestServer::new().await;
    for route in ROUTES {
        let at = format!("{} {}", route.example.method, route.example.path);
        let contract = &route.contract;
        let plain = server.fixture(route).await.option("").await;
        // It is for an application's own token, and the walk has those of users.
        let is_for_applications = route.example.path == "/sites/getAllSites";
        assert!(plain.status.as_u16() < 400 || is_for_applications, "{at}: {plain:?}");
        for option in contract.odata.iter().chain(contract.plain) {
            if ["skiptoken", "tempauth", "guid", "overwrite", "rename"].contains(option)
                || route.example.path.contains(&format!("{option}="))
                || (*option == "search" && route.contract.odata.contains(&"orderby"))
            {
                // These options are part of the server's own URLs or of the example, or need a
                // header.
                continue;
            }
            let named = format!("{option}={}", sample(option, route));
            let response = server.fixture(route).await.option(&named).await;
            assert_eq!(response.status, plain.status, "{at} {named}: {response:?}");
        }
        let unknown = server.fixture(route).await.option("colour=red").await;
        assert_eq!(unknown.status, plain.status, "{at}: {unknown:?}");
        assert_eq!(unknown.keys(), plain.keys(), "{at}");
        let fixture = server.fixture(route).await;
        let before = fixture.file().await;
        let undeclared = |name: &&&str| {
            !contract.odata.contains(name)
                && !contract.refused.contains(name)
                && !contract.unimplemented.contains(name)
        };
        for name in SYSTEM_OPTIONS.iter().filter(undeclared) {
            for named in [format!("${name}"), (*name).to_owned(), format!("%24{name}")] {
                let response = fixture.option(&format!("{named}=xml")).await;
                assert_refused(&at, &response, 501, &named.replace("%24", "$"));
            }
        }
        for entry in contract.unimplemented {
            let (name, default) = split_default(entry);
            let value = other_value(default).to_string().replace('"', "");
            assert_refused(&at, &fixture.option(&format!("{name}={value}")).await, 501, name);
        }
        for name in contract.refused {
            assert_refused(&at, &fixture.option(&format!("${name}=1")).await, 400, name);
        }
        for preference in contract.preferences {
            let header = Some(("prefer", *preference));
            assert_refused(
                &at,
                &fixture.send_with("/v1.0", "", header, None).await,
                501,
                preference,
            );
        }
        for base in ["/v1.0", "/beta", "/_api/v2.0"] {
            let response = fixture.send_with(base, "$colour=red", None, None).await;
            assert_refused(&at, &response, 400, "$colour");
        }
        assert_eq!(fixture.file().await, before, "{at}: a refused request has no effect");
    }
}

#[tokio::test]
async fn every_route_treats_body_members_by_its_contract() {
    let server = TestServer::new().await;
    for route in ROUTES {
        let BodyRule::Json(members) = &route.contract.body else { continue };
        let at = format!("{} {}", route.example.method, route.example.path);
        let example = route.example.body;
        let with = |path: &str, value: &Value| Some(with_member(example, path, value));
        let plain = server.fixture(route).await.option("").await;
        let fixture = server.fixture(route).await;
        let before = fixture.file().await;
        for entry in members.unimplemented {
            let (name, default) = split_default(entry);
            let body = with(name, &other_value(default));
            assert_refused(&at, &fixture.send_with("/v1.0", "", None, body).await, 501, name);
        }
        if let UnknownMembers::Refused(code) = members.unknown {
            let response = fixture.send_with("/v1.0", "", None, with("colour", &1.into())).await;
            assert_refused(&at, &response, 400, "colour");
            assert_eq!(response.body["error"]["code"], code, "{at}");
        }
        assert_eq!(fixture.file().await, before, "{at}: a refused request has no effect");
        if members.unknown == UnknownMembers::Ignored {
            let fixture = server.fixture(route).await;
            let response = fixture.send_with("/v1.0", "", None, with("colour", &1.into())).await;
            assert_eq!(response.status, plain.status, "{at}: {response:?}");
        }
        for entry in members.unimplemented {
            let (name, default) = split_default(entry);
            let value = default.map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
            let fixture = server.fixture(route).await;
            let response = fixture.send_with("/v1.0", "", None, with(name, &value)).await;
            assert_eq!(response.status, plain.status, "{at} {name}: {response:?}");
        }
        for name in members.implemented {
            let fixture = server.fixture(route).await;
            let response = fixture.send_with("/v1.0", "", None, with(name, &"x".into())).await;
            assert_ne!(response.status, StatusCode::NOT_IMPLEMENTED, "{at} {name}: {response:?}");
            assert!(!response.message().contains("not a parameter"), "{at} {name}: {response:?}");
        }
    }
}

/// Asserts that a response refuses something by its name.
fn assert_refused(at: &str, response: &ContractResponse, status: u16, name: &str) {
    assert_eq!(response.status.as_u16(), status, "{at} {name}: {response:?}");
    assert!(response.message().contains(name), "{at} {name}: {response:?}");
    if status == 501 {
        assert_eq!(response.body["error"]["code"], "notSupported", "{at} {name}");
    }
}

#[test]
fn every_operation_is_listed_once() {
    let all = &*super::route::OPERATIONS;
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}
