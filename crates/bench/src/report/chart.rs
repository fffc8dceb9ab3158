//! Charts of a work as inline SVG. Colours are CSS variables of the page. Each chart has a title for
//! screen readers; the table under it has the same figures.

use maud::{Markup, html};

use super::{Report, WorkInfo, WorkResult, table};
use crate::format;

/// Number of colours and line styles of the page.
const STYLES: usize = 8;

/// Width of a chart in its own units. Texts are 12 units high.
const WIDTH: f64 = 480.0;

/// Height of a contender's row in the bar chart.
const ROW: f64 = 42.0;

/// Position of the bar in a row, and its height.
const BAR: (f64, f64) = (20.0, 14.0);

/// Margins of the latency chart.
const LEFT: f64 = 40.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 26.0;

/// Height of the latency chart.
const HEIGHT: f64 = 220.0;

/// Returns the number of the style of a contender.
pub(super) fn style(report: &Report, contender: &str) -> usize {
    let position = report.contenders.iter().position(|one| one.name == contender);
    position.unwrap_or_default() % STYLES
}

/// Returns a chart with one bar for each contender: the median, with a line from the fastest to the
/// slowest round. Bars start at zero.
pub(super) fn bars(report: &Report, work: &WorkInfo) -> Markup {
    let results: Vec<&WorkResult> = report.results_of(&work.id).collect();
    let slowest = results.iter().filter_map(|result| Some(result.spread?.max));
    let slowest = slowest.fold(0.0, f64::max);
    let x = |seconds: f64| if slowest > 0.0 { seconds / slowest * WIDTH } else { 0.0 };
    let height = ROW * results.len() as f64;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(format!("{}: median and range of the rounds", work.title)) {
            @for (number, result) in results.iter().enumerate() {
                g transform=(format!("translate(0 {})", ROW * number as f64)) {
                    text x="0" y="14" { (result.contender) }
                    rect class="track" x="0" y=(BAR.0) width=(WIDTH) height=(BAR.1) {}
                    @if let Some(spread) = result.spread {
                        text x=(WIDTH) y="14" text-anchor="end" {
                            (format::seconds(spread.median))
                            @if let Some(ratio) = result.ratio { " · " (format::ratio(ratio)) }
                        }
                        rect class=(format!("fill{}", style(report, &result.contender)))
                            x="0" y=(BAR.0) width=(rounded(x(spread.median))) height=(BAR.1) {}
                        path class="whisker" d=(whisker(x(spread.min), x(spread.max))) {}
                    } @else {
                        text x=(WIDTH) y="14" text-anchor="end" class="axis" {
                            (table::reason(result).unwrap_or_default().split(':').next().unwrap_or_default())
                        }
                    }
                }
            }
        }
    }
}

/// Returns the path of a horizontal line with a cap at both ends.
fn whisker(from: f64, to: f64) -> String {
    let (from, to) = (rounded(from), rounded(to));
    let (top, middle, bottom) = (BAR.0 + 3.0, BAR.0 + BAR.1 / 2.0, BAR.0 + BAR.1 - 3.0);
    format!("M{from} {middle}H{to}M{from} {top}V{bottom}M{to} {top}V{bottom}")
}

/// Returns a chart of the durations of single operations: for each contender the share of operations
/// that a duration is not exceeded by, with a logarithmic time axis. `None` if no contender has such
/// figures.
pub(super) fn latencies(report: &Report, work: &WorkInfo) -> Option<Markup> {
    let curves: Vec<(&WorkResult, &[f64])> = report
        .results_of(&work.id)
        .filter_map(|result| Some((result, result.latency.as_ref()?.quantiles.as_slice())))
        .filter(|(_, quantiles)| quantiles.len() > 1)
        .collect();
    let all = curves.iter().flat_map(|(_, quantiles)| quantiles.iter().copied());
    let axis = TimeAxis::covering(all)?;
    let y = |share: f64| rounded(TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM));
    Some(html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{}: distribution of the durations of single operations", work.title)) {
            @for percent in [0, 25, 50, 75, 100] {
                @let y = y(f64::from(percent) / 100.0);
                line class="grid" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y) y2=(y) {}
                text class="axis" x=(LEFT - 6.0) y=(y + 4.0) text-anchor="end" { (percent) "%" }
            }
            @for (x, label) in axis.ticks() {
                line class="grid" x1=(x) x2=(x) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                text class="axis" x=(x) y=(HEIGHT - BOTTOM + 16.0) text-anchor="middle" { (label) }
            }
            @for (result, quantiles) in &curves {
                @let last = (quantiles.len() - 1) as f64;
                @let points = quantiles.iter().enumerate().map(|(number, seconds)| {
                    format!("{},{}", axis.x(*seconds), y(number as f64 / last))
                });
                polyline class=(format!("curve line{}", style(report, &result.contender)))
                    points=(points.collect::<Vec<_>>().join(" ")) {}
            }
        }
        ul.legend {
            @for (result, _) in &curves {
                li {
                    svg viewBox="0 0 28 10" aria-hidden="true" {
                        line class=(format!("curve line{}", style(report, &result.contender))) x1="0" x2="28" y1="5" y2="5" {}
                    }
                    (result.contender)
                }
            }
        }
    })
}

/// A logarithmic axis of durations.
struct TimeAxis {
    /// Exponents (base 10) of the first and the last duration in seconds.
    from: f64,
    to: f64,
}

impl TimeAxis {
    /// Returns the axis that shows these durations in seconds. `None` without a duration.
    fn covering(seconds: impl Iterator<Item = f64>) -> Option<Self> {
        // Durations below a microsecond are shown as one.
        let exponents = seconds.map(|seconds| seconds.max(1e-6).log10());
        let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
        for exponent in exponents {
            (from, to) = (from.min(exponent), to.max(exponent));
        }
        if !from.is_finite() {
            return None;
        }
        // At least a factor of two, so that equal durations are in the middle.
        let missing = (0.3 - (to - from)).max(0.0) / 2.0;
        Some(Self { from: from - missing - 0.02, to: to + missing + 0.02 })
    }

    /// Returns the position of a duration in seconds.
    fn x(&self, seconds: f64) -> f64 {
        let share = (seconds.max(1e-6).log10() - self.from) / (self.to - self.from);
        rounded(LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT))
    }

    /// Returns the positions and labels of the marks: powers of ten, with their multiples by 2 and 5 if
    /// the axis is short.
    fn ticks(&self) -> Vec<(f64, String)> {
        let factors: &[f64] = match self.to - self.from {
            length if length > 2.5 => &[1.0],
            length if length > 1.2 => &[1.0, 3.0],
            length if length > 0.6 => &[1.0, 2.0, 5.0],
            _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        };
        (self.from.floor() as i32..=self.to.ceil() as i32)
            .flat_map(|exponent| factors.iter().map(move |factor| factor * 10_f64.powi(exponent)))
            .filter(|seconds| (self.from..=self.to).contains(&seconds.log10()))
            .map(|seconds| (self.x(seconds), label(seconds)))
            .collect()
    }
}

/// Formats the duration of a mark, without needless decimals.
fn label(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 0.000_999 => (s * 1e6, "µs"),
        s if s < 0.999 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    format!("{} {unit}", (value * 10.0).round() / 10.0)
}

/// Rounds a position to a tenth, which keeps the page small.
fn rounded(position: f64) -> f64 {
    (position * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_covers_all_durations_and_has_marks() {
        for (from, to) in [(0.001, 0.001), (0.001, 0.004), (0.0005, 0.02), (1e-7, 30.0)] {
            let axis = TimeAxis::covering([from, to].into_iter()).expect("durations");
            assert!(
                axis.x(from) >= LEFT && axis.x(to) <= WIDTH - RIGHT && axis.x(from) <= axis.x(to)
            );
            let ticks = axis.ticks();
            assert!((2..=9).contains(&ticks.len()), "{from} {to}: {ticks:?}");
        }
        assert!(TimeAxis::covering(std::iter::empty()).is_none());
        assert_eq!([label(1e-4), label(0.0015), label(10.0)], ["100 µs", "1.5 ms", "10 s"]);
    }
}
