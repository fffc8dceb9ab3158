//! Commands that use the clouds' own host names and reach a server of the test.

#![cfg(unix)]

use std::process::Command;

use crate::{
    serve::Serving,
    shell::{Ran, Shell, tree},
};

#[test]
fn remotes_without_an_endpoint_use_a_server_that_impersonates_their_clouds() {
    let shell = Shell::new();
    let authority = shell.path("ca.pem");
    let told = authority.to_str().expect("a name");
    let serving = Serving::start(&shell, &["--ephemeral", "--stand-in", told]);
    let run = |mut command: Command| {
        command.env("HTTPS_PROXY", &serving.url).env("SSL_CERT_FILE", &authority);
        Ran::new(command.output().expect("it runs"))
    };
    shell.write("src/a/small", "small");
    shell.write("src/large", vec![7; 30 << 20]);
    for scheme in ["onedrive", "skydrive", "amazon-drive"] {
        let remote = format!("cloud={scheme}://?access_token=drivedal-dev-{scheme}");
        let back = format!("back-{scheme}");
        for arguments in [["put", "-r", "src", "cloud:a"], ["get", "-r", "cloud:a", &back]] {
            let ran = run(shell.command(&[&["--remote", &remote][..], &arguments].concat()));
            assert_eq!(ran.code, 0, "{scheme}: {ran:?}");
        }
        assert_eq!(tree(&shell.path("src")), tree(&shell.path(&back)), "{scheme}");
    }
    // Without the certificate authority no request is sent.
    let remote = "cloud=onedrive://?access_token=drivedal-dev";
    let mut command = shell.command(&["--remote", remote, "--retries", "0", "ls", "cloud:"]);
    command.env("HTTPS_PROXY", &serving.url);
    let ran = Ran::new(command.output().expect("it runs"));
    assert!(ran.code != 0 && ran.err.contains("certificate"), "{ran:?}");
    assert_eq!(serving.stop("TERM").code, 0);
}

#[test]
fn without_system_certificates_only_plain_http_works() {
    let shell = Shell::new();
    let authority = shell.path("ca.pem");
    let told = authority.to_str().expect("a name");
    let serving = Serving::start(&shell, &["--ephemeral", "--stand-in", told]);
    let folder = shell.path("nothing");
    std::fs::create_dir(&folder).expect("a folder");
    let ls = |remote: &str| {
        let mut command = shell.command(&["--remote", remote, "--retries", "0", "ls", "cloud:"]);
        command.env("HTTPS_PROXY", &serving.url);
        command.env("SSL_CERT_DIR", &folder).env("SSL_CERT_FILE", folder.join("none.pem"));
        Ran::new(command.output().expect("it runs"))
    };
    let plain =
        format!("cloud=onedrive://?endpoint={}/v1.0&access_token=drivedal-dev", serving.url);
    let ran = ls(&plain);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = ls("cloud=onedrive://?access_token=drivedal-dev");
    assert!(ran.code != 0 && ran.err.contains("No CA certificates"), "{ran:?}");
    assert_eq!(serving.stop("TERM").code, 0);
}

#[test]
fn proxy_and_certificate_authority_are_options_of_the_command_and_of_a_remote() {
    let shell = Shell::new();
    let authority = shell.path("ca.pem").to_str().expect("a name").to_owned();
    let serving = Serving::start(&shell, &["--ephemeral", "--stand-in", &authority]);
    let uri = "cloud=onedrive://?access_token=drivedal-dev";
    shell.write("a", "1");
    let put = ["--remote", uri, "put", "a", "cloud:a"];
    let options = ["--proxy", &serving.url, "--ca-cert", &authority, "--connect-timeout", "30s"];
    shell.out(&[&put[..], &options].concat());
    let text = format!(
        "[remotes.cloud]\ntype = 'onedrive'\naccess_token = 'drivedal-dev'\n\
         proxy = '{}'\nca_cert = '{authority}'\n",
        serving.url
    );
    shell.write(".config/drivedal/config.toml", text);
    assert_eq!(shell.out(&["ls", "cloud:"]), "a\n");
    let shown = shell.out(&["remotes", "show", "cloud"]);
    assert!(shown.contains(&format!("ca_cert: {authority}")), "{shown}");

    let missing = ["ls", "cloud:", "--ca-cert", "nowhere.pem"];
    shell.run(&missing).fails(2, "nowhere.pem");
    let ran = shell.run(&["ls", "cloud:", "--proxy", "http://me:SECRET@127.0.0.1:9"]);
    ran.fails(2, "put a proxy with a password into HTTPS_PROXY");
    shell.run(&["ls", "cloud:", "--idle-timeout", "soon"]).fails(2, "is not a time span");
    assert_eq!(serving.stop("TERM").code, 0);
}
