//! A server, and requests of Amazon Cloud Drive to it.

use drivedal_server::Server;
pub use drivedal_test_support::http::TestResponse;
use drivedal_test_support::http::{TestRequest, client};
use reqwest::{Body, Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// A server with an empty drive.
pub struct AmazonServer {
    pub server: Server,
    http: Client,
}

impl AmazonServer {
    pub async fn start() -> Self {
        Self::of(Server::builder().ephemeral()).await
    }

    pub async fn of(builder: drivedal_server::Builder) -> Self {
        let server = builder.start().await.unwrap();
        Self { server, http: client() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    /// Returns a request with the token of the development account.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, self.url(path)).bearer_auth("drivedal-dev")
    }

    /// Returns a request without a token.
    pub fn anonymous(&self, method: &str, url: &str) -> RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url)
    }

    pub async fn send(&self, request: RequestBuilder) -> TestResponse {
        TestRequest(request).send().await
    }

    /// Sends a request to the metadata endpoint. JSON has no content type.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> TestResponse {
        let request = self.request(method, &format!("drive/v1/{path}"));
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None if method == "GET" || method == "DELETE" => request,
            None => request.header("content-length", "0"),
        };
        self.send(request).await
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        let path = path.to_owned();
        async move {
            let response = self.call("GET", &path, None).await;
            assert_eq!(response.status, 200, "{place}: {}", response.text());
            response.json()
        }
    }

    pub async fn root(&self) -> String {
        let list = self.get("nodes?filters=isRoot:true").await;
        list["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Creates a folder, and returns its id.
    pub async fn folder(&self, name: &str, parent: &str) -> String {
        let body = json!({"kind": "FOLDER", "name": name, "parents": [parent]});
        let node = self.call("POST", "nodes", Some(body)).await.json_with_status(201);
        node["id"].as_str().unwrap().to_owned()
    }

    /// Creates a file, and returns its id.
    pub async fn file(&self, name: &str, parent: &str, bytes: &str) -> String {
        let node =
            self.upload(name, parent, bytes, "?suppress=deduplication").await.json_with_status(201);
        node["id"].as_str().unwrap().to_owned()
    }

    pub async fn upload(&self, name: &str, parent: &str, bytes: &str, query: &str) -> TestResponse {
        let metadata = json!({"kind": "FILE", "name": name, "parents": [parent]});
        let body = form(Some(&metadata), bytes);
        self.send(self.posted(query, body)).await
    }

    pub fn posted(&self, query: &str, body: impl Into<Body>) -> RequestBuilder {
        self.request("POST", &format!("cdproxy/nodes{query}"))
            .header("content-type", "multipart/form-data; boundary=b0undary")
            .body(body)
    }

    pub async fn overwrite(&self, id: &str, bytes: &str, query: &str) -> TestResponse {
        let request = self
            .request("PUT", &format!("cdproxy/nodes/{id}/content{query}"))
            .header("content-type", "multipart/form-data; boundary=b0undary")
            .body(form(None, bytes));
        self.send(request).await
    }

    /// Downloads a file, or a range of it.
    pub async fn read(&self, id: &str, range: Option<&str>) -> TestResponse {
        let request = self.request("GET", &format!("cdproxy/nodes/{id}/content"));
        let request = match range {
            Some(range) => request.header("range", range),
            None => request,
        };
        self.send(request).await
    }
}

/// Returns a form like that of Python's requests_toolbelt.
pub fn form(metadata: Option<&Value>, bytes: &str) -> String {
    let mut form = String::new();
    if let Some(metadata) = metadata {
        form += &format!(
            "--b0undary\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n"
        );
    }
    form + &format!(
        "--b0undary\r\nContent-Disposition: form-data; name=\"content\"; filename=\"x\"\r\n\
         Content-Type: text/plain\r\n\r\n{bytes}\r\n--b0undary--\r\n"
    )
}

/// Returns the names of the nodes in a list.
pub fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().filter_map(|node| node["name"].as_str()).collect()
}

/// Returns the ids of a node's parents.
pub fn parents(node: &Value) -> Vec<&str> {
    node["parents"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
}
