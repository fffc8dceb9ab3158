//! The file server of the example: files in memory, one request for each connection.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A running server. It stops when the program exits.
pub struct FileServer {
    url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Contents by path; `None` for a folder.
    items: Mutex<BTreeMap<String, Option<Vec<u8>>>>,
    refuse: AtomicBool,
    requests: AtomicUsize,
}

struct Request {
    method: String,
    target: String,
    range: Option<String>,
    if_none_match: bool,
    body: Vec<u8>,
}

struct Response {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
}

impl FileServer {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Errors
    /// Fails if no port is free.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::<State>::default();
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                tokio::spawn(async move { serve(stream, &state).await });
            }
        });
        Ok(Self { url, state })
    }

    /// Base URL, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Rejects the next request with status 503.
    pub fn refuse_next(&self) {
        self.state.refuse.store(true, Ordering::Relaxed);
    }

    /// Number of requests so far.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let request = read_request(&mut stream).await?;
    state.requests.fetch_add(1, Ordering::Relaxed);
    let response = match state.refuse.swap(false, Ordering::Relaxed) {
        true => Response {
            status: "503 Service Unavailable",
            headers: "Retry-After: 0\r\n".to_owned(),
            body: Vec::new(),
        },
        false => respond(&mut state.items.lock().expect("no panic while it is held"), &request),
    };
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
        response.status,
        response.body.len(),
        response.headers
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&response.body).await?;
    stream.shutdown().await
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut range, mut if_none_match, mut length) = (None, false, 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or_default(),
            "range" => range = Some(value.to_owned()),
            "if-none-match" => if_none_match = value == "*",
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Request { method, target, range, if_none_match, body })
}

fn failed(status: &'static str) -> Response {
    Response { status, headers: String::new(), body: status.into() }
}

fn described(items: &BTreeMap<String, Option<Vec<u8>>>, path: &str) -> Option<Value> {
    if path.is_empty() {
        return Some(json!({ "path": "", "folder": true }));
    }
    let content = items.get(path)?;
    let size = content.as_ref().map(Vec::len);
    Some(json!({ "path": path, "folder": content.is_none(), "size": size }))
}

fn found(value: Option<Value>) -> Response {
    match value {
        Some(value) => Response {
            status: "200 OK",
            headers: "Content-Type: application/json\r\n".to_owned(),
            body: value.to_string().into_bytes(),
        },
        None => failed("404 Not Found"),
    }
}

/// Returns a conflict with its kind.
fn conflict(code: &str) -> Response {
    Response { headers: format!("X-Error: {code}\r\n"), ..failed("409 Conflict") }
}

fn has_file_above(items: &BTreeMap<String, Option<Vec<u8>>>, path: &str) -> bool {
    path.match_indices('/').any(|(slash, _)| matches!(items.get(&path[..slash]), Some(Some(_))))
}

fn make_parents(items: &mut BTreeMap<String, Option<Vec<u8>>>, path: &str) {
    for (slash, _) in path.match_indices('/') {
        items.entry(path[..slash].to_owned()).or_default();
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn respond(items: &mut BTreeMap<String, Option<Vec<u8>>>, request: &Request) -> Response {
    let target = request.target.trim_start_matches('/');
    let (verb, path) = target.split_once('/').unwrap_or((target, ""));
    let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
    match (request.method.as_str(), verb) {
        ("GET", "stat") => found(described(items, &path)),
        ("GET", "list") => match described(items, &path) {
            Some(item) if item["folder"] == true => {
                let depth = path.split('/').filter(|name| !name.is_empty()).count() + 1;
                let children = items
                    .keys()
                    .filter(|child| is_below(child, &path) && child.split('/').count() == depth);
                found(Some(children.filter_map(|child| described(items, child)).collect()))
            }
            Some(_) => conflict("not-a-folder"),
            None => failed("404 Not Found"),
        },
        ("GET", "data") => match items.get(&path) {
            Some(Some(bytes)) => part(bytes, request.range.as_deref()),
            Some(None) => conflict("is-folder"),
            None => failed("404 Not Found"),
        },
        ("PUT", "data" | "folder") => {
            let is_file = verb == "data";
            match items.get(&path) {
                _ if has_file_above(items, &path) => return conflict("not-a-folder"),
                Some(None) if is_file => return conflict("is-folder"),
                Some(_) if !is_file || request.if_none_match => return conflict("exists"),
                _ => make_parents(items, &path),
            }
            items.insert(path.clone(), is_file.then(|| request.body.clone()));
            found(described(items, &path))
        }
        ("POST", "move") => {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let to = body["to"].as_str().unwrap_or_default().to_owned();
            if !items.contains_key(&path) {
                return failed("404 Not Found");
            }
            let is_folder = items[&path].is_none();
            match items.get(&to) {
                _ if has_file_above(items, &to) => return conflict("not-a-folder"),
                _ if is_below(&to, &path) => return conflict("below-itself"),
                Some(None) if body["replace"] == true => return conflict("is-folder"),
                Some(_) if is_folder || body["replace"] != true => return conflict("exists"),
                _ => make_parents(items, &to),
            }
            let moved: Vec<_> =
                items.keys().filter(|at| **at == path || is_below(at, &path)).cloned().collect();
            for at in moved {
                let content = items.remove(&at).expect("listed above");
                items.insert(format!("{to}{}", &at[path.len()..]), content);
            }
            found(described(items, &to))
        }
        ("DELETE", "item") => {
            items.retain(|at, _| *at != path && !is_below(at, &path));
            Response { status: "204 No Content", headers: String::new(), body: Vec::new() }
        }
        _ => failed("405 Method Not Allowed"),
    }
}

fn part(bytes: &[u8], range: Option<&str>) -> Response {
    let total = bytes.len();
    let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
    else {
        return Response { status: "200 OK", headers: String::new(), body: bytes.to_vec() };
    };
    let (start, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, (last + 1).min(total)),
        (Ok(first), Err(_)) => (first, total),
        (Err(_), last) => (total.saturating_sub(last.unwrap_or_default()), total),
    };
    if start >= end {
        return Response {
            headers: format!("Content-Range: bytes */{total}\r\n"),
            ..failed("416 Range Not Satisfiable")
        };
    }
    Response {
        status: "206 Partial Content",
        headers: format!("Content-Range: bytes {start}-{}/{total}\r\n", end - 1),
        body: bytes[start..end].to_vec(),
    }
}
