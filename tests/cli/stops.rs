//! Signals: what was under way ends cleanly, and the exit code says that it did not finish.

#![cfg(unix)]

use std::{
    fs::{self, File},
    io::Read,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::shell::{Ran, Shell};

/// Sends a signal to a command that was started here.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status();
    assert!(sent.expect("kill runs").success());
}

/// Waits for something that a command is about to do.
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
    Ran::of(child.wait_with_output().expect("it ends"))
}

/// A file of zeros that takes no room and takes long to read.
fn endless(shell: &Shell, path: &str) {
    let file = File::create(shell.write(path, "")).expect("made");
    file.set_len(64 << 30).expect("as long as that");
}

#[test]
fn a_fetch_that_is_stopped_leaves_no_part_of_a_file() {
    let shell = Shell::new();
    endless(&shell, "disk/x/large");
    shell.write("disk/x/small", "1");
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let child = spawn(&shell, &["get", "-r", "disk:x", "back"]);
        let partial = || {
            let names = fs::read_dir(shell.path("back")).into_iter().flatten().flatten();
            names.filter(|entry| entry.file_name().to_string_lossy().ends_with(".partial")).count()
        };
        until("a partial file appears", || partial() > 0);
        signal(&child, name);
        let ran = end(child);
        ran.fails(code, "drivedal: interrupted");
        assert_eq!(partial(), 0, "{ran:?}");
        assert!(ran.err.contains("get: "), "the summary is there: {ran:?}");
    }
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
fn a_command_whose_reader_does_not_read_stops_all_the_same() {
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
