//! The report as Markdown tables, for documents.

use super::{Report, WorkResult, table};
use crate::{Outcome, format};

/// A table with a row for each work and a column for each contender.
struct Matrix {
    title: &'static str,
    /// Formats the figure of a result. `None` if it was not measured.
    figure: fn(&WorkResult) -> Option<String>,
}

/// The tables, in their order. A table without any figure is left out.
const MATRICES: [Matrix; 4] = [
    Matrix {
        title: "Median, and ratio to the fastest",
        figure: |result| {
            let (spread, ratio) = (result.spread?, result.ratio?);
            let median = format::seconds(spread.median);
            Some(format!("{median} ({})", format::ratio(ratio)))
        },
    },
    Matrix {
        title: "Requests",
        figure: |result| result.requests.map(|requests| format!("{requests:.0}")),
    },
    Matrix {
        title: "Bytes up and down",
        figure: |result| {
            let (up, down) = (format::bytes(result.bytes_up?), format::bytes(result.bytes_down?));
            Some(format!("{up}, {down}"))
        },
    },
    Matrix {
        title: "Growth of the memory",
        figure: |result| result.memory.map(|bytes| format::bytes(bytes as f64)),
    },
];

/// Returns the report as Markdown: the options, and tables with a row for each work and a column for
/// each contender. The text has no headings, so that a document can include it anywhere.
pub fn markdown(report: &Report) -> String {
    let settings: Vec<_> = report
        .settings
        .iter()
        .map(|setting| format!("{}: {}", setting.name, setting.value))
        .collect();
    let machine = &report.machine;
    let mut text = format!(
        "{}, {}: {} {}, {} processors{}. {}.\n",
        report.program,
        report.started.split('T').next().unwrap_or_default(),
        machine.os,
        machine.arch,
        machine.cpus,
        if machine.debug_build { ", **a debug build: its times are not comparable**" } else { "" },
        settings.join(", "),
    );
    for matrix in &MATRICES {
        let has_figure = |result: &WorkResult| (matrix.figure)(result).is_some();
        if report.results.iter().any(has_figure) {
            text += &format!("\n{}:\n\n{}", matrix.title, rows(report, matrix));
        }
    }
    for result in &report.results {
        if let (Outcome::Failed(_), Some(reason)) = (&result.outcome, table::reason(result)) {
            text += &format!("\n* {}, {}: {}", result.work, result.contender, escaped(&reason));
        }
    }
    for contender in report.contenders.iter().filter(|contender| !contender.notes.is_empty()) {
        text += &format!("\n{}: {}\n", escaped(&contender.name), contender.notes.join(" "));
    }
    text.trim_end().to_owned() + "\n"
}

/// Returns a table. Works without any figure are left out.
fn rows(report: &Report, matrix: &Matrix) -> String {
    let names: Vec<_> = report.contenders.iter().map(|one| escaped(&one.name)).collect();
    let mut text =
        format!("| work | {} |\n|---|{}\n", names.join(" | "), "---:|".repeat(names.len()));
    for work in &report.works {
        let cells: Vec<String> = report
            .contenders
            .iter()
            .map(|contender| {
                let result = report.result(&contender.name, &work.id);
                let figure = result.and_then(matrix.figure);
                figure.unwrap_or_else(|| match result.map(|result| &result.outcome) {
                    Some(Outcome::Failed(_)) => "failed".to_owned(),
                    _ => String::new(),
                })
            })
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            text += &format!("| {} | {} |\n", work.title, cells.join(" | "));
        }
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
    fn each_table_has_a_column_for_each_contender() {
        let text = markdown(&example());
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(
            rows,
            [
                "| work | a | b & c |",
                "|---|---:|---:|",
                "| Upload | 2.00 s (1.00×) | 4.00 s (2.00×) |",
                "| Copy |  | failed |",
                "| work | a | b & c |",
                "|---|---:|---:|",
                "| Upload | 3 |  |",
                "| Copy |  | failed |",
            ]
        );
        assert!(text.contains("* copy, b & c: failed: no space left; on the device"), "{text}");
        assert!(!text.contains("Growth of the memory"), "{text}");
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
