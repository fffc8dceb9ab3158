//! MSAL and azure-identity for Node.js, unmodified, sign in to a drive server with a directory; two of
//! the tests click through the pages in Chromium without scripts. `node/flows.mjs` has the test steps,
//! `node/package-lock.json` the versions.
//!
//! `DRIVEDAL_NODE_CLIENTS` names the folder into which `npm ci` installed the packages, and
//! `DRIVEDAL_CHROMIUM` the browser, by default `chromium` in the PATH. If one of them or Node.js is
//! missing, the tests are ignored; if `DRIVEDAL_REQUIRE_CLIENTS` is set, they fail.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use drivedal_server::{Directory, Server};
use drivedal_test_support::witness::{TrialResult, trial};
use libtest_mimic::Trial;
use rcgen::{CertificateParams, PKCS_RSA_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::script;

/// The tests of the script. Those in a browser begin with `browser`.
const TESTS: [&str; 9] = [
    "client_secret",
    "client_certificate",
    "device_code",
    "code_with_pkce",
    "on_behalf_of",
    "azure_identity",
    "azure_identity_device_code",
    "browser_code_with_pkce",
    "browser_device_code",
];

/// The packages and the versions that the tests need.
const PACKAGES: [(&str, &str); 3] =
    [("@azure/msal-node", "7.2.3"), ("@azure/identity", "4.13.1"), ("playwright-core", "1.65.1")];

/// The server of the tests, and the key of its application.
struct Rig {
    server: Server,
    /// A folder with `cert.pem`, `key.pem`, `both.pem`, and `ca.pem` of the server.
    folder: tempfile::TempDir,
    clients: PathBuf,
    chromium: PathBuf,
}

/// Returns the tests; they share a server.
pub fn trials(runtime: &Runtime) -> Vec<Trial> {
    let clients = std::env::var_os("DRIVEDAL_NODE_CLIENTS").map(PathBuf::from);
    let chromium = std::env::var_os("DRIVEDAL_CHROMIUM").map(PathBuf::from);
    let chromium = chromium.unwrap_or_else(|| "chromium".into());
    let missing = look_for_clients(clients.as_deref()).err();
    let no_browser = missing.clone().or_else(|| look_for_chromium(&chromium).err());
    let clients = clients.unwrap_or_default();
    let rig = runtime.block_on(Rig::start(clients, chromium)).expect("a server");
    let rig = Arc::new(rig);
    let trials = TESTS.into_iter().map(|test| {
        let missing = if test.starts_with("browser") { &no_browser } else { &missing };
        let rig = Arc::clone(&rig);
        trial(format!("msal_node_{test}"), missing.as_deref(), move || rig.run(test))
    });
    trials.collect()
}

/// Returns the reason why Node.js or a package is not available in the supported version.
fn look_for_clients(clients: Option<&Path>) -> Result<(), String> {
    let clients = clients.ok_or("DRIVEDAL_NODE_CLIENTS is not set")?;
    let node = Command::new("node").arg("--version").output();
    node.map_err(|error| format!("no node: {error}"))?;
    for (package, version) in PACKAGES {
        let file = clients.join("node_modules").join(package).join("package.json");
        let text = std::fs::read(&file).map_err(|error| format!("no {package}: {error}"))?;
        let found: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if found["version"] != version {
            return Err(format!("{package} is {}, not {version}", found["version"]));
        }
    }
    Ok(())
}

/// Returns the reason why the browser is not available.
fn look_for_chromium(chromium: &Path) -> Result<(), String> {
    match Command::new(chromium).arg("--version").output() {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { status, .. }) => Err(format!("chromium: {status}")),
        Err(error) => Err(format!("no chromium: {error}")),
    }
}

impl Rig {
    /// Starts a server with a tenant, a user and three applications.
    async fn start(
        clients: PathBuf,
        chromium: PathBuf,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let certificate = write_key(folder.path())?;
        let directory = json!({
            "tenants": [
                {"id": "5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c", "domains": ["contoso.example"]},
            ],
            "users": [
                {"name": "anna", "kind": "business", "password": "pw"},
                {"name": "bea", "kind": "business"},
            ],
            "applications": [
                {"id": "web", "secrets": ["secret"], "certificates": [certificate],
                 "redirect_uris": ["http://localhost/"]},
                {"id": "desktop", "redirect_uris": ["http://localhost"], "public_client": true},
                {"id": "api", "secrets": ["secret"], "api_scopes": ["read"]},
            ],
        });
        let directory = Directory::from_json(directory.to_string().as_bytes())?;
        let server = Server::builder().directory(directory).stand_in().start().await?;
        let authority = server.authority().ok_or("the server has no authority")?;
        std::fs::write(folder.path().join("ca.pem"), authority)?;
        Ok(Self { server, folder, clients, chromium })
    }

    /// Runs a test of the script.
    fn run(&self, test: &str) -> TrialResult {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witnesses/node/flows.mjs");
        let mut command = Command::new("node");
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        let output = command
            .env("NODE_EXTRA_CA_CERTS", self.folder.path().join("ca.pem"))
            .env("DRIVEDAL_NODE_CLIENTS", std::path::absolute(&self.clients)?)
            .env("DRIVEDAL_NODE_KEY", self.folder.path())
            .env("DRIVEDAL_CHROMIUM", which(&self.chromium))
            .args([script, test, self.server.url().as_str()])
            .output()?;
        script::check(&output, self.server.control().requests())
    }
}

/// Returns the path of a program: playwright does not search the PATH.
fn which(program: &Path) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(program));
    candidates.find(|file| file.is_file()).unwrap_or_else(|| program.to_owned())
}

/// Writes a new key and its certificate. Returns the certificate in PEM.
fn write_key(folder: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let key = KeyPair::generate(KeySize::Rsa2048)?;
    let der: Pkcs8V1Der<'_> = key.as_der()?;
    let der = PrivatePkcs8KeyDer::from(der.as_ref());
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256)?;
    let certificate = CertificateParams::new(vec!["web.example".to_owned()])?.self_signed(&pair)?;
    let (key, certificate) = (pair.serialize_pem(), certificate.pem());
    std::fs::write(folder.join("key.pem"), &key)?;
    std::fs::write(folder.join("cert.pem"), &certificate)?;
    std::fs::write(folder.join("both.pem"), format!("{key}{certificate}"))?;
    Ok(certificate)
}
