//! Transfers of trees: local folders, and services in memory.

mod folders;
mod index;
mod moves;
mod operations;
mod safety;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use drivedal_transfer::{Endpoint, Plan, SyncReport};
use opendal::{Operator, services};

/// A folder that is removed at the end of a test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Returns a folder with these files. A path with a slash at its end is an empty folder.
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self::new();
        for (path, content) in files {
            folder.write(path, content);
        }
        folder
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let file = self.path(path);
        if path.ends_with('/') {
            return fs::create_dir_all(file).expect("created");
        }
        fs::create_dir_all(file.parent().expect("a folder")).expect("created");
        fs::write(&file, content).expect("written");
        // Old enough that a copy is newer than its source.
        self.set_age(path, Duration::from_secs(3_600));
    }

    fn set_age(&self, path: &str, age: Duration) {
        let file = fs::File::options().write(true).open(self.path(path)).expect("opened");
        file.set_modified(SystemTime::now() - age).expect("set");
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint_at("")
    }

    fn endpoint_at(&self, path: &str) -> Endpoint {
        let root = self.0.path().to_str().expect("UTF-8");
        let operator = Operator::new(services::Fs::default().root(root)).expect("an operator");
        Endpoint::new(operator, path)
    }

    /// Returns all files and empty folders, sorted: `path=content` and `path/`.
    fn tree(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(self.0.path(), "", &mut found);
        found.sort();
        found
    }
}

/// Adds the files and empty folders below `root/prefix` to `found`.
fn collect(root: &Path, prefix: &str, found: &mut Vec<String>) {
    let before = found.len();
    for entry in fs::read_dir(root.join(prefix)).expect("read") {
        let entry = entry.expect("read");
        let path = format!("{prefix}{}", entry.file_name().to_str().expect("UTF-8"));
        if entry.file_type().expect("read").is_dir() {
            collect(root, &format!("{path}/"), found);
        } else {
            let content = fs::read_to_string(entry.path()).expect("read");
            found.push(format!("{path}={content}"));
        }
    }
    if found.len() == before && !prefix.is_empty() {
        found.push(prefix.to_owned());
    }
}

fn memory() -> Operator {
    Operator::new(services::Memory::default()).expect("an operator")
}

/// Runs a plan, which must have no failures.
async fn run(plan: Plan) -> SyncReport {
    let report = plan.run().await.expect("the run begins");
    let failures: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
    assert_eq!(failures, [""; 0]);
    report
}
