//! `docs/server/graph-requests.md` has the state of each request of Microsoft's reference. This test
//! sends all of them, so that the document stays true.

use std::collections::BTreeMap;

use drivedal_server::Directory;
use drivedal_test_support::media;
use serde_json::{Value, json};

use crate::graph::harness::{GraphServer, TestRequest, TestResponse, id};

const DOCUMENT: &str = include_str!("../../../../../docs/server/graph-requests.md");

const TENANT: &str = "5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c";

const LABEL: &str = "5feba255-812e-446a-ac59-a7044ef827b5";

/// A row of the document.
struct Row<'d> {
    method: &'d str,
    path: &'d str,
    /// The text in parentheses after the request; empty if it has none.
    variant: &'d str,
    status: u16,
    state: State<'d>,
}

#[derive(Debug, PartialEq)]
enum State<'d> {
    AsDocumented,
    /// Options (`?name`) and members of the body that are refused.
    Part(Vec<&'d str>),
    NotImplemented,
}

/// Returns the texts between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

impl<'d> Row<'d> {
    /// Returns all rows of the document.
    fn all() -> Vec<Self> {
        DOCUMENT.lines().filter_map(|line| Row::parse(line.strip_prefix("| `")?)).collect()
    }

    /// Parses a row after its first backtick; `None` if it is no request.
    fn parse(line: &'d str) -> Option<Self> {
        let (request, rest) = line.split_once('`')?;
        let (method, path) = request.split_once(' ')?;
        let cells: Vec<&str> = rest.trim_end_matches('|').split(" | ").map(str::trim).collect();
        let [variant, status, state] = cells[..] else { panic!("three cells: {line}") };
        let state = match state {
            "as documented" => State::AsDocumented,
            "not implemented" => State::NotImplemented,
            part => {
                let without = part.strip_prefix("part: without ");
                State::Part(quoted(without.unwrap_or_else(|| panic!("a state: {line}"))))
            }
        };
        let variant = variant.trim_matches(['(', ')']);
        Some(Self { method, path, variant, status: status.parse().expect("a status"), state })
    }

    fn is(&self, method: &str, end: &str) -> bool {
        self.method == method && self.path.ends_with(end)
    }

    fn has(&self, part: &str) -> bool {
        self.path.contains(part)
    }
}

fn directory() -> Directory {
    let directory = json!({
        "tenants": [{"id": TENANT, "domains": ["contoso.example"]}],
        "users": [
            {"name": "anna", "kind": "business", "tenant": TENANT},
            {"name": "bob", "kind": "business", "tenant": TENANT},
            {"name": "pia", "kind": "personal"},
        ],
        "groups": [{"name": "team", "tenant": TENANT, "owners": ["anna"], "members": ["anna"]}],
        "applications": [{"id": "daemon", "secrets": ["s"]}],
    });
    Directory::from_json(directory.to_string().as_bytes()).expect("valid")
}

/// The server, and the values of placeholders that all rows share.
struct Reference {
    cloud: GraphServer,
    shared: BTreeMap<&'static str, String>,
    daemon: String,
}

/// The items of one row, and the values of its placeholders.
struct Example<'r> {
    reference: &'r Reference,
    token: String,
    /// The path of the drive with the items, such as `/me/drive`.
    drive: String,
    /// The name of the folder of the items.
    folder: String,
    values: BTreeMap<&'static str, String>,
}

impl Reference {
    async fn new() -> Self {
        let cloud = GraphServer::with(|builder| builder.directory(directory())).await;
        let anna = cloud.named("anna.business");
        let group = anna.get("/groups").await["value"][0]["id"].as_str().unwrap().to_owned();
        let site = anna.get(&format!("/groups/{group}/sites/root")).await;
        let list = anna.get(&format!("/groups/{group}/drive/list")).await;
        let form = "grant_type=client_credentials&client_id=daemon&client_secret=s\
                    &scope=https://graph.microsoft.com/.default";
        let url = cloud.url(&format!("/{TENANT}/oauth2/v2.0/token"));
        let daemon = cloud.send("POST", &url).form(form).ok().await.member("access_token");
        let hostname = site["siteCollection"]["hostname"].as_str().unwrap();
        let web_url = site["webUrl"].as_str().unwrap();
        let shared = BTreeMap::from([
            ("{group-id}", group),
            ("{site-id}", id(&site).to_owned()),
            ("{hostname}", hostname.to_owned()),
            ("{site-path}", web_url.splitn(4, '/').nth(3).unwrap_or_default().to_owned()),
            ("{user-id}", id(&anna.get("/me").await).to_owned()),
            ("{list-id}", id(&list).to_owned()),
            ("{list-title}", list["displayName"].as_str().unwrap().to_owned()),
            ("{name}", "documents".to_owned()),
            ("{thumb-id}", "0".to_owned()),
            ("{size}", "small".to_owned()),
            ("{format}", "pdf".to_owned()),
            ("{search-text}", "row".to_owned()),
            ("{query}", "team".to_owned()),
            ("{start}", "2024-05-01".to_owned()),
            ("{end}", "2024-05-20".to_owned()),
        ]);
        Self { cloud, shared, daemon }
    }

    /// Creates the items that a row needs.
    async fn example(&self, row: &Row<'_>, number: usize) -> Example<'_> {
        let is_personal = row.has("bundle") || row.is("POST", "/restore");
        let account = if is_personal { "pia.personal" } else { "anna.business" };
        let is_app = row.path == "/sites/getAllSites";
        let mut example = Example {
            reference: self,
            token: if is_app { self.daemon.clone() } else { format!("drivedal-dev-{account}") },
            drive: String::new(),
            folder: format!("row{number}"),
            values: self.shared.clone(),
        };
        if is_app {
            return example;
        }
        let of_site = row.path.starts_with("/groups/") || row.path.starts_with("/sites/");
        example.drive = if of_site { "/groups/{group-id}/drive" } else { "/me/drive" }.to_owned();
        let id_of_drive = example.get(&example.drive).await["id"].clone();
        example.keep("{drive-id}", &id_of_drive);
        example.create(row).await;
        example
    }
}

impl Example<'_> {
    fn keep(&mut self, name: &'static str, value: &Value) {
        let value = value.as_str().unwrap_or_else(|| panic!("no {name}: {value}")).to_owned();
        self.values.insert(name, value);
    }

    /// Returns a path with the values of its placeholders.
    fn filled(&self, path: &str) -> String {
        let fill = |path: String, (name, value): (&&str, &String)| path.replace(name, value);
        self.values.iter().fold(path.to_owned(), fill)
    }

    fn request(&self, method: &str, path: &str) -> TestRequest {
        let path = self.filled(path);
        if path.starts_with("http") {
            return self.reference.cloud.send(method, &path);
        }
        let url = self.reference.cloud.url(&format!("/v1.0{path}"));
        self.reference.cloud.send(method, &url).token(&self.token)
    }

    async fn get(&self, path: &str) -> Value {
        self.request("GET", path).ok().await.json()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let response = self.request("POST", path).json(body).ok().await;
        serde_json::from_slice(&response.body).unwrap_or_default()
    }

    async fn put_file(&self, name: &str) -> Value {
        let path = format!("{}/root:/{}/{name}:/content", self.drive, self.folder);
        self.request("PUT", &path).body(media::photo(40, 30)).ok().await.json()
    }

    /// Creates the items and resources whose placeholders a row has.
    async fn create(&mut self, row: &Row<'_>) {
        // Only documents have sensitivity labels.
        let name = if row.has("SensitivityLabel") { "file.pdf" } else { "file.png" };
        self.put_file(name).await;
        let file = self.put_file(name).await;
        let other = self.put_file("other.png").await;
        let lists_folder = row.has("/children") && !row.has("bundle");
        let item = if lists_folder { &file["parentReference"]["id"] } else { &file["id"] };
        self.keep("{item-id}", item);
        self.keep("{other-id}", &other["id"]);
        self.keep("{parent-id}", &file["parentReference"]["id"]);
        let name = if lists_folder { String::new() } else { format!("/{name}") };
        self.values.insert("{item-path}", format!("{}{name}", self.folder));
        self.values.insert("{filename}", "new.txt".to_owned());
        self.values.insert("{version-id}", "1.0".to_owned());
        let item = format!("{}/items/{}", self.drive, id(&file));
        if row.has("{list-item-id}") || row.has("{unique-id}") {
            let list_item = self.get(&format!("{item}/listItem")).await;
            self.keep("{list-item-id}", &list_item["id"]);
            let unique = list_item["eTag"].as_str().unwrap().trim_matches(['"', '{']);
            self.values.insert("{unique-id}", unique[..36].to_owned());
        }
        let is_served = row.state != State::NotImplemented;
        if row.has("{column-id}") && is_served {
            let name = format!("column{}", self.folder);
            let of = row.path.split("/{column-id}").next().unwrap();
            let column = self.post(of, json!({"name": name, "text": {}})).await;
            self.keep("{column-id}", &column["id"]);
        }
        if row.has("{bundle-id}") && is_served {
            let body = json!({"name": self.folder, "bundle": {}, "children": [{"id": file["id"]}]});
            let bundle = self.post("/me/drive/bundles", body).await;
            self.keep("{bundle-id}", &bundle["id"]);
        }
        if row.has("{share-id}") {
            let link = self.post(&format!("{item}/createLink"), json!({"type": "edit"})).await;
            self.keep("{share-id}", &link["shareId"]);
        }
        if row.has("{perm-id}") {
            let body = json!({"recipients": [{"email": "bob@contoso.example"}], "roles": ["read"]});
            let invited = self.post(&format!("{item}/invite"), body).await;
            self.keep("{perm-id}", &invited["value"][0]["id"]);
        }
        if row.has("{site-permission-id}") {
            let granted = self.post("/sites/{site-id}/permissions", site_permission()).await;
            self.keep("{site-permission-id}", &granted["id"]);
        }
        if row.has("{upload-url}") {
            let path = format!("{}/root:/{}/up.txt:/createUploadSession", self.drive, self.folder);
            let session = self.post(&path, json!({})).await;
            self.keep("{upload-url}", &session["uploadUrl"]);
        }
        let has_check_out = row.status == 204 && row.has("{item-id}/discardCheckout")
            || row.is("POST", "/checkin")
            || row.is("POST", "driveItem/discardCheckout");
        if has_check_out {
            self.request("POST", &format!("{item}/checkout")).ok().await;
        }
        if row.is("POST", "/followedSites/remove") {
            self.post(
                "/me/followedSites/add",
                json!({"value": [{"id": self.filled("{site-id}")}]}),
            )
            .await;
        }
        if row.is("POST", "/unfollow") || row.has("/following/") {
            self.request("POST", &format!("{item}/follow")).ok().await;
        }
        if row.is("POST", "/restore") {
            self.request("DELETE", &item).ok().await;
        }
        let is_labelled =
            row.has("retentionLabel") && row.method != "PATCH" || row.variant == "lock";
        if is_labelled && is_served {
            let label = json!({"name": "Contracts"});
            self.request("PATCH", &format!("{item}/retentionLabel")).json(label).ok().await;
        }
    }

    /// Returns the JSON body of a row's request; `None` if it has none.
    fn body(&self, row: &Row<'_>) -> Option<Value> {
        let name = &self.folder;
        let given = |placeholder: &str| self.filled(placeholder);
        let person = json!({"recipients": [{"email": "bob@contoso.example"}], "roles": ["write"]});
        let body = match (row.method, row.path.rsplit('/').next().unwrap_or_default()) {
            ("POST", "bundles") => {
                json!({"name": name, "bundle": {}, "children": [{"id": given("{item-id}")}]})
            }
            ("POST", "children") if row.has("bundle") => {
                json!({"id": given("{other-id}")})
            }
            ("POST", "children") => json!({"name": "made", "folder": {}}),
            ("PATCH", "{item-id}") if row.variant == "move" => {
                json!({"parentReference": {"id": given("{parent-id}")}, "name": "moved.png"})
            }
            ("PATCH", "{item-id}") => json!({"description": "d"}),
            ("PATCH", "{bundle-id}") => json!({"name": format!("{name} renamed")}),
            ("POST", "copy") => json!({"name": "copy.png"}),
            ("POST", "restore" | "preview" | "createUploadSession") => json!({}),
            ("POST", "checkin") => json!({"comment": "c"}),
            ("POST", "createLink") => json!({"type": "view", "scope": "anonymous"}),
            ("POST", "invite") => person,
            ("POST", "grant") => person,
            ("PATCH", "{perm-id}") => json!({"roles": ["write"]}),
            ("POST", "assignSensitivityLabel") => {
                json!({"sensitivityLabelId": LABEL, "assignmentMethod": "standard"})
            }
            ("PATCH", "retentionLabel") if row.variant == "lock" => {
                json!({"retentionSettings": {"isRecordLocked": true}})
            }
            ("PATCH", "retentionLabel") => json!({"name": "Contracts"}),
            ("POST", "query") => json!({"requests": [
                {"entityTypes": ["driveItem"], "query": {"queryString": "file"}},
            ]}),
            ("POST", "add" | "remove") => json!({"value": [{"id": given("{site-id}")}]}),
            ("POST", "permissions") => site_permission(),
            ("PATCH", "{site-permission-id}") => json!({"roles": ["write"]}),
            ("POST", "lists") => json!({"displayName": name, "list": {"template": "genericList"}}),
            ("POST", "columns") => json!({"name": format!("new{name}"), "text": {}}),
            ("PATCH", "{column-id}") => json!({"description": "d"}),
            ("POST", "items") => json!({"fields": {"Title": "t"}}),
            ("PATCH", "fields") => json!({"Title": "t"}),
            _ => return None,
        };
        Some(body)
    }

    /// Sends a row's request, with a further query option, and with the body if there is one.
    async fn send(&self, row: &Row<'_>, option: &str, body: Option<Value>) -> TestResponse {
        let mut path = row.path.to_owned();
        if !option.is_empty() {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(option);
        }
        let mut request = self.request(row.method, &path);
        if row.path == "{upload-url}" && row.method == "PUT" {
            request = request.header("content-range", "bytes 0-0/2").body("a");
        } else if row.method == "PUT" {
            request = request.body("bytes");
        } else if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await
    }
}

/// Returns the body that grants an application access to a site.
fn site_permission() -> Value {
    json!({"roles": ["read"], "grantedToIdentities": [{"application": {"id": "daemon"}}]})
}

/// Returns whether a response refuses a request that the server does not implement.
fn is_refused(response: &TestResponse) -> bool {
    response.status == 501 && response.refusal().1 == "notSupported"
}

#[tokio::test]
async fn every_request_of_the_reference_has_the_state_of_the_document() {
    let reference = Reference::new().await;
    let mut failed = Vec::new();
    for (number, row) in Row::all().iter().enumerate() {
        let at = format!("{} {} {}", row.method, row.path, row.variant);
        let example = reference.example(row, number).await;
        let body = example.body(row);
        if let State::Part(missing) = &row.state {
            for name in missing {
                let (option, body) = match name.strip_prefix('?') {
                    Some(option) => (format!("{option}=x"), body.clone()),
                    None => (String::new(), body.clone().map(|body| with_member(body, name))),
                };
                let response = example.send(row, &option, body).await;
                if !is_refused(&response) {
                    failed.push(format!("{at} with {name}: {response:?}"));
                }
            }
        }
        let response = example.send(row, "", body).await;
        let is_expected = match row.state {
            State::NotImplemented => is_refused(&response),
            State::AsDocumented | State::Part(_) => response.status == row.status,
        };
        if !is_expected {
            failed.push(format!("{at}: {response:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Returns a body with a further member; a nested one is written `outer.inner`.
fn with_member(mut body: Value, name: &str) -> Value {
    match name.split_once('.') {
        Some((outer, inner)) => body[outer] = json!({inner: "x"}),
        None => body[name] = "x".into(),
    }
    body
}

#[test]
fn the_document_has_the_sums_of_its_rows() {
    let rows = Row::all();
    let count = |is_counted: &dyn Fn(&State<'_>) -> bool| {
        rows.iter().filter(|row| is_counted(&row.state)).count()
    };
    let sums = format!(
        "Of {} requests, {} are served as documented, {} in part, and {} are refused.",
        rows.len(),
        count(&|state| *state == State::AsDocumented),
        count(&|state| matches!(state, State::Part(_))),
        count(&|state| *state == State::NotImplemented),
    );
    assert!(DOCUMENT.contains(&sums), "the document needs: {sums}");
}
