//! Large files of every drive, over HTTP to a drive server: bad lines, lost answers, other processes
//! that go on, and writers that are given up anywhere.

mod contract;
mod lines;
mod reads;
mod resumed;
mod rewritten;
mod rig;
mod writers;
