//! A server, and requests to it as a client of Amazon's sends them.

use drivedal_server::Server;
use reqwest::{Body, Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

/// A server with an empty drive.
pub struct Cloud {
    pub server: Server,
    http: Client,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body, which must be JSON, of an answer of that status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The message of an error of that status.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        let body = self.json(status);
        assert!(body["logref"].is_string(), "{body}");
        body["message"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
    }
}

impl Cloud {
    pub async fn start() -> Self {
        Self::of(Server::builder().ephemeral()).await
    }

    pub async fn of(builder: drivedal_server::Builder) -> Self {
        let server = builder.start().await.unwrap();
        let http = Client::builder().no_proxy().build().unwrap();
        Self { server, http }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    /// A request with the development account's token, to be completed.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, self.url(path)).bearer_auth("drivedal-dev")
    }

    /// A request without any token.
    pub fn anonymous(&self, method: &str, url: &str) -> RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url)
    }

    pub async fn answer(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    /// A request of the metadata endpoint; JSON is sent without a content type.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, &format!("drive/v1/{path}"));
        let request = match body {
            Some(body) => request.body(body.to_string()),
            None if method == "GET" || method == "DELETE" => request,
            None => request.header("content-length", "0"),
        };
        self.answer(request).await
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        let path = path.to_owned();
        async move {
            let answer = self.ask("GET", &path, None).await;
            assert_eq!(answer.status, 200, "{place}: {}", answer.text);
            serde_json::from_str(&answer.text).unwrap()
        }
    }

    pub async fn root(&self) -> String {
        let list = self.get("nodes?filters=isRoot:true").await;
        list["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Makes a folder; its id.
    pub async fn folder(&self, name: &str, parent: &str) -> String {
        let body = json!({"kind": "FOLDER", "name": name, "parents": [parent]});
        let node = self.ask("POST", "nodes", Some(body)).await.json(201);
        node["id"].as_str().unwrap().to_owned()
    }

    /// Makes a file; its id.
    pub async fn file(&self, name: &str, parent: &str, bytes: &str) -> String {
        let node = self.upload(name, parent, bytes, "?suppress=deduplication").await.json(201);
        node["id"].as_str().unwrap().to_owned()
    }

    pub async fn upload(&self, name: &str, parent: &str, bytes: &str, query: &str) -> Answer {
        let metadata = json!({"kind": "FILE", "name": name, "parents": [parent]});
        let body = form(Some(&metadata), bytes);
        self.answer(self.posted(query, body)).await
    }

    pub fn posted(&self, query: &str, body: impl Into<Body>) -> RequestBuilder {
        self.request("POST", &format!("cdproxy/nodes{query}"))
            .header("content-type", "multipart/form-data; boundary=b0undary")
            .body(body)
    }

    pub async fn overwrite(&self, id: &str, bytes: &str, query: &str) -> Answer {
        let request = self
            .request("PUT", &format!("cdproxy/nodes/{id}/content{query}"))
            .header("content-type", "multipart/form-data; boundary=b0undary")
            .body(form(None, bytes));
        self.answer(request).await
    }

    /// Bytes of a file, or of a range of it.
    pub async fn read(&self, id: &str, range: Option<&str>) -> Answer {
        let request = self.request("GET", &format!("cdproxy/nodes/{id}/content"));
        let request = match range {
            Some(range) => request.header("range", range),
            None => request,
        };
        self.answer(request).await
    }
}

/// A form as requests_toolbelt makes it.
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

/// The names of a list's nodes.
pub fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().filter_map(|node| node["name"].as_str()).collect()
}

/// The ids of a node's folders.
pub fn parents(node: &Value) -> Vec<&str> {
    node["parents"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
}
