//! Uploads and downloads of trees, lists, hashes, parallel downloads.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use drivedal_server::AccountKind;
use serde_json::Value;

use crate::rclone::{
    client::Rclone,
    witness::{TrialResult, check},
};

/// Returns content and modification time of every file below a folder; folders have none.
type Contents = BTreeMap<PathBuf, Option<(Vec<u8>, SystemTime)>>;

fn contents(folder: &Path) -> TrialResult<Contents> {
    let mut all = Contents::new();
    let mut open = vec![folder.to_owned()];
    while let Some(current) = open.pop() {
        for entry in fs::read_dir(current)? {
            let entry = entry?;
            let path = entry.path();
            let name = path.strip_prefix(folder)?.to_owned();
            if entry.file_type()?.is_dir() {
                all.insert(name, None);
                open.push(path);
            } else {
                all.insert(name, Some((fs::read(&path)?, entry.metadata()?.modified()?)));
            }
        }
    }
    Ok(all)
}

pub fn there_and_back(rclone: &Rclone) -> TrialResult {
    let from = rclone.seed()?;
    rclone.rclone("check LOCAL/from od:tree")?;
    rclone.rclone("check --download LOCAL/from od:tree")?;
    rclone.rclone("copy --create-empty-src-dirs od:tree LOCAL/back")?;
    check("what came back", contents(&rclone.path("back"))?, contents(&from)?)?;
    let sent = ["graph.session.create", "graph.content.put", "graph.item.update"];
    let before = sent.map(|operation| rclone.count(operation));
    // By default, rclone sets the times of folders on every sync.
    rclone.rclone("sync --no-update-dir-modtime --create-empty-src-dirs LOCAL/from od:tree")?;
    check("requests that send", sent.map(|operation| rclone.count(operation)), before)?;
    // Fragments have 10 MiB: the 3 small files need one each, the large one of 11 MiB needs two.
    rclone.check_count("graph.session.create", 4)?;
    rclone.check_count("graph.session.fragment", 5)?;
    rclone.check_count("graph.content.put", 1)
}

pub fn listed_by_delta(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let by_folder = rclone.rclone("lsf -R --format pst od:")?;
    let folders = rclone.count("graph.children.list");
    let by_delta = rclone.rclone("lsf -R --format pst --fast-list --onedrive-delta od:")?;
    rclone.check_count("graph.children.list", folders)?;
    if rclone.count("graph.delta.list") == 0 {
        return Err("the change feed was not asked".into());
    }
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    check("lines", by_folder.lines().count(), 9)?;
    check("the listing", sorted(&by_delta), sorted(&by_folder))
}

pub fn hashes(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let mut kinds = vec!["quickxor"];
    if rclone.kind == AccountKind::Personal {
        kinds.extend(["sha1", "sha256"]);
    }
    for kind in kinds {
        let sorted = |text: String| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let ours = rclone.rclone(&format!("hashsum {kind} --onedrive-hash-type {kind} od:tree"))?;
        let theirs = rclone.rclone(&format!("hashsum {kind} LOCAL/from"))?;
        check("files", ours.lines().count(), 5)?;
        check(kind, sorted(ours), sorted(theirs))?;
    }
    Ok(())
}

pub fn ranges(rclone: &Rclone) -> TrialResult {
    let from = rclone.seed()?;
    check("a part", rclone.rclone("cat --offset 6 --count 3 od:tree/small.txt")?, "wor".into())?;
    check("the end", rclone.rclone("cat --tail 5 od:tree/small.txt")?, "world".into())?;
    check("the rest", rclone.rclone("cat --offset 9 od:tree/small.txt")?, "ld".into())?;
    // Four streams, each with a separate range.
    rclone.rclone(
        "copy --multi-thread-streams 4 --multi-thread-cutoff 1M --multi-thread-chunk-size 3M \
         od:tree/dir/large.bin LOCAL/part",
    )?;
    let same = fs::read(rclone.path("part/large.bin"))? == fs::read(from.join("dir/large.bin"))?;
    check("the same bytes", same, true)
}

pub fn about(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let about: Value = serde_json::from_str(&rclone.rclone("about --json od:")?)?;
    check("used", about["used"].as_u64(), Some(11 + 4 + 5 + 11 * 1024 * 1024))?;
    let rest = |name: &str| about[name].as_u64().unwrap_or_default();
    check("free", rest("total") - rest("used"), rest("free"))
}
