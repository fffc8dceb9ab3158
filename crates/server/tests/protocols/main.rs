//! The drive server over HTTP, request by request, as a client sees it.

mod amazon;
mod graph;
#[cfg(target_os = "linux")]
mod memory;
mod server;
