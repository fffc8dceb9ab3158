//! The drive server over HTTP, as clients observe it.

mod amazon;
mod graph;
#[cfg(target_os = "linux")]
mod memory;
mod server;
