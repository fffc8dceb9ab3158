//! Large uploads of every drive, over HTTP to a drive server: bad lines, lost answers, other
//! processes that go on, and writers that are given up anywhere.

mod lines;
mod resumed;
mod rig;
mod writers;
