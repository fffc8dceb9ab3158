//! Measures the same work on any set of OpenDAL operators: seconds, requests, peak memory.
//!
//! [`rounds::interleaved`] gives each contender its turn in each round, so that changes of the
//! machine's load affect all of them. [`work::run`] does the work on one operator and measures each
//! part. [`report::Cost`] summarizes the rounds as a median and a [`Spread`].
//!
//! Peak memory is a process's: run each contender in a separate process.

pub mod files;
pub mod memory;
pub mod report;
pub mod rounds;
mod spread;
pub mod work;

use std::error::Error;

pub use self::spread::Spread;

/// The result of a measurement. Any error ends the benchmark.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
