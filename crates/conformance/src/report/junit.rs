//! The report as JUnit XML, for the pages of CI systems.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::{CaseOutcome, CaseReport, Report, Status};

/// Returns the report as JUnit XML: a suite for each backend, a test case for each case. Known
/// differences and cases that do not apply are skipped.
///
/// # Panics
/// Never: the document is written to memory.
pub fn junit(report: &Report) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(report, &mut writer).expect("writing to memory does not fail");
    let mut text = String::from_utf8(writer.into_inner()).expect("the texts are UTF-8");
    text.push('\n');
    text
}

/// Writes the document.
///
/// # Errors
/// Those of the writer.
fn write(report: &Report, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = report.cases.len() * report.backends.len();
    let element = writer
        .create_element("testsuites")
        .with_attribute(("name", "conformance"))
        .with_attribute(("tests", &*all.to_string()))
        .with_attribute(("failures", &*report.failures().to_string()));
    element.write_inner_content(|writer| {
        for (at, backend) in report.backends.iter().enumerate() {
            let skipped = backend.known_differences + backend.not_applicable + backend.not_run;
            let name = valid(&backend.name);
            let suite = writer
                .create_element("testsuite")
                .with_attribute(("name", &*name))
                .with_attribute(("tests", &*report.cases.len().to_string()))
                .with_attribute(("failures", &*backend.failed.to_string()))
                .with_attribute(("errors", "0"))
                .with_attribute(("skipped", &*skipped.to_string()))
                .with_attribute(("time", &*format!("{:.3}", backend.seconds)));
            suite.write_inner_content(|writer| {
                for case in &report.cases {
                    if let Some(outcome) = case.results.get(at) {
                        write_case(case, outcome, writer)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Writes a test case.
///
/// # Errors
/// Those of the writer.
fn write_case(
    case: &CaseReport,
    outcome: &CaseOutcome,
    writer: &mut Writer<Vec<u8>>,
) -> io::Result<()> {
    let class = valid(&format!("{}.{}", outcome.backend, case.case.group));
    let element = writer
        .create_element("testcase")
        .with_attribute(("classname", &*class))
        .with_attribute(("name", &*case.case.name))
        .with_attribute(("time", &*format!("{:.3}", outcome.seconds)));
    let reason = valid(outcome.reason.as_deref().unwrap_or_default());
    let first = reason.lines().next().unwrap_or_default();
    match outcome.status {
        Status::Passed => element.write_empty()?,
        Status::Failed => element.write_inner_content(|writer| {
            let text = format!("{}\n{reason}", valid(&case.case.sentence));
            let failure = writer.create_element("failure").with_attribute(("message", first));
            failure.write_text_content(BytesText::new(&text))?;
            Ok(())
        })?,
        Status::KnownDifference | Status::NotApplicable | Status::NotRun => {
            let message = format!("{}: {first}", outcome.status.words());
            element.write_inner_content(|writer| {
                let skipped = writer.create_element("skipped");
                skipped.with_attribute(("message", &*message)).write_empty()?;
                Ok(())
            })?
        }
    };
    Ok(())
}

/// Returns a text without the control characters that XML 1.0 forbids.
fn valid(text: &str) -> String {
    let is_valid = |char: &char| !char.is_control() || matches!(char, '\t' | '\n' | '\r');
    text.chars().filter(is_valid).collect()
}

#[cfg(test)]
mod tests {
    use quick_xml::{Reader, events::Event};

    use super::{super::tests::example, *};

    #[test]
    fn the_document_is_well_formed_and_has_all_cases() {
        let text = junit(&example());
        let mut reader = Reader::from_str(&text);
        let (mut cases, mut failures, mut skipped) = (0, 0, 0);
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Eof => break,
                Event::Start(element) | Event::Empty(element) => match element.name().as_ref() {
                    "testcase" => cases += 1,
                    "failure" => failures += 1,
                    "skipped" => skipped += 1,
                    _ => {}
                },
                _ => {}
            }
        }
        assert_eq!((cases, failures, skipped), (4, 1, 2));
        assert!(text.contains("b &amp; c:.stat") && text.contains("left &lt;1&gt;[0m"), "{text}");
    }
}
