//! The tables of `docs/benchmarks.md` are those of the reports in `docs/benchmarks`.
//!
//! `DRIVEDAL_UPDATE_DOCS=1 cargo test -p drivedal-bench --test documents` writes them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use drivedal_bench::{
    Report,
    report::{REPORT_VERSION, replace_section},
};

/// Returns the paths of the reports.
fn reports(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of reports");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    paths.sort();
    paths
}

#[test]
fn the_tables_of_the_document_are_those_of_the_reports() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let path = docs.join("benchmarks.md");
    let document = fs::read_to_string(&path).expect("the document");
    let reports = reports(&docs.join("benchmarks"));
    assert!(!reports.is_empty());
    let mut updated = document.clone();
    for path in reports {
        let text = fs::read_to_string(&path).expect("a report");
        let report: Report = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(report.version, REPORT_VERSION, "{}", path.display());
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        updated = replace_section(&updated, name, &report)
            .unwrap_or_else(|| panic!("docs/benchmarks.md has no section {name}"));
    }
    if updated != document {
        let is_update = std::env::var_os("DRIVEDAL_UPDATE_DOCS").is_some_and(|value| value == "1");
        assert!(is_update, "docs/benchmarks.md is not up to date: set DRIVEDAL_UPDATE_DOCS=1");
        fs::write(path, updated).expect("the document is written");
    }
}
