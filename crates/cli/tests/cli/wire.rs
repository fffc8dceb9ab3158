//! Output about requests: messages, log file, HAR file, statistics.

use drivedal_server::{AccountKind, Fault, Server};
use serde_json::Value;

use crate::shell::{Ran, Shell};

/// A OneDrive on a server, as the remote `one:`.
struct Drive {
    shell: Shell,
    server: Server,
    remote: String,
}

impl Drive {
    async fn new() -> Self {
        let server = Server::builder().kind(AccountKind::Business).start().await.expect("a server");
        let encoded = server.url().as_str().replace(':', "%3A").replace('/', "%2F");
        let remote = format!("one=onedrive://?endpoint={encoded}v1.0&access_token=drivedal-dev");
        let shell = Shell::new();
        for number in 0..6 {
            shell.write(&format!("src/{number}"), vec![b'x'; 100 + number]);
        }
        Self { shell, server, remote }
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.shell.command(&["--remote", &self.remote]);
        command.args(arguments);
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        Ran::new(ended.expect("no panic").expect("the binary runs"))
    }

    /// Uploads and downloads a folder. One request is rejected meanwhile.
    async fn there_and_back(&self, options: &[&str]) -> [Ran; 2] {
        let busy = Fault::on("graph.session.create").skip(2).times(1).status(429);
        let busy = busy.header("retry-after", "0.1");
        self.server.control().add_faults([busy]).expect("a rule");
        let put = self.run(&[options, &["put", "-r", "src", "one:dst"]].concat()).await;
        let get = self.run(&[options, &["get", "-r", "one:dst", "back"]].concat()).await;
        assert_eq!((put.code, get.code), (0, 0), "{put:?} {get:?}");
        [put, get]
    }
}

/// Asserts that a text contains no token, download URL or upload URL of the drive server.
fn assert_no_secret(text: &str) {
    for secret in ["drivedal-dev", "/s1p", "/rup/", "Bearer"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_logged_without_secrets() {
    let drive = Drive::new().await;
    let [put, get] = drive.there_and_back(&["-v", "--log-file", "wire.log"]).await;
    let counters = drive.server.control().counters();
    let log = String::from_utf8(drive.shell.read("wire.log")).expect("text");
    // The log has the requests of a batch one by one, so the batch itself is not counted.
    let total = counters.total - counters.count("graph.batch");
    let told = |text: &str| text.matches("drivedal::wire: ").count() as u64;
    assert_eq!(told(&log), total, "{log}");
    assert_eq!(told(&put.err) + told(&get.err), total, "{put:?} {get:?}");
    for text in [
        "service=\"onedrive\"",
        "operation=\"write\" method=\"PUT\"",
        "/v1.0/me/drive/root:/dst/0:/createUploadSession",
        "/{upload session}",
        "status=429",
        "attempt=2",
        "/{download URL}",
        "bytes_down=100",
        "request_id=",
        ": retrying",
    ] {
        assert!(log.contains(text), "{text}: {log}");
    }
    for text in [&log, &put.err, &get.err] {
        assert_no_secret(text);
    }
    // Without the options nothing is printed, and the file is appended to.
    let ran = drive.run(&["ls", "one:dst"]).await;
    assert_eq!((ran.code, &*ran.err), (0, ""));
    drive.run(&["--log-file", "wire.log", "ls", "one:dst"]).await;
    assert!(drive.shell.read("wire.log").len() > log.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_har_file_has_every_request_and_no_secret() {
    let drive = Drive::new().await;
    let mut entries = 0;
    drive.server.control().reset_counters();
    for (file, run) in ["put.har", "get.har"]
        .into_iter()
        .zip([["put", "-r", "src", "one:dst"], ["get", "-r", "one:dst", "back"]])
    {
        let ran = drive.run(&[&["--har", file][..], &run[..]].concat()).await;
        assert_eq!((ran.code, ran.err.contains("WARN")), (0, false), "{ran:?}");
        let text = String::from_utf8(drive.shell.read(file)).expect("text");
        assert_no_secret(&text);
        let har: Value = serde_json::from_str(&text).expect("JSON");
        let list = har["log"]["entries"].as_array().expect("a list");
        assert!(list.iter().all(|entry| entry["response"]["status"].as_u64() >= Some(200)));
        entries += list.len() as u64;
    }
    let counters = drive.server.control().counters();
    assert_eq!(entries, counters.total - counters.count("graph.batch"));
    drive.run(&["--har", "no/such/folder.har", "ls", "one:"]).await.fails(3, "folder.har");
    drive.run(&["--log-file", "no/such/log", "ls", "one:"]).await.fails(3, "no/such/log");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_shown_as_a_table_or_as_a_record() {
    let drive = Drive::new().await;
    let [put, get] = drive.there_and_back(&["--stats"]).await;
    assert!(put.err.contains("onedrive write {item}/createUploadSession"), "{put:?}");
    assert!(get.err.contains("onedrive read {download URL}"), "{get:?}");
    let ran = drive.run(&["--json", "--stats", "get", "-r", "one:dst", "again"]).await;
    let record = ran.json().pop().expect("the last record");
    let rows = record["wire"].as_array().expect("a list");
    let read = rows.iter().find(|row| row["request"] == "{download URL}").expect("the files");
    assert_eq!((&read["requests"], &read["bytes_down"]), (&6.into(), &615.into()));
    assert!(read["half"].as_f64() > Some(0.0) && read["half"].as_f64() <= read["longest"].as_f64());
}
