//! Measures the same work on any set of storage backends.
//!
//! A [`Contender`] is a backend under measurement: a [`Target`], such as an OpenDAL operator
//! ([`OperatorTarget`]), and a [`Meter`] that counts its requests. A [`Bench`] performs each
//! [`Work`] on each contender, in interleaved rounds, and verifies the results. The [`Report`] has
//! medians, quartiles, latency distributions, requests, bytes, memory and CPU time. It is printed as
//! a table ([`text`](report::text)), as JSON ([`json`](report::json)), as Markdown
//! ([`markdown`](report::markdown)) or as one HTML page ([`page`](report::page)).
//!
//! ```
//! use drivedal_bench::{Bench, BenchOptions, Contender, OperatorTarget, report};
//! use opendal::{Operator, services::Memory};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> opendal::Result<()> {
//! let operator = Operator::new(Memory::default())?;
//! let contender = Contender::new("memory", OperatorTarget::new(operator));
//! let options = BenchOptions::default().rounds(1).files(10).large_size(1 << 20);
//! let bench = Bench::new(options, vec![contender]);
//! let report = bench.run(&|_| ()).await;
//! assert!(bench.clean_up().await.is_empty());
//! println!("{}", report::text(&report));
//! # Ok(())
//! # }
//! ```
//!
//! Programs that measure whole commands, such as a benchmark of command lines, create [`Sample`]s
//! themselves and pass them to a [`ReportBuilder`](report::ReportBuilder).

mod contender;
mod content;
mod format;
mod operator_target;
mod options;
mod process;
pub mod report;
mod runner;
mod sample;
mod spread;
mod target;
mod turn;
mod verify;
mod work;

use std::error::Error;

pub use self::{
    contender::{Contender, Meter, Totals},
    content::Content,
    operator_target::{OperatorTarget, SizeAnnouncer},
    options::BenchOptions,
    process::{ProcessProbe, ProcessUsage},
    report::Report,
    runner::{Bench, BenchEvent, LeftFolder},
    sample::{Outcome, Sample},
    spread::Spread,
    target::{ChunkSink, RangeReader, Target},
    work::{Throughput, Work},
};

/// The result of an operation of a backend. The report contains the text of the error.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
