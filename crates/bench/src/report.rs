//! Summaries of all rounds.

use serde::Serialize;

use crate::{Spread, work::Measurement};

/// Bytes of a MiB.
pub const MIB: f64 = 1048576.0;

/// The cost of one part of the work for one contender, over all rounds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Cost {
    /// The contender's name.
    pub remote: String,
    /// The part of the work.
    pub work: String,
    /// Why it failed, in the first round in which it did.
    pub refused: Option<String>,
    /// The median of the seconds.
    pub median_seconds: f64,
    /// The fastest round.
    pub least_seconds: f64,
    /// The slowest round.
    pub most_seconds: f64,
    /// The largest number of requests.
    pub requests: Option<u64>,
    /// The largest peak of the client, in MiB.
    pub client_peak_mib: Option<f64>,
    /// The largest peak of the server, in MiB.
    pub server_peak_mib: Option<f64>,
}

impl Cost {
    /// Summarizes the rounds of the contender `remote` for the part `work`. Returns `None` if no
    /// round has this part.
    pub fn from_rounds(remote: &str, work: &str, rounds: &[Vec<Measurement>]) -> Option<Self> {
        let all: Vec<&Measurement> =
            rounds.iter().flatten().filter(|one| one.part == work).collect();
        if all.is_empty() {
            return None;
        }
        let most = |peak: fn(&Measurement) -> Option<u64>| {
            all.iter().filter_map(|one| peak(one)).max().map(|bytes| bytes as f64 / MIB)
        };
        let seconds = Spread::from_values(all.iter().map(|one| one.seconds));
        Some(Self {
            remote: remote.to_owned(),
            work: work.to_owned(),
            refused: all.iter().find_map(|one| one.error.clone()),
            median_seconds: seconds.median,
            least_seconds: seconds.min,
            most_seconds: seconds.max,
            requests: all.iter().filter_map(|one| one.requests).max(),
            client_peak_mib: most(|one| one.client_peak),
            server_peak_mib: most(|one| one.server_peak),
        })
    }
}

/// Returns the costs as a Markdown table.
pub fn table(costs: &[Cost]) -> String {
    let mut table = String::from(
        "| work | remote | seconds | spread | requests | client's peak | server's peak |\n\
         |---|---|---:|---:|---:|---:|---:|\n",
    );
    for cost in costs {
        let Cost { remote, work, median_seconds, least_seconds, most_seconds, .. } = cost;
        if let Some(why) = &cost.refused {
            let why: String = why.lines().next().unwrap_or_default().chars().take(80).collect();
            table += &format!("| {work} | {remote} | – | {why} | | | |\n");
            continue;
        }
        let requests = cost.requests.map_or(String::new(), |requests| requests.to_string());
        let memory =
            |peak: Option<f64>| peak.map_or(String::new(), |peak| format!("{peak:.0} MiB"));
        table += &format!(
            "| {work} | {remote} | {median_seconds:.3} | {least_seconds:.3}–{most_seconds:.3} | \
             {requests} | {} | {} |\n",
            memory(cost.client_peak_mib),
            memory(cost.server_peak_mib),
        );
    }
    table
}
