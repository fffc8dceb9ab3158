//! `login`, `logout`, `token`, `drives`: each way to sign in, against a drive server.

mod application;
mod browser;
mod choice;
mod device;
mod import;
mod legacy;
mod terminal;
mod tokens;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use drivedal_server::{AccountKind, Server};

use crate::shell::{Ran, Shell};

/// A drive server, and a user with a home folder.
pub struct SignIn {
    pub server: Server,
    pub shell: Shell,
}

impl SignIn {
    pub async fn new() -> Self {
        Self::on(Server::builder().ephemeral()).await
    }

    pub async fn of_kind(kind: AccountKind) -> Self {
        Self::on(Server::builder().ephemeral().kind(kind)).await
    }

    pub async fn on(builder: drivedal_server::Builder) -> Self {
        let server = builder.start().await.expect("a server");
        Self { server, shell: Shell::new() }
    }

    /// Returns the server's URL without a slash at its end.
    pub fn url(&self) -> String {
        self.server.url().as_str().trim_end_matches('/').to_owned()
    }

    /// Returns a command of the program. `--server` is added to `login`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.shell.command(arguments);
        let names_server = arguments.iter().any(|it| ["--server", "--authority"].contains(it));
        if arguments.first() == Some(&"login") && !names_server {
            command.args(["--server", &self.url()]);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end, while the server in this process handles requests.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        Ran::new(ended.expect("no panic").expect("the binary runs"))
    }

    /// Runs a command that must succeed, and returns its output.
    pub async fn out(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
    }

    /// Signs in as an account in the browser flow. `account` is empty for the default account.
    pub async fn log_in(&self, name: &str, account: &str) -> Ran {
        let (login, page) = Login::start(self.command(&["login", name, "--no-browser"])).await;
        submit(&page, &[("account", account), ("decision", "allow")]).await;
        login.end().await
    }

    pub fn config(&self) -> String {
        String::from_utf8(self.shell.read(".config/drivedal/config.toml")).expect("text")
    }

    pub fn token_path(&self, name: &str) -> std::path::PathBuf {
        self.shell.path(&format!(".config/drivedal/tokens/{name}.json"))
    }
}

/// A running `drivedal login`.
pub struct Login {
    child: Child,
    errors: BufReader<ChildStderr>,
    /// The lines of standard error that were read.
    read: String,
}

impl Login {
    /// Starts the command, and returns the URL of the sign-in page that it prints.
    pub async fn start(command: Command) -> (Self, String) {
        Self::start_until(command, |line| line.starts_with("http").then(|| line.to_owned())).await
    }

    /// Starts the command. Returns the part of its messages that `find` finds in a line.
    pub async fn start_until(
        mut command: Command,
        find: impl Fn(&str) -> Option<String> + Send + 'static,
    ) -> (Self, String) {
        command.stdin(Stdio::piped());
        let started = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().expect("the binary runs");
            let errors = BufReader::new(child.stderr.take().expect("is piped"));
            let mut login = Self { child, errors, read: String::new() };
            loop {
                let start = login.read.len();
                let read = login.errors.read_line(&mut login.read).expect("is text");
                assert!(read > 0, "it ended: {}", login.read);
                if let Some(found) = find(login.read[start..].trim_end()) {
                    return (login, found);
                }
            }
        });
        started.await.expect("no panic")
    }

    /// Enters a line.
    pub fn enter(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("is piped");
        writeln!(input, "{line}").expect("is read");
    }

    /// Waits until the command ends.
    pub async fn end(mut self) -> Ran {
        let ended = tokio::task::spawn_blocking(move || {
            drop(self.child.stdin.take());
            std::io::Read::read_to_string(&mut self.errors, &mut self.read).expect("is text");
            let output = self.child.wait_with_output().expect("it ends");
            Ran { err: self.read, ..Ran::new(output) }
        });
        ended.await.expect("no panic")
    }
}

/// Returns an HTTP client that follows redirects, as a browser does.
pub fn browser() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()
        .expect("a client")
}

/// Opens a page of the server and submits its form. Returns the text of the last page.
pub async fn submit(page: &str, fields: &[(&str, &str)]) -> String {
    let form = browser().get(page).send().await.expect("a response");
    assert!(form.text().await.expect("a page").contains("<form"), "{page} has no form");
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let sent = browser()
        .post(page)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send();
    sent.await.expect("a response").text().await.expect("a page")
}
