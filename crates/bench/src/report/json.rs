//! The report as JSON for files.

use super::Report;

/// Returns the report as indented JSON. Lists of numbers are on one line. The text ends with a line
/// feed.
///
/// # Errors
/// Never for a report of a [`ReportBuilder`](super::ReportBuilder).
pub fn json(report: &Report) -> serde_json::Result<String> {
    let pretty = serde_json::to_string_pretty(report)?;
    let mut text = String::with_capacity(pretty.len());
    let mut follows_number = false;
    for line in pretty.lines() {
        let value = line.trim_start();
        let is_number = value.trim_end_matches(',').parse::<f64>().is_ok();
        let joins = match is_number {
            true => text.ends_with('[') || follows_number,
            false => follows_number && value.starts_with(']'),
        };
        match joins {
            true if is_number && follows_number => text.push(' '),
            true => {}
            false if text.is_empty() => {}
            false => text.push('\n'),
        }
        text += if joins { value } else { line };
        follows_number = is_number;
    }
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{super::build::tests::example, *};

    #[test]
    fn lists_of_numbers_are_on_one_line_and_the_text_is_the_same_json() {
        let report = example();
        let text = json(&report).expect("JSON");
        assert!(text.contains("\"seconds\": [1.0, 3.0, 2.0],\n"), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).expect("a report"), report);
    }
}
