//! `drivedal serve`, and commands that share a server.

#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Read},
    ops::Deref,
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

use drivedal_test_support::media;

use crate::{
    serving::Serving as Process,
    shell::{Ran, Shell},
    stops::{signal, until},
};

/// A server process.
pub struct Serving(Process);

impl Deref for Serving {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl Serving {
    pub fn start(shell: &Shell, arguments: &[&str]) -> Self {
        let mut command = shell.command(&["serve"]);
        Self(Process::start(command.args(arguments).stderr(Stdio::piped())))
    }

    fn remote(&self, token: &str) -> String {
        let endpoint = format!("{}/v5.0/", self.url).replace(':', "%3A").replace('/', "%2F");
        format!("sky=skydrive://?endpoint={endpoint}&access_token={token}")
    }

    /// Sends a signal and waits for the end of the process.
    pub fn stop(mut self, name: &str) -> Ran {
        let Process { child, out, .. } = &mut self.0;
        signal(child, name);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        out.read_to_end(&mut stdout).expect("the rest");
        let mut err = child.stderr.take().expect("piped");
        err.read_to_end(&mut stderr).expect("what it complained of");
        let status = child.wait().expect("it ends");
        let ran = Ran::new(Output { status, stdout, stderr });
        assert_eq!(ran.out, "", "{ran:?}");
        ran
    }
}

#[test]
fn serve_prints_its_address_and_stops_cleanly_on_signals() {
    let shell = Shell::new();
    for name in ["INT", "TERM"] {
        let serving = Serving::start(&shell, &["--http", "127.0.0.1:0"]);
        assert!(serving.url.starts_with("http://127.0.0.1:"), "{}", serving.url);
        let remote = serving.remote("drivedal-dev");
        assert_eq!(shell.run(&["--remote", &remote, "mkdir", "-p", "sky:kept"]).code, 0);
        let ran = serving.stop(name);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(!shell.path("data/server.json").exists());
    }
    // The data is still in the folder after the server has stopped.
    assert_eq!(shell.out(&["ls", "local-skydrive:"]), "kept/\n");
}

#[test]
fn the_embedded_drive_uses_the_server_that_runs_on_its_data() {
    let shell = Shell::new();
    let serving = Serving::start(&shell, &[]);
    shell.out(&["mkdir", "local-skydrive:here"]);
    let remote = serving.remote("drivedal-dev");
    assert_eq!(shell.out(&["--remote", &remote, "ls", "sky:"]), "here/\n");
    shell.run(&["serve"]).fails(1, "in use");
    assert_eq!(serving.stop("TERM").code, 0);
}

/// Exit code of a command whose token is rejected.
const REFUSED: i32 = 4;

#[test]
fn the_default_data_folder_has_a_token_that_only_its_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let shell = Shell::new();
    let mut command = shell.command(&["serve"]);
    let command = command.env_remove("DRIVEDAL_DATA").stderr(Stdio::piped());
    let serving = Serving(Process::start(command));
    let file = shell.path(".local/share/drivedal/token");
    let mode = |path: &std::path::Path| path.metadata().expect("there").permissions().mode();
    assert_eq!(mode(&file) & 0o777, 0o600);
    assert_eq!(mode(file.parent().expect("a folder")) & 0o077, 0);
    let token = String::from_utf8(shell.read(".local/share/drivedal/token")).expect("text");
    let ls = |token: &str| shell.run(&["--remote", &serving.remote(token), "ls", "sky:"]).code;
    assert_eq!(ls(token.trim()), 0);
    for public in ["drivedal-dev", "drivedal-dev-anna"] {
        assert_eq!(ls(public), REFUSED, "{public}");
    }
    // The embedded drives use the private token.
    let mut mkdir = shell.command(&["mkdir", "local-onedrive:here"]);
    let made = mkdir.env_remove("DRIVEDAL_DATA").output().expect("it runs");
    assert!(made.status.success(), "{made:?}");
    assert_eq!(ls(token.trim()), 0);
    let ran = serving.stop("TERM");
    let said = format!("the access token is in {}", file.display());
    assert!(ran.code == 0 && ran.err.contains(&said), "{ran:?}");
    assert!(!ran.err.contains(token.trim()), "{ran:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_embedded_drive_has_no_port_and_its_socket_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let shell = Shell::new();
    shell.write("large", vec![7; 8 << 20]);
    shell.out(&["put", "large", "local-skydrive:"]);
    // The command runs a server until its output is read.
    let mut cat = shell.command(&["cat", "local-skydrive:large"]);
    let mut cat = cat.stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut out = cat.stdout.take().expect("piped");
    out.read_exact(&mut [0; 10]).expect("the first bytes");
    assert_eq!(listening_ports(cat.id()), [""; 0]);
    let notice: serde_json::Value =
        serde_json::from_slice(&shell.read("data/server.json")).expect("JSON");
    let socket = std::path::Path::new(notice["socket"].as_str().expect("a socket"));
    assert_eq!(socket.metadata().expect("a socket").permissions().mode() & 0o777, 0o600);
    // Another command of this user reaches that server through the socket.
    assert_eq!(shell.out(&["ls", "local-skydrive:"]), "large\n");
    shell.out(&["mkdir", "local-onedrive:folder"]);
    assert!(cat.try_wait().expect("a process").is_none(), "it still serves");
    drop(out);
    cat.wait().expect("it ends");
    assert!(!socket.exists());
}

/// The local addresses, as the kernel writes them, of the TCP sockets on which a process listens.
#[cfg(target_os = "linux")]
fn listening_ports(pid: u32) -> Vec<String> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a process");
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let links: Vec<_> = links.map(|link| link.display().to_string()).collect();
    let mut ports = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).expect("a table");
        for line in table.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            // sl local_address rem_address st … inode; state 0A is LISTEN.
            if fields[3] == "0A" && links.contains(&format!("socket:[{}]", fields[9])) {
                ports.push(fields[1].to_owned());
            }
        }
    }
    ports
}

#[test]
fn serve_injects_the_faults_of_a_file_and_prints_the_seed() {
    let shell = Shell::new();
    shell.write("bad.json", r#"[{"operation": "live.files.list", "count": 1, "status": 418}]"#);
    let arguments = ["--ephemeral", "--faults", "bad.json", "--fault-seed", "42"];
    let serving = Serving::start(&shell, &arguments);
    let remote = serving.remote("drivedal-dev");
    shell.run(&["--remote", &remote, "ls", "sky:"]).fails(8, "418");
    assert_eq!(shell.out(&["--remote", &remote, "ls", "sky:"]), "");
    let ran = serving.stop("TERM");
    assert_eq!((ran.code, ran.err.as_str()), (0, "drivedal: 1 fault rules, fault seed 42\n"));
    shell.write("bad.json", r#"[{"status": 500}, {"statis": 500}]"#);
    shell.run(&["serve", "--ephemeral", "--faults", "bad.json"]).fails(2, "rule 2");
    shell.write("bad.json", r#"{"status": 100}"#);
    shell.run(&["serve", "--ephemeral", "--faults", "bad.json"]).fails(2, "200 to 599");
}

#[test]
fn serve_applies_seed_quota_and_latency() {
    let shell = Shell::new();
    shell.write("seed/a/b.txt", "hello");
    shell.write("big", vec![0; 20_000]);
    let serving = Serving::start(
        &shell,
        &["--ephemeral", "--seed", "seed", "--quota", "10KB", "--latency", "50ms"],
    );
    let remote = serving.remote("drivedal-dev");
    let run = |arguments: &[&str]| shell.run(&[&["--remote", &remote], arguments].concat());
    assert_eq!(run(&["cat", "sky:a/b.txt"]).out, "hello");
    assert_eq!(run(&["ls", "sky:"]).out, "a/\n");
    assert!(run(&["quota", "sky:"]).out.starts_with("total: 10000\n"));
    run(&["put", "big", "sky:"]).fails(1, "507");
    let started = Instant::now();
    run(&["user", "sky:"]);
    assert!(started.elapsed() >= Duration::from_millis(50));

    let other = serving.remote("drivedal-dev-other");
    assert_eq!(shell.out(&["--remote", &other, "ls", "sky:"]), "");
    assert_eq!(serving.stop("INT").code, 0);
    assert!(!shell.path("data").exists());
}

#[test]
fn serve_limits_accounts_to_a_budget() {
    let shell = Shell::new();
    let serving = Serving::start(&shell, &["--ephemeral", "--budget", "3/1h"]);
    let remote = serving.remote("drivedal-dev");
    let mkdir = || shell.run(&["--remote", &remote, "--retries=0", "mkdir", "-p", "sky:a"]);
    let codes: Vec<_> = (0..4).map(|_| mkdir().code).collect();
    assert_eq!((codes[0], codes[3]), (0, 7), "{codes:?}");
    mkdir().fails(7, "420 request_throttled").fails(7, "requests a pause of 3");
    assert_eq!(serving.stop("INT").code, 0);
}

#[test]
fn serve_reads_the_users_and_applications_of_a_file() {
    let shell = Shell::new();
    let file = shell.path("accounts.toml");
    std::fs::write(&file, "[[users]]\nname = \"anna\"\nkind = \"business\"\n").expect("written");
    let file = file.to_str().expect("a path");
    let refused = shell.run(&["serve", "--ephemeral", "--accounts", file]);
    refused.fails(2, "accounts.toml:3: users[0].kind: a business account needs a tenant");
    std::fs::write(file, "[[users]]\nname = \"anna\"\nkind = \"personal\"\n").expect("written");
    let options = ["--ephemeral", "--accounts", file, "--refresh-reuse", "revoke"];
    let serving = Serving::start(&shell, &options);
    assert_eq!(serving.stop("INT").code, 0);
    let wrong = ["serve", "--ephemeral", "--refresh-reuse", "never"];
    shell.run(&wrong).fails(2, "`never` is not allow or revoke");
    shell.run(&["serve", "--ephemeral", "--accounts", "missing.toml"]).fails(2, "missing.toml");
}

#[test]
fn serve_listens_for_other_computers_only_with_insecure_listen() {
    let shell = Shell::new();
    shell.run(&["serve", "--http", "0.0.0.0:0", "--ephemeral"]).fails(2, "other machines");
    let serving = Serving::start(&shell, &["--insecure-listen", "0.0.0.0:0", "--ephemeral"]);
    let ran = serving.stop("INT");
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("other computers can reach this server"), "{ran:?}");
    assert!(ran.err.contains("/_control requires the token"), "{ran:?}");
    shell.run(&["serve", "--ephemeral", "--allow-host", "*"]).fails(2, "cannot allow host `*`");
    let ran = shell.run(&["serve", "--ephemeral", "--allow-origin", "localhost"]);
    ran.fails(2, "cannot allow origin `localhost`");
    shell.run(&["serve", "--quota", "much"]).fails(2, "is not a size");
    shell.run(&["serve", "--latency", "20"]).fails(2, "is not a time span");
    shell.run(&["serve", "--budget", "many"]).fails(2, "is not a budget");
    shell.run(&["serve", "--ephemeral", "--budget", "0/1m"]).fails(2, "units must be at least 1");
}

#[test]
fn a_command_whose_server_others_use_waits_for_them() {
    let shell = Shell::new();
    shell.write("large", vec![7; 8 << 20]);
    shell.out(&["put", "large", "local-skydrive:"]);

    // The first command runs the server, and nothing reads its output yet.
    let spawn = || {
        let mut command = shell.command(&["cat", "local-skydrive:large"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
    };
    let begin = |child: &mut Child| {
        let mut out = child.stdout.take().expect("piped");
        out.read_exact(&mut [0; 10]).expect("the first bytes");
        out
    };
    let mut first = spawn();
    let mut first_out = begin(&mut first);
    let mut second = spawn();
    let mut second_out = begin(&mut second);

    // The first command has finished its work, and the second one still receives all bytes.
    let mut rest = vec![0; (8 << 20) - 10];
    first_out.read_exact(&mut rest).expect("the rest");
    let mut first_err = BufReader::new(first.stderr.take().expect("piped"));
    let mut said = String::new();
    first_err.read_line(&mut said).expect("a message");
    assert!(said.contains("waiting for other commands"), "{said:?}");
    assert!(first.try_wait().expect("asked").is_none());
    // A third command uses the same server meanwhile.
    assert_eq!(shell.out(&["ls", "local-skydrive:"]), "large\n");

    rest.clear();
    second_out.read_to_end(&mut rest).expect("the rest");
    assert_eq!(rest.len(), (8 << 20) - 10);
    assert!(second.wait().expect("it ends").success());
    until("the first one ends", || first.try_wait().expect("asked").is_some());
    assert!(first.wait().expect("it has ended").success());
}

#[test]
fn commands_that_begin_together_find_one_server() {
    let shell = Shell::new();
    let children: Vec<_> = (0..6)
        .map(|number| {
            let folder = format!("local-skydrive:{number}");
            let mut command = shell.command(&["mkdir", &folder]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
        })
        .collect();
    for child in children {
        let ran = Ran::new(child.wait_with_output().expect("it ends"));
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    assert_eq!(shell.out(&["ls", "local-skydrive:"]), "0/\n1/\n2/\n3/\n4/\n5/\n");
}

#[test]
fn serve_shows_the_kind_of_account() {
    let shell = Shell::new();
    for (kind, looks) in
        [("personal", "!s"), ("personal-legacy", "!1"), ("business", "01"), ("library", "01")]
    {
        let serving = Serving::start(&shell, &["--ephemeral", "--kind", kind]);
        let endpoint = format!("{}/v1.0", serving.url).replace(':', "%3A").replace('/', "%2F");
        let remote = format!("one=onedrive://?endpoint={endpoint}&access_token=drivedal-dev");
        assert_eq!(shell.run(&["--remote", &remote, "mkdir", "one:a"]).code, 0);
        let told = shell.out(&["--remote", &remote, "stat", "one:a/"]);
        let id = told.lines().find_map(|line| line.strip_prefix("id: ")).unwrap_or_default();
        match looks.strip_prefix('!') {
            Some(_) => assert!(id.contains(looks), "{kind}: {told}"),
            None => assert!(id.starts_with(looks), "{kind}: {told}"),
        }
        assert_eq!(serving.stop("TERM").code, 0);
    }
    let ran = shell.run(&["serve", "--ephemeral", "--kind", "premium"]);
    assert!(ran.code == 2 && ran.err.contains("premium"), "{ran:?}");
}

#[test]
fn broken_media_files_are_stored_and_nothing_is_printed() {
    let shell = Shell::new();
    // The parser panics on the first two files and logs an error for the third.
    shell.write("1.ogg", media::OPUS[0]);
    shell.write("2.ogg", media::OPUS[1]);
    shell.write("3.mp4", b"\0\0\0\x10ftypisom\0\0\0\0\xff\xff\xff\xffmoov\0\0\0\0");
    let serving = Serving::start(&shell, &["--ephemeral"]);
    let remote = serving.remote("drivedal-dev");
    for file in ["1.ogg", "2.ogg", "3.mp4"] {
        let put = shell.run(&["--remote", &remote, "put", file, "sky:"]);
        assert_eq!(put.code, 0, "{}", put.err);
    }
    assert_eq!(shell.out(&["--remote", &remote, "ls", "sky:"]), "1.ogg\n2.ogg\n3.mp4\n");
    let ran = serving.stop("TERM");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
