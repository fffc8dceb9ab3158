//! Large files of every drive, over HTTP to a drive server: unreliable connections, lost responses,
//! uploads that another process resumes, and writers that are dropped at any point.

mod contract;
mod interrupted;
mod reads;
mod resumed;
mod rewritten;
mod rig;
mod writers;
