//! Runs the commands of the document and compares their output.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use drivedal_server::{FixtureItem, Server};
use tempfile::TempDir;

use crate::old_client::media;

/// The library's document. A file of another package is read when the test runs.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../src/services/skydrive/old_client.md");
    fs::read_to_string(path).expect("the document")
});

/// The server's address in the document.
const SERVER: &str = "http://127.0.0.1:8000";

/// Every command of the old client (live-connect#cli-commands).
const COMMANDS: [&str; 20] = [
    "auth",
    "auth_refresh",
    "quota",
    "user",
    "recent",
    "info",
    "info_set",
    "link",
    "ls",
    "mkdir",
    "get",
    "put",
    "cp",
    "mv",
    "rm",
    "comments",
    "comment_add",
    "comment_delete",
    "tree",
    "-h",
];

/// Returns the code blocks of a language, in order.
fn blocks(language: &str) -> Vec<&str> {
    DOCUMENT
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .collect()
}

/// A command and its expected output.
#[derive(Debug, Default)]
struct Example {
    command: String,
    expected: Vec<String>,
}

/// Returns the commands of drivedal. Those of the old client are skipped.
fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in blocks("console") {
        for line in block.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                let command = command.to_owned();
                examples.push(Example { command, expected: Vec::new() });
            } else if !line.starts_with("% ") {
                let last = examples.last_mut().expect("a command above every output");
                last.expected.push(line.to_owned());
            }
        }
    }
    examples
}

/// Returns whether a line matches the expected one, in which `…` matches any text.
fn matches(line: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut open = false;
    for part in parts {
        open = true;
        match rest.find(part) {
            Some(at) if !part.is_empty() => {
                rest = &rest[at + part.len()..];
                open = false;
            }
            Some(_) => {}
            None => return false,
        }
    }
    open || rest.is_empty()
}

struct Session {
    home: TempDir,
    address: String,
    ended_at: String,
}

impl Session {
    /// Runs a command line and returns its standard output and standard error.
    fn run(&self, command: &str) -> String {
        let bin = PathBuf::from(env!("CARGO_BIN_EXE_drivedal"));
        let bin = bin.parent().expect("a folder").display();
        let output = Command::new("sh")
            .args(["-c", &format!("{{ {command}\n}} 2>&1")])
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", format!("{bin}:/usr/bin:/bin"))
            .env("ENDED_AT", &self.ended_at)
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        String::from_utf8(output.stdout).expect("text").replace(&self.address, SERVER)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.home.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("made");
        fs::write(path, text.replace(SERVER, &self.address)).expect("written");
    }
}

/// Signs in like a browser at the URL of the document. Returns the URL of the last redirect.
async fn sign_in(address: &str) -> String {
    let visit = DOCUMENT
        .lines()
        .find_map(|line| line.strip_prefix("URL to visit: "))
        .expect("the address to visit")
        .replace(SERVER, address)
        .replace("http%3A%2F%2F127.0.0.1%3A8000", &address.replace(':', "%3A").replace('/', "%2F"));
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let answer = client.build().expect("a client").get(visit).send().await.expect("an answer");
    answer.headers()["location"].to_str().expect("an address").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_document_works_as_written() {
    let server = Server::builder().ephemeral().quota(25 << 30).start().await.expect("a server");
    let address = server.url().as_str().trim_end_matches('/').to_owned();
    let time = |second: i64| jiff::Timestamp::from_second(second).expect("a time");
    let planted = [
        FixtureItem::file("Documents/README.txt", "Read me first.\n").modified(time(1_000)),
        FixtureItem::file("Pics/image1.jpg", media::photo(640, 480)).modified(time(2_000)),
        FixtureItem::file("Pics/image2.jpg", media::photo(64, 48)).modified(time(3_000)),
    ];
    server.control().add_fixtures(planted).await.expect("planted");

    let ended_at = sign_in(&address).await;
    let home = TempDir::new().expect("a folder");
    let session = Session { home, address, ended_at };
    session.write(".lcrc", blocks("yaml")[0]);
    session.write(".config/drivedal/config.toml", blocks("toml")[0]);
    let encoded = session.address.replace(':', "%3A").replace('/', "%2F");
    let wrong = tokio::task::spawn_blocking(move || {
        let mut wrong = Vec::new();
        for Example { command, expected } in examples() {
            let said = session.run(&command).replace(&encoded, "http%3A%2F%2F127.0.0.1%3A8000");
            let lines: Vec<_> = said.lines().collect();
            let same = lines.len() == expected.len()
                && lines.iter().zip(&expected).all(|(line, expected)| matches(line, expected));
            if !same {
                wrong.push(format!("$ {command}\n{said}-- the document:\n{}", expected.join("\n")));
            }
        }
        wrong
    });
    let wrong = wrong.await.expect("no panic");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_command_of_the_old_client_is_in_the_document() {
    let (_, table) = DOCUMENT.split_once("# The commands").expect("the table");
    for command in COMMANDS {
        let shown = table.contains(&format!("| `{command}"))
            || table.contains(&format!("`{command} "))
            || table.contains(&format!("`{command}`"));
        assert!(shown, "{command} is not in the table");
        let example = DOCUMENT.contains(&format!("-cli {command}"))
            || DOCUMENT
                .lines()
                .any(|line| line.starts_with("% ") && line.split(' ').any(|word| word == command));
        assert!(example, "{command} has no example");
    }
}

#[test]
fn dots_stand_for_anything() {
    assert!(matches("a: 12 b", "a: … b") && matches("a: x", "a: …") && matches("a", "a"));
    assert!(!matches("a: 12 c", "a: … b") && !matches("ab", "a") && !matches("b", "a…"));
}
