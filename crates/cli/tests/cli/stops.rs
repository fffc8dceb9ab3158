//! Signals: running work ends cleanly, and the exit code shows that the command did not finish.

#![cfg(unix)]

use std::{
    fs::{self, File},
    io::Read,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::shell::{Ran, Shell};

/// Sends a signal to a child process.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(sent.expect("kill runs").success());
}

/// Waits until `holds` is true, at most for a fixed time.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn spawn(shell: &Shell, arguments: &[&str]) -> Child {
    let mut command = shell.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

fn end(child: Child) -> Ran {
    Ran::new(child.wait_with_output().expect("it ends"))
}

/// Creates a sparse file of zeros that takes long to read.
fn endless(shell: &Shell, path: &str) {
    let file = File::create(shell.write(path, "")).expect("made");
    file.set_len(64 << 30).expect("as long as that");
}

#[test]
fn an_interrupted_large_download_is_resumed() {
    let shell = Shell::new();
    endless(&shell, "disk/x/large");
    shell.write("disk/x/small", "1");
    let mut had = 0;
    for (name, code) in [("INT", 130), ("TERM", 143), ("INT", 130)] {
        let child = spawn(&shell, &["get", "-r", "disk:x", "back"]);
        let partial = || {
            let names = fs::read_dir(shell.path("back")).into_iter().flatten().flatten();
            let of = |name: &str| name.starts_with(".drivedal-") && name.ends_with(".partial");
            let ours = names.filter(|entry| of(&entry.file_name().to_string_lossy()));
            ours.map(|entry| entry.metadata().map_or(0, |file| file.len())).max().unwrap_or(0)
        };
        // More bytes than the small file has.
        until("bytes come", || partial() > had.max(1));
        signal(&child, name);
        let ran = end(child);
        ran.fails(code, "drivedal: interrupted");
        ran.fails(code, "received (run the same command again to resume)");
        assert_eq!(ran.err.contains("large: resuming at "), had > 0, "{ran:?}");
        assert!(ran.err.contains("get: "), "the summary is there: {ran:?}");
        had = partial();
        assert!(had > 0);
    }
    // The remote file has changed.
    shell.write("disk/x/large", "short");
    let ran = shell.run(&["get", "-r", "disk:x", "back"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let names: Vec<_> = crate::shell::tree(&shell.path("back"));
    let whole = |name: &str, text: &str| (name.to_owned(), Some(text.as_bytes().to_vec()));
    let large = shell.read("back/large");
    assert_eq!(large, b"short");
    assert!(names.contains(&whole("small", "1")), "{:?}", names.len());
}

#[test]
fn a_send_that_is_stopped_ends_with_the_signals_code() {
    let shell = Shell::new();
    endless(&shell, "large");
    let child = spawn(&shell, &["put", "large", "disk:copy"]);
    let copy = shell.on_disk("copy");
    until("bytes arrive", || fs::metadata(&copy).is_ok_and(|copy| copy.len() > 0));
    signal(&child, "INT");
    end(child).fails(130, "drivedal: interrupted");
}

#[test]
fn a_command_blocked_on_its_output_can_be_stopped() {
    let shell = Shell::new();
    endless(&shell, "disk/large");
    let mut child = spawn(&shell, &["cat", "disk:large"]);
    let mut out = child.stdout.take().expect("piped");
    out.read_exact(&mut [0; 10]).expect("the first bytes");
    signal(&child, "TERM");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(143));
    drop(out);
}
