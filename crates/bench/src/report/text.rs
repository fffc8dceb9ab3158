//! The report as an aligned table for terminals.

use std::fmt::Write;

use super::{Report, table};

/// Returns the report as an aligned table: one block of lines for each work. Reasons of failures are
/// in full length. The text ends with a line feed.
pub fn text(report: &Report) -> String {
    let columns = table::columns(report, report.results.iter());
    let titles = ["work", "backend"].into_iter().chain(columns.iter().map(|column| column.title));
    let mut rows = vec![titles.map(str::to_owned).collect::<Vec<_>>()];
    for work in &report.works {
        for (number, result) in report.results_of(&work.id).enumerate() {
            // The name of the work is printed once.
            let title = if number == 0 { work.title.clone() } else { String::new() };
            let mut row = vec![title, result.contender.clone()];
            match table::reason(result) {
                Some(reason) => row.push(reason),
                None => row.extend(columns.iter().map(|column| column.text(work, result))),
            }
            rows.push(row);
        }
    }
    let settings: Vec<_> = report
        .settings
        .iter()
        .map(|setting| format!("{}: {}", setting.name, setting.value))
        .collect();
    let mut text = format!("{}\n\n", settings.join(", "));
    text += &aligned(&rows, columns.len() + 2);
    if report.machine.debug_build {
        text += "\nThis is a debug build: its times are not comparable.\n";
    }
    text
}

/// Aligns rows in columns. The first two columns are aligned to the left. A row with fewer cells than
/// `columns` ends with a text of any width.
fn aligned(rows: &[Vec<String>], columns: usize) -> String {
    let width = |column: usize| {
        let whole = rows.iter().filter(|row| row.len() == columns || column < 2);
        whole.map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            let written = match column {
                0 | 1 => write!(line, "{cell:<width$}  "),
                _ if row.len() < columns => write!(line, "{cell}"),
                _ => write!(line, "{cell:>width$}  "),
            };
            written.expect("a string accepts all text");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::build::tests::example, *};

    #[test]
    fn columns_are_aligned_and_reasons_complete() {
        let text = text(&example());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "files: 3");
        assert_eq!(
            lines[2..7],
            [
                "work    backend  median        min – max  ratio    rate     p50     p99  requests",
                "Upload  a        2.00 s  1.00 s – 3.00 s  1.00×  1.50/s  200 ms  300 ms         3",
                "        b & c    4.00 s  2.00 s – 6.00 s  2.00×  0.75/s",
                "Copy    a        not applicable: the service does not copy",
                "        b & c    failed: no space left; on the device",
            ]
        );
    }
}
