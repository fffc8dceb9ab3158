//! Functions of acd_cli's library that no command uses.

use std::{fs, path::Path, process::Command};

use drivedal_server::Server;
use drivedal_test_support::media;

use crate::{
    acdcli::{
        client::{AcdCli, interpreter, python},
        witness::{TrialResult, check},
    },
    script,
};

/// Properties, lists page by page, metadata by id.
pub fn library(client: &AcdCli) -> TrialResult {
    const SCRIPT: &str = r#"
import io, os
from acdcli.api import client
from acdcli.api.backoff_req import BackOffRequest
from acdcli.api.common import RequestError
BackOffRequest._wait = lambda self: None
cache = os.environ['ACD_CLI_CACHE_PATH']
acd = client.ACDClient(cache, cache)
root = acd.get_root_id()
folder = acd.create_folder('many', root)['id']
for n in range(205):
    acd.create_folder('f%03d' % n, folder)
assert sorted(c['name'] for c in acd.list_children(folder)) == ['f%03d' % n for n in range(205)]
assert len(acd.get_folder_list()) == 207
node = acd.upload_stream(io.BufferedReader(io.BytesIO(b'hello')), 'a b.txt', root)
assert acd.get_metadata(node['id'])['tempLink'].startswith('http')
assert bytes(acd.download_chunk(node['id'], 1, 3)) == b'ell'
owner = acd.get_owner_id()
assert acd.add_property(node['id'], owner, 'k', 'v')['value'] == 'v'
assert acd.list_properties(node['id'], owner) == {'k': 'v'}
assert acd.list_properties(node['id'], 'somebody') == {}
acd.delete_properties(node['id'], owner)
assert acd.list_properties(node['id'], owner) == {}
try:
    acd.add_property(node['id'], '', 'k', 'v')
    assert False
except RequestError as e:
    assert e.status_code == 404 and e.msg == '<UnknownOperationException/>', e
try:
    acd.create_folder('MANY', root)
    assert False
except RequestError as e:
    assert e.status_code == 409 and folder in e.msg, e
try:
    acd.purge(node['id'])
    assert False
except RequestError as e:
    assert e.status_code == 403, e
moved = acd.move_node_from(node['id'], root, folder)
assert moved['parents'] == [folder], moved
assert acd.clear_file(node['id'])['contentProperties']['size'] == 0
assert [n['name'] for n in acd.get_trashed_files()] == ['acd_cli_get_owner_id']
assert acd.list_trash()[0]['status'] == 'TRASH'
assert acd.get_account_info()['status'] == 'ACTIVE'
print(acd.fs_sizes())
"#;
    let said = python(client, SCRIPT, [] as [&str; 0])?;
    check("quota and what is left", said.trim(), "(1099511627776, 1099511627776)")
}

/// Number of public functions and properties of `acdcli.api` that the script calls.
const FUNCTIONS: &str = "64 functions";

/// Every public function of `acdcli.api`, with the hosts of the cloud: the server is the proxy.
pub fn every_function(server: &Server) -> TrialResult {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    fs::write(path("ca.pem"), server.authority().ok_or("the server has no authority")?)?;
    fs::write(path("photo.jpg"), media::photo(400, 300))?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/witnesses/acdcli/api.py");
    let mut command = Command::new(interpreter()?);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    let output = command
        .env("HTTPS_PROXY", server.url().as_str())
        .env("NO_PROXY", "localhost")
        .env("REQUESTS_CA_BUNDLE", path("ca.pem"))
        .env("PYTHONIOENCODING", "utf-8")
        .env("ACD_CLI_CACHE_PATH", path("cache"))
        .args([Path::new(script), &path("photo.jpg")])
        .output()?;
    script::check(&output, server.control().requests())?;
    let said = String::from_utf8(output.stdout)?;
    check("functions", said.lines().last(), Some(FUNCTIONS))
}
