//! Changes without content, and replaced content.

use std::fs;

use drivedal_server::AccountKind;

use crate::rclone::{
    client::Rclone,
    witness::{TrialResult, check},
};

pub fn moved(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let sent = rclone.count("graph.session.create");
    rclone.rclone("moveto od:tree/small.txt od:tree/dir/renamed.txt")?;
    rclone.rclone("moveto od:tree/dir od:elsewhere/moved")?;
    check("the text", rclone.rclone("cat od:elsewhere/moved/renamed.txt")?, "hello world".into())?;
    check("the text", rclone.rclone("cat od:elsewhere/moved/inner/deep.txt")?, "deep".into())?;
    let left = rclone.rclone("lsf -R od:tree")?;
    check("what is left", left.lines().collect(), vec!["empty folder/", "empty.bin"])?;
    rclone.check_count("graph.session.create", sent)?;
    rclone.check_count("graph.copy.start", 0)
}

pub fn copied(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let sent = rclone.count("graph.session.create");
    rclone.rclone("copyto od:tree/small.txt od:tree/copy.txt")?;
    rclone.rclone("copyto od:tree/dir/large.bin od:tree/large.bin")?;
    check("the text", rclone.rclone("cat od:tree/copy.txt")?, "hello world".into())?;
    let time = rclone.rclone("lsf --format t --csv od:tree/copy.txt")?;
    check(
        "the time",
        time.trim(),
        rclone.rclone("lsf --format t --csv LOCAL/from/small.txt")?.trim(),
    )?;
    // Onto an existing file.
    rclone.rclone("copyto --ignore-times od:tree/dir/inner/deep.txt od:tree/copy.txt")?;
    check("the text", rclone.rclone("cat od:tree/copy.txt")?, "deep".into())?;
    rclone.check_count("graph.copy.start", 3)?;
    rclone.check_count("graph.session.create", sent)
}

pub fn deleted(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    rclone.rclone("deletefile od:tree/small.txt")?;
    rclone.run(["rmdir", "od:tree/empty folder"])?;
    let (done, _) = rclone.try_run(["rmdir", "od:tree/dir"])?;
    check("a full folder was removed", done, false)?;
    rclone.rclone("delete od:tree/dir/inner")?;
    check("what is left", rclone.rclone("lsf od:tree/dir/inner")?, String::new())?;
    rclone.rclone("purge od:tree/dir")?;
    check("what is left", rclone.rclone("lsf -R od:")?, "tree/\ntree/empty.bin\n".into())?;
    rclone.rclone("purge od:tree")?;
    check("what is left", rclone.rclone("lsf od:")?, String::new())
}

pub fn times(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let time = |path: &str| rclone.rclone(&format!("lsf --format t --time-format RFC3339 {path}"));
    rclone.rclone("touch --timestamp 2001-02-03T04:05:06 od:tree/small.txt")?;
    let touched = time("od:tree/small.txt")?;
    rclone.rclone("touch --timestamp 2001-02-03T04:05:06 LOCAL/from/small.txt")?;
    check("the time", touched, time("LOCAL/from/small.txt")?)?;
    rclone.rclone("check LOCAL/from od:tree")?;
    rclone.rclone("touch od:tree/new.txt")?;
    check("the size", rclone.rclone("lsf --format s od:tree/new.txt")?, "0\n".into())
}

pub fn replaced(rclone: &Rclone) -> TrialResult {
    let from = rclone.seed()?;
    fs::write(from.join("small.txt"), "another text")?;
    fs::write(from.join("empty.bin"), "no longer empty")?;
    fs::write(from.join("dir/large.bin"), "")?;
    rclone.rclone("sync LOCAL/from od:tree")?;
    rclone.rclone("check --download LOCAL/from od:tree")?;
    let names = rclone.rclone("lsf od:tree")?;
    check("names", names.lines().collect(), vec!["dir/", "empty folder/", "empty.bin", "small.txt"])
}

pub fn linked(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let link = rclone.rclone("link od:tree/small.txt")?;
    if !link.starts_with("http") {
        return Err(format!("no link: {link}").into());
    }
    if rclone.kind == AccountKind::Business {
        rclone.rclone("cleanup od:")?;
    }
    check("the text", rclone.rclone("cat od:tree/small.txt")?, "hello world".into())
}

pub fn hard_deleted(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    rclone.rclone("deletefile --onedrive-hard-delete od:tree/small.txt")?;
    rclone.check_count("graph.item.purge", 1)?;
    let quota = |rclone: &Rclone| -> TrialResult<u64> {
        let drive = rclone.graph("me/drive?$select=quota")?;
        Ok(drive["quota"]["deleted"].as_u64().ok_or("no quota")?)
    };
    check("bytes in the recycle bin", quota(rclone)?, 0)?;
    rclone.rclone("deletefile od:tree/dir/inner/deep.txt")?;
    check("bytes in the recycle bin", quota(rclone)?, 4)
}

pub fn cleaned(rclone: &Rclone) -> TrialResult {
    // rclone deletes no versions of personal drives, which have no request for it.
    if rclone.kind == AccountKind::Personal {
        return Ok(());
    }
    let from = rclone.seed()?;
    fs::write(from.join("small.txt"), "another text")?;
    rclone.rclone("sync LOCAL/from od:tree")?;
    let versions = || -> TrialResult<usize> {
        let all = rclone.graph("me/drive/root:/tree/small.txt:/versions")?;
        Ok(all["value"].as_array().ok_or("no list")?.len())
    };
    check("there are old versions", versions()? > 1, true)?;
    rclone.rclone("cleanup od:tree")?;
    check("versions", versions()?, 1)?;
    check("the text", rclone.rclone("cat od:tree/small.txt")?, "another text".into())
}
