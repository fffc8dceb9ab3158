//! The cases as a document.

use std::fmt::Write as _;

use crate::Group;

/// Returns the promises of the cases as Markdown: a section for each group, with a table of its cases
/// and the capabilities that they require.
pub fn specification(groups: &[Group]) -> String {
    let mut text = String::new();
    for group in groups {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "## {}\n\n{}\n\n| case | promise | requires |\n|---|---|---|\n",
            group.name, group.about
        );
        for case in &group.cases {
            let requires: Vec<_> =
                case.requires.iter().map(|requirement| format!("`{}`", requirement.name)).collect();
            let _ = writeln!(
                text,
                "| `{}` | {} | {} |",
                case.name,
                case.statement().replace('|', "\\|"),
                requires.join(", ")
            );
        }
        text.push('\n');
    }
    text
}
