//! The report as text for a terminal.

use std::fmt::Write as _;

use super::{Report, Status};

/// Returns the report as text: a table of counts by group and backend, and each failure with its
/// reason.
pub fn text(report: &Report) -> String {
    let mut rows = vec![header(report)];
    for group in &report.groups {
        let mut row = vec![group.name.clone()];
        for at in 0..report.backends.len() {
            let results = report.cases_of(group).filter_map(|case| case.results.get(at));
            row.push(counts(results.map(|result| result.status)));
        }
        rows.push(row);
    }
    let mut all = vec!["all".to_owned()];
    for at in 0..report.backends.len() {
        let results = report.cases.iter().filter_map(|case| case.results.get(at));
        all.push(counts(results.map(|result| result.status)));
    }
    rows.push(all);
    let mut text = aligned(&rows);
    text.push_str("\n✓ passed, ✗ failed, ≠ known difference, – not applicable\n");
    for case in &report.cases {
        for result in case.results.iter().filter(|result| result.status == Status::Failed) {
            let reason = result.reason.as_deref().unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{} {}: {}\n", result.backend, case.case.id, case.case.sentence);
            for line in reason.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    text
}

/// Returns the first row: the names of the backends.
fn header(report: &Report) -> Vec<String> {
    let names = report.backends.iter().map(|backend| backend.name.clone());
    [String::new()].into_iter().chain(names).collect()
}

/// Returns the number of results of each kind that occurs.
fn counts(statuses: impl Iterator<Item = Status>) -> String {
    let statuses: Vec<_> = statuses.collect();
    let kinds = [Status::Passed, Status::Failed, Status::KnownDifference, Status::NotApplicable];
    let counted = kinds.into_iter().filter_map(|kind| {
        let count = statuses.iter().filter(|status| **status == kind).count();
        (count > 0).then(|| format!("{}{count}", kind.mark()))
    });
    counted.collect::<Vec<_>>().join(" ")
}

/// Returns rows with columns of equal width.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        rows.iter()
            .filter_map(|row| row.get(at))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::tests::example, *};

    #[test]
    fn the_text_has_counts_and_reasons() {
        let text = text(&example());
        let expected = "      a:     b & c:\nstat  ✓1 ≠1  ✗1 –1\nall   ✓1 ≠1  ✗1 –1\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("b & c: stat::one: Calls"), "{text}");
        assert!(text.contains("    src/x.rs:1: left <1>"), "{text}");
        assert!(!text.contains("stores no times"));
    }
}
