use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    drive::Context,
    transport::{ApiRequest, Client},
};

#[tokio::test]
async fn a_response_shows_whether_the_transport_was_redirected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let moved = format!("HTTP/1.1 303 See Other\r\nlocation: {origin}/there\r\n");
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let len = connection.read(&mut request).await.unwrap();
            let head = match request[..len].starts_with(b"GET /here") {
                true => &*moved,
                false => "HTTP/1.1 401 Unauthorized\r\n",
            };
            let answer = format!("{head}content-length: 0\r\nconnection: close\r\n\r\n");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let cx = Context::from(
        &opendal::OperationContext::new()
            .with_http_transport(HttpTransporter::new(Transport::default())),
    );
    let ask = async |path: &str| {
        let call = ApiRequest::new(
            opendal::raw::Operation::Stat,
            http::Method::GET,
            format!("{origin}{path}"),
            "{test}",
        );
        let reply = Client::new(&cx).send(call).await.unwrap();
        (reply.status.as_u16(), reply.redirected)
    };
    assert_eq!(ask("/here").await, (401, true));
    assert_eq!(ask("/there").await, (401, false));
}

/// Starts a server that redirects to the URL that `to` returns. Returns its origin and the heads of
/// the requests that it received.
async fn redirecting(
    to: impl Fn(&str) -> Option<String> + Send + 'static,
) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let heads = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 8192];
            let len = connection.read(&mut request).await.unwrap();
            let head = String::from_utf8_lossy(&request[..len]).to_ascii_lowercase();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let status = match to(path) {
                Some(location) => format!("302 Found\r\nlocation: {location}"),
                None => "200 OK".to_owned(),
            };
            seen.lock().unwrap().push(head);
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (origin, heads)
}

fn request(method: &str, url: &str) -> Request<Buffer> {
    let mut secret = HeaderValue::from_static("hunter3");
    secret.set_sensitive(true);
    Request::builder()
        .method(method)
        .uri(url)
        .header("authorization", "Bearer hunter2")
        .header("x-key", secret)
        .header("range", "bytes=0-1")
        .body(Buffer::new())
        .unwrap()
}

#[tokio::test]
async fn a_redirect_to_another_origin_gets_no_credentials_and_no_referrer() {
    let (there, at_there) = redirecting(|_| None).await;
    let target = there.clone();
    let (here, at_here) = redirecting(move |path| match path {
        "/elsewhere?secret" => Some(format!("{target}/x")),
        "/here" => Some("there".to_owned()),
        _ => None,
    })
    .await;
    let transport = Transport::default();
    let url = format!("{here}/elsewhere?secret");
    assert_eq!(transport.fetch(request("GET", &url)).await.unwrap().status(), 200);
    let head = at_there.lock().unwrap().pop().expect("a request");
    assert!(!head.contains("hunter") && !head.contains("secret"), "{head}");
    assert!(head.contains("range: bytes=0-1"), "{head}");
    // Within an origin the headers stay.
    transport.fetch(request("GET", &format!("{here}/here"))).await.unwrap();
    let head = at_here.lock().unwrap().pop().expect("a request");
    assert!(head.starts_with("get /there") && head.contains("hunter2"), "{head}");
    // A request with a body is not redirected.
    let response = transport.fetch(request("POST", &url)).await.unwrap();
    assert_eq!((response.status().as_u16(), at_there.lock().unwrap().len()), (302, 0));
}

#[tokio::test]
async fn redirects_end() {
    let (here, heads) = redirecting(|path| Some(format!("{path}x"))).await;
    let error = Transport::default().fetch(request("GET", &here)).await.err().expect("an end");
    assert!(error.to_string().contains("11th in a row"), "{error}");
    assert_eq!(heads.lock().unwrap().len(), redirect::REDIRECTS_MAX + 1);
}

#[tokio::test]
async fn a_refused_connection_is_named_by_host_and_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/x?secret");
    let error = Transport::default().fetch(request("GET", &url)).await.err().expect("refused");
    let text = error.to_string();
    assert!(text.contains(&format!("cannot connect to {address}: ")), "{text}");
    assert!(error.is_temporary() && !format!("{error:?}").contains("secret"), "{error:?}");
    assert!(Unreachable::reason(&error).expect("unreachable").contains("refused"), "{text}");
}
