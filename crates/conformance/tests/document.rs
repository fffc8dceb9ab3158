//! The document of the cases.

use drivedal_conformance::{groups, specification};

/// `DRIVEDAL_UPDATE_DOCS=1` writes the cases into the document.
#[test]
fn the_document_has_all_cases() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md");
    let document = std::fs::read_to_string(path).expect("the document");
    let start = "with `DRIVEDAL_UPDATE_DOCS=1`.\n\n";
    let (before, current) = document.split_once(start).expect("the line before the cases");
    let cases = specification(&groups());
    let cases = cases.trim_end().to_owned() + "\n";
    if std::env::var_os("DRIVEDAL_UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{start}{cases}")).expect("written");
        return;
    }
    assert!(current == cases, "run this test with DRIVEDAL_UPDATE_DOCS=1");
}

#[test]
fn every_case_has_a_sentence() {
    for group in groups() {
        assert!(group.about.ends_with('.'), "{}", group.name);
        for case in &group.cases {
            assert!(case.sentence.ends_with('.'), "{}::{}", group.name, case.name);
        }
    }
}
