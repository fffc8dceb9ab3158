//! Requests that a page of another site causes a browser to send, on every route.

use drivedal_server::{Builder, Server, ServerError};
use serde_json::{Value, json};

use crate::server::rig::{Rig, TestRequest, TestResponse};

/// Every type of route of the three protocols, of sign-in and of the control interface.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/v5.0/me?access_token=drivedal-dev"),
    ("GET", "/v5.0/me/skydrive/files?access_token=drivedal-dev&callback=f"),
    ("GET", "/v5.0/me/skydrive?access_token=drivedal-dev&method=DELETE"),
    ("GET", "/v5.0/me/skydrive?access_token=drivedal-dev&%6dethod=DELETE"),
    ("GET", "/v5.0/me/skydrive?access_token=drivedal-dev&metho%64=DELETE"),
    ("POST", "/v5.0/me/skydrive?access_token=drivedal-dev&%6Dethod=D%45LETE"),
    ("POST", "/v5.0/me/skydrive?access_token=drivedal-dev"),
    ("POST", "/v5.0/me/skydrive/files?access_token=drivedal-dev"),
    ("PUT", "/v5.0/me/skydrive/files/a.txt?access_token=drivedal-dev"),
    ("DELETE", "/v5.0/me/skydrive?access_token=drivedal-dev"),
    ("MOVE", "/v5.0/me/skydrive?access_token=drivedal-dev"),
    ("COPY", "/v5.0/me/skydrive?access_token=drivedal-dev"),
    ("GET", "/v5.0/skydrive/get_item_preview?url=x"),
    ("POST", "/users/0xa52f10c83610ebca/LiveFolders/b.bin"),
    ("POST", "/items/A52F10C83610EBCA!101/b.bin"),
    ("GET", "/redir.aspx?authkey=x"),
    ("GET", "/embed?authkey=x"),
    ("GET", "/p1px/small/a.jpg"),
    ("GET", "/s1px/a.txt"),
    ("HEAD", "/s1px/a.txt"),
    ("GET", "/v1.0/me/drive?access_token=drivedal-dev"),
    ("GET", "/beta/me/drive/root/children?access_token=drivedal-dev"),
    ("GET", "/_api/v2.0/drive?access_token=drivedal-dev"),
    ("PUT", "/v1.0/me/drive/root:/a.txt:/content?access_token=drivedal-dev"),
    ("PATCH", "/v1.0/me/drive/root:/a.txt?access_token=drivedal-dev"),
    ("DELETE", "/v1.0/me/drive/root:/a.txt?access_token=drivedal-dev"),
    ("POST", "/v1.0/me/drive/root:/a.txt?access_token=drivedal-dev"),
    ("POST", "/v1.0/$batch?access_token=drivedal-dev"),
    ("POST", "/v1.0/%24batch?access_token=drivedal-dev"),
    ("PUT", "/rup/~/uploadSession?tempauth=x"),
    ("DELETE", "/rup/~/uploadSession?tempauth=x"),
    ("GET", "/monitor/x"),
    ("GET", "/s/s!x"),
    ("GET", "/drive/v1/nodes?access_token=drivedal-dev"),
    ("GET", "//drive/v1/nodes?access_token=drivedal-dev"),
    ("POST", "/drive/v1/nodes?access_token=drivedal-dev"),
    ("PUT", "/drive/v1/trash/x?access_token=drivedal-dev"),
    ("POST", "/drive/v1/changes?access_token=drivedal-dev"),
    ("POST", "/cdproxy/nodes?access_token=drivedal-dev"),
    ("GET", "/cdproxy/nodes/x/content?access_token=drivedal-dev"),
    ("POST", "/oauth20_token.srf"),
    ("POST", "/oauth20_authorize.srf?client_id=c&response_type=code"),
    ("POST", "/common/oauth2/v2.0/token"),
    ("POST", "/common/oauth2/v2.0/authorize?client_id=c&response_type=code"),
    ("POST", "/auth/o2/token"),
    ("POST", "/ap/oa?client_id=c&response_type=code"),
    ("GET", "/_control/health"),
    ("GET", "/_control/counters"),
    ("POST", "/_control/counters/reset"),
    ("GET", "/_control/requests"),
    ("GET", "/_control/audit"),
    ("GET", "/_control/faults"),
    ("POST", "/_control/faults"),
    ("DELETE", "/_control/faults"),
    ("PUT", "/_control/budget"),
    ("POST", "/_control/items"),
    ("POST", "/_control/state/reset"),
    ("OPTIONS", "/v1.0/me/drive"),
    ("GET", "/elsewhere"),
];

/// Pages that redirect to a program on this machine.
const SIGN_IN_PAGES: &[&str] = &[
    "/oauth20_authorize.srf?client_id=c&response_type=code&redirect_uri=http://localhost:9/",
    "/oauth20_desktop.srf?code=x",
    "/common/oauth2/v2.0/authorize?client_id=c&response_type=code&redirect_uri=http://localhost:9/",
    "/ap/oa?client_id=c&response_type=code&redirect_uri=http://localhost:9/",
];

/// Headers that the server's own pages and programs do not send.
const FOREIGN: &[&[(&str, &str)]] = &[
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[("sec-fetch-site", "Same-Origin")],
    &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
    &[("origin", "http://evil.example")],
    &[("origin", "null")],
    &[("origin", "http://127.0.0.1:1")],
    &[("origin", "https://graph.microsoft.com")],
    &[("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")],
    &[("host", "evil.example")],
    &[("host", "127.0.0.1.evil.example")],
    &[("host", "192.168.1.2")],
    &[("host", "graph.microsoft.com")],
    &[("host", "cdws.us-east-1.amazonaws.com")],
    &[("host", "drivedal-my.sharepoint.com")],
];

/// Headers of a browser that follows a link on a page of another site.
const NAVIGATION: &[(&str, &str)] = &[
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

fn with(request: TestRequest, headers: &[(&str, &str)]) -> TestRequest {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

async fn send(rig: &Rig, method: &str, path: &str, headers: &[(&str, &str)]) -> TestResponse {
    with(rig.bare(method, path), headers).send().await
}

fn both() -> [fn(Builder) -> Builder; 2] {
    [|builder| builder, |builder| builder.insecure_listen(([127, 0, 0, 1], 0).into())]
}

#[tokio::test]
async fn no_route_serves_a_page_of_another_site() {
    for change in both() {
        let rig = Rig::with(change).await;
        rig.file("me/skydrive", "a.txt", "kept").await;
        let counted = rig.server.control().counters();
        for (method, path) in ROUTES {
            for headers in FOREIGN.iter().chain([&NAVIGATION]) {
                let reply = send(&rig, method, path, headers).await;
                assert_eq!(reply.status, 403, "{method} {path} {headers:?}: {reply:?}");
                assert!(!reply.headers.contains_key("access-control-allow-origin"), "{path}");
            }
        }
        // None of the requests reached a protocol.
        assert_eq!(rig.server.control().counters(), counted);
        assert_eq!(rig.names("me/skydrive", "").await, ["a.txt"]);
    }
}

#[tokio::test]
async fn every_route_serves_the_server_s_own_pages_and_programs() {
    let rig = Rig::new().await;
    let own = rig.url("");
    for (method, path) in ROUTES {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-site", "same-origin"), ("origin", &own)],
        ] {
            let reply = send(&rig, method, path, headers).await;
            let said = String::from_utf8_lossy(&reply.body).into_owned();
            assert!(!said.contains("another site"), "{method} {path} {headers:?}: {said}");
        }
    }
    for host in ["localhost", "LOCALHOST:80", "drive.localhost", "127.0.0.2", "[::1]:8080"] {
        let path = "/v5.0/me?access_token=drivedal-dev";
        let reply = send(&rig, "GET", path, &[("host", host)]).await;
        assert_eq!(reply.status, 200, "{host}: {reply:?}");
    }
}

#[tokio::test]
async fn other_sites_lead_to_sign_in_pages_and_nowhere_else() {
    for change in both() {
        let rig = Rig::with(change).await;
        for path in SIGN_IN_PAGES {
            let opened = send(&rig, "GET", path, NAVIGATION).await;
            assert!([200, 302].contains(&opened.status), "{path}: {opened:?}");
            let encoded = path.replacen('z', "%7a", 1);
            if encoded == *path {
                continue;
            }
            // Another spelling of the path is not a sign-in page.
            assert_eq!(send(&rig, "GET", &encoded, NAVIGATION).await.status, 403, "{encoded}");
        }
        for path in SIGN_IN_PAGES {
            let frame = [NAVIGATION[0], NAVIGATION[1], ("sec-fetch-dest", "iframe")];
            let script = [NAVIGATION[0], ("sec-fetch-mode", "no-cors")];
            let fetch = [NAVIGATION[0], ("sec-fetch-mode", "cors"), ("origin", "http://a.example")];
            for headers in [&frame[..], &script, &fetch] {
                let reply = send(&rig, "GET", path, headers).await;
                assert_eq!(reply.status, 403, "{path} {headers:?}");
            }
            let host = [("host", "evil.example"), NAVIGATION[0], NAVIGATION[1]];
            assert_eq!(send(&rig, "GET", path, &host).await.status, 403, "{path}");
        }
    }
}

#[tokio::test]
async fn an_application_s_form_is_posted_from_the_page_that_it_leads_back_to() {
    let rig = Rig::new().await;
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhi\r\n--x--\r\n";
    let post = async |query: &str, origin: &str| {
        let path = format!("/v5.0/me/skydrive/files?access_token=drivedal-dev&{query}");
        let request = with(rig.bare("POST", &path), NAVIGATION).header("origin", origin);
        let request = request.header("content-type", "multipart/form-data; boundary=x");
        request.body(form).send().await.status
    };
    let app = "http://localhost:9";
    let back = "redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fdone.htm";
    for (query, origin) in [
        (back, "http://evil.example"),
        (back, "null"),
        (back, "http://localhost:10"),
        ("state=x", app),
        ("redirect_uri=http%3A%2F%2Fevil.example%2F", "http://evil.example"),
        (&format!("{back}&method=PUT"), app),
    ] {
        assert_eq!(post(query, origin).await, 403, "{query} {origin}");
    }
    assert_eq!(rig.names("me/skydrive", "").await, [""; 0]);
    assert_eq!(post(back, app).await, 200);
    assert_eq!(rig.names("me/skydrive", "").await, ["a.txt"]);
}

#[tokio::test]
async fn pages_of_an_allowed_origin_use_the_protocols_by_cors_but_not_control() {
    let rig = Rig::with(|builder| builder.allow_origin("http://localhost:3000")).await;
    let page = [("origin", "http://localhost:3000"), ("sec-fetch-site", "cross-site")];
    let drive = "/v1.0/me/drive?access_token=drivedal-dev";
    let reply = send(&rig, "GET", drive, &page).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), "http://localhost:3000");
    assert_eq!(reply.header("vary"), "Origin");
    assert!(reply.header("access-control-expose-headers").contains("ETag"));
    let wanted =
        [("access-control-request-method", "PUT"), ("access-control-request-headers", "a, b")];
    let preflight = [&page[..], &wanted].concat();
    let reply = send(&rig, "OPTIONS", "/v1.0/me/drive", &preflight).await;
    assert_eq!(reply.status, 204);
    assert!(reply.header("access-control-allow-methods").contains("PATCH"));
    assert_eq!(reply.header("access-control-allow-headers"), "a, b");
    let control = send(&rig, "POST", "/_control/state/reset", &page).await;
    assert_eq!(control.status, 403);
    for other in ["https://localhost:3000", "http://localhost:3001", "null"] {
        let reply = send(&rig, "GET", drive, &[("origin", other)]).await;
        assert_eq!(reply.status, 403, "{other}");
    }
}

#[tokio::test]
async fn a_host_is_accepted_if_an_option_names_it() {
    let path = "/v5.0/me?access_token=drivedal-dev";
    let rig = Rig::with(|builder| builder.allow_host("drive.example").allow_host("10.0.0.7")).await;
    for host in ["drive.example", "Drive.Example:8080", "10.0.0.7:80"] {
        let reply = send(&rig, "GET", path, &[("host", host)]).await;
        assert_eq!(reply.status, 200, "{host}");
        assert!(reply.member("link").starts_with(&format!("http://{host}/")));
    }
    for host in ["a.drive.example", "10.0.0.8", "graph.microsoft.com"] {
        assert_eq!(send(&rig, "GET", path, &[("host", host)]).await.status, 403, "{host}");
    }
    let rig = Rig::with(Builder::stand_in).await;
    for host in ["apis.live.net", "cdws.us-east-1.amazonaws.com", "x-my.sharepoint.com"] {
        assert_eq!(send(&rig, "GET", path, &[("host", host)]).await.status, 200, "{host}");
    }
    let raw = "GET /_control/health HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\
               connection: close\r\n\r\n";
    let reply = rig.raw(raw.as_bytes()).await.expect("a response");
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");

    for host in ["", "http://drive.example", "*.example"] {
        let error = Server::builder().allow_host(host).start().await.expect_err(host);
        assert!(matches!(&error, ServerError::Host(named) if named == host), "{error}");
    }
    for origin in ["null", "localhost:3000", "http://a.example/path", "*"] {
        let error = Server::builder().allow_origin(origin).start().await.expect_err(origin);
        assert!(matches!(&error, ServerError::Origin(named) if named == origin), "{error}");
    }
}

#[tokio::test]
async fn a_private_server_gives_nothing_without_its_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let rig = Rig::with(|builder| builder.data(folder.path()).private()).await;
    let token = rig.server.access_token().expect("a token").expose().to_owned();
    let kept = std::fs::read_to_string(folder.path().join("token")).expect("a file");
    assert_eq!(kept.trim(), token);
    assert_eq!(Server::access_token_at(folder.path()).expect("a token").expose(), token);
    let with_token = |method: &str, path: &str, token: &str| {
        rig.bare(method, path).header("authorization", &format!("Bearer {token}"))
    };
    let named = format!("{token}-anna");
    for (path, known) in
        [("/v5.0/me", [200, 401]), ("/v1.0/me/drive", [200, 401]), ("/drive/v1/nodes", [200, 401])]
    {
        for good in [&token, &named] {
            assert_eq!(with_token("GET", path, good).send().await.status, known[0], "{path}");
        }
        for bad in ["drivedal-dev", "drivedal-dev-anna", "drivedal-dev-refresh", "-anna", "x"] {
            assert_eq!(with_token("GET", path, bad).send().await.status, known[1], "{path} {bad}");
        }
    }
    for (method, path) in ROUTES.iter().filter(|(_, path)| path.starts_with("/_control/")) {
        if *path == "/_control/health" {
            continue;
        }
        for bad in ["", "drivedal-dev", "x"] {
            let reply = with_token(method, path, bad).send().await;
            assert_eq!(reply.status, 401, "{method} {path}");
        }
    }
    let control = with_token("GET", "/_control/counters", &token).send().await;
    assert_eq!(control.status, 200);
    signs_in_only_with(&rig, &token).await;
    rig.server.stop().await;
}

/// Sign-in pages and token endpoints require the token too.
async fn signs_in_only_with(rig: &Rig, token: &str) {
    let pages = SIGN_IN_PAGES.iter().filter(|path| !path.contains("desktop"));
    for path in pages {
        let page = rig.bare("GET", path).send().await;
        assert_eq!((page.status, page.header("location")), (200, ""), "{path}");
        assert!(String::from_utf8_lossy(&page.body).contains("<form method=post>"), "{path}");
        for form in ["", "token=", "token=drivedal-dev"] {
            let refused = rig.bare("POST", path).form(form).send().await;
            assert_eq!((refused.status, refused.header("location")), (403, ""), "{path} {form}");
        }
        let allowed = rig.bare("POST", path).form(&format!("token={token}")).send().await;
        assert!(allowed.header("location").contains("code="), "{path}: {allowed:?}");
    }
    let tokens =
        async |form: &str| rig.bare("POST", "/consumers/oauth2/v2.0/token").form(form).send().await;
    let app =
        "grant_type=client_credentials&client_id=c&scope=https://graph.microsoft.com/.default";
    assert_eq!(tokens(app).await.status, 401);
    assert_eq!(tokens(&format!("{app}&client_secret=x")).await.status, 401);
    let reply = tokens(&format!("{app}&client_secret={token}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let refresh = "grant_type=refresh_token&client_id=c&refresh_token=";
    for path in ["/common/oauth2/v2.0/token", "/oauth20_token.srf", "/auth/o2/token"] {
        for (refresh_token, is_good) in
            [(format!("{token}-refresh"), true), ("drivedal-dev-refresh".to_owned(), false)]
        {
            let reply = rig.bare("POST", path).form(&format!("{refresh}{refresh_token}"));
            assert_eq!(reply.send().await.status == 200, is_good, "{path} {refresh_token}");
        }
    }
}

#[tokio::test]
async fn a_process_that_took_over_a_port_is_not_mistaken_for_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let rig = Rig::with(|builder| builder.data(folder.path()).private()).await;
    let running = Server::running_at(folder.path()).await.expect("a server");
    assert_eq!(&running.url, rig.server.url());
    let public: Value = rig.bare("GET", "/_control/health").send().await.json();
    let notice = std::fs::read_to_string(folder.path().join("server.json")).expect("a file");
    let notice: Value = serde_json::from_str(&notice).expect("JSON");
    assert!(!public.to_string().contains(notice["instance"].as_str().expect("an instance")));
    // Another user's server on the same port learns nothing beyond the response above.
    let other = Rig::new().await;
    let other_folder = tempfile::tempdir().expect("a folder");
    let left = json!({"url": other.server.url(), "pid": 1, "instance": notice["instance"]});
    std::fs::write(other_folder.path().join("server.json"), left.to_string()).expect("written");
    assert_eq!(Server::running_at(other_folder.path()).await, None);
    rig.server.stop().await;
}
