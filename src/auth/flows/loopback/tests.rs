use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Sends raw bytes to the listener, and returns the whole response.
async fn send(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("connected");
    let mut response = Vec::new();
    // The listener closes the connection before it has read all of a request that is too large.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8(response).expect("text")
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Sends each request in order to a listener with the state `s1`. Returns the responses, and the
/// result of the sign-in, which the last request must end.
async fn receive(requests: &[String]) -> (Vec<String>, Result<Secret>) {
    let listener = RedirectListener::bind(0, "/back").await.expect("a listener");
    let (port, state) = (listener.port(), Secret::from("s1"));
    let browser = async {
        let mut responses = Vec::new();
        for request in requests {
            responses.push(send(port, request).await);
        }
        responses
    };
    tokio::join!(browser, listener.receive_code(&state))
}

#[tokio::test]
async fn the_redirect_returns_its_code_and_a_page() {
    let (responses, code) = receive(&[get("/back?code=c%2B1&state=s1&session_state=x")]).await;
    assert_eq!(code.expect("a code").expose(), "c+1");
    assert!(responses[0].starts_with("HTTP/1.1 200"), "{}", responses[0]);
    assert!(responses[0].contains("You may close this window"), "{}", responses[0]);
    assert!(!responses[0].contains("c+1") && !responses[0].contains("c%2B1"));
}

#[tokio::test]
async fn other_requests_do_not_end_the_sign_in() {
    let requests = [
        get("/"),
        get("/favicon.ico"),
        get("/back"),
        get("/back?state=s1"),
        get("/other?code=c&state=s1"),
        get("/back?code=evil"),
        get("/back?code=evil&state=s2"),
        get("/back?error=access_denied&state=s2"),
        "POST /back?code=c&state=s1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".to_owned(),
        format!("GET /back?code={}&state=s1 HTTP/1.1\r\n\r\n", "c".repeat(4 * MAX_HEADERS)),
        "nonsense\r\n\r\n".to_owned(),
        get("/back?code=good&state=s1"),
    ];
    let (responses, code) = receive(&requests).await;
    assert_eq!(code.expect("a code").expose(), "good");
    let statuses: Vec<_> =
        responses.iter().map(|response| response.get(9..12).unwrap_or_default()).collect();
    assert_eq!(
        statuses,
        ["404", "404", "404", "404", "404", "400", "400", "400", "404", "431", "400", "200"]
    );
}

#[tokio::test]
async fn an_error_of_the_cloud_is_shown_as_text() {
    let target = "/back?error=access_denied&state=s1\
                  &error_description=%3Cscript%3Ealert(1)%3C/script%3E%26%22'";
    let (responses, result) = receive(&[get(target)]).await;
    let error = result.expect_err("denied");
    assert_eq!(error.code(), Some("access_denied"));
    assert!(!responses[0].contains("<script>"), "{}", responses[0]);
    assert!(responses[0].contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;"));
}

#[tokio::test]
async fn idle_connections_do_not_prevent_the_redirect() {
    let listener = RedirectListener::bind(0, "/").await.expect("a listener");
    let (port, state) = (listener.port(), Secret::from("s1"));
    let browser = async {
        // Browsers open connections in advance.
        let mut idle = Vec::new();
        for _ in 0..4 {
            idle.push(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("connected"));
        }
        send(port, &get("/?code=c&state=s1")).await;
        idle
    };
    let (_idle, code) = tokio::join!(browser, listener.receive_code(&state));
    assert_eq!(code.expect("a code").expose(), "c");
}

#[tokio::test]
async fn a_dropped_sign_in_closes_the_port() {
    let listener = RedirectListener::bind(0, "/").await.expect("a listener");
    let port = listener.port();
    let error = RedirectListener::bind(port, "/").await.expect_err("the port is in use");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    drop(listener);
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect_err("closed");
}
