//! `remotes`, and remotes of environment variables.

use std::fs;

use serde_json::json;

use crate::{
    rig::{Cloud, Rig},
    shell::Shell,
};

const FILE: &str = "\
# Mine.
[remotes.work] # at the office
type = \"memory\" # empty
root = \"/a\"

[remotes.sky]
type = \"skydrive\"
access_token = \"SECRET\"
";

fn shell() -> Shell {
    let shell = Shell::new();
    shell.write(".config/drivedal/config.toml", FILE);
    shell
}

fn config(shell: &Shell) -> String {
    String::from_utf8(shell.read(".config/drivedal/config.toml")).expect("text")
}

#[test]
fn remotes_are_listed_with_service_and_source() {
    let shell = shell();
    let mut command = shell.command(&["remotes", "--json"]);
    let output = command.env("DRIVEDAL_REMOTE_CI_TYPE", "memory").output().expect("it runs");
    let records = crate::shell::Ran::new(output).json();
    let found: Vec<_> = records
        .iter()
        .map(|record| {
            let text = |key: &str| record[key].as_str().expect("text").to_owned();
            (text("name"), text("service"), text("from"))
        })
        .collect();
    let path = shell.path(".config/drivedal/config.toml").display().to_string();
    for (name, service, from) in [
        ("ci", "memory", "environment"),
        ("disk", "fs", "command line"),
        ("local-amazon", "amazon-drive", "built in"),
        ("sky", "skydrive", &*path),
        ("work", "memory", &*path),
    ] {
        let expected = (name.to_owned(), service.to_owned(), from.to_owned());
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
    assert_eq!(shell.out(&["remotes"]), shell.out(&["remotes", "list"]));
    assert!(!shell.path("data").exists(), "no server is started");
}

#[test]
fn options_are_shown_without_secrets() {
    let shell = shell();
    let shown = shell.out(&["remotes", "show", "sky"]);
    assert!(shown.contains("access_token: (set)") && !shown.contains("SECRET"), "{shown}");
    let record = &shell.run(&["remotes", "show", "--json", "work"]).json()[0];
    assert_eq!(record["options"], json!({"root": "/a"}));
    shell.run(&["remotes", "show", "nobody"]).fails(2, "cannot show nobody: unknown remote");
    let ran = Shell::new().run(&["remotes", "show", "nobody"]);
    ran.fails(2, "configured remotes: disk");
}

#[test]
fn a_remote_is_renamed_in_place() {
    let shell = shell();
    assert_eq!(shell.out(&["remotes", "rename", "work", "office"]), "renamed work to office\n");
    assert_eq!(config(&shell), FILE.replace("remotes.work", "remotes.office"));
    shell.out(&["ls", "office:"]);
    shell.run(&["remotes", "rename", "office", "sky"]).fails(5, "sky exists already");
    shell.run(&["remotes", "rename", "office", "local-amazon"]).fails(5, "exists already");
    shell.run(&["remotes", "rename", "disk", "other"]).fails(2, "command line");
    shell.run(&["remotes", "rename", "office", "a/b"]).fails(2, "is not a valid name");
}

#[test]
fn a_renamed_remote_keeps_its_tokens() {
    let shell = shell();
    let tokens = shell.write(".config/drivedal/tokens/sky.json", "{}");
    let text = FILE.replace("access_token = \"SECRET\"", &format!("token_file = {tokens:?}"));
    shell.write(".config/drivedal/config.toml", &text);
    shell.out(&["remotes", "rename", "sky", "blue"]);
    let renamed = shell.path(".config/drivedal/tokens/blue.json");
    assert!(renamed.exists() && !tokens.exists());
    let expected = text.replace("[remotes.sky]", "[remotes.blue]");
    assert_eq!(config(&shell), expected.replace("sky.json", "blue.json"));
    shell.run(&["remotes", "remove", "blue"]).fails(2, "use --yes");
    assert_eq!(shell.out(&["remotes", "remove", "-y", "blue"]), "removed blue and its tokens\n");
    assert!(!renamed.exists() && !config(&shell).contains("blue"), "{}", config(&shell));
}

#[test]
fn a_token_file_of_the_user_stays() {
    let shell = shell();
    let tokens = shell.write("mine.json", "{}");
    let text = FILE.replace("access_token = \"SECRET\"", &format!("token_file = {tokens:?}"));
    shell.write(".config/drivedal/config.toml", &text);
    shell.out(&["remotes", "rename", "sky", "blue"]);
    assert_eq!(shell.out(&["remotes", "remove", "-y", "blue"]), "removed blue\n");
    assert!(tokens.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_removal_is_confirmed_on_a_terminal() {
    let shell = shell();
    let run = |reply: &str| {
        let command = shell.command(&["remotes", "remove", "work"]);
        let program = command.get_program().to_str().expect("a path").to_owned();
        // `script` runs the program on a new terminal.
        let line = format!("{program} remotes remove work");
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(shell.path("."));
        script.env_clear().env("HOME", shell.path(".")).env("PATH", "/usr/bin:/bin");
        let mut child = script
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("script is installed (bsdutils)");
        let mut input = child.stdin.take().expect("is piped");
        std::io::Write::write_all(&mut input, format!("{reply}\n").as_bytes()).expect("is read");
        crate::shell::Ran::new(child.wait_with_output().expect("it ends"))
    };
    let refused = run("n");
    assert!(refused.out.contains("not confirmed"), "{refused:?}");
    assert_eq!((refused.code, config(&shell)), (1, FILE.to_owned()));
    let removed = run("y");
    assert!(removed.out.contains("removed work"), "{removed:?}");
    assert!(!config(&shell).contains("work"), "{}", config(&shell));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_prints_the_account_and_distinguishes_kinds_of_failures() {
    for cloud in [Cloud::OneDrive, Cloud::SkyDrive, Cloud::Amazon] {
        let rig = Rig::new(cloud).await;
        let record = rig.run(&["remotes", "test", "--json", "it"]).await.json().remove(0);
        assert!(record["account"]["id"].is_string(), "{cloud:?}: {record}");
        assert!(record["quota"]["total"].is_u64(), "{cloud:?}: {record}");
        if cloud == Cloud::OneDrive {
            assert_eq!(rig.server.control().counters().total, 1);
            assert!(record["drive"]["id"].is_string(), "{record}");
        }
        let rejected = Rig { uri: rig.uri.replace("drivedal-dev", "SECRET"), ..rig };
        let ran = rejected.run(&["remotes", "test", "it"]).await;
        ran.fails(4, "cannot test it: permission denied");
        let Rig { server, shell, uri } = rejected;
        server.stop().await;
        let arguments = ["--remote", &uri, "--retries", "0", "remotes", "test", "it"];
        shell.run(&arguments).fails(7, "cannot test it");
    }
    let shell = Shell::new();
    fs::create_dir(shell.path("disk")).expect("created");
    assert_eq!(shell.out(&["remotes", "test", "disk"]), "service: fs\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_define_and_complete_remotes() {
    let rig = Rig::new(Cloud::OneDrive).await;
    rig.shell.write("a", "1");
    rig.run(&["put", "a", "it:a"]).await;
    let endpoint = format!("{}v1.0", rig.server.url());
    let run = async |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = rig.shell.command(arguments);
        command.envs(variables.iter().copied());
        let ended = tokio::task::spawn_blocking(move || command.output()).await;
        crate::shell::Ran::new(ended.expect("no panic").expect("it runs"))
    };
    let options = [
        ("DRIVEDAL_REMOTE_CI_TYPE", "onedrive"),
        ("DRIVEDAL_REMOTE_CI_ENDPOINT", &*endpoint),
        ("DRIVEDAL_REMOTE_CI_ACCESS_TOKEN", "drivedal-dev"),
    ];
    assert_eq!(run(&options, &["ls", "ci:"]).await.out, "a\n");
    let uri = format!("ci=onedrive://?endpoint={endpoint}");
    assert_eq!(run(&options[2..], &["--remote", &uri, "ls", "ci:"]).await.out, "a\n");
    let ran = run(&options[1..], &["ls", "disk:"]).await;
    ran.fails(2, "cannot use DRIVEDAL_REMOTE_CI_ENDPOINT: it belongs to no configured remote");
    let ran = run(&[("DRIVEDAL_REMOTE_NOBODY_ACCESS_TOKEN", "SECRET")], &["ls", "disk:"]).await;
    assert!(ran.code == 2 && !ran.err.contains("SECRET"), "{ran:?}");
}

#[test]
fn concurrent_changes_of_the_file_are_all_kept() {
    let shell = Shell::new();
    let names: Vec<String> = (0..12).map(|number| format!("r{number:02}")).collect();
    let text: String =
        names.iter().map(|name| format!("[remotes.{name}]\ntype = \"memory\"\n")).collect();
    shell.write(".config/drivedal/config.toml", &text);
    std::thread::scope(|scope| {
        for name in &names {
            let shell = &shell;
            scope.spawn(move || shell.out(&["remotes", "rename", name, &format!("new-{name}")]));
        }
    });
    assert_eq!(config(&shell), text.replace("remotes.r", "remotes.new-r"));
}

#[test]
fn a_token_is_sent_without_tls_only_to_this_machine_and_to_named_hosts() {
    let shell = Shell::new();
    let uri = "far=onedrive://?endpoint=http://drive.invalid/v1.0&access_token=SECRET";
    let ran = shell.run(&["--remote", uri, "--retries", "0", "ls", "far:"]);
    ran.fails(8, "cannot send a token to drive.invalid").fails(8, "allow_http");
    let mut command = shell.command(&["--remote", uri, "--retries", "0", "ls", "far:"]);
    let output = command.env("DRIVEDAL_REMOTE_FAR_ALLOW_HTTP", "drive.invalid").output();
    // The name does not exist.
    crate::shell::Ran::new(output.expect("it runs")).fails(7, "drive.invalid");
}
