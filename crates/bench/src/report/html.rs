//! The report as one HTML page without scripts and external resources.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Report, WorkInfo, WorkResult, chart, table};
use crate::format;

/// Returns the report as an HTML page. It needs no other file and no script.
pub fn page(report: &Report) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (report.title) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header { (introduction(report)) }
                main {
                    (summary(report))
                    @for work in &report.works {
                        @if report.results_of(&work.id).next().is_some() { (section(report, work)) }
                    }
                }
                footer { (method(report)) }
            }
        }
    }
    .into_string()
}

/// Returns the title, the conditions of the benchmark and the links to the works.
fn introduction(report: &Report) -> Markup {
    let machine = &report.machine;
    html! {
        h1 { (report.title) }
        p.muted {
            (report.program)
            @if !report.started.is_empty() { " · " time datetime=(report.started) { (report.started) } }
            " · " (machine.os) " " (machine.arch) ", " (machine.cpus) " processors"
        }
        @if machine.debug_build {
            p.warning { "This is a debug build: its times are not comparable." }
        }
        dl {
            @for setting in &report.settings { dt { (setting.name) } dd { (setting.value) } }
        }
        @if report.contenders.iter().any(|contender| !contender.notes.is_empty()) {
            h3 { "Notes" }
            dl {
                @for contender in report.contenders.iter().filter(|one| !one.notes.is_empty()) {
                    dt { (contender.name) } dd { (contender.notes.join(" ")) }
                }
            }
        }
        nav aria-label="Works" {
            ul { @for work in &report.works { li { a href=(format!("#{}", work.id)) { (work.title) } } } }
        }
    }
}

/// Returns the table of medians: a row for each work, a column for each contender.
fn summary(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Summary" }
            div.scroll role="region" aria-label="Summary" tabindex="0" {
                table {
                    caption { "Median of the rounds, and the ratio to the fastest. Less is better." }
                    thead {
                        tr {
                            th scope="col" { "work" }
                            @for contender in &report.contenders { th scope="col" { (contender.name) } }
                        }
                    }
                    tbody {
                        @for work in &report.works {
                            tr {
                                th scope="row" { (work.title) }
                                @for contender in &report.contenders {
                                    (summary_cell(report.result(&contender.name, &work.id)))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the cell of a result in the summary. `None`: the report has no result.
fn summary_cell(result: Option<&WorkResult>) -> Markup {
    let reason = result.and_then(table::reason);
    let median = result.and_then(|result| result.spread).map(|spread| spread.median);
    let ratio = result.and_then(|result| result.ratio);
    html! {
        @match median {
            Some(median) => {
                td class=(if ratio == Some(1.0) { "best" } else { "" }) {
                    (format::seconds(median))
                    @if let Some(ratio) = ratio { " " small { (format::ratio(ratio)) } }
                }
            }
            None => {
                td title=[reason.as_deref()] {
                    small { (reason.as_deref().and_then(|reason| reason.split(':').next()).unwrap_or("–")) }
                }
            }
        }
    }
}

/// Returns the charts and the table of a work.
fn section(report: &Report, work: &WorkInfo) -> Markup {
    html! {
        section id=(work.id) {
            h2 { (work.title) }
            p { (work.description) }
            div.charts {
                figure {
                    figcaption { "Median, with the range from the fastest to the slowest round" }
                    (chart::bars(report, work))
                }
                @if let Some(curves) = chart::latencies(report, work) {
                    figure {
                        figcaption { "Share of the operations that ended within a time" }
                        (curves)
                    }
                }
            }
            (figures(report, work))
        }
    }
}

/// Returns the table of all figures of a work.
fn figures(report: &Report, work: &WorkInfo) -> Markup {
    let columns = table::columns(report, report.results_of(&work.id));
    html! {
        div.scroll role="region" aria-label=(format!("{}: figures", work.title)) tabindex="0" {
            table {
                thead {
                    tr {
                        th scope="col" { "backend" }
                        @for column in &columns { th scope="col" title=(column.meaning) { (column.title) } }
                        @if columns.is_empty() { th scope="col" { "result" } }
                    }
                }
                tbody {
                    @for result in report.results_of(&work.id) {
                        tr {
                            th scope="row" { (result.contender) }
                            @match table::reason(result) {
                                Some(reason) => { td.reason colspan=(columns.len().max(1)) { (reason) } }
                                None => { @for column in &columns { td { (column.text(work, result)) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the meanings of the columns.
fn method(report: &Report) -> Markup {
    let columns = table::columns(report, report.results.iter());
    html! {
        h2 { "How to read the figures" }
        dl { @for column in columns { dt { (column.title) } dd { (column.meaning) } } }
        p.muted {
            "In each round every backend does all works before the next one starts; the order rotates. "
            "A figure that is missing was not measured. The same figures are in results.json."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::build::tests::example, *};

    #[test]
    fn the_page_is_self_contained_and_escapes_names() {
        let page = page(&example());
        for forbidden in ["http://", "https://", "<script", "url(", "@import", "<notes>"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("b &amp; c") && page.contains("It has &lt;notes&gt;."));
        assert!(page.contains("failed: no space left; on the device"));
        // A chart of bars for each work, and one of latencies with its legend.
        assert_eq!(page.matches("role=\"img\"").count(), 3);
        assert_eq!(page.matches("<table>").count(), 3);
    }
}
