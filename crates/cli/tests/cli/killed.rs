//! Transfers of large files by a client that is killed: the next run resumes them.
//!
//! `DRIVEDAL_KILLS` is the number of kills per transfer and remote (default 3).

#![cfg(unix)]

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use drivedal_server::{Fault, RequestRecord};

use crate::{
    rig::{
        Cloud::{Amazon, OneDrive, SkyDrive},
        Rig,
    },
    shell::{Ran, Shell},
    stops::{signal, until},
};

const MIB: usize = 1 << 20;

/// Runs a command and kills it as soon as `holds` is true. Returns whether the command was still
/// running.
fn kill_when(rig: &Rig, arguments: &[&str], holds: impl Fn() -> bool) -> bool {
    let mut child = rig.command(arguments).spawn().expect("the binary runs");
    let mut ended = false;
    until("the command comes so far", || {
        ended = child.try_wait().expect("a child").is_some();
        ended || holds()
    });
    kill(child);
    !ended
}

fn kill(mut child: Child) {
    // The command may have ended already.
    let _ = child.kill();
    child.wait().expect("a child");
}

fn kills() -> u64 {
    std::env::var("DRIVEDAL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most.max(1)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend(self.below(u64::MAX).to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

/// Content of the small file that is downloaded together with a large one.
const SMALL: &str = "small";

/// Returns the length of the large download's partial file.
fn partial(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(".drivedal-") && name.ends_with(".partial")
    });
    let lengths = ours.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    lengths.filter(|length| *length > SMALL.len() as u64).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_a_killed_client_is_resumed() {
    for cloud in [SkyDrive, OneDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        let mut dice = Dice(0x5eed);
        let (mut again, mut all, mut were_killed) = (0, 0, 0);
        for turn in 0..kills() {
            let size = 12 * MIB + dice.below(MIB as u64) as usize;
            let written = dice.bytes(size);
            rig.shell.write("large", &written);
            let target = format!("it:a/large {turn}");
            let verb = if turn % 2 == 0 { "copy" } else { "put" };
            let put = [verb, "large", &target];
            rig.server.control().reset_counters();
            // Fragments of 1, 2 and 4 MB, and the rest.
            let fragments = if cloud == Amazon { 0 } else { dice.below(4) };
            let later = Duration::from_micros(dice.below(30_000));
            were_killed += u64::from(kill_when(&rig, &put, || {
                let holds = rig.server.control().counters().count(cloud.fragment()) > fragments;
                if holds {
                    std::thread::sleep(later);
                }
                holds
            }));
            let ran = rig.run(&put).await;
            assert_eq!(ran.code, 0, "{cloud:?}: {ran:?}");
            let is_fragment = |record: &RequestRecord| record.operation == cloud.fragment();
            let sent = rig.bytes(is_fragment, |record| record.bytes_in).await;
            let broken = |record: &RequestRecord| {
                is_fragment(record) && record.status.is_none_or(|status| status >= 300)
            };
            // Bytes in transit when the client was killed, one byte of a status request, and the
            // form around a file.
            let broken = rig.bytes(broken, |record| record.bytes_in).await + 1024;
            let twice = sent.saturating_sub(size as u64);
            assert!(twice <= broken, "{cloud:?}: {twice} bytes again, {broken} broke off");
            again += twice;
            all += size as u64;
            let back = rig.run(&["get", &target, "back"]).await;
            assert_eq!(back.code, 0, "{cloud:?}: {back:?}");
            assert!(rig.shell.read("back") == written, "{cloud:?}: other bytes");
        }
        eprintln!(
            "{cloud:?}: uploads killed {were_killed} times, {again} of {all} bytes sent again ({:.1} %)",
            100.0 * again as f64 / all as f64
        );
        assert!(were_killed > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_a_killed_client_is_resumed() {
    for cloud in [SkyDrive, OneDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        let mut dice = Dice(0xfe7c4);
        let (mut had_in_all, mut were_killed) = (0, 0);
        let size = 24 * MIB;
        let written = dice.bytes(size);
        rig.shell.write("src/large", &written);
        rig.shell.write("src/small", SMALL);
        assert_eq!(rig.run(&["put", "-r", "src", "it:src"]).await.code, 0);
        for turn in 0..kills() {
            let name = format!("back {turn}");
            let folder = rig.shell.path(&name);
            let get: &[&str] = match turn % 2 {
                0 => &["get", "-r", "it:src", &name],
                _ => &["get", "it:src/large", "it:src/small", &name],
            };
            if turn % 2 == 1 {
                fs::create_dir(&folder).expect("made");
            }
            let until = dice.below(size as u64);
            were_killed += u64::from(kill_when(&rig, get, || partial(&folder) > until));
            rig.settled().await;
            let had = if folder.join("large").exists() { 0 } else { partial(&folder) };
            rig.server.control().reset_counters();
            let ran = rig.run(get).await;
            assert_eq!(ran.code, 0, "{cloud:?}: {ran:?}");
            assert_eq!(ran.err.contains("src/large: resuming at "), had > 0, "{ran:?}");
            assert!(fs::read(folder.join("large")).expect("it is there") == written, "other bytes");
            let entries = fs::read_dir(&folder).expect("a folder");
            let mut names: Vec<_> =
                entries.map(|entry| entry.expect("listed").file_name()).collect();
            names.sort();
            assert_eq!(names, ["large", "small"], "{cloud:?}");
            let is_bytes = |record: &RequestRecord| {
                ["ticket.get", "amazon.content.get"].contains(&record.operation.as_str())
            };
            let came = rig.bytes(is_bytes, |record| record.bytes_out).await;
            assert_eq!(came, (size + SMALL.len()) as u64 - had, "{cloud:?}");
            had_in_all += had;
        }
        eprintln!(
            "{cloud:?}: get killed {were_killed} times, {had_in_all} bytes did not come again"
        );
        assert!(were_killed > 0 && had_in_all > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_file_of_a_deleted_remote_file_is_removed() {
    for cloud in [SkyDrive, OneDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        rig.shell.write("src/large", Dice(7).bytes(24 * MIB));
        rig.shell.write("src/rest", "rest");
        assert_eq!(rig.run(&["put", "-r", "src", "it:src"]).await.code, 0);
        let (get, folder) = (["get", "-r", "it:src", "back"], rig.shell.path("back"));
        // Three cases: the remote file was deleted; it is small now; it is downloaded although the
        // journal does not know it.
        for turn in 0..3 {
            assert!(kill_when(&rig, &get, || partial(&folder) > MIB as u64), "{cloud:?} {turn}");
            rig.settled().await;
            match turn {
                0 => assert_eq!(rig.run(&["rm", "it:src/large"]).await.code, 0),
                1 => {
                    rig.shell.write("small", "small");
                    assert_eq!(rig.run(&["put", "small", "it:src/large"]).await.code, 0);
                }
                _ => {
                    let journal = rig.shell.path(".local/state/drivedal/transfers");
                    fs::remove_dir_all(journal).expect("removed");
                }
            }
            let ran = rig.run(&get).await;
            assert_eq!(ran.code, 0, "{cloud:?}: {ran:?}");
            let entries = fs::read_dir(&folder).expect("a folder").flatten();
            let left = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let left: Vec<_> = left.filter(|name| name.ends_with(".partial")).collect();
            assert!(left.is_empty(), "{cloud:?} {turn}: {left:?}");
            if folder.join("large").exists() {
                fs::remove_file(folder.join("large")).expect("removed");
            }
            assert_eq!(rig.run(&["put", "src/large", "it:src/large"]).await.code, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_large_upload_reports_its_progress_and_where_it_resumes() {
    for cloud in [SkyDrive, OneDrive] {
        let rig = Rig::new(cloud).await;
        let written = Dice(1).bytes(12 * MIB);
        rig.shell.write("src/large", &written);
        let slow = Fault::on(cloud.fragment()).skip(2).latency(Duration::from_secs(600));
        rig.server.control().add_faults([slow]).expect("a rule");
        let child = rig.command(&["put", "-r", "src", "it:x"]).spawn().expect("the binary runs");
        until("fragments come", || rig.server.control().counters().count(cloud.fragment()) > 2);
        signal(&child, "INT");
        let stopped = Ran::new(child.wait_with_output().expect("it ends"));
        stopped.fails(130, "it:x/large: 2.").fails(130, "run the same command again to resume");
        rig.server.control().clear_faults();

        // The entry belongs to this file in this account.
        let journal = rig.shell.path(".local/state/drivedal/transfers");
        let kept = || {
            let entries = fs::read_dir(&journal).expect("a folder").flatten();
            entries
                .filter(|entry| entry.path().extension().is_some_and(|end| end == "json"))
                .count()
        };
        assert_eq!(kept(), 1);
        let ran = rig.run(&["put", "-r", "src", "it:x"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.err.contains("it:x/large: resuming at 2."), "{ran:?}");
        assert_eq!(kept(), 0);
        let back = rig.run(&["get", "it:x/large", "back"]).await;
        assert_eq!(back.code, 0, "{back:?}");
        assert!(rig.shell.read("back") == written);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_after_the_interruption_is_uploaded_again() {
    for cloud in [SkyDrive, OneDrive] {
        let rig = Rig::new(cloud).await;
        rig.shell.write("large", Dice(1).bytes(12 * MIB));
        let slow = Fault::on(cloud.fragment()).skip(2).latency(Duration::from_secs(600));
        rig.server.control().add_faults([slow]).expect("a rule");
        let put = ["put", "large", "it:large"];
        assert!(kill_when(&rig, &put, || {
            rig.server.control().counters().count(cloud.fragment()) > 2
        }));
        rig.server.control().clear_faults();
        let written = Dice(2).bytes(12 * MIB);
        rig.shell.write("large", &written);
        let ran = rig.run(&put).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!ran.err.contains("resuming"), "{ran:?}");
        assert_eq!(rig.run(&["get", "it:large", "back"]).await.code, 0);
        assert!(rig.shell.read("back") == written);
        let open = rig.server.control().upload_sessions("").await.expect("a count");
        assert_eq!(open, 0, "the first session was cancelled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_download_is_not_put_in_place() {
    // The partial file is corrupted: the hash detects it, and the download starts again.
    for cloud in [OneDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        let written = Dice(3).bytes(24 * MIB);
        rig.shell.write("large", &written);
        assert_eq!(rig.run(&["put", "large", "it:large"]).await.code, 0);
        let home = rig.shell.path("");
        let get = ["get", "it:large", "back"];
        assert!(kill_when(&rig, &get, || partial(&home) > 5 * MIB as u64));
        let spoiled = fs::read_dir(&home)
            .expect("a folder")
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().ends_with(".partial"));
        let path = spoiled.expect("a partial file").path();
        let mut bytes = fs::read(&path).expect("read");
        bytes[100] ^= 1;
        fs::write(&path, bytes).expect("written");
        let ran = rig.run(&get).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.err.contains("damaged in transit"), "{ran:?}");
        assert!(ran.err.contains("starting again"), "{ran:?}");
        assert!(rig.shell.read("back") == written);
        assert_eq!(partial(&home), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_acd_cli_is_resumed_on_amazon_only() {
    for cloud in [SkyDrive, OneDrive, Amazon] {
        let rig = Rig::new(cloud).await;
        let written = Dice(5).bytes(12 * MIB);
        rig.shell.write("large", &written);
        assert_eq!(rig.run(&["put", "large", "it:large"]).await.code, 0);
        let left = rig.shell.write("back.__incomplete", &written[..5 * MIB]);
        let ran = rig.run(&["get", "it:large", "back"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(rig.shell.read("back") == written, "{cloud:?}: other bytes");
        let said = "it:large: resuming the download of acd_cli at 4.9 MiB of 12.0 MiB";
        assert_eq!(ran.err.contains(said), cloud == Amazon, "{ran:?}");
        assert_eq!(left.exists(), cloud != Amazon, "{cloud:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_transfer_the_same_file_both_complete_it() {
    for cloud in [SkyDrive, OneDrive] {
        let rig = Rig::new(cloud).await;
        let written = Dice(6).bytes(16 * MIB);
        rig.shell.write("large", &written);
        let put = ["put", "large", "it:large"];
        let (one, other) = tokio::join!(rig.run(&put), rig.run(&put));
        assert_eq!((one.code, other.code), (0, 0), "{cloud:?}: {one:?} {other:?}");
        let get = ["get", "it:large", "back"];
        let (one, other) = tokio::join!(rig.run(&get), rig.run(&get));
        assert_eq!((one.code, other.code), (0, 0), "{cloud:?}: {one:?} {other:?}");
        assert!(rig.shell.read("back") == written, "{cloud:?}: other bytes");
        assert_eq!(partial(&rig.shell.path("")), 0, "{cloud:?}");
        let open = rig.server.control().upload_sessions("").await.expect("a count");
        assert_eq!(open, 0, "{cloud:?}");
    }
}

#[test]
fn an_upload_to_an_embedded_drive_continues_after_its_process_died() {
    for drive in ["local-skydrive", "local-onedrive"] {
        let shell = Shell::new();
        let written = Dice(4).bytes(80 * MIB);
        shell.write("large", &written);
        let target = format!("{drive}:large");
        let put = ["put", "large", &target];
        let transfers = shell.path(".local/state/drivedal/transfers");
        let mut child = shell.command(&put).stderr(Stdio::null()).spawn().expect("the binary runs");
        let arrived = || {
            let entries = fs::read_dir(&transfers).into_iter().flatten().flatten();
            let text = entries.filter_map(|entry| fs::read_to_string(entry.path()).ok());
            text.filter_map(|text| {
                let kept: serde_json::Value = serde_json::from_str(&text).ok()?;
                let saved = kept["transfer"]["saved"].as_str()?;
                let saved: serde_json::Value = serde_json::from_str(saved).ok()?;
                saved["arrived"].as_u64()
            })
            .max()
        };
        until("a fragment has arrived", || {
            child.try_wait().expect("a child").is_some() || arrived() > Some(0)
        });
        kill(child);
        let ran = shell.run(&put);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.err.contains(":large: resuming at "), "{drive}: {ran:?}");
        shell.out(&["get", &target, "back"]);
        assert!(shell.read("back") == written);
    }
}

#[test]
fn partial_downloads_are_not_uploaded() {
    let shell = Shell::new();
    shell.write("src/a", "1");
    shell.write("src/x.partial", "mine");
    shell.write("src/.drivedal-0123456789abcdef.partial", "half");
    let ran = shell.run(&["put", "-r", "src", "disk:x"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("2 files") && ran.err.contains("1 skipped"), "{ran:?}");
    assert_eq!(shell.out(&["ls", "disk:x"]), "a\nx.partial\n");
}
