//! The report as Markdown tables, for documents.

use std::fmt::Write;

use super::{Report, table};

/// Returns the report as Markdown: the options, and one table with a row for each work and contender.
/// The text has no headings, so that a document can include it anywhere.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let settings = report
        .settings
        .iter()
        .map(|setting| format!("{}: {}", setting.name, setting.value))
        .collect::<Vec<_>>()
        .join(", ");
    let machine = &report.machine;
    let build = if machine.debug_build { ", debug build" } else { "" };
    let started = report.started.split('T').next().unwrap_or_default();
    writeln!(
        text,
        "{} on {started}, {} {} with {} processors{build}. {settings}.\n",
        report.program, machine.os, machine.arch, machine.cpus
    )
    .expect("a string accepts all text");
    let columns = table::columns(report, report.results.iter());
    let titles = columns.iter().map(|column| column.title).collect::<Vec<_>>().join(" | ");
    text += &format!("| work | backend | {titles} |\n|---|---|{}\n", "---:|".repeat(columns.len()));
    for work in &report.works {
        for (number, result) in report.results_of(&work.id).enumerate() {
            let title = if number == 0 { work.title.as_str() } else { "" };
            let cells = match table::reason(result) {
                Some(reason) => {
                    let empty = " |".repeat(columns.len().saturating_sub(1));
                    format!("{} |{empty}", escaped(&reason))
                }
                None => {
                    let cells = columns.iter().map(|column| column.text(work, result));
                    format!("{} |", cells.collect::<Vec<_>>().join(" | "))
                }
            };
            text += &format!("| {title} | {} | {cells}\n", escaped(&result.contender));
        }
    }
    for contender in report.contenders.iter().filter(|contender| !contender.notes.is_empty()) {
        text += &format!("\n{}: {}\n", escaped(&contender.name), contender.notes.join(" "));
    }
    text
}

/// Returns the document with the report between the comments `<!-- NAME -->` and `<!-- /NAME -->`.
/// `None` if the document lacks one of them.
pub fn replace_section(document: &str, name: &str, report: &Report) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n{end}{after}", markdown(report)))
}

/// Escapes the characters that Markdown interprets in a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::{super::build::tests::example, *};

    #[test]
    fn each_row_has_the_columns_of_the_header() {
        let text = markdown(&example());
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 6);
        let columns = rows[0].matches('|').count();
        assert!(rows.iter().all(|row| row.matches('|').count() == columns), "{text}");
        assert!(rows[5].contains("failed: no space left; on the device"), "{text}");
    }

    #[test]
    fn a_section_of_a_document_is_replaced() {
        let document = "# A\n<!-- x -->\nold\n<!-- /x -->\nend";
        let replaced = replace_section(document, "x", &example()).expect("a section");
        assert!(
            replaced.starts_with("# A\n<!-- x -->\n\n") && replaced.ends_with("<!-- /x -->\nend")
        );
        assert!(!replaced.contains("old"));
        assert_eq!(replace_section(&replaced, "x", &example()), Some(replaced.clone()));
        assert_eq!(replace_section(document, "y", &example()), None);
    }
}
