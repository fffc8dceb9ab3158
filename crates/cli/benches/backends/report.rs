//! Output of the results.

use std::fs;

use drivedal_bench::{
    Bench, Report, Result, Throughput, Work,
    report::{self, ReportBuilder, WorkInfo},
};
use jiff::Timestamp;

use crate::{Arguments, contender::Contender, curl};

/// Returns an empty report with the remotes and the works.
pub fn new(arguments: &Arguments, chosen: &[&Contender]) -> ReportBuilder {
    let report = Bench::new(arguments.options(), Vec::new()).report();
    let report =
        report.started(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default());
    let report = report.setting("milliseconds added to each response", arguments.latency_ms);
    let report = chosen.iter().fold(report, |report, contender| {
        report.contender(contender.name, contender.service(), Vec::new())
    });
    let transfer = |id, title, description| {
        WorkInfo::new(id, title, description).with_throughput(Throughput::Bytes)
    };
    report
        .work(transfer(
            curl::UP,
            "curl: upload",
            "curl uploads a file of the same size to the remote's server, with one request in Amazon's \
             form.",
        ))
        .work(transfer(
            curl::DOWN,
            "curl: download",
            "curl downloads that file through the protocol of the remote's cloud, and discards it.",
        ))
        .work(transfer(
            curl::DOWN_CHECKED,
            "curl: download and hash",
            "curl downloads that file and pipes it to md5sum.",
        ))
}

/// Prints the tables, and writes the JSON and the page.
pub fn show(arguments: &Arguments, measured: &Report) -> Result {
    print!("{}", report::text(measured));
    println!("\nSpeed of the large file as a multiple of curl's:\n");
    println!("{:<26} {:>6} {:>6} {:>18}", "remote", "up", "down", "down with md5sum");
    for contender in &measured.contenders {
        let name = contender.name.as_str();
        let ratio = |work: Work, curl: &str| {
            let seconds = |work: &str| measured.result(name, work)?.spread.map(|one| one.median);
            seconds(curl).zip(seconds(work.id())).map(|(curl, ours)| format!("{:.2}", curl / ours))
        };
        let Some(up) = ratio(Work::PutLarge, curl::UP) else { continue };
        let down = ratio(Work::GetLarge, curl::DOWN).unwrap_or_default();
        let hashed = ratio(Work::GetLarge, curl::DOWN_CHECKED).unwrap_or_default();
        println!("{name:<26} {up:>6} {down:>6} {hashed:>18}");
    }
    fs::create_dir_all(&arguments.report)?;
    fs::write(arguments.report.join("results.json"), report::json(measured)?)?;
    fs::write(arguments.report.join("index.html"), report::page(measured))?;
    eprintln!("written: {}", arguments.report.display());
    Ok(())
}
