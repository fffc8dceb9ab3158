//! Output of the results.

use drivedal_bench::{
    Result,
    report::{Cost, MIB, table},
    rounds::Rounds,
    work::PARTS,
};
use serde_json::{Value, json};

use crate::{Arguments, contender::CONTENDERS, curl};

/// Prints tables and writes the JSON file.
pub fn show(arguments: &Arguments, measured: &Rounds) -> Result {
    let works = PARTS.into_iter().chain([curl::UP, curl::DOWN, curl::DOWN_CHECKED]);
    let costs: Vec<Cost> = works
        .flat_map(|work| {
            measured.iter().filter_map(move |(&number, rounds)| {
                Cost::from_rounds(CONTENDERS[number].name, work, rounds)
            })
        })
        .collect();
    println!(
        "{} small files, a large one of {:.0} MiB, {} ranges, {} ms a request, median of {} rounds\n",
        arguments.files,
        arguments.large as f64 / MIB,
        arguments.ranges,
        arguments.latency_ms,
        arguments.rounds
    );
    print!("{}", table(&costs));
    let beside = beside_curl(arguments, &costs);
    println!(
        "\n| remote | up | of curl's | down | of curl's | of curl's through md5sum |\n\
         |---|---:|---:|---:|---:|---:|"
    );
    for row in &beside {
        let figure = |name: &str, digits: usize, unit: &str| {
            row[name].as_f64().map_or("–".to_owned(), |figure| format!("{figure:.digits$}{unit}"))
        };
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            row["remote"].as_str().unwrap_or_default(),
            figure("up_mib_s", 0, " MiB/s"),
            figure("up_ratio", 2, ""),
            figure("down_mib_s", 0, " MiB/s"),
            figure("down_ratio", 2, ""),
            figure("down_checked_ratio", 2, ""),
        );
    }
    let document = json!({
        "files": arguments.files, "large_bytes": arguments.large, "ranges": arguments.ranges,
        "latency_ms": arguments.latency_ms, "rounds": arguments.rounds,
        "costs": costs, "beside_curl": beside,
    });
    std::fs::write(&arguments.json, serde_json::to_string_pretty(&document)?)?;
    eprintln!("written: {}", arguments.json.display());
    Ok(())
}

/// Compares the throughput of the large file with that of `curl` in the same rounds.
fn beside_curl(arguments: &Arguments, costs: &[Cost]) -> Vec<Value> {
    let seconds = |remote: &str, work: &str| {
        let cost = costs.iter().find(|cost| cost.remote == remote && cost.work == work)?;
        cost.refused.is_none().then_some(cost.median_seconds)
    };
    let size = arguments.large as f64 / MIB;
    let row = |remote: &'static str| {
        let (up, down) = (seconds(remote, "put large file"), seconds(remote, "get large file"));
        let (curl_up, curl_down) = (seconds(remote, curl::UP)?, seconds(remote, curl::DOWN)?);
        let curl_checked = seconds(remote, curl::DOWN_CHECKED);
        Some(json!({
            "remote": remote,
            "up_mib_s": up.map(|up| size / up), "up_ratio": up.map(|up| curl_up / up),
            "down_mib_s": down.map(|down| size / down),
            "down_ratio": down.map(|down| curl_down / down),
            "down_checked_ratio": down.zip(curl_checked).map(|(down, curl)| curl / down),
        }))
    };
    CONTENDERS.iter().filter_map(|contender| row(contender.name)).collect()
}
