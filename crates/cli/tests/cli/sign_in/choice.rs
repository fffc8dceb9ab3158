//! The choice of the drive, site and library.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::Arc,
};

use drivedal_server::AccountKind;
use serde_json::{Value, json};

use super::{Login, SignIn, submit};

/// An API of Graph with fixed responses: the drive server has one drive for each account.
pub struct FixedApi {
    pub url: String,
}

impl FixedApi {
    /// Starts a server that ends with the process. `responses` are statuses and bodies by path,
    /// without the query.
    fn start(responses: &[(&str, u16, Value)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/v1.0", listener.local_addr().expect("an address"));
        let responses: Arc<BTreeMap<String, (u16, String)>> = Arc::new(
            responses
                .iter()
                .map(|(path, status, body)| ((*path).to_owned(), (*status, body.to_string())))
                .collect(),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, responses) = (stream.expect("a connection"), Arc::clone(&responses));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    let mut line = String::new();
                    reader.read_line(&mut line).expect("a request");
                    let target = line.split(' ').nth(1).unwrap_or_default();
                    let path = target.split('?').next().unwrap_or_default();
                    let path = path.strip_prefix("/v1.0").unwrap_or(path).to_owned();
                    // The headers, up to the empty line.
                    while line.trim() != "" {
                        line.clear();
                        reader.read_line(&mut line).expect("a header");
                    }
                    let missing = (404, json!({"error": {"code": "itemNotFound"}}).to_string());
                    let (status, body) = responses.get(&path).unwrap_or(&missing);
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n\
                         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    (&stream).write_all(head.as_bytes()).expect("is read");
                });
            }
        });
        Self { url }
    }
}

fn drive(id: &str, name: &str) -> Value {
    let owner = json!({"user": {"id": "u1", "displayName": "Anna"}});
    json!({"id": id, "name": name, "driveType": "business", "owner": owner})
}

pub fn two_drives() -> FixedApi {
    let list = json!({"value": [drive("d1", "OneDrive"), drive("d2", "Archive")]});
    FixedApi::start(&[
        ("/me/drive", 200, drive("d1", "OneDrive")),
        ("/me/drives", 200, list),
        ("/drives/d1", 200, drive("d1", "OneDrive")),
        ("/drives/d2", 200, drive("d2", "Archive")),
    ])
}

/// Signs in at the user's server, with the drives of `api`.
async fn log_in(user: &SignIn, api: &FixedApi, more: &[&str]) -> crate::shell::Ran {
    let url = user.url();
    let login = ["login", "od", "--no-browser", "--client-id", "x", "--authority", &url];
    let arguments = [&login[..], &["--endpoint", &api.url], more].concat();
    let (login, page) = Login::start(user.command(&arguments)).await;
    submit(&page, &[("decision", "allow")]).await;
    login.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn several_drives_are_listed_without_a_terminal() {
    let (user, api) = (SignIn::new().await, two_drives());
    let ran = log_in(&user, &api, &[]).await;
    ran.fails(2, "OneDrive (business, d1); Archive (business, d2)").fails(2, "use --drive ID");
    assert!(!user.shell.path(".config/drivedal").exists());

    let ran = log_in(&user, &api, &["--library", "archive"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(user.config().contains("drive_id = \"d2\""), "{}", user.config());
    let drives = user.out(&["drives", "od"]).await;
    assert_eq!(drives, "  d1  business  OneDrive\n* d2  business  Archive\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_drive_is_not_searched_and_must_exist() {
    let (user, api) = (SignIn::new().await, two_drives());
    let ran = log_in(&user, &api, &["--drive", "d3"]).await;
    ran.fails(3, "cannot sign in to od: not found");
    let ran = log_in(&user, &api, &["--library", "nothing"]).await;
    ran.fails(3, "it has no library \"nothing\"").fails(3, "Archive (business, d2)");
    let ran = log_in(&user, &api, &["--drive", "d2"]).await;
    assert_eq!(ran.out, "signed in to od as Anna, drive Archive (business, d2)\n", "{ran:?}");
    assert!(user.config().contains("drive_id = \"d2\""), "{}", user.config());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_drives_are_not_listed_has_its_default_drive() {
    let user = SignIn::new().await;
    let refused = json!({"error": {"code": "accessDenied", "message": "Database Is Read Only"}});
    let api = FixedApi::start(&[
        ("/me/drive", 200, drive("d1", "OneDrive")),
        ("/drives/d1", 200, drive("d1", "OneDrive")),
        ("/me/drives", 403, refused),
    ]);
    let ran = log_in(&user, &api, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("does not list the drives"), "{ran:?}");
    assert!(!user.config().contains("drive_id"), "{}", user.config());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_found_by_its_url_and_by_its_name() {
    let user = SignIn::of_kind(AccountKind::Library).await;
    for (name, option, value) in [("one", "--site", "root"), ("two", "--find-site", "*")] {
        let scopes = ["--scope", "Files.ReadWrite.All", "--scope", "Sites.Read.All"];
        let arguments = [&["login", name, "--no-browser", option, value][..], &scopes].concat();
        let (login, page) = Login::start(user.command(&arguments)).await;
        submit(&page, &[("decision", "allow")]).await;
        let ran = login.end().await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(user.config().contains("drive_id = "), "{}", user.config());
        user.out(&["ls", &format!("{name}:")]).await;
    }
    let listed = user.out(&["drives", "one", "--find-site", "*"]).await;
    assert!(listed.starts_with("* ") && listed.contains("documentLibrary"), "{listed}");
    assert_eq!(user.out(&["drives", "one", "--site", "root"]).await.lines().count(), 1);
}
