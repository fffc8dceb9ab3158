//! The report as one HTML page without scripts and external resources.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{CaseOutcome, CaseReport, GroupInfo, Report, Status};

/// Returns the report as an HTML page: a row for each case, a column for each backend. It needs no
/// other file and no script.
pub fn page(report: &Report) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Conformance" }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header {
                    h1 { "Conformance" }
                    p.muted {
                        (report.program)
                        @if !report.started.is_empty() {
                            " · " time datetime=(report.started) { (report.started) }
                        }
                        " · " (report.cases.len()) " cases, " (report.backends.len()) " backends"
                    }
                    (legend())
                    nav aria-label="Groups" {
                        ul {
                            @for group in &report.groups {
                                li { a href=(format!("#{}", group.name)) { (group.name) } }
                            }
                        }
                    }
                }
                main {
                    (summary(report))
                    (failures(report))
                    @for group in &report.groups { (section(report, group)) }
                }
            }
        }
    }
    .into_string()
}

/// Returns the meanings of the marks.
fn legend() -> Markup {
    html! {
        ul.legend {
            @for status in [
                Status::Passed,
                Status::Failed,
                Status::KnownDifference,
                Status::NotApplicable,
            ] {
                li { span class=(class(status)) { (status.mark()) } " " (status.words()) }
            }
        }
    }
}

/// Returns the table of numbers: a row for each backend.
fn summary(report: &Report) -> Markup {
    let counts_requests = report.backends.iter().any(|backend| backend.requests.is_some());
    html! {
        section {
            h2 { "Summary" }
            div.scroll role="region" aria-label="Summary" tabindex="0" {
                table {
                    thead {
                        tr {
                            th scope="col" { "backend" }
                            th scope="col" { "passed" }
                            th scope="col" { "failed" }
                            th scope="col" { "known differences" }
                            th scope="col" { "not applicable" }
                            th scope="col" { "seconds" }
                            @if counts_requests { th scope="col" { "requests" } }
                        }
                    }
                    tbody {
                        @for backend in &report.backends {
                            tr {
                                th scope="row" { (backend.name) }
                                td.number { (backend.passed) }
                                td.number { (backend.failed) }
                                td.number { (backend.known_differences) }
                                td.number { (backend.not_applicable) }
                                td.number { (format!("{:.1}", backend.seconds)) }
                                @if counts_requests {
                                    td.number {
                                        @match backend.requests {
                                            Some(requests) => (requests),
                                            None => "–",
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the failures with their reasons; nothing if no case failed.
fn failures(report: &Report) -> Markup {
    let failed =
        |case: &CaseReport| case.results.iter().any(|result| result.status == Status::Failed);
    html! {
        @if report.failures() > 0 {
            section {
                h2 { "Failures" }
                @for case in report.cases.iter().filter(|case| failed(case)) {
                    h3 { a href=(format!("#{}", anchor(case))) { (case.case.id) } }
                    p { (markdown(&case.case.sentence)) }
                    dl {
                        @for result in &case.results {
                            @if result.status == Status::Failed {
                                dt { (result.backend) }
                                dd { pre { (result.reason.as_deref().unwrap_or_default()) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the table of a group.
fn section(report: &Report, group: &GroupInfo) -> Markup {
    html! {
        section id=(group.name) {
            h2 { (group.name) }
            p { (markdown(&group.about)) }
            div.scroll role="region" aria-label=(group.name) tabindex="0" {
                table {
                    thead {
                        tr {
                            th scope="col" { "promise" }
                            @for backend in &report.backends { th.mark scope="col" { (backend.name) } }
                        }
                    }
                    tbody {
                        @for case in report.cases_of(group) {
                            tr id=(anchor(case)) {
                                th.promise scope="row" {
                                    (markdown(&case.case.sentence))
                                    small { (case.case.name.replace('_', " ")) }
                                    @if !case.case.requires.is_empty() {
                                        small { "requires " (case.case.requires.join(", ")) }
                                    }
                                }
                                @for result in &case.results { (cell(result)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the cell of a result. A reason is shown when the cell is opened.
fn cell(result: &CaseOutcome) -> Markup {
    let mark = html! {
        span class=(class(result.status)) aria-label=(result.status.words()) role="img" {
            (result.status.mark())
        }
    };
    html! {
        td.mark {
            @match result.reason.as_deref() {
                Some(reason) => { details { summary { (mark) } small { (reason) } } }
                None => (mark),
            }
        }
    }
}

/// Returns the class of a mark.
fn class(status: Status) -> &'static str {
    match status {
        Status::Passed => "passed",
        Status::Failed => "failed",
        Status::KnownDifference => "known",
        Status::NotApplicable | Status::NotRun => "none",
    }
}

/// Returns the anchor of a case.
fn anchor(case: &CaseReport) -> String {
    case.case.id.replace("::", "-")
}

/// Returns Markdown with code in backticks as HTML. The sentences have no other markup.
fn markdown(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::example, *};

    #[test]
    fn the_page_is_self_contained_and_escapes_texts() {
        let page = page(&example());
        for forbidden in
            ["http://", "https://", "<script", "url(", "@import", "<a> file", "left <1>"]
        {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("<code>stat</code> of &lt;a&gt; file &amp; compares."), "{page}");
        assert!(page.contains("stores no times") && page.contains("b &amp; c:"));
        assert!(page.contains("href=\"#stat-one\"") && page.contains("id=\"stat-one\""));
    }
}
