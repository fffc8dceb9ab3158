//! The commands of acd_cli.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};

use drivedal_test_support::media;

use crate::acdcli::{
    client::{AcdCli, python},
    witness::{TrialResult, check},
};

/// Exit code of an upload if the cloud has the bytes already. The client uses 512, which is too
/// large for an exit code, so it exits with 1.
const DUPLICATE: i32 = 1;

/// Returns the files below a folder, by path.
fn files(folder: &Path) -> TrialResult<BTreeMap<OsString, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder)?.as_os_str().to_owned();
                    found.insert(name, fs::read(&path)?);
                }
            }
        }
    }
    Ok(found)
}

fn noise(len: u32) -> Vec<u8> {
    (0..len).map(|i| (i ^ i >> 7 ^ i >> 13) as u8).collect()
}

pub fn there_and_back(client: &AcdCli) -> TrialResult {
    client.write("from/small.txt", b"hello world")?;
    client.write("from/empty.bin", b"")?;
    client.write("from/dir/inner/deep.jpg", b"not a picture")?;
    client.write("from/dir/#%&+' (1) \u{fc}n\u{ef}code \u{65e5}\u{672c}.txt", b"names")?;
    client.write("from/dir/large.bin", &noise(3_000_000))?;
    client.acd_cli("upload -x 4 from /")?;
    check("uploads", client.count("amazon.content.upload"), 5)?;
    client.acd_cli("sync")?;
    fs::create_dir(client.path("to"))?;
    client.acd_cli("download -x 4 /from to")?;
    check("files", files(&client.path("to/from"))?, files(&client.path("from"))?)?;
    // A second upload sends nothing.
    client.acd_cli("upload from /")?;
    check("uploads", client.count("amazon.content.upload"), 5)
}

pub fn folders(client: &AcdCli) -> TrialResult {
    client.acd_cli("create -p /a/b/c")?;
    client.acd_cli("create /a/b")?;
    client.acd_cli("sync -f")?;
    check("tree", client.tree()?, vec!["a/".into(), "b/".into(), "c/".into()])?;
    check("folders made", client.count("amazon.node.create"), 3)
}

pub fn overwritten(client: &AcdCli) -> TrialResult {
    client.write("f.txt", b"old")?;
    client.acd_cli("upload f.txt /")?;
    let id = client.id("/f.txt")?;
    client.write("f.txt", b"newer")?;
    client.acd_cli("overwrite /f.txt f.txt")?;
    client.acd_cli("sync -f")?;
    check("id", client.id("/f.txt")?, id)?;
    check("bytes", client.acd_cli("cat /f.txt")?, "newer".to_owned())?;
    let found = client.run(["find-md5", "0c10f4a0c12ba89211235026b861263d"])?;
    check("by its MD5", found.contains("/f.txt"), true)
}

pub fn moved(client: &AcdCli) -> TrialResult {
    client.acd_cli("create -p /a/b")?;
    client.acd_cli("create /c")?;
    client.write("f.txt", b"x")?;
    client.acd_cli("upload f.txt /a/b")?;
    client.run(["rename", "/a/b/f.txt", "g \u{e9}.txt"])?;
    client.run(["move", "/a/b/g \u{e9}.txt", "/c"])?;
    client.acd_cli("move /c /a/b")?;
    client.acd_cli("rename /a/b d")?;
    client.acd_cli("sync -f")?;
    let expected = ["a/", "d/", "c/", "g \u{e9}.txt"].map(str::to_owned);
    check("tree", client.tree()?, expected.to_vec())?;
    check("bytes", client.run(["cat", "/a/d/c/g \u{e9}.txt"])?, "x".to_owned())
}

pub fn trashed(client: &AcdCli) -> TrialResult {
    client.write("f.txt", b"x")?;
    client.acd_cli("create /d")?;
    client.acd_cli("upload f.txt /d")?;
    client.acd_cli("upload f.txt /")?;
    for path in ["/d", "/f.txt"] {
        client.run(["trash", path])?;
    }
    client.acd_cli("sync -f")?;
    check("tree", client.tree()?, Vec::new())?;
    let trash = client.acd_cli("list-trash")?;
    check("in the trash", trash.lines().count(), 2)?;
    let folder = trash.lines().find(|line| line.ends_with("d/")).ok_or("no folder in the trash")?;
    let id = folder.trim_start_matches('[').split(']').next().unwrap_or_default();
    client.run(["restore", "--", id])?;
    client.acd_cli("sync -f")?;
    check("tree", client.tree()?, vec!["d/".into(), "f.txt".into()])
}

pub fn streamed(client: &AcdCli) -> TrialResult {
    let bytes = noise(700_000);
    let (code, said) = client.try_run(["stream", "s.bin", "/"], Some(&bytes))?;
    check(&said, code, 0)?;
    client.acd_cli("sync -f")?;
    client.acd_cli("download /s.bin .")?;
    check("bytes", fs::read(client.path("s.bin"))? == bytes, true)?;
    let (code, said) = client.try_run(["stream", "empty", "/"], Some(b""))?;
    check(&said, code, 0)?;
    client.acd_cli("sync -f")?;
    check("nothing", client.acd_cli("cat /empty")?, String::new())
}

pub fn resumed(client: &AcdCli) -> TrialResult {
    let bytes = noise(1_000_000);
    client.write("from/f.bin", &bytes)?;
    client.acd_cli("upload from/f.bin /")?;
    // The file that an interrupted download leaves.
    client.write("f.bin.__incomplete", &bytes[..600_000])?;
    client.acd_cli("download /f.bin .")?;
    check("bytes", fs::read(client.path("f.bin"))? == bytes, true)?;
    let requests = client.server.control().requests();
    let sent = requests
        .iter()
        .filter(|one| one.drive.as_ref() == Some(&client.account))
        .filter(|one| one.operation == "amazon.content.get")
        .map(|one| one.bytes_out)
        .sum::<u64>();
    check("bytes sent again", sent < 600_000, true)
}

pub fn linked(client: &AcdCli) -> TrialResult {
    client.acd_cli("create /a")?;
    client.acd_cli("create /b")?;
    client.write("f.txt", b"x")?;
    client.acd_cli("upload f.txt /a")?;
    client.acd_cli("add-child /b /a/f.txt")?;
    client.acd_cli("sync -f")?;
    check("one node", client.id("/a/f.txt")?, client.id("/b/f.txt")?)?;
    client.acd_cli("remove-child /a /a/f.txt")?;
    client.acd_cli("sync -f")?;
    let expected = ["a/", "b/", "f.txt"].map(str::to_owned);
    check("tree", client.tree()?, expected.to_vec())?;
    check("bytes", client.acd_cli("cat /b/f.txt")?, "x".to_owned())
}

pub fn deduplicated(client: &AcdCli) -> TrialResult {
    // Another client uploads the file: this one does not send files that are in its cache.
    let other = client.other()?;
    other.write("one.txt", b"the same")?;
    other.acd_cli("upload one.txt /")?;
    client.write("two.txt", b"the same")?;
    let (code, said) = client.try_run(["upload", "-d", "two.txt", "/"], None)?;
    check(&said, code, DUPLICATE)?;
    let requests = client.server.control().requests();
    let refused = |one: &&drivedal_server::RequestRecord| {
        one.drive.as_ref() == Some(&client.account)
            && (one.operation.as_str(), one.status) == ("amazon.content.upload", Some(409))
    };
    check("refusals", requests.iter().filter(refused).count(), 1)?;
    client.acd_cli("upload two.txt /")?;
    client.acd_cli("sync -f")?;
    check("tree", client.tree()?, vec!["one.txt".into(), "two.txt".into()])
}

pub fn synced(client: &AcdCli) -> TrialResult {
    client.write("f.txt", b"x")?;
    client.acd_cli("upload f.txt /")?;
    client.acd_cli("sync")?;
    let other = client.other()?;
    other.acd_cli("rename /f.txt g.txt")?;
    other.acd_cli("create /d")?;
    client.acd_cli("sync")?;
    check("tree", client.tree()?, vec!["d/".into(), "g.txt".into()])?;
    other.acd_cli("trash /d")?;
    client.acd_cli("sync")?;
    check("tree", client.tree()?, vec!["g.txt".into()])?;
    // The server rejects an old checkpoint: the client clears its cache.
    let damaged = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); \
                   c.execute(\"update metadata set value = 'CPXold' where key = 'checkpoint'\"); \
                   c.commit()";
    python(client, damaged, [client.path("cache/nodes.db")])?;
    client.acd_cli("sync")?;
    check("tree", client.tree()?, vec!["g.txt".into()])
}

pub fn usage(client: &AcdCli) -> TrialResult {
    client.write("f.txt", b"hello")?;
    client.write("f.jpg", b"1234567")?;
    client.acd_cli("upload f.txt f.jpg /")?;
    let usage = client.acd_cli("usage")?;
    let line = |sort: &str| {
        let line = usage.lines().find(|line| line.starts_with(sort)).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    check("documents", line("Documents"), "Documents: 1, 5.0 B".to_owned())?;
    check("photos", line("Photos"), "Photos: 1, 7.0 B".to_owned())?;
    let quota = client.acd_cli("quota")?;
    check("quota", quota.contains("\"available\": 1099511627764"), true)
}

pub fn listed(client: &AcdCli) -> TrialResult {
    client.acd_cli("create -p /d/e")?;
    client.write("f.txt", b"hello")?;
    client.write("photo.jpg", &media::photo(40, 30))?;
    client.acd_cli("upload f.txt photo.jpg /d")?;
    client.acd_cli("sync -f")?;
    let names = |said: String| -> Vec<String> {
        said.lines().filter_map(|line| Some(line.split_once("] [A] ")?.1.to_owned())).collect()
    };
    check(
        "children",
        names(client.acd_cli("children /d")?),
        ["e/", "f.txt", "photo.jpg"].map(str::to_owned).to_vec(),
    )?;
    check("long", client.acd_cli("children -l -b /d")?.contains(" 5 "), true)?;
    check("recursive", client.acd_cli("children -r /")?.contains("photo.jpg"), true)?;
    let found = vec!["/d/f.txt".to_owned()];
    check("found", names(client.acd_cli("find F.TX")?), found.clone())?;
    check("by a pattern", names(client.acd_cli("find-regex ^f.*t$")?), found)?;
    check("none", client.try_run(["find", "nobody"], None)?.0, 2)?;
    let metadata = |line: &str| -> TrialResult<serde_json::Value> {
        Ok(serde_json::from_str(&client.acd_cli(line)?)?)
    };
    let node = metadata("metadata /d/photo.jpg")?;
    check("kind", node["kind"].as_str(), Some("FILE"))?;
    check("width", node["contentProperties"]["image"]["width"].as_u64(), Some(40))?;
    let node = metadata("metadata -a /d/photo.jpg")?;
    check("assets", node["assets"][0]["kind"].as_str(), Some("ASSET"))?;
    client.acd_cli("trash /d/e")?;
    client.acd_cli("trash /d/f.txt")?;
    client.acd_cli("sync -f")?;
    check("trash", client.acd_cli("list-trash -r")?.contains('['), false)
}

pub fn synced_otherwise(client: &AcdCli) -> TrialResult {
    client.acd_cli("create -p /d/e")?;
    client.write("f.txt", b"hello")?;
    client.acd_cli("upload f.txt /d")?;
    let expected = ["d/", "e/", "f.txt"].map(str::to_owned).to_vec();
    client.acd_cli("clear-cache")?;
    client.acd_cli("old-sync")?;
    check("lists", client.tree()?, expected.clone())?;
    client.acd_cli("clear-cache")?;
    client.acd_cli("sync --to-file changes")?;
    client.acd_cli("sync --from-file changes")?;
    check("a file", client.tree()?, expected.clone())?;
    client.acd_cli("init")?;
    check("an initialisation", client.tree()?, expected)?;
    check("version", client.acd_cli("version")?.starts_with("acd_cli 0.3.2"), true)
}

pub fn replaced(client: &AcdCli) -> TrialResult {
    client.write("f.txt", b"old")?;
    client.acd_cli("upload f.txt /")?;
    client.acd_cli("sync")?;
    client.write("f.txt", b"newer")?;
    client.acd_cli("upload f.txt /")?;
    check("kept", client.acd_cli("cat /f.txt")?, "old".to_owned())?;
    client.acd_cli("upload -f f.txt /")?;
    client.acd_cli("sync -f")?;
    check("forced", client.acd_cli("cat /f.txt")?, "newer".to_owned())?;
    let (code, said) = client.try_run(["stream", "-o", "f.txt", "/"], Some(b"streamed"))?;
    check(&said, code, 0)?;
    client.acd_cli("sync -f")?;
    check("streamed", client.acd_cli("cat /f.txt")?, "streamed".to_owned())
}

pub fn circular(client: &AcdCli) -> TrialResult {
    client.acd_cli("create -p /a/b")?;
    client.acd_cli("add-child /a/b /a")?;
    let other = client.other()?;
    let listed = other.acd_cli("tree -L 3")?;
    check("tree", listed.matches("a/").count() >= 1, true)?;
    client.acd_cli("remove-child /a/b /a")?;
    client.acd_cli("sync -f")?;
    check("tree", client.tree()?, ["a/", "b/"].map(str::to_owned).to_vec())
}
