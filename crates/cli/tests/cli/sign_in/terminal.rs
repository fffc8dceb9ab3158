//! Questions to a user at a terminal.

#![cfg(target_os = "linux")]

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use drivedal_server::AccountKind;

use super::{SignIn, choice, submit};

/// A command on a new terminal, which the program `script` provides.
struct Terminal {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// The output that was read.
    read: String,
}

impl Terminal {
    /// Starts `drivedal` with these arguments.
    fn start(user: &SignIn, arguments: &[&str]) -> Self {
        let quoted = arguments.iter().map(|argument| format!("'{argument}'"));
        let line: Vec<_> =
            std::iter::once(env!("CARGO_BIN_EXE_drivedal").to_owned()).chain(quoted).collect();
        let mut child = Command::new("script")
            .args(["-qec", &line.join(" "), "/dev/null"])
            .current_dir(user.shell.path("."))
            .env_clear()
            .env("HOME", user.shell.path("."))
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is installed (bsdutils)");
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = (input.expect("is piped"), output.expect("is piped"));
        Self { child, input, output, read: String::new() }
    }

    /// Waits until the program has printed a text.
    fn wait_for(&mut self, text: &str) {
        tokio::task::block_in_place(|| {
            let mut bytes = [0; 4096];
            while !self.read.contains(text) {
                let count = self.output.read(&mut bytes).expect("is readable");
                assert!(count > 0, "it ended without {text:?}: {}", self.read);
                self.read.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
    }

    fn enter(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).expect("is read");
    }

    /// Waits until the program ends. Returns its exit code and everything that the terminal showed.
    fn end(mut self) -> (i32, String) {
        tokio::task::block_in_place(|| {
            let mut rest = Vec::new();
            self.output.read_to_end(&mut rest).expect("is readable");
            self.read.push_str(&String::from_utf8_lossy(&rest));
            let code = self.child.wait().expect("it ends").code();
            (code.expect("no signal"), self.read)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_entered_without_echo() {
    let user = SignIn::of_kind(AccountKind::Business).await;
    let url = user.url();
    let login = ["login", "ci", "--app-only", "--tenant", "contoso.example", "--server", &url];
    let mut terminal = Terminal::start(&user, &[&login[..], &["--drive", "none"]].concat());
    terminal.wait_for("Secret of the application: ");
    terminal.enter("hunter2");
    let (code, shown) = terminal.end();
    assert!(!shown.contains("hunter2"), "{shown}");
    // The secret was accepted, the drive was not.
    assert_eq!(code, 3, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drive_is_chosen_from_a_list() {
    let (user, api) = (SignIn::new().await, choice::two_drives());
    let url = user.url();
    let login = ["login", "od", "--no-browser", "--client-id", "x", "--authority", &url];
    let mut terminal = Terminal::start(&user, &[&login[..], &["--endpoint", &api.url]].concat());
    terminal.wait_for("prompt=select_account");
    let page = terminal.read.lines().find(|line| line.starts_with("http")).expect("a URL");
    submit(page.trim(), &[("decision", "allow")]).await;
    terminal.wait_for("Which drive (1-2): ");
    assert!(terminal.read.contains("  2  Archive (business, d2)"), "{}", terminal.read);
    terminal.enter("3");
    terminal.wait_for("Enter a number from 1 to 2.");
    terminal.enter("2");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(user.config().contains("drive_id = \"d2\""), "{}", user.config());
}
